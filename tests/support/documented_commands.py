"""The shell blocks of the first pages, extracted, and run as they are written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from markdown_it import MarkdownIt

from tests.support.paths import ROOT

PAGES = ("README.md", "docs/clients.md", "docs/tutorial.md")

NOT_RUN = {
    "make run": "what the other blocks need: tests/e2e/test_new_user.py runs it",
    "pip install": "tests/e2e/test_wheel.py builds and installs the wheel, and runs both",
    "curl -sS --json": "example.org has no such image, and tests have no internet",
    "npx openapi-typescript": "needs npm: make api-clients generates and builds this client",
    ".venv/bin/python -m scripts.openapi document-3.0": "needs Go: make api-clients builds it",
    "make images": "needs a cluster: tests/cluster installs and tests the chart",
}
"""The beginnings of blocks that are not run, with the reasons."""

NEEDS_GO = "GOBIN="
"""The beginning of blocks that build a tool with Go."""


@dataclass(frozen=True)
class Block:
    """Commands of a page, and the lines that the page shows as their output."""

    page: str
    line: int
    commands: str
    output: str | None

    @property
    def listed(self) -> bool:
        """Whether the block is among those that are not run."""
        return self.commands.startswith(tuple(NOT_RUN))

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """Returns the fenced shell blocks of a page, in order.

    Raises: AssertionError for code in a form that would be missed: indented, or of no language.
    """
    tokens = MarkdownIt().parse((ROOT / page).read_text())
    found = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        assert token.type != "code_block", f"{page}: fence this block: {token.content}"
        if token.type != "fence":
            continue
        assert token.info, f"{page}: name the language of: {token.content}"
        if token.info == "sh":
            shows = following is not None and (following.type, following.info) == ("fence", "text")
            output = following.content if shows and following is not None else None
            found.append(Block(page, (token.map or [0])[0] + 1, token.content, output))
    return found


def run(block: Block, folder: Path, url: str, grpc: str, variables: Mapping[str, str]) -> str:
    """Runs a block in a folder that is a clone; returns what it prints.

    Only the addresses are replaced, as the service of a test listens on ports of its own.

    Raises: AssertionError if a command fails, or prints something else than the page shows.
    """
    script = block.commands.replace("http://127.0.0.1:8000", url).replace("127.0.0.1:8001", grpc)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DEEPFAKE_", "VIRTUAL_"))}
    completed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=inherited | {"DFK_SERVER": url} | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )
    printed = completed.stdout
    assert completed.returncode == 0, f"{block.name}: {completed.stderr}\n{printed}"
    assert "urn:problem:" not in printed, f"{block.name}: {printed}"
    if block.output is not None:
        lines, shown = printed.splitlines(), block.output.splitlines()
        assert len(lines) == len(shown), f"{block.name}: {printed}"
        for line, pattern in zip(lines, shown, strict=True):
            assert fnmatch(line, pattern.replace("…", "*")), f"{block.name}: {printed}"
    return printed
