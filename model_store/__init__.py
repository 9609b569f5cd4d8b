"""Where models come from: manifests become archives, archives and weights are fetched and verified."""
