"""The numbers of formulas, given those of the symbols in them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple, cast

import numpy as np

from .algebra import Apply, AtLeast, Atom, Delta, Formula, Group, Product, Symbol, TooLong, Total, Whole
from .formulas import Place
from .positions import Index, Position, value


class _Values(NamedTuple):
    arrays: dict[str, np.ndarray]

    def __call__(self, one: Symbol) -> Any:
        array = self.arrays[one.name]
        value = array.reshape([n for n in array.shape if n != 1])[cast(Any, one.index)]
        if array.dtype.kind == "c":
            return complex(value.conjugate() if one.kind == -1 else value)
        return float(value)


def values_of(
    formula: Formula,
    arrays: dict[str, np.ndarray],
    place: Place,
    shape: tuple[int, ...],
    most: int = 12,
    steps: int = 200_000,
) -> dict[tuple[int, ...], float] | None:
    """A formula's numbers at the first elements of a tensor of this shape; None where that cannot be computed."""
    found: dict[tuple[int, ...], float] = {}
    look_up: Any = _Values(arrays)
    effort = [steps]
    for where in np.ndindex(shape):
        if len(found) == most:
            break
        free = {p: w for p, w in zip(place, where) if isinstance(p, Index)}
        try:
            found[where] = evaluate(formula, look_up, free, effort)
        except (KeyError, TooLong, OverflowError):
            return found if found and effort[0] < 0 else None
    return found


def evaluate(formula: Formula, values: Callable[[Symbol], float], places: dict[Index, int], effort: list[int]) -> float:
    """The formula's number, given those of the symbols and of the free indices. `effort` counts down; TooLong at 0."""
    result = 0.0
    for monomial, coefficient in formula.terms.items():
        product = float(coefficient)
        for one, exponent in sorted(monomial, key=_rank):
            if not product:
                break  # a condition that does not hold: the rest may lie outside of its tensor
            effort[0] -= 1
            if effort[0] < 0:
                raise TooLong
            value = _atom_value(one, values, places, effort)
            product *= value if exponent == 1 else _power(value, exponent)
        result += product
    return result


_CONDITIONS = {"above", "equal", "not_below", "positive", "between"}


def _rank(factor: tuple[Atom, Fraction]) -> int:
    """The order in which factors are looked at: ranges before equalities, in which entries of tables may stand."""
    one = factor[0]
    for rank, kind in enumerate((AtLeast, Delta)):
        if isinstance(one, kind):
            return rank
    return 2 if isinstance(one, Apply) and one.function in _CONDITIONS else 3


def _power(value: float, exponent: Fraction) -> float:
    if value == 0 and exponent < 0:
        return float("inf")
    if isinstance(value, complex):
        return value ** (exponent.numerator if exponent.denominator == 1 else float(exponent))
    if value < 0 and exponent.denominator != 1:
        return float("nan")
    return float(value) ** (exponent.numerator if exponent.denominator == 1 else float(exponent))


def _atom_value(one: Atom, values, places: dict[Index, int], effort: list[int]) -> float:
    def place_of(position: Position) -> int:
        return value(position, places, lambda table, index: int(values(Symbol(table, index))))

    if isinstance(one, Whole):
        one = one.symbol
    if isinstance(one, Symbol):
        return values(one._replace(index=tuple(place_of(p) for p in one.index)))
    if isinstance(one, Delta):
        return float(place_of(one.left) == place_of(one.right))
    if isinstance(one, AtLeast):
        return float(place_of(one.position) >= 0)
    if isinstance(one, Group):
        return evaluate(one.body, values, places, effort)
    if isinstance(one, Total):
        return sum(evaluate(one.body, values, {**places, one.index: i}, effort) for i in range(one.index.size))
    if isinstance(one, Product):
        result, but = 1.0, {place_of(p) for p in one.but}
        for i in range(one.index.size):
            inside = {**places, one.index: i}
            if i not in but and all(value(p, inside, None) >= 0 for p in one.where):  # type: ignore[arg-type]
                result *= evaluate(one.body, values, inside, effort)
        return result
    if isinstance(one, Apply):
        from .functions import function_value

        arguments = [evaluate(a, values, places, effort) for a in one.arguments]
        return function_value(one.function, arguments)
    raise KeyError(one)  # a derivative that has only a name
