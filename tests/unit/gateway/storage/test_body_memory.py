"""Bodies in memory have a limit in sum, and return what they held."""

from __future__ import annotations

import pytest

from deepfake_serving.contracts.problems import Overloaded
from deepfake_serving.gateway.storage.body_memory import BodyMemory


def test_unfinished_bodies_have_a_limit_in_sum() -> None:
    memory = BodyMemory(100)
    with memory.track() as first, memory.track() as second:
        first.add(60)
        second.add(30)
        with pytest.raises(Overloaded):
            second.add(30)
        second.add(10)
        with memory.track() as third, pytest.raises(Overloaded):
            third.add(1)
    with memory.track() as only:
        only.add(100)


def test_a_key_has_a_share_of_the_memory() -> None:
    memory = BodyMemory(100)
    with memory.track("a", 50) as first, memory.track("a", 50) as second:
        first.add(30)
        with pytest.raises(Overloaded, match="of this API key"):
            second.add(30)
        with memory.track("b", 50) as other:
            other.add(50)
    with memory.track("a", 50) as again:
        again.add(50)
