"""Formulas as SymPy expressions. SymPy is imported only here."""

from __future__ import annotations

from typing import Any

from .algebra import Apply, Atom, Delta, Formula, Group, Index, Position, Symbol, Total, _fresh


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
            return position
        if position not in indices:
            indices[position] = sympy.Symbol(f"i{len(indices) or ''}", integer=True)
        return indices[position]

    if isinstance(one, Symbol):
        if not one.index:
            return sympy.Symbol(one.name)
        return sympy.IndexedBase(one.name)[tuple(place(p) for p in one.index)]
    if isinstance(one, Group):
        return _sum(sympy, one.body, indices)
    if isinstance(one, Delta):
        return sympy.KroneckerDelta(place(one.left), place(one.right))
    if isinstance(one, Total):
        bound = sympy.Symbol(f"k{_fresh()}", integer=True)
        return sympy.Sum(_sum(sympy, one.body, {**indices, one.index: bound}), (bound, 0, one.index.size - 1))
    if isinstance(one, Apply):
        arguments = [_sum(sympy, a, indices) for a in one.arguments]
        return _function(sympy, one.function, arguments)
    raise ValueError(f"no formula is known of {one}")


def _function(sympy: Any, name: str, arguments: list) -> Any:
    if name == "pi":
        return sympy.pi
    if name == "number":
        return arguments[0]
    if name == "pow":
        return arguments[0] ** arguments[1]
    if name == "sigmoid":
        return 1 / (1 + sympy.exp(-arguments[0]))
    if name == "softplus":
        return sympy.log(1 + sympy.exp(arguments[0]))
    if name == "relu":
        return sympy.Max(arguments[0], 0)
    if name == "positive":
        return sympy.Piecewise((1, arguments[0] > 0), (0, True))
    names = {"abs": "Abs", "ceil": "ceiling"}
    function = getattr(sympy, names.get(name, name), None)
    if function is None:
        raise ValueError(f"SymPy has no function {name}")
    return function(*arguments)
