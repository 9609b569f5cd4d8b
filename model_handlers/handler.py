"""The entry point of every archive: TorchServe's calling convention around a task.

TorchServe imports this module once a worker and calls `handle(None, context)` to load, then
`handle(rows, context)` with up to a batch of requests from different clients. The archive's
`model.json` names the task: detector, faces or classifier.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import logging
import platform
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from deepfake_serving.contracts.problems import (
    MEDIA_TYPE,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    Problem,
    TooLarge,
)
from model_handlers import wire
from model_handlers.items import Item, Options
from model_handlers.loading import Runtime, load_task
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import Outcome, Task

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    """One request of a batch: items with an option each, or the problem found while parsing it."""

    id: str | None
    items: list[Item]
    options: list[Options]
    many: bool
    problem: Problem | None = None


class Handler:
    """Turns TorchServe's rows into items and outcomes into its responses."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def handle(self, rows: list[dict[str, Any]], context: Any) -> list[bytes]:
        """Returns one response body per request, in order; a bad request affects no other."""
        watch = Stopwatch()
        calls = [_read(row, _headers(context, index), index) for index, row in enumerate(rows)]
        items = [item for call in calls for item in call.items]
        options = [each for call in calls for each in call.options]
        ids = [str(call.id) for call in calls for _ in call.items]
        outcomes = iter(run_isolated(self.task, items, options, watch, ids))
        if rows:
            batch = {"items": len(items), "requests": len(rows), "stages": watch.seconds}
            context.set_response_header(0, wire.BATCH_HEADER, json.dumps(batch))
        timings = watch.milliseconds()
        return [
            _response(call, [next(outcomes) for _ in call.items], timings, context, index)
            for index, call in enumerate(calls)
        ]


def run_isolated(
    task: Task,
    items: list[Item],
    options: list[Options],
    watch: Stopwatch,
    ids: Sequence[str] = (),
) -> list[Outcome]:
    """Runs the batch; if it fails as a whole, runs each item alone to isolate the bad one.

    `ids` are the items' requests, for the log.
    """
    try:
        return task.run(items, options, watch) if items else []
    except Exception:
        requests = " ".join(dict.fromkeys(ids))
        logger.exception("a batch of %d items failed%s%s", len(items), wire.OF_REQUESTS, requests)
        if len(items) == 1:
            return [Internal("the image could not be analysed; see the log")]
        return [
            run_isolated(task, items[n : n + 1], options[n : n + 1], watch, ids[n : n + 1])[0]
            for n in range(len(items))
        ]


def _headers(context: Any, index: int) -> dict[str, str]:
    given = context.get_all_request_header(index)
    return {key.lower(): value for key, value in given.items() if isinstance(value, str)}


def _read(row: dict[str, Any], headers: dict[str, str], number: int) -> _Call:
    request_id = headers.get(wire.REQUEST_ID_HEADER)
    try:
        deadline = headers.get(wire.DEADLINE_HEADER)
        if deadline is not None and time.time() > float(deadline):
            raise DeadlineExceeded("the request's deadline passed before a worker was free")
        options = wire.parse_options(headers.get(wire.OPTIONS_HEADER))
        options = dataclasses.replace(options, request=number)
        if deadline is not None:
            options = dataclasses.replace(options, deadline=float(deadline))
        body = _body(row)
        length = headers.get(wire.LENGTH_HEADER)
        if length is not None:
            items = wire.unpack_items(body, int(length))
            each = wire.item_options(body, int(length), options, len(items))
            return _Call(request_id, items, each, many=True)
        return _Call(request_id, [body], [options], many=False)
    except Problem as problem:
        return _Call(request_id, [], [], many=False, problem=problem)
    except ValueError as error:
        malformed = InvalidRequest(f"a header is malformed: {error}")
        return _Call(request_id, [], [], many=False, problem=malformed)


def _body(row: dict[str, Any]) -> bytes:
    """Returns the request's only part: named `body` for a raw body, else by its form field."""
    value = next(iter(row.values()), b"")
    if isinstance(value, str):
        return value.encode(errors="replace")
    if not isinstance(value, bytes | bytearray):
        raise InvalidRequest("an encoded image was expected, not JSON")
    return bytes(value)


def _response(
    call: _Call, outcomes: list[Outcome], timings: dict[str, float], context: Any, index: int
) -> bytes:
    problem = call.problem
    if problem is None and not call.many and isinstance(outcomes[0], Problem):
        problem = outcomes[0]
    if problem is None:
        body = _results(call, outcomes, timings)
        if len(body) <= wire.MAX_RESPONSE_BYTES:
            context.set_response_content_type(index, "application/json")
            return body
        problem = TooLarge(
            f"the response would have {len(body)} bytes; the limit is {wire.MAX_RESPONSE_BYTES}: "
            "send fewer images per request, or request no crops"
        )
    context.set_response_status(problem.status, problem.title, index)
    context.set_response_content_type(index, MEDIA_TYPE)
    return orjson.dumps(problem.to_dict(call.id))


def _results(call: _Call, outcomes: list[Outcome], timings: dict[str, float]) -> bytes:
    if not call.many:
        return orjson.dumps(_document(outcomes[0], timings, call.id))
    ids = [call.id and f"{call.id}.{index}" for index in range(len(outcomes))]
    results = [_document(o, timings, i) for o, i in zip(outcomes, ids, strict=True)]
    return orjson.dumps({"id": call.id, "results": results})


def _document(outcome: Outcome, timings: dict[str, float], item_id: str | None) -> Any:
    if isinstance(outcome, Problem):
        return outcome.to_dict(item_id)
    return dataclasses.replace(outcome, timings_ms=timings, id=item_id)


def return_freed_memory(every_s: float = 15.0) -> None:
    """Calls malloc_trim(3), which takes 1 to 5 ms, again and again in a daemon thread.

    The model server lets its workers keep what they free (`MALLOC_TRIM_THRESHOLD_`), which saves a
    fifth of a batch's time. After a burst of large images that was up to 70 MB for ever. Without
    glibc it does nothing.
    """

    def trim() -> None:
        libc = ctypes.CDLL(None)
        while True:
            time.sleep(every_s)
            libc.malloc_trim(0)

    if platform.libc_ver()[0] == "glibc":
        threading.Thread(target=trim, name="freed-memory", daemon=True).start()


_handler: Handler | None = None


def handle(rows: list[dict[str, Any]] | None, context: Any) -> list[bytes] | None:
    """TorchServe's entry point: loads the model at the first call, then handles requests."""
    global _handler
    if _handler is None:
        logging.getLogger().setLevel(logging.WARNING)  # TorchServe logs a line for every request
        return_freed_memory()
        properties = context.system_properties
        _handler = Handler(
            load_task(
                Path(properties["model_dir"]), Runtime.from_environment(), properties.get("gpu_id")
            )
        )
    return None if rows is None else _handler.handle(rows, context)
