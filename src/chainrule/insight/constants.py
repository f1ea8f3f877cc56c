"""Constants as the program writes them: (1 - yᵢ) of `1 - y`, Kⱼᵢ of `K.T`, [xᵢ > 0] of `x > 0`, w of a number called w.

What takes no gradient leaves no nodes, only its numbers. Its formula is read from the program's text, with what the
variables hold now, and is taken only if it has the numbers that the operation was given.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..op import NUMBERS
from ..tensor import Tensor, gradient_edge
from .algebra import ONE, ZERO, Formula, apply, atom, number, total
from .functions import PI, above, not_below
from .names import value_called
from .positions import Index, Position, fresh, weighted
from .syntax import Syntax, operands, simple_name, syntax_of
from .values import expression_of, operand_of

if TYPE_CHECKING:
    from ..engine import Node
    from .formulas import Formulas, Place


class NotWritten(Exception):
    """The text does not say what a constant is, or its variables hold other things by now."""


class Written(NamedTuple):
    """An expression's numbers, and the formula of the element at a place."""

    value: np.ndarray
    at: Callable[[Place], Formula]


class Constants:
    """The constants of the nodes of a graph, in the names and expressions of the program."""

    def __init__(self, formulas: Formulas) -> None:
        self.formulas = formulas
        self.syntax: Syntax | None = None  # of the program whose text is being read
        self.code: Any = None  # and the code object of it

    def formula(self, node: Node, place: int, value: Any, position: Place) -> Formula | None:
        """An element of what a node was given at `place`, in the program's words; None if they are not to be had.

        Dimensions of one element do not count."""
        for expression in _candidates(node, place):
            found = self._numbers_of(node, expression)
            if found is not None and _close(_squeezed(found.value), _squeezed(value)):
                counted = iter([p for p, n in zip(position, np.shape(value)) if n != 1])
                return found.at(tuple(0 if n == 1 else next(counted) for n in found.value.shape))
        return None

    def name(self, node: Node, value: np.ndarray) -> str | None:
        """The variable in the expression that recorded a node, or in a call that led to it, that holds these numbers.

        Dimensions of one element do not count."""
        expression = expression_of(node)
        for one in ast.walk(expression) if expression is not None else ():
            if isinstance(one, (ast.Name, ast.Attribute)):
                held = self.formulas.values.look_up(ast.unparse(one), node.code)
                if (
                    isinstance(held, Tensor)
                    and not held.requires_grad
                    and _squeezed(held._array).shape == _squeezed(value).shape
                ):
                    if _close(_squeezed(held._array), _squeezed(value)):
                        return simple_name(one)
        return None

    def is_left(self, node: Node, value: Any) -> bool:
        """Whether an operator's left operand is this number."""
        expression: Any = expression_of(node)
        left = self._numbers_of(node, expression.left) if isinstance(expression, ast.BinOp) else None
        return left is not None and _close(left.value, value)

    def _numbers_of(self, node: Node, expression: ast.expr) -> Written | None:
        self.syntax, self.code = syntax_of(node.code.co_filename), node.code
        try:
            return self._read(expression, False)
        except NotWritten:
            return None

    def _read(self, expression: ast.expr, held: bool) -> Written:
        """`held`: inside a condition, whose derivative is 0, so that it may be about what takes gradients."""
        if isinstance(expression, ast.BinOp):
            return self._combined(expression, held)
        if isinstance(expression, ast.UnaryOp):
            inner = self._read(expression.operand, held)
            if isinstance(expression.op, ast.USub):
                return Written(-inner.value, lambda p: ZERO - inner.at(p))
            if isinstance(expression.op, ast.Invert) and inner.value.dtype == bool:
                return Written(~inner.value, lambda p: ONE - inner.at(p))
            raise NotWritten
        if isinstance(expression, ast.Compare) and len(expression.ops) == 1:
            return self._compared(expression)
        if isinstance(expression, ast.Call):
            return self._called(expression, held)
        if isinstance(expression, ast.Subscript):
            places = _constant_index(expression.slice)
            if places is not None and isinstance(self._value_or_none(expression.value), Tensor):
                return _part(self._read(expression.value, held), places)
        if isinstance(expression, ast.Attribute) and expression.attr in ("T", "mT"):
            return _transposed(self._read(expression.value, held))
        return self._variable(expression, held)

    def _variable(self, expression: ast.expr, held: bool) -> Written:
        """A literal number, or what a variable, an attribute or an element of a container holds."""
        if isinstance(expression, ast.Constant):
            value = expression.value
        else:
            value = self._value(expression)
        if isinstance(value, Tensor):
            return self._tensor(ast.unparse(expression), value, held)
        if isinstance(value, bool) or not isinstance(value, NUMBERS):
            raise NotWritten
        name = ast.unparse(expression)
        if name in _PI:
            return Written(np.asarray(value), lambda p: PI)
        if isinstance(expression, ast.Constant):
            from .formulas import rational_of

            return Written(np.asarray(value), lambda p: rational_of(value))
        if not self._is_fixed(expression):
            raise NotWritten
        array = np.asarray(value)
        return Written(array, lambda p: self.formulas.given(name, array, ()))

    def _value(self, expression: ast.expr) -> Any:
        name = ast.unparse(expression)
        if simple_name(expression) is None:
            raise NotWritten
        head = name.partition(".")[0].partition("[")[0]
        root = self.formulas.values.look_up(head, self.code)
        return value_called(name, {head: root})

    def _value_or_none(self, expression: ast.expr) -> Any:
        return None if simple_name(expression) is None else self._value(expression)

    def _is_fixed(self, expression: ast.expr) -> bool:
        """Whether a variable that holds a number is assigned once, outside of loops: then its name says which number."""
        while isinstance(expression, (ast.Attribute, ast.Subscript)):
            expression = expression.value
        return isinstance(expression, ast.Name) and self.syntax is not None and self.syntax.is_fixed(expression.id)

    def _tensor(self, name: str, tensor: Tensor, held: bool) -> Written:
        formulas, array = self.formulas, np.asarray(tensor._array)
        edge = gradient_edge(tensor)
        if edge in formulas.symbols:
            if not held:
                raise NotWritten
            return Written(array, lambda p: atom(formulas.symbol(edge, p)))
        if tensor._node is not None and tensor.requires_grad and not held:
            raise NotWritten
        name = formulas.arrays.get(id(tensor._array), name)
        return Written(array, lambda p: formulas.given(name, array, p))

    def _combined(self, expression: ast.BinOp, held: bool) -> Written:
        if isinstance(expression.op, ast.MatMult):
            return _multiplied(self._read(expression.left, held), self._read(expression.right, held))
        made = _OPERATORS.get(type(expression.op))
        if made is None:
            raise NotWritten
        return _together(*made, self._read(expression.left, held), self._read(expression.right, held))

    def _compared(self, expression: ast.Compare) -> Written:
        made = _COMPARISONS.get(type(expression.ops[0]))
        if made is None:
            raise NotWritten
        left, right = self._read(expression.left, True), self._read(expression.comparators[0], True)
        return _together(*made, left, right)

    def _called(self, call: ast.Call, held: bool) -> Written:
        function = call.func
        if not isinstance(function, ast.Attribute) or call.keywords:
            raise NotWritten
        name = function.attr
        if simple_name(function.value) in ("torch", "math") and len(call.args) == 1:
            inner: Any = call.args[0]
        elif not call.args:
            inner = function.value
        else:
            raise NotWritten
        if name in _SAME:
            return self._read(inner, held)
        if name == "t":
            return _transposed(self._read(inner, held))
        if name in ("sum", "mean"):
            return _summed(self._read(inner, held), name == "mean")
        if name not in _FUNCTIONS:
            raise NotWritten
        read = self._read(inner, held)
        with np.errstate(all="ignore"):
            value = _FUNCTIONS[name](np.asarray(read.value, np.float64))
        if name == "sqrt":
            return Written(value, lambda p: _root(read.at(p)))
        return Written(value, lambda p: apply(name, read.at(p)))


