"""The scans of a JPEG: which of its coefficients they hold, and how precisely.

A progressive JPEG sends coarse coefficients of the whole image first, and refines them in later
scans (ITU-T T.81, annex G). A sequential one may have a scan for each component.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model_handlers.images.jpeg.segments import FRAMES, SCAN, segments

Values = npt.NDArray[np.float64]

_COEFFICIENTS = 64


class Scan(NamedTuple):
    """A scan of some components' coefficients `first` to `last`."""

    components: tuple[int, ...]
    first: int
    last: int
    refines: bool
    """Whether it only adds a bit to coefficients of earlier scans."""
    final: bool
    """Whether it brings the last bit."""
    data_start: int
    """Offset of its entropy-coded data."""


class JpegScans(NamedTuple):
    """The scans of a JPEG, and the share of its samples in each component."""

    shares: dict[int, float]
    scans: list[Scan]

    @property
    def are_one(self) -> bool:
        """Whether the one scan holds all components, so that lines arrive from top to bottom."""
        return len(self.scans) == 1 and len(self.scans[0].components) == len(self.shares)


class CoefficientShares(NamedTuple):
    """Shares, 0 to 1, of the coefficients: those read at all, and those in full precision."""

    read: float
    precise: float


def read_scans(data: bytes) -> JpegScans:
    """Reads the headers of a JPEG's frame and scans."""
    shares: dict[int, float] = {}
    scans = []
    for segment in segments(data):
        if segment.marker in FRAMES and not shares:
            shares = _shares(segment.body)
        elif segment.marker == SCAN and _is_complete(segment.body):
            scans.append(_scan(segment.body, segment.body_end))
    return JpegScans(shares, scans)


def coefficient_shares(jpeg: JpegScans, reached: float) -> CoefficientShares:
    """Returns the shares in all scans, of which the last was read to the share `reached`."""
    read, precise = (
        {component: np.zeros(_COEFFICIENTS) for component in jpeg.shares} for _ in range(2)
    )
    for scan in jpeg.scans:
        share = reached if scan is jpeg.scans[-1] else 1.0
        for component in jpeg.shares.keys() & set(scan.components):
            if not scan.refines:
                read[component][scan.first : scan.last + 1] = share
            if scan.final:
                precise[component][scan.first : scan.last + 1] = share
    return CoefficientShares(_mean(jpeg.shares, read), _mean(jpeg.shares, precise))


def _mean(shares: dict[int, float], values: dict[int, Values]) -> float:
    return sum(share * float(values[component].mean()) for component, share in shares.items())


def _shares(body: bytes) -> dict[int, float]:
    """Returns each component's share of the samples, by its sampling factors (B.2.2)."""
    factors = {body[at]: body[at + 1] for at in range(6, len(body) - 2, 3)}
    samples = {name: (factor >> 4) * (factor & 15) for name, factor in factors.items()}
    total = sum(samples.values()) or 1
    return {name: count / total for name, count in samples.items()}


def _is_complete(body: bytes) -> bool:
    return len(body) > 0 and len(body) >= 4 + 2 * body[0]


def _scan(body: bytes, data_start: int) -> Scan:
    count = body[0]
    components = tuple(body[1 : 1 + 2 * count : 2])
    first, last, bits = body[1 + 2 * count :][:3]
    return Scan(components, first, last, bits >> 4 > 0, bits & 15 == 0, data_start)
