"""A stub of torch for workers that run on OpenVINO.

TorchServe 0.12.0 imports torch into every worker only to check whether a response is a tensor
(ts/protocol/otf_message_handler.py) and whether there is a GPU to time (ts/handler_utils/timer.py).
The real torch takes seconds at every start and about 250 MB in every worker.
"""

from __future__ import annotations

from types import SimpleNamespace


class Tensor:
    """The class of tensors; it has no instances."""


cuda = SimpleNamespace(is_available=lambda: False)
