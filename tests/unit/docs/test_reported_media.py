"""Each reported case names the test that keeps its outcome, and that test exists."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs/reported-media.md").read_text()
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)` \|$", PAGE, re.MULTILINE)


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(TESTS) > 9


@pytest.mark.parametrize(("path", "test"), TESTS)
def test_the_test_exists(path: str, test: str) -> None:
    source = (ROOT / path).read_text()
    assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE)
