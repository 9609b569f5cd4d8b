"""Preferences of clients (RFC 7240)."""

from __future__ import annotations

from starlette.datastructures import Headers

RESPOND_ASYNC = "respond-async"
"""The client prefers 202 and a job to waiting for the result (RFC 7240, 4.1)."""


def prefers(headers: Headers, name: str) -> bool:
    """Returns whether one of the `Prefer` headers has a preference, whatever its parameters."""
    preferences = ",".join(headers.getlist("Prefer")).split(",")
    return any(_name(each) == name for each in preferences)


def _name(preference: str) -> str:
    """Returns the name in `name [= value] *(; parameter)`. An empty value is none."""
    name, _, value = preference.partition(";")[0].partition("=")
    return name.strip().lower() if value.strip() in ("", '""') else ""
