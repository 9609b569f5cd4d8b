"""Benchmarks: CPU time, throughput and latency against other ways to serve the same pipeline."""
