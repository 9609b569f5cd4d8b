# redis_exporter from Debian's package, for clusters that reach no registry.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends prometheus-redis-exporter && rm -rf /var/lib/apt/lists/*
USER 65532:65532
ENTRYPOINT ["prometheus-redis-exporter"]
