"""Whose certificates are believed: the system's authorities, or those in SSL_CERT_FILE.

OpenSSL reads that variable; gRPC and Locust's HTTP client, which bring authorities of their own,
are made to do the same.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import grpc


def context(**_: Any) -> ssl.SSLContext:
    """For HTTP and WebSocket. What Locust's client would have believed otherwise is left out."""
    return ssl.create_default_context()


def credentials() -> grpc.ChannelCredentials:
    """For gRPC."""
    file = os.environ.get("SSL_CERT_FILE")
    return grpc.ssl_channel_credentials(Path(file).read_bytes() if file else None)
