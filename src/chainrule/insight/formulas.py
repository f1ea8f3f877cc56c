"""What an operation computes, as a formula for one element of its output in terms of elements of its inputs.

One rule an operation; its derivative follows from the formula (algebra.py), independently of the rule that backward
uses, which is why the two can check each other. An operation without a rule is shown by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ..engine import Node
from ..op import ELEMENTWISE
from ..tensor import Tensor
from .algebra import (
    ONE,
    ZERO,
    Formula,
    Index,
    Position,
    Symbol,
    TooLong,
    apply,
    atom,
    fresh,
    number,
    total,
)
from .syntax import simple_name
from .values import Edge, Unknown, Values, edges_of, operand_of, record_of

DEEPEST = 24  # operations in one formula, along one way down
Place = tuple[Position, ...]  # one element of a tensor: an index or a number for each dimension


class NoFormula(Exception):
    """The operation has no rule, or its shapes are not known."""


def places(shape: tuple[int, ...]) -> Place:
    """A fresh index for each dimension; 0 where there is only one element."""
    return tuple(fresh(n) if n != 1 else 0 for n in shape)


class Formulas:
    """Formulas of a graph's nodes in terms of the edges in `symbols` ({edge: name}) and of constants."""

    def __init__(self, values: Values, symbols: dict[Edge, str], arrays: dict[int, str]) -> None:
        """`arrays`: {id of an array: the name of the tensor that holds it} of the program's variables."""
        self.values = values
        self.symbols = symbols
        self.arrays = arrays
        self.constants: dict[str, np.ndarray] = {}
        self.opaque: set[Edge] = set()  # named, but without a formula
        self.promoted = 0  # values that got a name here
        self._given_names = set(symbols.values())
        self._depth = 0
        self._uses: dict[Edge, int] = {}
        for node in values.order:
            for edge in edges_of(node):
                if edge is not None:
                    self._uses[edge] = self._uses.get(edge, 0) + 1

    def shape(self, edge: Edge) -> tuple[int, ...]:
        return self.values.value(edge).shape

    def element(self, edge: Edge, place: Place) -> Formula:
        """An element of what `edge` leads to: a symbol if it has one, else its formula.

        What is used more than once or lies deep gets a symbol, and so do an operation without a rule and its inputs."""
        if edge not in self.symbols:
            if self._uses[edge] > 1 or self._depth > DEEPEST:
                self.promote(edge)
            else:
                return self.definition(edge, place)
        return atom(self.symbol(edge, place))

    def definition(self, edge: Edge, place: Place) -> Formula:
        """The formula of an element of a node's output; where there is none, its symbol."""
        record = record_of(edge[0])
        rule = None if record is None else RULES.get(record.name)
        self._depth += 1
        try:
            if rule is None:
                raise NoFormula
            return rule(Call(self, *edge), place)
        except (NoFormula, TooLong):
            self.promote(edge)
            self.opaque.add(edge)
            for inner in edges_of(edge[0]):
                if inner is not None:
                    self.promote(inner)
            return atom(self.symbol(edge, place))
        finally:
            self._depth -= 1

    def promote(self, edge: Edge) -> None:
        """Gives a value that the program has no name for a name."""
        if edge not in self.symbols:
            taken = {name.rstrip("_0123456789") for name in self._given_names}
            letter = next((one for one in "uvhtsgf" if one not in taken), "value")
            self.promoted += 1
            self.symbols[edge] = f"{letter}_{self.promoted}"

    def symbol(self, edge: Edge, place: Place) -> Symbol:
        """The symbol of a named edge; dimensions with one element are not counted."""
        return _symbol(self.symbols[edge], self.shape(edge), place)

    def constant(self, node: Node, place: int, position: Place | None) -> Formula:
        """An input that takes no gradient: a number, or an element of a named array."""
        value = self.values.constant(node, place)
        if not isinstance(value, np.ndarray):
            return rational_of(value)
        shown = simple_name(operand_of(node, place)) or self.arrays.get(id(value))
        if value.size == 1 and shown is None:
            return rational_of(value.reshape(())[()])
        name = self._constant_name(shown or "c", value)
        if position is None:
            raise NoFormula
        return atom(_symbol(name, value.shape, position))

    def _constant_name(self, shown: str, value: np.ndarray) -> str:
        taken = set(self.symbols.values())
        name, n = shown, 0
        while name in taken or (name in self.constants and not _same(self.constants[name], value)):
            n += 1
            name = f"{shown}_{n}"
        self.constants[name] = value
        return name


