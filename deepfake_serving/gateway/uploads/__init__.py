"""Resumable uploads: their records, the parts received so far, and their expiry."""
