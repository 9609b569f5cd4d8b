"""The parts that a gateway and a worker share, opened in order and closed in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from deepfake_serving.ensembles.spec import EnsembleError, EnsembleSpec, find_ensemble
from deepfake_serving.gateway.ensembles.upstream import EnsembleUpstream
from deepfake_serving.gateway.fetch.fetcher import Fetcher, open_fetcher
from deepfake_serving.gateway.metrics import Metrics
from deepfake_serving.gateway.predictions.log import PredictionLog
from deepfake_serving.gateway.predictions.mlflow_store import MLflowStore
from deepfake_serving.gateway.predictions.prediction import image_prediction
from deepfake_serving.gateway.queue.store import JobStore, open_store
from deepfake_serving.gateway.settings import Settings, SettingsError
from deepfake_serving.gateway.shadow.traffic import ShadowTraffic
from deepfake_serving.gateway.storage.objects import Objects
from deepfake_serving.gateway.upstream.client import Upstream
from deepfake_serving.gateway.upstream.connections import connector
from deepfake_serving.gateway.upstream.hedging import Hedging
from deepfake_serving.gateway.upstream.pools import Pools
from deepfake_serving.runtime.process.memory import return_freed_memory
from deepfake_serving.runtime.tasks import background
from deepfake_serving.runtime.tls.certificates import Certificates
from deepfake_serving.runtime.tls.files import TLSFiles
from deepfake_serving.video.people.manifest import PersonModelError, read_person_model


@dataclass(frozen=True, slots=True)
class Services:
    """The model servers, the job store, the object store, the fetcher, if URLs are fetched, and the
    log of predictions, if there is one."""

    upstream: Upstream
    store: JobStore
    objects: Objects
    fetcher: Fetcher | None
    predictions: PredictionLog | None

    @property
    def on_image(self) -> Callable[[bytes, float, str], None] | None:
        """Logs an image's verdict, the seconds that it took and the id of its response."""
        predictions = self.predictions
        if predictions is None:
            return None
        return lambda *given: predictions.offer(image_prediction(*given))


@asynccontextmanager
async def open_services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    """Opens the services while the context is open.

    Raises:
        SettingsError: a setting turns out to be wrong.
    """
    _check_person_model(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(background(return_freed_memory()))
        certificates = _certificates(settings)
        if certificates is not None:
            metrics.watch_certificates(certificates)
        tls = certificates.context() if certificates else None
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector(tls), trust_env=False)
        )
        pools = Pools(settings.routing, session, certificates)
        await stack.enter_async_context(pools.monitor())
        metrics.watch(pools)
        store = await stack.enter_async_context(
            open_store(
                settings.jobs,
                max_queued=settings.max_queued,
                max_attempts=settings.max_attempts,
                redis_min_replicas=settings.redis_min_replicas,
            )
        )
        shadow = ShadowTraffic(
            pools,
            metrics.shadow,
            max_bytes=settings.shadow_max_bytes,
            timeout_s=settings.request_timeout_s,
        )
        await stack.enter_async_context(shadow.running())
        yield Services(
            upstream=EnsembleUpstream(
                pools,
                _ensembles(settings),
                metrics.ensembles,
                on_retry=lambda pool: metrics.retries.labels(pool).inc(),
                on_detected=shadow.offer,
                hedging=Hedging(settings.hedge_share, metrics.hedged)
                if settings.hedge_share
                else None,
            ),
            store=store,
            objects=Objects.open(settings.objects),
            fetcher=open_fetcher(settings),
            predictions=await stack.enter_async_context(_predictions(settings, metrics)),
        )


@asynccontextmanager
async def _predictions(settings: Settings, metrics: Metrics) -> AsyncIterator[PredictionLog | None]:
    """Opens the log of predictions, if a tracking server is set."""
    if settings.mlflow_uri is None:
        yield None
        return
    try:
        store = MLflowStore(settings.mlflow_uri, settings.mlflow_experiment)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f'mlflow_uri: {error.name} is not installed: pip install "deepfake-serving[mlflow]"'
        ) from error
    predictions = PredictionLog(
        store,
        metrics.predictions,
        share=settings.mlflow_share,
        max_waiting=settings.mlflow_max_waiting,
        batch_s=settings.mlflow_batch_s,
    )
    async with predictions.running():
        yield predictions


def _certificates(settings: Settings) -> Certificates | None:
    """Returns the certificates of TLS to model servers; None without TLS."""
    files = TLSFiles(settings.upstream_certificate, settings.upstream_key, settings.upstream_ca)
    if files.ca is None and any(pool.server_name for pool in settings.routing.pools):
        raise SettingsError("routing: https:// needs the CA of the certificates: upstream_ca")
    if (files.certificate is None) != (files.key is None):
        raise SettingsError("upstream_certificate and upstream_key: one needs the other")
    if files.certificate is not None and files.ca is None:
        raise SettingsError("upstream_certificate: TLS needs upstream_ca too")
    return Certificates(files, "client") if files.ca is not None else None


def _check_person_model(settings: Settings) -> None:
    """Checks the file that only the worker loads, which the gateway may start itself."""
    if settings.person_model is None:
        return
    try:
        read_person_model(settings.person_model)
    except PersonModelError as error:
        raise SettingsError(f"person_model: {error}") from error


def _ensembles(settings: Settings) -> list[EnsembleSpec]:
    try:
        return [find_ensemble(name) for name in settings.ensembles]
    except EnsembleError as error:
        raise SettingsError(f"ensembles: {error}") from error
