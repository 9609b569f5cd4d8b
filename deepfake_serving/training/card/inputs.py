"""The files that a card is generated from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepfake_serving.training.card.facts import Facts, read_facts
from deepfake_serving.training.development.groups import RECORDS as GROUPS
from deepfake_serving.training.development.groups import Group, read_groups
from deepfake_serving.training.development.robustness import RECORDS as ROBUSTNESS
from deepfake_serving.training.development.robustness import Point, read_points
from deepfake_serving.training.development.table import RECORDS, Row, read_records

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Contents of the files; None (evaluations: left out) if a file is missing.

    Attributes:
        evaluations: `figures.json` of each evaluation.
        attacks: `attacks.json`.
        calibration: the file that `calibrate` wrote.
        exported: the JSON file beside the weights in the store.
        development, groups, robustness: `development.json`, `groups.json` and `robustness.csv` of
            `evaluate-all`.
    """

    facts: Facts
    evaluations: tuple[Content, ...]
    attacks: Content | None
    calibration: Content | None
    exported: Content | None
    development: tuple[Row, ...] = ()
    groups: tuple[Group, ...] = ()
    robustness: tuple[Point, ...] = ()


def read_inputs(
    facts: Path,
    evaluations: Sequence[Path],
    attacks: Path | None,
    calibration: Path | None,
    exported: Path | None,
    development: Path | None = None,
) -> Inputs:
    """Reads the files; a folder stands for the file that its command writes into it.

    Raises:
        ValueError: a file is not a JSON object, or the facts are invalid.
    """
    contents = [_read(path, "figures.json") for path in evaluations]
    return Inputs(
        read_facts(facts),
        tuple(content for content in contents if content is not None),
        _read(attacks, "attacks.json"),
        _read(calibration, "calibration.json"),
        _read(exported, "export.json"),
        read_records(development / RECORDS) if development else (),
        read_groups(development / GROUPS) if development else (),
        read_points(development / ROBUSTNESS) if development else (),
    )


def require_inputs(
    evaluations: Sequence[Path],
    attacks: Path,
    calibration: Path,
    exported: Path | None,
    development: Path | None = None,
) -> None:
    """Checks that all files of a whole card are there.

    Raises:
        ValueError: some are missing; it names all of them and the commands that write them.
    """
    needed = [("evaluate", path, "figures.json") for path in evaluations]
    needed += [("attack", attacks, "attacks.json"), ("calibrate", calibration, "calibration.json")]
    if development is not None:
        needed.append(("evaluate-all", development / RECORDS, RECORDS))
    missing = [
        f"{path} (`{command}` writes it)"
        for command, path, name in needed
        if not _file(path, name).is_file()
    ]
    if exported is None:
        missing.append("--export")
    elif not _file(exported, "export.json").is_file():
        missing.append(f"{exported} (`export` writes it)")
    if missing:
        raise ValueError(f"missing for the card: {', '.join(missing)}; nothing was written")


def _file(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def _read(path: Path | None, name: str) -> Content | None:
    if path is None:
        return None
    file = _file(path, name)
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file}: not a JSON object")
    return content
