"""Jobs: submission, the worker's loop, lookup by their owners, webhooks, retention."""
