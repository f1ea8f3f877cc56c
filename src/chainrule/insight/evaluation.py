"""The numbers of formulas, given those of the symbols in them: at many elements together, sums in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from .algebra import Apply, AtLeast, Atom, Delta, Formula, Group, Product, Symbol, TooLong, Total, Whole
from .formulas import Place
from .functions import function_values
from .positions import Index, Position, value

MOST_TOGETHER = 1 << 15  # elements, those of a sum among them


def values_of(
    formula: Formula,
    arrays: dict[str, np.ndarray],
    place: Place,
    shape: tuple[int, ...],
    most: int = 12,
    steps: int = 2_000_000,
) -> dict[tuple[int, ...], Any] | None:
    """A formula's numbers at the first elements of a tensor of this shape; None where that cannot be computed.

    Where all of them take more than `steps` factors, it is the first alone."""
    wheres = list(islice(np.ndindex(shape), most))
    for chosen in (wheres, wheres[:1]):
        free = {p: np.array([w[d] for w in chosen]) for d, p in enumerate(place) if isinstance(p, Index)}
        try:
            with np.errstate(all="ignore"):
                found = _Evaluation(arrays, steps).formula(formula, Elements(len(chosen), free))
        except TooLong:
            continue
        except (KeyError, ArithmeticError):
            return None
        return dict(zip(chosen, found.tolist()))
    return None


class Elements(NamedTuple):
    """Elements that a formula is evaluated at together: how many (`number`), and what the indices are there."""

    number: int
    places: dict[Index, np.ndarray]

    def chosen(self, which: Any) -> Elements:
        places = {index: place[which] for index, place in self.places.items()}
        return Elements(np.empty(self.number)[which].size, places)

    def along(self, index: Index, numbers: range) -> Elements:
        """Each of them with every one of these numbers for another index."""
        places = {one: np.repeat(place, len(numbers)) for one, place in self.places.items()}
        return Elements(self.number * len(numbers), {**places, index: np.tile(np.array(numbers), self.number)})


class _Evaluation:
    """The numbers of formulas as far as `steps` factors go: then TooLong. KeyError: one is not known."""

    def __init__(self, arrays: dict[str, np.ndarray], steps: int) -> None:
        self.arrays, self.steps = arrays, steps
        self._flat: dict[str, np.ndarray] = {}

    def formula(self, formula: Formula, at: Elements) -> np.ndarray:
        result: Any = np.zeros(at.number)
        for monomial, coefficient in formula.terms.items():
            left, where = at, np.arange(at.number)
            product: Any = np.full(at.number, float(coefficient))
            for one, exponent in sorted(monomial, key=_rank):
                if not np.all(product):  # a condition that does not hold: the rest may lie outside of its tensor
                    kept = np.flatnonzero(product)
                    left, where, product = left.chosen(kept), where[kept], product[kept]
                self.steps -= max(left.number, 1)
                if self.steps < 0:
                    raise TooLong
                if not left.number:
                    break
                factor = self._atom(one, left)
                product = product * (factor if exponent == 1 else _power(np.asarray(factor), exponent))
            if product.dtype.kind == "c" and result.dtype.kind != "c":
                result = result.astype(product.dtype)
            result[where] += product
        return result

    def _atom(self, one: Atom, at: Elements) -> Any:
        if isinstance(one, Whole):
            one = one.symbol
        if isinstance(one, Symbol):
            return self._symbol(one.name, one.kind, tuple(self._place(p, at) for p in one.index))
        if isinstance(one, Delta):
            return np.equal(self._place(one.left, at), self._place(one.right, at))
        if isinstance(one, AtLeast):
            return np.greater_equal(self._place(one.position, at), 0)
        if isinstance(one, Group):
            return self.formula(one.body, at)
        if isinstance(one, Total):
            return np.concatenate([self._total(one, at.chosen(some)) for some in _pieces(at.number, one.index.size)])
        if isinstance(one, Product):
            return np.concatenate([self._product(one, at.chosen(some)) for some in _pieces(at.number, one.index.size)])
        if isinstance(one, Apply):
            return function_values(one.function, [self.formula(a, at) for a in one.arguments])
        raise KeyError(one)  # a derivative that has only a name

    def _place(self, position: Position, at: Elements) -> Any:
        return value(position, at.places, lambda table, index: self._symbol(table, 0, index).astype(int))  # type: ignore[arg-type, return-value]

    def _symbol(self, name: str, kind: int, index: tuple) -> np.ndarray:
        if name not in self._flat:
            array = self.arrays[name]
            self._flat[name] = array.reshape([n for n in array.shape if n != 1])
        found = self._flat[name][index]
        if found.dtype.kind == "c":
            return np.asarray(found.conjugate() if kind == -1 else found, np.complex128)
        return np.asarray(found, np.float64)

    def _total(self, one: Total, at: Elements) -> np.ndarray:
        result: Any = np.zeros(at.number)
        for start in range(0, one.index.size, MOST_TOGETHER):
            numbers = range(start, min(start + MOST_TOGETHER, one.index.size))
            terms = self.formula(one.body, at.along(one.index, numbers))
            result = result + terms.reshape(at.number, len(numbers)).sum(1)
        return result

    def _product(self, one: Product, at: Elements) -> np.ndarray:
        inside = at.along(one.index, range(one.index.size))
        counts = np.ones(inside.number, bool)
        for position in one.but:
            counts &= np.not_equal(inside.places[one.index], self._place(position, inside))
        for position in one.where:
            counts &= np.greater_equal(self._place(position, inside), 0)
        factors = self.formula(one.body, inside.chosen(counts))
        result = np.ones(inside.number, factors.dtype)
        result[counts] = factors
        return result.reshape(at.number, one.index.size).prod(1)


def _pieces(number: int, size: int) -> Iterator[slice]:
    """Slices of so many elements that all of them with `size` numbers each are not too many."""
    step = max(1, MOST_TOGETHER // max(size, 1))
    return (slice(start, start + step) for start in range(0, max(number, 1), step))


_CONDITIONS = {"above", "not_below", "positive", "between"}


def _rank(factor: tuple[Atom, Fraction]) -> int:
    """The order in which factors are looked at: ranges before equalities, in which entries of tables may stand."""
    one = factor[0]
    for rank, kind in enumerate((AtLeast, Delta)):
        if isinstance(one, kind):
            return rank
    return 2 if isinstance(one, Apply) and one.function in _CONDITIONS else 3


def _power(numbers: np.ndarray, exponent: Fraction) -> np.ndarray:
    """nan and inf as in IEEE arithmetic, but FloatingPointError for what is too large for a float."""
    power = exponent.numerator if exponent.denominator == 1 else float(exponent)
    if exponent < 0:
        numbers = np.where(numbers == 0, 0.0, numbers)  # without its sign
    with np.errstate(over="raise"):
        return numbers**power
