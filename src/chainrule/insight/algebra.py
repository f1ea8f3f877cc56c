"""A small algebra of formulas with indices: sums of products, functions and sums over an index, and their derivatives.

A `Formula` is a sum of terms, each a rational coefficient times powers of atoms. An atom is a symbol (an element of a
named tensor), a function of formulas, a sum over an index, a Kronecker delta, a group (a sum kept together as one
factor) or a partial derivative that has only a name. Arithmetic collects equal terms, and a sum over a delta disappears:
enough to turn the chain rule's products and sums into the form that a person would write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import count
from math import gcd, lcm
from typing import Any, NamedTuple

_fresh = count().__next__


class TooLong(Exception):
    """A formula has grown beyond what anyone would read."""


MOST_TERMS = 60


class Index(NamedTuple):
    """A variable that counts from 0 to `size` - 1. A number < 0 belongs to the sum that binds it."""

    number: int
    size: int


Position = Index | int  # one place of a tensor's index


def fresh(size: int) -> Index:
    """An index that occurs nowhere else."""
    return Index(_fresh(), size)


class Symbol(NamedTuple):
    """An element of the tensor called `name`."""

    name: str
    index: tuple[Position, ...] = ()  # type: ignore[assignment]  # not the method of tuples


class Apply(NamedTuple):
    """A function of formulas."""

    function: str
    arguments: tuple[Formula, ...]


class Total(NamedTuple):
    """The sum of `body` over `index`."""

    index: Index  # type: ignore[assignment]
    body: Formula


class Delta(NamedTuple):
    """1 where the two indices are equal, else 0."""

    left: Position
    right: Position


class Group(NamedTuple):
    """A sum that stands as one factor, not multiplied out."""

    body: Formula


class Partial(NamedTuple):
    """The derivative of an element of `of` by an element of `by`, where no formula is known."""

    of: Symbol
    by: Symbol


Atom = Symbol | Apply | Total | Delta | Group | Partial
Monomial = tuple[tuple[Atom, Fraction], ...]  # factors and their exponents, in the order in which they came


class Formula:
    """A sum of terms: {factors with their exponents: coefficient}. Immutable."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, Fraction] = {}) -> None:
        self.terms: dict[Monomial, Fraction] = dict(terms)
        self._hash: int | None = None

    # ---- identity: the order of terms and factors does not count

    def _key(self) -> frozenset:
        return frozenset((frozenset(monomial), coefficient) for monomial, coefficient in self.terms.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and hash(self) == hash(other) and self._key() == other._key()

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._key())
        return self._hash

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def number(self) -> Fraction | None:
        """Its value if it is a number, else None."""
        if not self.terms:
            return Fraction(0)
        if len(self.terms) == 1 and () in self.terms:
            return self.terms[()]
        return None

    # ---- arithmetic

    def __add__(self, other: Formula) -> Formula:
        if not self.terms:
            return other
        if not other.terms:
            return self
        terms: dict[Monomial, Fraction] = {}
        known: dict[frozenset, Monomial] = {}
        for monomial, coefficient in (*_ungrouped(self), *_ungrouped(other)):
            first = known.setdefault(frozenset(monomial), monomial)
            total = terms.get(first, 0) + coefficient
            if total:
                terms[first] = total
            else:
                del terms[first]
        if len(terms) > MOST_TERMS:
            raise TooLong
        return Formula(terms)

    def __sub__(self, other: Formula) -> Formula:
        return self + other * number(-1)

    def __mul__(self, other: Formula) -> Formula:
        if not self.terms or not other.terms:
            return ZERO
        left, right = self.number, other.number
        if left is not None or right is not None:
            factor: Any
            factor, formula = (left, other) if left is not None else (right, self)
            terms = dict(_ungrouped(formula))
            return Formula({monomial: coefficient * factor for monomial, coefficient in terms.items()})
        (a, p), (b, q) = _as_product(self), _as_product(other)
        return _product(p * q, (*a, *b))

    def power(self, exponent: Fraction | int) -> Formula:
        """The formula to a rational power."""
        exponent = Fraction(exponent)
        if exponent == 0:
            return ONE
        if exponent == 1:
            return self
        value = self.number
        if value is not None:
            if exponent.denominator == 1 and (value or exponent > 0):
                return number(value**exponent.numerator)
            return atom(Apply("number", (self,)), exponent)
        factors, coefficient = _as_product(self)
        if exponent.denominator != 1 and (coefficient != 1 or len(factors) > 1 or factors[0][1] != 1):
            return atom(Group(self), exponent)  # with negative factors the root of a product is not that of the roots
        scale = coefficient**exponent.numerator if coefficient != 1 else Fraction(1)
        return _product(scale, tuple((one, e * exponent) for one, e in factors))

    # ---- looking inside

    def atoms(self) -> Iterable[Atom]:
        """Every atom, also those inside other atoms."""
        for monomial in self.terms:
            for one, _ in monomial:
                yield one
                for inner in _parts(one):
                    yield from inner.atoms()

    def indices(self) -> set[Index]:
        """The indices that no sum inside binds."""
        found: set[Index] = set()
        for monomial in self.terms:
            for one, _ in monomial:
                found |= _indices_of(one)
        return found

    def replace(self, change: Callable[[Atom], Formula | None]) -> Formula:
        """The formula with each atom replaced by what `change` says; None: look inside the atom."""
        result = ZERO
        for monomial, coefficient in self.terms.items():
            product = number(coefficient)
            for one, exponent in monomial:
                new = change(one)
                if new is None:
                    new = _rebuild(one, lambda part: part.replace(change))
                product = product * new.power(exponent)
            result = result + product
        return result

    def rename(self, old: Position, new: Position) -> Formula:
        """The formula with one index in place of another."""

        def change(one: Atom) -> Formula | None:
            if isinstance(one, Symbol):
                return _renamed_symbol(one, old, new)
            if isinstance(one, Delta):
                return delta(new if one.left == old else one.left, new if one.right == old else one.right)
            if isinstance(one, Partial):
                of, by = (_swap(s, old, new) for s in (one.of, one.by))
                return atom(Partial(of, by))
            return None

        return self.replace(change) if isinstance(old, Index) and old in self.indices() else self

    def derivative(self, by: Symbol) -> Formula:
        """The derivative by an element of a tensor; deltas say for which elements it is not zero."""
        result = ZERO
        for monomial, coefficient in self.terms.items():
            for place, (one, exponent) in enumerate(monomial):
                slope = _atom_derivative(one, by)
                if not slope:
                    continue
                lowered = (*monomial[:place], (one, exponent - 1), *monomial[place + 1 :])
                result = result + _product(coefficient * exponent, lowered) * slope
        return result

    def __repr__(self) -> str:
        from .writing import text

        return text(self)


