"""Development sets, one for each kind of fake or real, scored and tabulated together."""
