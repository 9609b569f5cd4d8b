"""The model card (Mitchell et al. 2019, arXiv:1810.03993), generated from measured files."""
