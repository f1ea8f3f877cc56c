"""A small algebra of formulas with indices: sums of products, functions and sums over an index, and their derivatives.

A `Formula` is a sum of terms, each a rational coefficient times powers of atoms. An atom is a symbol (an element of a
named tensor), a function of formulas, a sum or a product over an index, a condition on indices (1 where it holds, else
0), a group (a sum kept together as one factor), an element of something computed from whole tensors, or a partial
derivative that has only a name. Arithmetic collects equal terms, and a sum over a Kronecker delta disappears: enough to
turn the chain rule's products and sums into the form that a person would write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

from .positions import (
    Index,
    Part,
    Position,
    as_digit,
    bounds,
    difference,
    fresh,
    indices,
    places_of_radix,
    quotient,
    remainder,
    replaced,
    split,
    weighted,
)


class TooLong(Exception):
    """A formula has grown beyond what anyone would read."""


MOST_TERMS = 60


class Symbol(NamedTuple):
    """An element of the tensor called `name`."""

    name: str
    index: tuple[Position, ...] = ()  # type: ignore[assignment]  # not the method of tuples
    kind: int = 0  # 0: real, 1: complex, -1: the conjugate of a complex one, a variable of its own


class Apply(NamedTuple):
    """A function of formulas."""

    function: str
    arguments: tuple[Formula, ...]


class Total(NamedTuple):
    """The sum of `body` over `index`."""

    index: Index  # type: ignore[assignment]
    body: Formula


class Product(NamedTuple):
    """The product of `body` over `index`, where that is none of `but` and all of `where` are at least 0."""

    index: Index  # type: ignore[assignment]
    body: Formula
    but: tuple[Position, ...]
    where: tuple[Position, ...]


class Delta(NamedTuple):
    """1 where the two positions are equal, else 0."""

    left: Position
    right: Position


class AtLeast(NamedTuple):
    """1 where the position is at least 0, else 0."""

    position: Position


class Group(NamedTuple):
    """A sum that stands as one factor, not multiplied out."""

    body: Formula


class Whole(NamedTuple):
    """An element of what is computed from whole tensors; `rule.slope(this, by)` is its derivative."""

    symbol: Symbol
    rule: Any


class Partial(NamedTuple):
    """The derivative of an element of `of` by an element of `by`, where no formula is known."""

    of: Symbol
    by: Symbol


Atom = Symbol | Apply | Total | Product | Delta | AtLeast | Group | Whole | Partial
Monomial = tuple[tuple[Atom, Fraction], ...]  # factors and their exponents, in the order in which they came


class Formula:
    """A sum of terms: {factors with their exponents: coefficient}. Immutable."""

    __slots__ = ("_depth", "_hash", "_indices", "_is_conditional", "_length", "_size", "terms")

    def __init__(self, terms: Mapping[Monomial, Fraction] = {}) -> None:
        self.terms: dict[Monomial, Fraction] = dict(terms)
        self._hash: int | None = None
        self._indices: set[Index] | None = None
        self._depth: int | None = None
        self._is_conditional: bool | None = None
        self._size: int | None = None
        self._length: int | None = None

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

    @property
    def depth(self) -> int:
        """How many sums and products over an index lie inside each other."""
        if self._depth is None:
            self._depth = 0
            for monomial in self.terms:
                for one, _ in monomial:
                    inside = max((part.depth for part in parts_of(one)), default=0)
                    self._depth = max(self._depth, inside + isinstance(one, (Total, Product)))
        return self._depth

    @property
    def size(self) -> int:
        """The number of atoms in it."""
        if self._size is None:
            self._size = sum(
                1 + sum(part.size for part in parts_of(one)) for monomial in self.terms for one, _ in monomial
            )
        return self._size

    @property
    def length(self) -> int:
        """How many numbers, names and functions there are to write."""
        if self._length is None:
            self._length = 0
            for monomial, coefficient in self.terms.items():
                self._length += abs(coefficient) != 1 or all(e < 0 for _, e in monomial)
                for one, _ in monomial:
                    self._length += not isinstance(one, (Group, Total))
                    if isinstance(one, (Apply, Group, Total)):
                        self._length += sum(part.length for part in parts_of(one))
        return self._length

    @property
    def is_conditional(self) -> bool:
        """Whether there are conditions on indices in it."""
        if self._is_conditional is None:
            self._is_conditional = any(
                isinstance(one, (Delta, AtLeast)) or any(part.is_conditional for part in parts_of(one))
                for monomial in self.terms
                for one, _ in monomial
            )
        return self._is_conditional

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
            scaled = Formula({monomial: coefficient * factor for monomial, coefficient in formula.terms.items()})
            is_plain = any(abs(c) == 1 and is_lone_group(monomial) for monomial, c in scaled.terms.items())
            return Formula(dict(_ungrouped(scaled))) if is_plain else scaled
        (a, p), (b, q) = as_product(self), as_product(other)
        return product(p * q, (*a, *b))

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
        factors, coefficient = as_product(self)
        if exponent.denominator != 1 and (coefficient != 1 or len(factors) > 1 or factors[0][1] != 1):
            return atom(Group(self), exponent)  # with negative factors the root of a product is not that of the roots
        scale = coefficient**exponent.numerator if coefficient != 1 else Fraction(1)
        return product(scale, tuple((one, e * exponent) for one, e in factors))

    # ---- looking inside

    def atoms(self) -> Iterable[Atom]:
        """Every atom, also those inside other atoms."""
        for monomial in self.terms:
            for one, _ in monomial:
                yield one
                for inner in parts_of(one):
                    yield from inner.atoms()

    def indices(self) -> set[Index]:
        """The indices that no sum inside binds."""
        if self._indices is None:
            self._indices = {index for monomial in self.terms for one, _ in monomial for index in indices_of(one)}
        return self._indices

    def replace(self, change: Callable[[Atom], Formula | None]) -> Formula:
        """The formula with each atom replaced by what `change` says; None: look inside the atom."""
        result = ZERO
        for monomial, coefficient in self.terms.items():
            term = number(coefficient)
            for one, exponent in monomial:
                new = change(one)
                if new is None:
                    new = _rebuild(one, lambda part: part.replace(change))
                term = term * new.power(exponent)
            result = result + term
        return result

    def rename(self, old: Position, new: Position) -> Formula:
        """The formula with a position in place of an index."""
        if not isinstance(old, Index) or old not in self.indices():
            return self
        if isinstance(new, Index) and new.size == old.size and new not in self.indices():
            return self._relabelled(old, new)

        def change(one: Atom) -> Formula | None:
            if isinstance(one, Symbol):
                return atom(_swap(one, old, new))
            if isinstance(one, Delta):
                return delta(replaced(one.left, old, new), replaced(one.right, old, new))
            if isinstance(one, AtLeast):
                return at_least(replaced(one.position, old, new))
            if isinstance(one, Whole):
                return atom(Whole(_swap(one.symbol, old, new), one.rule))
            if isinstance(one, Product):
                but, where = (tuple(replaced(p, old, new) for p in ps) for ps in (one.but, one.where))
                return atom(Product(one.index, one.body.replace(change), but, where))
            if isinstance(one, Partial):
                of, by = (_swap(s, old, new) for s in (one.of, one.by))
                return atom(Partial(of, by))
            if isinstance(one, Total) and one.index not in taken and not one.body.is_conditional:
                return atom(Total(one.index, one.body.rename(old, new)))  # nothing in it can simplify
            return None

        taken = indices(new)
        return self.replace(change)

    def _relabelled(self, old: Index, new: Index) -> Formula:
        """The same with a letter that is new in it: nothing can simplify, so that no sum inside is taken apart."""
        if old not in self.indices():
            return self
        made = Formula(
            {tuple((_relabelled(one, old, new), e) for one, e in monomial): c for monomial, c in self.terms.items()}
        )
        made._depth, made._size, made._is_conditional = self._depth, self._size, self._is_conditional
        return made

    def derivative(self, by: Symbol) -> Formula:
        """The derivative by an element of a tensor; deltas say for which elements it is not zero."""
        result = ZERO
        for monomial, coefficient in self.terms.items():
            for place, (one, exponent) in enumerate(monomial):
                slope = _atom_derivative(one, by)
                if not slope:
                    continue
                lowered = (*monomial[:place], (one, exponent - 1), *monomial[place + 1 :])
                result = result + product(coefficient * exponent, lowered) * slope
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
    return product(coefficient, tuple(factors))


def symbol(name: str, *index: Position) -> Formula:
    return atom(Symbol(name, index))


def apply(function: str, *arguments: Formula) -> Formula:
    """A function of formulas; simplified where it is a number's absolute value and the like."""
    return atom(Apply(function, arguments))


