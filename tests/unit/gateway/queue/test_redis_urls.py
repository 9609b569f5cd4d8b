"""URLs of Sentinels and clusters, in the forms that other clients have."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import parse_url

from deepfake_serving.gateway.queue.redis.url import parse_replicated
from deepfake_serving.gateway.settings import SettingsError, load_settings


def test_sentinels_have_a_service_a_database_and_their_own_login() -> None:
    found = parse_replicated(
        "rediss+sentinel://me:a%2Fb@s1,s2:26380,[fd00::3]:26381/jobs/2"
        "?sentinel_username=s&sentinel_password=p%26q&ssl_ca_certs=/ca.pem"
    )
    assert found is not None
    assert found.nodes == (("s1", 26379), ("s2", 26380), ("fd00::3", 26381))
    assert (found.kind, found.service, found.tls) == ("sentinel", "jobs", True)
    assert found.sentinel_options == {"username": "s", "password": "p&q"}
    options = parse_url(found.server_url)
    own = {"username": "me", "password": "a/b", "db": 2, "ssl_ca_certs": "/ca.pem"}
    assert own.items() <= options.items()
    assert not any(name.startswith("sentinel") for name in options)


def test_a_cluster_has_nodes_and_one_login() -> None:
    found = parse_replicated("redis+cluster://:secret@a:7000,b?health_check_interval=5")
    assert found is not None
    assert (found.kind, found.tls, found.nodes) == ("cluster", False, (("a", 7000), ("b", 6379)))
    options = parse_url(found.server_url)
    assert {"password": "secret", "health_check_interval": 5}.items() <= options.items()


@pytest.mark.parametrize("url", ["redis://a:6379/0", "rediss://a", "unix:///a.sock"])
def test_one_server_is_not_replicated(url: str) -> None:
    assert parse_replicated(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://s1:26379",
        "redis+sentinel://s1/jobs/first",
        "redis+sentinel:///jobs",
        "redis+sentinel://s1:99999/jobs",
        "redis+sentinel://s1:,s2/jobs",
        "redis+cluster://",
        "redis+cluster://a,,b",
        "redis+cluster://a/1",
        "redis+cluster://a?sentinel_password=p",
        "redis+ring://a",
    ],
)
def test_a_url_that_names_no_servers_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="jobs"):
        load_settings(jobs=url)
