"""Load generation: requests, closed loops and the statistics of both."""
