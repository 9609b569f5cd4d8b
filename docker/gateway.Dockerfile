# Gateway and worker: Python, the wheel, FFmpeg's decoders from PyPI. No torch, no model.
#   docker build -t deepfake-gateway -f docker/gateway.Dockerfile .
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
RUN mkdir model_store \
 && /build/bin/python -m build --wheel --no-isolation --outdir /dist

FROM python AS dependencies
WORKDIR /app
COPY requirements/gateway.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements/gateway.txt \
 && .venv/bin/python -m compileall -q -j 0 .venv

# The project is a layer of its own, so that images built with a cache share that of the dependencies.
FROM dependencies AS package
COPY --from=wheel /dist /dist
RUN .venv/bin/python -m pip install --no-cache-dir --quiet --no-deps --prefix /package /dist/*.whl \
 && PYTHONPATH=$(echo /package/lib/python3*/site-packages) .venv/bin/python -m pip check

FROM dependencies AS runtime
RUN .venv/bin/python -m pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=runtime /app/.venv /app/.venv
COPY --from=package /package /app/.venv
COPY docker/defaults/gateway.yaml /app/defaults.yaml
WORKDIR /app
ENV DEEPFAKE_HOME=/tmp/deepfake-serving \
    DEEPFAKE_GATEWAY_DEFAULTS=/app/defaults.yaml \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that runAsNonRoot can be checked. Writes go only to /tmp and to what `objects` and `jobs` name.
USER 65532:65532
EXPOSE 8000 8001 8002 8003
STOPSIGNAL SIGTERM
# A worker is the same image with the command `-m deepfake_serving.gateway.worker`; it is probed at :8003.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["/app/.venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["/app/.venv/bin/python"]
CMD ["-m", "deepfake_serving.gateway"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="deepfake-serving gateway" \
      org.opencontainers.image.description="REST, gRPC, jobs and the console" \
      org.opencontainers.image.source="https://github.com/deepfake-serving/deepfake-serving" \
      org.opencontainers.image.documentation="https://github.com/deepfake-serving/deepfake-serving/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0 AND LGPL-3.0-or-later AND GPL-2.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
