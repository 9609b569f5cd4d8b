"""A trained network into the forms in which it ships, each proved equal to the one before."""
