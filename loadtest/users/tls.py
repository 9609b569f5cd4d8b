"""Trusted certificate authorities: the system's, or those in SSL_CERT_FILE.

OpenSSL reads that variable. gRPC and Locust's HTTP client bundle their own authorities, and are
configured here to do the same.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import grpc


def context(**_: Any) -> ssl.SSLContext:
    """Returns the context for HTTP and WebSocket, instead of the default of Locust's client."""
    return ssl.create_default_context()


def credentials() -> grpc.ChannelCredentials:
    """Returns the credentials for gRPC."""
    file = os.environ.get("SSL_CERT_FILE")
    return grpc.ssl_channel_credentials(Path(file).read_bytes() if file else None)
