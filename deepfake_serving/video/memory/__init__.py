"""The memory that decoding a video takes, from its headers."""
