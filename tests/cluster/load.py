"""Clients that send requests continuously over REST and gRPC, on keep-alive connections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import grpc
import httpx

from deepfake_serving.contracts.protos.deepfake.v1 import detector_pb2 as pb
from deepfake_serving.contracts.protos.deepfake.v1.detector_pb2_grpc import DetectorStub


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


class Clients:
    """`rest` and `rpc` threads that send `photo` again and again until the block ends.

    A new connection is opened for every 50th request, like a fleet of clients, and after a
    disconnect. Nothing is retried: everything that a client notices is a failure.
    """

    def __init__(
        self, url: str, address: str, key: str, photo: bytes, *, rest: int = 4, rpc: int = 2
    ) -> None:
        self.counts = Counts()
        self._url, self._address, self._key, self._image = url, address, key, photo
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._begun = time.monotonic()
        calls = [self._rest] * rest + [self._rpc] * rpc
        self._threads = [threading.Thread(target=call, daemon=True) for call in calls]

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

    def _note(self, protocol: str, begun: float, problem: str | None) -> None:
        now = time.monotonic()
        with self._lock:
            if problem is None:
                self.counts.good[protocol] += 1
                self.counts.latencies.append((now - self._begun, now - begun))
            else:
                self.counts.failed.append(f"{now - self._begun:.1f} s {protocol}: {problem}")

    def _rest(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "image/jpeg"}
        while not self._stop.is_set():
            with httpx.Client(timeout=60, headers=headers, trust_env=False) as client:
                for _ in range(50):
                    if self._stop.is_set():
                        return
                    begun = time.monotonic()
                    try:
                        response = client.post(f"{self._url}/v1/images", content=self._image)
                    except httpx.HTTPError as error:
                        self._note("rest", begun, repr(error))
                        break
                    good = response.status_code == 200 and response.json()["faces"]
                    self._note(
                        "rest", begun, None if good else f"{response.status_code} {response.text}"
                    )

    def _rpc(self) -> None:
        metadata = (("authorization", f"Bearer {self._key}"),)
        options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
        while not self._stop.is_set():
            with grpc.insecure_channel(self._address, options) as channel:
                stub = DetectorStub(channel)  # type: ignore[no-untyped-call]
                for _ in range(50):
                    if self._stop.is_set():
                        return
                    begun = time.monotonic()
                    try:
                        request = pb.DetectImageRequest(image=self._image)
                        response = stub.DetectImage(request, timeout=60, metadata=metadata)
                    except grpc.RpcError as error:
                        self._note("grpc", begun, f"{error.code()} {error.details()}")
                        break
                    self._note("grpc", begun, None if response.faces else "no face")
