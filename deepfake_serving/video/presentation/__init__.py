"""From decoded frames to those that a player shows: progressive, opaque, in sRGB."""
