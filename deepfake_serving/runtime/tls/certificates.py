"""Certificates that follow their files: each handshake uses the files as they are then.

Secrets and cert-manager replace a mounted folder by the swap of a symlink. Open connections keep
what they were made with, so a rotation breaks none.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable
from typing import Any

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from deepfake_serving.runtime.settings import SettingsError
from deepfake_serving.runtime.tls.files import Loaded, Side, State, TLSFiles, load

log = structlog.get_logger(__name__)


class Certificates:
    """The certificate, key and CA of one side. Safe for threads."""

    def __init__(self, files: TLSFiles, side: Side) -> None:
        """
        Raises:
            SettingsError: the files can't be read, or do not fit together.
        """
        self._files, self._side = files, side
        self._lock = threading.Lock()
        self._refused: State | None = None
        try:
            self._loaded = load(files, side)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{_named(files)}: TLS is not possible: {error}") from error

    def current(self) -> Loaded:
        """Returns what the files contain; the last that fit together while they do not."""
        with self._lock:
            state = self._files.state()
            if state not in (self._loaded.state, self._refused):
                self._reload(state)
            return self._loaded

    def _reload(self, state: State) -> None:
        files = _named(self._files)
        try:
            self._loaded, self._refused = load(self._files, self._side), None
        except (OSError, ValueError) as error:
            self._refused = state
            log.warning("certificates not reloaded", files=files, reason=str(error))
        else:
            log.info("certificates reloaded", files=files)

    def context(self) -> ssl.SSLContext:
        """Returns a context for asyncio, good for all connections to come."""
        return _FollowingContext(self)


class _FollowingContext(ssl.SSLContext):
    """A context that leaves each handshake to that of the current files.

    asyncio and uvloop use nothing but `wrap_bio`. A new context for each rotation would not reach
    listeners that are open.
    """

    def __new__(cls, certificates: Certificates) -> _FollowingContext:
        return super().__new__(cls, certificates.current().context.protocol)

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self._certificates.current().context.wrap_bio(*args, **kwargs)


class CertificateGauges(Collector):
    """The ends of certificates, as the files are at the scrape."""

    def __init__(self, certificates: Certificates | None) -> None:
        self._certificates = certificates

    def collect(self) -> Iterable[Metric]:
        ends = GaugeMetricFamily(
            "deepfake_certificate_expiry_timestamp_seconds",
            "Unix time at which a TLS certificate between gateway and model servers ends: the "
            "server's own (`certificate`), or the one that it trusts (`ca`).",
            labels=["file"],
        )
        if self._certificates is not None:
            for name, end in self._certificates.current().expiries.items():
                ends.add_metric([name], end)
        return [ends]


def _named(files: TLSFiles) -> str:
    return ", ".join(str(p) for p in (files.certificate, files.key, files.ca) if p is not None)