def _candidates(node: Node, place: int) -> list[ast.expr]:
    """The expressions that may have given a node its input: the likely one first."""
    likely = operand_of(node, place)
    expression: Any = expression_of(node)
    syntax = syntax_of(node.code.co_filename)
    others = [] if expression is None or syntax is None else operands(syntax, expression)
    return [one for one in (likely, *others) if one is not None]


def _together(compute: Callable, combine: Callable, left: Written, right: Written) -> Written:
    """Two operands element by element, as broadcasting lays them over each other."""
    from .formulas import broadcast

    with np.errstate(all="ignore"):
        try:
            value = np.asarray(compute(left.value, right.value))
        except (ValueError, TypeError) as error:
            raise NotWritten from error

    def at(place: tuple[Position, ...]) -> Formula:
        return combine(*(one.at(broadcast(one.value.shape, place)) for one in (left, right)))

    return Written(value, at)


def _multiplied(left: Written, right: Written) -> Written:
    """The product of two matrices or vectors."""
    n = left.value.shape[-1] if left.value.ndim else 0
    if not n or left.value.ndim > 2 or right.value.ndim not in (1, 2) or right.value.shape[0] != n:
        raise NotWritten

    def at(place: tuple[Position, ...]) -> Formula:
        rows = left.value.ndim - 1
        k = fresh(n) if n != 1 else 0
        element = left.at((*place[:rows], k)) * right.at((k, *place[rows:]))
        return total(k, element) if isinstance(k, Index) else element

    return Written(left.value @ right.value, at)


