"""The job store on a Redis cluster and behind Sentinels, over TLS and with passwords."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import redis

from deepfake_serving.contracts.jobs import Job, Source
from deepfake_serving.contracts.problems import UpstreamUnavailable
from deepfake_serving.gateway.auth import rate_limits
from deepfake_serving.gateway.auth.rate_limits import RateLimiter
from deepfake_serving.gateway.queue.redis.transactions import key_of
from deepfake_serving.gateway.queue.store import JobStore, open_store
from tests.support.redis_replicas import (
    SERVICE,
    TIMEOUT_S,
    Cluster,
    Node,
    Sentinels,
    issue_certificate,
)

Servers = Cluster | Sentinels


@pytest.fixture(scope="module", params=["cluster", "sentinels"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp(request.param)
    certificate = issue_certificate(tmp_path_factory.mktemp("certificate"))
    started: Servers
    if request.param == "cluster":
        started = Cluster(folder, primaries=2, replicas=1, tls_folder=certificate)
    else:
        started = Sentinels(folder, replicas=1, sentinels=1, tls_folder=certificate)
    yield started
    started.close()


def new_job() -> Job:
    return Job(uuid.uuid4().hex, "video", "queued", Source("a"), {}, 1_000_000.0)


def opened(url: str, **options: int) -> AbstractAsyncContextManager[JobStore]:
    return open_store(url, max_queued=1000, max_attempts=3, **options)


async def eventually(
    store: JobStore, job: Job, key: tuple[str, str, str] | None = None
) -> tuple[str, bool]:
    """Submits a job like a client that repeats what was refused.

    Returns the id of the accepted job, and whether it is new.
    """
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            with contextlib.suppress(UpstreamUnavailable):
                accepted, is_new = await store.submit(job, key)
                return accepted.id, is_new
            await asyncio.sleep(0.05)


def replicas_of(servers: Servers) -> list[Node]:
    nodes = servers.nodes if isinstance(servers, Cluster) else servers.servers
    primary = servers.primary()
    port = str(primary.port)
    return [node for node in nodes if node is not primary and str(node.client.role()[2]) == port]


async def fail_over(servers: Servers) -> None:
    """Makes a replica the primary. It is asked again if it gives up, as on a slow machine."""
    old = servers.primary()
    async with asyncio.timeout(TIMEOUT_S):
        while servers.primary() is old:
            with contextlib.suppress(redis.ResponseError):  # one is in progress
                if isinstance(servers, Cluster):
                    replicas_of(servers)[0].client.cluster("FAILOVER")
                else:
                    servers.sentinels[0].client.execute_command("SENTINEL FAILOVER", SERVICE)
            for _ in range(60):
                if servers.primary() is not old:
                    return
                await asyncio.sleep(0.1)


async def test_an_accepted_job_is_on_a_replica(servers: Servers) -> None:
    job = new_job()
    async with opened(servers.url) as store:
        await store.submit(job)
    (replica,) = replicas_of(servers)
    if isinstance(servers, Cluster):
        replica.client.readonly()
    assert replica.client.exists(key_of(job.id))


async def test_a_failover_loses_no_accepted_job_and_the_store_goes_on(servers: Servers) -> None:
    before, after = new_job(), new_job()
    async with opened(servers.url) as store:
        await store.submit(before)
        old = servers.primary()
        await fail_over(servers)
        if isinstance(servers, Sentinels):
            servers.demote(old)
        await eventually(store, after)
        for job in (before, after):
            assert await store.get(job.id) is not None
        assert servers.primary() is not old


async def test_a_job_is_refused_while_no_replica_would_have_it(servers: Servers) -> None:
    key = ("owner:key", "fingerprint")
    first, second = new_job(), new_job()
    (replica,) = replicas_of(servers)
    async with opened(servers.url) as store:
        replica.kill()
        try:
            with pytest.raises(UpstreamUnavailable, match="0 of 1 replicas"):
                await store.submit(first, key)
            with pytest.raises(UpstreamUnavailable):  # it is stored, but not yet accepted
                await store.submit(second, key)
        finally:
            replica.start()
        assert await eventually(store, second, key) == (first.id, False)


async def test_a_replica_is_not_waited_for_if_none_is_demanded(servers: Servers) -> None:
    job = new_job()
    (replica,) = replicas_of(servers)
    replica.kill()
    try:
        async with opened(servers.url, redis_min_replicas=0) as store:
            await store.submit(job)
            assert await store.get(job.id) is not None
    finally:
        replica.start()


async def test_one_reachable_node_of_the_url_is_enough(servers: Servers) -> None:
    known = servers.nodes if isinstance(servers, Cluster) else servers.sentinels
    alive = next(node for node in known if node is not servers.primary())
    async with opened(servers.url_of([alive])) as store:
        assert await store.get("none") is None


async def test_no_reachable_node_is_an_unavailable_upstream(servers: Servers) -> None:
    async with opened(servers.url_of([])) as store:
        with pytest.raises(UpstreamUnavailable):
            await store.get("none")


async def test_gateways_share_rate_limits(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "_TIMEOUT_S", 10.0)
    limiters = [
        RateLimiter("2/hour", servers.url, lambda: pytest.fail("the counter failed")) for _ in "ab"
    ]
    key = uuid.uuid4().hex
    try:
        statuses = [await limiter.hit(key, None) for limiter in (*limiters, limiters[0])]
        assert [status and status.allowed for status in statuses] == [True, True, False]
    finally:
        for limiter in limiters:
            await limiter.close()
