"""Load tests: callers of every door of the gateway, and gates that say whether it held."""
