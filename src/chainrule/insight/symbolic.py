"""Formulas as SymPy expressions. SymPy is imported only here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .algebra import Apply, AtLeast, Atom, Delta, Formula, Group, Product, Symbol, Total, Whole
from .positions import Entry, Index, Linear, Part, Position, fresh, split


def expression(formula: Formula) -> Any:
    """A formula as a SymPy expression; ImportError without SymPy, ValueError for what SymPy cannot say."""
    import sympy

    return _sum(sympy, formula, {})


def _sum(sympy: Any, formula: Formula, indices: dict[Index, Any]) -> Any:
    result = sympy.Integer(0)
    for monomial, coefficient in formula.terms.items():
        term = sympy.Rational(coefficient.numerator, coefficient.denominator)
        for one, exponent in monomial:
            term *= _atom(sympy, one, indices) ** sympy.Rational(exponent.numerator, exponent.denominator)
        result += term
    return result


def _atom(sympy: Any, one: Atom, indices: dict[Index, Any]) -> Any:
    def place(position: Position) -> Any:
        if isinstance(position, int):
            return sympy.Integer(position)
        if isinstance(position, Linear):
            offset, terms = split(position)
            return sympy.Integer(offset) + sum(c * place(unit) for unit, c in terms.items())
        if isinstance(position, Entry):
            return sympy.IndexedBase(position.table)[tuple(place(p) for p in position.index)]
        if isinstance(position, Part):
            of = place(position.of)
            return sympy.Mod(of, position.by) if position.rest else sympy.floor(of / position.by)
        if position not in indices:
            indices[position] = sympy.Symbol(f"i{len(indices) or ''}", integer=True)
        return indices[position]

    def holds(position: Position) -> Any:
        return sympy.Piecewise((1, place(position) >= 0), (0, True))

    if isinstance(one, Whole):
        one = one.symbol

    if isinstance(one, Symbol):
        made = sympy.IndexedBase(one.name)[tuple(place(p) for p in one.index)] if one.index else sympy.Symbol(one.name)
        return sympy.conjugate(made) if one.kind == -1 else made
    if isinstance(one, Group):
        return _sum(sympy, one.body, indices)
    if isinstance(one, Delta):
        return sympy.KroneckerDelta(place(one.left), place(one.right))
    if isinstance(one, AtLeast):
        return holds(one.position)
    if isinstance(one, Total | Product):
        bound = sympy.Symbol(f"k{fresh(1).number}", integer=True)
        body, limits = _sum(sympy, one.body, {**indices, one.index: bound}), (bound, 0, one.index.size - 1)
        if isinstance(one, Total):
            return sympy.Sum(body, limits)
        indices = {**indices, one.index: bound}
        conditions = [place(p) >= 0 for p in one.where] + [sympy.Ne(bound, place(p)) for p in one.but]
        return sympy.Product(sympy.Piecewise((body, sympy.And(*conditions)), (1, True)), limits)
    if isinstance(one, Apply):
        arguments = [_sum(sympy, a, indices) for a in one.arguments]
        return _function(sympy, one.function, arguments)
    raise ValueError(f"no formula is known of {one}")


def _function(sympy: Any, name: str, arguments: list) -> Any:
    if name == "pi":
        return sympy.pi
    if name == "i":
        return sympy.I
    if name == "number":
        return arguments[0]
    made: dict[str, Callable[..., Any]] = {
        "pow": lambda a, b: a**b,
        "sigmoid": lambda a: 1 / (1 + sympy.exp(-a)),
        "softplus": lambda a: sympy.log(1 + sympy.exp(a)),
        "relu": lambda a: sympy.Max(a, 0),
        "positive": lambda a: sympy.Piecewise((1, a > 0), (0, True)),
        "above": lambda a, b: sympy.Piecewise((1, a > b), (0, True)),
        "not_below": lambda a, b: sympy.Piecewise((1, a >= b), (0, True)),
        "equal": lambda a, b: sympy.Piecewise((1, sympy.Eq(a, b)), (0, True)),
        "between": lambda a, low, high: sympy.Piecewise((1, sympy.And(a >= low, a <= high)), (0, True)),
        "clamp": lambda a, low, high: sympy.Min(sympy.Max(a, low), high),
        "Phi": lambda a: (1 + sympy.erf(a / sympy.sqrt(2))) / 2,
        "Phi_inverse": lambda a: sympy.sqrt(2) * sympy.erfinv(2 * a - 1),
        "sinc": lambda a: sympy.sinc(sympy.pi * a),
        "i0": lambda a: sympy.besseli(0, a),
        "i1": lambda a: sympy.besseli(1, a),
        "i2": lambda a: sympy.besseli(2, a),
        "erfcx": lambda a: sympy.exp(a**2) * sympy.erfc(a),
        "P": lambda a, x: sympy.lowergamma(a, x) / sympy.gamma(a),
    }
    made["hardtanh"] = made["clamp"]
    if name in made:
        return made[name](*arguments)
    name = name.removesuffix("_half").removesuffix("_first")
    names = {
        "abs": "Abs",
        "modulus": "Abs",
        "real": "re",
        "imag": "im",
        "ceil": "ceiling",
        "lgamma": "loggamma",
        "max": "Max",
        "min": "Min",
    }
    function = getattr(sympy, names.get(name, name), None)
    if function is None:
        raise ValueError(f"SymPy has no function {name}")
    return function(*arguments)
