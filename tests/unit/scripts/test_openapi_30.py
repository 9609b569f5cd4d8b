"""The OpenAPI document in version 3.0."""

from __future__ import annotations

import json

from openapi_spec_validator import OpenAPIV30SpecValidator

from scripts.openapi import document_30
from scripts.openapi_30 import downgrade


def test_the_document_is_valid_in_version_3_0() -> None:
    OpenAPIV30SpecValidator(json.loads(document_30())).validate()


def test_null_becomes_nullable_and_a_constant_an_enum() -> None:
    converted = downgrade(
        {
            "a": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "A"},
            "b": {"anyOf": [{"$ref": "#/x"}, {"type": "null"}]},
            "c": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
            "d": [{"const": "x"}],
        }
    )
    assert converted == {
        "openapi": "3.0.3",
        "a": {"type": "string", "nullable": True, "title": "A"},
        "b": {"allOf": [{"$ref": "#/x"}], "nullable": True},
        "c": {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
        "d": [{"enum": ["x"]}],
    }
