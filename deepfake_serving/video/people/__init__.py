"""People: the tracks of a video that show the same person, by a model that embeds faces."""
