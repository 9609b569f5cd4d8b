"""The synthesis head: fitted on features, folded into one linear layer, and loaded with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from deepfake_serving.training.config.manifest import training_manifest
from deepfake_serving.training.config.training import SynthesisConfig, read_config
from deepfake_serving.training.data.portraits import Portrait
from deepfake_serving.training.engine.initialization import initialize_network
from deepfake_serving.training.sources.synthesis import crop_features, fit_head, fit_synthesis
from model_handlers.manifest import parse_manifest, read_manifest
from model_handlers.networks.encoder import stage_maps
from model_handlers.networks.network import build_network
from tests.support.packs import build_examples, build_pack
from tests.support.small_manifests import small_manifest

CONFIG = SynthesisConfig(source="classes", pairs=24, c=1.0, prior=0.0)
MANIFEST = small_manifest(head={"channels": 32, "synthesis": True})


@pytest.fixture
def packs(portraits: list[Portrait], tmp_path: Path) -> Path:
    examples = build_examples(portraits)
    build_pack(tmp_path / "packs" / "real", examples)
    build_pack(tmp_path / "packs" / "whole", [e for e in examples if e.fake], whole=True)
    return tmp_path / "packs"


CLASSES = {"mode": "classes", "share": 0.5, "reals": {"real": 1}, "fakes": {"whole": 1}}


def settings(folder: Path, **values: object) -> Path:
    """Writes settings of a fit with a small network."""
    model = folder / "small.yaml"
    model.write_text(yaml.safe_dump(MANIFEST))
    pairs = {"mode": "pairs", "share": 0.5, "reals": {"real": 1}}
    mixture = {
        "sizes": [64, 64],
        "window": 64,
        "sources": {"classes": CLASSES, "pairs": pairs},
    }
    synthesis = {"source": "classes", "pairs": 24, "c": 1.0}
    given = {"model": str(model), "mixture": mixture, "synthesis": synthesis}
    path = folder / "synthesis.yaml"
    path.write_text(yaml.safe_dump(given | values))
    return path


def test_the_head_predicts_what_the_standardised_regression_predicts() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    features = (rng.normal(3, 2, (200, 8)) + labels[:, None]).astype(np.float32)
    weight, bias = fit_head(features, labels, CONFIG)
    scaled = StandardScaler().fit_transform(features)
    expected = LogisticRegression(C=1.0, max_iter=1000).fit(scaled, labels)
    logits = features @ weight[0].numpy() + bias.numpy()
    np.testing.assert_allclose(expit(logits), expected.predict_proba(scaled)[:, 1], atol=1e-3)


def test_the_prior_moves_all_log_odds() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(50, 4)).astype(np.float32), np.tile([0, 1], 25)
    plain = fit_head(features, labels, CONFIG)
    rare = fit_head(features, labels, CONFIG.model_copy(update={"prior": -3.0}))
    torch.testing.assert_close(plain[0], rare[0])
    torch.testing.assert_close(plain[1] - 3, rare[1])


def test_a_fit_adds_a_head_and_changes_nothing_else(packs: Path, tmp_path: Path) -> None:
    spec = settings(tmp_path)
    trained = build_network(training_manifest(read_config(spec)), 7)
    weights, out = tmp_path / "trained.safetensors", tmp_path / "both.safetensors"
    save_file(trained.state_dict(), weights)
    fit_synthesis(packs, spec, weights, out)
    state = load_file(out)
    added = {"synthesis.weight": (1, 144), "synthesis.bias": (1,)}
    assert {
        name: tuple(state[name].shape) for name in state.keys() - trained.state_dict().keys()
    } == added
    assert all(torch.equal(state[name], t) for name, t in trained.state_dict().items())
    build_network(read_manifest(tmp_path / "small.yaml")).load_state_dict(state)
    record = json.loads((tmp_path / "synthesis.json").read_text())
    assert record["crops"] == 24 + record["synthesised"]
    assert 0 < record["synthesised"] < 24
    again = initialize_network(training_manifest(read_config(spec)), str(out), 0)
    assert again.synthesis is None


def test_features_are_the_means_of_the_stages_with_labels_in_order() -> None:
    network = build_network(parse_manifest(MANIFEST, "small.yaml"))
    crops = [(np.full((64, 64, 3), value, np.uint8), value % 2) for value in range(70)]
    features, labels = crop_features(network, iter(crops))
    assert labels.tolist() == [value % 2 for value in range(70)]
    last = torch.full((1, 3, 64, 64), 69.0)
    with torch.no_grad():
        _, stages = stage_maps(network.encoder, network.planes(last))
        expected = torch.cat([maps.mean(dim=(2, 3)) for maps in stages], dim=1)
    np.testing.assert_allclose(features[-1:], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"synthesis": None}, "no `synthesis`"),
        ({"mixture": None}, "no `mixture`"),
        ({"synthesis": {"source": "other"}}, "not a source"),
        ({"mixture": {"sizes": [64, 96], "window": 64, "sources": {"classes": CLASSES}}}, "sizes"),
    ],
)
def test_settings_without_what_a_fit_needs_are_refused(
    tmp_path: Path, values: dict[str, object], reason: str
) -> None:
    spec = settings(tmp_path, **values)
    with pytest.raises(ValueError, match=reason):
        fit_synthesis(tmp_path, spec, tmp_path / "none.safetensors", tmp_path / "out.safetensors")
