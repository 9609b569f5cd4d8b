"""Whether a document says what is true of the medium that was sent.

Every function raises `Wrong` where it does not. What verdict a face deserves is not known here:
only that there is one, and that it fits the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from deepfake_serving.contracts.jobs import ENDED, STATES
from deepfake_serving.contracts.verdict import Label
from loadtest.media import Picture, Video
from loadtest.responses import Document, Wrong, problem

_OF_FACES = frozenset(get_args(Label)) - {"no_face"}
_ROUNDING = 1e-5


def image(document: Any, picture: Picture) -> None:
    """The verdict on one picture: its faces, and words and probabilities that fit them."""
    try:
        faces = document["faces"]
        _same("faces", len(faces), picture.faces)
        _same("size", (document["width"], document["height"]), picture.size)
        for face in faces:
            _judged(face["verdict"], face["fake_probability"])
            _inside(face["box"], picture.size)
        _overall(document, [face["fake_probability"] for face in faces])
    except (KeyError, TypeError, ValueError) as error:
        raise Wrong(f"not a verdict: {type(error).__name__}") from error


def batch(document: Document, names: Sequence[str], pictures: Sequence[Picture]) -> None:
    """A verdict for each picture, in the order of sending."""
    results = document.get("results")
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise Wrong("not a batch of results")
    _same("results", len(results), len(pictures))
    for result, name, picture in zip(results, names, pictures, strict=True):
        _same("order", result.get("name"), name)
        if "problem" in result:
            raise problem(result["problem"])
        image(result.get("verdict"), picture)


def job(document: Document, job_id: str | None = None) -> Document:
    """A job in one of its states; that one, where its id is given."""
    if document.get("state") not in STATES or not isinstance(document.get("id"), str):
        raise Wrong("not a job")
    if job_id is not None:
        _same("job", document["id"], job_id)
    return document


def ended(document: Document, video: Video) -> None:
    """A job that has ended well, with new work done and a result that fits the video."""
    if document["state"] not in ENDED:
        raise Wrong("the job has not ended in time")
    if document["state"] != "succeeded":
        told = problem(document["problem"]) if document.get("problem") else "no problem told"
        raise Wrong(f"job {document['state']}: {told}")
    if document.get("cached") is not False:
        raise Wrong("the job was answered from an earlier result")
    try:
        _film(document["result"], video)
    except (KeyError, TypeError, ValueError) as error:
        raise Wrong(f"not a video's verdict: {type(error).__name__}") from error


def _film(result: Document, video: Video) -> None:
    _same("size", (result["width"], result["height"]), video.size)
    _same("complete", result["complete"], True)
    _same("seen", result["frames_analyzed"] > 0, True)
    _same("faces", result["frames_with_face"] > 0, video.faces > 0)
    tracks = [track for shot in result["shots"] for track in shot["tracks"]]
    _same("tracks", len(tracks) > 0, video.faces > 0)
    for track in tracks:
        _judged(track["verdict"], track["fake_probability"])
    if video.faces:
        _judged(result["verdict"], result["fake_probability"])
    else:
        _nobody(result)


def _overall(document: Document, probabilities: list[float]) -> None:
    """A picture's probability is that of its most suspicious face."""
    if not probabilities:
        return _nobody(document)
    _judged(document["verdict"], document["fake_probability"])
    if abs(document["fake_probability"] - max(probabilities)) > _ROUNDING:
        raise Wrong("the probability is not the highest face's")
    return None


def _nobody(document: Document) -> None:
    _same("verdict", document["verdict"], "no_face")
    _same("probability", document["fake_probability"], None)


def _judged(word: Any, probability: Any) -> None:
    if word not in _OF_FACES:
        raise Wrong(f"no verdict on a face: {str(word)[:20]!r}")
    if isinstance(probability, bool) or not isinstance(probability, int | float):
        raise Wrong("a probability that is no number")
    if not 0 <= probability <= 1:
        raise Wrong("a probability outside of 0 to 1")


def _inside(box: Sequence[float], size: tuple[int, int]) -> None:
    x1, y1, x2, y2 = box
    if not (x1 < x2 and y1 < y2 and x1 < size[0] and y1 < size[1] and x2 > 0 and y2 > 0):
        raise Wrong("a face's box outside of the picture")


def _same(what: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise Wrong(f"{what}: {str(got)[:40]}, not {str(expected)[:40]}")
