"""API keys, their scopes and rate limits, and when a gateway may start without keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import (
    Forbidden,
    InvalidRequest,
    QuotaExceeded,
    RateLimited,
    Unauthorized,
)
from deepfake_serving.gateway.auth.authenticator import (
    Authenticator,
    Limits,
    Principal,
    open_authenticator,
)
from deepfake_serving.gateway.auth.keys import Keys, generate
from deepfake_serving.gateway.auth.rate_limits import RateLimitStatus
from deepfake_serving.gateway.queue.turns import current_key
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


async def test_a_key_permits_only_its_scopes(key_and_file: tuple[str, Path]) -> None:
    key, path = key_and_file
    authenticator = Authenticator(Keys(path), None, None)
    bearers = ({"authorization": f"{kind} {key}"} for kind in ("Bearer", "bearer"))
    for headers in (*bearers, {"x-api-key": key}):
        principal = await authenticator.authorize(headers, "images")
        assert current_key.get() == principal.id, "slots are held for it"
        assert principal == Principal("team-a", sees_all=False, limits=Limits(only=True))
        with pytest.raises(Forbidden, match="'videos'"):
            await authenticator.authorize(headers, "videos")


@pytest.mark.parametrize(("owner", "seen"), [("team-a", True), ("team-b", False), (None, False)])
def test_a_key_sees_its_own_jobs_alone(owner: str | None, seen: bool) -> None:
    assert Principal("team-a", sees_all=False).may_see(owner) is seen
    assert Principal("team-a", sees_all=True).may_see(owner)


async def test_the_only_key_has_everything_and_one_of_several_half(tmp_path: Path) -> None:
    first, one = generate("one", ["images"])
    _, two = generate("two", ["images"])
    for entries, queued in (((one,), 9), ((one, two), 5)):
        path = written(tmp_path / "keys.yaml", *entries)
        principal = await Authenticator(Keys(path), None, None).authorize(
            {"x-api-key": first}, "images"
        )
        assert principal.limits.queued(9) == principal.limits.streams(9) == queued


def test_the_key_file_contains_no_plain_key(key_and_file: tuple[str, Path]) -> None:
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
async def test_unknown_keys_are_unauthorized(
    key_and_file: tuple[str, Path], change: object
) -> None:
    key, path = key_and_file
    other = change(key)  # type: ignore[operator]
    with pytest.raises(Unauthorized):
        await Authenticator(Keys(path), None, None).authorize({"x-api-key": other}, "images")


@given(st.text())
def test_an_invented_key_is_unauthorized(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "keys.yaml"
    if not path.exists():
        written(path, generate("a", ["images"])[1])
    keys = Keys(path)
    for key in (text, f"dfk_a_{text}", f"dfk_{text}"):
        with pytest.raises(Unauthorized):
            keys.find(key)


async def test_a_changed_file_is_reloaded_at_once(key_and_file: tuple[str, Path]) -> None:
    key, path = key_and_file
    authenticator = Authenticator(Keys(path), None, None)
    await authenticator.authorize({"x-api-key": key}, "images")
    other, entry = generate("team-b", ["admin"])
    written(path, entry)
    with pytest.raises(Unauthorized):
        await authenticator.authorize({"x-api-key": key}, "images")
    principal = await authenticator.authorize({"x-api-key": other}, "videos")
    assert (principal.id, principal.sees_all) == ("team-b", True)


async def test_an_invalid_file_leaves_the_loaded_keys_in_use(
    key_and_file: tuple[str, Path],
) -> None:
    key, path = key_and_file
    authenticator = Authenticator(Keys(path), None, None)
    written(path, "]")
    assert (await authenticator.authorize({"x-api-key": key}, "images")).id == "team-a"
    path.unlink()
    assert (await authenticator.authorize({"x-api-key": key}, "images")).id == "team-a"


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
def test_an_invalid_key_file_prevents_startup(tmp_path: Path, content: str) -> None:
    with pytest.raises(SettingsError, match=r"keys\.yaml"):
        open_authenticator(Settings(keys_file=written(tmp_path / "keys.yaml", content)))


@pytest.mark.parametrize(
    ("name", "scopes"), [("A", ["images"]), ("a", []), ("a", ["cats"]), ("", ["images"])]
)
def test_a_key_with_invalid_fields_is_not_generated(name: str, scopes: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        generate(name, scopes)


async def test_each_key_has_its_own_rate_limit_counter(tmp_path: Path) -> None:
    (first, a), (second, b) = generate("a", ["images"]), generate("b", ["images"])
    authenticator = Authenticator(Keys(written(tmp_path / "keys.yaml", a, b)), "3/minute", None)
    for _ in range(3):
        await authenticator.authorize({"x-api-key": first}, "images")
    with pytest.raises(RateLimited, match="3 requests in 60 s") as caught:
        await authenticator.authorize({"x-api-key": first}, "images")
    assert 1 <= (caught.value.retry_after_s or 0) <= 60
    await authenticator.authorize({"x-api-key": second}, "images")


async def test_requests_without_the_scope_count_and_have_a_status(tmp_path: Path) -> None:
    key, text = generate("a", ["images"])
    authenticator = Authenticator(Keys(written(tmp_path / "keys.yaml", text)), "2/hour", None)
    statuses: list[object] = []
    for _ in range(2):
        with pytest.raises(Forbidden):
            await authenticator.authorize({"x-api-key": key}, "videos", statuses.append)
    with pytest.raises(RateLimited):
        await authenticator.authorize({"x-api-key": key}, "images", statuses.append)
    assert len(statuses) == 3


async def test_a_key_may_have_its_own_rate(tmp_path: Path) -> None:
    key, text = generate("a", ["images"])
    (entry,) = yaml.safe_load(text)
    path = written(tmp_path / "keys.yaml", yaml.safe_dump([entry | {"rate": "1/hour"}]))
    authenticator = Authenticator(Keys(path), "100/minute", None)
    await authenticator.authorize({"x-api-key": key}, "images")
    with pytest.raises(RateLimited):
        await authenticator.authorize({"x-api-key": key}, "images")


async def test_requests_pass_when_the_counter_is_down(
    key_and_file: tuple[str, Path],
) -> None:
    key, path = key_and_file
    authenticator = Authenticator(Keys(path), "1/minute", "redis://127.0.0.1:1/0")
    for _ in range(3):
        await authenticator.authorize({"x-api-key": key}, "images")


@pytest.mark.parametrize(
    ("settings", "required"),
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
def test_a_key_is_required_if_the_settings_require_one(
    key_and_file: tuple[str, Path], settings: dict[str, object], required: bool
) -> None:
    given = dict(settings)
    if given.pop("keys", False):
        given["keys_file"] = key_and_file[1]
    assert open_authenticator(Settings(**given)).requires_key is required  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [{"host": "0.0.0.0"}, {"host": "gateway"}, {"auth": "keys"}, {"rate_limit": "often"}],
)
def test_a_gateway_without_keys_must_be_enabled_explicitly(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        open_authenticator(Settings(**settings))  # type: ignore[arg-type]


def test_a_gateway_that_others_reach_names_the_variable_of_the_key_file() -> None:
    with pytest.raises(SettingsError, match="DEEPFAKE_GATEWAY_KEYS_FILE to a file of API keys"):
        open_authenticator(Settings(host="gateway"))


async def test_a_used_up_quota_refuses_what_would_use_it(tmp_path: Path) -> None:
    key, entry = generate("team-a", ["images", "videos", "jobs"])
    quota = "  daily: {requests: 5, images: 2, video_seconds: 60}\n"
    authenticator = Authenticator(Keys(written(tmp_path / "keys.yaml", entry, quota)), None, None)
    statuses: list[RateLimitStatus] = []
    principal = await authenticator.authorize({"x-api-key": key}, "images", statuses.append)
    assert [(each.name, each.remaining) for each in statuses] == [
        ("requests-per-day", 5),
        ("images-per-day", 2),
    ]
    authenticator.use_frame(principal, 100)
    authenticator.usage.add("team-a", "images", 1)
    with pytest.raises(QuotaExceeded, match="2 images a day"):
        await authenticator.authorize({"x-api-key": key}, "images")
    with pytest.raises(QuotaExceeded, match="2 images a day"):
        authenticator.use_frame(principal, 100)
    await authenticator.authorize({"x-api-key": key}, "videos")
    authenticator.usage.add("team-a", "video_seconds", 61)
    with pytest.raises(QuotaExceeded, match="60 video seconds a day"):
        await authenticator.authorize({"x-api-key": key}, "videos")
    for _ in range(3):
        await authenticator.authorize({"x-api-key": key}, "jobs")
    with pytest.raises(QuotaExceeded, match="5 requests a day"):
        await authenticator.authorize({"x-api-key": key}, "jobs")
    await authenticator.authorize({"x-api-key": key}, None)
    assert authenticator.usage.used("team-a", "requests") == 5
