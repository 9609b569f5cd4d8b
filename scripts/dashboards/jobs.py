"""Videos and live frames: what waits, how long, what came of it."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query
from scripts.dashboards.query import gateway, largest, quantile, rate, total, worker

_ENDED, _SECONDS = "deepfake_jobs_ended_total", "deepfake_job_duration_seconds_bucket"

_BACKLOG = [
    Panel(
        "Backlog",
        "Jobs that wait or run; every gateway tells the same, so that this is the largest.",
        "none",
        [Query(largest(gateway("deepfake_jobs", 'state=~"queued|running"'), "state"), "{{state}}")],
        stacked=True,
    ),
    Panel(
        "Oldest queued job",
        "Since its submission, earlier attempts included.",
        "s",
        [
            Query(
                largest(gateway("deepfake_job_queue_age_seconds"), "app_kubernetes_io_instance"),
                "{{app_kubernetes_io_instance}}",
            )
        ],
    ),
    Panel(
        "Workers",
        "Workers that answer Prometheus.",
        "none",
        [
            Query(
                total(worker("up"), "app_kubernetes_io_instance"),
                "{{app_kubernetes_io_instance}}",
            )
        ],
    ),
]

_WORK = [
    Panel(
        "Ended",
        "Jobs a minute, by what came of them. Failed: the medium's fault; dead: given up.",
        "cpm",
        [
            Query(f"60 * {total(rate(worker(_ENDED)), 'kind', 'state')}", "{{kind}} {{state}}"),
        ],
        stacked=True,
    ),
    Panel(
        "Duration",
        "From a job's submission to its end.",
        "s",
        [
            Query(quantile(q, worker(_SECONDS), "kind"), f"{{{{kind}}}} p{q * 100:.0f}")
            for q in (0.5, 0.95)
        ],
    ),
    Panel(
        "Dead",
        "Jobs that were given up and are still kept. They are looked at, submitted anew, deleted.",
        "none",
        [
            Query(
                largest(gateway("deepfake_jobs", 'state="dead"'), "app_kubernetes_io_instance"),
                "{{app_kubernetes_io_instance}}",
            )
        ],
        thresholds=[(1, "orange")],
    ),
    Panel(
        "Kept",
        "Ended jobs that retention has not cleared up, by state.",
        "none",
        [Query(largest(gateway("deepfake_jobs", 'state!~"queued|running"'), "state"), "{{state}}")],
        stacked=True,
    ),
]

_LIVE = [
    Panel(
        "Live streams",
        "Open, by gateway.",
        "none",
        [Query(total(gateway("deepfake_streams"), "pod"), "{{pod}}")],
        stacked=True,
    ),
    Panel(
        "Frames of live streams",
        "A second, by what came of them; dropped ones were pushed out by newer ones.",
        "cps",
        [Query(total(rate(gateway("deepfake_stream_frames_total")), "outcome"), "{{outcome}}")],
        stacked=True,
    ),
    Panel(
        "Windows of live sources",
        "A second, of the sources that workers follow, by what came of them.",
        "cps",
        [Query(total(rate(worker("deepfake_live_windows_total")), "outcome"), "{{outcome}}")],
        stacked=True,
    ),
]

JOBS = Dashboard(
    "deepfake-jobs",
    "Deepfake serving / Jobs",
    "Jobs and live streams.",
    {"Backlog": _BACKLOG, "Work": _WORK, "Live": _LIVE},
)
