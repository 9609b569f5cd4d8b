"""Fetches and verifies the archives of a pod: `python -m deepfake_serving.packaging.deliver`.

Runs beside the model server as a sidecar that starts before it. `DEEPFAKE_DELIVERY` says what to
bring; until all of it lies there, verified, `delivery_probe` tells the kubelet's startup probe
why not, which is how the reason comes into the pod's events. What fails is tried again.
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
    """One archive: what it must be, and where it comes from unless it lies there already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    source: str | None = None


class Delivery(BaseModel):
    """The archives of a pod, `<folder>/<name>.mar` each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path
    archives: dict[str, Archive]


def deliver(delivery: Delivery) -> None:
    """All archives lie in the folder, each with its digest.

    Raises:
        FetchError: a source fails, or has another archive than the one named.
        OSError: an archive that should lie there does not, or the folder can't be written.
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
    """Tries until all is there."""
    pause = _PAUSE_S
    while True:
        try:
            deliver(delivery)
        except (FetchError, OSError) as error:
            STATE.write_text(str(error))
            logger.error("not delivered, again in %.0f s: %s", pause, error)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            STATE.write_text("")
            return


def main() -> int:
    """Becomes a process of a few megabytes, which waits for a signal, once all is there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # process 1 has to ask for it
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        delivery = Delivery.model_validate_json(os.environ["DEEPFAKE_DELIVERY"])
    except (KeyError, ValidationError) as error:
        print(f"deepfake-serving: DEEPFAKE_DELIVERY: {error}", file=sys.stderr)
        return 2
    deliver_at_last(delivery)
    return os.execv(sys.executable, [sys.executable, "-S", "-c", _WAIT])


if __name__ == "__main__":
    sys.exit(main())
