"""Reads the workflows, and runs scripts of their steps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = {path.name: path for path in sorted((GITHUB / "workflows").glob("*.yml"))}
ATTEST = "actions/attest@"
SIGN = "./.github/actions/sign"
VERIFY = "./.github/actions/verify"

Job = dict[str, Any]


def workflow(name: str) -> dict[Any, Any]:
    """Reads a workflow. Its triggers are under True, as YAML 1.1 takes `on` for a truth value."""
    document: dict[Any, Any] = yaml.safe_load(WORKFLOWS[name].read_text())
    return document


def _jobs() -> Iterator[tuple[str, Job]]:
    for name in WORKFLOWS:
        for job, content in workflow(name)["jobs"].items():
            yield f"{name}:{job}", content


JOBS = dict(_jobs())


def steps_of(job: Job) -> list[dict[str, Any]]:
    """Returns the steps of a job, of which a called workflow has none here."""
    return job.get("steps", [])


def script(job: str, place: int) -> str:
    """Returns a script of a job `file:job` by its place among the scripts."""
    runs = [step["run"] for step in steps_of(JOBS[job]) if "run" in step]
    return str(runs[place])


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script like a step of GitHub Actions."""
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_ENV": str(folder / "env"),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, script: str) -> None:
    """Puts a program before those of the system."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def chart_images() -> dict[str, Any]:
    """Returns the chart's own images as values.yaml names them."""
    values = yaml.safe_load((ROOT / "k8s/helm/deepfake-serving/values.yaml").read_text())
    images: dict[str, Any] = values["image"]
    return images
