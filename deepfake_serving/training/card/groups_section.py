"""The section on error rates by group of faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scipy.stats import binomtest

from deepfake_serving.training.card.markdown import DASH, table
from deepfake_serving.training.development.groups import Group

_HEAD = ("by", "group", "reals", "called fake", "suspicious or fake", "fakes", "called real")
_MIN_FACES = 20
"""Minimum number of faces of a group whose rate is compared with that of all."""


def groups_section(groups: Sequence[Group]) -> Iterator[str]:
    """Yields the table, and the groups whose real faces are suspected more than twice as often."""
    yield "### Error rates by group"
    yield (
        "Uncorrupted faces of all sets together, with 95 % Wilson intervals. Apparent skin tone is "
        "the typology angle of the cheeks' pixels (Del Bino & Bernerd 2013), which lighting "
        "changes as well. Sets differ in more than one of these, so a difference between groups "
        "can be one between sets."
    )
    yield table(_HEAD, [_row(group) for group in groups])
    yield _disparity(groups)


def _row(group: Group) -> list[str]:
    return [
        *(group.by, group.name, str(group.reals)),
        _rate(group.called_fake, group.reals),
        _rate(group.suspected, group.reals),
        str(group.fakes),
        _rate(group.missed, group.fakes),
    ]


def _rate(count: int, total: int) -> str:
    if not total:
        return DASH
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count / total:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _disparity(groups: Sequence[Group]) -> str:
    whole = next(group for group in groups if group.by == "all")
    rate = whole.suspected / max(1, whole.reals)
    unequal = [
        f"{group.by} “{group.name}” ({group.suspected / group.reals:.3f})"
        for group in groups
        if group.reals >= _MIN_FACES and group.suspected > 2 * rate * group.reals
    ]
    if not unequal:
        return (
            f"No group of {_MIN_FACES} or more real faces is labelled suspicious or fake more than "
            f"twice as often as all of them ({rate:.3f})."
        )
    return (
        f"**Labelled suspicious or fake more than twice as often as all real faces ({rate:.3f}): "
        f"{'; '.join(unequal)}.**"
    )
