"""Content credentials and metadata, read from files that the tests make and sign."""

from __future__ import annotations

import asyncio
import hashlib
import io
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from deepfake_serving.contracts.provenance import CredentialAction, Provenance
from deepfake_serving.provenance import child, credentials
from deepfake_serving.provenance.reader import ProvenanceReader, read_anchors
from deepfake_serving.runtime.settings import SettingsError
from tests.support.signed_images import GENERATED, Authority, create_authority, sign_image

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description Iptc4xmpExt:DigitalSourceType="'
    '{}" xmp:CreatorTool="Tool of XMP"/></rdf:RDF></x:xmpmeta>'
)
OPENS = """
import socket, sys
from deepfake_serving.provenance.child import _limit
_limit(30)
for attempt in (lambda: open('/dev/null'), socket.socket):
    try:
        attempt()
    except OSError:
        sys.stderr.write('refused ')
"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return create_authority()


@pytest.fixture(scope="module")
def signed(authority: Authority) -> bytes:
    return sign_image(jpeg(), authority)


def jpeg(
    software: str | None = None, camera: tuple[str, str] | None = None, xmp: str = ""
) -> bytes:
    exif = Image.Exif()
    if software:
        exif[ExifTags.Base.Software] = software
    if camera:
        exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = camera
    stream = io.BytesIO()
    image = Image.effect_noise((128, 128), 40).convert("RGB")
    image.save(stream, "JPEG", exif=exif, xmp=xmp.encode())
    return stream.getvalue()


def read(data: bytes, anchors: str = "", timeout_s: float = 3600) -> Provenance:
    return asyncio.run(ProvenanceReader(anchors, timeout_s).read(data))


# Content credentials -----------------------------------------------------------------------------


def test_a_trusted_signature(signed: bytes, authority: Authority) -> None:
    found = read(signed, authority.root)
    assert found.sha256 == hashlib.sha256(signed).hexdigest()
    assert found.unread is None
    assert found.contradictions == []
    signed_by = found.credentials
    assert signed_by is not None
    assert (signed_by.state, signed_by.signer) == ("trusted", "Test press")
    assert signed_by.signer_name == "Test camera"
    assert signed_by.generator == "Test editor 1.2"
    assert signed_by.failures == []
    assert signed_by.actions == [
        CredentialAction("c2pa.created", "Test camera 3", "digitalCapture"),
        CredentialAction("c2pa.color_adjustments", "Test editor", None, "2026-01-01T00:00:00Z"),
    ]


def test_a_signer_that_the_list_does_not_name_is_valid_but_not_trusted(signed: bytes) -> None:
    for anchors in (None, create_authority().root):
        found = child.read(signed, anchors).credentials
        assert found is not None
        assert (found.state, found.failures) == ("valid", [])


def test_pixels_that_changed_after_signing_are_invalid(signed: bytes, authority: Authority) -> None:
    changed = bytearray(signed)
    changed[-200] ^= 0xFF
    found = child.read(bytes(changed), authority.root)
    assert found.credentials is not None
    assert found.credentials.state == "invalid"
    assert found.credentials.failures == ["assertion.dataHash.mismatch"]
    assert found.contradictions == ["invalid_credentials"]


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_other_formats(form: str, authority: Authority) -> None:
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 40).convert("RGB").save(stream, form)
    media_type = f"image/{form.lower()}"
    data = sign_image(stream.getvalue(), authority, media_type=media_type)
    found = child.read(data, authority.root).credentials
    assert found is not None
    assert found.state == "trusted"


def test_remote_credentials_are_not_fetched(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        found = child.read(sign_image(jpeg(), authority, remote_url=url), None)
        assert found.credentials is None
        with pytest.raises(TimeoutError):
            server.accept()


def test_without_the_extra_metadata_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = child.read(jpeg(software="Test editor"), None)
    assert found.credentials is None
    assert found.unread is not None
    assert "the extra `provenance` is missing" in found.unread
    assert found.software == "Test editor"


def test_long_lists_and_texts_are_cut() -> None:
    action = {"action": "a" * 1000, "softwareAgent": "line\nbreak \x1b[31m"}
    assertion = {"label": "c2pa.actions", "data": {"actions": [action] * 500}}
    store = {"active_manifest": "m", "manifests": {"m": {"assertions": [assertion]}}}
    found = credentials.parse_store(store, "Valid")
    assert len(found.actions) == 64
    assert len(found.actions[0].action) == 200
    assert found.actions[0].software == "line break [31m"


# Metadata ----------------------------------------------------------------------------------------


def test_exif_and_xmp() -> None:
    found = child.read(jpeg("Editor 5", ("Example", "Example One"), XMP.format(GENERATED)), None)
    assert found.credentials is None
    assert found.unread is None
    assert (found.software, found.camera) == ("Editor 5", "Example One")
    assert found.source_type == "trainedAlgorithmicMedia"
    assert found.contradictions == ["camera_of_generated_image"]


def test_the_tool_of_xmp_where_exif_has_none() -> None:
    assert child.read(jpeg(xmp=XMP.format(GENERATED)), None).software == "Tool of XMP"


def test_credentials_that_name_another_source_than_the_metadata(authority: Authority) -> None:
    found = child.read(sign_image(jpeg(xmp=XMP.format(GENERATED)), authority), None)
    assert "source_types_differ" in found.contradictions


@pytest.mark.parametrize("data", [b"", b"text", b"\xff\xd8\xff" + bytes(100)])
def test_bytes_that_are_no_image_have_a_digest_only(data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    assert child.read(data, None) == Provenance(digest, unread="the file's format is unknown")


# The process -------------------------------------------------------------------------------------


def test_a_process_that_takes_too_long_leaves_the_digest(signed: bytes) -> None:
    slow = read(signed, timeout_s=0.001)
    assert slow.sha256 == hashlib.sha256(signed).hexdigest()
    assert slow.unread == "reading it took longer than the limit of 0.001 s"


def test_a_large_file_is_read_completely(authority: Authority) -> None:
    stream = io.BytesIO()
    Image.effect_noise((2048, 2048), 90).convert("RGB").save(stream, "JPEG", quality=95)
    found = read(sign_image(stream.getvalue(), authority), authority.root)
    assert found.credentials is not None
    assert found.credentials.state == "trusted"


def test_the_process_can_open_nothing() -> None:
    """Runs in another process, because the limits can't be raised again."""
    ended = subprocess.run([sys.executable, "-c", OPENS], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "refused refused ")


def test_anchors_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="provenance_anchors"):
        read_anchors(tmp_path / "missing.pem")
    assert read_anchors(None) == ""
