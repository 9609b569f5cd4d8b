"""The memory that hostile gRPC clients cost a gateway, measured as the RSS of its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import psutil
import pytest

from deepfake_serving.gateway.auth.keys import generate
from tests.support.running import RunningGateway

pytestmark = pytest.mark.integration

MIB = 2**20
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


class Client:
    """Calls methods with messages of raw bytes, on a connection of its own."""

    def __init__(self, target: str, key: str | None = None) -> None:
        self._channel = grpc.insecure_channel(target, UNLIMITED)
        self._metadata = () if key is None else (("x-api-key", key),)

    def call(self, method: str, message: bytes, timeout_s: float = 60) -> grpc.StatusCode:
        """Returns the status of a unary call."""
        call = self._channel.unary_unary(method)
        try:
            call(message, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()  # type: ignore[attr-defined]
            return code
        return grpc.StatusCode.OK


class PeakRss:
    """Samples the resident memory of a process, in MiB, while the block runs."""

    def __init__(self, pid: int) -> None:
        self._process, self._done = psutil.Process(pid), threading.Event()
        self.before = self.peak = self._now()

    def _now(self) -> int:
        return int(self._process.memory_info().rss) // MIB

    def _sample(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, self._now())

    def __enter__(self) -> PeakRss:
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.peak - self.before


@pytest.fixture(scope="module")
def key_entry() -> tuple[str, str]:
    return generate("team", ("images",))


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory, key_entry: tuple[str, str]
) -> Iterator[RunningGateway]:
    """A gateway that requires keys, in front of no model server."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "keys.yaml").write_text(key_entry[1])
    settings = {"keys_file": folder / "keys.yaml", "embedded_worker": "false"}
    with RunningGateway.start(
        folder, "http://127.0.0.1:9", wait_ready=False, **settings
    ) as running:
        yield running


def test_a_batch_of_two_million_empty_images_is_refused_before_it_is_parsed(
    keyed: RunningGateway, key_entry: tuple[str, str]
) -> None:
    """It took 4.6 GB and kept /healthz silent for two minutes."""
    client = Client(keyed.grpc_target, key_entry[0])
    with PeakRss(keyed.pid) as rss:
        status = client.call("/deepfake.v1.Detector/DetectBatch", b"\x0a\x00" * 2_000_000)
    assert status is grpc.StatusCode.INVALID_ARGUMENT
    assert rss.growth < 64


@pytest.mark.parametrize(
    ("method", "parallel", "status"),
    [
        ("/deepfake.v1.Detector/DetectImage", 1, grpc.StatusCode.UNAUTHENTICATED),
        ("/deepfake.v1.Detector/DetectImage", 12, grpc.StatusCode.UNAUTHENTICATED),
        ("/inference.GRPCInferenceService/ModelInfer", 12, grpc.StatusCode.UNAUTHENTICATED),
        ("/inference.GRPCInferenceService/ServerLive", 4, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("/grpc.health.v1.Health/Check", 4, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("/grpc.health.v1.Health/Watch", 1, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_large_messages_without_a_key_cost_little_memory(
    keyed: RunningGateway, method: str, parallel: int, status: grpc.StatusCode
) -> None:
    """Twelve of them took 1.4 GB one after another, and 7.6 GB at once."""
    image = bytes(60 * MIB)
    message = b"\x0a" + _varint(len(image)) + image
    with PeakRss(keyed.pid) as rss, ThreadPoolExecutor(parallel) as threads:
        calls = [threads.submit(_call_once, keyed.grpc_target, method, message) for _ in range(12)]
        statuses = [call.result() for call in calls]
    assert set(statuses) <= {status, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert rss.growth < (64 if status is grpc.StatusCode.UNAUTHENTICATED else 450)
    after = Client(keyed.grpc_target)
    assert after.call("/grpc.health.v1.Health/Check", b"") is grpc.StatusCode.OK


def test_aborted_calls_with_a_key_free_their_messages(
    keyed: RunningGateway, key_entry: tuple[str, str]
) -> None:
    """No model server is up: each call fails after its message was parsed."""
    image = bytes(30 * MIB)
    message = b"\x0a" + _varint(len(image)) + image
    client = Client(keyed.grpc_target, key_entry[0])
    with PeakRss(keyed.pid) as rss:
        for _ in range(12):
            status = client.call("/deepfake.v1.Detector/DetectImage", message)
            assert status is grpc.StatusCode.UNAVAILABLE
    assert rss.growth < 250


def _call_once(target: str, method: str, message: bytes) -> grpc.StatusCode:
    return Client(target).call(method, message)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes((*encoded, number))
