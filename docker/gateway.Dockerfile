# Gateway and worker: Python, the code, FFmpeg's decoders from PyPI. No torch, no model.
#   docker build -t deepfake-gateway -f docker/gateway.Dockerfile .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements/gateway.txt requirements/
RUN python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements/gateway.txt \
 && .venv/bin/python -m compileall -q -j 0 .venv
COPY requirements/uv.txt requirements/serve.in requirements/torch.in requirements/gateway.in requirements/
COPY pyproject.toml README.md ./
COPY deepfake_serving deepfake_serving
COPY model_handlers model_handlers
RUN .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes -r requirements/uv.txt \
 && .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . \
 && .venv/bin/python -m pip uninstall --quiet --yes uv pip setuptools \
 && .venv/bin/python -m compileall -q -j 0 deepfake_serving

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /app /app
WORKDIR /app
ENV DEEPFAKE_GATEWAY_HOST=0.0.0.0 \
    DEEPFAKE_GATEWAY_LOG_FORMAT=json \
    DEEPFAKE_GATEWAY_EMBEDDED_WORKER=false \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that runAsNonRoot can be checked. Only /tmp and what `objects` and `jobs` name is written to.
USER 65532:65532
EXPOSE 8000 8001 8002 8003
STOPSIGNAL SIGTERM
# A worker is the same image with the command `-m gateway.worker`; its orchestrator asks :8003.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["/app/.venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["/app/.venv/bin/python"]
CMD ["-m", "gateway"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="deepfake-serving gateway" \
      org.opencontainers.image.description="REST, gRPC, jobs and the console" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
