"""`python -m deepfake_serving`: the command line."""

from deepfake_serving.cli import main

main()
