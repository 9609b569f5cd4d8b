"""From scores to metrics: with confidence intervals, by subgroup and under corruption."""
