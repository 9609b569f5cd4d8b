"""What runs the networks: torch on GPUs, OpenVINO on CPUs. Either gives `pipeline.graph.Graph`s."""
