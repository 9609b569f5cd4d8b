"""Properties of the load shapes, for any parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.shapes import SHAPES, Plan

_USERS = st.integers(1, 200)
_SECONDS = st.floats(0.1, 1e5)


@st.composite
def plans(draw: st.DrawFn, shape: str) -> Plan:
    base = draw(_USERS)
    least = 2 * base if shape == "spike" else base
    return Plan(shape, draw(st.integers(least, least + 200)), base, draw(_SECONDS))


def seen(plan: Plan, moments: int = 4000) -> Iterator[int]:
    """Returns the number of users at evenly spaced moments of the run."""
    for n in range(moments):
        users = plan.users(plan.duration_s * n / moments)
        assert users is not None
        yield users


def levels(plan: Plan) -> list[int]:
    """Returns the number of users over time without repetitions."""
    return [users for users, _ in itertools.groupby(seen(plan))]


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
def test_a_run_begins_with_users_and_ends_without(shape: str, data: st.DataObject):
    plan = data.draw(plans(shape))
    first, last = plan.users(0.0), plan.users(math.nextafter(plan.duration_s, 0))
    assert first in (plan.base, plan.peak)
    assert last in (plan.base, plan.peak)
    assert plan.users(plan.duration_s) is None
    assert plan.users(plan.duration_s * 2) is None


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
def test_users_stay_between_base_and_peak_and_reach_the_peak(shape: str, data: st.DataObject):
    plan = data.draw(plans(shape))
    users = set(seen(plan))
    assert max(users) == plan.peak
    assert min(users) >= plan.base


@given(plans("steady"))
def test_steady_never_changes(plan: Plan):
    assert levels(plan) == [plan.peak]


@given(plans("ramp"))
def test_a_ramp_rises_to_the_peak_in_steps_of_one_and_falls_likewise(plan: Plan):
    up = list(range(plan.base, plan.peak + 1))
    assert levels(plan) == up + up[-2::-1]


def test_the_halves_of_a_ramp_mirror_each_other():
    plan = Plan("ramp", peak=5, base=1, duration_s=90)
    assert [plan.users(t) for t in range(5, 90, 10)] == [1, 2, 3, 4, 5, 4, 3, 2, 1]


@given(plans("ramp"), st.floats(0.01, 0.49))
def test_a_ramp_is_symmetric_in_time(plan: Plan, part: float):
    width = plan.duration_s / (2 * (plan.peak - plan.base) + 1)
    level = int(part * plan.duration_s / width)
    middle = (level + 0.5) * width
    assert plan.users(middle) == plan.users(plan.duration_s - middle) == plan.base + level


@given(plans("spike"))
def test_a_spike_is_one_jump_of_at_least_twice_the_base_and_back(plan: Plan):
    assert levels(plan) == [plan.base, plan.peak, plan.base]
    assert plan.peak >= 2 * plan.base


def test_a_spike_lasts_a_fifth_of_the_time_in_the_middle():
    plan = Plan("spike", peak=20, base=2, duration_s=100)
    moments = [t for t in range(100) if plan.users(t) == 20]
    assert (moments[0], moments[-1], len(moments)) == (40, 59, 20)


@given(plans("soak"))
def test_a_soak_rises_early_and_then_holds_to_the_end(plan: Plan):
    users = list(seen(plan))
    assert users == sorted(users)
    assert set(users[len(users) // 10 + 1 :]) == {plan.peak}


def test_a_long_soak_has_risen_after_a_minute():
    plan = Plan("soak", peak=60, base=1, duration_s=7200)
    assert plan.users(0) == 1
    assert plan.users(30) == 30
    assert plan.users(60) == plan.users(7199) == 60


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shape": "wave", "peak": 2}, "no shape 'wave'"),
        ({"shape": "ramp", "peak": 2, "base": 3}, "base"),
        ({"shape": "ramp", "peak": 2, "base": 0}, "base"),
        ({"shape": "steady", "peak": 1, "duration_s": 0}, "longer than 0"),
        ({"shape": "steady", "peak": 1, "duration_s": math.nan}, "not nan"),
        ({"shape": "spike", "peak": 3, "base": 2}, "2 times base"),
    ],
)
def test_parameters_that_do_not_fit_the_shape_are_refused(given: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Plan(**given)
