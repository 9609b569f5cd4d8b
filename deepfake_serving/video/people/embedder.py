"""Embeddings of faces, by OpenCV's own inference: they stay in this process's memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from deepfake_serving.video.gallery.images import MARGIN, SIDE
from deepfake_serving.video.people.manifest import PersonModelError, read_person_model

Vectors = npt.NDArray[np.float32]


class FaceEmbedder:
    """Embeds the faces of gallery images. One at a time: a network holds its state."""

    def __init__(self, path: Path) -> None:
        """Loads the model of a manifest.

        Raises:
            PersonModelError
        """
        self.model, network = read_person_model(path)
        try:
            self._network = cv2.dnn.readNetFromONNX(np.frombuffer(network, np.uint8))
            self._run(np.zeros((self.model.size, self.model.size, 3), np.uint8))
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1]
            raise PersonModelError(f"{path}: OpenCV can't run the network: {reason}") from error

    @property
    def digest(self) -> str:
        """The digest of the network, with all that it is used with."""
        return f"{self.model.weights.sha256} {self.model.model_dump_json()}"

    def embed(self, faces: Sequence[bytes]) -> Vectors:
        """Returns vectors (n, d) of length 1.

        Args:
            faces: images of the gallery, JPEGs of a square around the face.
        """
        vectors = np.stack([self._run(self._crop(face)) for face in faces])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9))

    def _crop(self, face: bytes) -> npt.NDArray[np.uint8]:
        """Cuts the middle of a gallery image, with the model's margin."""
        image = cv2.imdecode(np.frombuffer(face, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        edge = round(SIDE * (1 - self.model.margin / MARGIN) / 2)
        inner = image[edge : SIDE - edge, edge : SIDE - edge]
        size = self.model.size
        sized = cv2.resize(inner, (size, size), interpolation=cv2.INTER_LINEAR)
        return np.asarray(sized if self.model.colour_order == "bgr" else sized[:, :, ::-1])

    def _run(self, crop: npt.NDArray[np.uint8]) -> Vectors:
        pixels = (crop.astype(np.float32) - self.model.mean) / self.model.std
        self._network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32))
        return np.asarray(self._network.forward(), np.float32).reshape(-1)
