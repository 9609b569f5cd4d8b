"""`plan`: how many replicas a rate of requests needs, by a simulation."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from deepfake_serving.cli.extras import requires
from deepfake_serving.cli.gateway_client import GatewayClient
from deepfake_serving.cli.options import Key, finite
from deepfake_serving.cli.output import fail, note, tables
from deepfake_serving.contracts.problems import NotReady

if TYPE_CHECKING:
    from deepfake_serving.planning.search import Plan
    from deepfake_serving.planning.simulation import Result

_NUMBER: dict[str, Any] = {"min": 0, "callback": finite}
_POSITIVE = _NUMBER | {"min": 1e-6}
_MAX_RATE = 100_000
"""Requests per second: beyond one pool of replicas."""
_LONG = 1_000_000
"""Requests of a profile whose simulation takes more than a minute."""


@requires("plan")
def plan(
    rate: Annotated[
        float,
        typer.Option(help="Peak rate, images per second.", max=_MAX_RATE, **_POSITIVE),
    ],
    p95: Annotated[float, typer.Option(help="Target of the p95 latency, seconds.", **_POSITIVE)],
    server: Annotated[
        str | None, typer.Option(help="Gateway whose measured times replace --service-ms.")
    ] = None,
    key: Key = None,
    model: Annotated[str, typer.Option(help="Model of --server.")] = "detector",
    service_ms: Annotated[
        float, typer.Option(help="Mean time of a worker for one image, ms.", **_POSITIVE)
    ] = 40,
    variation: Annotated[
        float, typer.Option(help="Standard deviation of that time over its mean.", **_NUMBER)
    ] = 0.5,
    workers: Annotated[int, typer.Option(min=1, help="Workers of a replica, one per core.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Images in one batch of a worker.")] = 2,
    batch_share: Annotated[
        float,
        typer.Option(
            help="Time of each further image of a batch, relative to the first.", **_NUMBER
        ),
    ] = 1.0,
    max_in_flight: Annotated[int, typer.Option(min=1, help="Maximum requests in a replica.")] = 32,
    startup_s: Annotated[float, typer.Option(help="Start-up time of a replica.", **_NUMBER)] = 10,
    utilization: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=1,
            callback=finite,
            help="Share of the time in which workers may be busy.",
        ),
    ] = 0.8,
    profile: Annotated[
        Path | None,
        typer.Option(help="CSV of seconds,rate, to simulate autoscaling over it.", exists=True),
    ] = None,
    min_replicas: Annotated[int, typer.Option(min=1, help="For autoscaling.")] = 1,
    price: Annotated[
        float | None, typer.Option(help="Price of a replica an hour.", **_NUMBER)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Finds how many replicas and gateways meet a latency target, and the autoscaler's target."""
    from deepfake_serving.planning.profile import read_profile
    from deepfake_serving.planning.replica import ReplicaSpec
    from deepfake_serving.planning.search import autoscale, fewest_replicas
    from deepfake_serving.planning.simulation import Deployment

    if server is not None:
        service_ms, workers = _measured(GatewayClient(server, key), model)
        note(f"{model}: {service_ms:g} ms an image, {workers} workers")
    spec = ReplicaSpec(
        workers, service_ms / 1e3, variation, batch, batch_share, max_in_flight, startup_s
    )
    try:
        load = None if profile is None else read_profile(profile)
        if load is not None and load.requests > _LONG:
            note(f"the profile has {load.requests:,.0f} requests: a million take about a minute")
        found = fewest_replicas(Deployment(spec), rate, p95, utilization)
        scaled = None if load is None else autoscale(found, load, min_replicas)
    except ValueError as error:
        fail(error)
    document = _document(found, price)
    if scaled is not None:
        document["autoscaling"] = _autoscaling(scaled, price)
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        _print(document)


def _measured(client: GatewayClient, model: str) -> tuple[float, int]:
    """Returns the mean time of an image, in milliseconds, and the workers of a replica."""
    cost = next((each["cost"] for each in client.models() if each["name"] == model), None)
    if not cost or not cost["image_ms"]:
        raise NotReady(f"{client.server} has measured no time of {model}: send it images first")
    return cost["image_ms"], cost["workers"]


def _document(found: Plan, price: float | None) -> dict[str, Any]:
    deployment = found.deployment
    priced = {} if price is None else {"price_per_hour": round(price * deployment.replicas, 4)}
    return {
        "rate": found.rate,
        "replicas": deployment.replicas,
        "gateways": deployment.gateways,
        **_latencies(found.result),
        "utilization": round(found.result.utilization, 3),
        "requests_per_replica": found.requests_per_replica,
        **priced,
        "replica": asdict(deployment.replica),
    }


def _autoscaling(result: Result, price: float | None) -> dict[str, Any]:
    ready = [sample.ready for sample in result.samples]
    hours = sum(sample.wanted for sample in result.samples) / 3600  # one that starts costs as well
    priced = {} if price is None else {"price": round(price * hours, 4)}
    most = {"min_replicas": min(ready), "max_replicas": max(ready)}
    return most | _latencies(result) | {"replica_hours": round(hours, 3)} | priced


def _latencies(result: Result) -> dict[str, float]:
    percentiles = {f"p{p}_s": round(result.percentile(p), 4) for p in (50, 95, 99)}
    return percentiles | {"refused_share": round(result.refused_share, 5)}


def _print(document: dict[str, Any]) -> None:
    scaled = document.pop("autoscaling", None)
    columns = {"constant rate": document} | ({} if scaled is None else {"autoscaling": scaled})
    names = dict.fromkeys(name for column in columns.values() for name in column)
    table = Table("", *columns)
    for name in names:
        if name not in ("rate", "replica"):
            cells = (str(column.get(name, "")) for column in columns.values())
            table.add_row(name.replace("_", " "), *cells)
    tables().print(table)
