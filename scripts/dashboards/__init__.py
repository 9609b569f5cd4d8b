"""The Grafana dashboards of the chart: `PAGES` maps each file to a function that renders it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scripts.dashboards.document import text
from scripts.dashboards.drift import DRIFT
from scripts.dashboards.gpus import GPUS
from scripts.dashboards.jobs import JOBS
from scripts.dashboards.models import MODELS
from scripts.dashboards.overview import OVERVIEW
from scripts.dashboards.pools import POOLS

FOLDER = "k8s/helm/deepfake-serving/files/dashboards"
PAGES: dict[str, Callable[[], str]] = {
    f"{FOLDER}/{board.uid.removeprefix('deepfake-')}.json": partial(text, board)
    for board in (OVERVIEW, POOLS, MODELS, GPUS, JOBS, DRIFT)
}
