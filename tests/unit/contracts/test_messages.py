"""Verdicts as protobuf messages: heatmaps and provenance."""

from __future__ import annotations

import base64
from dataclasses import asdict

import orjson

from deepfake_serving.contracts.messages import verdict_message
from deepfake_serving.contracts.provenance import (
    ContentCredentials,
    CredentialAction,
    Provenance,
)
from deepfake_serving.contracts.verdict import FaceVerdict, Heatmap, ImageVerdict, ModelRef

MODEL = ModelRef("detector", "1.0", None, True)


def data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def verdict(heatmap: Heatmap | None = None, provenance: Provenance | None = None) -> ImageVerdict:
    face = FaceVerdict([1, 2, 3, 4], [[1, 1]] * 5, 1.0, 0.7, "fake", {}, heatmap)
    return ImageVerdict("fake", 0.7, [face], 10, 10, MODEL, provenance=provenance)


def test_a_heatmap() -> None:
    heatmap = Heatmap([[0.5, -0.25], [0, 0]], 1.5, 0.5, data_uri(b"overlay"), data_uri(b"crop"))
    message = verdict_message(orjson.loads(orjson.dumps(verdict(heatmap)))).faces[0].heatmap
    assert [list(row.values) for row in message.rows] == [[0.5, -0.25], [0, 0]]
    assert (message.offset, message.scale) == (1.5, 0.5)
    assert (message.overlay, message.crop) == (b"overlay", b"crop")


def test_the_provenance_of_a_signed_file() -> None:
    credentials = ContentCredentials(
        "valid", "Press", None, None, "Editor", [CredentialAction("c2pa.created")], ["a.jpg"]
    )
    provenance = Provenance(
        "00ff", credentials, camera="One", contradictions=["invalid_credentials"]
    )
    message = verdict_message(asdict(verdict(provenance=provenance))).provenance
    assert (message.sha256, message.camera, message.software) == ("00ff", "One", "")
    assert message.credentials.signer == "Press"
    assert message.credentials.signer_name == ""
    assert [action.action for action in message.credentials.actions] == ["c2pa.created"]
    assert list(message.contradictions) == ["invalid_credentials"]


def test_without_a_request_both_are_absent() -> None:
    message = verdict_message(asdict(verdict()))
    assert not message.HasField("provenance")
    assert not message.faces[0].HasField("heatmap")
    unsigned = verdict_message(asdict(verdict(provenance=Provenance("00"))))
    assert not unsigned.provenance.HasField("credentials")
