"""Fine detail of a face crop, which blur, haze and defocus reduce."""

from __future__ import annotations

import cv2
import numpy as np

from model_handlers.pipeline.decode import Pixels

_CENTRE = 0.6
_SMOOTHING = 1.0


def detail(crop: Pixels) -> float:
    """Returns the deviation of the Laplacian of a smoothed crop's centre, in grey levels.

    The focus measure of Pech-Pacheco et al. 2000 (ICPR), after a Gaussian of one pixel, which keeps
    noise from counting as detail. Most faces in video have 3.5 to 8, blurred or hazy ones less
    than 2.5.

    Args:
        crop: uint8 (size, size, 3) as the network receives it; other sizes are not comparable.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    border = round(len(grey) * (1 - _CENTRE) / 2)
    centre = grey[border : len(grey) - border, border : len(grey) - border]
    smooth = cv2.GaussianBlur(centre, (0, 0), _SMOOTHING)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).std())
