"""Each promise of the security page names the test that keeps it, and that test exists."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs/security.md").read_text()
_, _, TABLE = PAGE.partition("## Promises and their tests")
ROWS = re.findall(r"^\| (.+?) \| (.+?) \|$", TABLE, re.MULTILINE)[2:]


def test_the_page_has_a_table_of_promises() -> None:
    assert len(ROWS) > 50
    assert len({promise for promise, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("promise", "test"), ROWS)
def test_a_promise_has_a_test(promise: str, test: str) -> None:
    match = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", test)
    assert match is not None, promise
    source = (ROOT / match[1]).read_text()
    assert re.search(rf"^(async )?def {match[2]}\(", source, re.MULTILINE), promise
