"""A client of TorchServe's REST interfaces that classifies its responses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from deepfake_serving.contracts.problems import MEDIA_TYPE, Problem, from_dict
from deepfake_serving.model_server.models import ServedModel
from deepfake_serving.model_server.torchserve.tokens import Tokens
from model_handlers.wire import BATCH_HEADER

_UNIX = "unix:"
_MANAGEMENT_S = aiohttp.ClientTimeout(total=10)
"""Timeout of management requests: Java may be alive and hang."""


class WorkerLost(Exception):
    """A worker was lost during the request, which may be retried."""


class TorchServeLost(WorkerLost):
    """TorchServe itself did not respond; the supervisor must check whether it is alive."""


class RegistrationFailed(Exception):
    """TorchServe refused an archive."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's response: its JSON, raw and parsed, its batch statistics, and any problem."""

    raw: bytes
    document: dict[str, Any]
    batch: dict[str, Any] | None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Whether a worker has loaded its model, and its process; None before it is known."""

    ready: bool
    pid: int | None


class Upstream:
    """A client of one TorchServe. Connections are pooled; only admission limits their number."""

    def __init__(self, inference: str, management: str, tokens: Tokens) -> None:
        """Takes addresses as TorchServe writes them: `unix:/path` or `http://host:port`."""
        self._inference = _session(inference, tokens.inference)
        self._management = _session(management, tokens.management)

    async def close(self) -> None:
        await self._inference.close()
        await self._management.close()

    async def predict(
        self, model: ServedModel, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> Reply:
        """Requests one prediction.

        Raises:
            WorkerLost: TorchServe responded in the handler's place.
            TorchServeLost: there was no response.
            TimeoutError: no response within `timeout_s`.
        """
        url = f"/predictions/{model.name}/{model.version}"
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._inference.post(url, data=body, headers=headers) as response,
            ):
                raw = await response.read()
                return _reply(response, raw)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise TorchServeLost(f"TorchServe does not respond: {error!r}") from error

    async def alive(self) -> bool:
        """Returns whether the management interface responds."""
        try:
            async with self._management.get("/models", timeout=_MANAGEMENT_S) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def register(self, model: ServedModel, response_timeout_s: int) -> None:
        """Registers an archive and requests its workers, without waiting for them.

        Raises:
            RegistrationFailed: with TorchServe's reason.
            TorchServeLost: there was no response.
        """
        parameters = {
            "url": model.archive.path.name,
            "model_name": model.name,
            "batch_size": str(model.batch_size),
            "max_batch_delay": str(model.batch_delay_ms),
            "response_timeout": str(response_timeout_s),
            "initial_workers": str(model.workers),
            "synchronous": "false",
        }
        try:
            async with self._management.post("/models", params=parameters) as response:
                if response.status not in (200, 202):
                    reason = _message(await response.read())
                    raise RegistrationFailed(f"{model.name}: {reason}")
        except (aiohttp.ClientError, OSError) as error:
            raise TorchServeLost(f"TorchServe does not respond: {error!r}") from error

    async def workers_ready(self, model: ServedModel) -> int:
        """Returns how many workers have loaded a model; 0 if TorchServe does not respond."""
        return sum(worker.ready for worker in await self.workers(model))

    async def workers(self, model: ServedModel) -> list[WorkerStatus]:
        """Returns a model's workers; none if TorchServe does not respond."""
        try:
            url = f"/models/{model.name}/{model.version}"
            async with self._management.get(url, timeout=_MANAGEMENT_S) as response:
                if response.status != 200:
                    return []
                (described,) = orjson.loads(await response.read())
        except (aiohttp.ClientError, OSError):
            return []
        return [
            WorkerStatus(worker["status"] == "READY", worker.get("pid") or None)
            for worker in described["workers"]
        ]

    async def scale(self, model: ServedModel, workers: int) -> None:
        """Requests another number of workers, without waiting for them.

        Raises:
            TorchServeLost: there was no response, or a refusal.
        """
        url = f"/models/{model.name}/{model.version}"
        count = str(workers)
        parameters = {"min_worker": count, "max_worker": count, "synchronous": "false"}
        try:
            async with self._management.put(
                url, params=parameters, timeout=_MANAGEMENT_S
            ) as response:
                if response.status not in (200, 202):
                    raise TorchServeLost(f"TorchServe refused to scale: {response.status}")
        except (aiohttp.ClientError, OSError) as error:
            raise TorchServeLost(f"TorchServe does not respond: {error!r}") from error


def _message(error: bytes) -> str:
    """Returns the message of an error of TorchServe; the whole text if it has none."""
    try:
        return str(orjson.loads(error)["message"])
    except (ValueError, KeyError, TypeError):
        return error.decode(errors="replace").strip()


def _session(address: str, token: str) -> aiohttp.ClientSession:
    unix = address.startswith(_UNIX)
    return aiohttp.ClientSession(
        "http://torchserve" if unix else address,
        connector=aiohttp.UnixConnector(address.removeprefix(_UNIX), limit=0)
        if unix
        else aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Authorization": f"Bearer {token}"},
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        auto_decompress=False,
    )


def _reply(response: aiohttp.ClientResponse, raw: bytes) -> Reply:
    """Parses a handler's response; one of TorchServe itself means that the worker was lost."""
    kind = response.headers.get("content-type", "")
    is_problem = kind.startswith(MEDIA_TYPE)
    if not is_problem and (response.status != 200 or not kind.startswith("application/json")):
        text = raw[:200].decode(errors="replace")
        raise WorkerLost(f"TorchServe responded {response.status}: {text}")
    document = orjson.loads(raw)
    batch = response.headers.get(BATCH_HEADER)
    return Reply(
        raw,
        document,
        orjson.loads(batch) if batch else None,
        from_dict(document) if is_problem else None,
    )
