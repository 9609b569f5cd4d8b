"""The command line, `deepfake-serving`."""
