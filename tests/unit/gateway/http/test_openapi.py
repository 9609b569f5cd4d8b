"""The OpenAPI document describes the responses."""

from __future__ import annotations

import json
from typing import Any

from deepfake_serving.contracts.problems import BY_TYPE
from scripts.openapi import document
from tests.support.published_schema import PublishedSchema

PATHS = json.loads(document())["paths"]
OPERATIONS: list[dict[str, Any]] = [each for path in PATHS.values() for each in path.values()]
EXAMPLES: list[tuple[str, str, Any]] = [
    (status, content["schema"]["$ref"].rpartition("/")[2], content["example"])
    for operation in OPERATIONS
    for status, response in operation["responses"].items()
    for content in response.get("content", {}).values()
    if "example" in content
]
"""Status, name of the schema and example of every response that has one."""


def test_every_example_matches_the_schema_beside_it() -> None:
    schemas = PublishedSchema()
    for _, name, example in EXAMPLES:
        schemas.check_document(name, example)
    names = {name for _, name, _ in EXAMPLES}
    assert names == {"ImageVerdict", "BatchDocument", "JobDocument", "ProblemDocument"}


def test_problems_of_examples_have_the_status_of_their_type_and_response() -> None:
    problems = [(status, each) for status, name, each in EXAMPLES if name == "ProblemDocument"]
    assert {status for status, _ in problems} == {"4XX", "5XX"}
    for status, problem in problems:
        assert BY_TYPE[problem["type"]].status == problem["status"]
        assert problem["status"] // 100 == int(status[0])


def test_every_operation_has_a_unique_id_and_describes_problems() -> None:
    names = [each["operationId"] for each in OPERATIONS]
    assert len(set(names)) == len(names) > 15
    for each in OPERATIONS:
        assert "application/problem+json" in each["responses"]["4XX"]["content"]
