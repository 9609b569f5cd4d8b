# The load tests: Python, Locust and the test media, created at build time. No torch, no model.
#   docker build -t deepfake-load -f docker/load.Dockerfile .
#   docker run --rm --network host deepfake-load image-rest --url http://127.0.0.1:8000
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS dependencies
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements/load.txt requirements/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps -r requirements/load.txt \
 && .venv/bin/python -m compileall -q -j 0 .venv

FROM dependencies AS package
WORKDIR /package
COPY deepfake_serving/__init__.py deepfake_serving/
COPY deepfake_serving/contracts deepfake_serving/contracts
COPY loadtest loadtest
RUN /app/.venv/bin/python -m loadtest.generate_media media \
 && /app/.venv/bin/python -m compileall -q -f -j 0 -s /package -p /app deepfake_serving loadtest

# The packages that created the media are not needed any more, and are more than half of the size.
FROM dependencies AS runtime
RUN .venv/bin/python -m pip uninstall --quiet --yes \
      av imageio lazy-loader networkx numpy pillow scikit-image scipy tifffile setuptools pip

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=runtime /app/.venv /app/.venv
COPY --from=package /package /app
WORKDIR /app
ENV DFK_MEDIA=/app/media \
    DFK_OUT=/tmp/load \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that runAsNonRoot can be checked. Only /tmp is written to.
USER 65532:65532
ENTRYPOINT ["/app/.venv/bin/python", "-m", "loadtest"]
CMD ["--help"]
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="deepfake-serving load tests" \
      org.opencontainers.image.description="Locust users of every API of the gateway" \
      org.opencontainers.image.source="https://github.com/deepfake-serving/deepfake-serving" \
      org.opencontainers.image.documentation="https://github.com/deepfake-serving/deepfake-serving/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
