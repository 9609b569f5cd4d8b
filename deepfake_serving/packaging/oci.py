"""Models as OCI artifacts, by oras-py with our timeouts and our rule on plain http."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import oras.auth
from oras.auth.token import TokenAuth
from oras.container import Container
from oras.defaults import annotation_title
from oras.provider import Registry

from deepfake_serving.packaging.https import Bounded, trusted
from deepfake_serving.packaging.source_content import (
    CHUNK,
    Content,
    SourceUnreachable,
    UnsupportedSource,
    is_loopback,
)


def open_oci(source: str) -> Content:
    """Opens one layer; the manifest is not verified, because the file's digest is known."""
    reference, _, title = source.partition("://")[2].partition("#")
    host, container = reference.partition("/")[0], Container(reference)
    if container.registry != host:  # oras treated the host as a part of the repository's name
        raise UnsupportedSource(f"{source}: not of the form oci://host[:port]/repo:tag")
    registry = _Registry(host)
    layer = _layer(source, registry.get_manifest(container), title)
    response = registry.get_blob(container, layer["digest"], stream=True)
    response.raise_for_status()
    return Content(layer.get("size"), response.iter_content(CHUNK), response.close)


def _layer(source: str, manifest: dict[str, Any], title: str) -> dict[str, Any]:
    """Returns the layer with a title, or the only one (`org.opencontainers.image.title`)."""
    layers = {
        str((layer.get("annotations") or {}).get(annotation_title, layer["digest"])): layer
        for layer in manifest.get("layers") or []
    }
    if title not in layers and (title or len(layers) != 1):
        raise SourceUnreachable(f"{source}: choose one with #name from {sorted(layers)}")
    return layers[title] if title else next(iter(layers.values()))


class _Registry(Registry):  # type: ignore[misc]  # oras has no types
    """An OCI registry: plain http on loopback, like Docker, and TLS everywhere else."""

    def __init__(self, host: str) -> None:
        super().__init__(
            insecure=is_loopback(urlsplit(f"//{host}").hostname),
            tls_verify=trusted(),
            auth_backend="as_challenged",
        )
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, Bounded())

    def do_request(self, *args: Any, **options: Any) -> Any:
        """Requests without oras's retries, which sleep for 131 s even if access is denied."""
        return Registry.do_request.__wrapped__(self, *args, **options)


class _AsChallenged(TokenAuth):  # type: ignore[misc]  # oras has no types
    """Authenticates with a token, or with the password if the registry requests `Basic`."""

    def authenticate_request(self, original: Any, headers: Any, refresh: bool = False) -> Any:
        if not original.headers.get("Www-Authenticate", "").lower().startswith("basic"):
            return super().authenticate_request(original, headers, refresh)
        known = getattr(self, "_basic_auth", None)
        return {**headers, "Authorization": f"Basic {known}"}, known is not None


oras.auth.auth_backends["as_challenged"] = _AsChallenged
