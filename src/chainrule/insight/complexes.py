"""Complex numbers in formulas, by Wirtinger's calculus: a complex symbol and its conjugate are variables of their own.

A real loss L changes with a complex z by the two derivatives ∂L/∂z and ∂L/∂z̄, each the other's conjugate; 2·∂L/∂z̄ is
∂L/∂Re z + i·∂L/∂Im z, which backward gives.
"""

from __future__ import annotations

from fractions import Fraction

from .algebra import (
    IMAGINARY_UNIT,
    ONE,
    ZERO,
    Apply,
    Atom,
    Formula,
    Group,
    Monomial,
    Partial,
    Product,
    Symbol,
    Total,
    Whole,
    apply,
    atom,
    number,
    opened,
    total,
)

I = apply("i")
_HALF = Fraction(1, 2)


def is_real(one: Atom) -> bool:
    """Whether an atom is a real number whatever its symbols are."""
    if isinstance(one, Symbol):
        return not one.kind
    if isinstance(one, Partial):
        return not one.of.kind and not one.by.kind
    if isinstance(one, Apply):
        return one.function in PARTS or (one.function != "i" and all(map(is_real_formula, one.arguments)))
    if isinstance(one, (Total, Product, Group)):
        return is_real_formula(one.body)
    if isinstance(one, Whole):
        return not one.symbol.kind
    return True  # conditions


def is_real_formula(formula: Formula) -> bool:
    return all(is_real(one) for monomial in formula.terms for one, _ in monomial)


def conjugated(formula: Formula) -> Formula:
    """The conjugate: of every complex symbol, and of i. Functions of complex numbers go along with it."""

    def change(one: Atom) -> Formula | None:
        if isinstance(one, Symbol):
            return atom(one._replace(kind=-one.kind))
        if isinstance(one, Whole):
            return atom(Whole(one.symbol._replace(kind=-one.symbol.kind), one.rule))
        if isinstance(one, Partial):
            return atom(Partial(*(s._replace(kind=-s.kind) for s in one)))
        if one == IMAGINARY_UNIT:
            return ZERO - I
        return atom(one) if is_real(one) else None

    return formula.replace(change)


def real_part(formula: Formula) -> Formula:
    """Re of a formula, real factors outside."""
    return _parts(formula)[0]


def imaginary_part(formula: Formula) -> Formula:
    """Im of a formula, real factors outside."""
    return _parts(formula)[1]


def _parts(formula: Formula) -> tuple[Formula, Formula]:
    """(Re, Im) of a formula."""
    real, imaginary = ZERO, ZERO
    for monomial, coefficient in formula.terms.items():
        outside, rest, turned = _split(monomial)
        a, b = _parts_of_product(rest)
        if turned:
            a, b = ZERO - b, a
        factor = number(coefficient) * outside
        real, imaginary = real + factor * a, imaginary + factor * b
    return real, imaginary


def _split(monomial: Monomial) -> tuple[Formula, Monomial, bool]:
    """(the real factors of a product, the others, whether i is among these)."""
    outside, rest, turned = ONE, [], False
    powers = dict(monomial)
    for one, exponent in monomial:
        mirrored = one._replace(kind=-one.kind) if isinstance(one, Symbol) and one.kind else None
        if one == IMAGINARY_UNIT:
            turned = True
        elif is_real(one):
            outside = outside * atom(one, exponent)
        elif mirrored is not None and powers.get(mirrored) == exponent:  # z·z̄
            if one.kind == 1:
                outside = outside * modulus(atom(one)).power(2 * exponent)
        else:
            rest.append((one, exponent))
    return outside, tuple(rest), turned


def _parts_of_product(rest: Monomial) -> tuple[Formula, Formula]:
    """(Re, Im) of a product without real factors and without i."""
    if not rest:
        return ONE, ZERO
    one, exponent = rest[0]
    if len(rest) == 1 and exponent == 1:
        if isinstance(one, Symbol) and one.kind == -1:
            a, b = _parts_of_product(((one._replace(kind=1), exponent),))
            return a, ZERO - b
        if isinstance(one, Group):
            return _parts(one.body)
        if isinstance(one, Total):
            index, body = opened(one)
            a, b = _parts(body)
            return total(index, a), total(index, b)
        if isinstance(one, Apply) and one.function == "exp" and _has_real_symbols(one.arguments[0]):
            a, b = _parts(one.arguments[0])
            size = apply("exp", a) if a else ONE
            if all(c < 0 for c in b.terms.values()):  # exp(-i·b)
                b = ZERO - b
                return size * apply("cos", b), ZERO - size * apply("sin", b)
            return size * apply("cos", b), size * apply("sin", b)
    whole = Formula({rest: Fraction(1)})
    return atom(Apply("real", (whole,))), atom(Apply("imag", (whole,)))


