"""Goals: the table and the comparison with the baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks.report.goal
from benchmarks.report.goal import (
    OTHER_CPU_LOSS,
    SAME_CPU_LOSS,
    Goal,
    reference,
    regressions,
    table,
)


def goal(name: str, result: float, *, higher_is_better: bool = True, ratio: bool = True) -> Goal:
    return Goal(name, result, 10.0, "x", higher_is_better, ratio)


@pytest.mark.parametrize(("result", "count"), [(10.0, 0), (7.6, 0), (7.4, 1)])
def test_a_loss_of_more_than_25_percent_is_a_regression(result: float, count: int) -> None:
    assert len(regressions([goal("a", result)], {"a": 10.0}, SAME_CPU_LOSS)) == count


def test_only_ratios_in_the_baseline_are_compared() -> None:
    goals = [goal("new", 1), goal("memory", 1, ratio=False), goal("a", 10)]
    assert regressions(goals, {"a": 10.0}, SAME_CPU_LOSS) == []


def test_a_missing_ratio_is_a_regression() -> None:
    assert regressions([], {"a": 10.0}, SAME_CPU_LOSS) == ["a: not measured"]


def test_an_unknown_cpu_is_compared_with_the_lowest_ratios() -> None:
    baselines = {"one": {"a": 10.0, "b": 3.0}, "two": {"a": 8.0}}
    assert reference(baselines, "two") == ({"a": 8.0}, SAME_CPU_LOSS)
    assert reference(baselines, "three") == ({"a": 8.0, "b": 3.0}, OTHER_CPU_LOSS)


def test_the_recorded_baseline_applies_to_every_cpu() -> None:
    path = Path(benchmarks.report.goal.__file__).parents[1] / "baseline.json"
    ratios, _ = reference(json.loads(path.read_text()), "a CPU that does not exist")
    assert ratios
    assert regressions([], ratios, OTHER_CPU_LOSS)


def test_the_table_marks_goals_that_were_met() -> None:
    lines = table([goal("more", 11), goal("less", 11, higher_is_better=False)]).splitlines()
    assert "| ≥ 10 x | yes |" in lines[2]
    assert "| ≤ 10 x | **no** |" in lines[3]
