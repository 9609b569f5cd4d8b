"""A fuzzer of a running service: hostile inputs of every kind, over the network."""