ZERO = Formula()
ONE = Formula({(): Fraction(1)})


def delta(left: Position, right: Position) -> Formula:
    """1 where two positions are equal."""
    apart = difference(left, right)
    low, high = bounds(apart)
    if low == high == 0:
        return ONE
    if low > 0 or high < 0:
        return ZERO
    for one, other in ((left, right), (right, left)):
        counted = places_of_radix(one)
        if counted is not None and bounds(other)[0] >= 0:
            result = ONE
            for unit, stride, many in counted:
                digit = quotient(other, stride)
                result = result * delta(unit, digit if many is None else remainder(digit, many))
            return result
    return atom(Delta(left, right))


def at_least(position: Position) -> Formula:
    """1 where a position is at least 0."""
    low, high = bounds(position)
    if low >= 0:
        return ONE
    if high == 0:
        offset, terms = split(position)
        if len(terms) == 1 and -1 in terms.values():  # 0 ≥ j is j = 0
            return delta(next(iter(terms)), offset)
    return ZERO if high < 0 else atom(AtLeast(position))


def within(position: Position, size: int) -> Formula:
    """1 where a position is one of a dimension with `size` elements; there is none where that has none."""
    if not size:
        return ONE
    return at_least(position) * at_least(difference(size - 1, position))


def total(index: Index, body: Formula) -> Formula:
    """The sum of `body` over `index`: factors without the index come out, and a delta leaves one element."""
    if _is_one_sum(index, body):
        size = abs(next(iter(body.terms.values())))
        return number(size) * _bind(index, Formula({m: c / size for m, c in body.terms.items()}))
    result = ZERO
    for monomial, coefficient in body.terms.items():
        spread = next((place for place, factor in enumerate(monomial) if _hides_delta(index, *factor)), None)
        if spread is not None:  # Σᵢ gᵢ·(δᵢⱼ - pⱼ), multiplied out
            group: Any = monomial[spread][0]
            rest = (*monomial[:spread], *monomial[spread + 1 :])
            for term, factor in group.body.terms.items():
                result = result + total(index, product(coefficient * factor, (*rest, *term)))
            continue
        met = _solved(index, [one for one, _ in monomial if isinstance(one, Delta)])
        if met is not None:
            used, position = met
            kept = product(coefficient, tuple(factor for factor in monomial if factor[0] not in used))
            result = result + kept.rename(index, position) * within(position, index.size)
            continue
        low, high = _range(index, monomial)
        if (low, high) != (0, index.size - 1):
            inner = fresh(max(high - low + 1, 0))
            moved = product(coefficient, monomial).rename(
                index, weighted((inner, 1), (low, 1)) if inner.size > 1 else low
            )
            result = result + (total(inner, moved) if inner.size > 1 else moved if inner.size else ZERO)
            continue
        elsewhere = _elsewhere(index, monomial)
        if elsewhere is not None:
            result = result + number(coefficient) * total(index, elsewhere)
            continue
        outside = tuple(factor for factor in monomial if index not in indices_of(factor[0]))
        inside = tuple(factor for factor in monomial if index in indices_of(factor[0]))
        counted = _counted(index, inside)
        if counted is not None:
            result = result + product(coefficient, outside) * counted
            continue
        if not inside:
            result = result + product(coefficient * index.size, outside)
            continue
        result = result + product(coefficient, outside) * _bind(index, product(Fraction(1), inside))
    return result


