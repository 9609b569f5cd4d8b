"""TorchServe's calling convention: statuses, headers, ids and bodies, in mixed batches.

The context here is a fake with the few methods that are called. The integration tests run the same
handler under the real one.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import Internal, Overloaded, Problem, UnsupportedMediaType
from deepfake_serving.contracts.verdict import (
    CropVerdict,
    FoundFace,
    ImageFaces,
    ImageVerdict,
    ModelRef,
)
from model_handlers import handler as handler_module
from model_handlers import wire
from model_handlers.handler import Handler, handle, run_isolated
from model_handlers.items import Item, Options
from model_handlers.loading import Runtime
from model_handlers.manifest import Manifest, parse_manifest
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask, FacesTask, Outcome
from tests.support.properties import examples

Row = dict[str, Any]
Headers = dict[str, Any]


class FakeContext:
    """A fake of TorchServe's `ts.context.Context`."""

    def __init__(self, headers: Sequence[Headers], **properties: Any) -> None:
        self.headers = headers
        self.system_properties = properties
        self.statuses: list[tuple[int, str]] = [(200, "")] * len(headers)
        self.responses: list[dict[str, str]] = [{} for _ in headers]

    def get_all_request_header(self, index: int) -> Headers:
        return self.headers[index]

    def set_response_header(self, index: int, key: str, value: str) -> None:
        self.responses[index][key] = value

    def set_response_content_type(self, index: int, value: str) -> None:
        self.set_response_header(index, "content-type", value)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self.statuses[idx] = (code, phrase)


class Echo:
    """A task whose results describe their items, and which fails for one special item."""

    manifest: Manifest = parse_manifest(
        {"name": "echo", "version": "1.0", "task": "classifier"}, "echo.yaml"
    )
    model = ModelRef("echo", "1.0", None, trained=False)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(
        self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
    ) -> list[Outcome]:
        self.batches.append(len(items))
        with watch("echo"):
            return [self.respond(i, o) for i, o in zip(items, options, strict=True)]

    def respond(self, item: Item, options: Options) -> Outcome:
        if isinstance(item, bytes):
            if item == b"poison":
                raise RuntimeError("the network failed")
            if item == b"text":
                return UnsupportedMediaType("not an image")
        return CropVerdict("real", len(item) + (0.5 if options.crops else 0), self.model)


@dataclasses.dataclass
class Reply:
    status: int
    phrase: str
    headers: dict[str, str]
    body: Any


def run_handler(task: Any, *requests: tuple[Row, Headers]) -> list[Reply]:
    context = FakeContext([headers for _, headers in requests])
    bodies = Handler(task).handle([row for row, _ in requests], context)
    assert len(bodies) == len(requests)
    return [
        Reply(*status, headers, orjson.loads(body))
        for status, headers, body in zip(context.statuses, context.responses, bodies, strict=True)
    ]


def handle_one(task: Any, row: Row, **headers: Any) -> Reply:
    (reply,) = run_handler(task, (row, {k.replace("_", "-"): v for k, v in headers.items()}))
    return reply


def tensor(datatype: str, shape: Sequence[int], raw: bytes, **headers: str) -> tuple[Row, Headers]:
    body, length = wire.pack_tensor(datatype, shape, raw)
    return {"body": body}, {wire.LENGTH_HEADER: str(length), **headers}


# One image -------------------------------------------------------------------------------------


def test_an_image_gets_its_verdict(detector: DetectorTask, astronaut_jpeg: bytes) -> None:
    reply = handle_one(detector, {"body": astronaut_jpeg}, x_request_id="abc")
    (outcome,) = detector.run([astronaut_jpeg], [Options()], Stopwatch())
    assert isinstance(outcome, ImageVerdict)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert set(reply.body.pop("timings_ms")) == {"decode", "detect", "crop", "classify"}
    expected = dataclasses.asdict(outcome) | {"id": "abc"}
    del expected["timings_ms"]
    assert reply.body == expected


