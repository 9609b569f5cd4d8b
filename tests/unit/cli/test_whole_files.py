"""Files beside the verdicts are whole or absent, on a full disk too."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepfake_serving.cli.evidence.annotate import Annotator
from deepfake_serving.cli.evidence.names import OutputNames
from deepfake_serving.contracts.models import ModelRef
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.packaging.replacing import write_whole
from model_handlers.manifest import DecodeSpec


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Lets no file grow beyond 1,000 bytes, as a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_replaces_an_earlier_one(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    for data in (b"first", b"second"):
        write_whole(target, data)
        assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_earlier_file_and_names_it(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    write_whole(target, b"first")
    with pytest.raises(OSError, match=r"a\.png") as caught:
        write_whole(target, bytes(2000))
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(target))
    assert target.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_no_part_of_a_copy(tmp_path: Path, astronaut_jpeg: bytes) -> None:
    annotator = Annotator(tmp_path / "copies", OutputNames([]))
    verdict = ImageVerdict("no_face", None, [], 512, 512, ModelRef("m", "1", "", True))
    with pytest.raises(OSError, match=r"face\.png"):
        annotator.draw(Path("face.jpg"), astronaut_jpeg, verdict, DecodeSpec())
    assert list((tmp_path / "copies").iterdir()) == []
