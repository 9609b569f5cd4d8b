"""Signed images: a certificate authority of the tests, and credentials by c2pa-python's builder."""

from __future__ import annotations

import datetime as dt
import io
import json
from dataclasses import dataclass
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """A root certificate, and the chain and the key of a signer that it vouches for; all PEM."""

    root: str
    chain: bytes
    key: bytes


def create_authority() -> Authority:
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("Test authority", root_key, root_key, authority=True)
    leaf = _certificate("Test camera", key, root_key, authority=False)
    pem = serialization.Encoding.PEM
    return Authority(
        root.public_bytes(pem).decode(),
        leaf.public_bytes(pem) + root.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    """Creates a certificate of the C2PA profile."""
    now = dt.datetime.now(dt.UTC)
    issuer_public = issuer_key.public_key()
    usages = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"], False
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Test authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                **usages,
            ),
            critical=True,
        )
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test press")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def sign_image(
    image: bytes,
    authority: Authority,
    *,
    source_type: str = CAPTURE,
    media_type: str = "image/jpeg",
    remote_url: str | None = None,
) -> bytes:
    """Returns the image with credentials: created, then its colours adjusted.

    Args:
        remote_url: where a reader should fetch the credentials, which are then not in the file.
    """
    manifest: dict[str, Any] = {
        "claim_generator_info": [{"name": "Test editor", "version": "1.2"}],
        "title": "signed.jpg",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": _actions(source_type)}}],
    }
    builder = c2pa.Builder(json.dumps(manifest))
    if remote_url is not None:
        builder.set_remote_url(remote_url)
        builder.set_no_embed()
    info = c2pa.C2paSignerInfo(
        alg=b"es256", sign_cert=authority.chain, private_key=authority.key, ta_url=None
    )
    signed = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), media_type, io.BytesIO(image), signed)
    return signed.getvalue()


def _actions(source_type: str) -> list[dict[str, Any]]:
    camera = {"name": "Test camera", "version": "3"}
    return [
        {"action": "c2pa.created", "digitalSourceType": source_type, "softwareAgent": camera},
        {
            "action": "c2pa.color_adjustments",
            "softwareAgent": {"name": "Test editor"},
            "when": "2026-01-01T00:00:00Z",
        },
    ]
