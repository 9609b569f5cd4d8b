"""Copies of requests to pools that serve no clients, to compare their scores."""
