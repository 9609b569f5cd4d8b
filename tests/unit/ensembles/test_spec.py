"""Files of ensembles: the shipped ones, and wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deepfake_serving.ensembles.spec import (
    FOLDER,
    EnsembleError,
    find_ensemble,
    read_ensemble,
)

MEMBERS = [{"model": "a"}, {"model": "b"}]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_ensembles_are_named_as_their_files(path: Path) -> None:
    assert find_ensemble(path.stem).name == path.stem


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"members": []}, "at least 1"),
        ({"members": [MEMBERS[0], MEMBERS[0]]}, "same name"),
        ({"name": "a"}, "same name"),
        ({"min_answers": 3}, "min_answers is 3"),
        ({"min_answers": 0}, "greater than or equal to 1"),
        ({"combination": "median"}, "combination"),
        ({"members": [{"model": "a", "weight": 0}]}, "greater than 0"),
        ({"thresholds": {"suspicious_from": "x"}}, "thresholds"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    path = tmp_path / "x.yaml"
    content = {"name": "x", "version": "1.0", "members": MEMBERS} | change
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(EnsembleError, match=reason) as caught:
        read_ensemble(path)
    assert str(path) in str(caught.value)


def test_an_ensemble_is_found_by_the_path_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "version": "1.0", "members": MEMBERS}))
    assert find_ensemble(str(path)).models == ["a", "b"]
    with pytest.raises(EnsembleError, match=r"no ensemble 'nowhere': .* ensemble"):
        find_ensemble("nowhere")


def test_the_digest_depends_on_the_members(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "version": "1.0", "members": MEMBERS}))
    spec = read_ensemble(path)
    assert spec.digest({"a": "1", "b": "2"}) == spec.digest({"b": "2", "a": "1"})
    assert spec.digest({"a": "1", "b": "2"}) != spec.digest({"a": "1", "b": "3"})