def number(value: Fraction | int) -> Formula:
    """A rational number as a formula."""
    return Formula({(): Fraction(value)}) if value else ZERO


def atom(one: Atom, exponent: Fraction | int = 1) -> Formula:
    """A power of an atom as a formula."""
    return Formula({((one, Fraction(exponent)),): Fraction(1)})


def substituted(formula: Formula, change: Callable[[Atom], Formula | None]) -> Formula:
    """`formula.replace(change)`, but a product stays one: 3/2·b with b = a + 2 is 3/2·(a + 2), not multiplied out."""
    if len(formula.terms) != 1:
        return formula.replace(change)
    ((monomial, coefficient),) = formula.terms.items()
    factors: list[tuple[Atom, Fraction]] = []
    for one, exponent in monomial:
        new = atom(one).replace(change).power(exponent)
        if len(new.terms) != 1:
            factors.append((Group(new), Fraction(1)))
            continue
        ((inner, scale),) = new.terms.items()
        coefficient *= scale
        factors += inner
    return _product(coefficient, tuple(factors))


def symbol(name: str, *index: Position) -> Formula:
    return atom(Symbol(name, index))


def apply(function: str, *arguments: Formula) -> Formula:
    """A function of formulas; simplified where it is a number's absolute value and the like."""
    return atom(Apply(function, arguments))


ZERO = Formula()
ONE = Formula({(): Fraction(1)})


def delta(left: Position, right: Position) -> Formula:
    """1 where two indices are equal."""
    if left == right:
        return ONE
    if isinstance(left, int) and isinstance(right, int):
        return ZERO
    return atom(Delta(left, right))


def total(index: Index, body: Formula) -> Formula:
    """The sum of `body` over `index`: factors without the index come out, and a delta leaves one element."""
    result = ZERO
    for monomial, coefficient in body.terms.items():
        met = next(
            (
                (place, other)
                for place, (one, _) in enumerate(monomial)
                if isinstance(one, Delta) and index in one
                for other in [one.right if one.left == index else one.left]
            ),
            None,
        )
        if met is not None:
            place, other = met
            rest = _product(coefficient, (*monomial[:place], *monomial[place + 1 :]))
            result = result + rest.rename(index, other)
            continue
        outside = tuple(factor for factor in monomial if index not in _indices_of(factor[0]))
        inside = tuple(factor for factor in monomial if index in _indices_of(factor[0]))
        if not inside:
            result = result + _product(coefficient * index.size, outside)
            continue
        result = result + _product(coefficient, outside) * _bind(index, _product(Fraction(1), inside))
    return result


