"""Packaging: builds archives from manifests, and fetches them with verified digests."""
