"""The models to serve: verified archives, with the server's settings applied."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict, dataclass

from deepfake_serving.contracts.models import ModelInfo
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.model_server.limits.resources import available_cpus
from deepfake_serving.model_server.settings import Settings, SettingsError
from deepfake_serving.packaging.archive import Archive, open_archive
from deepfake_serving.runtime.serialization import from_plain

_NVIDIA_SMI_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class ServedModel:
    """An archive and its TorchServe settings."""

    archive: Archive
    workers: int
    batch_size: int
    batch_delay_ms: int
    device: str = "cpu"
    """cpu or cuda."""

    @property
    def name(self) -> str:
        return self.archive.manifest.name

    @property
    def version(self) -> str:
        return self.archive.manifest.version

    @property
    def integer_version(self) -> str:
        """The part of the version before the first dot, for clients whose versions are integers."""
        return self.version.partition(".")[0]

    @property
    def task(self) -> str:
        return self.archive.manifest.task

    @property
    def ref(self) -> ModelRef:
        manifest = self.archive.manifest
        return ModelRef(manifest.name, manifest.version, self.archive.digest, manifest.trained)

    @property
    def info(self) -> ModelInfo:
        """The model's entry in the server's metadata."""
        manifest = self.archive.manifest
        scores = self.task != "faces"
        described = {
            "thresholds": manifest.thresholds.model_dump() if scores else None,
            "card": manifest.card and manifest.card.model_dump(mode="json"),
            "task": self.task,
            "max_pixels": manifest.decode.max_pixels,
        }
        return from_plain(ModelInfo, asdict(self.ref) | described)

    @property
    def max_in_flight(self) -> int:
        """Two batches per worker: one that runs and one that fills."""
        return 2 * self.workers * self.batch_size


@dataclass(frozen=True, slots=True)
class Placement:
    """Resources of the models: GPUs for TorchServe, workers per model, threads per worker."""

    gpus: int
    workers: int
    threads: int


def choose_placement(settings: Settings) -> Placement:
    """Chooses workers and threads that use all CPUs without oversubscribing them.

    Every model has at least one worker, and one per GPU.
    """
    gpus = (
        0 if settings.device == "cpu" else settings.gpus if settings.gpus is not None else _gpus()
    )
    cpus = available_cpus()
    models = len(settings.models)
    workers = settings.workers or gpus or min(max(1, cpus // models), 4)
    threads = settings.threads or max(1, cpus // (workers * models))
    return Placement(gpus, workers, threads)


def served_models(settings: Settings, placement: Placement) -> dict[str, ServedModel]:
    """Opens every configured archive.

    Raises:
        SettingsError: an archive is missing, is of another model, or has another digest.
        ManifestError: an archive can't be read.
    """
    served = {name: _open(name, settings, placement) for name in settings.models}
    unknown = set(settings.digests) - set(served)
    if unknown:
        raise SettingsError(f"digests: no such model is served: {', '.join(sorted(unknown))}")
    return served


def _open(name: str, settings: Settings, placement: Placement) -> ServedModel:
    path = settings.archives / f"{name}.mar"
    if not path.is_file():
        raise SettingsError(f"models: {path} does not exist; `deepfake-serving package` builds it")
    archive = open_archive(path)
    if archive.manifest.name != name:
        raise SettingsError(f"models: {path} contains the model {archive.manifest.name!r}")
    expected = settings.digests.get(name, archive.digest)
    if archive.digest != expected:
        raise SettingsError(f"digests: {path} has {archive.digest}, not {expected}")
    batching = archive.manifest.batching
    largest = batching.gpu_max_batch_size if placement.gpus else batching.max_batch_size
    delay = settings.batch_delay_ms
    return ServedModel(
        archive,
        placement.workers,
        settings.batch_size or largest,
        batching.max_delay_ms if delay is None else delay,
        "cuda" if placement.gpus else "cpu",
    )


def _gpus() -> int:
    """Counts the GPUs that the driver lists and CUDA_VISIBLE_DEVICES allows.

    It runs `nvidia-smi`, because importing torch takes seconds.

    Raises:
        SettingsError: `nvidia-smi` fails.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        listed = subprocess.run(
            [program, "-L"], capture_output=True, timeout=_NVIDIA_SMI_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"gpus: unset, and nvidia-smi failed: {error}") from error
    listed_gpus = sum(line.startswith(b"GPU ") for line in listed.stdout.splitlines())
    left = os.environ.get("CUDA_VISIBLE_DEVICES")
    if left is None:
        return listed_gpus
    return min(listed_gpus, sum(name.strip() not in ("", "-1") for name in left.split(",")))
