"""Waits of tests for a server are long: a busy machine must not fail a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.running import GUARD_S

SUITES = ("unit", "integration", "browser")
CALLS = {f"httpx.{name}" for name in ("get", "post", "put", "delete", "Client", "AsyncClient")}
CALLS |= {"checked_client", "socket.create_connection", "http.client.HTTPConnection"}


def hasty(source: str) -> Iterator[int]:
    """Yields the lines of calls whose timeout is a library's default or a number below GUARD_S.

    Shorter ones of tests about timeouts are up to five seconds, or names.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            timeouts = [k.value for k in node.keywords if k.arg in ("timeout", None)]
            if ast.unparse(node.func) == "socket.create_connection":
                timeouts += node.args[1:2]
            if not timeouts or any(_short(value) for value in timeouts):
                yield node.lineno


def _short(value: ast.expr) -> bool:
    number = value.value if isinstance(value, ast.Constant) else None
    return isinstance(number, int | float) and 5 < number < GUARD_S


def test_network_calls_wait_long_enough() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for suite in SUITES
        for path in sorted(Path(ROOT, "tests", suite).rglob("*.py"))
        for line in hasty(path.read_text())
    ]
    assert found == []


def test_a_default_timeout_is_found() -> None:
    source = "httpx.get(url)\nhttpx.get(url, timeout=60)\nhttpx.get(url, timeout=GUARD_S)\n"
    assert list(hasty(source)) == [1, 2]
