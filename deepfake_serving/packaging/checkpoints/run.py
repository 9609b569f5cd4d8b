"""An import: a public checkpoint becomes weights, a manifest, a record and a card."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from safetensors.torch import save

from deepfake_serving.packaging.checkpoints.card import write_card
from deepfake_serving.packaging.checkpoints.kinds.kind import Kind
from deepfake_serving.packaging.checkpoints.kinds.registry import KINDS
from deepfake_serving.packaging.checkpoints.proof import score_crops
from deepfake_serving.packaging.checkpoints.state import (
    CheckpointError,
    State,
    matched,
    read_state,
)
from deepfake_serving.packaging.fetch import OnProgress, download
from deepfake_serving.packaging.replacing import write_whole
from deepfake_serving.packaging.source_content import without_secrets
from model_handlers.manifest import Manifest, parse_manifest
from model_handlers.networks.inference import build_classifier_network

_PREFIX = "body."


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A checkpoint to import.

    Attributes:
        kind: a key of `KINDS`.
        sources: see `packaging.sources`; several for kinds whose weights are in several files.
        out: folder for the four files, `<name>.safetensors`, `.json`, `.yaml` and `.md`.
        licence: SPDX expression; default: the kind's.
        name: of the model; default: the published file's or the kind's.
        sha256: the sources' expected digests; needed for files that the kind does not know.
        architecture: of kinds that cover several.
        task: detector or classifier.
    """

    kind: str
    sources: tuple[str, ...]
    out: Path
    licence: str | None = None
    name: str | None = None
    sha256: tuple[str, ...] = ()
    architecture: str | None = None
    task: str = "detector"


def import_checkpoint(
    request: ImportRequest,
    say: Callable[[str], None] = lambda line: None,
    progress: OnProgress = lambda done, total: None,
) -> Path:
    """Imports a checkpoint and returns the path of its manifest; `say` gets a line for each step.

    Nothing is written to `out` unless every step succeeds.

    Raises:
        CheckpointError: the kind is unknown, a source, licence or digest is missing or wrong, or
            the tensors are not those of the kind's network.
        FetchError: the source can't be fetched.
    """
    kind = _kind(request.kind)
    if not request.sources:
        raise CheckpointError(f"{request.kind}: name its checkpoint, a path or URL")
    licence = request.licence or kind.licence
    if licence is None:
        raise CheckpointError(
            f"{request.kind}: the authors state no licence for these weights; "
            "name one with --licence (LicenseRef-… for terms without an SPDX identifier)"
        )
    if kind.join is None and len(request.sources) > 1:
        raise CheckpointError(f"{request.kind}: its weights are one file")
    if request.sha256 and len(request.sha256) != len(request.sources):
        raise CheckpointError("name a sha256 for each source, in their order")
    files = [_read(request, kind, number, say, progress) for number in range(len(request.sources))]
    states = [file.state for file in files]
    state = states[0] if kind.join is None else kind.join(states)
    return _convert(request, kind, licence, state, files, say)


@dataclass(frozen=True, slots=True)
class _File:
    """A source that was read; `published` is the name of the published file, if it is known."""

    state: State
    digest: str
    published: str | None


def _read(
    request: ImportRequest,
    kind: Kind,
    number: int,
    say: Callable[[str], None],
    progress: OnProgress,
) -> _File:
    source = request.sources[number]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _file_name(source)
        digest = download(source, path, progress=progress)
        say(f"fetched {without_secrets(source)}: sha256 {digest}")
        expected = request.sha256[number] if request.sha256 else None
        return _File(read_state(path), digest, _check_digest(expected, kind, digest, say))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise CheckpointError(f"no kind {name!r}; there are {', '.join(sorted(KINDS))}")
    return KINDS[name]


def _file_name(source: str) -> str:
    """Returns the file's name, whose suffix distinguishes safetensors from pickles."""
    return PurePosixPath(re.split(r"[?#]", source)[0]).name or "checkpoint"


