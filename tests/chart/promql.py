"""Parses the selectors and operands of a PromQL expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    parse,
)

_FILTERS = {"==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}


@dataclass(frozen=True)
class Selector:
    """One selection of series.

    `matchers` as written, `code=~"5.."`; `labels` those that its matchers and the groupings around
    it name; `function` what is applied to it directly.
    """

    name: str
    matchers: tuple[str, ...]
    labels: frozenset[str]
    function: str | None

    def text(self, without: frozenset[str] = frozenset()) -> str:
        """Returns PromQL, without the matchers of some labels."""
        kept = [m for m in self.matchers if label_of(m) not in without]
        return f"{self.name}{{{','.join(kept)}}}"


def label_of(matcher: str) -> str:
    return re.split("[!=]", matcher, maxsplit=1)[0]


def selectors(text: str) -> list[Selector]:
    """Returns all selectors of an expression.

    Raises:
        ValueError: it is not valid PromQL.
    """
    return list(_selectors(parse(text), frozenset(), None))


def _selectors(expr: Expr, around: frozenset[str], function: str | None) -> Iterator[Selector]:
    match expr:
        case VectorSelector():
            matchers = tuple(str(matcher) for matcher in expr.matchers.matchers)
            labels = around | {label_of(matcher) for matcher in matchers}
            yield Selector(expr.name or "", matchers, labels, function)
        case MatrixSelector():
            yield from _selectors(expr.vector_selector, around, function)
        case AggregateExpr():
            named = frozenset(expr.modifier.labels if expr.modifier else ())
            yield from _selectors(expr.expr, around | named, None)
        case BinaryExpr():
            matching = expr.modifier.matching if expr.modifier else None
            named = frozenset(matching.labels if matching else ())
            for side in (expr.lhs, expr.rhs):
                yield from _selectors(side, around | named, None)
        case Call():
            for argument in expr.args:
                yield from _selectors(argument, around, expr.func.name)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            yield from _selectors(expr.expr, around, function)


def operands(text: str) -> list[str]:
    """Returns the operands of an expression: of a comparison or filter its vectors, of `absent` its
    argument. Each has a value if its names are right, even if the whole expression has none."""
    return list(_operands(parse(text)))


def _operands(expr: Expr) -> Iterator[str]:
    match expr:
        case BinaryExpr() if str(expr.op) in _FILTERS:
            yield from _operands(expr.lhs)
            yield from _operands(expr.rhs)
        case ParenExpr():
            yield from _operands(expr.expr)
        case AggregateExpr(expr=BinaryExpr() as filtered) if str(filtered.op) in _FILTERS:
            yield from _operands(filtered)
        case Call() if expr.func.name == "absent":
            yield from _operands(expr.args[0])
        case _ if any(_selectors(expr, frozenset(), None)):
            yield str(expr)
        case NumberLiteral() | _:
            return
