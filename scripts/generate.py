"""Writes everything generated from code: docs pages, schemas, dashboards, compiled .proto files.

`--check` writes nothing and fails if one of them is out of date.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from unittest.mock import Mock

import grpc
from prometheus_client.metrics_core import Metric
from pydantic.fields import FieldInfo

from deepfake_serving.assets import home
from deepfake_serving.contracts.problems import BY_TYPE, TYPE_PREFIX
from deepfake_serving.gateway.metrics import Metrics as GatewayMetrics
from deepfake_serving.gateway.metrics import PoolGauges
from deepfake_serving.gateway.settings import Settings as GatewaySettings
from deepfake_serving.gateway.upstream.config import PoolSpec, Routing
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.model_server.limits.admission import AdmissionController
from deepfake_serving.model_server.metrics import Metrics as ModelServerMetrics
from deepfake_serving.model_server.settings import Settings as ModelServerSettings
from deepfake_serving.model_server.state import ServerState
from deepfake_serving.runtime.settings import ServerSettings
from deepfake_serving.runtime.tls.certificates import CertificateGauges
from scripts import chart_values, dashboards, openapi

_ROOT = Path(__file__).resolve().parent.parent
_NOTE = "<!-- Made by `make generate` from {source}; do not edit. -->\n"
_GRPC_VERSION = re.compile(r"(?<=^GRPC_GENERATED_VERSION = ')[\d.]+", re.MULTILINE)


def settings_page() -> str:
    """Returns the page of every setting of the model server, the gateway and its worker."""
    return "\n".join(
        [
            _NOTE.format(source="the settings of model_server and gateway"),
            "# Settings\n",
            "Each setting is an environment variable. A YAML file can set it too, under its name "
            "in lower case without the prefix. `DEEPFAKE_MODEL_SERVER_CONFIG` names the model "
            "server's file, `DEEPFAKE_GATEWAY_CONFIG` the gateway's. The environment wins over the "
            "file. `…_DEFAULTS` names a file that the settings file wins over: the images have one "
            '(`host: "::"`, `log_format: json`). An invalid value or an '
            "unknown name stops the start with exit code 2 and a line that names the setting, its "
            "origin and the reason.\n",
            "`DEEPFAKE_HOME` names the folder for built archives and, by default, for the "
            "gateway's state. Unset, it is `build/` in a clone. An installed package uses the "
            "user's data directory: `~/.local/share/deepfake-serving` on Linux, "
            "`~/Library/Application Support/deepfake-serving` on macOS.\n",
            "`DEEPFAKE_WEIGHTS` chooses the weights of the bundled models that `up`, `detect`, "
            "`video` and `package` pack: `default`, or `permissive` for weights that were not "
            "trained on research-only data. The [model card](models/detector.md) says what those "
            "lose.\n",
            "## Model server\n",
            *_settings_table(ModelServerSettings),
            "## Gateway and worker\n",
            *_settings_table(GatewaySettings),
        ]
    )


def _settings_table(kind: type[ServerSettings]) -> list[str]:
    prefix = kind.model_config.get("env_prefix", "")
    return [
        "| variable | type | default | meaning |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{prefix}{name.upper()}` | {_type(f)} | {_default(f)} | {f.description} |"
            for name, f in kind.model_fields.items()
        ),
        "",
    ]


def problems_page() -> str:
    """Returns the page of every problem type."""
    names = {code.value[0]: code.name for code in grpc.StatusCode}
    rows = [
        f"| `{cls.slug}` | {cls.status} | {names[cls.grpc_code]} | {_first_line(cls)} |"
        for cls in sorted(BY_TYPE.values(), key=lambda cls: (cls.status, cls.slug))
    ]
    return "\n".join(
        [
            _NOTE.format(source="deepfake_serving/contracts/problems.py"),
            "# Problems\n",
            "Every REST error is `application/problem+json` "
            "([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). Every gRPC error has the status "
            "code below, and the same problem in the details of its `google.rpc.Status`.\n",
            "| member | content |",
            "| --- | --- |",
            f"| `type` | `{TYPE_PREFIX}` and a name of the table below |",
            "| `title`, `status` | the type in words; the HTTP status |",
            "| `detail` | the reason, and the limit if one was exceeded |",
            "| `id` | the id of the request, for reports and logs |",
            "| `retry_after_s` | when to retry, in seconds; also the header `Retry-After` |",
            "",
            "| type | HTTP | gRPC | meaning, and what to do |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").partition("\n")[0]


def metrics_page() -> str:
    """Returns the page of every metric, read from registries like those of running servers."""
    below = ModelServerMetrics({}, {"": AdmissionController(1, 1)}, ServerState({}))
    above = GatewayMetrics()
    pools = PoolGauges(Pools(Routing(pools=(PoolSpec(name="a", url="http://a"),)), Mock()))
    return "\n".join(
        [
            _NOTE.format(source="the metrics of model_server and gateway"),
            "# Metrics\n",
            "Prometheus text format, in base units, the same for REST and gRPC. `code` is the HTTP "
            "status of the response, on gRPC that of the same problem, and 499 if the client "
            "disconnected first. `process_*` describe each process.\n",
            "## Model server\n",
            "At `:8082/metrics`. Stages and batches are counted once per batch, in the worker.\n",
            *_metrics_table(
                [*vars(below).values()],
                [*below.gauges.collect(), *CertificateGauges(None).collect()],
            ),
            "## Gateway and worker\n",
            "At the gateway's `:8002/metrics` and a worker's `:8003/metrics`. With API keys, "
            "`/metrics` on the gateway's HTTP port requires the scope `admin`. Workers count the "
            "jobs that they finish. Every gateway exports the same counts of jobs by state: query "
            "them with `max`, not `sum`.\n",
            *_metrics_table(
                [
                    *vars(above).values(),
                    *vars(above.ensembles).values(),
                    *vars(above.shadow).values(),
                    *vars(above.predictions).values(),
                ],
                [*above.jobs.collect(), *pools.collect(), *CertificateGauges(None).collect()],
            ),
        ]
    )


def _metrics_table(collectors: list[Any], families: list[Metric]) -> list[str]:
    rows = []
    for collector in collectors:
        names = getattr(collector, "_labelnames", None)
        if names is not None:
            (described,) = collector.describe()
            rows.append((described.name, described.type, names, described.documentation))
    rows += [(f.name, f.type, getattr(f, "_labelnames", ()), f.documentation) for f in families]
    return [
        "| metric | type | labels | meaning |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{name}{'_total' if kind == 'counter' else ''}` | {kind} | "
            f"{', '.join(f'`{label}`' for label in labels)} | {text} |"
            for name, kind, labels, text in sorted(rows)
        ),
        "",
    ]


PAGES: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/problems.md": problems_page,
    "docs/metrics.md": metrics_page,
    "docs/openapi.json": openapi.document,
    "k8s/helm/deepfake-serving/values.schema.json": chart_values.schema,
    **dashboards.PAGES,
}


def stale() -> list[str]:
    """Returns the files that differ from newly generated ones."""
    pages = [name for name, page in PAGES.items() if _read(_ROOT / name) != page()]
    return pages + _stale_protos()


def compile_protos(out: Path) -> None:
    """Compiles every .proto of deepfake_serving/contracts to messages, services and their types."""
    protos = sorted(
        p.relative_to(_ROOT) for p in (_ROOT / "deepfake_serving" / "contracts").rglob("*.proto")
    )
    outputs = [f"--{p}_out={out}" for p in ("python", "grpc_python")]
    outputs += [f"--{p}_out=quiet:{out}" for p in ("mypy", "mypy_grpc")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, *map(str, protos)],
        cwd=_ROOT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        check=True,
    )
    for stubs in out.rglob("*_pb2_grpc.py"):
        stubs.write_text(_GRPC_VERSION.sub(_oldest_grpc(), stubs.read_text()))


def _oldest_grpc() -> str:
    """Returns the minimum version of pyproject.toml; by default, stubs refuse a gRPC that is older
    than the compiler was."""
    (version,) = re.findall(r'"grpcio>=([\d.]+)', _read(_ROOT / "pyproject.toml"))
    return str(version)


def _stale_protos() -> list[str]:
    with tempfile.TemporaryDirectory() as scratch:
        compile_protos(Path(scratch))
        made = [p.relative_to(scratch) for p in Path(scratch).rglob("*_pb2*")]
        return [str(p) for p in made if _read(_ROOT / p) != _read(Path(scratch) / p)]


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _type(field: FieldInfo) -> str:
    """Returns a setting's type as operators write it, without None, which is `unset`."""
    annotation: Any = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (each for each in get_args(annotation) if each is not NoneType)
    kind = get_origin(annotation)
    if kind is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if kind is tuple:
        return "list: `a,b`"
    if kind is dict or annotation is Routing:
        return "JSON object"
    return {bool: "`true`, `false`", int: "integer", float: "number", Path: "path"}.get(
        annotation, "text"
    )


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Routing):
        (pool,) = value.pools
        value = f"one pool, {pool.url}"
    if isinstance(value, str | Path):
        value = str(value).replace(str(home()), "$DEEPFAKE_HOME")
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`" if value not in (None, {}, "") else "unset"


def main() -> int:
    if "--check" in sys.argv:
        old = stale()
        for name in old:
            print(f"{name} is out of date: make generate", file=sys.stderr)
        return 1 if old else 0
    for name, page in PAGES.items():
        (_ROOT / name).write_text(page())
    compile_protos(_ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
