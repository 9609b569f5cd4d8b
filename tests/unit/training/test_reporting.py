"""Errors of the command line: one line for inputs that can't be used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepfake_serving.training import cli
from tests.support.paths import ROOT


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["training", *map(str, arguments)])
    cli.main()


def test_an_error_of_an_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    for content, reason in (
        (None, "No such file"),
        ("model: x.yaml\nepohcs: 3\n", "spec.yaml: epohcs: Extra inputs"),
        ("", "spec.yaml: file: "),
        ("model: [", "spec.yaml: while parsing"),
    ):
        if content is not None:
            spec.write_text(content)
        with pytest.raises(SystemExit) as ended:
            _run(monkeypatch, "train", tmp_path, "--spec", spec)
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert reason in said
        assert "Traceback" not in said


@pytest.mark.parametrize(
    "command",
    [
        ("train", "NONE"),
        ("evaluate", "NONE"),
        ("evaluate-all", "NONE"),
        ("calibrate-all", "NONE"),
        ("attack", "NONE"),
        ("pack", "NONE", "OUT"),
        ("pack", "--kind", "portraits", "NONE", "OUT"),
        ("pack", "--kind", "swaps", "NONE", "OUT"),
    ],
    ids=" ".join,
)
def test_a_folder_that_does_not_exist_is_named(
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    paths = {"NONE": tmp_path / "none", "OUT": tmp_path / "out"}
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, *(paths.get(part, part) for part in command))
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {paths['NONE']}: no such folder\n"


def test_a_traceback_is_shown_on_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _run(monkeypatch, "--traceback", "train", tmp_path, "--spec", tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "arguments",
    [("train", ".", "--track", "tensorbord"), ("pack", "--kind", "portrait", ".", "out")]
    + [("average", part) for part in ("a.safetensors", "a:0", "a:x", ":1", "a:nan")],
)
def test_an_unknown_choice_is_refused(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, *arguments)
    assert ended.value.code == 2
    assert "Invalid value" in capsys.readouterr().err
