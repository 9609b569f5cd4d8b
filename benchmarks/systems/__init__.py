"""The systems under test: started on loopback, or run in process."""
