"""Reproducible TorchServe archives (.mar) from manifests.

The format is that of torch-model-archiver (a zip with `MAR-INF/MANIFEST.json`), which itself writes
the current time into every archive, so that its digests are not reproducible.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from deepfake_serving.assets import MODEL_STORE
from deepfake_serving.contracts.reasons import reason_of
from deepfake_serving.packaging.replacing import READABLE, replacing
from model_handlers.manifest import (
    CLASSIFIER_GRAPH,
    GRAPHS_FOLDER,
    MANIFEST_FILE,
    MTCNN_FILE,
    NETWORK_FILE,
    CropSpec,
    EncoderSpec,
    HeadSpec,
    Manifest,
    ManifestError,
    NoiseSpec,
    ReferenceSpec,
    load_manifest,
    read_manifest,
)
from model_handlers.network_specs import InputSpec, NetworkSpec

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CODE = {
    "deepfake_serving": ("__init__.py", "contracts/*.py"),
    "model_handlers": ("*.py", "*/*.py", "*/*/*.py", "*/*.LICENSE.txt"),
}
"""Packages that run inside a worker, and the files of each that an archive contains: their modules,
and the licence of MTCNN's weights, which must accompany copies of them."""
CODE_FOLDERS = tuple(f"{package}/" for package in _CODE)
"""Beginnings of these files' paths inside the archive."""
_NETS = ("pnet", "rnet", "onet")


@dataclass(frozen=True, slots=True)
class Archive:
    """A built archive: its path, its manifest and its digest (`sha256:` and 64 hex digits)."""

    path: Path
    manifest: Manifest
    digest: str


def build_archive(manifest_path: Path, out: Path, weights_root: Path = MODEL_STORE) -> Archive:
    """Packs the model that `manifest_path` describes into `out/<name>.mar`, atomically.

    Weights lie beside the manifest or in `weights_root`.

    Raises:
        ManifestError: the manifest is wrong, or TorchServe can't serve its name, or its weights are
            missing or of another digest.
        OSError: the archive can't be written.
    """
    manifest = _servable(read_manifest(manifest_path), str(manifest_path))
    beside = manifest_path.resolve().parent
    has_weights = manifest.weights is not None and (beside / manifest.weights.file).is_file()
    entries = _entries(manifest, beside if has_weights else weights_root)
    target = out / f"{manifest.name}.mar"
    with replacing(target, READABLE) as stream:
        _write_zip(stream, entries)
    return Archive(target, manifest, digest_of(target))


def open_archive(path: Path) -> Archive:
    """Reads an archive's manifest and digest, and checks the sums of all of its files.

    Raises:
        ManifestError: it is not a model archive, or damaged, or TorchServe can't serve its name.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(MANIFEST_FILE)
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises many kinds of exceptions on broken archives
        raise ManifestError(f"{path}: not a model archive: {reason_of(error)}") from error
    if damaged is not None:
        raise ManifestError(f"{path}: the archive is damaged: {damaged} has another checksum")
    source = f"{path}: {MANIFEST_FILE}"
    return Archive(path, _servable(load_manifest(content, source), source), digest_of(path))


def _servable(manifest: Manifest, source: str) -> Manifest:
    """Returns the manifest, unless TorchServe can't serve its name.

    TorchServe takes requests whose path has `/token` for those of its token API, also
    `/models/token-a`, so such a model would never be ready.
    """
    if manifest.name.startswith("token"):
        raise ManifestError(f"{source}: name: TorchServe can't serve names that begin with token")
    return manifest


def digest_of(path: Path) -> str:
    """Returns `sha256:` and the file's sha256 in hex, as `sha256sum` prints it."""
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def _entries(manifest: Manifest, weights_root: Path) -> dict[str, bytes]:
    """Returns every file of the archive by its path."""
    entries = {
        "MAR-INF/MANIFEST.json": _json(_torchserve_manifest(manifest)),
        MANIFEST_FILE: manifest_json(manifest),
        "model-config.yaml": yaml.safe_dump(_torchserve_config(manifest)).encode(),
    }
    entries |= packed_code()
    mtcnn = mtcnn_weights() if manifest.task != "classifier" else None
    network = _weights(manifest, weights_root) if manifest.weights is not None else None
    if manifest.backend != "openvino":
        given = {MTCNN_FILE: mtcnn, NETWORK_FILE: network}
        entries |= {name: content for name, content in given.items() if content is not None}
    if manifest.backend != "torch":
        entries |= _graphs(manifest, mtcnn, network)
    return entries


def manifest_json(manifest: Manifest) -> bytes:
    """Returns the manifest as archives contain it, with every default."""
    return _json(manifest.model_dump(mode="json"))


