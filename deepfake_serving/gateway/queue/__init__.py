"""The job queue: jobs stored in SQLite or Redis, claimed under leases, retried, ended once."""