def _check_digest(
    expected: str | None, kind: Kind, digest: str, say: Callable[[str], None]
) -> str | None:
    """Checks the source's digest and returns the published name of the file, if it is known."""
    published = kind.digests.get(digest)
    if expected is not None:
        if expected.removeprefix("sha256:").lower() != digest:
            raise CheckpointError(f"sha256 {digest} instead of {expected}")
    elif published is None and kind.digests:
        raise CheckpointError(
            f"sha256 {digest} is none of the published files ({', '.join(kind.digests.values())}); "
            "name it with --sha256 if you trust the file"
        )
    say(f"published as {published}" if published else "no published digest to compare with")
    return published


def _convert(
    request: ImportRequest,
    kind: Kind,
    licence: str,
    state: State,
    files: Sequence[_File],
    say: Callable[[str], None],
) -> Path:
    published = files[0].published
    name = request.name or _slug(published.rpartition(".")[0] if published else request.kind)
    described = kind.describe(state, request.architecture)
    manifest = _manifest(request, name, described)
    used, superfluous = without_superfluous(kind, state)
    say(f"{len(state)} tensors, {len(superfluous)} of them superfluous")
    for tensor, reason in superfluous.items():
        say(f"  left out {tensor}: {reason}")
    network = build_classifier_network(manifest)
    renamed = {_PREFIX + tensor: value for tensor, value in kind.rename(used).items()}
    weights = matched(renamed, network)
    network.load_state_dict(weights)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    say(f"{parameters:,} parameters match {manifest.network.name if manifest.network else name}")
    proof = score_crops(network, manifest)
    say(f"three crops of a portrait score {', '.join(f'{p:.4f}' for p in proof)}")
    content = save({key: weights[key] for key in sorted(weights)})
    record = {
        "name": name,
        "kind": request.kind,
        "summary": kind.summary,
        "sources": [
            {"url": _public(source), "sha256": file.digest}
            for source, file in zip(request.sources, files, strict=True)
        ],
        "published_as": published,
        "repository": kind.repository,
        "licence": licence,
        "weights": {
            "file": f"{name}.safetensors",
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": licence,
            "source": kind.repository,
        },
        "parameters": parameters,
        "network": described,
        "superfluous": superfluous,
        "proof": proof,
    }
    return _write(request, record, content, say)


def _manifest(request: ImportRequest, name: str, described: dict[str, Any]) -> Manifest:
    head = {"name": name, "version": "1.0", "task": request.task}
    return parse_manifest({**head, **described}, f"{request.kind}: {name}")


def without_superfluous(kind: Kind, state: State) -> tuple[State, dict[str, str]]:
    """Returns the tensors that the kind's network needs, and the reason of each other one."""
    superfluous = {
        name: reason
        for name in state
        for pattern, reason in kind.superfluous.items()
        if re.fullmatch(pattern, name)
    }
    used = {name: value for name, value in state.items() if name not in superfluous}
    return used, superfluous


def _write(
    request: ImportRequest, record: dict[str, Any], content: bytes, say: Callable[[str], None]
) -> Path:
    name = record["name"]
    entries = {"name": name, "version": "1.0", "task": request.task, **record["network"]}
    entries |= {"weights": record["weights"], "card": {"url": record["repository"]}}
    title = f"# {record['summary']}, by `deepfake-serving import {request.kind}`.\n"
    manifest = title + yaml.safe_dump(entries, sort_keys=False, default_flow_style=None)
    files = {
        f"{name}.safetensors": content,
        f"{name}.json": json.dumps(record, indent=1).encode() + b"\n",
        f"{name}.md": write_card(record).encode(),
        f"{name}.yaml": manifest.encode(),
    }
    for file, data in files.items():
        write_whole(request.out / file, data)
    say(f"wrote {', '.join(files)} to {request.out}")
    return request.out / f"{name}.yaml"


def _public(source: str) -> str:
    """Returns the source without secrets; of a local path its name alone."""
    return without_secrets(source) if "://" in source else _file_name(source)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
