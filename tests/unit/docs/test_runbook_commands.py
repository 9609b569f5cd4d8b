"""Commands of the runbooks that print less than they seem to; tests/cluster runs them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
MISLEADING = {
    r"get \S*,(scaledobject|podmonitors)|get (scaledobject|podmonitors)\S*,": (
        "kubectl shows nothing at all if one of the kinds is not installed"
    ),
    r"-L [^|]*custom-columns": "kubectl ignores -L if there are custom columns",
    r"kubectl [^|]*logs [^|]*\| jq -c ": "jq ends at the first line that is no JSON",
    r"reason=OOMKilling(?! +# only with node-problem-detector)": (
        "kubelet makes no such events of containers: no event seems to be no lack of memory"
    ),
    r"port-forward [^\n]*& sleep": "a forwarded port may take longer: let curl try again",
}


def blocks(page: Path) -> str:
    found = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return "\n".join(found).replace("\\\n", "")


@pytest.mark.parametrize(("pattern", "reason"), MISLEADING.items())
@pytest.mark.parametrize("page", PAGES, ids=[each.stem for each in PAGES])
def test_no_command_misleads(page: Path, pattern: str, reason: str) -> None:
    assert not re.search(pattern, blocks(page)), reason
