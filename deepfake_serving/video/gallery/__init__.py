"""Images of a video's gallery."""
