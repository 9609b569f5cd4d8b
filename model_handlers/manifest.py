"""The typed manifest of a model: `config/models/<name>.yaml`, `model.json` in its archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from deepfake_serving.contracts.verdict import HeatmapMethod
from model_handlers.network_specs import HEATMAPS, InputSpec, NetworkSpec
from model_handlers.spec import Positive, Spec

MANIFEST_FILE = "model.json"
MTCNN_FILE = "mtcnn.safetensors"
NETWORK_FILE = "network.safetensors"
"""Paths of the manifest and the weights in an archive."""

GRAPHS_FOLDER = "openvino"
CLASSIFIER_GRAPH = "classifier"
"""Path of the OpenVINO graphs in an archive, each `<name>.xml` and `<name>.bin`."""

Task = Literal["detector", "faces", "classifier"]
Manipulation = Literal["face_swap", "generated_face", "reenactment", "lip_sync"]
Kernel = Literal["second_order", "square", "line"]
Probability = Annotated[float, Field(ge=0, le=1)]


class ManifestError(ValueError):
    """A manifest that can't be used; the message names the file, the field and the reason."""


class DecodeSpec(Spec):
    """Limits of one encoded image, checked before it is decoded."""

    max_bytes: int = Field(default=32 * 2**20, gt=0)
    max_pixels: int = Field(
        default=8192 * 6144,
        gt=0,
        description="decoded; JPEGs of one scan may have four times as many, and are halved",
    )
    max_scans: int = Field(default=100, gt=0, description="of a JPEG; encoders write up to 20")
    max_chunks: int = Field(
        default=65_536, gt=0, description="of a PNG; encoders write one per 8 KiB or more"
    )
    max_seconds: float = Field(
        default=20.0, gt=0, description="of processor time; 50 megapixels take up to 5"
    )


class FacesSpec(Spec):
    """Face detection by MTCNN (Zhang et al. 2016, arXiv:1604.02878)."""

    min_face_px: float = Field(default=40.0, ge=12, description="shortest side, source pixels")
    thresholds: tuple[Probability, Probability, Probability] = (0.6, 0.7, 0.7)
    pyramid_factor: float = Field(default=0.709, gt=0.1, lt=0.95)
    working_long_side: int = Field(
        default=1280, ge=64, description="longer side of the image that is searched, px"
    )
    max_faces: int = Field(
        default=64, ge=1, description="maximum number of faces; the largest are kept"
    )


class CropSpec(Spec):
    """Face crops: a square of `margin` times the face's longer side, resized to `size` px.

    Networks that others trained need the crops that those were trained on.
    """

    size: int = Field(default=224, ge=32, le=1024)
    margin: float = Field(default=1.3, ge=1.0, le=3.0)
    padding_px: int = Field(
        default=0, ge=0, le=1024, description="added on each side, in pixels of the image"
    )
    shape: Literal["square", "box", "stretched"] = Field(
        default="square",
        description="box: the face's box, on a black square; stretched: the box, made square; of "
        "both, margin widens each side",
    )
    align: Literal["none", "landmarks"] = Field(
        default="none",
        description="landmarks: eyes, nose and mouth are moved to fixed positions (ArcFace, "
        "arXiv:1801.07698), within a square that margin widens",
    )
    border: Literal["reflect", "black"] = Field(default="reflect", description="beyond the image")


class NoiseSpec(Spec):
    """SRM residuals (Fridrich & Kodovsky 2012; three kernels as in Zhou et al. 2018)."""

    kernels: tuple[Kernel, ...] = Field(default=("second_order", "square", "line"), min_length=1)
    truncation: float = Field(default=3.0, gt=0, description="in grey levels of 0..255")
    learnable: bool = False
    input: Literal["rgb", "noise", "rgb+noise"] = "rgb+noise"


class EncoderSpec(Spec):
    """An EfficientNet of timm, and the normalisation of its input channels."""

    architecture: str = "efficientnet_b0"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)


class HeadSpec(Spec):
    """The CNN head over the encoder's feature map."""

    channels: int = Field(default=128, ge=8)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    synthesis: bool = Field(default=False, description="adds the odds of a `SynthesisHead`")


class ReferenceSpec(Spec):
    """A second pass over the same face at a lower resolution, whose logit is subtracted.

    Traces of the camera and the codec are in both passes and cancel; traces of blending are mostly
    in the first.
    """

    face_px: float = Field(default=96, ge=16, description="side of the face in the second pass")
    weight: float = Field(default=1.0, ge=0)


