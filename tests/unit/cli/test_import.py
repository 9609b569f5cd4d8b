"""`deepfake-serving import`: kinds, and errors on one line."""

from __future__ import annotations

from pathlib import Path

import torch
from typer.testing import CliRunner

from deepfake_serving.cli.app import app
from deepfake_serving.packaging.checkpoints.kinds.registry import KINDS
from deepfake_serving.packaging.embeddings.run import KINDS as EMBEDDINGS


def test_kinds_are_listed_with_their_licences() -> None:
    result = CliRunner().invoke(app, ["import", "list"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split(":")[0] for line in lines] == [*KINDS, *EMBEDDINGS]
    assert "no stated licence" in next(line for line in lines if line.startswith("timm"))


def test_a_checkpoint_is_imported_and_its_manifest_printed(tmp_path: Path) -> None:
    import timm

    network = timm.create_model("resnet10t", num_classes=2)
    torch.save(network.state_dict(), tmp_path / "net.pth")
    options = ["--architecture", "resnet10t", "--licence", "MIT", "--out", str(tmp_path / "out")]
    arguments = ["import", "timm", str(tmp_path / "net.pth"), "--name", "net", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert str(tmp_path / "out" / "net.yaml") in result.output
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {
        *(".json", ".md", ".safetensors", ".yaml")
    }


def test_an_error_is_one_line_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"hello")
    arguments = ["import", "timm", str(tmp_path / "net.pth"), "--licence", "MIT"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_missing_checkpoint_is_an_error() -> None:
    result = CliRunner().invoke(app, ["import", "effort"])
    assert result.exit_code == 2
    assert "effort: name its checkpoint, a path or URL" in result.stderr
