# `deepfake-serving bulk` on a Ray cluster of KubeRay: nodes, driver and submitter are this image. No torch.
#   make archives && docker build -t deepfake-bulk -f docker/bulk.Dockerfile .
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
COPY requirements/kuberay.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements/kuberay.txt \
 && rm -f .venv/lib/python3*/site-packages/openvino/libs/libopenvino_intel_[gn]pu_plugin.so \
 && .venv/bin/python -m compileall -q -j 0 -x 'py31[2-9]_' .venv

# The project is a layer of its own, so that images built with a cache share that of the dependencies.
FROM dependencies AS package
COPY --from=wheel /dist /dist
RUN .venv/bin/python -m pip install --no-cache-dir --quiet --no-deps --prefix /package /dist/*.whl \
 && PYTHONPATH=$(echo /package/lib/python3*/site-packages) .venv/bin/python -m pip check

# Where the archives are elsewhere: --build-context archives=<folder>, as a builder follows no link out of its context.
FROM scratch AS archives
COPY build/archives /

FROM ${BASE}
# KubeRay's probes call wget.
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates wget \
 && rm -rf /var/lib/apt/lists/*
COPY --from=dependencies /app/.venv /app/.venv
COPY --from=package /package /app/.venv
COPY --from=archives / /app/archives
# The libraries in TorchServe's JAR, for scanners.
COPY docker/sbom /app/sbom
# Some versions of KubeRay start Ray in a login shell, whose PATH is Debian's.
RUN ln -s /app/.venv/bin/ray /app/.venv/bin/deepfake-serving /app/.venv/bin/python /usr/local/bin/
WORKDIR /app
ENV DEEPFAKE_HOME=/app \
    HOME=/tmp \
    RAY_USAGE_STATS_ENABLED=0 \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that runAsNonRoot can be checked. Writes go only to /tmp and /dev/shm.
USER 65532:65532
CMD ["deepfake-serving", "bulk", "--help"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="deepfake-serving bulk" \
      org.opencontainers.image.description="Archives of images and videos on Ray" \
      org.opencontainers.image.source="https://github.com/deepfake-serving/deepfake-serving" \
      org.opencontainers.image.documentation="https://github.com/deepfake-serving/deepfake-serving/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0 AND LGPL-3.0-or-later AND GPL-2.0-or-later AND GPL-2.0-only WITH Classpath-exception-2.0 AND EPL-1.0 AND EPL-2.0 AND LicenseRef-weights" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
