"""The console's files: kept by browsers for as long as they are the same, and compressed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from deepfake_serving.gateway.http.console import CONSOLE, LATER, add_console, console_version


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI(docs_url=None)
    add_console(app)
    with TestClient(app) as client:
        yield client


def _linked(client: TestClient) -> list[str]:
    return re.findall(r'(?:href|src)="(console/[^"]+)"', client.get("/").text)


def test_the_page_is_revalidated_and_its_files_are_kept(client: TestClient) -> None:
    assert client.get("/").headers["Cache-Control"] == "no-cache"
    linked = _linked(client)
    assert len(linked) > 20
    for path in linked:
        response = client.get(path)
        assert response.status_code == 200, path
        assert "immutable" in response.headers["Cache-Control"], path


def test_every_module_is_preloaded_so_that_imports_cost_no_round_trips(client: TestClient) -> None:
    preloaded = re.findall(r'modulepreload" href="([^"]+)"', client.get("/").text)
    modules = {path.relative_to(CONSOLE).as_posix() for path in CONSOLE.rglob("*.js")}
    root = f"console/{console_version()}/"
    assert {path.removeprefix(root) for path in preloaded} == modules - {*LATER}


def test_files_are_compressed(client: TestClient) -> None:
    script = next(path for path in _linked(client) if path.endswith("main.js"))
    plain = client.get(script, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    compressed = client.get(script, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.headers["Vary"] == "Accept-Encoding"
    assert compressed.text == plain.text


def test_files_without_a_version_are_revalidated(client: TestClient) -> None:
    assert client.get("/console/main.js").headers["Cache-Control"] == "no-cache"
    assert client.get("/console/000000000000/main.js").status_code == 404


def test_the_console_has_no_thresholds_of_its_own() -> None:
    """Scores are labelled by the thresholds that the service names."""
    scores = r"\b0\.[46]0?\b(?!\s*(rem|em|rad|s\b|ex))|\b[46]0(fr|%)"
    about_verdicts = r"thresh|suspicious|fake|real|meter|ends|bands"
    found = [
        f"{path.name}: {line.strip()}"
        for path in CONSOLE.rglob("*.*")
        if path.suffix in (".js", ".css") and "messages" not in path.parts
        for line in path.read_text().splitlines()
        if re.search(scores, line) and re.search(about_verdicts, line)
    ]
    assert found == []
