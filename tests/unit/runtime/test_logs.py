"""Log lines: written at once, so that lines of processes that share a stream do not mix."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.paths import ROOT

_SCRIPT = r"""
import asyncio, logging, sys
import grpc, grpc.aio, structlog
from deepfake_serving.gateway.settings import load_settings
from deepfake_serving.runtime.logs import configure_logs

class Recorder:
    def __init__(self): self.writes = []
    def write(self, text): self.writes.append(text); return len(text)
    def flush(self): pass
    def isatty(self): return False

class Calls(grpc.GenericRpcHandler):
    def __init__(self): self.called = asyncio.Event()
    def service(self, details): self.called.set()

async def send_damaged_key():
    '''Calls a gRPC server with metadata that is not UTF-8.'''
    calls, server = Calls(), grpc.aio.server()
    server.add_generic_rpc_handlers([calls])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    headers = {b":method": b"POST", b":scheme": b"http", b":path": b"/a/b", b":authority": b"x",
               b"content-type": b"application/grpc", b"te": b"trailers",
               b"authorization": b"Bearer \xffkey"}
    texts = [bytes([len(text)]) + text for pair in headers.items() for text in pair]
    block = b"".join(b"\0" + name + value for name, value in zip(texts[::2], texts[1::2]))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    writer.write(bytes([0, 0, len(block), 1, 5, 0, 0, 0, 1]) + block)
    await calls.called.wait()
    writer.close()
    await server.stop(0)

sys.stderr = Recorder()
configure_logs(load_settings(log_format="json"))
structlog.get_logger().info("first", text="a\nb")
logging.getLogger("library").warning("second")
asyncio.run(send_damaged_key())
writes, sys.stderr = sys.stderr.writes, sys.__stderr__
import json; print(json.dumps(writes))
"""


def test_each_event_is_one_write_of_a_whole_line() -> None:
    """A gRPC call with damaged metadata, which may be a key, leaves no line."""
    ended = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    writes = json.loads(ended.stdout)
    assert [write[-1] for write in writes] == ["\n", "\n"]
    assert [json.loads(write)["event"] for write in writes] == ["first", "second"]
