"""Sources of `bulk`: folders, globs, lists, Parquet columns and buckets (S3 by moto)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from moto.server import ThreadedMotoServer
from obstore.exceptions import BaseError
from obstore.store import S3Store

from deepfake_serving.cli.bulk import reading, stores
from deepfake_serving.cli.bulk.inputs import canonical, kind_of, list_inputs, select
from deepfake_serving.contracts.problems import InvalidRequest, Problem, TooLarge
from deepfake_serving.packaging import object_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a/z.PNG", "a/film.mp4", "a/notes.txt", "c.HEIC"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a" / "cycle").symlink_to(tmp_path, target_is_directory=True)
    return tmp_path


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{endpoint}/archive", timeout=60).raise_for_status()
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    stores._bucket.cache_clear()
    for key in ("2024/b.jpg", "2024/a b#1.png", "2024/list.csv", "2025/c.jpg"):
        obstore.put(S3Store("archive", client_options={"allow_http": True}), key, key.encode())
    yield "s3://archive"
    stores._bucket.cache_clear()
    server.stop()


def test_a_folder_has_its_images_and_videos_and_links_to_folders_are_not_followed(
    folder: Path,
) -> None:
    names = [str(Path(path).relative_to(folder)) for path in list_inputs(str(folder))]
    assert names == ["a/film.mp4", "a/z.PNG", "b.jpg", "c.HEIC"]


def test_a_folder_that_cannot_be_read_is_listed_itself_and_others_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is a stub: root, as whom tests may run, reads everything."""
    locked, scan = folder / "a", os.scandir

    def refuse(path: str) -> Any:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(list_inputs(str(folder))) == [
        str(folder / name) for name in ("a", "b.jpg", "c.HEIC")
    ]
    with pytest.raises(PermissionError):
        list(list_inputs(str(locked)))


@pytest.mark.parametrize("spelling", ["photos", "photos/", "./photos", "../here/photos"])
def test_a_source_has_one_spelling(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "photos").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert canonical(spelling) == str(tmp_path / "here" / "photos")
    assert canonical("s3://a/b/") == canonical("s3://a/b") == "s3://a/b"


def test_a_glob_is_of_the_folder_that_the_command_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "a[b]"
    here.mkdir()
    (here / "1.jpg").write_bytes(b"x")
    monkeypatch.chdir(here)
    assert list(list_inputs(canonical("*.jpg"))) == [str(here / "1.jpg")]


def test_a_link_to_itself_is_no_file(folder: Path) -> None:
    (folder / "self.jpg").symlink_to("self.jpg")
    assert len(list(list_inputs(str(folder)))) == 4


