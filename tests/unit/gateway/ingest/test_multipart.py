"""Multipart forms: in chunks, malformed, hostile, too large."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import InvalidRequest, Problem, StorageFull, TooLarge
from deepfake_serving.gateway.ingest.file_names import display_name, disposition_name
from deepfake_serving.gateway.ingest.multipart import FormReader
from deepfake_serving.gateway.storage.spool import Spool, SpooledFile

TYPE = 'multipart/form-data; boundary="b"'


def part(content: bytes, name: str = "file", filename: str | None = "a.jpg") -> bytes:
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


@pytest.fixture
def read() -> Iterator[Callable[..., list[SpooledFile]]]:
    with ExitStack() as stack:

        def read(data: bytes, *, max_files: int = 8, step: int = 2**16) -> list[SpooledFile]:
            form = FormReader(TYPE, stack.enter_context(Spool(10_000)).create, max_files)
            for start in range(0, len(data), step):
                form.write(data[start : start + step])
            return form.finish()

        yield read


Read = Callable[..., list[SpooledFile]]


@pytest.mark.parametrize("step", [1, 7, 2**16])
async def test_files_keep_order_names_and_bytes(read: Read, step: int) -> None:
    lines = b"\r\n--bb\r\n" * 9
    data = body(part(b"first"), part(lines, filename="b"))
    first, second = read(data, step=step)
    assert (first.name, await first.content()) == ("a.jpg", b"first")
    assert (second.name, await second.content()) == ("b", lines)
    assert second.digest == "sha256:" + hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "breaks off"),
        (b"no form at all", "can't be parsed"),
        (part(b"cut off"), "breaks off"),
        (body(part(b"x", "other")), "a field 'other'"),
        (body(part(b"x"), part(b"fps:2", "sampling", None)), "a field 'sampling'"),
        (b"--b--\r\n", "no file|can't be parsed"),
        (body(b"--b\r\n" + b"A: b\r\n" * 50 + b"\r\nx\r\n"), "can't be parsed"),
        (body(b"--b\r\nA: " + b"x" * 9000 + b"\r\n\r\nx\r\n"), "can't be parsed"),
    ],
    ids=["empty", "text", "cut", "other field", "option", "no part", "many headers", "long header"],
)
def test_a_broken_form_is_refused(read: Read, data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(data)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_needs_a_boundary(content_type: str) -> None:
    with Spool(10) as spool, pytest.raises(InvalidRequest, match="boundary"):
        FormReader(content_type, spool.create, 1)


def test_a_form_over_a_limit_is_refused_with_the_limit(read: Read) -> None:
    with pytest.raises(TooLarge, match="limit of 10000 bytes"):
        read(body(part(bytes(10_001))))
    with pytest.raises(TooLarge, match="limit of 2"):
        read(body(*[part(b"x")] * 3), max_files=2)
    with pytest.raises(InvalidRequest, match="several files"):
        read(body(*[part(b"x")] * 2), max_files=1)


def test_a_file_at_the_limit_is_accepted(read: Read) -> None:
    assert read(body(part(bytes(10_000))))[0].size == 10_000


@pytest.mark.parametrize(
    ("given", "displayed"),
    [
        ("a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.png", "a.png"),
        ("..", ".."),
        ("a\0\n\x1b[31mb", "a[31mb"),
        ("", None),
        ("/", None),
        ("x" * 500, "x" * 200),
        ("\u202egpj.exe", "gpj.exe"),
    ],
)
def test_display_names_are_safe(given: str, displayed: str | None) -> None:
    assert display_name(given) == displayed


def test_a_full_disk_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is simulated: filling a disk needs privileges that a test may lack."""

    def full(_: bytes) -> int:
        raise OSError(28, "No space left on device")

    with Spool(2**30) as spool:
        part = spool.create("a")
        part.write(bytes(2**20 + 1))
        monkeypatch.setattr(part._stream, "write", full)
        with pytest.raises(StorageFull):
            part.write(b"x")


def test_temporary_files_are_deleted() -> None:
    with Spool(2**30) as spool:
        file = spool.create("a")
        file.write(bytes(2**21))
        opened = file.file()
        assert os.fstat(opened.fileno()).st_nlink == 0, "it has no name"
    assert opened.closed


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_input_raises_only_problems(read: Read, data: bytes, step: int) -> None:
    for content in (data, b"--b\r\n" + data, part(b"x")[:-2] + data, body(part(data))):
        try:
            assert read(content, step=step)
        except Problem:
            continue


def test_bytes_outside_files_are_limited(read: Read) -> None:
    with pytest.raises(TooLarge, match="1048576 bytes besides"):
        read(part(b"x") + b"\r\n--b--\r\n" + bytes(2**20))


@given(st.binary(max_size=200))
def test_any_content_disposition_gives_a_name(data: bytes) -> None:
    for disposition in (data, b"form-data; filename=" + data, b"form-data; filename*=" + data):
        assert isinstance(disposition_name(disposition), str)
