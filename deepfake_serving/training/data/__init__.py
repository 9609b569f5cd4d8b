"""Training data: media files, faces, and pairs of a real face and a fake made from it."""
