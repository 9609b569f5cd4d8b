"""Goals: measured values beside the values to reach, and regressions from the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MAX_LOSS = 0.15


@dataclass(frozen=True, slots=True)
class Goal:
    """A measured value and its goal: one line of the table."""

    name: str
    result: float
    goal: float
    unit: str
    higher_is_better: bool
    ratio: bool
    """A stable ratio within one run. Only these are compared with the baseline."""
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.result >= self.goal if self.higher_is_better else self.result <= self.goal


def table(goals: Sequence[Goal]) -> str:
    """Returns the goals as a Markdown table."""
    lines = ["| what | result | goal | reached | |", "| --- | ---: | ---: | --- | --- |"]
    for each in goals:
        sign = "≥" if each.higher_is_better else "≤"
        goal = f"{sign} {each.goal:g} {each.unit}" if each.goal else ""
        reached = ("yes" if each.reached else "**no**") if each.goal else ""
        lines.append(
            f"| {each.name} | {each.result:g} {each.unit} | {goal} | {reached} | {each.note} |"
        )
    return "\n".join(lines)


def regressions(goals: Sequence[Goal], baseline: dict[str, float]) -> list[str]:
    """Returns a line for each ratio that is more than 15 % worse than in the baseline."""
    found = []
    for each in goals:
        before = baseline.get(each.name)
        if each.ratio and before is not None and each.result < (1 - _MAX_LOSS) * before:
            found.append(f"{each.name}: {each.result:g}, but {before:g} in the baseline")
    return found
