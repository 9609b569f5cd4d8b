"""The command line: what a person calls directly."""
