"""The shortest of several forms of a formula: as it is, multiplied out, over a common denominator, with common factors out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from .algebra import (
    ZERO,
    Apply,
    AtLeast,
    Atom,
    Delta,
    Formula,
    Group,
    Monomial,
    Symbol,
    TooLong,
    Total,
    as_product,
    atom,
    number,
    opened,
    parts_of,
    product,
    substituted,
    total,
)
from .positions import Index, Position

LARGEST = 120  # atoms of a formula that is looked at
HIGHEST_POWER = 3  # of a sum that is multiplied out


def simplest(formula: Formula) -> Formula:
    """An equal formula that takes fewer signs to write, if one is found.

    Terms under different conditions on indices stay apart, since these say which elements are meant."""
    if formula.size > LARGEST or _is_number_times_sum(formula):
        return formula
    apart: dict[frozenset[Atom], Formula] = {}
    for monomial, coefficient in formula.terms.items():
        conditions = frozenset(one for one, _ in monomial if isinstance(one, (Delta, AtLeast)))
        apart[conditions] = apart.get(conditions, ZERO) + Formula({monomial: coefficient})
    try:
        result = ZERO
        for part in apart.values():
            result = result + _shortest(part)
    except TooLong:
        return formula
    return result


def by_way_of(formula: Formula, name: Symbol, definition: Formula) -> Formula:
    """The formula with a name that is a product replaced by what it stands for, simplified, and put back in where it
    comes out again; as it was if that is not shorter."""
    if len(definition.terms) != 1 or not any(
        isinstance(one, Symbol) and one.name == name.name for one in formula.atoms()
    ):
        return formula
    try:
        spelled = simplest(substituted(formula, lambda one: _named(one, name, definition)))
        again = _put_back(spelled, name, definition)
    except TooLong:
        return formula
    return again if _length(again) < _length(formula) else formula


def _named(one: Atom, name: Symbol, definition: Formula) -> Formula | None:
    """What an element of the name stands for; None for other atoms."""
    return _at(definition, name, one.index) if isinstance(one, Symbol) and one.name == name.name else None


def _at(definition: Formula, name: Symbol, place: tuple[Position, ...]) -> Formula:
    for old, new in zip(name.index, place):
        definition = definition.rename(old, new)
    return definition


def _put_back(formula: Formula, name: Symbol, definition: Formula) -> Formula:
    """The formula with the name for the factors of its definition, where all of them meet."""
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        inside = tuple((_put_back_inside(one, name, definition), e) for one, e in monomial)
        result = result + (_gathered(inside, coefficient, name, definition) or product(coefficient, inside))
    return result


def _put_back_inside(one: Atom, name: Symbol, definition: Formula) -> Atom:
    if isinstance(one, (Group, Total)):
        return one._replace(body=_put_back(one.body, name, definition))
    return one


def _gathered(monomial: Monomial, coefficient: Fraction, name: Symbol, definition: Formula) -> Formula | None:
    """A product in which the definition of an element is replaced by its name; None if it is not in there."""
    ((parts, scale),) = definition.terms.items()
    leading = next((one for one, _ in parts if isinstance(one, Symbol) and set(one.index) >= set(name.index)), None)
    if leading is None:
        return None
    for met, _ in monomial:
        if not isinstance(met, Symbol) or met.name != leading.name:
            continue
        places = dict(zip(leading.index, met.index))
        place = tuple(places[index] for index in name.index)
        ((here, _),) = _at(definition, name, place).terms.items()
        rest = dict(monomial)
        for one, exponent in here:
            left = rest.get(one, Fraction(0))
            if left == 0 or (left > 0) != (exponent > 0) or abs(left) < abs(exponent):
                break
            rest[one] = left - exponent
        else:
            return product(coefficient / scale, (*rest.items(), (name._replace(index=place), Fraction(1))))
    return None


def _is_number_times_sum(formula: Formula) -> bool:
    """2(3x + 2), which says more than 6x + 4 where one value was put in for another."""
    return len(formula.terms) == 1 and all(
        len(monomial) == 1 and isinstance(monomial[0][0], Group) and monomial[0][1] == 1 for monomial in formula.terms
    )


def _shortest(formula: Formula) -> Formula:
    formula = _signed_alike(_inside(formula))
    without_quotients = _multiplied_out(formula, True)
    forms = [*_forms(formula), *(_forms(without_quotients) if without_quotients != formula else ())]
    best = min(forms, key=_length)  # the first of those that are equally long
    try:
        spread = min(_forms(_multiplied_out(without_quotients, False)), key=_length)
    except TooLong:
        return best
    is_apart = len(best.terms) == 1 < len(spread.terms)  # a product stays one: a·(1 - a), not a - a²
    return spread if _length(spread) + is_apart < _length(best) else best


def _length(formula: Formula) -> int:
    """How many numbers, names and functions are to be written."""
    length = 0
    for monomial, coefficient in formula.terms.items():
        length += abs(coefficient) != 1 or not monomial
        for one, _ in monomial:
            inside = parts_of(one)
            length += sum(_length(part) for part in inside) if isinstance(one, (Group, Total)) else 1
            if isinstance(one, Apply):
                length += sum(_length(part) for part in inside)
    return length


def _inside(formula: Formula) -> Formula:
    """The formula with what its groups and sums enclose simplified."""

    def change(one: Atom) -> Formula:
        if isinstance(one, Group):
            body = simplest(one.body)
            return body if len(body.terms) < 2 else atom(Group(body))
        if isinstance(one, Total):
            index, body = opened(one)
            simpler = simplest(body)
            return atom(one) if simpler is body else total(index, simpler)
        return atom(one)

    result = ZERO
    for monomial, coefficient in formula.terms.items():
        factors: list[tuple[Atom, Fraction]] = []
        for one, exponent in monomial:
            inner, scale = as_product(change(one).power(exponent))
            coefficient *= scale
            factors += inner
        result = result + product(coefficient, tuple(factors))
    return result


def _signed_alike(formula: Formula) -> Formula:
    """The formula with -(a - b) for (b - a), where (a - b) is a factor, too."""
    known: set[Formula] = set()
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        factors = []
        for one, exponent in monomial:
            if isinstance(one, Group) and exponent.denominator == 1 and one.body not in known:
                opposite = Formula({m: -c for m, c in one.body.terms.items()})
                if opposite in known:
                    one, coefficient = Group(opposite), coefficient * (-1) ** exponent.numerator
                else:
                    known.add(one.body)
            factors.append((one, exponent))
        result = result + product(coefficient, tuple(factors))
    return result


def _forms(formula: Formula) -> Iterator[Formula]:
    if not _is_polynomial(formula):
        yield _with_factors_out(formula)
    yield formula
    together = _with_sums_together(formula)
    if together is not formula:
        yield together
    try:
        joined = _over_one_denominator(formula)
    except TooLong:
        return
    if joined is not formula:
        yield joined


def _with_sums_together(formula: Formula) -> Formula:
    """Σ a·x + Σ b·x as Σ (a + b)·x."""
    bodies: dict[tuple[frozenset, Index], tuple[Monomial, Formula]] = {}
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        sums = [one for one, exponent in monomial if isinstance(one, Total) and exponent == 1]
        if len(sums) != 1:
            result = result + Formula({monomial: coefficient})
            continue
        rest = tuple(factor for factor in monomial if factor[0] is not sums[0])
        key = frozenset(rest), sums[0].index
        first, body = bodies.get(key, (rest, ZERO))
        bodies[key] = first, body + sums[0].body * number(coefficient)
    if len(bodies) + len(result.terms) == len(formula.terms):
        return formula
    for (_, index), (rest, body) in bodies.items():
        if body:
            factors, coefficient = as_product(min((body, _with_factors_out(body)), key=_length))
            inner = Formula({factors: Fraction(1)})
            result = result + product(coefficient, (*rest, (Total(index, inner), Fraction(1))))
    return result


def _is_polynomial(formula: Formula) -> bool:
    """Whether a formula is one in a single name, of which everybody prefers the sum: 12x² - 12x."""
    found = {one for monomial in formula.terms for one, _ in monomial}
    return len(found) < 2 and all(isinstance(one, Symbol) for one in found)


def _multiplied_out(formula: Formula, quotients_only: bool) -> Formula:
    """Products with sums as sums of products; with `quotients_only` only the sums in which quotients are."""
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        place = next((k for k, factor in enumerate(monomial) if _is_to_open(factor, quotients_only)), None)
        if place is None:
            result = result + Formula({monomial: coefficient})
            continue
        group, exponent = monomial[place]
        assert isinstance(group, Group)
        rest = (*monomial[:place], *monomial[place + 1 :])
        opened_once = ZERO
        for inner, factor in group.body.terms.items():
            opened_once = opened_once + product(coefficient * factor, (*rest, (group, exponent - 1), *inner))
        result = result + _multiplied_out(opened_once, quotients_only)
    return result


def _is_to_open(factor: tuple[Atom, Fraction], quotients_only: bool) -> bool:
    one, exponent = factor
    if not isinstance(one, Group) or exponent.denominator != 1 or not 1 <= exponent <= HIGHEST_POWER:
        return False
    return not quotients_only or any(e < 0 for monomial in one.body.terms for _, e in monomial)


def _over_one_denominator(formula: Formula) -> Formula:
    """a/d + b/d² as (a·d + b)/d²."""
    lowest: dict[Atom, Fraction] = {}
    for monomial in formula.terms:
        for one, exponent in monomial:
            if exponent < 0:
                lowest[one] = min(lowest.get(one, Fraction(0)), exponent)
    if not lowest or len(formula.terms) < 2:
        return formula
    raised = tuple((one, -exponent) for one, exponent in lowest.items())
    top = ZERO
    for monomial, coefficient in formula.terms.items():
        top = top + _multiplied_out(product(coefficient, (*monomial, *raised)), False)
    if not top:
        return ZERO
    top = min((top, _with_factors_out(top)), key=_length)
    factors, coefficient = as_product(top)
    return product(coefficient, (*factors, *lowest.items()))


def _with_factors_out(formula: Formula) -> Formula:
    """a·b + a·c as a·(b + c)."""
    if len(formula.terms) < 2:
        return formula
    monomials = [dict(monomial) for monomial in formula.terms]
    common: dict[Atom, Fraction] = {}
    for one in monomials[0]:
        exponents = [monomial.get(one, Fraction(0)) for monomial in monomials]
        if all(e > 0 for e in exponents):
            common[one] = min(exponents)
        elif exponents[0] < 0 and len(set(exponents)) == 1:
            common[one] = exponents[0]
    if not common:
        return formula
    lowered: Monomial = tuple((one, -exponent) for one, exponent in common.items())
    rest = ZERO
    for monomial, coefficient in formula.terms.items():
        rest = rest + product(coefficient, (*monomial, *lowered))
    rest = min((rest, _multiplied_out(rest, False)), key=_length)
    factors, coefficient = as_product(rest)
    return product(coefficient, (*common.items(), *factors))
