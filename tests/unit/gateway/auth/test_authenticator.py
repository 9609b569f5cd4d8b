"""API keys, their scopes and their rates, and when a gateway may stand open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import Forbidden, InvalidRequest, RateLimited, Unauthorized
from deepfake_serving.gateway.auth.authenticator import Authenticator, Principal, open_access
from deepfake_serving.gateway.auth.keys import Keys, generate
from deepfake_serving.gateway.settings import Settings, SettingsError


def written(path: Path, *entries: str) -> Path:
    path.write_text("".join(entries))
    later = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(later, later))
    return path


@pytest.fixture
def key_and_file(tmp_path: Path) -> tuple[str, Path]:
    key, entry = generate("team-a", ["images", "jobs"])
    return key, written(tmp_path / "keys.yaml", entry)


async def test_a_key_opens_what_its_scopes_cover(key_and_file: tuple[str, Path]) -> None:
    key, path = key_and_file
    access = Authenticator(Keys(path), None, None)
    for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
        assert await access.allow(headers, "images") == Principal("team-a", sees_all=False)
        with pytest.raises(Forbidden, match="'videos'"):
            await access.allow(headers, "videos")


def test_the_file_holds_no_key(key_and_file: tuple[str, Path]) -> None:
    key, path = key_and_file
    assert key.rpartition("_")[2] not in path.read_text()
    assert len(key.split("_", 2)[2]) == 43  # 256 bits in base64


@pytest.mark.parametrize(
    "change",
    [
        lambda k: k[:-1],
        lambda k: k[:-1] + "~",
        lambda k: "",
        str.upper,
        lambda k: k.replace("team-a", "team-b"),
        lambda k: k + "A",
    ],
)
async def test_no_other_key_does(key_and_file: tuple[str, Path], change: object) -> None:
    key, path = key_and_file
    other = change(key)  # type: ignore[operator]
    with pytest.raises(Unauthorized):
        await Authenticator(Keys(path), None, None).allow({"x-api-key": other}, "images")


@given(st.text())
def test_nothing_made_up_is_a_key(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "keys.yaml"
    if not path.exists():
        written(path, generate("a", ["images"])[1])
    keys = Keys(path)
    for key in (text, f"dfk_a_{text}", f"dfk_{text}"):
        with pytest.raises(Unauthorized):
            keys.find(key, "images")


async def test_a_changed_file_counts_at_once(key_and_file: tuple[str, Path]) -> None:
    key, path = key_and_file
    access = Authenticator(Keys(path), None, None)
    await access.allow({"x-api-key": key}, "images")
    other, entry = generate("team-b", ["admin"])
    written(path, entry)
    with pytest.raises(Unauthorized):
        await access.allow({"x-api-key": key}, "images")
    assert await access.allow({"x-api-key": other}, "videos") == Principal("team-b", sees_all=True)


async def test_a_file_that_breaks_leaves_the_keys_as_they_were(
    key_and_file: tuple[str, Path],
) -> None:
    key, path = key_and_file
    access = Authenticator(Keys(path), None, None)
    written(path, "]")
    assert (await access.allow({"x-api-key": key}, "images")).id == "team-a"
    path.unlink()
    assert (await access.allow({"x-api-key": key}, "images")).id == "team-a"


@pytest.mark.parametrize(
    "content",
    [
        "]",
        "a: b",
        "- {id: a}",
        "- {id: A, hash: x, scopes: []}",
        "- {id: a, hash: 'sha256:00', scopes: [images]}",
    ],
)
def test_a_wrong_file_stops_the_start(tmp_path: Path, content: str) -> None:
    with pytest.raises(SettingsError, match=r"keys\.yaml"):
        open_access(Settings(keys_file=written(tmp_path / "keys.yaml", content)))


@pytest.mark.parametrize(
    ("name", "scopes"), [("A", ["images"]), ("a", []), ("a", ["cats"]), ("", ["images"])]
)
def test_a_key_that_cannot_be_is_not_made(name: str, scopes: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        generate(name, scopes)


async def test_a_rate_is_each_keys_own(tmp_path: Path) -> None:
    (first, a), (second, b) = generate("a", ["images"]), generate("b", ["images"])
    access = Authenticator(Keys(written(tmp_path / "keys.yaml", a, b)), "3/minute", None)
    for _ in range(3):
        await access.allow({"x-api-key": first}, "images")
    with pytest.raises(RateLimited, match="3 requests in 60 s") as caught:
        await access.allow({"x-api-key": first}, "images")
    assert 1 <= (caught.value.retry_after_s or 0) <= 60
    await access.allow({"x-api-key": second}, "images")


async def test_an_entry_may_have_a_rate_of_its_own(tmp_path: Path) -> None:
    key, text = generate("a", ["images"])
    (entry,) = yaml.safe_load(text)
    path = written(tmp_path / "keys.yaml", yaml.safe_dump([entry | {"rate": "1/hour"}]))
    access = Authenticator(Keys(path), "100/minute", None)
    await access.allow({"x-api-key": key}, "images")
    with pytest.raises(RateLimited):
        await access.allow({"x-api-key": key}, "images")


async def test_a_counter_that_is_away_lets_requests_pass(key_and_file: tuple[str, Path]) -> None:
    key, path = key_and_file
    access = Authenticator(Keys(path), "1/minute", "redis://127.0.0.1:1/0")
    for _ in range(3):
        await access.allow({"x-api-key": key}, "images")


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "0.0.0.0", "auth": "none"}, False),
        ({"host": "0.0.0.0", "keys": True}, True),
        ({"keys": True}, True),
        ({"keys": True, "auth": "none"}, False),
    ],
)
def test_whether_a_key_is_needed(
    key_and_file: tuple[str, Path], settings: dict[str, object], needed: bool
) -> None:
    given = dict(settings)
    if given.pop("keys", False):
        given["keys_file"] = key_and_file[1]
    assert open_access(Settings(**given)).needed is needed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"host": "gateway"}, {"auth": "keys"}, {"rate_limit": "often"}],
)
def test_a_gateway_does_not_stand_open_by_mistake(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        open_access(Settings(**settings))  # type: ignore[arg-type]
