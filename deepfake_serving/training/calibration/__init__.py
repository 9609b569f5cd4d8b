"""From logits to calibrated probabilities, selected and evaluated out of fold."""
