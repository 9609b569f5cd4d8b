"""Load tests: users of every API of the gateway, and the gates for a run to pass."""