def _bind(index: Index, body: Formula) -> Formula:
    # A canonical number for the bound index makes equal sums equal: deeper than every sum inside.
    bound = Index(-1 - _depth(body), index.size)
    return atom(Total(bound, body.rename(index, bound)))


def _depth(formula: Formula) -> int:
    return max((1 + _depth(one.body) for one in formula.atoms() if isinstance(one, Total)), default=0)


def opened(one: Total) -> tuple[Index, Formula]:
    """A sum's body under a fresh index."""
    index = fresh(one.index.size)
    return index, one.body.rename(one.index, index)


def _as_product(formula: Formula) -> tuple[Monomial, Fraction]:
    """A formula as a coefficient and factors: itself if it is one term, else one group."""
    if len(formula.terms) == 1:
        ((monomial, coefficient),) = formula.terms.items()
        return monomial, coefficient
    content = _content(formula)
    body = Formula({m: c / content for m, c in formula.terms.items()}) if content != 1 else formula
    return ((Group(body), Fraction(1)),), content


def _content(formula: Formula) -> Fraction:
    """The largest rational number that divides all coefficients."""
    values = list(formula.terms.values())
    return Fraction(gcd(*(v.numerator for v in values)), lcm(*(v.denominator for v in values)))


def _product(coefficient: Fraction, factors: Monomial) -> Formula:
    """A coefficient times factors, equal ones collected."""
    exponents: dict[Atom, Fraction] = {}
    for one, exponent in factors:
        if isinstance(one, Delta):
            exponents[one] = Fraction(1)  # a delta is its own square
            continue
        exponents[one] = exponents.get(one, Fraction(0)) + exponent
    return Formula({tuple(factor for factor in exponents.items() if factor[1]): coefficient}) if coefficient else ZERO


def _ungrouped(formula: Formula) -> Iterable[tuple[Monomial, Fraction]]:
    """The terms, a number times one group being multiplied out."""
    for monomial, coefficient in formula.terms.items():
        if len(monomial) == 1 and isinstance(monomial[0][0], Group) and monomial[0][1] == 1:
            for inner, factor in monomial[0][0].body.terms.items():
                yield inner, factor * coefficient
        else:
            yield monomial, coefficient


def _parts(one: Atom) -> tuple[Formula, ...]:
    if isinstance(one, Apply):
        return one.arguments
    if isinstance(one, (Total, Group)):
        return (one.body,)
    return ()


def _rebuild(one: Atom, change: Callable[[Formula], Formula]) -> Formula:
    if isinstance(one, Apply):
        return atom(Apply(one.function, tuple(change(a) for a in one.arguments)))
    if isinstance(one, Group):
        body = change(one.body)
        return body if len(body.terms) < 2 else atom(Group(body))
    if isinstance(one, Total):
        index, body = opened(one)
        return total(index, change(body))
    return atom(one)


def _indices_of(one: Atom) -> set[Index]:
    if isinstance(one, Symbol):
        return {p for p in one.index if isinstance(p, Index)}
    if isinstance(one, Delta):
        return {p for p in one if isinstance(p, Index)}
    if isinstance(one, Partial):
        return _indices_of(one.of) | _indices_of(one.by)
    found: set[Index] = set()
    for part in _parts(one):
        found |= part.indices()
    if isinstance(one, Total):
        found.discard(one.index)
    return found


def _swap(one: Symbol, old: Position, new: Position) -> Symbol:
    return Symbol(one.name, tuple(new if p == old else p for p in one.index))


def _renamed_symbol(one: Symbol, old: Position, new: Position) -> Formula:
    return atom(_swap(one, old, new))


# ---------------------------------------------------------------- derivatives of functions


def _atom_derivative(one: Atom, by: Symbol) -> Formula:
    if isinstance(one, Symbol):
        if one.name != by.name:
            return ZERO
        result = ONE
        for left, right in zip(one.index, by.index, strict=True):
            result = result * delta(left, right)
        return result
    if isinstance(one, Group):
        return one.body.derivative(by)
    if isinstance(one, Total):
        index, body = opened(one)
        return total(index, body.derivative(by))
    if isinstance(one, Apply):
        result = ZERO
        for place, argument in enumerate(one.arguments):
            inner = argument.derivative(by)
            if inner:
                result = result + slope_of(one, place) * inner
        return result
    return ZERO


def _square(formula: Formula) -> Formula:
    return formula.power(2)


def _sech2(one: Apply) -> Formula:
    return ONE - _square(atom(one))


def _logistic_slope(one: Apply) -> Formula:
    return atom(one) * (ONE - atom(one))


