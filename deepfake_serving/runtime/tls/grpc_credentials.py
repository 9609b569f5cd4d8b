"""Credentials of gRPC servers and channels from certificates that follow their files."""

from __future__ import annotations

import grpc

from deepfake_serving.runtime.tls.certificates import Certificates
from deepfake_serving.runtime.tls.files import Loaded


def server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Returns credentials whose every handshake uses the current files."""

    def fetch() -> grpc.ServerCertificateConfiguration:
        return _configuration(certificates.current())

    required = certificates.current().ca is not None
    return grpc.dynamic_ssl_server_credentials(fetch(), fetch, required)


def channel_credentials(loaded: Loaded) -> grpc.ChannelCredentials:
    """Returns credentials of the files as they were loaded; a channel keeps them."""
    return grpc.ssl_channel_credentials(loaded.ca, loaded.key, loaded.certificate)


def _configuration(loaded: Loaded) -> grpc.ServerCertificateConfiguration:
    assert loaded.key is not None
    assert loaded.certificate is not None
    return grpc.ssl_server_certificate_configuration(
        [(loaded.key, loaded.certificate)], root_certificates=loaded.ca
    )
