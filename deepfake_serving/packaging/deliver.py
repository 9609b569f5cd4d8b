"""Fetches and verifies the archives of a pod: `python -m deepfake_serving.packaging.deliver`.

Runs as a sidecar that starts before the model server. `DEEPFAKE_DELIVERY` lists the archives. Until
all are there and verified, `delivery_probe` fails the kubelet's startup probe with the reason,
which then appears in the pod's events. Failures are retried.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepfake_serving.contracts.reasons import reason_of
from deepfake_serving.packaging.archive import digest_of
from deepfake_serving.packaging.delivery_probe import STATE
from deepfake_serving.packaging.fetch import DigestMismatch, FetchError, fetch

logger = logging.getLogger(__name__)

_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 60.0
_WAIT = """
import signal
ends = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # process 1 gets no others
signal.sigwait(ends)
"""


class Archive(BaseModel):
    """One archive: its digest, and its source unless it is in the folder already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    source: str | None = None


class Delivery(BaseModel):
    """The archives of a pod, `<folder>/<name>.mar` each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    archives: dict[str, Archive]


def deliver(delivery: Delivery) -> None:
    """Fetches missing archives and verifies all digests.

    Raises:
        FetchError: a source fails, or its archive has another digest.
        OSError: an archive without a source is missing, or the folder can't be written.
    """
    for name, archive in delivery.archives.items():
        path = delivery.folder / f"{name}.mar"
        if archive.source is not None:
            fetch(archive.source, path, archive.digest)
        elif (found := digest_of(path)) != archive.digest:
            raise DigestMismatch(
                str(path), *(d.removeprefix("sha256:") for d in (archive.digest, found))
            )
        logger.info("delivered %s, %s", path, archive.digest)


def deliver_at_last(delivery: Delivery) -> None:
    """Retries until all archives are delivered."""
    pause = _PAUSE_S
    while True:
        try:
            deliver(delivery)
        except (FetchError, OSError) as error:
            STATE.write_text(str(error))
            logger.error("not delivered, retry in %.0f s: %s", pause, error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            STATE.write_text("")
            return


def main() -> int:
    """Delivers, then becomes a process of a few megabytes that waits for a signal."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # process 1 has no default handlers
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        delivery = Delivery.model_validate_json(os.environ["DEEPFAKE_DELIVERY"])
    except (KeyError, ValidationError) as error:
        print(f"deepfake-serving: DEEPFAKE_DELIVERY: {reason_of(error)}", file=sys.stderr)
        return 2
    deliver_at_last(delivery)
    return os.execv(sys.executable, [sys.executable, "-S", "-c", _WAIT])


if __name__ == "__main__":
    sys.exit(main())
