"""The job backend in Redis or Valkey: one server, a primary with Sentinels, or a cluster."""
