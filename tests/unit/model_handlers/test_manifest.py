"""Manifests: shipped ones are valid; invalid ones are reported with file, field and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from model_handlers.manifest import (
    Manifest,
    ManifestError,
    load_manifest,
    parse_manifest,
    read_manifest,
)
from tests.support.paths import MANIFESTS
from tests.support.properties import examples

LEAST: dict[str, Any] = {"name": "least", "version": "1.0", "task": "detector"}
WEIGHTS = {"file": "a/b.safetensors", "sha256": "0" * 64, "licence": "MIT"}


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_manifest_is_valid_and_named_like_its_file(path: Path) -> None:
    assert read_manifest(path).name == path.stem


def test_detector_and_classifier_share_their_settings() -> None:
    detector, classifier = (
        read_manifest(MANIFESTS / f"{n}.yaml") for n in ("detector", "classifier")
    )
    for field in (
        "crop",
        "noise",
        "encoder",
        "head",
        "weights",
        "calibration",
        "thresholds",
        "card",
    ):
        assert getattr(detector, field) == getattr(classifier, field), field


def test_detector_and_faces_share_their_face_settings() -> None:
    detector, faces = (read_manifest(MANIFESTS / f"{n}.yaml") for n in ("detector", "faces"))
    for field in ("decode", "faces", "crop"):
        assert getattr(detector, field) == getattr(faces, field), field


def test_name_version_and_task_are_enough() -> None:
    manifest = parse_manifest(LEAST, "least.yaml")
    assert (manifest.device, manifest.precision, manifest.weights) == ("auto", "fp32", None)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"weights": WEIGHTS},
        {"calibration": {"method": "isotonic", "knots": [[-1, 0.1], [2, 0.9]]}},
        {"noise": {"kernels": ["line"], "input": "noise"}, "precision": "bf16"},
    ],
)
def test_a_manifest_round_trips_through_json(fields: dict[str, Any]) -> None:
    manifest = parse_manifest(LEAST | fields, "least.yaml")
    assert load_manifest(manifest.model_dump_json().encode(), "model.json") == manifest


def test_a_manifest_cannot_be_changed() -> None:
    manifest = parse_manifest(LEAST, "least.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        manifest.version = "2.0"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("task", "weights", "trained"),
    [
        ("detector", None, False),
        ("detector", WEIGHTS, True),
        ("classifier", None, False),
        ("classifier", WEIGHTS, True),
        ("faces", None, True),
    ],
)
def test_a_classifier_is_trained_only_with_weights(task: str, weights: Any, trained: bool) -> None:
    manifest = parse_manifest(LEAST | {"task": task, "weights": weights}, "least.yaml")
    assert manifest.trained is trained


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "Detector"}, "name", "pattern"),
    ({"name": "../up"}, "name", "pattern"),
    ({"name": "a\n"}, "name", "pattern"),
    ({"version": 1.0}, "version", "string"),
    ({"version": "1"}, "version", "pattern"),
    ({"task": "segmenter"}, "task", "'detector', 'faces' or 'classifier'"),
    ({"tusk": "detector"}, "tusk", "not permitted"),
    ({"decode": {"max_pixels": 0}}, "decode.max_pixels", "greater than 0"),
    ({"decode": {"max_bytes": "many"}}, "decode.max_bytes", "integer"),
    ({"faces": {"min_face_px": 11}}, "faces.min_face_px", "greater than or equal to 12"),
    ({"faces": {"thresholds": [0.6, 0.7]}}, "faces.thresholds.2", "required"),
    ({"faces": {"thresholds": [0.6, 0.7, 1.1]}}, "faces.thresholds.2", "less than or equal to 1"),
    ({"faces": {"pyramid_factor": 1.0}}, "faces.pyramid_factor", "less than 0.95"),
    ({"faces": {"max_faces": 0}}, "faces.max_faces", "greater than or equal to 1"),
    ({"crop": {"size": 2000}}, "crop.size", "less than or equal to 1024"),
    ({"crop": {"margin": 0.5}}, "crop.margin", "greater than or equal to 1"),
    ({"noise": {"kernels": []}}, "noise.kernels", "at least 1"),
    ({"noise": {"kernels": ["cubic"]}}, "noise.kernels.0", "'second_order', 'square' or 'line'"),
    ({"noise": {"truncation": 0}}, "noise.truncation", "greater than 0"),
    ({"noise": {"input": "depth"}}, "noise.input", "'rgb', 'noise' or 'rgb+noise'"),
    ({"encoder": {"std": [0.2, 0, 0.2]}}, "encoder.std.1", "greater than 0"),
    ({"encoder": {"mean": [0.2, float("nan"), 0.2]}}, "encoder.mean.1", "finite"),
    ({"head": {"dropout": 1.0}}, "head.dropout", "less than 1"),
    ({"weights": {"file": "w.pt"}}, "weights.file", "pattern"),
    ({"weights": WEIGHTS | {"file": "w.safetensors.pt"}}, "weights.file", "pattern"),
    ({"weights": WEIGHTS | {"sha256": "abc"}}, "weights.sha256", "pattern"),
    ({"weights": {"file": "w.safetensors"}}, "weights.sha256", "required"),
    ({"weights": WEIGHTS | {"licence": None}}, "weights.licence", "string"),
    ({"calibration": {"temperature": 0}}, "calibration.temperature", "greater than 0"),
    ({"calibration": {"temperature": float("inf")}}, "calibration.temperature", "finite"),
    ({"calibration": {"slope": -1}}, "calibration.slope", "greater than 0"),
    ({"calibration": {"intercept": float("nan")}}, "calibration.intercept", "finite"),
    ({"calibration": {"method": "isotonic"}}, "calibration", "at least two knots"),
    ({"calibration": {"knots": [[1, 0.1], [1, 0.2]]}}, "calibration", "knots must rise"),
    ({"calibration": {"knots": [[0, 0.2], [1, 0.1]]}}, "calibration", "knots must rise"),
    ({"calibration": {"knots": [[0, 0.2], [1, 1.1]]}}, "calibration.knots.1.1", "equal to 1"),
    ({"thresholds": {"suspicious_from": 0.7}}, "thresholds", "must not exceed fake_above"),
    ({"thresholds": {"fake_above": 1.5}}, "thresholds.fake_above", "less than or equal to 1"),
    ({"backend": "onnx"}, "backend", "'torch'"),
    ({"precision": "fp16"}, "precision", "'fp32' or 'bf16'"),
    ({"device": "tpu"}, "device", "'auto', 'cpu' or 'cuda'"),
    ({"batching": {"max_batch_size": 0}}, "batching.max_batch_size", "equal to 1"),
    ({"batching": {"max_delay_ms": -1}}, "batching.max_delay_ms", "equal to 0"),
]


@pytest.mark.parametrize(("fields", "field", "reason"), WRONG, ids=lambda v: str(v)[:40])
def test_an_invalid_field_is_reported_with_file_and_reason(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(LEAST | fields, "config/wrong.yaml")
    message = str(caught.value)
    assert message.startswith("config/wrong.yaml: ")
    assert f"{field}: " in message
    assert reason in message


def test_all_invalid_fields_are_reported_at_once() -> None:
    with pytest.raises(ManifestError, match=r"x\.yaml: name: .*; version: .*; crop\.size: "):
        parse_manifest({"task": "faces", "crop": {"size": 1}}, "x.yaml")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "manifest: .*dictionary"),
        (b"[1, 2]", "manifest: .*dictionary"),
        (b"just text", "manifest: .*dictionary"),
        (b"a: [", "expected"),
        (b"a: b: c", "mapping values"),
        (b"\xff\xfe", "can't decode"),
        (b"version: 2024-13-45", "month"),
        (b"a: !!python/object:os.system {}", "could not determine a constructor"),
        (b"\x00", "special characters"),
    ],
)
def test_a_file_that_is_not_a_manifest_is_reported(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=rf"(?s)^{path}: .*{reason}"):
        read_manifest(path)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_an_unreadable_file_is_reported(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=f"^{tmp_path / name}: "):
        read_manifest(tmp_path / name)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def parsed(data: Any) -> Manifest | ManifestError:
    try:
        return parse_manifest(data, "any.yaml")
    except ManifestError as error:
        return error


@settings(max_examples=examples(150))
@given(
    fields=st.dictionaries(st.sampled_from(sorted(Manifest.model_fields)), json_values, max_size=3)
)
def test_any_input_is_a_manifest_or_a_manifest_error(fields: dict[str, Any]) -> None:
    outcome = parsed(LEAST | fields)
    if isinstance(outcome, ManifestError):
        assert str(outcome).startswith("any.yaml: ")
    else:
        assert parse_manifest(outcome.model_dump(mode="json"), "again.yaml") == outcome
