"""The baseline: deepfake detection as in the papers' repositories, behind FastAPI and uvicorn.

facenet-pytorch's MTCNN with its defaults runs over the full-size image, then a plain
EfficientNet-B0 in fp32 over the same crop as ours. One image at a time, in a `def`
endpoint on FastAPI's thread pool, with torch's default number of threads.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import timm
import torch
import uvicorn
from facenet_pytorch import MTCNN
from fastapi import FastAPI, UploadFile
from PIL import Image

from model_handlers.manifest import CropSpec, EncoderSpec
from model_handlers.pipeline.crop import crop_face

app = FastAPI()
_mtcnn = MTCNN(keep_all=True)
_network = timm.create_model("efficientnet_b0", num_classes=1).eval()
_encoder = EncoderSpec()


@app.get("/ready")
def ready() -> dict[str, bool]:
    """Responds once the networks are loaded."""
    return {"ready": True}


@app.post("/predict")
def predict(file: UploadFile) -> dict[str, Any]:
    """Returns every face of the image with its fake probability."""
    image = Image.open(io.BytesIO(file.file.read())).convert("RGB")
    boxes, probabilities = _mtcnn.detect(image)
    if boxes is None:
        return {"faces": []}
    faces = [
        {
            "box": [float(side) for side in box],
            "confidence": float(p),
            "fake": _classify(image, box),
        }
        for box, p in zip(boxes, probabilities, strict=True)
    ]
    return {"faces": faces}


def _classify(image: Image.Image, box: Any) -> float:
    crop = crop_face(np.asarray(image), [float(side) for side in box], CropSpec())
    pixels = torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (_encoder.mean, _encoder.std))
    with torch.no_grad():
        return float(torch.sigmoid(_network((pixels - mean) / std))[0, 0])


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
