"""Development sets, one a kind of fake or of real, scored and tabulated together."""
