"""Checks of responses against the media that were sent.

Every function raises `InvalidResponse` for a mismatch. The correct verdict on a face is unknown, so
only its presence and consistency are checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from deepfake_serving.contracts.jobs import ENDED, STATES
from deepfake_serving.contracts.verdict import Label
from loadtest.media import Image, Video
from loadtest.responses import Document, InvalidResponse, problem

_FACE_LABELS = frozenset(get_args(Label)) - {"no_face"}
_ROUNDING = 1e-5


def image_verdict(document: Any, image: Image) -> None:
    """Checks the verdict on an image: its faces, labels and probabilities."""
    try:
        faces = document["faces"]
        _check_equal("faces", len(faces), image.faces)
        _check_equal("size", (document["width"], document["height"]), image.size)
        for face in faces:
            _check_verdict(face["verdict"], face["fake_probability"])
            _check_box(face["box"], image.size)
        _check_image_verdict(document, [face["fake_probability"] for face in faces])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidResponse(f"not a verdict: {type(error).__name__}") from error


def batch_results(document: Document, names: Sequence[str], images: Sequence[Image]) -> None:
    """Checks for a verdict on each image, in request order."""
    results = document.get("results")
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise InvalidResponse("not a batch of results")
    _check_equal("results", len(results), len(images))
    for result, name, image in zip(results, names, images, strict=True):
        _check_equal("order", result.get("name"), name)
        if "problem" in result:
            raise problem(result["problem"])
        image_verdict(result.get("verdict"), image)


def job_document(document: Document, job_id: str | None = None) -> Document:
    """Checks a job's state, and its id if `job_id` is given."""
    if document.get("state") not in STATES or not isinstance(document.get("id"), str):
        raise InvalidResponse("not a job")
    if job_id is not None:
        _check_equal("job", document["id"], job_id)
    return document


def finished_job(document: Document, video: Video) -> None:
    """Checks that a job succeeded, not from a cached result, and that its result fits the video."""
    if document["state"] not in ENDED:
        raise InvalidResponse("the job has not finished in time")
    if document["state"] != "succeeded":
        reason = problem(document["problem"]) if document.get("problem") else "no problem given"
        raise InvalidResponse(f"job {document['state']}: {reason}")
    if document.get("cached") is not False:
        raise InvalidResponse("the job returned a cached result")
    try:
        _check_video(document["result"], video)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidResponse(f"not a video's verdict: {type(error).__name__}") from error


def _check_video(result: Document, video: Video) -> None:
    _check_equal("size", (result["width"], result["height"]), video.size)
    _check_equal("complete", result["complete"], True)
    _check_equal("seen", result["frames_analyzed"] > 0, True)
    _check_equal("faces", result["frames_with_face"] > 0, video.faces > 0)
    tracks = [track for shot in result["shots"] for track in shot["tracks"]]
    _check_equal("tracks", len(tracks) > 0, video.faces > 0)
    for track in tracks:
        _check_verdict(track["verdict"], track["fake_probability"])
    if video.faces:
        _check_verdict(result["verdict"], result["fake_probability"])
    else:
        _check_no_face(result)


def _check_image_verdict(document: Document, probabilities: list[float]) -> None:
    """Checks that an image's probability lies within those of its faces, and is that of one."""
    if not probabilities:
        return _check_no_face(document)
    _check_verdict(document["verdict"], document["fake_probability"])
    low, high = min(probabilities) - _ROUNDING, max(probabilities) + _ROUNDING
    if not low <= document["fake_probability"] <= high:
        raise InvalidResponse("the probability is not within those of the faces")
    return None


def _check_no_face(document: Document) -> None:
    _check_equal("verdict", document["verdict"], "no_face")
    _check_equal("probability", document["fake_probability"], None)


def _check_verdict(label: Any, probability: Any) -> None:
    if label not in _FACE_LABELS:
        raise InvalidResponse(f"no verdict on a face: {str(label)[:20]!r}")
    if isinstance(probability, bool) or not isinstance(probability, int | float):
        raise InvalidResponse("a probability that is not a number")
    if not 0 <= probability <= 1:
        raise InvalidResponse("a probability outside 0 to 1")


def _check_box(box: Sequence[float], size: tuple[int, int]) -> None:
    x1, y1, x2, y2 = box
    if not (x1 < x2 and y1 < y2 and x1 < size[0] and y1 < size[1] and x2 > 0 and y2 > 0):
        raise InvalidResponse("a face box outside the image")


def _check_equal(what: str, actual: Any, expected: Any) -> None:
    if actual != expected:
        raise InvalidResponse(f"{what}: {str(actual)[:40]}, not {str(expected)[:40]}")
