"""What every server of the project shares: settings, logs, a request's id and its line.

It knows neither models nor the gateway.
"""
