"""The shortest of several forms of a formula: as it is, multiplied out, over a common denominator, with common factors out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

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
    is_lone_group,
    number,
    opened,
    product,
    ratio,
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
    try:
        forms = [_apart(formula)]
        if any(_has_listed(one) for monomial in formula.terms for one, e in monomial if e == 1):
            forms.append(_apart(_by_conditions(formula)))
        return _with_differences_turned(min(forms, key=lambda form: form.length))
    except TooLong:
        return formula


def _with_differences_turned(formula: Formula) -> Formula:
    """(b - a)·c for -(a - b)·c that stands alone or under a condition."""
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        factors = list(monomial)
        is_alone = len(formula.terms) == 1 or any(isinstance(one, (Delta, AtLeast)) for one, _ in monomial)
        for place, (one, exponent) in enumerate(factors) if coefficient < 0 and is_alone else ():
            if isinstance(one, Group) and exponent.denominator == 1 and exponent % 2 and _is_difference(one.body):
                factors[place] = Group(Formula({m: -c for m, c in one.body.terms.items()})), exponent
                coefficient = -coefficient
                break
        result = result + Formula({tuple(factors): coefficient})
    return result


def _is_difference(formula: Formula) -> bool:
    return () not in formula.terms and len({c > 0 for c in formula.terms.values()}) == 2


def _apart(formula: Formula) -> Formula:
    """The formula with the terms under each condition simplified."""
    apart: dict[frozenset[Atom], Formula] = {}
    for monomial, coefficient in formula.terms.items():
        conditions = frozenset(one for one, _ in monomial if isinstance(one, (Delta, AtLeast)))
        apart[conditions] = apart.get(conditions, ZERO) + Formula({monomial: coefficient})
    result = ZERO
    for part in apart.values():
        result = result + _shortest(part)
    if len(apart) == 2 and frozenset() in apart:  # r·[i = 2] - r·pᵢ
        return min(result, _with_factors_out(result), key=lambda form: form.length)
    return result


def _by_conditions(formula: Formula) -> Formula:
    """The formula with (a·[i = 0] + b·[i = 1]) multiplied out, so that each element has its terms."""
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        place = next((k for k, (one, e) in enumerate(monomial) if e == 1 and _has_listed(one)), None)
        if place is None:
            result = result + Formula({monomial: coefficient})
            continue
        group: Any = monomial[place][0]
        rest = (*monomial[:place], *monomial[place + 1 :])
        for inner, factor in group.body.terms.items():
            result = result + _by_conditions(product(coefficient * factor, (*rest, *inner)))
    return result


def _has_listed(one: Atom) -> bool:
    """Whether a group has terms for single elements."""
    return isinstance(one, Group) and any(
        isinstance(inner, Delta) and int in map(type, inner) for monomial in one.body.terms for inner, _ in monomial
    )


def by_way_of(formula: Formula, name: Symbol, definition: Formula) -> Formula:
    """The formula with a name for a root or a sum replaced by what it stands for, simplified, and put back in where that
    comes out again; as it was if that is not shorter."""
    if not _is_root_or_sum(definition) or formula.size > LARGEST:
        return formula
    if not any(isinstance(one, Symbol) and one.name == name.name for one in formula.atoms()):
        return formula
    try:
        spelled = simplest(substituted(formula, lambda one: _named(one, name, definition)))
    except TooLong:
        return formula
    again = named_again(spelled, name, definition)
    return again if again.length < formula.length else formula


def _named(one: Atom, name: Symbol, definition: Formula) -> Formula | None:
    """What an element of the name stands for; None for other atoms."""
    return _at(definition, name, one.index) if isinstance(one, Symbol) and one.name == name.name else None


def _at(definition: Formula, name: Symbol, place: tuple[Position, ...]) -> Formula:
    for old, new in zip(name.index, place):
        definition = definition.rename(old, new)
    return definition


def named_again(formula: Formula, name: Symbol, definition: Formula) -> Formula:
    """A derivative of a root or of a sum in terms of it: x/n for x/√(Σ x²), if n is that root."""
    if not _is_root_or_sum(definition) or formula.size > LARGEST:
        return formula
    best, is_root = formula, all(len(monomial) == 1 for monomial in definition.terms)
    for spread in (False, True):
        try:
            again = _put_back(_multiplied_out(formula, False) if spread else formula, name, definition)
        except TooLong:
            continue
        again = simplest(again) if spread else again
        if again.length < best.length + (is_root and not spread):
            best = again
    return best


def _is_root_or_sum(definition: Formula) -> bool:
    """Whether something stands for a product in which there is a root or a sum over an index."""
    return len(definition.terms) == 1 and any(
        e.denominator != 1 or isinstance(one, Total) for monomial in definition.terms for one, e in monomial
    )


def _put_back(formula: Formula, name: Symbol, definition: Formula) -> Formula:
    """The formula with the name for the factors of its definition, where all of them meet."""
    inside = _with_each_inside(formula, lambda body: _put_back(body, name, definition))
    result = ZERO
    for monomial, coefficient in inside.terms.items():
        met = _gathered(monomial, coefficient, name, definition)
        result = result + (Formula({monomial: coefficient}) if met is None else _put_back(met, name, definition))
    return result


def _gathered(monomial: Monomial, coefficient: Fraction, name: Symbol, definition: Formula) -> Formula | None:
    """A product in which the definition of an element is replaced by its name; None if it is not in there."""
    ((_, scale),) = definition.terms.items()
    for place in _places_of(monomial, name, definition):
        ((here, _),) = _at(definition, name, place).terms.items()
        factors = dict(monomial)
        times = {_times(factors.get(one, Fraction(0)), exponent) for one, exponent in here}
        many = min(times, key=abs) if min(times) * max(times) > 0 else 0
        if many and (many > 0 or len(here) == 1):
            rest = {one: e - many * dict(here).get(one, Fraction(0)) for one, e in factors.items()}
            named = name._replace(index=place), Fraction(many)
            return product(coefficient / scale**many, (*rest.items(), named))
    return None


def _times(have: Fraction, exponent: Fraction) -> int:
    """How many times a power goes into another: √s goes -1 times into 1/√s."""
    many = have / exponent
    return int(many) if abs(many) >= 1 else 0


def _places_of(monomial: Monomial, name: Symbol, definition: Formula) -> Iterator[tuple[Position, ...]]:
    """The elements of the name whose definition may be in a product."""
    if not name.index:
        yield ()
        return
    leading = next(
        (one for one in definition.atoms() if isinstance(one, Symbol) and set(one.index) >= set(name.index)), None
    )
    if leading is None:
        return
    for factor, _ in monomial:
        for met in atom(factor).atoms() if isinstance(factor, (Symbol, Apply)) else ():
            if isinstance(met, Symbol) and met.name == leading.name:
                places = dict(zip(leading.index, met.index))
                yield tuple(places[index] for index in name.index)


def _is_number_times_sum(formula: Formula) -> bool:
    """2(3x + 2), which says more than 6x + 4 where one value was put in for another."""
    return len(formula.terms) == 1 and all(map(is_lone_group, formula.terms))


def _shortest(formula: Formula) -> Formula:
    formula = _signed_alike(_with_each_inside(formula, simplest))
    without_quotients = _multiplied_out(formula, True)
    forms = [*_forms(formula), *(_forms(without_quotients) if without_quotients != formula else ())]
    best = min(forms, key=lambda form: form.length)  # the first of those that are equally long
    try:
        spread = min(_forms(_multiplied_out(without_quotients, False)), key=lambda form: form.length)
    except TooLong:
        return best
    is_apart = len(best.terms) == 1 < len(spread.terms)  # a product stays one: a·(1 - a), not a - a²
    return spread if spread.length + is_apart < best.length else best


def _with_each_inside(formula: Formula, change: Callable[[Formula], Formula]) -> Formula:
    """The formula with `change` made to what its groups and sums enclose."""
    result = ZERO
    for monomial, coefficient in formula.terms.items():
        factors: list[tuple[Atom, Fraction]] = []
        for one, exponent in monomial:
            inner, scale = as_product(_changed_inside(one, change).power(exponent))
            coefficient *= scale
            factors += inner
        result = result + product(coefficient, tuple(factors))
    return result


def _changed_inside(one: Atom, change: Callable[[Formula], Formula]) -> Formula:
    if isinstance(one, Group):
        body = change(one.body)
        return body if len(body.terms) < 2 else atom(Group(body))
    if isinstance(one, Total):
        index, body = opened(one)
        made = change(body)
        return atom(one) if made == body else total(index, made)
    return atom(one)


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
    factored = _with_factors_out(formula)
    if not _is_polynomial(formula) and not any(e < 0 for monomial in formula.terms for _, e in monomial):
        yield factored
    yield formula
    yield factored
    plain = _without_quotients_inside(formula)
    if plain is not formula:
        yield plain
    for group in {one for monomial in formula.terms for one, e in monomial if isinstance(one, Group) and e == 1}:
        gathered = _gathered_around(group, formula)
        if gathered is not None:
            yield gathered
    split = _with_sums_apart(formula)
    if split is not formula:
        yield split
    together = _with_sums_together(formula)
    if together is not formula:
        yield together
    if _is_polynomial(formula):
        return
    try:
        joined = _over_one_denominator(formula)
    except TooLong:
        return
    if joined is not formula:
        yield joined


def _gathered_around(group: Group, formula: Formula) -> Formula | None:
    """(a - 2)·b + 3a - 6 as (a - 2)·(b + 3); None if the terms without the sum are no number times it."""
    around, rest = ZERO, ZERO
    for monomial, coefficient in formula.terms.items():
        factors = dict(monomial)
        if factors.pop(group, None) == 1:
            around = around + product(coefficient, tuple(factors.items()))
        else:
            rest = rest + Formula({monomial: coefficient})
    many = ratio(rest, group.body) if rest else None
    if many is None:
        return None
    factors_around, scale = as_product(around + number(many))
    return product(scale, ((group, Fraction(1)), *factors_around))


def _without_quotients_inside(formula: Formula) -> Formula:
    """1/(1/a + 1/b) as a·b/(a + b)."""
    result, changed = ZERO, False
    for monomial, coefficient in formula.terms.items():
        factors: list[tuple[Atom, Fraction]] = []
        for one, exponent in monomial:
            joined = atom(one)
            if isinstance(one, Group) and exponent < 0 and exponent.denominator == 1:
                joined = _over_one_denominator(one.body)
                changed = changed or len(joined.terms) == 1
            inner, scale = as_product((joined if len(joined.terms) == 1 else atom(one)).power(exponent))
            coefficient *= scale
            factors += inner
        result = result + product(coefficient, tuple(factors))
    return result if changed else formula


def _with_sums_apart(formula: Formula) -> Formula:
    """Σ (a - b) as Σ a - Σ b."""
    result, changed = ZERO, False
    for monomial, coefficient in formula.terms.items():
        place = next((k for k, (one, e) in enumerate(monomial) if isinstance(one, Total) and e == 1), None)
        one: Any = None if place is None else monomial[place][0]
        if place is None or len(_multiplied_out(one.body, False).terms) < 2:
            result = result + Formula({monomial: coefficient})
            continue
        index, body = opened(one)
        changed = True
        rest = product(coefficient, (*monomial[:place], *monomial[place + 1 :]))
        for inner, factor in _multiplied_out(body, False).terms.items():
            result = result + rest * total(index, Formula({inner: factor}))
    return result if changed else formula


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
            factors, coefficient = as_product(min((body, _with_factors_out(body)), key=lambda form: form.length))
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
    top = min((top, _with_factors_out(top)), key=lambda form: form.length)
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
    rest = ZERO
    for monomial, coefficient in formula.terms.items():
        left = tuple((one, exponent - common.get(one, 0)) for one, exponent in monomial)
        rest = rest + product(coefficient, tuple(factor for factor in left if factor[1]))
    rest = min((rest, _multiplied_out(rest, False)), key=lambda form: form.length)
    factors, coefficient = as_product(rest)
    return product(coefficient, (*common.items(), *factors))
