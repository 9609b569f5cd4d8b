"""The version of this server."""

from importlib.metadata import version

NAME = "deepfake-serving"
VERSION = version(NAME)
