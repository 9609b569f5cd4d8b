"""CAs and certificates of tests, mounted as Kubernetes mounts a Secret."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

import trustme

NAME = "localhost"
"""The host in the URLs of pools, which servers' certificates name."""
_numbers = itertools.count()


def mount(
    folder: Path,
    issuer: trustme.CA,
    trusted: trustme.CA,
    expires: datetime.datetime | None = None,
) -> Path:
    """Writes `tls.crt`, `tls.key` and `ca.crt`; a second call replaces all by the swap of a
    symlink."""
    version = folder / f"..{next(_numbers)}"
    version.mkdir(parents=True)
    issued = issuer.issue_cert(NAME, not_after=expires)
    for pem in issued.cert_chain_pems:
        pem.write_to_path(version / "tls.crt", append=True)
    issued.private_key_pem.write_to_path(version / "tls.key")
    trusted.cert_pem.write_to_path(version / "ca.crt")
    swap = folder / "..new"
    swap.symlink_to(version.name)
    swap.replace(folder / "..data")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    return folder