def test_without_an_id_the_response_has_none() -> None:
    assert handle_one(Echo(), {"body": b"12345"}).body["id"] is None


def test_a_problem_is_a_problem_document() -> None:
    reply = handle_one(Echo(), {"body": b"text"}, x_request_id="abc")
    assert (reply.status, reply.phrase) == (415, "Unsupported media type")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.body == {
        "type": "urn:problem:deepfake-serving:unsupported-media-type",
        "title": "Unsupported media type",
        "status": 415,
        "detail": "not an image",
        "id": "abc",
    }


def test_a_problem_keeps_its_retry_after() -> None:
    class Busy(Echo):
        def respond(self, item: Item, options: Options) -> Outcome:
            return Overloaded("later", retry_after_s=7)

    reply = handle_one(Busy(), {"body": b"1"})
    assert (reply.status, reply.body["retry_after_s"]) == (429, 7)


@pytest.mark.parametrize("name", ["body", "data", "image", "anything at all"])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_body_is_read_under_any_name(name: str, kind: type) -> None:
    assert handle_one(Echo(), {name: kind(b"12345")}).body["fake_probability"] == 5


@pytest.mark.parametrize(
    ("text", "size"), [("12345", 5), ("Grüße", 7), ("\ud800!", 2)], ids=["ascii", "utf8", "broken"]
)
def test_a_body_that_torchserve_decoded_is_encoded_again(text: str, size: int) -> None:
    assert handle_one(Echo(), {"body": text}).body["fake_probability"] == size


@pytest.mark.parametrize("body", [{}, {"instances": []}, [1, 2], None, 5, 1.5, True])
def test_a_json_body_is_an_invalid_request(body: Any) -> None:
    reply = handle_one(Echo(), {"body": body})
    assert (reply.status, reply.body["title"]) == (400, "Invalid request")
    assert "not JSON" in reply.body["detail"]


def test_an_empty_row_is_an_empty_body(faces_task: FacesTask) -> None:
    reply = handle_one(faces_task, {})
    assert (reply.status, reply.body["type"].rpartition(":")[2]) == (400, "invalid-request")
    assert "empty" in reply.body["detail"]


def test_no_rows_have_no_responses() -> None:
    assert run_handler(Echo()) == []


# Headers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x-request-id", "X-Request-ID", "X-REQUEST-ID"])
def test_header_names_are_case_insensitive(name: str) -> None:
    (reply,) = run_handler(Echo(), ({"body": b"1"}, {name: "abc"}))
    assert reply.body["id"] == "abc"


def test_headers_of_form_parts_are_not_request_headers() -> None:
    part = {"content-type": "image/jpeg"}
    (reply,) = run_handler(
        Echo(), ({"x-request-id": b"12345"}, {"x-request-id": part, "Inference-Header": part})
    )
    assert (reply.status, reply.body["id"]) == (200, None)


def test_a_request_past_its_deadline_is_not_run() -> None:
    task = Echo()
    reply = handle_one(
        task, {"body": b"1"}, x_deepfake_deadline=str(time.time() - 0.1), x_request_id="a"
    )
    assert (reply.status, reply.body["title"]) == (504, "Deadline exceeded")
    assert reply.body["id"] == "a"
    assert task.batches == []


def test_a_request_before_its_deadline_is_run() -> None:
    assert (
        handle_one(Echo(), {"body": b"1"}, x_deepfake_deadline=str(time.time() + 60)).status == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {wire.DEADLINE_HEADER: "soon"},
        {wire.DEADLINE_HEADER: ""},
        {wire.LENGTH_HEADER: "many"},
        {wire.LENGTH_HEADER: "1.5"},
        {wire.LENGTH_HEADER: "-3"},
        {wire.LENGTH_HEADER: "9" * 5000},
        {wire.LENGTH_HEADER: "4"},
        {wire.OPTIONS_HEADER: "crops"},
        {wire.OPTIONS_HEADER: "[" * 8000},
        {wire.OPTIONS_HEADER: '{"crops": "yes"}'},
    ],
    ids=lambda headers: f"{next(iter(headers))}-{next(iter(headers.values()))[:8]}",
)
def test_a_malformed_header_is_an_invalid_request(headers: Headers) -> None:
    task = Echo()
    good = ({"body": b"12345"}, {"x-request-id": "good"})
    bad = ({"body": b"12345"}, {"x-request-id": "bad", **headers})
    first, reply, last = run_handler(task, good, bad, good)
    assert (reply.status, reply.body["title"], reply.body["id"]) == (400, "Invalid request", "bad")
    assert reply.headers["content-type"] == "application/problem+json"
    assert (first.status, last.status) == (200, 200)
    assert task.batches == [2]


