"""Every member of a shipped ensemble has a manifest of its name, and a kind that `import` knows."""

from __future__ import annotations

import pytest

from deepfake_serving.ensembles.spec import FOLDER, find_ensemble
from deepfake_serving.packaging.bundled import packable_manifests
from deepfake_serving.packaging.checkpoints.kinds.registry import KINDS
from model_handlers.manifest import read_manifest

ENSEMBLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", ENSEMBLES)
def test_members_have_manifests_and_known_kinds(name: str) -> None:
    for member in find_ensemble(name).members:
        manifest = read_manifest(packable_manifests()[member.model])
        assert manifest.name == member.model
        assert member.kind is None or member.kind in KINDS
        assert manifest.trained == (name == "ensemble"), "presets wait for their weights"
