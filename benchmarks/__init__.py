"""How fast the server is beside what it could be instead: `python -m benchmarks.serving`.

serving → systems (started and stopped), generator (a process a system: asks → load) → report.
"""
