"""Everything that runs inside a TorchServe worker. Importing this package does not import torch."""
