"""Collections of small documents in the job store."""
