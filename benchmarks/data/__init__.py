"""Test images with known faces."""
