"""Fetching from a hub: stubs on loopback of the hub, and of the storage that it redirects to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deepfake_serving.packaging.fetch import SourceUnreachable, fetch
from tests.unit.packaging.fetch.material import BODY, DIGEST
from tests.unit.packaging.fetch.servers import Handler, serving

received: dict[str, str | None] = {}
"""The header `Authorization` by server."""


class Storage(Handler):
    def do_GET(self) -> None:  # noqa: N802
        received["storage"] = self.headers["Authorization"]
        self.respond(200, BODY)


class Hub(Handler):
    """Redirects those with a token."""

    storage = ""

    def do_GET(self) -> None:  # noqa: N802
        received["hub"] = self.headers["Authorization"]
        permitted = received["hub"] == "Bearer hf_x"
        self.respond(302 if permitted else 401, location=f"http://{self.storage}{self.path}")


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Serves a private model, without a ~/.netrc."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(Storage) as storage, serving(Hub) as host:
        monkeypatch.setattr(Hub, "storage", storage)
        monkeypatch.setenv("HF_ENDPOINT", f"http://{host}")
        yield
    received.clear()


def test_a_private_model_is_fetched_with_the_token(
    monkeypatch: pytest.MonkeyPatch, target: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    fetch("hf://owner/name/a.mar", target, DIGEST)
    assert target.read_bytes() == BODY
    assert received == {"hub": "Bearer hf_x", "storage": None}


def test_without_a_token_a_private_model_is_refused(
    monkeypatch: pytest.MonkeyPatch, target: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(SourceUnreachable, match="401"):
        fetch("hf://owner/name/a.mar", target, DIGEST)
    assert received == {"hub": None}
