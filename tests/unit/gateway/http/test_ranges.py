"""`Range` headers and conditions as players and clients send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepfake_serving.contracts.problems import UnsatisfiableRange
from deepfake_serving.gateway.http.ranges import parse_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        (" bytes=1-2 ", (1, 3)),
    ],
)
def test_a_range_is_parsed(header: str, expected: tuple[int, int]) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes=",
        "bytes=-",
        "bytes=5-4",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=a-b",
    ],
)
def test_an_invalid_range_header_means_the_whole_file(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_after_the_end_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRange, match="100 bytes"):
        parse_range(header, 100)


@given(st.text(), st.integers(0, 10**12))
def test_a_range_lies_within_the_file(header: str, size: int) -> None:
    for text in (header, f"bytes={header}"):
        try:
            found = parse_range(text, size)
        except UnsatisfiableRange:
            continue
        assert found is None or 0 <= found[0] < found[1] <= size