def _range(index: Index, monomial: Monomial) -> tuple[int, int]:
    """The first and the last number that conditions leave to an index."""
    low, high = 0, index.size - 1
    for one, _ in monomial:
        if isinstance(one, AtLeast):
            offset, terms = split(one.position)
            if terms == {index: 1}:
                low = max(low, -offset)
            elif terms == {index: -1}:
                high = min(high, offset)
    return low, high


def _elsewhere(index: Index, monomial: Monomial) -> Formula | None:
    """A product with [2j = i] in which x[2j] is written as xᵢ; None if there is nothing of the kind."""
    for place, (one, _) in enumerate(monomial):
        for side, other in _sides(one, index):
            rest = product(Fraction(1), (*monomial[:place], *monomial[place + 1 :]))
            if not any(side in _position_of(inner) for inner in rest.atoms()):
                continue

            def change(inner: Atom, side: Position = side, other: Position = other) -> Formula | None:
                if side not in _position_of(inner):
                    return None
                moved = tuple(other if p == side else p for p in _position_of(inner))
                if isinstance(inner, Whole):
                    return atom(inner._replace(symbol=inner.symbol._replace(index=moved)))
                return atom(inner._replace(index=moved)) if isinstance(inner, Symbol) else None

            return rest.replace(change) * atom(one)
    return None


