"""Values that are unusual, yet allowed: names that look like numbers, labels set twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.conftest import WATCHED
from tests.chart.helm import CHART, Object, RenderError, only, render

DIGEST = f"sha256:{'0' * 64}"
NUMBERED: Object = {
    "fullnameOverride": "true",
    "nameOverride": "123",
    "imagePullSecrets": ["123"],
    "serviceAccount": {"name": "99"},
    "redis": {"existingSecret": "11", "storageClassName": "123", "exporter": {"enabled": True}},
    "media": {"volume": {"existingClaim": "55"}},
    "gateway": {
        "auth": {"existingSecret": "123"},
        "webhookSecret": "1e3",
        "priorityClassName": "007",
        "ingress": {"enabled": True, "className": "5", "host": "1", "tlsSecret": "2"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]},
    },
    "modelServer": {
        "tls": {"enabled": True, "serverSecret": "1", "clientSecret": "2"},
        "pools": [
            {"name": "4090", "runtimeClassName": "12", "kueueQueue": "1"},
            {
                "name": "on",
                "delivery": {"type": "pvc", "claimName": "123", "credentialsSecret": "12"},
                "digests": {"detector": DIGEST},
                "autoscaling": {"type": "keda"},
            },
        ],
    },
    "monitoring": {"prometheus": {"triggerAuthentication": "7"}},
}
"""Every name is one that YAML reads as a number or a truth value unless it is quoted."""
NAMES = {"name", "namespace", "serviceName", "host", "hosts"}
MAPS = {"labels", "matchLabels", "annotations", "selector"}


def _texts(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yields what must be text: names, classes, and values of labels and annotations."""
    if isinstance(node, dict):
        for name, each in node.items():
            if key in MAPS and not isinstance(each, dict):
                yield f"{key}.{name}", each
            yield from _texts(each, name)
    elif isinstance(node, list):
        for each in node:
            yield from _texts(each, key)
    elif key in NAMES or key.endswith(("Name", "Secret")):
        yield key, node


def test_names_that_look_like_numbers_stay_text() -> None:
    objects = render(*WATCHED, values=NUMBERED, name="1e5", namespace="2024")
    objects += render(values={"media": {"volume": {"storageClassName": "4"}}}, namespace="true")
    found = [(key, text) for each in objects for key, text in _texts(each)]
    assert {"labels.deepfake-serving/pool", "namespace", "secretName"} <= {key for key, _ in found}
    assert [(key, text) for key, text in found if not isinstance(text, str)] == []
    pools = {each["metadata"]["labels"].get("deepfake-serving/pool") for each in objects}
    assert {"4090", "on"} <= pools


def test_a_label_that_several_values_set_is_given_once() -> None:
    """`render` refuses keys that are given twice; an object's own labels win over common ones."""
    own = {"labels": {"team": "own", "app.kubernetes.io/component": "own"}}
    component = {"podLabels": own["labels"], "podAnnotations": {"prometheus.io/port": "1"}}
    values = {
        "commonLabels": {"team": "all", "app.kubernetes.io/part-of": "all"},
        "gateway": component,
        "worker": component,
        "modelServer": {"defaults": component},
        "monitoring": dict.fromkeys(("podMonitor", "probe", "prometheusRule", "dashboards"), own),
    }
    objects = [*render(*WATCHED, values=values), *render(values=values)]
    assert {each["metadata"]["labels"]["app.kubernetes.io/part-of"] for each in objects} == {"all"}
    for each in only(objects, "PodMonitor") + only(objects, "PrometheusRule"):
        assert each["metadata"]["labels"]["team"] == "own"
        assert each["metadata"]["labels"]["app.kubernetes.io/component"] != "own"
    for each in only(objects, "Deployment"):
        assert each["metadata"]["labels"]["team"] == "all"
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert labels["team"] == "own"
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("redis", "at '': missing property 'redis'"),
        ("redis.exporter", "at '/redis': missing property 'exporter'"),
        ("modelServer.defaults.models", "at '/modelServer/defaults': missing property 'models'"),
    ],
)
def test_a_map_that_templates_need_is_named_if_it_is_null(path: str, error: str) -> None:
    with pytest.raises(RenderError, match=error):
        render(f"{path}=null")


def test_other_maps_and_lists_may_be_null_as_if_they_were_empty() -> None:
    """So may `settings:` with all its lines commented out."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    others = list(_optional(schema, schema, yaml.safe_load((CHART / "values.yaml").read_text())))
    assert {"gateway.settings", "modelServer.defaults.resources", "commonLabels"} <= set(others)
    render(*WATCHED, "gateway.ingress.enabled=true", *(f"{each}=null" for each in others))


def _optional(schema: Object, kind: Object, values: Object) -> Iterator[str]:
    """Yields the paths of maps and lists in values.yaml that the schema does not require."""
    for key, each in values.items():
        if key not in kind.get("required", []):
            yield from [key] if isinstance(each, dict | list) else []
        elif isinstance(each, dict):
            name = kind["properties"][key]["$ref"].rpartition("/")[2]
            inner = _optional(schema, schema["definitions"][name], each)
            yield from (f"{key}.{path}" for path in inner)


def test_objects_may_be_named_by_their_hosts_and_pull_secrets_as_in_a_pod() -> None:
    secrets = [{"name": "regcred"}, "mirror.example.com"]
    ingress = {"enabled": True, "tlsSecret": "deepfake.example.com-tls"}
    objects = render(values={"imagePullSecrets": secrets, "gateway": {"ingress": ingress}})
    named = [{"name": "regcred"}, {"name": "mirror.example.com"}]
    for each in only(objects, "Deployment"):
        assert each["spec"]["template"]["spec"]["imagePullSecrets"] == named
    assert only(objects, "Ingress")[0]["spec"]["tls"][0]["secretName"] == ingress["tlsSecret"]
