"""Dates and times in queries, by RFC 3339."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]|\Z)")


def _check_date(value: object) -> object:
    """Refuses numbers, which pydantic reads as seconds since the epoch."""
    if isinstance(value, str) and _DATE.match(value) is None:
        raise ValueError("a date of RFC 3339 was expected")
    return value


Day = Annotated[date, BeforeValidator(_check_date)]
Time = Annotated[AwareDatetime, BeforeValidator(_check_date)]
