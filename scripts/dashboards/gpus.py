"""GPUs of the model servers, by NVIDIA's DCGM exporter.

Its series carry the pod's namespace and name if Prometheus keeps them (`honorLabels: true`). The
names are those of its default counters (github.com/NVIDIA/dcgm-exporter, etc/default-counters.csv).
"""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query
from scripts.dashboards.pools import POOL
from scripts.dashboards.query import largest, model_server, rate, total

_POOL = "deepfake_serving_pool"
_MATCHER = f'{_POOL}=~"$pool"'
_DEVICE = ("namespace", "pod", "gpu", "GPU_I_PROFILE")
_LEGEND = "{{pod}} GPU {{gpu}} {{GPU_I_PROFILE}}"


def _of_release(metric: str) -> str:
    """Series of the GPUs whose pod belongs to a selected release and pool, by pool too."""
    series = f'{metric}{{namespace=~"$namespace",container="model-server"}}'
    ready = largest(model_server("deepfake_ready", _MATCHER), "namespace", "pod", _POOL)
    devices = largest(series, *_DEVICE)
    return f"{devices} * on (namespace, pod) group_left ({_POOL}) ({ready} >= bool 0)"


def _by_device(metric: str, factor: str = "") -> list[Query]:
    return [Query(f"{_of_release(metric)}{factor}", _LEGEND)]


_WORK = [
    Panel(
        "Utilization",
        "Share of time in which a kernel ran. A low value beside waiting requests: the CPU, which "
        "decodes and finds faces, is the limit.",
        "percent",
        _by_device("DCGM_FI_DEV_GPU_UTIL"),
        maximum=100,
    ),
    Panel(
        "Images per second and GPU",
        "Verdicts of a pool, divided by its GPUs.",
        "reqps",
        [
            Query(
                f"{total(rate(model_server('deepfake_verdicts_total', _MATCHER)), _POOL)} / "
                f"count by ({_POOL}) ({_of_release('DCGM_FI_DEV_GPU_UTIL')})",
                f"{{{{{_POOL}}}}}",
            )
        ],
    ),
    Panel(
        "Memory",
        "Used memory of the GPU, by all of its processes.",
        "mbytes",
        _by_device("DCGM_FI_DEV_FB_USED"),
    ),
]

_HEALTH = [
    Panel(
        "SM clock",
        "A lower clock at a high utilization: the GPU is throttled by heat or power.",
        "hertz",
        _by_device("DCGM_FI_DEV_SM_CLOCK", " * 1e6"),
    ),
    Panel(
        "Temperature",
        "Of the GPU.",
        "celsius",
        _by_device("DCGM_FI_DEV_GPU_TEMP"),
    ),
    Panel(
        "Power",
        "Power draw.",
        "watt",
        _by_device("DCGM_FI_DEV_POWER_USAGE"),
    ),
    Panel(
        "Last XID error",
        "Code of the driver's last error (docs.nvidia.com/deploy/xid-errors); 0: none.",
        "none",
        _by_device("DCGM_FI_DEV_XID_ERRORS"),
        thresholds=[(1, "red")],
    ),
]

GPUS = Dashboard(
    "deepfake-gpus",
    "Deepfake serving / GPUs",
    "GPUs of the model servers; needs NVIDIA's DCGM exporter.",
    {"Work": _WORK, "Health": _HEALTH},
    (POOL,),
)