def packed_code() -> dict[str, bytes]:
    """Returns the files of `_CODE` by their paths inside the archive."""
    return {
        f"{package}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for package, patterns in _CODE.items()
        for root in [Path(str(files(package)))]
        for pattern in patterns
        for path in root.glob(pattern)
    }


def _graphs(manifest: Manifest, mtcnn: bytes | None, network: bytes | None) -> dict[str, bytes]:
    """Exports the networks as OpenVINO graphs, for workers without torch."""
    graphs: dict[str, tuple[bytes, bytes]] = {}
    if mtcnn is not None:
        graphs |= _mtcnn_graphs(mtcnn)
    if manifest.task != "faces":
        graphs[CLASSIFIER_GRAPH] = _classifier_graph(_Network.of(manifest), network)
    return {
        f"{GRAPHS_FOLDER}/{name}.{end}": content
        for name, parts in graphs.items()
        for end, content in zip(("xml", "bin"), parts, strict=True)
    }


class _Network(NamedTuple):
    """The parts of a manifest that determine its network: the cache key of its graph."""

    crop: CropSpec
    noise: NoiseSpec
    encoder: EncoderSpec
    head: HeadSpec
    network: NetworkSpec | None
    input: InputSpec
    fake_class: int
    reference: ReferenceSpec | None

    @classmethod
    def of(cls, manifest: Manifest) -> _Network:
        return cls(*(getattr(manifest, field) for field in cls._fields))


@lru_cache(maxsize=1)
def _mtcnn_graphs(mtcnn: bytes) -> dict[str, tuple[bytes, bytes]]:
    from safetensors.torch import load

    from deepfake_serving.packaging.openvino_ir import intermediate_representation
    from model_handlers.networks.mtcnn import SIDES, build_stage

    weights = load(mtcnn)
    return {
        name: intermediate_representation(
            build_stage(name, weights), (-1, side or -1, side or -1, 3)
        )
        for name, side in SIDES.items()
    }


@lru_cache(maxsize=2)
def _classifier_graph(network: _Network, weights: bytes | None) -> tuple[bytes, bytes]:
    from safetensors.torch import load

    from deepfake_serving.packaging.openvino_ir import intermediate_representation
    from model_handlers.networks.inference import load_network, served_module
    from model_handlers.networks.network import Network
    from model_handlers.networks.planes import PlanesModule
    from model_handlers.pipeline.crops.noise import takes_planes

    named = {"name": "model", "version": "0.0", "task": "classifier"}
    manifest = Manifest.model_validate(named | network._asdict())
    loaded = load_network(manifest, load(weights) if weights else None)
    size = network.crop.size
    if isinstance(loaded, Network) and takes_planes(manifest):
        module = PlanesModule(loaded, manifest)
        return intermediate_representation(module, (-1, module.channels, size, size), signed=True)
    return intermediate_representation(served_module(loaded, manifest), (-1, size, size, 3))


def _torchserve_manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "archiverVersion": "0.12.0",
        "createdOn": "01/01/1980 00:00:00",
        "model": {
            "configFile": "model-config.yaml",
            "handler": "model_handlers.handler",
            "modelName": manifest.name,
            "modelVersion": manifest.version,
        },
        "runtime": "python",
    }


def _torchserve_config(manifest: Manifest) -> dict[str, Any]:
    """Builds the configuration for a stock TorchServe, without workers, which the server sets."""
    return {
        "batchSize": manifest.batching.max_batch_size,
        "maxBatchDelay": manifest.batching.max_delay_ms,
    }


def mtcnn_weights() -> bytes:
    """Returns facenet-pytorch's three networks (MIT licence) as one safetensors file."""
    import torch
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    for net in _NETS:
        source = files("facenet_pytorch").joinpath(f"data/{net}.pt")
        with source.open("rb") as stream:
            state = torch.load(stream, weights_only=True, map_location="cpu")
        tensors |= {f"{net}.{key}": value.contiguous() for key, value in state.items()}
    return save(tensors)


def _weights(manifest: Manifest, root: Path) -> bytes:
    assert manifest.weights is not None
    path = root / manifest.weights.file
    if not path.is_file():
        raise ManifestError(f"{manifest.name}: weights.file: {path} does not exist")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.weights.sha256:
        raise ManifestError(f"{manifest.name}: weights.sha256: {path.name} has {found}")
    return data


def _json(data: Any) -> bytes:
    return json.dumps(data, indent=1, sort_keys=True).encode() + b"\n"


def _write_zip(stream: Any, entries: dict[str, bytes]) -> None:
    """Writes a zip: sorted, undated, uncompressed (weights don't compress, and zlibs differ)."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, entries[name])
