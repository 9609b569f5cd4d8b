"""Named networks of a manifest: `network: {name: xception, classes: 2}`.

Each is one file of `networks/zoo/`. A network has one logit, or one per class; the manifest's
`fake_class` says which of them stands for fake.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from deepfake_serving.contracts.verdict import HeatmapMethod
from model_handlers.spec import Positive, Spec

Classes = Annotated[int, Field(ge=1, le=16, description="outputs; 1: a single logit")]


class InputSpec(Spec):
    """The normalisation of a named network's input: (x / 255 - mean) / std, for each plane.

    `mean` and `std` are in the order of the planes, so blue first for `bgr`.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    colour_order: Literal["rgb", "bgr"] = "rgb"


class MesoSpec(Spec):
    """Meso-4 and MesoInception-4 (Afchar et al. 2018, arXiv:1809.00888)."""

    name: Literal["meso4", "meso_inception4"]
    classes: Classes = 1
    inner_activations: bool = Field(
        default=True,
        description="ReLU inside MesoInception-4's modules; ports to PyTorch left it out",
    )


class XceptionSpec(Spec):
    """Xception (Chollet 2017, arXiv:1610.02357), timm's `legacy_xception`."""

    name: Literal["xception"]
    classes: Classes = 2


class EfficientNetSpec(Spec):
    """An EfficientNet of timm with a linear head (Tan & Le 2019, arXiv:1905.11946)."""

    name: Literal["efficientnet"]
    architecture: str = "tf_efficientnet_b4"
    classes: Classes = 1
    padded_for: int | None = Field(
        default=None,
        ge=32,
        description="input size that paddings were computed for, as efficientnet_pytorch fixes "
        "them; default: those of each input",
    )
    stem_padding: bool = Field(default=True, description="false: the first convolution has none")
    attention_after: int | None = Field(
        default=None,
        ge=0,
        description="stage whose output is weighted by an attention map "
        "(Bonettini et al. 2020, arXiv:2004.07676)",
    )

    @model_validator(mode="after")
    def _one_kind_of_padding(self) -> EfficientNetSpec:
        if not self.stem_padding and self.padded_for is None:
            raise ValueError("stem_padding: false needs padded_for")
        return self


class DetrSpec(Spec):
    """A DETR head (Carion et al. 2020, arXiv:2005.12872) over an EfficientNet's feature map.

    One query per class, as in MeVer's service (Baxevanakis et al. 2022, arXiv:2204.12816).
    """

    name: Literal["detr"]
    architecture: str = "tf_efficientnet_b4"
    positions: Literal["fixed", "learned"] = "fixed"
    queries: Classes = 1
    width: int = Field(default=256, ge=8, multiple_of=4, description="of the transformer")
    heads: int = Field(default=8, ge=1)
    encoder_layers: int = Field(default=6, ge=0, le=12)
    decoder_layers: int = Field(default=6, ge=1, le=12)
    feedforward: int = Field(default=2048, ge=8)

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> DetrSpec:
        if self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self


class F3NetSpec(Spec):
    """F3-Net's frequency branches (Qian et al. 2020, arXiv:2007.09355).

    `gradients` is a variant in use: Xception over RGB, Sobel in x and y, and a high-pass filter.
    """

    name: Literal["f3net"]
    branches: Literal["fad", "lfs", "both", "gradients"] = "both"
    classes: Classes = 1
    window: int = Field(default=10, ge=4, multiple_of=2, description="of LFS, pixels")
    bands: int = Field(default=6, ge=1, description="of LFS")


class EffortSpec(Spec):
    """CLIP's ViT with Effort's residual folded in (Yan et al. 2024, arXiv:2411.15633)."""

    name: Literal["effort"]
    architecture: str = "vit_large_patch14_clip_quickgelu_224"
    classes: Classes = 2


class ResNetSpec(Spec):
    """A ResNet (He et al. 2015, arXiv:1512.03385), as in CNNDetection (arXiv:1912.11035)."""

    name: Literal["resnet"]
    architecture: str = "resnet50"
    classes: Classes = 1


class TwoStreamSpec(Spec):
    """Xception over colours and over noise residuals (Luo et al. 2021, arXiv:2103.12376)."""

    name: Literal["two_stream"]
    classes: Classes = 2


class UcfSpec(Spec):
    """UCF over Xception (Yan et al. 2023, arXiv:2304.13949), as far as it is needed to classify."""

    name: Literal["ucf"]
    classes: Classes = 2
    width: int = Field(default=512, ge=8, multiple_of=2, description="of the reduced features")


class GenConViTSpec(Spec):
    """ConvNeXt over a face and its reconstruction (Deressa et al. 2023, arXiv:2307.07036)."""

    name: Literal["genconvit"]
    architecture: str = "convnext_tiny"
    networks: Literal["ed", "vae", "both"] = Field(
        default="both", description="ed: of an autoencoder; vae: of a variational one"
    )


NetworkSpec = Annotated[
    MesoSpec
    | XceptionSpec
    | EfficientNetSpec
    | DetrSpec
    | F3NetSpec
    | EffortSpec
    | ResNetSpec
    | TwoStreamSpec
    | UcfSpec
    | GenConViTSpec,
    Field(discriminator="name"),
]

HEATMAPS: dict[str, HeatmapMethod] = {
    "efficientnet": "class_activation",
    "resnet": "class_activation",
    "xception": "class_activation",
    "effort": "attention_rollout",
}
"""The networks that have heatmaps, by their names. Class activation maps need a linear layer after
mean pooling, and rollout a class token; others flatten the map into hidden layers, or have several
maps."""