class WeightsSpec(Spec):
    """Trained weights: a safetensors file, pinned by its sha256.

    It lies beside the manifest or in `model_store/`.
    """

    file: str = Field(pattern=r"\.safetensors$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    source: str | None = Field(default=None, description="where imported weights came from")


class CalibrationSpec(Spec):
    """Calibration of logits (Platt 1999; Guo et al. 2017; Zadrozny & Elkan 2002).

    Faces smaller than `certain_from_px`, and blurred or hazy ones with less than
    `certain_from_detail` (see `pipeline.detail`), carry too little information: the less there is,
    the closer their probability moves to one half.
    """

    method: Literal["identity", "temperature", "platt", "isotonic"] = "identity"
    temperature: float = Field(default=1.0, gt=0)
    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0
    knots: tuple[tuple[float, Probability], ...] = ()
    certain_from_px: float = Field(default=0.0, ge=0)
    certain_from_detail: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _knots_rise(self) -> CalibrationSpec:
        xs, ys = [k[0] for k in self.knots], [k[1] for k in self.knots]
        if self.method == "isotonic" and len(self.knots) < 2:
            raise ValueError("isotonic calibration needs at least two knots")
        if xs != sorted(set(xs)) or ys != sorted(ys):
            raise ValueError("knots must rise: logits strictly, probabilities weakly")
        return self


class ThresholdsSpec(Spec):
    """real < `suspicious_from` ≤ suspicious ≤ `fake_above` < fake."""

    suspicious_from: Probability = 0.40
    fake_above: Probability = 0.60

    @model_validator(mode="after")
    def _ordered(self) -> ThresholdsSpec:
        if self.suspicious_from > self.fake_above:
            raise ValueError("suspicious_from must not exceed fake_above")
        return self


class CardSpec(Spec):
    """The model card in short, for clients that show scores.

    `detects` and `excludes` are kinds of manipulation that the model was made for, and was not. In
    faces smaller than `min_face_px`, fakes are often missed.
    """

    url: str | None = Field(default=None, pattern=r"^https?://")
    detects: tuple[Manipulation, ...] = ()
    excludes: tuple[Manipulation, ...] = ()
    min_face_px: float = Field(default=0.0, ge=0, description="longer side of the face box, px")


class BatchingSpec(Spec):
    """Dynamic batching by TorchServe: how many requests, and how long it waits for them.

    One image saturates a CPU; on a GPU a batch of a dozen takes about as long as one image.
    """

    max_batch_size: int = Field(default=4, ge=1, le=1024)
    gpu_max_batch_size: int = Field(default=32, ge=1, le=1024)
    max_delay_ms: int = Field(default=1, ge=0, le=1000)


class Manifest(Spec):
    """One model: its task, its architecture and how it runs. One manifest makes one .mar."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+(\.[0-9]+)?$")
    task: Task
    decode: DecodeSpec = DecodeSpec()
    faces: FacesSpec = FacesSpec()
    crop: CropSpec = CropSpec()
    noise: NoiseSpec = NoiseSpec()
    encoder: EncoderSpec = EncoderSpec()
    head: HeadSpec = HeadSpec()
    network: NetworkSpec | None = Field(
        default=None, description="a named network, in place of noise, encoder and head"
    )
    input: InputSpec = InputSpec()
    fake_class: Literal[0, 1] = Field(
        default=1,
        description="of a named network; 0: its single logit, or class 1 and above, means real",
    )
    reference: ReferenceSpec | None = None
    weights: WeightsSpec | None = None
    calibration: CalibrationSpec = CalibrationSpec()
    thresholds: ThresholdsSpec = ThresholdsSpec()
    card: CardSpec | None = None
    backend: Literal["auto", "torch", "openvino"] = Field(
        default="auto", description="auto: openvino on a CPU, torch on a GPU"
    )
    precision: Literal["fp32", "bf16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batching: BatchingSpec = BatchingSpec()

    @model_validator(mode="after")
    def _openvino_is_for_cpus(self) -> Manifest:
        if self.backend == "openvino" and self.device == "cuda":
            raise ValueError("backend openvino is for CPUs: set device to auto or cpu")
        return self

    @model_validator(mode="after")
    def _one_network(self) -> Manifest:
        ours = self.network is None
        unused = {"input", "fake_class"} if ours else {"noise", "encoder", "head"}
        fields = type(self).model_fields
        if given := [n for n in sorted(unused) if getattr(self, n) != fields[n].default]:
            reason = "needs a named network" if ours else "has no effect on a named network"
            raise ValueError(f"{given[0]} {reason}")
        return self

    @property
    def heatmap(self) -> HeatmapMethod | None:
        """The kind of heatmap that the network has, if any."""
        return "class_activation" if self.network is None else HEATMAPS.get(self.network.name)

    @property
    def trained(self) -> bool:
        """Whether the model has trained weights. A face detector always has."""
        return self.weights is not None or self.task == "faces"


def parse_manifest(data: Any, source: str) -> Manifest:
    """Validates a manifest's content; raises `ManifestError` naming `source`, field and reason."""
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors()
        )
        raise ManifestError(f"{source}: {reasons}") from error


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest from YAML or JSON (which is YAML)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}") from error
    return load_manifest(content, str(path))


def load_manifest(content: bytes, source: str) -> Manifest:
    """Parses the bytes of a YAML or JSON file; `source` names it in errors."""
    try:
        data = yaml.safe_load(content.decode("utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # a date of no calendar is a ValueError
        raise ManifestError(f"{source}: {error}") from error
    return parse_manifest(data, source)
