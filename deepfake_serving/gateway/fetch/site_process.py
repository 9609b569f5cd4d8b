"""The sandboxed process that finds the media of a page with yt-dlp; `sites` starts it.

yt-dlp has a thousand parsers of untrusted pages, and its own networking. So an audit hook (PEP 578)
checks each connection when it is opened, no program may be started, no file written, and memory
and time are limited.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from deepfake_serving.gateway.fetch.address_policy import AddressPolicy

_MAX_MEMORY_BYTES = 512 * 2**20
_FORMAT = "bv*[protocol~='^https?$'][height<=?1080]/bv*[protocol~='^https?$']"
"""A single video file over HTTP; audio is not needed."""

_FORBIDDEN = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.sendmsg",
    "socket.sendto", "subprocess.Popen",
}  # fmt: skip


class Guard:
    """An audit hook that checks this process's actions. It can't be removed again."""

    def __init__(self, policy: AddressPolicy) -> None:
        self.policy, self.refused = policy, False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and not self._allows(arguments[1]):
            self.refused = True
            raise PermissionError("an address that is not public")
        if event in _FORBIDDEN:
            raise PermissionError(f"{event} is forbidden")

    def _allows(self, remote: Any) -> bool:
        """Refuses host names too: they would be resolved after the check."""
        try:
            return self.policy.allows(remote[0])
        except (TypeError, ValueError, AttributeError):
            return False


def find(page: str, guard: Guard, timeout_s: float) -> dict[str, str]:
    """Returns the media's `url`, or an `error`: `refused` or `nothing`."""
    sys.modules["curl_cffi"] = None  # type: ignore[assignment]  # connects in C, bypassing the hook
    import yt_dlp  # type: ignore[import-untyped]
    from yt_dlp.globals import plugin_dirs  # type: ignore[import-untyped]

    plugin_dirs.value = []
    options = {
        "format": _FORMAT, "quiet": True, "no_warnings": True, "noprogress": True,
        "logger": _Silent(), "noplaylist": True, "playlist_items": "1", "cachedir": False,
        "proxy": "", "socket_timeout": timeout_s, "extractor_retries": 0, "js_runtimes": {},
    }  # fmt: skip
    try:
        with yt_dlp.YoutubeDL(options) as downloader:
            found = downloader.extract_info(page, download=False)
    except (yt_dlp.utils.YoutubeDLError, OSError, MemoryError):
        found = None
    url = _url(found)
    if url is not None:
        return {"url": url}
    return {"error": "refused" if guard.refused else "nothing"}


def _url(found: Any) -> str | None:
    """Returns the URL of the page's first media."""
    while isinstance(found, dict) and "entries" in found:
        found = next(iter(found["entries"] or []), None)
    url = found.get("url") if isinstance(found, dict) else None
    return url if isinstance(url, str) else None


class _Silent:
    """A logger that discards yt-dlp's messages, which may quote the page."""

    def debug(self, _: str) -> None: ...

    warning = error = debug


def main() -> None:
    request = json.load(sys.stdin)
    seconds = int(request["timeout_s"]) + 1
    for kind, limit in (
        (resource.RLIMIT_AS, _MAX_MEMORY_BYTES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    guard = Guard(AddressPolicy(request["allowed"]))
    print(json.dumps(find(request["url"], guard, request["timeout_s"])))


if __name__ == "__main__":
    main()
