"""How much fine detail a face crop holds: what blur, haze and lost focus take away."""

from __future__ import annotations

import cv2
import numpy as np

from model_handlers.pipeline.decode import Pixels

_MIDDLE = 0.6
_SMOOTHING = 1.0


def detail(crop: Pixels) -> float:
    """Deviation of the Laplacian of a smoothed crop's middle, in grey levels.

    The focus measure of Pech-Pacheco et al. 2000 (ICPR), after a Gaussian of one pixel, which keeps
    noise from passing for detail. Most faces of video clips have 3.5 to 8, blurred or hazy ones
    under 2.5.

    Args:
        crop: uint8 (size, size, 3) as the network gets it; measures of other sizes don't compare.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    border = round(len(grey) * (1 - _MIDDLE) / 2)
    middle = grey[border : len(grey) - border, border : len(grey) - border]
    smooth = cv2.GaussianBlur(middle, (0, 0), _SMOOTHING)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).std())
