"""Training metrics by source, summed on the GPU so that no step waits for a transfer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class PairStatistics:
    """Loss, and per source the shares of wrong reals, wrong fakes and wrongly ordered pairs."""

    def __init__(self, sources: Sequence[str], device: torch.device) -> None:
        self._sources = list(sources)
        self._sums = torch.zeros(len(self._sources), 4, device=device)
        self._loss = torch.zeros(2, device=device)
        self.bank = torch.zeros((), device=device)

    def add(self, loss: Tensor, logits: Tensor, sources: Tensor) -> None:
        """Adds a batch: logits (2n,) of reals, then fakes; sources (n,)."""
        real, fake = logits.chunk(2)
        wrong = [torch.ones_like(real), (real > 0).float(), (fake < 0).float()]
        wrong.append((fake < real).float())
        self._sums.index_add_(0, sources, torch.stack(wrong, 1))
        self._loss += torch.stack([loss, torch.ones_like(loss)])

    def compute_and_reset(self) -> dict[str, object]:
        """Returns the means since the last call and resets them."""
        sums, (loss, steps) = self._sums.tolist(), self._loss.tolist()
        self._sums.zero_()
        self._loss.zero_()
        by_source = {
            name: [round(value / max(1.0, row[0]), 3) for value in row[1:]]
            for name, row in zip(self._sources, sums, strict=True)
        }
        return {
            "loss": round(loss / max(1.0, steps), 4),
            "bank_error": round(float(self.bank), 3),
            "sources": by_source,
        }
