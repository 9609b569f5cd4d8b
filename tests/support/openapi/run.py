"""Runs schemathesis against a gateway: all phases, among them stateful ones along links.

`python -m tests.support.openapi.run URL [KEY]` runs it by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

_CONFIG = Path(__file__).parent / "schemathesis.toml"
_SEED, _EXAMPLES = 1, 8


def schemathesis(
    url: str, document: str | Path, *, key: str | None = None, examples: int = _EXAMPLES
) -> subprocess.CompletedProcess[str]:
    """Sends requests that the document describes, and malformed ones, always the same.

    Args:
        document: a path or a URL.
        examples: the most requests of one test.
    """
    options = ["--seed", str(_SEED), "--generation-database", "none", "--no-color"]
    options += ["--max-examples", str(examples), "--continue-on-failure", "--request-timeout", "60"]
    if key is not None:
        options += ["--header", f"Authorization: Bearer {key}"]
    program = Path(sys.executable).parent / "schemathesis"
    return subprocess.run(
        [program, "--config-file", _CONFIG, "run", document, "--url", url, *options],
        cwd=ROOT,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "tests.support.openapi.hooks", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    completed = schemathesis(
        sys.argv[1], ROOT / "docs" / "openapi.json", key=sys.argv[2] if sys.argv[2:] else None
    )
    print(completed.stdout)
    sys.exit(completed.returncode)
