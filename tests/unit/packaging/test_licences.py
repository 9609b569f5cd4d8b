"""Licences of others that have to go with their work."""

from __future__ import annotations

from importlib.metadata import files

from tests.support.paths import ROOT


def test_the_licence_of_the_mtcnn_weights_is_in_the_package() -> None:
    """Images without facenet-pytorch have its weights, in their archives."""
    (original,) = [path for path in files("facenet-pytorch") or [] if "LICENSE" in path.name]
    copy = ROOT / "model_handlers" / "networks" / "mtcnn.LICENSE.txt"
    assert copy.read_text() == original.locate().read_text()
