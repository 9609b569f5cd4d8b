"""Redis with replicas: a cluster, or a primary with Sentinels, each server a real process."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import trustme

from tests.support.ports import free_ports
from tests.support.redis_server import client_rights, redis_program

TIMEOUT_S = 120
SERVICE = "detector-jobs"
USER, PASSWORD, SENTINEL_PASSWORD = "jobs", "a/b:c@d", "sentinels-own"
HOST = "127.0.0.1"
CLUSTER_RIGHTS = "+cluster|slots +command"
"""Additional ones of clients of a cluster, which find the primary of a slot by them."""
SENTINEL_RIGHTS = "resetchannels -@all +@connection -@dangerous +sentinel|masters"
_DURABLE = ["appendonly yes", "appendfsync always", 'save ""']


@dataclass
class Node:
    """A server of Redis in a folder of its own, which keeps its port when it is restarted."""

    folder: Path
    options: list[str]
    mode: list[str] = field(default_factory=list)
    tls_folder: Path | None = None
    password: str | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.port, bus = free_ports(2)
        port = f"port {self.port}" if self.tls_folder is None else f"port 0\ntls-port {self.port}"
        lines = [port, f"bind {HOST}", "dir .", 'logfile "log"', *self.options]
        if any(line.startswith("cluster-enabled") for line in lines):
            lines.append(f"cluster-port {bus}")
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        command = [redis_program(), "redis.conf", *self.mode]
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL)
        self.client: Any = redis.Redis(HOST, self.port, decode_responses=True, **self._login())
        wait_until(self._responds, f"{self.folder.name} responds")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.close()

    def _responds(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(redis.ConnectionError):
            return bool(self.client.ping())
        return False

    def _login(self) -> dict[str, Any]:
        tls: dict[str, Any] = {}
        if self.tls_folder is not None:
            tls = {"ssl": True, "ssl_ca_certs": str(self.tls_folder / "ca.pem")}
        return tls | {"password": self.password}


class Cluster:
    """Primaries that share all slots, each with as many replicas."""

    def __init__(
        self, folder: Path, primaries: int, replicas: int = 0, tls_folder: Path | None = None
    ) -> None:
        self.tls_folder = tls_folder
        options = ["cluster-enabled yes", "cluster-node-timeout 3000", *_DURABLE]
        options += ["repl-diskless-sync-delay 0", *_login_options(), *_tls_options(tls_folder)]
        self.nodes = [
            Node(folder / f"node{n}", options, tls_folder=tls_folder, password=PASSWORD)
            for n in range(primaries * (1 + replicas))
        ]
        for epoch, node in enumerate(self.nodes, 1):
            node.client.cluster("SET-CONFIG-EPOCH", epoch)
            for other in self.nodes[:1]:
                other.client.cluster("MEET", HOST, node.port, _bus_port(node))
        for n, node in enumerate(self.nodes[:primaries]):
            first, end = (16384 * each // primaries for each in (n, n + 1))
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", first, end - 1)
        wait_until(self._all_met, "all nodes have met")
        for n, node in enumerate(self.nodes[primaries:]):
            primary_id = self.nodes[n % primaries].client.cluster("MYID")
            node.client.cluster("REPLICATE", primary_id)
        for node in self.nodes:
            wait_until(lambda node=node: _is_ready(node), f"{node.folder.name} is ready")
        wait_until(lambda: self._all_know(primaries * replicas), "all nodes know the replicas")

    @property
    def url(self) -> str:
        return self.url_of(self.nodes)

    def url_of(self, nodes: list[Node]) -> str:
        """Returns a URL that names only these nodes, and a port where nothing is."""
        return _url("cluster", f"{USER}:{_quoted(PASSWORD)}@{_addresses(nodes)}", self.tls_folder)

    def primary(self) -> Node:
        """Returns the primary of the job store's slot."""
        for node in self.nodes:
            with contextlib.suppress(redis.RedisError):
                node.client.get("{deepfake}:jobs:none")
                return node
        raise AssertionError("no node serves the slot")

    def close(self) -> None:
        for node in self.nodes:
            node.kill()

    def _all_know(self, replicas: int) -> bool:
        known = [node.client.cluster("NODES") for node in self.nodes]
        return all(
            sum("slave" in each["flags"] for each in nodes.values()) == replicas for nodes in known
        )

    def _all_met(self) -> bool:
        states = [node.client.execute_command("CLUSTER INFO") for node in self.nodes]
        return all(
            state["cluster_known_nodes"] == str(len(self.nodes)) and state["cluster_state"] == "ok"
            for state in states
        )


