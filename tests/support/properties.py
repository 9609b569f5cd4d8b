"""Profiles of Hypothesis: few fixed examples by default, many random ones at night.

`HYPOTHESIS_PROFILE=nightly` selects the second (`make test-nightly`).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
FACTORS = {"default": 0.25, "nightly": 10.0}
"""Factor for a test's number of examples."""


def examples(count: int) -> int:
    """Returns the number of examples of a test in this profile."""
    return max(5, round(count * FACTORS[PROFILE]))


def load_profile() -> None:
    """Disables deadlines of examples, because machines may be busy."""
    settings.register_profile(
        PROFILE,
        max_examples=examples(100),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        derandomize=PROFILE == "default",
        print_blob=True,
    )
    settings.load_profile(PROFILE)
