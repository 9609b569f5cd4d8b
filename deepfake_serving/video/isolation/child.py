"""The decoding process: `python -m deepfake_serving.video.isolation.child <descriptor>`.

It reads its task from standard input, limits its memory, and sends batches until the video ends. At
the end of a part it sends the question whether to go on with the next, and reads a byte.
"""

from __future__ import annotations

import pickle
import resource
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import cv2

from deepfake_serving.contracts.problems import Problem, UndecodableMedia
from deepfake_serving.video.isolation.messages import YES, send_batch, send_header, send_question
from deepfake_serving.video.memory.shortage import allocated_bytes
from deepfake_serving.video.options import VideoOptions
from deepfake_serving.video.parts.boundaries import Part
from deepfake_serving.video.reader import VideoReader


def main() -> None:
    """Decodes one video. Ends early if the parent process closes the connection."""
    path, options, part = pickle.load(sys.stdin.buffer)  # from the parent process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Connection(int(sys.argv[1]), readable=False) as connection:
        previous = _limit_memory(options.max_memory_bytes)
        try:
            header = _decode(connection, path, options, part)
        except BrokenPipeError:
            return
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, previous)
        send_header(connection, header)


def _decode(
    connection: Connection, path: Path, options: VideoOptions, part: Part | None
) -> dict[str, object]:
    """Returns the last message: empty, or with a problem or a defect."""

    def goes_on(number: int) -> bool:
        send_question(connection, number)
        return sys.stdin.buffer.read(1) == YES

    reader = VideoReader(path, options, part, goes_on)
    try:
        for batch in reader.batches():
            send_batch(connection, batch, reader)
    except BrokenPipeError:
        raise
    except Problem as problem:
        return {"problem": problem.to_dict()}
    except MemoryError:
        return {"problem": _too_much(options).to_dict()}
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            return {"problem": _too_much(options).to_dict()}
        return {"defect": traceback.format_exc()}
    except Exception:
        return {"defect": traceback.format_exc()}
    return {}


def _too_much(options: VideoOptions) -> Problem:
    limit = options.max_memory_bytes // 2**20
    return UndecodableMedia(f"decoding the video takes more memory than the limit of {limit} MiB")


def _limit_memory(size: int) -> tuple[int, int]:
    """Limits what this process allocates from now on, and returns the limits before.

    RLIMIT_DATA counts private writable memory (getrlimit(2)), so reserved address space is free.
    Linux alone enforces it.
    """
    previous = resource.getrlimit(resource.RLIMIT_DATA)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (allocated_bytes() + size, previous[1]))
    return previous


if __name__ == "__main__":
    main()
