"""Packaging: archives built from manifests, and fetched with their digests verified."""
