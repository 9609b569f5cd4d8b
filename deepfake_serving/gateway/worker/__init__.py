"""The worker: a process that runs video jobs and follows live sources."""
