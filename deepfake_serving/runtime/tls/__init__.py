"""TLS between gateway and model servers, by files that may change while a server runs."""
