"""The documentation refers only to what exists: files, headings, tests, commands and settings."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest

from deepfake_serving.assets import HOME_VARIABLE
from deepfake_serving.gateway.settings import Settings as GatewaySettings
from deepfake_serving.model_server.settings import Settings as ModelServerSettings
from deepfake_serving.packaging.bundled import WEIGHTS_VARIABLE

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "k8s/**/*.md") for page in ROOT.glob(pattern)
)
FOLDERS = "benchmarks|config|deepfake_serving|docker|docs|k8s|loadtest|model_handlers|scripts|tests"
CREATED_LATER = {"docker/.env", "docker/compose/secrets", "docker/compose/secrets/keys.yaml"}
"""Paths that a user creates by a documented command."""
MAX_WIDTH = 120

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code_of(text: str) -> str:
    """Returns the code of a page: fenced and indented blocks, and spans."""
    fenced = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    .*$", text, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return "\n".join([*fenced, *indented, *spans])


def prose_of(text: str) -> str:
    """Returns a page without its code blocks."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub builds them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose_of(page.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        copies = (slug, *(f"{slug}-{n}" for n in range(1, 100)))
        anchors.add(next(anchor for anchor in copies if anchor not in anchors))
    return anchors


def broken_link(page: Path, link: str) -> bool:
    """Returns whether a relative link leads to no file or to no heading."""
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors_of(target)


def placeholder(path: str) -> bool:
    """Returns whether a part of a path is a placeholder: `config/models/NAME.yaml`."""
    return any(len(word) > 2 and word.isupper() for word in re.split(r"\W", path))


@each_page
def test_relative_links_resolve(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose_of(page.read_text()))
    relative = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in relative if broken_link(page, link)] == []


@each_page
def test_files_and_tests_named_in_the_docs_exist(page: Path) -> None:
    code = code_of(page.read_text())
    paths = re.findall(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*\w/?)(?![\w*{{<…-])", code)
    missing = {path for path in paths if not (ROOT / path).exists() and not placeholder(path)}
    assert missing <= CREATED_LATER
    for path, name in re.findall(r"(tests/[\w/]+\.py)::(\w+)", code):
        assert f"def {name}(" in (ROOT / path).read_text()


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|[\s;&])make ([a-z][a-z0-9-]*)", code_of(page.read_text()), re.M)
    assert set(named) <= targets


@each_page
def test_python_modules_exist(page: Path) -> None:
    modules = re.findall(r"python3? -m ([\w.]+)", code_of(page.read_text()))
    assert [module for module in modules if find_spec(module) is None] == []


@each_page
def test_settings_exist(page: Path) -> None:
    known = {
        f"{prefix}_{name.upper()}"
        for prefix, settings in (
            ("DEEPFAKE_GATEWAY", GatewaySettings),
            ("DEEPFAKE_MODEL_SERVER", ModelServerSettings),
        )
        for name in (*settings.model_fields, "config")
    } | {HOME_VARIABLE, WEIGHTS_VARIABLE}
    named = re.findall(r"\bDEEPFAKE_[A-Z0-9_]*[A-Z0-9]\b(?![_*…])", page.read_text())
    assert set(named) <= known


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if not p.read_text().startswith("<!-- Made by")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_prose_is_wrapped(page: Path) -> None:
    lines = prose_of(page.read_text()).splitlines()
    prose = [line for line in lines if not line.startswith(("|", "![", "#"))]
    assert [line for line in prose if len(line) > MAX_WIDTH] == []