def test_a_byte_order_mark_of_a_list_is_no_part_of_a_path(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.jpg\r\nb.jpg\n", encoding="utf-8-sig")
    assert list(list_inputs(str(tmp_path / "list.txt"))) == ["a.jpg", "b.jpg"]


def test_a_glob_has_the_media_that_match(folder: Path) -> None:
    assert list(list_inputs(f"{folder}/**/*.txt")) == []
    assert list(list_inputs(f"{folder}/a/*")) == [f"{folder}/a/film.mp4", f"{folder}/a/z.PNG"]


def test_a_list_has_its_lines_whatever_their_suffix(folder: Path) -> None:
    listing = folder / "list.txt"
    listing.write_bytes(b"/x/one\n\ns3://archive/two.mp4\r\n/x/\xff.jpg\n")
    paths = list(list_inputs(str(listing)))
    assert paths == ["/x/one", "s3://archive/two.mp4", "/x/\udcff.jpg"]
    assert [kind_of(path) for path in paths] == ["image", "video", "image"]


def test_one_image_is_a_source(folder: Path) -> None:
    assert list(list_inputs(str(folder / "b.jpg"))) == [str(folder / "b.jpg")]


def test_a_parquet_column_has_its_values_without_nulls(tmp_path: Path) -> None:
    table = pa.table({"url": ["a.jpg", None, "b.jpg"], "n": [1, 2, 3]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert list(list_inputs(str(tmp_path / "t.parquet"), "url")) == ["a.jpg", "b.jpg"]
    with pytest.raises(InvalidRequest, match="no column 'path'; it has url, n"):
        list_inputs(str(tmp_path / "t.parquet"), "path")


@pytest.mark.parametrize("source", ["/nowhere", "/nowhere/t.parquet"])
def test_a_source_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(InvalidRequest, match="there is no folder, file or glob"):
        list_inputs(source, "url" if source.endswith("parquet") else None)


def test_a_prefix_has_its_objects_and_their_keys_are_no_urls(bucket: str) -> None:
    assert sorted(list_inputs(f"{bucket}/2024/")) == [
        "s3://archive/2024/a b#1.png",
        "s3://archive/2024/b.jpg",
    ]
    assert len(list(list_inputs(bucket))) == 3


def test_a_malformed_prefix_is_refused() -> None:
    with pytest.raises(Problem, match="not of the form"):
        list(list_inputs("s3://"))


def test_a_sample_is_the_same_in_every_run_and_a_limit_ends_the_listing() -> None:
    paths = [f"{number}.jpg" for number in range(2000)]
    sample = list(select(iter(paths), 0.1, None))
    assert sample == list(select(iter(paths), 0.1, None))
    assert 140 < len(sample) < 260
    assert list(select(iter(paths), 1, 3)) == paths[:3]


def test_objects_are_read_ahead_in_order_and_a_missing_one_is_a_problem(bucket: str) -> None:
    paths = [f"{bucket}/2024/b.jpg", f"{bucket}/2024/gone.jpg", f"{bucket}/2025/c.jpg"]
    contents = [content for batch in reading.batches(paths, 2, 100) for content in batch]
    assert [source.path for source, _ in contents] == paths
    first, missing, last = (content for _, content in contents)
    assert (first, last) == (b"2024/b.jpg", b"2025/c.jpg")
    assert isinstance(missing, Problem)
    assert missing.detail == "the file can't be read: there is none"


@pytest.mark.parametrize("key", ["a//b.jpg", "../b.jpg", "a\tb.jpg", "\udcff.jpg"])
def test_a_key_that_cannot_be_read_is_a_problem_of_its_file_alone(bucket: str, key: str) -> None:
    paths = [f"{bucket}/{key}", f"{bucket}/2025/c.jpg"]
    [[(_, problem), (_, content)]] = reading.batches(paths, 2, 100)
    assert isinstance(problem, InvalidRequest)
    assert content == b"2025/c.jpg"


def test_an_object_over_the_limit_is_a_problem_and_is_not_read(bucket: str) -> None:
    [[(source, problem)]] = reading.batches([f"{bucket}/2024/b.jpg"], 2, 3)
    assert isinstance(problem, TooLarge)
    assert source.bytes is None


def test_a_store_that_fails_ends_the_chunk_without_a_row(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket's outage must not become rows that say that files are bad."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_store, "_RETRY", {"max_retries": 0})
    stores._bucket.cache_clear()
    with pytest.raises(BaseError):
        list(reading.batches([f"{bucket}/2024/b.jpg"], 2, 100))


def test_a_local_folder_named_as_a_file_is_a_problem(tmp_path: Path) -> None:
    [[(_, problem)]] = reading.batches([str(tmp_path)], 2, 100)
    assert isinstance(problem, InvalidRequest)


def test_a_video_of_a_bucket_is_copied_for_as_long_as_it_is_used(bucket: str) -> None:
    with reading.local_copy(f"{bucket}/2025/c.jpg") as (path, source):
        assert path.read_bytes() == b"2025/c.jpg"
        assert (source.path, source.bytes) == (f"{bucket}/2025/c.jpg", 10)
    assert not path.exists()
    with (
        pytest.raises(InvalidRequest, match="there is none"),
        reading.local_copy(f"{bucket}/x.mp4"),
    ):
        pass
