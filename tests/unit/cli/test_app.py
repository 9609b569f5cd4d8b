"""The command line, called in this process; once as a process of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from deepfake_serving.cli import app as cli
from deepfake_serving.cli.detector import LocalDetector
from deepfake_serving.cli.evidence.annotate import Annotator
from deepfake_serving.cli.evidence.names import OutputNames
from deepfake_serving.contracts.problems import UndecodableMedia
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.packaging.archive import Archive, open_archive
from model_handlers.items import Options
from model_handlers.manifest import ManifestError, read_manifest
from model_handlers.pipeline.decode import Pixels
from model_handlers.pipeline.stopwatch import Stopwatch
from model_handlers.pipeline.tasks import DetectorTask
from tests.support.images import jpeg
from tests.support.paths import MANIFESTS, MODELS, ROOT

LITTLE = np.full((32, 32, 3), 90, np.uint8)
"""Too small for any face, so that it is fast."""
SMALL = """\
name: small
version: "1.0"
task: classifier
crop: {size: 64}
encoder: {architecture: test_efficientnet}
"""


@pytest.fixture
def mar(archives: dict[str, Archive]) -> Path:
    return archives["detector"].path


@pytest.fixture(scope="module")
def head(astronaut: Pixels) -> bytes:
    """Returns one face in a small image."""
    return jpeg(astronaut[40:220, 140:320])


def put(path: Path, content: bytes | None = None) -> Path:
    """Writes an image, by default without a face."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(LITTLE) if content is None else content)
    return path


@pytest.fixture(scope="module")
def loaded(archives: dict[str, Archive]) -> LocalDetector:
    return LocalDetector(archives["detector"].path)


