"""Analyses archives of images and videos on Ray Data, with Parquet tables as the result."""
