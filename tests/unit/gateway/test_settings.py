"""Settings of the gateway that have a form of their own."""

from __future__ import annotations

import pytest

from deepfake_serving.gateway.settings import SettingsError, load_settings

VARIABLE = "DEEPFAKE_GATEWAY_ROUTING"


@pytest.mark.parametrize(
    "routing",
    [
        "pools: [{name: a, url: 'http://a:8080', weight: 2}]",
        "{pools: [{name: a, url: 'http://a:8080', weight: 2}]}",
        '{\n\t"pools": [{"name": "a", "url": "http://a:8080", "weight": 2}]}',
    ],
    ids=["YAML", "YAML in braces", "JSON with tabs"],
)
def test_routing_is_json_or_yaml(routing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, routing)
    (pool,) = load_settings().routing.pools
    assert (pool.name, pool.weight) == ("a", 2)


@pytest.mark.parametrize("routing", ["{", "pools", "- a", "null"])
def test_other_routing_is_refused(routing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, routing)
    with pytest.raises(SettingsError, match=VARIABLE):
        load_settings()
