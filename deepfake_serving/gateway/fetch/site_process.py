"""Finds the medium of a page with yt-dlp, in a process of its own: `sites` starts it.

yt-dlp is a thousand parsers of strangers' pages, with its own networking. So each connection is
checked by an audit hook (PEP 578) in the moment it is made, no program may be started, no file
written, and memory and time are bounded.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from deepfake_serving.gateway.fetch.address_policy import AddressPolicy

_MEMORY = 512 * 2**20
_FORMAT = "bv*[protocol~='^https?$'][height<=?1080]/bv*[protocol~='^https?$']"
"""One file over HTTP with pictures; sound is not analysed."""

_FORBIDDEN = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "socket.sendmsg",
    "socket.sendto", "subprocess.Popen",
}  # fmt: skip


class Guard:
    """Checks what this process does from now on; a hook can't be taken out again."""

    def __init__(self, reach: AddressPolicy) -> None:
        self.reach, self.refused = reach, False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and not self._allows(arguments[1]):
            self.refused = True
            raise PermissionError("an address that is not public")
        if event in _FORBIDDEN:
            raise PermissionError(f"{event} is not for pages")

    def _allows(self, where: Any) -> bool:
        """A name is refused: its address would be looked up after the check."""
        try:
            return self.reach.allows(where[0])
        except (TypeError, ValueError, AttributeError):
            return False


def find(page: str, guard: Guard, timeout_s: float) -> dict[str, str]:
    """`url` of the medium, or `error`: `refused` or `nothing`."""
    sys.modules["curl_cffi"] = None  # type: ignore[assignment]  # connects in C, past the hook
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
    """Of a page's only medium, or of the first one."""
    while isinstance(found, dict) and "entries" in found:
        found = next(iter(found["entries"] or []), None)
    url = found.get("url") if isinstance(found, dict) else None
    return url if isinstance(url, str) else None


class _Silent:
    """Takes what yt-dlp says of the page, which is nobody's to read."""

    def debug(self, _: str) -> None: ...

    warning = error = debug


def main() -> None:
    asked = json.load(sys.stdin)
    seconds = int(asked["timeout_s"]) + 1
    for kind, bound in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (bound, bound))
    guard = Guard(AddressPolicy(asked["allowed"]))
    print(json.dumps(find(asked["url"], guard, asked["timeout_s"])))


if __name__ == "__main__":
    main()