# {function: its derivative, from the application itself and its argument}
SLOPES: dict[str, Callable[[Apply, Formula], Formula]] = {
    "number": lambda f, u: ZERO,
    "exp": lambda f, u: atom(f),
    "log": lambda f, u: u.power(-1),
    "sin": lambda f, u: apply("cos", u),
    "cos": lambda f, u: ZERO - apply("sin", u),
    "tan": lambda f, u: ONE + _square(atom(f)),
    "asin": lambda f, u: (ONE - _square(u)).power(Fraction(-1, 2)),
    "acos": lambda f, u: ZERO - (ONE - _square(u)).power(Fraction(-1, 2)),
    "atan": lambda f, u: (ONE + _square(u)).power(-1),
    "sinh": lambda f, u: apply("cosh", u),
    "cosh": lambda f, u: apply("sinh", u),
    "tanh": lambda f, u: _sech2(f),
    "asinh": lambda f, u: (ONE + _square(u)).power(Fraction(-1, 2)),
    "acosh": lambda f, u: (_square(u) - ONE).power(Fraction(-1, 2)),
    "atanh": lambda f, u: (ONE - _square(u)).power(-1),
    "sigmoid": lambda f, u: _logistic_slope(f),
    "softplus": lambda f, u: apply("sigmoid", u),
    "relu": lambda f, u: apply("positive", u),
    "abs": lambda f, u: apply("sign", u),
    "sign": lambda f, u: ZERO,
    "positive": lambda f, u: ZERO,
    "floor": lambda f, u: ZERO,
    "ceil": lambda f, u: ZERO,
    "round": lambda f, u: ZERO,
    "erf": lambda f, u: (
        number(2) * apply("number", apply("pi")).power(Fraction(-1, 2)) * apply("exp", ZERO - _square(u))
    ),
}


def slope_of(one: Apply, place: int) -> Formula:
    """The derivative of a function by the argument at `place`."""
    if one.function == "pow":  # both base and exponent are formulas
        base, exponent = one.arguments
        if place == 0:
            return exponent * apply("pow", base, exponent - ONE)
        return atom(one) * apply("log", base)
    return SLOPES[one.function](one, one.arguments[0])


# ---------------------------------------------------------------- numbers


def evaluate(formula: Formula, values: Callable[[Symbol], float], places: dict[Index, int], effort: list[int]) -> float:
    """The formula's number, given those of the symbols and of the free indices. `effort` counts down; TooLong at 0."""
    result = 0.0
    for monomial, coefficient in formula.terms.items():
        product = float(coefficient)
        for one, exponent in monomial:
            effort[0] -= 1
            if effort[0] < 0:
                raise TooLong
            value = _atom_value(one, values, places, effort)
            product *= value if exponent == 1 else _power(value, exponent)
        result += product
    return result


def _power(value: float, exponent: Fraction) -> float:
    if value == 0 and exponent < 0:
        return float("inf")
    if value < 0 and exponent.denominator != 1:
        return float("nan")
    return float(value) ** (exponent.numerator if exponent.denominator == 1 else float(exponent))


def _atom_value(one: Atom, values, places: dict[Index, int], effort: list[int]) -> float:
    def place_of(position: Position) -> int:
        return places[position] if isinstance(position, Index) else position

    if isinstance(one, Symbol):
        return values(Symbol(one.name, tuple(place_of(p) for p in one.index)))
    if isinstance(one, Delta):
        return float(place_of(one.left) == place_of(one.right))
    if isinstance(one, Group):
        return evaluate(one.body, values, places, effort)
    if isinstance(one, Total):
        return sum(evaluate(one.body, values, {**places, one.index: i}, effort) for i in range(one.index.size))
    if isinstance(one, Apply):
        arguments = [evaluate(a, values, places, effort) for a in one.arguments]
        return _function_value(one.function, arguments)
    raise KeyError(one)  # a derivative that has only a name


_NUMPY_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
                "atanh": "arctanh", "round": "rint"}  # fmt: skip


def _function_value(name: str, arguments: list[float]) -> float:
    """The value of a function of numbers; nan and inf as in IEEE arithmetic, not errors."""
    import math

    import numpy as np

    if name == "pi":
        return math.pi
    a = np.float64(arguments[0])
    with np.errstate(all="ignore"):
        if name == "number":
            value: Any = a
        elif name == "pow":
            value = a ** np.float64(arguments[1])
        elif name == "sigmoid":
            value = 1 / (1 + np.exp(-a))
        elif name == "softplus":
            value = np.logaddexp(0, a)
        elif name == "relu":
            value = np.maximum(a, 0)
        elif name == "positive":
            value = a > 0
        elif name == "erf":
            value = math.erf(a)
        else:
            value = getattr(np, _NUMPY_NAMES.get(name, name))(a)
    return float(value)
