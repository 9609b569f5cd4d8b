"""Videos: frames, shots, tracks of faces, and one verdict over all of them."""
