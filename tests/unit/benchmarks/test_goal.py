"""Goals: the table and the comparison with the baseline."""

from __future__ import annotations

import pytest

from benchmarks.report.goal import Goal, regressions, table


def goal(name: str, result: float, *, higher_is_better: bool = True, ratio: bool = True) -> Goal:
    return Goal(name, result, 10.0, "x", higher_is_better, ratio)


@pytest.mark.parametrize(("result", "count"), [(10.0, 0), (8.6, 0), (8.4, 1)])
def test_a_loss_of_more_than_15_percent_is_a_regression(result: float, count: int) -> None:
    assert len(regressions([goal("a", result)], {"a": 10.0})) == count


def test_only_ratios_in_the_baseline_are_compared() -> None:
    assert regressions([goal("new", 1), goal("a", 1, ratio=False)], {"a": 10.0}) == []


def test_the_table_marks_goals_that_were_reached() -> None:
    lines = table([goal("more", 11), goal("less", 11, higher_is_better=False)]).splitlines()
    assert "| ≥ 10 x | yes |" in lines[2]
    assert "| ≤ 10 x | **no** |" in lines[3]
