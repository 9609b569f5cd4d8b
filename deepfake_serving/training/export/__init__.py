"""Export of a trained network to its shipped formats, each checked against the one before."""
