"""The memory that hostile gRPC clients cost a gateway, measured as the RSS of its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

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