def test_crops_are_returned_only_if_requested(faces_task: FacesTask, astronaut_jpeg: bytes) -> None:
    row = {"body": astronaut_jpeg}
    request = {wire.OPTIONS_HEADER: '{"crops": true}'}
    replies = run_handler(faces_task, (row, {}), (row, request), (row, {wire.OPTIONS_HEADER: "{}"}))
    crops = [reply.body["faces"][0]["crop"] for reply in replies]
    assert [crop is not None for crop in crops] == [False, True, False]
    assert crops[1].startswith("data:image/png;base64,")


def test_the_batch_header_is_in_the_first_response_only() -> None:
    rows = [{"body": b"1"}, {"body": {}}, {"body": b"2"}]
    first, *others = run_handler(
        Echo(),
        *[(row, {}) for row in rows],
        tensor("BYTES", [2], wire.join_bytes([b"a", b"b"])),
    )
    batch = json.loads(first.headers[wire.BATCH_HEADER])
    assert (batch["items"], batch["requests"]) == (4, 4)
    assert batch["stages"].keys() == {"echo"}
    assert all(wire.BATCH_HEADER not in reply.headers for reply in others)


# Tensors -----------------------------------------------------------------------------------------


def test_a_bytes_tensor_is_handled_item_by_item() -> None:
    raw = wire.join_bytes([b"12345", b"text", b"123"])
    (reply,) = run_handler(Echo(), tensor("BYTES", [3], raw, **{"x-request-id": "abc"}))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.body["id"] == "abc"
    five, problem, three = reply.body["results"]
    assert (five["fake_probability"], three["fake_probability"]) == (5, 3)
    assert (problem["status"], problem["detail"]) == (415, "not an image")
    assert [result["id"] for result in reply.body["results"]] == ["abc.0", "abc.1", "abc.2"]


def test_a_tensor_without_an_id_has_items_without_ids() -> None:
    raw = wire.join_bytes([b"12345", b"text"])
    (reply,) = run_handler(Echo(), tensor("BYTES", [2], raw))
    assert reply.body["id"] is None
    assert [result.get("id") for result in reply.body["results"]] == [None, None]


def test_a_uint8_tensor_is_classified_like_its_image(
    detector: DetectorTask, astronaut: Pixels
) -> None:
    pixels = np.stack([astronaut, astronaut[:, ::-1]])
    (reply,) = run_handler(detector, tensor("UINT8", pixels.shape, pixels.tobytes()))
    alone = detector.run([np.ascontiguousarray(p) for p in pixels], [Options()] * 2, Stopwatch())
    for result, outcome in zip(reply.body["results"], alone, strict=True):
        assert isinstance(outcome, ImageVerdict)
        assert result["faces"] == [dataclasses.asdict(face) for face in outcome.faces]
        assert (result["width"], result["height"]) == (512, 512)


def test_an_empty_tensor_has_no_results() -> None:
    (reply,) = run_handler(Echo(), tensor("BYTES", [0], b""))
    assert (reply.status, reply.body["results"]) == (200, [])


def test_options_apply_to_every_item_of_a_tensor() -> None:
    raw = wire.join_bytes([b"1", b"2"])
    plain = ({"body": b"12345"}, {})
    request = tensor("BYTES", [2], raw, **{wire.OPTIONS_HEADER: '{"crops": true}'})
    first, many, last = run_handler(Echo(), plain, request, plain)
    assert [result["fake_probability"] for result in many.body["results"]] == [1.5, 1.5]
    assert (first.body["fake_probability"], last.body["fake_probability"]) == (5, 5)


