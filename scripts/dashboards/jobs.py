"""Jobs and live streams: backlog, duration and outcome."""

from __future__ import annotations

from scripts.dashboards.model import Dashboard, Panel, Query
from scripts.dashboards.query import gateway, largest, quantile, rate, shared, total, worker

_ENDED, _SECONDS = "deepfake_jobs_ended_total", "deepfake_job_duration_seconds_bucket"

_BACKLOG = [
    Panel(
        "Backlog",
        "Queued and running jobs. Gateways of a release export the same counts: its maximum.",
        "none",
        [Query(shared(gateway("deepfake_jobs", 'state=~"queued|running"'), "state"), "{{state}}")],
        stacked=True,
    ),
    Panel(
        "Oldest queued job",
        "Time since its submission, including earlier attempts.",
        "s",
        [
            Query(
                largest(gateway("deepfake_job_queue_age_seconds"), "app_kubernetes_io_instance"),
                "{{app_kubernetes_io_instance}}",
            )
        ],
    ),
    Panel(
        "Job store",
        "1 if a gateway reaches it (responds), and if it accepts writes (writable): a full or "
        "read-only store responds, but no job can be submitted.",
        "none",
        [
            Query(
                largest(gateway(f"deepfake_job_store_{metric}"), "app_kubernetes_io_instance"),
                f"{{{{app_kubernetes_io_instance}}}} {what}",
            )
            for metric, what in (("up", "responds"), ("writable", "writable"))
        ],
        maximum=1,
    ),
    Panel(
        "Workers",
        "Workers that Prometheus can scrape.",
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
        "Jobs per minute, by outcome. failed: the media can't be analysed; "
        "dead: all attempts failed.",
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
        "Jobs whose attempts all failed. Inspect them, then submit again or delete.",
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
        "Ended jobs not yet deleted by retention, by state.",
        "none",
        [Query(shared(gateway("deepfake_jobs", 'state!~"queued|running"'), "state"), "{{state}}")],
        stacked=True,
    ),
]

_WEBHOOKS = [
    Panel(
        "Webhooks",
        "Delivery attempts per minute, by outcome. A failed one is repeated for about an hour.",
        "cpm",
        [
            Query(
                f"60 * {total(rate(gateway('deepfake_webhook_attempts_total')), 'outcome')}",
                "{{outcome}}",
            )
        ],
        stacked=True,
    ),
]

_LIVE = [
    Panel(
        "Live streams",
        "Open streams, by gateway.",
        "none",
        [Query(total(gateway("deepfake_streams"), "pod"), "{{pod}}")],
        stacked=True,
    ),
    Panel(
        "Frames of live streams",
        "Frames per second, by outcome. Dropped frames were replaced by newer ones.",
        "cps",
        [Query(total(rate(gateway("deepfake_stream_frames_total")), "outcome"), "{{outcome}}")],
        stacked=True,
    ),
    Panel(
        "Windows of live sources",
        "Windows per second of the sources that workers analyse, by outcome.",
        "cps",
        [Query(total(rate(worker("deepfake_live_windows_total")), "outcome"), "{{outcome}}")],
        stacked=True,
    ),
]

JOBS = Dashboard(
    "deepfake-jobs",
    "Deepfake serving / Jobs",
    "Jobs and live streams.",
    {"Backlog": _BACKLOG, "Work": _WORK, "Webhooks": _WEBHOOKS, "Live": _LIVE},
)