def _position_of(one: Atom) -> tuple[Position, ...]:
    """The place of an element in its tensor; nothing for other atoms."""
    one = one.symbol if isinstance(one, Whole) else one
    return one.index if isinstance(one, Symbol) else ()


def _sides(one: Atom, index: Index) -> Iterable[tuple[Position, Position]]:
    """(the side of an equality that an index is in, the other), unless the index is all of it."""
    if isinstance(one, Delta):
        for side, other in ((one.left, one.right), (one.right, one.left)):
            if index in indices(side) and index not in indices(other) and not isinstance(side, Index):
                yield side, other


def _counted(index: Index, monomial: Monomial) -> Formula | None:
    """The sum of [2j + 1 = i] over j, which is [i mod 2 = 1] if it reaches far enough."""
    if len(monomial) != 1:
        return None
    for side, other in _sides(monomial[0][0], index):
        offset, terms = split(side)
        factor = terms.get(index, 0)
        if len(terms) == 1 and 0 <= offset < factor:
            return delta(remainder(other, factor), offset) * within(quotient(other, factor), index.size)
    return None


MOST_LISTED = 6  # elements that are multiplied one by one


def _is_listed(index: Index, body: Formula) -> bool:
    """Whether a few elements have formulas of their own, put together by conditions such as [i = 0]."""
    return index.size <= MOST_LISTED and any(
        isinstance(one, Delta) and index in indices_of(one) and int in map(type, one) for one in body.atoms()
    )


def _is_one_sum(index: Index, body: Formula) -> bool:
    """Whether a sum stays one: Σ (aᵢ + b - cᵢ), several of whose terms depend on the index, all to the same extent."""
    if len(body.terms) < 2 or len({abs(c) for c in body.terms.values()}) > 1 or body.is_conditional:
        return False
    return sum(any(index in indices_of(one) for one, _ in monomial) for monomial in body.terms) > 1


def _hides_delta(index: Index, one: Atom, exponent: Fraction) -> bool:
    """Whether a factor is a sum with a delta of this index in one of its terms."""
    if not isinstance(one, Group) or exponent != 1:
        return False
    return any(
        (isinstance(inner, Delta) and index in indices_of(inner)) or _hides_delta(index, inner, e)
        for monomial in one.body.terms
        for inner, e in monomial
    )


def _solved(index: Index, deltas: list[Delta]) -> tuple[list[Delta], Position] | None:
    """The deltas that say what `index` is, and what they say."""
    digits: dict[int, tuple[int | None, Position, Delta]] = {}
    for one in deltas:
        apart = difference(one.left, one.right)
        _, terms = split(apart)
        factor = terms.get(index)
        if factor in (1, -1) and not any(index in indices(unit) for unit in terms if unit != index):
            return [one], weighted((index, 1), (apart, -factor))
        for digit, other in ((one.left, one.right), (one.right, one.left)):
            turned = _turned_back(digit, other, index)
            if turned is not None:
                return [one], turned
            place = as_digit(digit, index)
            if place is not None and index not in indices(other):
                digits[place[0]] = place[1], other, one
    stride, parts, used = 1, [], []
    while stride in digits:
        many, other, one = digits.pop(stride)
        parts.append((other, stride))
        used.append(one)
        if many is None or stride * many >= index.size:
            return used, weighted(*parts)
        stride *= many
    return None


def _turned_back(position: Position, other: Position, index: Index) -> Position | None:
    """What j is if (j + shift) mod n = i, for a j that goes once around."""
    if not isinstance(position, Part) or not position.rest or position.by != index.size or index in indices(other):
        return None
    offset, terms = split(position.of)
    low, high = bounds(other)
    if list(terms) != [index] or abs(terms[index]) != 1 or low < 0 or high >= index.size:
        return None
    return remainder(weighted((other, terms[index]), (-offset * terms[index], 1)), index.size)


def _bind(index: Index, body: Formula) -> Formula:
    # A canonical number for the bound index makes equal sums equal: deeper than every sum inside.
    bound = Index(-1 - body.depth, index.size)
    return atom(Total(bound, body.rename(index, bound)))


def multiplied(index: Index, body: Formula, where: tuple[Position, ...] = ()) -> Formula:
    """The product of `body` over `index`, where all of `where` are at least 0."""
    if not where and _is_listed(index, body):
        result = ONE
        for place in range(index.size):
            result = result * body.rename(index, place)
        return result
    bound = Index(-1 - body.depth, index.size)
    where = tuple(replaced(p, index, bound) for p in where)
    return atom(Product(bound, body.rename(index, bound), (), where))


