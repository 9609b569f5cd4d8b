"""Goals: measured values beside the values to reach, and regressions from the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Ratios = Mapping[str, float]
"""Ratios by the names of their goals."""

SAME_CPU_LOSS, OTHER_CPU_LOSS = 0.25, 0.40
"""Fractions that a ratio may lose. Caches, cores and instruction sets move the two sides of a ratio
differently: on one virtual CPU the same code gave 11.1 to 14.2, and 21.7 on another vendor's."""


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


def reference(baselines: Mapping[str, Ratios], cpu: str) -> tuple[Ratios, float]:
    """Returns the ratios to compare a CPU's with, and the fraction that they may lose.

    A CPU that is not in the baselines is compared with the lowest ratio of all others.
    """
    if cpu in baselines:
        return baselines[cpu], SAME_CPU_LOSS
    names = {name for ratios in baselines.values() for name in ratios}
    lowest = {name: min(r[name] for r in baselines.values() if name in r) for name in names}
    return lowest, OTHER_CPU_LOSS


def regressions(goals: Sequence[Goal], baseline: Ratios, max_loss: float) -> list[str]:
    """Returns a line for each ratio that is worse than the baseline by more than `max_loss`.

    A ratio of the baseline that was not measured is a line too, so that no check passes by
    measuring nothing.
    """
    measured = {each.name: each.result for each in goals if each.ratio}
    found = [f"{name}: not measured" for name in baseline if name not in measured]
    for name, result in measured.items():
        before = baseline.get(name)
        if before is not None and result < (1 - max_loss) * before:
            found.append(f"{name}: {result:g}, but {before:g} in the baseline")
    return found
