"""Predictions of images and videos, logged to MLflow by setting."""
