"""The shared runtime of all servers: settings, logs, metrics, traces, request scope, shutdown.

It depends on no server.
"""
