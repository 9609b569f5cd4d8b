"""Clients that send requests continuously over REST and gRPC, on kept and on new connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import grpc
import httpx

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub

REQUESTS_PER_CONNECTION = 50
TOLERANCE = 0.01


@dataclass(frozen=True)
class Problem:
    """A failed request; `disconnected` if there was no response at all."""

    text: str
    disconnected: bool


Send = Callable[[], Problem | None]
"""Sends one request; returns the problem, or None."""


@dataclass
class Counts:
    """Results of the clients: good responses by protocol, and all failures."""

    good: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """(seconds since the start, duration) of each response."""

    @property
    def completed(self) -> int:
        return self.good.total() + len(self.failed)


@dataclass(frozen=True)
class Outcome:
    """A request as its client saw it; times are monotonic seconds."""

    protocol: str
    begun: float
    ended: float
    problem: Problem | None
    retry_problem: Problem | None = None
    """The problem of the one retry, where there was one and it failed too."""


class Clients:
    """Threads that send `photo` again and again until the block ends: `rest` and `rpc` on kept
    connections, `fresh` by REST with a new connection for each request.

    A kept connection is replaced after 50 requests, as with a fleet of clients, and after a
    failure. Everything that a client notices is a failure. With `retry_after_s`, a client then
    sends the request once more, on a new connection. `notify` gets each outcome, from the client's
    thread. `expected` are the fake probabilities that each response must have; without it, any
    face will do.
    """

    def __init__(
        self,
        url: str,
        address: str,
        key: str,
        photo: bytes,
        *,
        rest: int = 4,
        rpc: int = 2,
        fresh: int = 0,
        retry_after_s: float | None = None,
        expected: Sequence[float] | None = None,
        notify: Callable[[Outcome], None] = lambda outcome: None,
    ) -> None:
        self.counts = Counts()
        self._url, self._address, self._key, self._image = url, address, key, photo
        self._retry_after_s, self._expected, self._notify = retry_after_s, expected, notify
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._begun = time.monotonic()
        kinds = [("rest", self._rest, REQUESTS_PER_CONNECTION)] * rest
        kinds += [("grpc", self._rpc, REQUESTS_PER_CONNECTION)] * rpc
        kinds += [("rest, new connection", self._rest, 1)] * fresh
        self._threads = [
            threading.Thread(target=self._run, args=kind, daemon=True) for kind in kinds
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)

    def until(self, responses: int, timeout_s: float = 120) -> None:
        """Waits for that many more successful responses."""
        goal, end = self.counts.completed + responses, time.monotonic() + timeout_s
        while self.counts.completed < goal:
            assert time.monotonic() < end, f"{self.counts.good}, {self.counts.failed[:5]}"
            time.sleep(0.05)

    def _run(
        self, protocol: str, connect: Callable[[], AbstractContextManager[Send]], requests: int
    ) -> None:
        while not self._stop.is_set():
            with connect() as send:
                for _ in range(requests):
                    if self._stop.is_set():
                        return
                    begun = time.monotonic()
                    problem = send()
                    ended = time.monotonic()
                    retry = self._retry(connect) if problem else None
                    self._note(Outcome(protocol, begun, ended, problem, retry))
                    if problem:
                        break

    def _retry(self, connect: Callable[[], AbstractContextManager[Send]]) -> Problem | None:
        if self._retry_after_s is None:
            return None
        time.sleep(self._retry_after_s)
        with connect() as send:
            return send()

    def _note(self, outcome: Outcome) -> None:
        since, seconds = outcome.ended - self._begun, outcome.ended - outcome.begun
        with self._lock:
            if outcome.problem is None:
                self.counts.good[outcome.protocol] += 1
                self.counts.latencies.append((since, seconds))
            else:
                text = outcome.problem.text
                self.counts.failed.append(f"{since:.1f} s {outcome.protocol}: {text}")
        self._notify(outcome)

    def _wrong(self, scores: Sequence[float]) -> Problem | None:
        if not scores:
            return Problem("no face", disconnected=False)
        if self._expected is None:
            return None
        same = len(scores) == len(self._expected) and all(
            abs(score - right) <= TOLERANCE
            for score, right in zip(scores, self._expected, strict=True)
        )
        if same:
            return None
        return Problem(f"scores {scores}, not {self._expected}", disconnected=False)

    @contextmanager
    def _rest(self) -> Iterator[Send]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "image/jpeg"}
        with httpx.Client(timeout=60, headers=headers, trust_env=False) as client:

            def send() -> Problem | None:
                try:
                    response = client.post(f"{self._url}/v1/images", content=self._image)
                except httpx.HTTPError as error:
                    lost = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
                    return Problem(repr(error), disconnected=lost)
                if response.status_code != 200:
                    text = f"{response.status_code} {response.text}"
                    return Problem(text, disconnected=False)
                return self._wrong([face["fake_probability"] for face in response.json()["faces"]])

            yield send

    @contextmanager
    def _rpc(self) -> Iterator[Send]:
        metadata = (("authorization", f"Bearer {self._key}"),)
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        with grpc.insecure_channel(self._address, options) as channel:
            stub = DetectorStub(channel)

            def send() -> Problem | None:
                try:
                    request = pb.DetectImageRequest(image=self._image)
                    response = stub.DetectImage(request, timeout=60, metadata=metadata)
                except grpc.RpcError as error:
                    # A gateway's own problems have metadata.
                    lost = error.code() is grpc.StatusCode.UNAVAILABLE
                    lost = lost and not error.trailing_metadata()
                    return Problem(f"{error.code()} {error.details()}", disconnected=lost)
                return self._wrong([face.fake_probability for face in response.faces])

            yield send
