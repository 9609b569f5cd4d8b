"""The client of the model servers, which also knows ensembles by their names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from deepfake_serving.contracts.kserve_v1 import predictions, read_instances
from deepfake_serving.contracts.models import ModelInfo
from deepfake_serving.contracts.problems import InvalidRequest, Problem, UpstreamUnavailable
from deepfake_serving.contracts.verdict import ModelRef
from deepfake_serving.ensembles.spec import EnsembleSpec
from deepfake_serving.ensembles.verdicts import Document, MemberResult, ensemble_verdict
from deepfake_serving.gateway.ensembles.inference import (
    LENGTH_HEADER,
    check_version,
    explains,
    json_response,
    metadata,
    read_tensor,
    write_results,
)
from deepfake_serving.gateway.ensembles.members import Members, Scores
from deepfake_serving.gateway.ensembles.metrics import EnsembleMetrics
from deepfake_serving.gateway.ensembles.models import ensemble_info
from deepfake_serving.gateway.upstream.client import (
    Body,
    OnDetected,
    RequestContext,
    Upstream,
    UpstreamResponse,
)
from deepfake_serving.gateway.upstream.frames import Frames, Tensor, frame_tensor, image_tensor
from deepfake_serving.gateway.upstream.hedging import Hedging
from deepfake_serving.gateway.upstream.pools import Pools


class EnsembleUpstream(Upstream):
    """The model servers, and ensembles of the models that they serve."""

    def __init__(
        self,
        pools: Pools,
        ensembles: Sequence[EnsembleSpec],
        metrics: EnsembleMetrics,
        on_retry: Callable[[str], None] = lambda _: None,
        on_detected: OnDetected = lambda *_: None,
        hedging: Hedging | None = None,
    ) -> None:
        super().__init__(pools, on_retry, on_detected, hedging)
        self.metrics = metrics
        self.ensembles = {spec.name: spec for spec in ensembles}

    def models(self) -> dict[str, dict[str, ModelInfo]]:
        """Returns the models, and the ensembles of which enough members are served."""
        served = self.pools.models()
        known = {name: ensemble_info(spec, served) for name, spec in self.ensembles.items()}
        return served | {name: info for name, info in known.items() if info}

    def is_ensemble(self, model: str) -> bool:
        return model in self.ensembles

    def check_model(self, model: str) -> None:
        """Refuses a model that is neither an ensemble nor served by a pool."""
        if model not in self.ensembles:
            super().check_model(model)

    async def detect_image(
        self, image: bytes, model: str, context: RequestContext, **flags: bool
    ) -> bytes:
        """Returns the verdict of one encoded image, as JSON. Each member has its own heatmaps."""
        spec = self.ensembles.get(model)
        if spec is None:
            return await super().detect_image(image, model, context, **flags)
        (result,) = await self._detect(spec, image_tensor(image), context, **flags)
        if isinstance(result, Problem):
            raise result
        return orjson.dumps(result | {"id": context.id})

    async def detect_frames(
        self, frames: Frames, model: str, context: RequestContext, *, explain: bool = False
    ) -> list[dict[str, Any] | Problem]:
        """Returns a verdict or a problem for each decoded frame, in order."""
        spec = self.ensembles.get(model)
        if spec is None:
            return await super().detect_frames(frames, model, context, explain=explain)
        tensor = frame_tensor(frames)
        return await self._detect(spec, tensor, context, follow=True, explain=explain)

    async def request(
        self,
        method: str,
        path: str,
        model: str | None,
        context: RequestContext,
        body: Body | None = None,
        headers: dict[str, str] | None = None,
        *,
        raw: bool = False,
    ) -> UpstreamResponse:
        """Sends a request to a replica; inference by an ensemble is several such requests."""
        spec = self.ensembles.get(model or "")
        if spec is None:
            return await super().request(method, path, model, context, body, headers, raw=raw)
        check_version(spec, path)
        if path.endswith(":predict") and isinstance(body, bytes):
            images = await asyncio.to_thread(read_instances, body)
            results = await self._detect(spec, image_tensor(*images), context)
            return json_response(predictions(results))
        if path.endswith("/infer") and isinstance(body, bytes):
            head, tensor = read_tensor(body, (headers or {}).get(LENGTH_HEADER))
            results = await self._detect(spec, tensor, context, explain=explains(head))
            return write_results(spec, head, results, context.id)
        if spec.name not in self.models():
            raise UpstreamUnavailable(f"too few members of {spec.name} are up", retry_after_s=5)
        if path.endswith("/config"):
            raise InvalidRequest("an ensemble has no configuration: its members have")
        if path.endswith("/ready"):
            return json_response({"name": spec.name, "ready": True})
        return metadata(spec)

    async def _detect(
        self, spec: EnsembleSpec, tensor: Tensor, context: RequestContext, **flags: bool
    ) -> list[MemberResult]:
        """`flags` are those of `Members.score`."""
        members = Members(spec, self, self._finds_faces)
        scores = Scores()
        try:
            await members.score(scores, tensor, context, **flags)
        finally:
            self.metrics.observe_models(spec, scores.seconds, scores.lost)
        model = self._reference(spec)
        results = [_result(spec, model, scores, n) for n in range(len(scores.found))]
        self.metrics.observe_faces(spec, results)
        return results

    def _reference(self, spec: EnsembleSpec) -> ModelRef:
        info = next(iter(self.models().get(spec.name, {}).values()), None)
        if info is None:
            return ModelRef(spec.name, spec.version, None, trained=False)
        return ModelRef(spec.name, spec.version, info.digest, info.trained)

    def _finds_faces(self, model: str) -> bool:
        by_pool = self.pools.models().get(model, {})
        return all(info.task != "classifier" for info in by_pool.values())


def _result(spec: EnsembleSpec, model: ModelRef, scores: Scores, number: int) -> MemberResult:
    found = scores.found[number]
    if isinstance(found, Problem):
        return found
    try:
        verdict: Document = ensemble_verdict(spec, model, found, scores.of_item(number))
    except Problem as problem:
        return problem
    members = {f"member {m}": round(1e3 * s, 1) for m, s in scores.seconds.items()}
    return verdict | {"timings_ms": verdict["timings_ms"] | members}
