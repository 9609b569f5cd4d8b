"""Temporary folders that outlive no process."""
