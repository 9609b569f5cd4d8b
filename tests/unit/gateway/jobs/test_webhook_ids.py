"""A delivery can be followed: its log line has the job's id, its request the trace."""

from __future__ import annotations

from structlog.testing import capture_logs

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.gateway.fetch.address_policy import AddressPolicy
from deepfake_serving.gateway.fetch.fetcher import Fetcher
from deepfake_serving.gateway.jobs.webhooks import WebhookSender
from tests.support.webhooks import webhook_receiver

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SIGNED_BY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_a_delivery_has_the_id_and_the_trace_of_its_job() -> None:
    counted: list[bool] = []
    fetcher = Fetcher(AddressPolicy(["127.0.0.0/8"]), 60)
    with webhook_receiver() as (url, deliveries), capture_logs() as lines:
        job = Job(
            "the-job", "image", "succeeded", Source("a.jpg"), {}, 0.0,
            webhook=f"{url}?token=secret", traceparent=TRACE,
        )  # fmt: skip
        sender = WebhookSender(SIGNED_BY, fetcher, counted.append)
        assert not await sender.deliver(job)
        assert await sender.deliver(job)
    assert [headers["traceparent"] for headers, _ in deliveries] == [TRACE] * 2
    sent = [line for line in lines if line["event"] == "webhook sent"]
    assert [(line["id"], line["reason"]) for line in sent] == [
        ("the-job", "503"),
        ("the-job", "204"),
    ]
    assert "secret" not in str(lines)
    assert counted == [False, True]