@pytest.fixture
def run(mar: Path, loaded: LocalDetector, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`deepfake-serving detect` with an archive that all tests load once."""
    monkeypatch.setattr(
        "deepfake_serving.cli.ensemble.LocalDetector", lambda path, threads: {mar: loaded}[path]
    )

    def detect(*arguments: object) -> Result:
        given = ["detect", "--archive", str(mar), *map(str, arguments)]
        result = CliRunner().invoke(cli.app, given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return detect


def responses(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def main(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Runs the entry point and returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["deepfake-serving", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, int)
    return end.value.code


# detect: JSON ------------------------------------------------------------------------------------


def test_one_verdict_per_line_in_input_order(
    run: Callable[..., Result], tmp_path: Path, head: bytes, archives: dict[str, Archive]
) -> None:
    photos = [put(tmp_path / "b.jpg", head), put(tmp_path / "a.jpg"), put(tmp_path / "c.jpg")]
    result = run("--json", *photos)
    assert result.exit_code == 0
    first, second, third = responses(result)
    assert [a["file"] for a in (first, second, third)] == [str(path) for path in photos]
    assert (first["width"], first["height"]) == (180, 180)
    (face,) = first["faces"]
    assert first["fake_probability"] == face["fake_probability"]
    assert first["verdict"] == face["verdict"]
    assert first["model"] == {
        "name": "detector",
        "version": archives["detector"].manifest.version,
        "digest": archives["detector"].digest,
        "trained": True,
    }
    assert set(first["timings_ms"]) >= {"decode", "detect"}
    assert second["verdict"] == "no_face"
    assert second["fake_probability"] is None


def test_results_equal_those_of_the_server(
    run: Callable[..., Result], tmp_path: Path, head: bytes, detector: DetectorTask
) -> None:
    (response,) = responses(run("--json", put(tmp_path / "a.jpg", head)))
    (outcome,) = detector.run([head], [Options()], Stopwatch())
    assert isinstance(outcome, ImageVerdict)
    assert response["fake_probability"] == outcome.fake_probability


def test_what_phones_and_scanners_write_is_analysed(
    run: Callable[..., Result], tmp_path: Path, head: bytes
) -> None:
    files = [ROOT / "tests" / "data" / "astronaut.heic"]
    for name in ("photo.avif", "photo.tiff"):
        files.append(tmp_path / name)
        Image.open(io.BytesIO(head)).save(files[-1])
    assert [len(each["faces"]) for each in responses(run("--json", *files))] == [1, 1, 1]


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_problems_keep_their_positions_and_set_the_exit_code(
    run: Callable[..., Result], tmp_path: Path, batch: int
) -> None:
    photos = [
        put(tmp_path / "good.jpg"),
        put(tmp_path / "text.jpg", b"no image"),
        tmp_path / "absent.jpg",
        put(tmp_path / "empty.jpg", b""),
        tmp_path,
        put(tmp_path / "broken.jpg", jpeg(LITTLE)[:200]),
        put(tmp_path / "last.jpg"),
    ]
    result = run("--json", "--batch", batch, *photos)
    assert result.exit_code == 1
    found = responses(result)
    assert [response["file"] for response in found] == [str(path) for path in photos]
    kinds = [response.get("type", "").rpartition(":")[2] for response in found]
    assert kinds == [
        "",
        "unsupported-media-type",
        "invalid-request",
        "invalid-request",
        "invalid-request",
        "undecodable-media",
        "",
    ]
    assert found[2]["detail"] == "the file can't be read: No such file or directory"
    assert found[4]["detail"] == "the file can't be read: Is a directory"


def test_one_hundred_and_fifty_images_in_one_call(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    photos = [put(tmp_path / f"{n}.jpg") for n in range(150)]
    result = run("--json", "--batch", 16, *photos)
    assert result.exit_code == 0
    assert [response["file"] for response in responses(result)] == [str(path) for path in photos]


def test_a_file_is_read_only_up_to_the_size_limit(run: Callable[..., Result]) -> None:
    (response,) = responses(run("--json", "/dev/zero"))
    assert response["type"].endswith(":too-large")
    assert "33554432" in response["detail"]


def test_an_image_that_crashes_the_model_affects_no_other(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detected = DetectorTask.run

    def fragile(self: DetectorTask, items: Any, *others: Any) -> Any:
        if b"poison" in items:
            raise RuntimeError("out of luck")
        return detected(self, items, *others)

    monkeypatch.setattr(DetectorTask, "run", fragile)
    photos = [
        put(tmp_path / "a.jpg"),
        put(tmp_path / "b.jpg", b"poison"),
        put(tmp_path / "c.jpg"),
    ]
    result = run("--json", *photos)
    assert result.exit_code == 1
    first, second, third = responses(result)
    assert first["verdict"] == third["verdict"] == "no_face"
    assert second["type"].endswith(":internal")


# detect: names -----------------------------------------------------------------------------------

NAMES = ["[red].jpg", "[/].jpg", "a[bold]b.jpg", ":smile:.jpg", "ü ß.jpg", "日本.jpg", "-x.jpg"]


@pytest.mark.parametrize("as_json", [True, False])
def test_file_names_are_printed_unchanged(
    run: Callable[..., Result], tmp_path: Path, as_json: bool
) -> None:
    photos = [put(tmp_path / name) for name in NAMES]
    broken = put(tmp_path / "[broken].jpg", b"no image")
    result = run(*(["--json"] if as_json else []), *photos, broken)
    assert result.exit_code == 1
    for path in (*photos, broken):
        shown = json.dumps(str(path), ensure_ascii=False) if as_json else str(path)
        assert shown in result.stdout


def test_a_file_name_that_is_not_utf8_is_printed_with_hex_escapes(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    path = put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")))
    (response,) = responses(run("--json", path))
    assert response["file"] == f"{tmp_path}/caf\\xe9.jpg"
    assert response["verdict"] == "no_face"
    assert f"{tmp_path}/caf\\xe9.jpg" in run(path).stdout


def test_a_file_name_cannot_overwrite_the_table(run: Callable[..., Result], tmp_path: Path) -> None:
    path = put(tmp_path / "a\x1b[2Jb\nc\rd.jpg")
    result = run(path)
    assert "a\\x1b[2Jb\\nc\\rd.jpg" in result.stdout
    assert "\x1b" not in result.stdout
    assert responses(run("--json", path))[0]["file"] == str(path)


# detect: table -----------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_image(
    run: Callable[..., Result], tmp_path: Path, head: bytes
) -> None:
    photos = [
        put(tmp_path / "face.jpg", head),
        put(tmp_path / "none.jpg"),
        put(tmp_path / ("long" * 40 + ".jpg"), b"no image"),
    ]
    result = run(*photos)
    assert result.exit_code == 1
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["image", "verdict", "fake", "faces", "remark"]
    face, none, broken = (row.split() for row in rows)
    assert face[0] == str(photos[0])
    assert face[1] in ("real", "suspicious", "fake")
    assert 0 <= float(face[2]) <= 1
    assert face[3:] == ["1"]
    assert none == [str(photos[1]), "no_face", "0"]
    assert broken[:3] == [str(photos[2]), "problem", "not"]


def test_the_exit_code_is_0_without_problems(run: Callable[..., Result], tmp_path: Path) -> None:
    assert run(put(tmp_path / "a.jpg")).exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_an_untrained_model_is_reported_on_stderr_only(
    untrained_archive: Archive, tmp_path: Path, head: bytes, arguments: list[str]
) -> None:
    given = ["detect", "--archive", str(untrained_archive.path), *arguments]
    result = CliRunner().invoke(cli.app, [*given, str(put(tmp_path / "a.jpg", head))])
    reported = '"trained":false' if arguments else " untrained"
    assert reported in result.stdout
    assert "untrained model: these verdicts are meaningless" in result.stderr
    assert "meaningless" not in result.stdout


def test_a_trained_model_is_not_called_untrained(
    run: Callable[..., Result], tmp_path: Path, head: bytes
) -> None:
    result = run(put(tmp_path / "a.jpg", head))
    assert result.exit_code == 0
    assert "untrained" not in result.output


# detect: archives --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["faces", "classifier"])
def test_an_archive_of_another_task_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    archives: dict[str, Archive],
    tmp_path: Path,
    name: str,
) -> None:
    archive = archives[name].path
    assert main(monkeypatch, "detect", "--archive", archive, put(tmp_path / "a.jpg")) == 2
    reported = capsys.readouterr()
    assert reported.out == ""
    assert reported.err == f"deepfake-serving: {archive}: holds a {name}, not a detector\n"


def test_a_missing_archive_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = tmp_path / "[red] :smile: [/none].mar"
    assert main(monkeypatch, "detect", "--archive", missing, put(tmp_path / "a.jpg")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"deepfake-serving: {missing}: not a model archive: No such file or directory"


def test_a_loaded_detector_needs_no_files(
    mar: Path, tmp_path: Path, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a killed process, as Ray's workers end, leaves none."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    detector = LocalDetector(mar)
    assert list(tmp_path.iterdir()) == []
    (document,) = detector.images([head], explain=True)
    assert document["faces"][0]["heatmap"]


def test_an_archive_that_fails_to_load_leaves_no_files(
    mar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    incomplete = tmp_path / "detector.mar"
    with zipfile.ZipFile(mar) as whole, zipfile.ZipFile(incomplete, "w") as part:
        part.writestr("model.json", whole.read("model.json"))
    with pytest.raises(ManifestError, match="no such graph"):
        LocalDetector(incomplete)
    assert list(tmp_path.iterdir()) == [incomplete]


def test_the_bundled_archive_is_packed_if_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(cli.app, ["detect", str(put(tmp_path / "a.jpg"))])
    assert result.exit_code == 0
    folder = tmp_path / "home" / "archives"
    note = f"packing detector into {folder} (once per version)\n"
    assert result.stderr == note
    assert open_archive(folder / "detector.mar").manifest.name == "detector"
    again = CliRunner().invoke(cli.app, ["detect", str(tmp_path / "a.jpg")])
    assert (again.exit_code, again.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [[], ["--batch", "0", "a.jpg"], ["--batch", "257", "a.jpg"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.app, ["detect", *arguments]).exit_code == 2


# detect: annotate --------------------------------------------------------------------------------


def pixels(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"))


def test_faces_are_drawn_on_copies(run: Callable[..., Result], tmp_path: Path, head: bytes) -> None:
    face, none = put(tmp_path / "face.jpg", head), put(tmp_path / "none.jpg")
    broken = put(tmp_path / "broken.jpg", b"no image")
    out = tmp_path / "new" / "out"
    (response, *_) = responses(run("--json", "--annotate", out, face, none, broken))
    assert {path.name for path in out.iterdir()} == {"face.png", "none.png"}
    drawn, original = pixels(out / "face.png"), pixels(face)
    assert drawn.shape == original.shape
    changed = (drawn != original).any(axis=2)
    x1, y1, x2, y2 = (round(side) for side in response["faces"][0]["box"])
    middle = (y1 + y2) // 2
    assert changed[middle, max(0, x1 - 1) : x1 + 2].any()
    assert changed[middle, x2 - 1 : x2 + 2].any()
    for x, y in response["faces"][0]["landmarks"]:
        assert changed[round(y), round(x)]
    assert changed.mean() < 0.5
    assert np.array_equal(pixels(out / "none.png"), pixels(none))
    assert face.read_bytes() == head


def test_copies_of_images_with_the_same_name_are_numbered(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    photos = [
        put(tmp_path / name) for name in ("a/x.jpg", "b/x.jpg", "b/x-2.jpg", "c/x.png", "x.jpeg")
    ]
    out = tmp_path / "out"
    assert run("--annotate", out, *photos).exit_code == 0
    names = {"x.png", "x-2.png", "x-2-2.png", "x-3.png", "x-4.png"}
    assert {path.name for path in out.iterdir()} == names


def test_a_copy_never_overwrites_its_image(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = jpeg(LITTLE)
    first, second = put(tmp_path / "a.png", content), put(tmp_path / "b.png", content)
    monkeypatch.chdir(tmp_path)
    assert run("--annotate", ".", "a.jpg", "a.png", second).exit_code == 1
    assert first.read_bytes() == second.read_bytes() == content
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png", "a-2.png", "b-2.png"}


def test_a_second_run_replaces_the_copies_of_the_first(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    image, out = put(tmp_path / "a.jpg"), tmp_path / "out"
    for _ in range(2):
        run("--annotate", out, image)
        assert [path.name for path in out.iterdir()] == ["a.png"]


def test_an_output_folder_that_is_a_file_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mar: Path, tmp_path: Path
) -> None:
    image = put(tmp_path / "a.jpg")
    arguments = ["detect", "--archive", mar, "--annotate", image, image]
    assert main(monkeypatch, *arguments) == 2
    assert "File exists" in capsys.readouterr().err.splitlines()[-1]


def test_no_copy_is_written_for_a_problem(tmp_path: Path, detector: DetectorTask) -> None:
    annotator = Annotator(tmp_path / "out", OutputNames([]))
    spec = detector.manifest.decode
    assert annotator.draw(Path("a.jpg"), b"", UndecodableMedia("broken"), spec) is None


# package -----------------------------------------------------------------------------------------


def test_packing_prints_digests_in_the_format_of_sha256sum(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["package", "--out", str(tmp_path)])
    assert result.exit_code == 0
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    assert [Path(line[1]).name for line in lines] == sorted(f"{name}.mar" for name in MODELS)
    for digest, path, *remark in lines:
        assert digest == "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()
        assert remark == []


def test_packing_an_untrained_model_prints_a_warning(tmp_path: Path) -> None:
    manifest = tmp_path / "small.yaml"
    manifest.write_text(SMALL)
    result = CliRunner().invoke(cli.app, ["package", "--out", str(tmp_path), str(manifest)])
    assert "(untrained)" in result.stdout


def test_only_the_named_manifests_are_packed(tmp_path: Path) -> None:
    manifest = MANIFESTS / "faces.yaml"
    CliRunner().invoke(cli.app, ["package", "--out", str(tmp_path), str(manifest)])
    assert {path.name for path in tmp_path.iterdir()} == {"faces.mar", "faces.packed.json"}


def test_permissive_models_have_other_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_WEIGHTS", "permissive")
    assert CliRunner().invoke(cli.app, ["package", "--out", str(tmp_path)]).exit_code == 0
    names = {path.stem for path in tmp_path.glob("*.mar")}
    assert names == {"classifier", "detector", "faces"}
    for name in ("classifier", "detector"):
        default = read_manifest(MANIFESTS / f"{name}.yaml")
        permissive = open_archive(tmp_path / f"{name}.mar").manifest
        assert default.weights is not None
        assert permissive.weights is not None
        assert permissive.weights.licence == "Apache-2.0" != default.weights.licence
        differing = {"weights", "calibration", "thresholds", "version", "head"}
        assert default.model_dump(exclude=differing) == permissive.model_dump(exclude=differing)
        assert default.head.model_copy(update={"synthesis": False}) == permissive.head


def test_unknown_weights_are_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_WEIGHTS", "best")
    assert main(monkeypatch, "package", "--out", tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == ("deepfake-serving: DEEPFAKE_WEIGHTS is 'best', not one of default, permissive")


def test_a_wrong_manifest_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    manifest = put(tmp_path / "[m].yaml", b"name: 5")
    assert main(monkeypatch, "package", "--out", tmp_path / "out", manifest) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"deepfake-serving: {manifest}: name: ")
    assert not (tmp_path / "out").exists()


# fetch -------------------------------------------------------------------------------------------


def test_fetching_a_path_prints_its_digest(mar: Path, tmp_path: Path) -> None:
    target = tmp_path / "models" / "detector.mar"
    digest = open_archive(mar).digest
    result = CliRunner().invoke(cli.app, ["fetch", str(mar), str(target), "--sha256", digest])
    assert result.exit_code == 0
    assert result.stdout == f"{digest}  {target}\n"
    assert target.read_bytes() == mar.read_bytes()


@pytest.mark.parametrize("digest", ["0" * 64, "sha256:" + "0" * 64, "none"])
def test_a_wrong_digest_exits_with_2_and_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mar: Path,
    tmp_path: Path,
    digest: str,
) -> None:
    assert main(monkeypatch, "fetch", mar, tmp_path / "a.mar", "--sha256", digest) == 2
    reported = capsys.readouterr()
    assert reported.out == ""
    assert reported.err.splitlines()[-1].startswith("deepfake-serving: ")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_source_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["fetch", tmp_path / "[none].mar", tmp_path / "a.mar", "--sha256", "0" * 64]
    assert main(monkeypatch, *arguments) == 2
    assert f"{tmp_path}/[none].mar" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_digest_is_required(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["fetch", "/a.mar", str(tmp_path / "a.mar")])
    assert result.exit_code == 2
    assert "sha256" in result.stderr


# serve -------------------------------------------------------------------------------------------


def test_serving_ends_with_the_exit_code_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MODEL_SERVER_WORKERS", "many")
    assert main(monkeypatch, "serve") == 2


def test_serve_prints_an_example_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def ready(on_ready: Callable[[dict[str, int]], None]) -> int:
        on_ready({"http": 1234, "grpc": 1, "metrics": 2})
        return 0

    monkeypatch.setattr("deepfake_serving.model_server.__main__.main", ready)
    monkeypatch.chdir(ROOT)
    assert main(monkeypatch, "serve") == 0
    printed = capsys.readouterr().out
    assert (
        "@deepfake_serving/model_server/assets/warmup.jpg http://127.0.0.1:1234/predictions/detector"
        in printed
    )


# As a process ------------------------------------------------------------------------------------


def test_detect_works_as_a_separate_process(tmp_path: Path, mar: Path) -> None:
    """Through a pipe, with a name that the locale can't print."""
    image = put(tmp_path / "日本.jpg")
    program = Path(sys.executable).parent / "deepfake-serving"
    completed = subprocess.run(
        [program, "detect", "--json", "--archive", mar, image, tmp_path / "none.jpg"],
        env=os.environ | {"LC_ALL": "C", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )
    assert completed.returncode == 1, completed.stderr.decode()
    first, second = (json.loads(line) for line in completed.stdout.splitlines())
    assert first["file"] == str(image)
    assert second["type"].endswith(":invalid-request")
    assert b"Traceback" not in completed.stderr


def test_main_reports_manifest_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ManifestError("x.yaml: wrong")

    monkeypatch.setattr(cli, "app", fail)
    assert main(monkeypatch) == 2
