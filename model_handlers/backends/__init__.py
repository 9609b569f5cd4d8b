"""Backends that run the networks as `pipeline.graph.Graph`s: torch on GPUs, OpenVINO on CPUs."""
