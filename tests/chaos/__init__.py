"""Chaos test of the chart on the cluster of KUBECONFIG (`make chaos`).

Clients and jobs during upgrades, kills and outages. `goals.py` says what a client may see of each;
docs/kubernetes.md has the results.
"""
