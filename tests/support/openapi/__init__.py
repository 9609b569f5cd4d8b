"""Requests of every kind from the published OpenAPI document, by schemathesis."""
