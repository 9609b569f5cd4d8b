"""URLs of a primary with replicas: `redis+sentinel://` and `redis+cluster://`.

The forms are those of Kombu, Prefect and `limits`; `rediss+…` is TLS:

    redis+sentinel://[user:password@]host[:26379][,host…]/service[/db][?option=value…]
    redis+cluster://[user:password@]host[:6379][,host…][?option=value…]

User, password and options are those of redis-py's own URLs, for the servers that hold the data.
Options with the prefix `sentinel_` are for the Sentinels: `sentinel_username`, `sentinel_password`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlencode

SCHEMES = tuple(
    f"{scheme}{kind}://" for scheme in ("redis", "rediss") for kind in ("", "+sentinel", "+cluster")
)
"""Schemes of all URLs of Redis over a network."""

_SENTINEL = "sentinel_"
_FORM = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?P<login>[^@/?]*@)?(?P<nodes>[^@/?]+)"
    r"(?P<path>/[^?]*)?(\?(?P<query>.*))?"
)
_NODE = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:(?P<port>\d{1,5}))?")
_PORTS = {"sentinel": 26379, "cluster": 6379}


@dataclass(frozen=True, slots=True)
class Replicated:
    """A primary with replicas, and the nodes that know which server is the primary."""

    kind: Literal["sentinel", "cluster"]
    nodes: tuple[tuple[str, int], ...]
    server_url: str
    """URL of redis-py with the servers' login, database and options, without their addresses."""
    service: str = ""
    """The name by which Sentinels know the primary."""
    sentinel_options: Mapping[str, str] | None = None

    @property
    def tls(self) -> bool:
        return self.server_url.startswith("rediss:")


def parse_replicated(url: str) -> Replicated | None:
    """Parses a URL of the forms above; returns None for those of one server.

    Raises:
        ValueError: a node, the service or the database is missing or can't be read.
    """
    if not re.match(r"rediss?\+", url):
        return None
    match = _FORM.fullmatch(url)
    if match is None:
        raise ValueError("redis+sentinel://host,host/service or redis+cluster://host,host expected")
    path = unquote((match["path"] or "").strip("/"))
    nodes = tuple(_node(each, _PORTS[match["kind"]]) for each in match["nodes"].split(","))
    options = dict(parse_qsl(match["query"] or "", keep_blank_values=True))
    own = {name: value for name, value in options.items() if not name.startswith(_SENTINEL)}
    base, query = f"{match['scheme']}://{match['login'] or ''}", urlencode(own)
    if match["kind"] == "cluster":
        if path not in ("", "0") or len(own) < len(options):
            raise ValueError("a cluster has only database 0 and no options of Sentinels")
        return Replicated("cluster", nodes, f"{base}?{query}")
    service, _, database = path.partition("/")
    if not service or not (database or "0").isdecimal():
        raise ValueError("redis+sentinel://host,host/service or …/service/database is expected")
    sentinel = {
        name.removeprefix(_SENTINEL): value
        for name, value in options.items()
        if name.startswith(_SENTINEL)
    }
    return Replicated("sentinel", nodes, f"{base}/{database or 0}?{query}", service, sentinel)


def _node(text: str, default_port: int) -> tuple[str, int]:
    """
    Raises:
        ValueError: it is not a host with a port.
    """
    match = _NODE.fullmatch(text.strip())
    port = int((match and match["port"]) or default_port)
    if match is None or not 0 < port < 2**16:
        raise ValueError(f"{text!r} is not a host with a port")
    return match["host"].strip("[]"), port
