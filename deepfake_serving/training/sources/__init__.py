"""Named sources of real and fake faces, packed once, mixed in every batch."""
