"""The card contains exactly the given figures, and names missing ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from deepfake_serving.training.card.card import card
from deepfake_serving.training.card.facts import read_facts
from deepfake_serving.training.card.inputs import Inputs, read_inputs
from deepfake_serving.training.card.markdown import bullets, format_interval, format_number, table
from deepfake_serving.training.cli import app
from deepfake_serving.training.development.table import Row, as_records
from deepfake_serving.training.evaluate.breakdown import subgroups
from deepfake_serving.training.evaluate.metric_set import METRIC_NAMES
from deepfake_serving.training.evaluate.results import Evaluation, write_json
from deepfake_serving.training.evaluate.robustness import robustness
from deepfake_serving.training.predict.corruptions import Corruption
from deepfake_serving.training.predict.scores import Score
from model_handlers.manifest import ThresholdsSpec
from tests.support.paths import ROOT

FACTS = ROOT / "config" / "training" / "data-card.yaml"
SHA = "ab" * 32
COMMAND = "python -m deepfake_serving.training evaluate elsewhere --model detector.yaml"
EXPORTED: dict[str, Any] = {
    "weights": {"file": "detector-1.0.safetensors", "sha256": SHA, "licence": "Apache-2.0"},
    "trained": "sha256:" + "cd" * 32,
    "parameters": 3685665,
    "network": {"crop": {"size": 224, "margin": 1.3}, "reference": None},
    "training": {"epochs": 30, "optimizer": {"name": "adamw", "lr": 0.0005}},
    "epochs": [{"epoch": 1, "validation_auc": 0.7072}, {"epoch": 2, "validation_auc": 0.7013}],
    "checks": {"onnx": {"logit": 1.2e-05, "probability": 3.4e-06, "crops": 32}},
}
CALIBRATION: dict[str, Any] = {
    "calibration": {"method": "platt", "slope": 1.2345, "intercept": -0.4321},
    "thresholds": {"suspicious_from": 0.4, "fake_above": 0.6},
    "out_of_fold_log_loss": {"platt, certain from 0 px": 0.5171, "isotonic": 0.6},
    "out_of_fold_ece": 0.0456,
    "threshold_at_false_positive_rate": {"0.05": 0.7777},
}
BEFORE = {"auc": 0.8123, "fakes_called_fake": 0.6234}
ATTACKS: dict[str, Any] = {
    "about": {"steps": 10, "real": 16, "fake": 15, "media": "elsewhere"},
    "attacks": [
        {
            "attack": "PGD",
            "strength": "L∞, 2/255",
            "paper": "arXiv:1706.06083",
            "real": 16,
            "fake": 15,
            "before": BEFORE,
            "after": {"auc": 0.0456, "fakes_called_fake": 0.0789},
            "after_saving": {"auc": 0.1357, "fakes_called_fake": 0.2468},
        }
    ],
    "poisoning": {
        "share": 0.2,
        "steps": 60,
        "poisoned_crops": 97,
        "paper": "arXiv:1708.06733",
        "before": {"clean": BEFORE, "trigger": BEFORE},
        "after": {"clean": BEFORE, "trigger": {"auc": 0.3579, "fakes_called_fake": 0.0468}},
    },
}


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes an evaluation like `evaluate`, with generated scores."""
    rng = np.random.default_rng(0)
    created = []
    for variant, strength in (("as is", 1.5), ("jpeg 30", 0.3)):
        for number_ in range(40):
            fake, kind = number_ % 2 == 1, ("swap", "redraw")[number_ % 4 // 2]
            p = float(1 / (1 + np.exp(-rng.normal(strength * (1 if fake else -1), 1))))
            size = 80.0 if number_ < 12 else 130.0
            known = (f"{number_}.mp4", fake, kind if fake else "real", f"{number_ // 2}", 0, size)
            created.append(Score(*known, variant, 0.0, p, 5.0))
    about = {"model": "detector 1.0", "media": "elsewhere", "command": COMMAND}
    about["weights digest"] = f"sha256:{SHA}"
    points = robustness(created, [Corruption("jpeg", 30)], replicates=50)
    whole = subgroups(created, ThresholdsSpec(), replicates=50)
    folder = tmp_path_factory.mktemp("evaluation")
    write_json(
        Evaluation(about, ThresholdsSpec(), created, whole, points, [], []), folder / "figures.json"
    )
    return folder


@pytest.fixture
def files(evaluation: Path, tmp_path: Path) -> dict[str, Path]:
    contents = {"attacks": ATTACKS, "calibration": CALIBRATION, "export": EXPORTED}
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return {"evaluation": evaluation} | {n: tmp_path / f"{n}.json" for n in contents}


@pytest.fixture
def whole(files: dict[str, Path]) -> Inputs:
    names = ("attacks", "calibration", "export")
    return read_inputs(FACTS, [files["evaluation"]], *(files[name] for name in names))


def text_of(inputs: Inputs) -> str:
    return "\n\n".join(card(inputs))


def without(inputs: Inputs, **changed: Any) -> Inputs:
    names = ("facts", "evaluations", "attacks", "calibration", "exported")
    return Inputs(**({name: getattr(inputs, name) for name in names} | changed))


# Given figures -----------------------------------------------------------------------------------


def test_every_figure_of_the_evaluation_is_in_the_card(whole: Inputs) -> None:
    text = text_of(whole)
    content = whole.evaluations[0]
    shown = {"auc", "balanced_accuracy", "real_called_fake", "fake_called_fake"}
    for part in content["figures"]:
        if part["by"] == "variant":
            continue  # the robustness table says it
        for name, figure in part["figures"]["figures"].items():
            if part["by"] == "all" or name in shown:
                assert format_interval(figure) in text, (part["by"], part["name"], name)
        assert f"{part['figures']['real']} / {part['figures']['fake']}" in text
    for point in content["robustness"]:
        assert (
            f"| jpeg 30 | {format_interval(point['auc'])} | {format_interval(point['drop'])} |"
            in text
        )
    assert all(f"| {label} |" in text for label in METRIC_NAMES.values())
    assert COMMAND in text


def test_every_other_figure_is_in_the_card(whole: Inputs) -> None:
    text = text_of(whole)
    for figure in ("0.046", "0.079", "0.136", "0.247", "0.358", "0.047", "97", "0.812"):
        assert re.search(rf"\b{re.escape(figure)}\b", text), figure
    for figure in ("1.2345", "-0.4321", "0.517", "0.778", "5%", "3,685,665", "1.2e-05", "3.4e-06"):
        assert figure in text, figure
    assert f"`{SHA}`" in text
    assert "epoch 1" in text
    assert "0.707" in text
    assert "issing" not in text


def test_published_results_are_listed_with_ours(whole: Inputs) -> None:
    text = text_of(whole)
    for row in read_facts(FACTS).published:
        line = next(li for li in text.splitlines() if li.startswith(f"| {row.model} |"))
        assert all(f"| {figure:.1f} |" in line for figure in row.figures.values())
    own = next(li for li in text.splitlines() if li.startswith("| **this model** |"))
    videos = next(p for p in whole.evaluations[0]["figures"] if p["level"] == "video")
    assert format_interval(videos["figures"]["figures"]["auc"]) in own


def test_failures_cite_their_metrics(whole: Inputs) -> None:
    text = text_of(whole)
    (small,) = [li for li in text.splitlines() if li.startswith("- **Small faces")]
    size = next(p for p in whole.evaluations[0]["figures"] if p["name"] == "< 100 px")
    assert format_interval(size["figures"]["figures"]["auc"]) in small
    (compressed,) = [li for li in text.splitlines() if li.startswith("- **Heavy compression")]
    assert format_interval(whole.evaluations[0]["robustness"][0]["auc"]) in compressed
    (scaled,) = [li for li in text.splitlines() if li.startswith("- **Downscaling")]
    assert scaled.endswith("Not measured here.")


# Missing figures-----------------------------------------------------------------------------------


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    text = text_of(read_inputs(FACTS, [missing], missing, missing, None))
    for section in ("evaluation", "attacks", "calibration", "provenance"):
        assert f"*Missing: {section} (" in text
    own = {f"{f:.1f}" for row in read_facts(FACTS).published for f in row.figures.values()}
    assert set(re.findall(r"(?<=\| )\d+\.\d+(?= \|)", text)) == own


@pytest.mark.parametrize(
    ("name", "part", "expected"),
    [
        ("attacks", "poisoning", "poisoning"),
        ("exported", "training", "training settings"),
        ("exported", "epochs", "training log"),
    ],
)
def test_missing_sections_are_named(whole: Inputs, name: str, part: str, expected: str) -> None:
    content = {k: v for k, v in getattr(whole, name).items() if k != part}
    assert f"*Missing: {expected} (" in text_of(without(whole, **{name: content}))


def test_an_evaluation_without_some_figures_has_dashes(whole: Inputs) -> None:
    content = json.loads(json.dumps(whole.evaluations[0]))
    content["robustness"] = []
    for part in content["figures"]:
        part["figures"]["figures"] = {"auc": {"value": None, "low": None, "high": None}}
    text = text_of(without(whole, evaluations=(content,)))
    assert "| AUC | – | – | – |" in text
    assert "*Missing: robustness (" in text


def test_metrics_of_other_weights_are_marked(whole: Inputs) -> None:
    assert "to other weights" not in text_of(whole)
    for digest, expected in (
        (EXPORTED["trained"], "weights before export"),
        ("sha256:" + "0" * 64, "to other weights"),
    ):
        content = whole.evaluations[0] | {"about": {"weights digest": digest}}
        assert expected in text_of(without(whole, evaluations=(content,)))


def test_stages_are_listed_in_training_order(whole: Inputs) -> None:
    assert "### Stage" not in text_of(whole)
    first = {"training": {"initial": "imagenet"}, "epochs": [{"epoch": 1}], "before": None}
    training = {"initial": "run.safetensors"}
    second = EXPORTED | {"training": training, "before": first, "averaged": 5}
    text = text_of(without(whole, exported=second))
    slots = [text.index(part) for part in ("Stage 1", "imagenet", "Stage 2", "run.safetensors")]
    assert slots == sorted(slots)
    assert "--swaps MEDIA" in text
    assert "of each of 5 networks" in text


def test_out_of_fold_metrics_are_marked(whole: Inputs) -> None:
    assert "out of fold, on the people it was not trained on" not in text_of(whole)
    about = whole.evaluations[0]["about"] | {"folds": "run"}
    content = whole.evaluations[0] | {"about": about}
    text = text_of(without(whole, evaluations=(content,)))
    assert "out of fold, on the people it was not trained on" in text
    assert "AUC before is optimistic" in text, "the attacks are on the same media"
    assert "is optimistic" not in text_of(whole)


def test_development_media_are_marked_with_a_warning(whole: Inputs) -> None:
    development = whole.facts.development
    assert development.caution.strip() not in text_of(whole)
    content = whole.evaluations[0] | {"about": {"media": development.media}}
    assert development.caution.strip() in text_of(without(whole, evaluations=(content,)))


def test_broken_inputs_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "attacks.json"
    for content in ("{", "[]"):
        broken.write_text(content)
        with pytest.raises(ValueError, match=r"attacks\.json"):
            read_inputs(FACTS, [], broken, None, None)
    broken.write_text("intended: [a]\n")
    with pytest.raises(ValueError, match="not_intended"):
        read_facts(broken)


# Form --------------------------------------------------------------------------------------------


def test_tables_have_as_many_cells_in_every_row(whole: Inputs) -> None:
    blocks = [b for b in text_of(whole).split("\n\n") if b.startswith("| ")]
    assert len(blocks) > 8
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_cells_are_escaped_and_numbers_formatted() -> None:
    assert table(["a", "b"], [["x|y", "1\n2"]]).splitlines()[-1] == r"| x\|y | 1 2 |"
    assert bullets(["a\n b"]) == "- a b"
    assert [format_number(v) for v in (3, 0.12345, None, True)] == ["3", "0.123", "–", "–"]
    assert format_interval({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert format_interval({"value": 0.5, "low": 0.25, "high": 0.75}) == "0.500 [0.250, 0.750]"
    assert format_interval(None) == format_interval({"value": None}) == "–"


def test_the_command_writes_the_same_card_twice(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "models" / "detector.md"
    words = [w for name, path in files.items() for w in (f"--{name}", str(path))]
    texts = []
    for _ in range(2):
        result = CliRunner().invoke(app, ["card", *words, "--out", str(out), "--facts", str(FACTS)])
        assert result.exit_code == 0, result.output
        texts.append(out.read_text())
    assert texts[0] == texts[1]
    assert str(tmp_path) not in texts[0]


def test_a_card_that_lacks_files_is_not_written(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "card.md"
    out.write_text("the whole card")
    files["attacks"].unlink()
    del files["export"]
    words = [w for name, path in files.items() for w in (f"--{name}", str(path))]
    command = ["card", *words, "--out", str(out), "--facts", str(FACTS)]
    result = CliRunner().invoke(app, command)
    missing = rf"missing for the card: {files['attacks']} \(`attack` writes it\), --export; nothing"
    assert isinstance(result.exception, ValueError)
    assert re.match(missing, str(result.exception))
    assert out.read_text() == "the whole card"
    assert CliRunner().invoke(app, [*command, "--incomplete"]).exit_code == 0
    assert "*Missing: attacks (" in out.read_text()


def test_development_sets_and_an_average_are_described(
    files: dict[str, Path], tmp_path: Path
) -> None:
    row = Row("swaps", "as is", 40, 30, 0.8121, 0.8232, 0.0343, 0.1565, 0.4454)
    folder = tmp_path / "development"
    folder.mkdir()
    (folder / "development.json").write_text(json.dumps(as_records([row])))
    average = {"parts": {"one": 0.35, "other": 0.65}, "crops": 1024}
    synthesis = {"source": "whole", "crops": 8000, "synthesised": 2000, "c": 1e-4, "prior": -3.0}
    exported = EXPORTED | {"average": average, "synthesis": synthesis}
    files["export"].write_text(json.dumps(exported))
    text = text_of(read_inputs(FACTS, [], None, None, files["export"], folder))
    for figure in ("0.812", "0.823", "0.034", "0.157", "0.445", "40 / 30", "0.35 of `one`", "1024"):
        assert figure in text
    assert "8,000 crops, 2,000 of them fakes of the source `whole`" in text
    assert "average FILE:SHARE" in text
    assert "Missing: evaluation" not in text