def opened(one: Total | Product) -> tuple[Index, Formula]:
    """A sum's or a product's body under a fresh index."""
    index = fresh(one.index.size)
    return index, one.body.rename(one.index, index)


IMAGINARY_UNIT = Apply("i", ())


def as_product(formula: Formula) -> tuple[Monomial, Fraction]:
    """A formula as a coefficient and factors: itself if it is one term, else one group."""
    if len(formula.terms) == 1:
        ((monomial, coefficient),) = formula.terms.items()
        return monomial, coefficient
    factor = content(formula)
    if all(value < 0 for value in formula.terms.values()):
        factor = -factor
    body = Formula({m: c / factor for m, c in formula.terms.items()}) if factor != 1 else formula
    return ((Group(body), Fraction(1)),), factor


def content(formula: Formula) -> Fraction:
    """The largest number that divides all coefficients, if these are whole or have one denominator; else 1.

    Of decimals (3.2 - 6.4x, but not 0.3a + 0.7b) it has to be one of them."""
    sizes = [abs(value) for value in formula.terms.values()]
    if all(size.denominator == 1 for size in sizes):
        return Fraction(gcd(*(size.numerator for size in sizes)))
    if len({size.denominator for size in sizes}) > 1:
        return Fraction(1)
    largest = Fraction(gcd(*(size.numerator for size in sizes)), sizes[0].denominator)
    return largest if largest.denominator % 5 or largest in sizes else Fraction(1)


def product(coefficient: Fraction, factors: Monomial) -> Formula:
    """A coefficient times factors, equal ones collected."""
    exponents: dict[Atom, Fraction] = {}
    for one, exponent in factors:
        if isinstance(one, (Delta, AtLeast)):
            exponents[one] = Fraction(1)  # its own square
            continue
        exponents[one] = exponents.get(one, Fraction(0)) + exponent
    applied = [one for one in exponents if isinstance(one, Apply)]
    for one in applied:
        if one.function == "pow" and exponents[one] == 1:
            _raise(one, exponents)
    exponentials = [one for one in applied if one.function == "exp"]
    if len(exponentials) > 1:
        _join(exponentials, exponents)
    turns = exponents.get(IMAGINARY_UNIT)
    if turns is not None and turns.denominator == 1:
        exponents[IMAGINARY_UNIT] = turns % 2
        coefficient *= -1 if turns % 4 >= 2 else 1
    return Formula({tuple(factor for factor in exponents.items() if factor[1]): coefficient}) if coefficient else ZERO


def _raise(one: Apply, exponents: dict[Atom, Fraction]) -> None:
    """Takes a power of the base into a power whose exponent is no number: x·xⁿ is xⁿ⁺¹."""
    base, exponent = one.arguments
    ((monomial, coefficient),) = base.terms.items() if len(base.terms) == 1 else (((), Fraction(1)),)
    if coefficient != 1 or len(monomial) != 1 or monomial[0][1] != 1 or not exponents.get(monomial[0][0]):
        return
    total_exponent = exponent + number(exponents[monomial[0][0]])
    exponents[monomial[0][0]] = Fraction(0)
    del exponents[one]
    if total_exponent.number is not None:
        exponents[monomial[0][0]] = total_exponent.number
    else:
        exponents[Apply("pow", (base, total_exponent))] = Fraction(1)


def _join(exponentials: list[Apply], exponents: dict[Atom, Fraction]) -> None:
    """Makes exp(3t)² exp(-t) one power of e, where one exponent is a number times the other."""
    for place, one in enumerate(exponentials):
        for other in exponentials[:place]:
            if other not in exponents:
                continue
            times = ratio(one.arguments[0], other.arguments[0])
            if times is not None:
                joined = other.arguments[0] * number(exponents.pop(other) + times * exponents.pop(one))
                if joined:
                    exponents[Apply("exp", (joined,))] = exponents.get(Apply("exp", (joined,)), Fraction(0)) + 1
                break


def ratio(one: Formula, other: Formula) -> Fraction | None:
    """one/other, if that is a number."""
    coefficients = {frozenset(monomial): coefficient for monomial, coefficient in other.terms.items()}
    found = {
        c / coefficients.get(frozenset(m), Fraction(0)) if frozenset(m) in coefficients else None
        for m, c in one.terms.items()
    }
    return found.pop() if len(found) == 1 and len(one.terms) == len(other.terms) else None


