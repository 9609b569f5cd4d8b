"""Typed settings of a training run, read from `config/training/*.yaml`."""
