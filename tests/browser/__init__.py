"""The console in a real browser, panel by panel."""
