"""The report of an evaluation: plots and an HTML page."""