def _has_real_symbols(formula: Formula) -> bool:
    return all(not one.kind for one in formula.atoms() if isinstance(one, Symbol))


def modulus(formula: Formula) -> Formula:
    """|formula|, a product's by its factors."""
    if is_real_formula(formula):
        return apply("abs", formula)
    if len(formula.terms) != 1:
        return atom(Apply("modulus", (formula,)))
    ((monomial, coefficient),) = formula.terms.items()
    result = number(abs(coefficient))
    for one, exponent in monomial:
        if one == IMAGINARY_UNIT:
            continue
        if isinstance(one, Symbol) and one.kind == -1:
            one = one._replace(kind=1)
        if isinstance(one, Apply) and one.function == "modulus":
            size = atom(one)
        elif isinstance(one, Apply) and one.function == "exp":
            size = apply("exp", real_part(one.arguments[0]))
        else:
            size = apply("abs", atom(one)) if is_real(one) else atom(Apply("modulus", (atom(one),)))
        result = result * size.power(exponent)
    return result


def argument(formula: Formula) -> Formula:
    """The angle of a complex number."""
    return atom(Apply("arg", (formula,)))


# functions that are no functions of the complex number alone: Re, Im, |z| and the angle depend on its conjugate, too
PARTS = {"real": real_part, "imag": imaginary_part, "modulus": modulus, "arg": argument}


def slope_of_part(one: Apply, by: Symbol) -> Formula:
    """The derivative of a part of u: (∂/∂u)·∂u/∂by + (∂/∂ū)·∂ū/∂by."""
    (u,) = one.arguments
    inner, mirrored = u.derivative(by), conjugated(u).derivative(by)
    if not inner and not mirrored:
        return ZERO
    if one.function == "modulus":
        inner, mirrored = (slope * atom(one, -1) for slope in (inner * conjugated(u), mirrored * u))
    elif one.function == "arg":
        inner, mirrored = inner * u.power(-1), mirrored * conjugated(u).power(-1)
    if not by.kind:  # the second is the conjugate of the first
        return _parts(inner)[one.function in ("imag", "arg")]
    if one.function in ("imag", "arg"):
        return number(_HALF) * I * (mirrored - inner)
    return number(_HALF) * (inner + mirrored)


def joined(formula: Formula) -> Formula:
    """The formula with Re(z) + i·Im(z) as z, Re(z) - i·Im(z) as its conjugate, and the product of both as |z|²."""
    result = ZERO
    for monomial, coefficient in _with_parts_joined(formula).terms.items():
        outside, rest, turned = _split(monomial)
        paired = any(isinstance(one, Symbol) and one.kind == -1 for one, _ in monomial) and len(rest) < len(monomial)
        product = outside * Formula({rest: Fraction(1)}) * (I if turned else ONE)
        result = result + number(coefficient) * (product if paired else Formula({monomial: Fraction(1)}))
    return result


def _with_parts_joined(formula: Formula) -> Formula:
    terms = dict(formula.terms)
    for monomial, coefficient in formula.terms.items():
        for place, (one, exponent) in enumerate(monomial):
            if not isinstance(one, Apply) or one.function != "real" or exponent != 1 or monomial not in terms:
                continue
            others = (*monomial[:place], *monomial[place + 1 :])
            twin = Formula({others: Fraction(1)}) * I * atom(Apply("imag", one.arguments))
            ((wanted, sign),) = twin.terms.items()
            key = next((m for m in terms if frozenset(m) == frozenset(wanted)), None)
            if key is None or abs(terms[key]) != abs(coefficient):
                continue
            (whole,) = one.arguments
            if terms.pop(key) * sign != coefficient:
                whole = conjugated(whole)
            del terms[monomial]
            return _with_parts_joined(Formula(terms) + Formula({others: coefficient}) * whole)
    return formula
