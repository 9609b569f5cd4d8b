"""Every shell block of the first pages is run by a test, or listed with the reason why not."""

from __future__ import annotations

import pytest

from tests.support.documented_commands import NOT_RUN, PAGES, blocks


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_in_a_form_that_tests_find(page: str) -> None:
    assert blocks(page)


def test_every_reason_is_that_of_a_block() -> None:
    starts = [block.commands for page in PAGES for block in blocks(page)]
    for start in NOT_RUN:
        assert any(commands.startswith(start) for commands in starts), start


def test_the_steps_of_the_tutorial_show_their_output() -> None:
    steps = [block for block in blocks("docs/tutorial.md") if not block.listed]
    assert len(steps) == 4
    for block in steps:
        assert block.output is not None, block.name
