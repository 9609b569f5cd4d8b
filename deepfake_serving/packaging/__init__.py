"""Where models come from: manifests become archives; what is fetched is verified."""