def _summed(inner: Written, is_mean: bool) -> Written:
    """The sum or the mean of all elements."""
    if not inner.value.size:
        raise NotWritten

    def at(place: tuple[Position, ...]) -> Formula:
        indices = tuple(fresh(n) if n != 1 else 0 for n in inner.value.shape)
        result = inner.at(indices)
        for index in reversed(indices):
            result = total(index, result) if isinstance(index, Index) else result
        return result * number(Fraction(1, inner.value.size)) if is_mean else result

    return Written(inner.value.mean() if is_mean else inner.value.sum(), at)


def _constant_index(expression: ast.expr) -> tuple[int | slice, ...] | None:
    """What stands in the brackets of x[1:, 0], if these are numbers."""
    found: list[int | slice] = []
    for one in expression.elts if isinstance(expression, ast.Tuple) else [expression]:
        ends = [one.lower, one.upper, one.step] if isinstance(one, ast.Slice) else [one]
        try:
            numbers = [None if end is None else ast.literal_eval(end) for end in ends]
        except ValueError:
            return None
        if not all(type(number) is int or (number is None and isinstance(one, ast.Slice)) for number in numbers):
            return None
        found.append(slice(*numbers) if isinstance(one, ast.Slice) else int(numbers[0] or 0))
    return tuple(found)


def _part(inner: Written, places: tuple[int | slice, ...]) -> Written:
    """x[1:, 0] of x: the element at i is that of x at i + 1, 0."""
    shape = inner.value.shape
    if len(places) > len(shape):
        raise NotWritten

    def at(place: tuple[Position, ...]) -> Formula:
        rest, found = iter(place), []
        for n, one in zip(shape, (*places, *[slice(None)] * (len(shape) - len(places)))):
            if isinstance(one, int):
                found.append(one % n)
            else:
                start, _, step = one.indices(n)
                found.append(weighted((next(rest), step), (start, 1)))
        return inner.at(tuple(found))

    try:
        return Written(inner.value[places], at)
    except IndexError as error:
        raise NotWritten from error


def _transposed(inner: Written) -> Written:
    if inner.value.ndim < 2:
        return inner
    return Written(inner.value.swapaxes(-1, -2), lambda p: inner.at((*p[:-2], p[-1], p[-2])))


def _root(u: Formula) -> Formula:
    from .functions import root

    return root(u if u.number is None else apply("number", u))


def _raised(a: Formula, b: Formula) -> Formula:
    if b.number is None:
        return apply("pow", a, b)
    return _root(a) if b.number * 2 == 1 else a.power(b.number)


def _squeezed(array: Any) -> np.ndarray:
    return np.asarray(array).squeeze()


def _close(a: Any, b: Any) -> bool:
    """Whether two arrays are the same but for rounding."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-5, atol=1e-7, equal_nan=True))


_OPERATORS: dict[type, tuple[Callable, Callable]] = {
    ast.Add: (operator.add, operator.add), ast.Sub: (operator.sub, operator.sub), ast.Mult: (operator.mul, operator.mul),
    ast.Div: (operator.truediv, lambda a, b: a * b.power(-1)), ast.Pow: (operator.pow, _raised),
    ast.BitAnd: (operator.and_, operator.mul),
    ast.BitOr: (operator.or_, lambda a, b: ONE - (ONE - a) * (ONE - b)),
}  # fmt: skip
_COMPARISONS: dict[type, tuple[Callable, Callable]] = {
    ast.Gt: (operator.gt, above), ast.Lt: (operator.lt, lambda a, b: above(b, a)), ast.GtE: (operator.ge, not_below),
    ast.LtE: (operator.le, lambda a, b: not_below(b, a)), ast.Eq: (operator.eq, lambda a, b: apply("equal", a, b)),
    ast.NotEq: (operator.ne, lambda a, b: ONE - apply("equal", a, b)),
}  # fmt: skip
_PI = {"math.pi", "torch.pi", "np.pi", "numpy.pi"}
# methods and functions that change nothing about the numbers
_SAME = {"bool", "clone", "contiguous", "detach", "double", "float", "int", "item", "long"}
_FUNCTIONS = {
    "abs": np.abs,
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
}
