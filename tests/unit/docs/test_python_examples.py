"""Examples in Python define or import every name that they use."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.unit.docs.test_links import PAGES, ROOT

EXAMPLES = [
    pytest.param(example, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, example in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_complete(example: str) -> None:
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E9,F", "-"]
    checked = subprocess.run(ruff, input=example, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
