"""Deepfake detection as a service: model server, gateway, workers and command line."""
