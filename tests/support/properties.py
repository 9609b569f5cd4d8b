"""The number of examples that Hypothesis tries: few and always the same by default, many at night.

`HYPOTHESIS_PROFILE=nightly` chooses the second (`make test-nightly`).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
FACTORS = {"default": 0.25, "nightly": 10.0}
"""Factor on the number that a test names."""


def examples(count: int) -> int:
    """Returns the number of examples in this profile for a test that names `count`."""
    return max(5, round(count * FACTORS[PROFILE]))


def load_profile() -> None:
    """No example has a deadline: a busy machine is not a defect."""
    settings.register_profile(
        PROFILE,
        max_examples=examples(100),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        derandomize=PROFILE == "default",
        print_blob=True,
    )
    settings.load_profile(PROFILE)
