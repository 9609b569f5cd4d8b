"""The provenance of images: content credentials and metadata, read in a bounded process."""
