# The model server for NVIDIA GPU nodes: torch with its CUDA libraries from PyPI; the driver is the node's.
#   make archives && docker build -t deepfake-model-server-cuda -f docker/model-server-cuda.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS python
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

FROM python AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /build \
 && /build/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY deepfake_serving deepfake_serving
COPY model_handlers model_handlers
COPY model_store model_store
RUN /build/bin/python -m build --wheel --no-isolation --outdir /dist

FROM python AS dependencies
WORKDIR /app
COPY requirements/cuda.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements/cuda.txt \
 && rm -f .venv/lib/python3*/site-packages/openvino/libs/libopenvino_intel_[gn]pu_plugin.so \
 && .venv/bin/python -m compileall -q -j 0 -x 'py31[2-9]_' .venv

# The project is a layer of its own, so that images built with a cache share that of the dependencies.
FROM dependencies AS package
COPY --from=wheel /dist /dist
RUN .venv/bin/python -m pip install --no-cache-dir --quiet --no-deps --prefix /package /dist/*.whl \
 && PYTHONPATH=$(echo /package/lib/python3*/site-packages) .venv/bin/python -m pip check

FROM dependencies AS runtime
RUN .venv/bin/python -m pip uninstall --quiet --yes pip setuptools

# Where the archives are elsewhere: --build-context archives=<folder>, as a builder follows no link out of its context.
FROM scratch AS archives
COPY build/archives /

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=runtime /app/.venv /app/.venv
COPY --from=package /package /app/.venv
COPY --from=archives / /app/archives
# The libraries in TorchServe's JAR, for scanners.
COPY docker/sbom /app/sbom
COPY scripts/__init__.py scripts/smoke.py /app/scripts/
COPY docker/defaults/model-server.yaml /app/defaults.yaml
WORKDIR /app
ENV DEEPFAKE_HOME=/app \
    DEEPFAKE_MODEL_SERVER_DEFAULTS=/app/defaults.yaml \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that runAsNonRoot can be checked. Writes go only to /tmp.
USER 65532:65532
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
  CMD ["/app/.venv/bin/python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('DEEPFAKE_MODEL_SERVER_PROBE_PORT', 8080), timeout=4)"]
ENTRYPOINT ["/app/.venv/bin/python"]
CMD ["-m", "deepfake_serving.model_server"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="deepfake-serving model server" \
      org.opencontainers.image.description="TorchServe with torch for NVIDIA GPU nodes" \
      org.opencontainers.image.source="https://github.com/deepfake-serving/deepfake-serving" \
      org.opencontainers.image.documentation="https://github.com/deepfake-serving/deepfake-serving/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0 AND LGPL-3.0-or-later AND GPL-2.0-only WITH Classpath-exception-2.0 AND EPL-1.0 AND EPL-2.0 AND LicenseRef-NVIDIA AND LicenseRef-weights" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
