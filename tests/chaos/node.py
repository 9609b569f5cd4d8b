"""Reaches processes, networks and mounts of pods through a privileged pod on their node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shlex import quote

from tests.cluster.kube import Object, kubectl

MANIFEST = Path(__file__).with_name("node.yaml")
NAMESPACE = "kube-system"

# Process ids of a pod, by the name that its cgroups have with either driver.
_IDS = "grep -lE 'pod(%s|%s)' /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3"
_LIST = r"""for id in $(%s); do
  printf '%%s %%s\n' $id "$(tr '\0' ' ' </proc/$id/cmdline)"
done 2>/dev/null
true"""
_IN_NETWORK = """for id in $(%s); do
  nsenter -t $id -n sh -c %s && break
done"""
# What is open or stored already stays: only what is written from now on finds no space.
_FILL = """set -e
mount -t tmpfs -o size=64k tmpfs /mnt
mkdir -m 777 /mnt/upper /mnt/work
mount -t overlay -o lowerdir=%(folder)s,upperdir=/mnt/upper,workdir=/mnt/work overlay %(folder)s
head -c 1m /dev/zero >/mnt/full || true
umount -l /mnt"""


class Nodes:
    """The privileged pods of node.yaml, one on each node."""

    def __enter__(self) -> Nodes:
        kubectl("apply", "-f", str(MANIFEST))
        kubectl("-n", NAMESPACE, "rollout", "status", "daemonset/chaos-node", "--timeout=60s")
        return self

    def __exit__(self, *_: object) -> None:
        kubectl("delete", "-f", str(MANIFEST), "--wait=false")

    def processes(self, pod: Object) -> dict[int, str]:
        """Returns the command line of each process of a pod by the node's process id."""
        lines = _shell(pod, _LIST % _ids(pod)).splitlines()
        return {int(number): command for number, _, command in (x.partition(" ") for x in lines)}

    def kill(self, pod: Object, pattern: str) -> None:
        """Sends SIGKILL to the processes whose command line matches; there must be one at least."""
        found = [n for n, command in self.processes(pod).items() if re.search(pattern, command)]
        assert found, f"no process {pattern} in {pod['metadata']['name']}"
        _shell(pod, f"kill -9 {' '.join(map(str, found))}")

    @contextmanager
    def dropping(self, pod: Object, *rules: str) -> Iterator[None]:
        """Drops the packets of a pod that iptables rules match, while the block runs.

        Args:
            rules: each a chain and its matches.
        """
        self._change_rules(pod, "-I", rules)
        try:
            yield
        finally:
            self._change_rules(pod, "-D", rules)

    @contextmanager
    def full(self, pod: Object, pattern: str, *folders: str) -> Iterator[None]:
        """Leaves no space for new files in folders of the container that runs a command line that
        matches, while the block runs."""
        self._in_mounts(pod, pattern, "\n".join(_FILL % {"folder": each} for each in folders))
        try:
            yield
        finally:
            self._in_mounts(pod, pattern, f"umount -l {' '.join(folders)}")

    def _change_rules(self, pod: Object, action: str, rules: tuple[str, ...]) -> None:
        """Changes the rules of a pod's network; a pod that is gone has none."""
        script = " && ".join(f"iptables -w {action} {rule} -j DROP" for rule in rules)
        _shell(pod, _IN_NETWORK % (_ids(pod), quote(script)))

    def _in_mounts(self, pod: Object, pattern: str, script: str) -> None:
        for number, command in self.processes(pod).items():
            if re.search(pattern, command):
                _shell(pod, f"nsenter -t {number} -m -p sh -c {quote(script)}")
                return


def _ids(pod: Object) -> str:
    uid = pod["metadata"]["uid"]
    return _IDS % (uid, uid.replace("-", "_"))


def _shell(pod: Object, script: str) -> str:
    helper = _helper(pod["spec"]["nodeName"])
    return kubectl("-n", NAMESPACE, "exec", helper, "--", "sh", "-c", script)


@cache
def _helper(node: str) -> str:
    """Returns the name of a node's privileged pod."""
    return kubectl(
        *("-n", NAMESPACE, "get", "pods", "-l", "app=chaos-node", "-o", "name"),
        f"--field-selector=spec.nodeName={node}",
    ).split()[0]