class Call:
    """One recorded call, as the rules see it."""

    def __init__(self, formulas: Formulas, node: Node, output: int) -> None:
        self.formulas = formulas
        self.node = node
        self.output = output
        self.edges = edges_of(node)

    def shape(self, place: int = 0) -> tuple[int, ...]:
        """The shape of an input; () for a number."""
        edge = self.edges[place]
        try:
            if edge is not None:
                return self.formulas.shape(edge)
            return np.shape(self.formulas.values.constant(self.node, place))
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def settings(self) -> dict:
        try:
            return dict(zip(record_of(self.node).settings, self.formulas.values.settings(self.node)))
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def at(self, place: int, position: Place) -> Formula:
        """The element of an input at exactly this position."""
        edge = self.edges[place]
        try:
            if edge is not None:
                return self.formulas.element(edge, position)
            return self.formulas.constant(self.node, place, position)
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def __call__(self, place: int, position: Place) -> Formula:
        """The element of an input that broadcasting puts at this position of the output."""
        if self.edges[place] is None:
            try:
                shape = np.shape(self.formulas.values.constant(self.node, place))
            except Unknown as error:
                return self._unknown_constant(place, error)
        else:
            shape = self.shape(place)
        return self.at(place, broadcast(shape, position))

    def _unknown_constant(self, place: int, error: Unknown) -> Formula:
        """A constant of which only the name is known: good enough where it drops out of the derivative."""
        name = simple_name(operand_of(self.node, place))
        if name is None or name in self.formulas.symbols.values():
            raise NoFormula(str(error))
        return atom(Symbol(name))


def broadcast(shape: tuple[int, ...], position: Place) -> Place:
    """The position in an input of this shape that belongs to a position in the output."""
    return tuple(0 if n == 1 else p for n, p in zip(shape, position[len(position) - len(shape) :]))