class Sentinels:
    """A primary with replicas, watched by Sentinels."""

    def __init__(
        self, folder: Path, replicas: int = 1, sentinels: int = 1, tls_folder: Path | None = None
    ) -> None:
        self.tls_folder = tls_folder
        tls = _tls_options(tls_folder)
        common = [*_DURABLE, *_login_options(), *tls, "repl-diskless-sync-delay 0"]
        own = {"tls_folder": tls_folder, "password": PASSWORD}
        primary = Node(folder / "server0", common, **own)  # type: ignore[arg-type]
        self.servers = [primary]
        for n in range(1, replicas + 1):
            options = [*common, f"replicaof {HOST} {primary.port}"]
            self.servers.append(Node(folder / f"server{n}", options, **own))  # type: ignore[arg-type]
        for server in self.servers:
            wait_until(lambda server=server: _is_ready(server), f"{server.folder.name} is ready")
        watched = [
            f"sentinel monitor {SERVICE} {HOST} {primary.port} {sentinels // 2 + 1}",
            f"sentinel auth-pass {SERVICE} {PASSWORD}",
            f"sentinel down-after-milliseconds {SERVICE} 3000",
            f"sentinel failover-timeout {SERVICE} 10000",
            f"requirepass {SENTINEL_PASSWORD}",
            f"user {USER} on >{SENTINEL_PASSWORD} {SENTINEL_RIGHTS}",
            *tls,
        ]
        own["password"] = SENTINEL_PASSWORD
        self.sentinels = [
            Node(folder / f"sentinel{n}", watched, ["--sentinel"], **own)  # type: ignore[arg-type]
            for n in range(sentinels)
        ]
        for sentinel in self.sentinels:
            wait_until(lambda each=sentinel: self._knows_all(each), "the Sentinel knows all")

    @property
    def url(self) -> str:
        return self.url_of(self.sentinels)

    def url_of(self, sentinels: list[Node]) -> str:
        """Returns a URL that names only these Sentinels, and a port where nothing is."""
        servers = f"{USER}:{_quoted(PASSWORD)}@{_addresses(sentinels)}/{SERVICE}/0"
        rest = f"{servers}?sentinel_username={USER}&sentinel_password={SENTINEL_PASSWORD}"
        return _url("sentinel", rest, self.tls_folder)

    def primary(self) -> Node:
        """Returns the primary by the first Sentinel."""
        found = self.sentinels[0].client.execute_command("SENTINEL MASTER", SERVICE)
        return next(server for server in self.servers if server.port == int(found["port"]))

    def demote(self, old: Node) -> None:
        """Makes a former primary a replica at once, which Sentinel does after some ten seconds."""
        new = self.primary()
        old.client.replicaof(HOST, new.port)
        old.client.config_rewrite()  # also when it is restarted
        wait_until(lambda: _is_ready(old), "the former primary is a replica")

    def close(self) -> None:
        for node in [*self.sentinels, *self.servers]:
            node.kill()

    def _knows_all(self, sentinel: Node) -> bool:
        state = sentinel.client.execute_command("SENTINEL MASTER", SERVICE)
        return bool(
            state["num-slaves"] == len(self.servers) - 1
            and state["num-other-sentinels"] == len(self.sentinels) - 1
        )


def issue_certificate(folder: Path) -> Path:
    """Writes a CA and a certificate of the local host into a folder, and returns it."""
    ca = trustme.CA()
    certificate = ca.issue_cert(HOST)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return folder


def wait_until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, f"timed out until {what}"
        time.sleep(0.02)


def _is_ready(node: Node) -> bool:
    """Returns whether a primary serves, or a replica is linked to its primary."""
    role = node.client.role()
    if role[0] == "master":
        return True
    return bool(role[3] == "connected")


def _login_options() -> list[str]:
    """Clients have the rights that docs/jobs.md names; replicas, and tests, have all."""
    return [
        f"requirepass {PASSWORD}",
        f"masterauth {PASSWORD}",
        f"user {USER} on >{PASSWORD} {client_rights()} {CLUSTER_RIGHTS}",
    ]


def _tls_options(folder: Path | None) -> list[str]:
    if folder is None:
        return []
    files = {"tls-cert-file": "cert", "tls-key-file": "key", "tls-ca-cert-file": "ca"}
    options = [f"{name} {folder}/{file}.pem" for name, file in files.items()]
    return [*options, "tls-auth-clients no", "tls-replication yes", "tls-cluster yes"]


def _url(kind: str, rest: str, tls_folder: Path | None) -> str:
    if tls_folder is None:
        return f"redis+{kind}://{rest}"
    mark = "&" if "?" in rest else "?"
    return f"rediss+{kind}://{rest}{mark}ssl_ca_certs={tls_folder}/ca.pem"


def _addresses(nodes: list[Node]) -> str:
    return ",".join(f"{HOST}:{port}" for port in (1, *(node.port for node in nodes)))


def _quoted(password: str) -> str:
    return "".join(f"%{ord(each):02X}" if each in "/:@" else each for each in password)


def _bus_port(node: Node) -> int:
    config = (node.folder / "redis.conf").read_text()
    return int(next(line for line in config.splitlines() if "cluster-port" in line).split()[1])
