# Tools for the pods of tests/chaos that reach into other pods' processes, networks and mounts.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends iptables && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["sleep", "infinity"]
