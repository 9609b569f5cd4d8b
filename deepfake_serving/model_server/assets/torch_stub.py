"""Stands in for torch in workers that run on OpenVINO.

TorchServe 0.12.0 imports torch into every worker only to ask whether an answer is a tensor
(ts/protocol/otf_message_handler.py) and whether there is a GPU to time (ts/handler_utils/timer.py).
The real one would cost seconds of every start and some 250 MB of every worker.
"""

from __future__ import annotations

from types import SimpleNamespace


class Tensor:
    """Nothing is one."""


cuda = SimpleNamespace(is_available=lambda: False)
