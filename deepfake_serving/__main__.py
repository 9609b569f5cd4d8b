"""`python -m deepfake_serving`: the command line."""

from deepfake_serving.cli.app import main

main()