def _ungrouped(formula: Formula) -> Iterable[tuple[Monomial, Fraction]]:
    """The terms, a number times one group being multiplied out."""
    for monomial, coefficient in formula.terms.items():
        if is_lone_group(monomial):
            for inner, factor in monomial[0][0].body.terms.items():
                yield inner, factor * coefficient
        else:
            yield monomial, coefficient


def is_lone_group(monomial: Monomial) -> bool:
    """Whether a product is one sum."""
    return len(monomial) == 1 and isinstance(monomial[0][0], Group) and monomial[0][1] == 1


def parts_of(one: Atom) -> tuple[Formula, ...]:
    """The formulas inside an atom."""
    if isinstance(one, Apply):
        return one.arguments
    if isinstance(one, (Total, Product, Group)):
        return (one.body,)
    return ()


def _rebuild(one: Atom, change: Callable[[Formula], Formula]) -> Formula:
    if isinstance(one, Apply):
        arguments = tuple(change(a) for a in one.arguments)
        if one.function in _PARTS:
            from .complexes import PARTS

            return PARTS[one.function](*arguments)
        return atom(Apply(one.function, arguments))
    if isinstance(one, Group):
        body = change(one.body)
        return body if len(body.terms) < 2 else atom(Group(body))
    if isinstance(one, Total):
        index, body = opened(one)
        return total(index, change(body))
    if isinstance(one, Product):
        return atom(Product(one.index, change(one.body), one.but, one.where))
    return atom(one)


_PARTS = {"real", "imag", "modulus", "arg"}  # of complex numbers


def indices_of(one: Atom) -> set[Index]:
    """The indices in an atom that no sum inside binds."""
    if isinstance(one, Symbol):
        return _indices_in(one.index)
    if isinstance(one, (Delta, AtLeast)):
        return _indices_in(one)
    if isinstance(one, Whole):
        return indices_of(one.symbol)
    if isinstance(one, Partial):
        return indices_of(one.of) | indices_of(one.by)
    found: set[Index] = set()
    for part in parts_of(one):
        found |= part.indices()
    if isinstance(one, Product):
        found |= _indices_in(one.but) | _indices_in(one.where)
    if isinstance(one, (Total, Product)):
        found.discard(one.index)
    return found


def _indices_in(positions: Iterable[Position]) -> set[Index]:
    return {index for position in positions for index in indices(position)}


def _relabelled(one: Atom, old: Index, new: Index) -> Atom:
    if isinstance(one, Symbol):
        return _swap(one, old, new)
    if isinstance(one, Whole):
        return Whole(_swap(one.symbol, old, new), one.rule)
    if isinstance(one, Partial):
        return Partial(_swap(one.of, old, new), _swap(one.by, old, new))
    if isinstance(one, (Delta, AtLeast)):
        return type(one)(*(replaced(position, old, new) for position in one))
    if isinstance(one, Apply):
        return Apply(one.function, tuple(argument._relabelled(old, new) for argument in one.arguments))
    body = one.body._relabelled(old, new)
    if isinstance(one, Product):
        but, where = (tuple(replaced(p, old, new) for p in ps) for ps in (one.but, one.where))
        return Product(one.index, body, but, where)
    return Total(one.index, body) if isinstance(one, Total) else Group(body)


def _swap(one: Symbol, old: Index, new: Position) -> Symbol:
    return one._replace(index=tuple(replaced(p, old, new) for p in one.index))


# ---------------------------------------------------------------- derivatives of functions


def _atom_derivative(one: Atom, by: Symbol) -> Formula:
    if isinstance(one, Symbol):
        if one.name != by.name or one.kind != by.kind:
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
    if isinstance(one, Product):
        index, body = opened(one)
        where = tuple(replaced(p, one.index, index) for p in one.where)
        slope = body.derivative(by)
        for position in where:
            slope = slope * at_least(position)
        return total(index, slope * atom(Product(one.index, one.body, (index,), one.where)))
    if isinstance(one, Whole):
        return one.rule.slope(one, by)
    if isinstance(one, Apply) and one.function in _PARTS:
        from .complexes import slope_of_part

        return slope_of_part(one, by)
    if isinstance(one, Apply):
        from .functions import slope_of

        result = ZERO
        for place, argument in enumerate(one.arguments):
            inner = argument.derivative(by)
            if inner:
                result = result + slope_of(one, place) * inner
        return result
    return ZERO
