"""Requests to the members of an ensemble: one finds the faces, then all score them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import orjson
import structlog

from deepfake_serving.contracts.problems import (
    Internal,
    Overloaded,
    Problem,
    UnknownModel,
    UpstreamUnavailable,
)
from deepfake_serving.contracts.tracebacks import forget_traceback
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.ensembles.verdicts import MemberResult, faces_of, require_members
from deepfake_serving.gateway.upstream.client import RequestContext, Upstream
from deepfake_serving.gateway.upstream.frames import Tensor
from deepfake_serving.runtime import tracing

log = structlog.get_logger(__name__)

_FINDER_SHARE, _MEMBER_SHARE = 0.5, 0.9
"""Shares of the time left that the search for faces, and then a member, may take."""

Results = list[MemberResult]
Finds = Callable[[str], bool]
"""Whether a model finds faces, as far as it is known."""


@dataclass
class Scores:
    """The faces of each item, the results of each member, and how long each took.

    A member has a result or a problem per item, or one problem for all. `lost` has the problems of
    the models that were left out, also of one that only finds faces.
    """

    found: Results = field(default_factory=list)
    members: dict[str, Results | Problem] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    lost: dict[str, Problem] = field(default_factory=dict)

    def of_item(self, number: int) -> dict[str, MemberResult]:
        """Returns the members' results on one item."""
        return {
            model: results if isinstance(results, Problem) else results[number]
            for model, results in self.members.items()
        }


class Members:
    """The members of one ensemble."""

    def __init__(self, spec: EnsembleSpec, upstream: Upstream, finds: Finds) -> None:
        self.spec, self.upstream, self.finds = spec, upstream, finds

    async def score(
        self,
        scores: Scores,
        tensor: Tensor,
        context: RequestContext,
        *,
        follow: bool = False,
        explain: bool = False,
        preview: bool = False,
    ) -> None:
        """Finds the faces of all items, and has every member score them.

        Args:
            scores: gets what each model responds, also if the request fails.
            follow: whether the items are frames of a video, in their order.
            explain: whether the faces get a heatmap of each member.
            preview: whether the result of the search for faces has a copy of the image.

        Raises:
            Problem: that of the request's only item, if it is at fault.
            EnsembleUnavailable: no member that finds faces has responded.
        """
        explained = {"explain": True} if explain else {}
        parameters = {"full_precision": True} | ({"follow": True} if follow else {})
        copied = {"preview": True} if preview else {}
        await self._find(scores, tensor, context, parameters | explained | copied)
        documents = [r for r in scores.found if not isinstance(r, Problem)]
        if not any(document["faces"] for document in documents):
            return
        faces = [[] if isinstance(r, Problem) else faces_of(r) for r in scores.found]
        given = {"faces": orjson.dumps(faces).decode()} | explained
        others = [model for model in self.spec.models if model not in scores.members]
        async with asyncio.TaskGroup() as group:
            for model in others:
                group.create_task(
                    self._request(scores, model, tensor, context, _MEMBER_SHARE, given)
                )

    async def _find(
        self,
        scores: Scores,
        tensor: Tensor,
        context: RequestContext,
        parameters: Mapping[str, bool],
    ) -> None:
        """Records the faces, and the scores of the member that found them, if it was one."""
        for model in self._finders():
            await self._request(scores, model, tensor, context, _FINDER_SHARE, parameters)
            results = scores.members[model]
            if model not in self.spec.models:
                del scores.members[model]
            if not isinstance(results, Problem):
                scores.found = results
                return
            if not _is_of_the_model(results):
                del scores.lost[model]
                raise results
        require_members(self.spec, {}, scores.lost)
        raise UpstreamUnavailable(f"no model of {self.spec.name} finds faces", retry_after_s=5)

    def _finders(self) -> list[str]:
        members = [model for model in self.spec.models if self.finds(model)]
        first = [] if self.spec.faces is None else [self.spec.faces]
        return list(dict.fromkeys([*first, *members]))

    async def _request(
        self,
        scores: Scores,
        model: str,
        tensor: Tensor,
        context: RequestContext,
        share: float,
        parameters: Mapping[str, object],
    ) -> None:
        """Records the results of one model, or why it has none."""
        start, loop = time.perf_counter(), asyncio.get_running_loop()
        left = context.deadline - loop.time()
        deadline = loop.time() + min(self.spec.timeout_s, share * left)
        fields = {"deepfake.model": model, "deepfake.ensemble": self.spec.name}
        try:
            with tracing.work(f"member {model}", context.traceparent, fields) as traceparent:
                own = replace(context, deadline=deadline, traceparent=traceparent)
                results = await self.upstream.infer(tensor, model, own, parameters)
                _check_faces(results, scores.found)
                scores.members[model] = results
        except Problem as problem:
            log.warning("member left out", id=context.id, model=model, problem=problem.slug)
            scores.members[model] = scores.lost[model] = problem
            forget_traceback(problem)
        scores.seconds[model] = time.perf_counter() - start


def _check_faces(results: Results, found: Results) -> None:
    """
    Raises:
        Internal: a member has not scored the faces that it got, as earlier versions do not.
    """
    if found and len(results) != len(found):
        raise Internal("a member of an ensemble returned results of other items than it got")
    for result, given in zip(results, found, strict=False):
        if isinstance(result, Problem) or isinstance(given, Problem):
            continue
        if len(result["faces"]) != len(given["faces"]):
            raise Internal("a member of an ensemble returned other faces than it got")


def _is_of_the_model(problem: Problem) -> bool:
    """Returns whether another model may not have the problem, which is not that of the image."""
    return problem.status >= 500 or isinstance(problem, Overloaded | UnknownModel)
