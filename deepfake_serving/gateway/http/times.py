"""Dates and times in queries, by RFC 3339."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]|\Z)")


def _parser(expected: str) -> WrapValidator:
    """Returns a validator that names what is expected. It refuses numbers, which pydantic reads as
    seconds since the epoch."""

    def parse(value: object, parse_any: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, str) and _DATE.match(value) is None:
            raise ValueError(expected)
        try:
            return parse_any(value)
        except ValidationError:
            raise ValueError(expected) from None

    return WrapValidator(parse)


Day = Annotated[date, _parser("a date is expected: 2026-11-28")]
Time = Annotated[
    AwareDatetime,
    _parser("a time with its offset is expected: 2026-11-28T00:00:00Z, or …+01:00 with %2B for +"),
]
