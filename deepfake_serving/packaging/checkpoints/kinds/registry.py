"""All kinds by the name that `import` takes."""

from __future__ import annotations

from deepfake_serving.packaging.checkpoints.kinds import backbones, deepfakebench, efficientnets
from deepfake_serving.packaging.checkpoints.kinds.effort import EFFORT
from deepfake_serving.packaging.checkpoints.kinds.f3net import F3NET
from deepfake_serving.packaging.checkpoints.kinds.genconvit import GENCONVIT
from deepfake_serving.packaging.checkpoints.kinds.kind import Kind
from deepfake_serving.packaging.checkpoints.kinds.mesonet import FAKEAVCELEB, MESONET

KINDS: dict[str, Kind] = {
    "cnndetection": backbones.CNNDETECTION,
    "deepfakebench-efficientnetb4": deepfakebench.EFFICIENTNET_B4,
    "deepfakebench-f3net": deepfakebench.F3NET,
    "deepfakebench-srm": deepfakebench.SRM,
    "deepfakebench-ucf": deepfakebench.UCF,
    "deepfakebench-xception": deepfakebench.XCEPTION,
    "effort": EFFORT,
    "f3net": F3NET,
    "fakeavceleb-meso": FAKEAVCELEB,
    "genconvit": GENCONVIT,
    "icpr2020-b4": efficientnets.ICPR2020,
    "mesonet-h5": MESONET,
    "sbi-b4": efficientnets.SBI,
    "selimsef-b7": efficientnets.SELIMSEF,
    "timm": backbones.TIMM,
}
