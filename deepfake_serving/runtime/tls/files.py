"""The PEM files of one side of TLS, and what they contain."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509

Side = Literal["server", "client"]
State = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Paths of PEM files: the side's own certificate with its key, and the CA of the other side."""

    certificate: Path | None
    """With its intermediate certificates, if there are any."""
    key: Path | None
    ca: Path | None

    def state(self) -> State:
        """Returns what changes with the files, also where a symlink above them is replaced."""
        paths = (self.certificate, self.key, self.ca)
        return tuple(_state(path) for path in paths if path is not None)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The content of the files, which belongs together."""

    state: State
    context: ssl.SSLContext
    certificate: bytes | None
    key: bytes | None
    ca: bytes | None
    expiries: dict[str, float]
    """Unix times at which the certificate (with its intermediates) and the CA end."""


def load(files: TLSFiles, side: Side) -> Loaded:
    """Reads the files.

    Raises:
        OSError: a file can't be read; `ssl.SSLError`: or it is not what it should be.
        ValueError: a certificate is malformed, or the files changed meanwhile.
    """
    state = files.state()
    certificate, key, ca = (
        path.read_bytes() if path is not None else None
        for path in (files.certificate, files.key, files.ca)
    )
    context = _context(files, side)
    expiries = {}
    if certificate is not None:
        expiries["certificate"] = min(_ends(certificate))
    if ca is not None:
        expiries["ca"] = max(_ends(ca))  # a bundle may still contain the previous CA
    if files.state() != state:
        raise ValueError("the files changed while they were read")
    return Loaded(state, context, certificate, key, ca, expiries)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)  # until it is there; loading gives the reason
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _context(files: TLSFiles, side: Side) -> ssl.SSLContext:
    """Returns a context that requires a certificate of the other side where its CA is named."""
    protocol = ssl.PROTOCOL_TLS_SERVER if side == "server" else ssl.PROTOCOL_TLS_CLIENT
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate is not None:
        context.load_cert_chain(files.certificate, files.key, password="")  # never asks for one
    if files.ca is not None:
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _ends(pem: bytes) -> list[float]:
    found = x509.load_pem_x509_certificates(pem)
    return [each.not_valid_after_utc.timestamp() for each in found]
