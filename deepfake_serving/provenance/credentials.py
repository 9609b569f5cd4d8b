"""Content credentials by c2pa-python, the reference implementation (extra `provenance`)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

from deepfake_serving.contracts.provenance import (
    ContentCredentials,
    CredentialAction,
    CredentialState,
)
from deepfake_serving.provenance.text import short, term

_STATES: dict[str, CredentialState] = {"Trusted": "trusted", "Valid": "valid"}
_UNTRUSTED = "signingCredential.untrusted"
"""A failure of every signer that no list names; the state says so already."""
_MAX_ACTIONS, _MAX_INGREDIENTS, _MAX_FAILURES = 64, 32, 16


def read_credentials(
    data: bytes, media_type: str, anchors: str | None
) -> ContentCredentials | None:
    """Reads the manifest that is embedded in an image; None without one.

    Nothing is fetched: neither remote manifests nor the status of certificates (OCSP).

    Args:
        anchors: trusted certificates, PEM.

    Raises:
        ImportError: c2pa-python is not installed.
        Exception: the manifest is malformed, or the format has none.
    """
    import c2pa

    settings: dict[str, Any] = {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_trust": True,
        }
    }
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    with c2pa.Context.from_dict(settings) as context:
        reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=context)
        if reader is None:
            return None
        with reader:
            return parse_store(json.loads(reader.json()), reader.get_validation_state())


def parse_store(store: dict[str, Any], state: str | None) -> ContentCredentials:
    """Converts c2pa's JSON of a manifest store.

    Raises:
        LookupError, TypeError, AttributeError: it is malformed.
    """
    manifest = store["manifests"][store["active_manifest"]]
    signature = manifest.get("signature_info") or {}
    return ContentCredentials(
        state=_STATES.get(state or "", "invalid"),
        signer=short(signature.get("issuer")),
        signer_name=short(signature.get("common_name")),
        signed_at=short(signature.get("time")),
        generator=_software(next(iter(manifest.get("claim_generator_info") or []), None)),
        actions=list(_actions(manifest))[:_MAX_ACTIONS],
        ingredients=[
            title
            for each in (manifest.get("ingredients") or [])[:_MAX_INGREDIENTS]
            if (title := short(each.get("title")))
        ],
        failures=_failures(store)[:_MAX_FAILURES],
    )


def _actions(manifest: dict[str, Any]) -> Iterator[CredentialAction]:
    for assertion in manifest.get("assertions") or []:
        if not str(assertion.get("label", "")).startswith("c2pa.actions"):
            continue
        for action in assertion["data"].get("actions") or []:
            yield CredentialAction(
                action=short(action["action"]) or "",
                software=_software(action.get("softwareAgent")),
                source_type=term(action.get("digitalSourceType")),
                when=short(action.get("when")),
            )


def _software(value: Any) -> str | None:
    """Returns name and version; version 1 of the assertion has them as one text."""
    if isinstance(value, dict):
        named = [value.get("name"), value.get("version")]
        return short(" ".join(str(part) for part in named if part))
    return short(value)


def _failures(store: dict[str, Any]) -> list[str]:
    results = (store.get("validation_results") or {}).get("activeManifest") or {}
    codes = (short(each.get("code")) for each in results.get("failure") or [])
    return [code for code in dict.fromkeys(codes) if code and code != _UNTRUSTED]
