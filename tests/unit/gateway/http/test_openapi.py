"""The OpenAPI document describes the responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from deepfake_serving.contracts.problems import BY_TYPE
from deepfake_serving.contracts.verdict import ImageVerdict
from deepfake_serving.gateway.documents import JobDocument, ProblemDocument
from deepfake_serving.gateway.http.openapi.examples import IMAGE, JOB, PROBLEM
from scripts.openapi import document


@pytest.mark.parametrize(
    ("kind", "example"),
    [(ImageVerdict, IMAGE), (JobDocument, JOB), (ProblemDocument, PROBLEM)],
    ids=["image", "job", "problem"],
)
def test_examples_match_their_schemas(kind: type[Any], example: dict[str, Any]) -> None:
    read = TypeAdapter(kind).validate_python(example)
    assert TypeAdapter(kind).dump_python(read, exclude_unset=False).keys() >= example.keys()


def test_the_example_problem_has_a_known_type_and_status() -> None:
    assert BY_TYPE[PROBLEM["type"]].status == PROBLEM["status"]


def test_every_operation_has_a_unique_id_and_describes_problems() -> None:
    paths = json.loads(document())["paths"]
    operations = [each for path in paths.values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names) > 15
    for each in operations:
        assert "application/problem+json" in each["responses"]["4XX"]["content"]
