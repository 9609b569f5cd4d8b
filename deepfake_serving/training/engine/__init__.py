"""The training loop and its parts: initialization, optimizer, checkpoints, processes."""
