"""The tokens of TorchServe's APIs."""

from __future__ import annotations

from pathlib import Path

from deepfake_serving.model_server.torchserve.tokens import KEY_FILE, Tokens, read_tokens

WRITTEN = b'{"management": {"key": "a"}, "inference": {"key": "b"}, "API": {"key": "c"}}'


def test_tokens_are_read_once_torchserve_has_written_them(tmp_path: Path) -> None:
    assert read_tokens(tmp_path) is None
    for length in (0, len(WRITTEN) // 2):  # it is being written
        (tmp_path / KEY_FILE).write_bytes(WRITTEN[:length])
        assert read_tokens(tmp_path) is None
    (tmp_path / KEY_FILE).write_bytes(WRITTEN)
    assert read_tokens(tmp_path) == Tokens(inference="b", management="a")


def test_tokens_are_not_logged() -> None:
    assert "secret" not in repr(Tokens("secret", "secret"))