def test_frames_of_different_requests_are_distinct() -> None:
    seen: list[Options] = []

    class Recording(Echo):
        def respond(self, item: Item, options: Options) -> Outcome:
            seen.append(options)
            return super().respond(item, options)

    video = tensor("BYTES", [2], wire.join_bytes([b"1", b"2"]))
    video[1][wire.OPTIONS_HEADER] = '{"follow": true}'
    run_handler(Recording(), video, video)
    assert [(each.follow, each.request) for each in seen] == [
        *([(True, 0)] * 2),
        *([(True, 1)] * 2),
    ]


def test_a_malformed_tensor_is_one_problem() -> None:
    (reply,) = run_handler(Echo(), tensor("FP32", [1], b"\0\0\0\0", **{"x-request-id": "abc"}))
    assert (reply.status, reply.body["status"], reply.body["id"]) == (400, 400, "abc")


# Mixed batches -----------------------------------------------------------------------------------

REQUESTS: dict[str, tuple[Row, Headers]] = {
    "image": ({"body": b"12345"}, {"x-request-id": "a"}),
    "crops": ({"data": b"123"}, {wire.OPTIONS_HEADER: '{"crops": true}'}),
    "problem": ({"body": b"text"}, {"x-request-id": "b"}),
    "poison": ({"body": b"poison"}, {"x-request-id": "c"}),
    "json": ({"body": {}}, {}),
    "empty": ({}, {}),
    "late": ({"body": b"1"}, {wire.DEADLINE_HEADER: "0"}),
    "tensor": tensor("BYTES", [3], wire.join_bytes([b"1", b"text", b"333"])),
    "poisoned tensor": tensor("BYTES", [2], wire.join_bytes([b"poison", b"22"])),
    "pixels": tensor("UINT8", [2, 1, 1, 3], bytes(6)),
    "nested": ({"body": b"[" * 50_000}, {wire.LENGTH_HEADER: "50000"}),
    "endless": (
        {"body": b'{"inputs": [{"datatype": "BYTES", "shape": [1e999]}]}'},
        {wire.LENGTH_HEADER: "53"},
    ),
    "surrogate": (
        {"body": b'{"inputs": [{"datatype": "\\ud800", "shape": [1]}]}'},
        {wire.LENGTH_HEADER: "51"},
    ),
}


def essence(reply: Reply) -> Any:
    """Returns a response without timings and batch header."""
    body = json.loads(json.dumps(reply.body))
    for document in (body, *body.get("results", [])):
        document.pop("timings_ms", None)
    return reply.status, reply.phrase, reply.headers["content-type"], body


@settings(max_examples=examples(60))
@given(names=st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=6))
def test_requests_in_a_batch_do_not_affect_each_other(names: list[str]) -> None:
    together = run_handler(Echo(), *[REQUESTS[name] for name in names])
    for name, reply in zip(names, together, strict=True):
        (alone,) = run_handler(Echo(), REQUESTS[name])
        assert essence(reply) == essence(alone)


def test_each_kind_of_request_has_the_right_status() -> None:
    statuses = {name: run_handler(Echo(), request)[0].status for name, request in REQUESTS.items()}
    assert statuses == {
        "image": 200,
        "crops": 200,
        "problem": 415,
        "poison": 500,
        "json": 400,
        "empty": 200,  # Echo accepts an empty image
        "late": 504,
        "tensor": 200,
        "poisoned tensor": 200,
        "pixels": 200,
        "nested": 400,
        "endless": 400,
        "surrogate": 400,
    }


def isolated(task: Any, *items: Item) -> list[Outcome]:
    return run_isolated(task, list(items), [Options()] * len(items), Stopwatch())


