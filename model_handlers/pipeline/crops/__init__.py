"""Crops as other projects cut them, for networks that were trained on those."""
