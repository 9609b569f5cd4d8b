"""Load tests: users of every API of the gateway, and the gates that decide whether a run passed."""
