"""Dates and times in queries."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from deepfake_serving.gateway.http.times import Day, Time


def test_dates_and_times_are_those_of_rfc_3339() -> None:
    assert TypeAdapter(Day).validate_python("2026-11-28") == date(2026, 11, 28)
    moment = datetime(2026, 11, 28, 1, tzinfo=UTC)
    assert TypeAdapter(Time).validate_python("2026-11-28T02:00:00+01:00") == moment


@pytest.mark.parametrize("kind", [Day, Time])
@pytest.mark.parametrize("text", ["0", "0.5", "-1", "1795895267", "now", "", "2026-11-28x"])
def test_numbers_and_words_are_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


def test_a_time_has_an_offset() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Time).validate_python("2026-11-28T02:00:00")
