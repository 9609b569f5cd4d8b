"""Named sources of real and fake faces, packed once and mixed in every batch."""
