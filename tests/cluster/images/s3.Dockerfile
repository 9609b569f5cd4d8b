# moto's S3, for clusters that reach no registry. A test server: nothing it holds outlives it.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --quiet 'moto[s3,server]'
# Buckets are in paths, whatever the host is called.
ENV S3_IGNORE_SUBDOMAIN_BUCKETNAME=true
USER 65532:65532
ENTRYPOINT ["/venv/bin/moto_server", "-H", "0.0.0.0", "-p", "9000"]
