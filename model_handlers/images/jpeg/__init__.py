"""JPEG files: their segments and scans, files that were cut short, photos that are halved."""