def test_only_the_item_that_fails_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    task = Echo()
    with caplog.at_level(logging.ERROR):
        outcomes = isolated(task, b"1", b"poison", b"text", b"22")
    assert [type(o) for o in outcomes] == [CropVerdict, Internal, UnsupportedMediaType, CropVerdict]
    assert task.batches == [4, 1, 1, 1, 1]
    assert "the network failed" in caplog.text


def test_an_internal_error_reveals_nothing_to_the_client() -> None:
    (outcome,) = isolated(Echo(), b"poison")
    assert isinstance(outcome, Internal)
    assert "fell over" not in outcome.detail


def test_items_of_a_failed_batch_are_run_one_by_one() -> None:
    class Lonely(Echo):
        def run(
            self, items: Sequence[Item], options: Sequence[Options], watch: Stopwatch
        ) -> list[Outcome]:
            if len(items) > 1:
                raise MemoryError
            return super().run(items, options, watch)

    outcomes = isolated(Lonely(), b"1", b"22")
    assert [o.fake_probability for o in outcomes if isinstance(o, CropVerdict)] == [1, 2]


def test_options_are_kept_when_a_batch_is_run_one_by_one() -> None:
    outcomes = run_isolated(
        Echo(), [b"1", b"poison", b"1"], [Options(), Options(), Options(crops=True)], Stopwatch()
    )
    assert [o.fake_probability for o in outcomes if isinstance(o, CropVerdict)] == [1, 1.5]


def test_an_interrupt_is_not_treated_as_a_failed_item() -> None:
    class Interrupted(Echo):
        def respond(self, item: Item, options: Options) -> Outcome:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolated(Interrupted(), b"1", b"2")


def test_a_failing_image_does_not_affect_the_others(
    faces_task: FacesTask, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = FacesTask._faces

    def fall(self: FacesTask, image: Pixels, found: Any, crops: bool) -> ImageFaces:
        if image.shape[0] == 40:
            raise RuntimeError("the network failed")
        return faces(self, image, found, crops)

    monkeypatch.setattr(FacesTask, "_faces", fall)
    poison = np.zeros((40, 40, 3), np.uint8)
    first, failed, last = isolated(faces_task, astronaut_jpeg, poison, astronaut_jpeg)
    assert isinstance(failed, Internal)
    assert first == last
    assert isinstance(first, ImageFaces)
    assert isinstance(first.faces[0], FoundFace)


# The entry point ---------------------------------------------------------------------------------


def test_the_first_call_loads_and_the_others_reuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[tuple[Path, Runtime, int | None]] = []

    def load(directory: Path, runtime: Runtime, gpu: int | None) -> Echo:
        loads.append((directory, runtime, gpu))
        return Echo()

    monkeypatch.setattr(handler_module, "_handler", None)
    monkeypatch.setattr(handler_module, "load_task", load)
    monkeypatch.setenv("DEEPFAKE_WORKER_PRECISION", "bf16")
    assert handle(None, FakeContext([], model_dir="/somewhere", gpu_id=1)) is None
    assert loads == [(Path("/somewhere"), Runtime(precision="bf16", digests={}), 1)]
    context = FakeContext([{}], model_dir="/somewhere", gpu_id=1)
    for _ in range(2):
        bodies = handle([{"body": b"12345"}], context)
        assert bodies is not None
        assert orjson.loads(bodies[0])["fake_probability"] == 5
    assert len(loads) == 1


def test_a_call_before_loading_loads_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_module, "_handler", None)
    monkeypatch.setattr(handler_module, "load_task", lambda *_: Echo())
    bodies = handle([{"body": b"123"}], FakeContext([{}], model_dir="/somewhere"))
    assert bodies is not None
    assert orjson.loads(bodies[0])["fake_probability"] == 3


def test_every_problem_can_be_a_response() -> None:
    for cls in Problem.__subclasses__():

        class Always(Echo):
            problem = cls

            def respond(self, item: Item, options: Options) -> Outcome:
                return self.problem("why \ud800 not")

        reply = handle_one(Always(), {"body": b"1"})
        assert (reply.status, reply.phrase) == (cls.status, cls.title)
