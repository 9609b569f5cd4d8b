"""Example responses for the OpenAPI document: those to the test image and to a video of it."""

from __future__ import annotations

from typing import Any

_MODEL = {
    "name": "detector",
    "version": "1.8",
    "digest": "sha256:6434d0e915fe9fa84a2e9ada12ed5d4a2fd2232e14f9ad629bd72d43518b54cb",
    "trained": True,
}
IMAGE: dict[str, Any] = {
    "verdict": "real",
    "fake_probability": 0.151323,
    "faces": [
        {
            "box": [179.6, 60.5, 269.1, 174.7],
            "landmarks": [
                [204.2, 101.1],
                [247.6, 104.2],
                [224.5, 130.0],
                [201.6, 139.7],
                [245.2, 143.2],
            ],
            "detection_confidence": 1.0,
            "fake_probability": 0.151323,
            "verdict": "real",
            "models": {"detector": {"fake_probability": 0.151323}},
            "heatmap": None,
        }
    ],
    "width": 512,
    "height": 512,
    "model": _MODEL,
    "timings_ms": {"decode": 1.3, "detect": 6.7, "crop": 0.1, "classify": 6.8},
    "id": "6abac5652d5d4a05bf94515ec03485e0",
    "warnings": [],
    "provenance": None,
    "preview": None,
}
PROBLEM: dict[str, Any] = {
    "type": "urn:problem:deepfake-serving:unsupported-media-type",
    "title": "Unsupported media type",
    "status": 415,
    "detail": "not a supported image format; send JPEG, PNG, WebP, BMP, GIF, AVIF, HEIC or TIFF",
    "id": "a66b03e5f21d4fb9a1f6ed3b7e2c1a60",
}
UNAVAILABLE: dict[str, Any] = {
    "type": "urn:problem:deepfake-serving:upstream-unavailable",
    "title": "Upstream unavailable",
    "status": 503,
    "detail": "no model server with a detector is up",
    "id": "0e1d2a7c5b844f0f9b3d6c7e8f901a2b",
    "retry_after_s": 5,
}
JOB: dict[str, Any] = {
    "id": "1bdf6ade74264ce38bf5e6c8a08483c7",
    "kind": "video",
    "state": "queued",
    "created_at": "2026-11-23T01:04:03.596+00:00",
    "started_at": None,
    "finished_at": None,
    "attempt": 0,
    "source": {
        "name": "film.mp4",
        "url": None,
        "bytes": 1373195,
        "digest": "sha256:40544991df2a24de97ef7271b2774d462afa7147196856f3b423786960764eaa",
    },
    "options": {
        "sampling": "every:5",
        "shots": True,
        "aggregation": "shots",
        "explain": False,
        "model": "detector",
    },
    "progress": {
        "stage": "queued",
        "frames": 0,
        "percent": None,
        "eta_s": None,
        "windows": None,
        "seconds": None,
        "verdict": None,
    },
    "problem": None,
    "summary": None,
    "result": None,
    "cached": False,
    "webhook": None,
    "links": {
        "self": "/v1/jobs/1bdf6ade74264ce38bf5e6c8a08483c7",
        "events": "/v1/jobs/1bdf6ade74264ce38bf5e6c8a08483c7/events",
        "media": "/v1/jobs/1bdf6ade74264ce38bf5e6c8a08483c7/media",
        "windows": None,
    },
}
IMAGE_JOB: dict[str, Any] = JOB | {
    "id": "6288fcd0967c41ff8f6b8c6e5df26446",
    "kind": "image",
    "source": {
        "name": "portrait.jpg",
        "url": None,
        "bytes": 74962,
        "digest": "sha256:370adb9cb9dd03ca911ea316fb227495e01095398bc1f71188a3995209b9c81a",
    },
    "options": {
        "boxes": "pixels",
        "explain": False,
        "provenance": False,
        "preview": False,
        "model": "detector",
    },
    "links": {
        "self": "/v1/jobs/6288fcd0967c41ff8f6b8c6e5df26446",
        "events": "/v1/jobs/6288fcd0967c41ff8f6b8c6e5df26446/events",
        "media": "/v1/jobs/6288fcd0967c41ff8f6b8c6e5df26446/media",
        "windows": None,
    },
}
BATCH: dict[str, Any] = {
    "id": "90e816577f0e4c8f8b9c938eb762a469",
    "results": [{"name": "a.jpg", "verdict": IMAGE}, {"name": "b.txt", "problem": PROBLEM}],
}
EXAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("detect_image", "200"): IMAGE,
    ("detect_image", "202"): IMAGE_JOB,
    ("detect_batch", "200"): BATCH,
    ("submit_video", "202"): JOB,
}
"""Examples of successful responses, by operation and status."""
