"""Settings of TLS to model servers."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from deepfake_serving.runtime.settings import ServerSettings


class UpstreamTLSSettings(ServerSettings):
    """The files of TLS to the pools whose URL is `https://`, for REST and gRPC."""

    upstream_ca: Path | None = Field(
        None,
        description="PEM file of the CA of the model servers' certificates, which `https://` in "
        "`routing` needs; they must name the URL's host. It is read again when it changes, as are "
        "the certificate and its key.",
    )
    upstream_certificate: Path | None = Field(
        None, description="PEM file of the certificate that model servers get; unset: none."
    )
    upstream_key: Path | None = Field(
        None, description="PEM file of that certificate's private key."
    )