def _symbol(name: str, shape: tuple[int, ...], place: Place) -> Symbol:
    return Symbol(name, tuple(p for p, n in zip(place, shape) if n != 1))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or (a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f" == b.dtype.kind)))


def rational_of(value) -> Formula:
    """A number of the program, as it was written: 0.1 is a tenth. NoFormula for inf, nan and complex numbers."""
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return number(int(value))
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        written = np.format_float_positional(value) if isinstance(value, np.floating) else repr(value)
        return number(Fraction(written.rstrip(".") if written.endswith(".") else written))
    raise NoFormula(f"{value} is no rational number")


# ---------------------------------------------------------------- rules

Rule = Callable[[Call, Place], Formula]
RULES: dict[str, Rule] = {}


def rule(*names: str):
    """Registers a rule under the names of operations."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


def _unary(name: str, of: Callable[[Formula], Formula]) -> None:
    RULES[name] = lambda call, p: of(call(0, p))


def _binary(name: str, of: Callable[[Formula, Formula], Formula]) -> None:
    RULES[name] = lambda call, p: of(call(0, p), call(1, p))


_PLAIN = (
    "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid",
    "relu", "abs", "sign", "floor", "ceil", "round", "erf",
)  # fmt: skip
for _name in _PLAIN:
    _unary(_name, lambda u, name=_name: apply(name, u))  # type: ignore[misc]
_HALF = Fraction(1, 2)
_unary("neg", lambda u: ZERO - u)
_unary("sqrt", lambda u: u.power(_HALF))
_unary("rsqrt", lambda u: u.power(-_HALF))
_unary("reciprocal", lambda u: u.power(-1))
_unary("exp2", lambda u: apply("pow", number(2), u))
_unary("expm1", lambda u: apply("exp", u) - ONE)
_unary("log1p", lambda u: apply("log", ONE + u))
_unary("log2", lambda u: apply("log", u) * apply("log", number(2)).power(-1))
_unary("log10", lambda u: apply("log", u) * apply("log", number(10)).power(-1))
_unary("silu", lambda u: u * apply("sigmoid", u))
_unary("log_sigmoid", lambda u: apply("log", apply("sigmoid", u)))
_binary("add", lambda a, b: a + b)
_binary("sub", lambda a, b: a - b)
_binary("rsub", lambda a, b: b - a)
_binary("mul", lambda a, b: a * b)
_binary("div", lambda a, b: a * b.power(-1))
_binary("hypot", lambda a, b: (a.power(2) + b.power(2)).power(_HALF))
_binary("logaddexp", lambda a, b: apply("log", apply("exp", a) + apply("exp", b)))
_binary("xlogy", lambda a, b: a * apply("log", b))
_binary("pow", lambda a, b: apply("pow", a, b))


@rule("gelu")
def _gelu(call: Call, p: Place) -> Formula:
    u = call(0, p)
    return number(_HALF) * u * (ONE + apply("erf", u * apply("number", number(2)).power(-_HALF)))


@rule("softplus")
def _softplus(call: Call, p: Place) -> Formula:
    beta = rational_of(call.settings()["beta"])
    return beta.power(-1) * apply("softplus", beta * call(0, p))


@rule("leaky_relu")
def _leaky_relu(call: Call, p: Place) -> Formula:
    u, slope = call(0, p), rational_of(call.settings()["slope"])
    return apply("relu", u) - slope * apply("relu", ZERO - u)


@rule("add_scaled", "sub_scaled", "rsub_scaled")
def _scaled(call: Call, p: Place) -> Formula:
    alpha, name = rational_of(call.settings()["alpha"]), record_of(call.node).name
    if name == "rsub_scaled":
        return call(1, p) - alpha * call(0, p)
    return call(0, p) + (alpha if name == "add_scaled" else ZERO - alpha) * call(1, p)


@rule("pow_number")
def _pow_number(call: Call, p: Place) -> Formula:
    exponent = rational_of(call.settings()["exponent"]).number
    assert exponent is not None
    return call(0, p).power(exponent)


@rule("pow_of_number")
def _pow_of_number(call: Call, p: Place) -> Formula:
    return apply("pow", rational_of(call.settings()["base"]), call(0, p))


@rule("lerp")
def _lerp(call: Call, p: Place) -> Formula:
    return call(0, p) + call(2, p) * (call(1, p) - call(0, p))


@rule("addcmul", "addcdiv")
def _addc(call: Call, p: Place) -> Formula:
    value = rational_of(call.settings()["value"])
    third = call(2, p) if record_of(call.node).name == "addcmul" else call(2, p).power(-1)
    return call(0, p) + value * call(1, p) * third


# ---- reductions


def _reduced(call: Call, p: Place) -> tuple[list[Index], Place]:
    """The indices that a reduction sums over, and the position of the element of the input."""
    settings, shape = call.settings(), call.shape()
    dims = settings["dim"]
    dims = tuple(range(len(shape))) if dims is None else (dims,) if isinstance(dims, int) else dims
    dims = {d % len(shape) for d in dims} if shape else set()
    rest = iter(p)
    bound: list[Index] = []
    inside: list[Position] = []
    for d, n in enumerate(shape):
        if d in dims:
            if settings.get("keepdim"):
                next(rest)
            inside.append(fresh(n) if n != 1 else 0)
            if n != 1:
                bound.append(inside[-1])  # type: ignore[arg-type]
        else:
            inside.append(next(rest))
    return bound, tuple(inside)


def _summed(bound: list[Index], body: Formula) -> Formula:
    for index in reversed(bound):
        body = total(index, body)
    return body


@rule("sum", "sum_dim", "mean", "mean_dim")
def _sum(call: Call, p: Place) -> Formula:
    bound, inside = _reduced(call, p)
    result = _summed(bound, call.at(0, inside))
    if record_of(call.node).name.startswith("mean"):
        size = math.prod(index.size for index in bound)
        if not size:
            raise NoFormula
        result = number(Fraction(1, size)) * result
    return result


@rule("logsumexp")
def _logsumexp(call: Call, p: Place) -> Formula:
    bound, inside = _reduced(call, p)
    return apply("log", _summed(bound, apply("exp", call.at(0, inside))))


@rule("softmax", "log_softmax")
def _softmax(call: Call, p: Place) -> Formula:
    shape, dim = call.shape(), call.settings()["dim"]
    if not shape:
        raise NoFormula
    dim %= len(shape)
    if shape[dim] == 1:
        return ONE if record_of(call.node).name == "softmax" else ZERO
    index = fresh(shape[dim])
    exponentials = total(index, apply("exp", call.at(0, (*p[:dim], index, *p[dim + 1 :]))))
    if record_of(call.node).name == "softmax":
        return apply("exp", call.at(0, p)) * exponentials.power(-1)
    return call.at(0, p) - apply("log", exponentials)


@rule("linalg_vector_norm")
def _norm(call: Call, p: Place) -> Formula:
    bound, inside = _reduced(call, p)
    order = call.settings()["ord"]
    if order == 2:
        return _summed(bound, call.at(0, inside).power(2)).power(_HALF)
    if order == 1:
        return _summed(bound, apply("abs", call.at(0, inside)))
    raise NoFormula


# ---- products


def _contracted(
    call: Call, n: int, left: Callable[[Position], Formula], right: Callable[[Position], Formula]
) -> Formula:
    if n == 1:
        return left(0) * right(0)
    k = fresh(n)
    return total(k, left(k) * right(k))


@rule("mm", "mv", "dot", "bmm", "matmul", "matvec", "vecmat")
def _matmul(call: Call, p: Place) -> Formula:
    return _matrix_product(call, 0, 1, p)


def _matrix_product(call: Call, first: int, second: int, p: Place) -> Formula:
    x, y = call.shape(first), call.shape(second)
    rows = () if len(x) == 1 else (p[-2],) if len(y) > 1 else (p[-1],)
    columns = () if len(y) == 1 else (p[-1],)
    batch = p[: len(p) - len(rows) - len(columns)]
    return _contracted(
        call,
        x[-1],
        lambda k: call.at(first, broadcast(x, (*batch, *rows, k))),
        lambda k: call.at(second, broadcast(y, (*batch, k, *columns))),
    )


@rule("addmm", "addmv", "baddbmm")
def _addmm(call: Call, p: Place) -> Formula:
    settings = call.settings()
    beta, alpha = rational_of(settings["beta"]), rational_of(settings["alpha"])
    return beta * call(0, p) + alpha * _matrix_product(call, 1, 2, p)


# ---- shapes


@rule("alias", "clone", "contiguous_copy", "channels_last_copy", "cast", "positive", "conj", "real")
def _same_element(call: Call, p: Place) -> Formula:
    return call.at(0, p)


@rule("copy")
def _copy(call: Call, p: Place) -> Formula:
    return call(1, p)


@rule("expand")
def _expand(call: Call, p: Place) -> Formula:
    return call(0, p)


@rule("transpose", "t", "permute")
def _permute(call: Call, p: Place) -> Formula:
    n, settings = len(p), call.settings()
    if record_of(call.node).name == "permute":
        order = [d % n for d in settings["dims"]]
    else:
        order = list(range(n))
        a, b = (settings["dim0"] % n, settings["dim1"] % n) if settings else (0, n - 1)
        order[a], order[b] = order[b], order[a]
    inside: list[Position] = [0] * n
    for out, d in enumerate(order):
        inside[d] = p[out]
    return call.at(0, tuple(inside))


@rule("select")
def _select(call: Call, p: Place) -> Formula:
    settings, shape = call.settings(), call.shape()
    dim = settings["dim"] % len(shape)
    return call.at(0, (*p[:dim], int(settings["index"]) % shape[dim], *p[dim:]))


@rule("unbind")
def _unbind(call: Call, p: Place) -> Formula:
    dim = call.settings()["dim"] % len(call.shape())
    return call.at(0, (*p[:dim], call.output, *p[dim:]))


@rule("view", "unsafe_view", "squeeze", "squeeze_dim", "squeeze_dims", "unsqueeze")
def _view(call: Call, p: Place) -> Formula:
    """Another shape whose dimensions are the same but for those with one element."""
    shape = call.shape()
    sizes = [n for n in shape if n != 1]
    kept = [q for q in p if isinstance(q, Index)]
    if [q.size for q in kept] != sizes or any(isinstance(q, int) and q for q in p):
        raise NoFormula
    rest = iter(kept)
    return call.at(0, tuple(0 if n == 1 else next(rest) for n in shape))


def is_elementwise(node: Node) -> bool:
    """Whether each element of the output depends only on the elements at its own place."""
    record = record_of(node)
    return record is not None and record.kind == ELEMENTWISE


def is_leaf(edge: Edge) -> bool:
    return isinstance(edge[0], Tensor)
