"""Invalid files of API keys: at startup, and after a change."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from deepfake_serving.contracts.problems import Unauthorized
from deepfake_serving.gateway.auth.keys import Keys, generate

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Returns a function that writes the file, each time with a later modification time."""
    path = tmp_path / "keys.yaml"
    times = iter(range(1, 100))

    def write(text: str) -> Path:
        path.write_text(text)
        os.utime(path, ns=(0, next(times) * 10**9))
        return path

    return write


def test_keys_differ_and_have_256_random_bits() -> None:
    keys = {generate("a", ["images"])[0] for _ in range(50)}
    assert len(keys) == 50
    assert all(re.fullmatch(r"dfk_a_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_a_generated_key_is_a_valid_file_entry(write: Write) -> None:
    key, text = generate("team-a", ["videos", "images", "images"])
    entry = Keys(write(text)).find(key)
    assert (entry.id, entry.scopes, entry.rate) == ("team-a", {"images", "videos"}, None)


def test_generated_entries_can_be_appended_to_one_file(write: Write) -> None:
    first, text = generate("a", ["images"])
    second, more = generate("b", ["images"])
    keys = Keys(write(text + more))
    assert [keys.find(key).id for key in (first, second)] == ["a", "b"]


def test_a_json_key_file_is_accepted(write: Write) -> None:
    key, text = generate("a", ["images"])
    (entry,) = yaml.safe_load(text)
    scopes = str(entry["scopes"]).replace("'", '"')
    path = write(f'[{{"id": "a", "hash": "{entry["hash"]}", "scopes": {scopes}}}]')
    assert Keys(path).find(key).id == "a"


@pytest.mark.parametrize("rate", ["often", "3 per", "''", "many/minute"])
def test_an_invalid_rate_prevents_startup(write: Write, rate: str) -> None:
    _, text = generate("a", ["images"])
    with pytest.raises(ValueError, match="rate"):
        Keys(write(f"{text}  rate: {rate}\n"))


def test_a_key_given_in_place_of_its_hash_is_not_in_the_error_message(write: Write) -> None:
    key, _ = generate("a", ["images"])
    with pytest.raises(ValueError) as caught:
        Keys(write(yaml.safe_dump([{"id": "a", "hash": key, "scopes": ["images"]}])))
    assert key.rpartition("_")[2][:10] not in str(caught.value)


@pytest.mark.parametrize("broken", ["]", "rate: often", "hash: x", "again", "\x00"])
def test_an_invalid_change_is_ignored_and_logged_once(write: Write, broken: str) -> None:
    key, text = generate("a", ["images"])
    keys = Keys(write(text))
    other, more = generate("a" if broken == "again" else "b", ["images"])
    with capture_logs() as logs:
        write(text + more if broken == "again" else f"{text}{more}  {broken}\n")
        for _ in range(3):
            assert keys.find(key).id == "a"
            with pytest.raises(Unauthorized):
                keys.find(other)
    assert [line["event"] for line in logs] == ["key file not reloaded"]


def test_a_corrected_file_is_reloaded(write: Write) -> None:
    key, text = generate("a", ["images"])
    keys = Keys(write(text))
    write("]")
    keys.find(key)
    other, more = generate("b", ["images"])
    path = write(more)
    assert keys.find(other).id == "b"
    with pytest.raises(Unauthorized):
        keys.find(key)
    path.unlink()
    assert keys.find(other).id == "b"
    write(text)
    assert keys.find(key).id == "a"


def test_a_file_that_was_read_half_written_is_read_again(tmp_path: Path) -> None:
    """Its modification times are equal: file systems date by ticks of some milliseconds."""
    key, text = generate("a", ["images"])
    path = tmp_path / "keys.yaml"
    path.write_text("")
    os.utime(path, ns=(0, 0))
    keys = Keys(path)
    with pytest.raises(Unauthorized):
        keys.find(key)
    path.write_text(text)
    os.utime(path, ns=(0, 0))
    assert keys.find(key).id == "a"


def test_a_symlink_swap_as_in_kubernetes_reloads_the_file(tmp_path: Path) -> None:
    key, text = generate("a", ["images"])
    other, more = generate("b", ["images"])
    for folder, content in (("1", text), ("2", more)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys.yaml").write_text(content)
        os.utime(tmp_path / folder / "keys.yaml", ns=(0, 0))
    data = tmp_path / "data"
    data.symlink_to("1")
    keys = Keys(data / "keys.yaml")
    assert keys.find(key).id == "a"
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(data)
    assert keys.find(other).id == "b"


def test_a_file_without_keys_authorizes_nobody(write: Write) -> None:
    keys = Keys(write("[]"))
    with pytest.raises(Unauthorized):
        keys.find(generate("a", ["images"])[0])


@given(text=st.text(max_size=80))
def test_any_key_file_is_valid_or_a_value_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    for content in (text, f"- {text}", f"- {{id: a, hash: x, scopes: {text}}}"):
        path.write_bytes(content.encode(errors="surrogatepass"))
        try:
            Keys(path)
        except ValueError:
            continue
