"""What a node computes, as a formula for one element of its output in terms of elements of its inputs.

Each operation has one rule (the package `rules`); its derivative follows from the formula (algebra.py), independently of
what backward computes with, which is why the two can check each other. An operation without a rule is shown by name.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..engine import Node
from ..op import ELEMENTWISE
from ..tensor import Tensor
from .algebra import Formula, Symbol, TooLong, Whole, atom, number
from .complexes import I
from .constants import Constants
from .positions import Position, fresh
from .syntax import simple_name
from .values import Edge, Unknown, Values, edges_of, expression_of, operand_of, record_of, same
from .writing import shown_name

LONGEST_NAME = 24  # of an expression that stands for its value
LONGEST_MEANING = 60  # of an expression that says what a letter stands for
DEEPEST = 24  # operations in one formula, along one way down
MOST_PARTS = 100  # of one, of which a number that was divided is made: 1/3
DIGITS_OF_A_QUOTIENT = 9  # a number with fewer was written in decimals
MOST_SUMS = 2  # matrix products and convolutions inside each other in one formula
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
        self.written = Constants(self)
        self.constants: dict[str, np.ndarray] = {}
        self.meanings: dict[str, str] = {}  # what a constant is whose name does not say it
        self.opaque: set[Edge] = set()  # named, but without a formula
        self.promoted: list[Edge] = []  # values that got a name here
        self._given_names = set(symbols.values())
        self.patterns: dict[tuple, Any] = {}  # what rules have found out about a node, for its other elements
        self._depth = self._sums = 0
        self.most_sums = MOST_SUMS
        self._short: dict[Edge, tuple[Place, Formula] | None] = {}
        self._uses: dict[Edge, int] = {}
        for node in values.order:
            for edge in edges_of(node):
                if edge is not None:
                    self._uses[edge] = self._uses.get(edge, 0) + 1

    def shape(self, edge: Edge) -> tuple[int, ...]:
        return self.values.shape(edge)

    @functools.cached_property
    def _meets_complex(self) -> bool:
        dtypes = [*self.values.dtypes.values(), *(a.dtype for a in self.values.known.values())]
        return any(dtype.kind == "c" for dtype in dtypes)

    def is_complex(self, edge: Edge) -> bool:
        """Whether an edge leads to complex numbers."""
        if not self._meets_complex:
            return False
        known = self.values.dtypes.get(edge)
        try:
            return (self.values.value(edge).dtype if known is None else known).kind == "c"
        except Unknown:
            return False

    def element(self, edge: Edge, place: Place) -> Formula:
        """An element of what `edge` leads to: a symbol if it has one, else its formula.

        What is used more than once or lies deep gets a symbol, and so do an operation without a rule and its inputs."""
        if edge not in self.symbols:
            if self._depth > DEEPEST or (self._sums >= self.most_sums and self._contracts(edge)):
                self.promote(edge)
            elif self._uses[edge] == 1:
                return self.definition(edge, place)
            else:
                short = self._short_definition(edge)
                if short is not None:
                    own, formula = short
                    for old, new in zip(own, place):
                        formula = formula.rename(old, new)
                    return formula
                self.promote(edge)
        return atom(self.symbol(edge, place))

    def _short_definition(self, edge: Edge) -> tuple[Place, Formula] | None:
        """(a place, its formula) of a value that is used more than once, if that is no longer than a name would be."""
        if edge not in self._short:
            self._short[edge] = None
            place = places(self.shape(edge))
            formula = self.definition(edge, place)
            if edge not in self.symbols and formula.number is None and _is_short(formula):
                self._short[edge] = place, formula
        return self._short[edge]

    def definition(self, edge: Edge, place: Place) -> Formula:
        """The formula of an element of a node's output; where there is none, its symbol."""
        rule = rule_of(edge[0])
        if self._meets_complex and any(self.is_complex(e) for e in (edge, *edges_of(edge[0])) if e is not None):
            record = record_of(edge[0])
            rule = None if record is None else COMPLEX_RULES.get(record.name)
        contraction = is_contraction(edge[0])
        self._depth += 1
        self._sums += contraction
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
            self._sums -= contraction

    def _contracts(self, edge: Edge) -> bool:
        """Whether a value without a name is computed by a matrix product or the like, before the next name is met; where
        none is to stand in another formula, by a normalization as well."""
        seen: set[Edge] = set()
        stack = [edge]
        while stack:
            one = stack.pop()
            if one in seen or one in self.symbols:
                continue
            seen.add(one)
            if is_contraction(one[0]) or (not self.most_sums and is_normalization(one[0])):
                return True
            stack += [e for e in edges_of(one[0]) if e is not None and not isinstance(e[0], Tensor)]
        return False

    def promote(self, edge: Edge) -> None:
        """Gives a value that the program has no name for a name."""
        if edge not in self.symbols:
            taken = {name.rstrip("_0123456789") for name in self._given_names}
            letter = next((one for one in "uvhtsgf" if one not in taken), "value")
            self.promoted.append(edge)
            self.symbols[edge] = f"{letter}_{len(self.promoted)}"

    def renumber(self) -> bool:
        """Numbers the values that got a name here as they were computed; whether that changes names in formulas."""
        in_order = sorted(self.promoted, key=lambda edge: (edge[0].sequence, edge[1]))
        if all(same(a, b) for a, b in zip(in_order, self.promoted)):
            return False
        names = [self.symbols[edge] for edge in self.promoted]
        self.symbols.update(zip(in_order, names))
        self.promoted = in_order
        self.opaque.clear()
        self.constants.clear()
        self.meanings.clear()
        self.patterns.clear()
        self._short.clear()
        return True

    def symbol(self, edge: Edge, place: Place) -> Symbol:
        """The symbol of a named edge; dimensions with one element are not counted."""
        return _symbol(self.symbols[edge], self.shape(edge), place, self.is_complex(edge))

    def constant(self, node: Node, place: int, position: Place | None) -> Formula:
        """An input that takes no gradient, as the program writes it: a number, or an element of a named array."""
        value = self.values.constant(node, place)
        name = self.arrays.get(id(value))
        if name is None and position is not None:
            written = self.written.formula(node, place, value, position)
            if written is not None:
                return written
        if not isinstance(value, np.ndarray):
            return rational_of(value)
        shown = name or self.name_of(node, place, value)
        if shown is None and value.dtype.kind != "b" and value.size and (value == value.flat[0]).all():
            return rational_of(value.flat[0])
        if position is None:
            raise NoFormula
        expression = operand_of(node, place)
        if shown is None and value.dtype.kind == "b":
            return self.given(_condition_text(expression), value, position)
        is_clear = shown is not None and shown not in self.symbols.values()
        return self.given(shown or "c", value, position, "" if is_clear else _meaning(expression, expression_of(node)))

    def name_of(self, node: Node, place: int, value: np.ndarray) -> str | None:
        """The variable that holds an array which a node was given; None if there is none."""
        name = self.arrays.get(id(value)) or self.written.name(node, value)
        return name or _constant_text(operand_of(node, place), value.shape)

    def given(self, name: str, value: np.ndarray, place: Place, meaning: str = "") -> Formula:
        """An element of a constant array, under this name if it is free; {} in its meaning is the name that it gets."""
        name = self.constant_name(name, value)
        if meaning:
            self.meanings[name] = meaning.format(shown_name(name))
        return atom(_symbol(name, value.shape, place, value.dtype.kind == "c"))

    def constant_name(self, shown: str, value: np.ndarray) -> str:
        """The name under which an array's numbers are known: `shown`, with a number if that is taken by another."""
        taken = set(self.symbols.values())
        name, n = shown, 0
        while name in taken or (name in self.constants and not _same(self.constants[name], value)):
            n += 1
            name = f"{shown}_{n}"
        self.constants[name] = value
        return name

    def whole(self, name: str, value: np.ndarray, place: Place, rule: Any) -> Formula:
        """An element of what is computed from whole tensors, `rule.slope` being its derivative."""
        name = self.constant_name(name, value)
        return atom(Whole(_symbol(name, value.shape, place, value.dtype.kind == "c"), rule))


class Call:
    """One recorded call, as the rules see it."""

    def __init__(self, formulas: Formulas, node: Node, output: int) -> None:
        self.formulas = formulas
        self.node = node
        self.number = output
        self.edges = edges_of(node)

    def shape(self, place: int = 0) -> tuple[int, ...]:
        """The shape of an input; () for a number."""
        edge = self.edges[place]
        try:
            return self.formulas.shape(edge) if edge is not None else np.shape(self.array(place))
        except Unknown as error:
            raise NoFormula(str(error)) from None

    @property
    def name(self) -> str:
        """The operation's."""
        return record_of(self.node).name

    def setting(self, name: str) -> Any:
        """A setting of the operation, such as a dimension or an exponent."""
        try:
            return self.formulas.values.setting(self.node, name)
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def filler(self, name: str) -> Formula:
        """A setting that drops out of the derivative: a number, or a symbol where it is not finite or not known."""
        try:
            return rational_of(self.setting(name))
        except NoFormula:
            return atom(Symbol(name))

    def has(self, place: int) -> bool:
        """Whether there is an input at this place, rather than None."""
        return place < len(self.edges) and (self.edges[place] is not None or self.array(place) is not None)

    def array(self, place: int) -> Any:
        """An input's numbers: an array, a number, or None."""
        edge, values = self.edges[place], self.formulas.values
        try:
            return values.constant(self.node, place) if edge is None else values.value(edge)
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def is_number_first(self) -> bool:
        """Whether a product's second factor is a number that the program writes on the left."""
        if self.edges[1] is not None:
            return False
        value = self.array(1)
        return not isinstance(value, np.ndarray) and self.formulas.written.is_left(self.node, value)

    def written(self, place: int, value: Any) -> Formula:
        """A number among the settings, as the program writes it at this place of the call."""
        found = self.formulas.written.formula(self.node, place, value, ())
        return rational_of(value) if found is None else found

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of what the operation made."""
        try:
            return self.formulas.shape((self.node, self.number))
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def output(self, number: int | None = None) -> np.ndarray:
        """What the operation made."""
        try:
            return self.formulas.values.value((self.node, self.number if number is None else number))
        except Unknown as error:
            raise NoFormula(str(error)) from None

    def input_name(self, place: int) -> str:
        """What an input is called in formulas; it gets a name if it has none."""
        edge = self.edges[place]
        if edge is not None:
            self.formulas.promote(edge)
            return self.formulas.symbols[edge]
        value = self.array(place)
        return (self.formulas.name_of(self.node, place, value) if isinstance(value, np.ndarray) else None) or "c"

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
        expression = operand_of(self.node, place)
        name = None if expression is None else ast.unparse(expression)
        if name is None or len(name) > LONGEST_NAME or name in self.formulas.symbols.values():
            raise NoFormula(str(error))
        return atom(Symbol(name))


def broadcast(shape: tuple[int, ...], position: Place) -> Place:
    """The position in an input of this shape that belongs to a position in the output."""
    return tuple(0 if n == 1 else p for n, p in zip(shape, position[len(position) - len(shape) :]))


def _is_short(formula: Formula) -> bool:
    """Whether a formula is one element of something named, perhaps times a number or one other."""
    if len(formula.terms) != 1:
        return False
    ((monomial, _),) = formula.terms.items()
    return len(monomial) <= 2 and all(isinstance(one, Symbol) for one, _ in monomial)


def full_place(shape: tuple[int, ...], index: tuple[Position, ...]) -> Place:
    """A symbol's index with a 0 for each dimension with one element."""
    rest = iter(index)
    return tuple(0 if n == 1 else next(rest) for n in shape)


def _symbol(name: str, shape: tuple[int, ...], place: Place, is_complex: bool = False) -> Symbol:
    return Symbol(name, tuple(p for p, n in zip(place, shape) if n != 1), int(is_complex))


def _constant_text(expression: Any, shape: tuple[int, ...]) -> str | None:
    """The name of a constant as it is written; hᵀ of h.t(), and h where only dimensions of one element differ."""
    name = simple_name(expression)
    if name is not None and not (isinstance(expression, ast.Subscript) and not name.endswith("]")):  # x[i] is not x
        return name
    if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute):
        inner, method = simple_name(expression.func.value), expression.func.attr
        if inner is not None and method in (
            "t",
            "float",
            "double",
            "detach",
            "clone",
            "contiguous",
            "unsqueeze",
            "squeeze",
        ):
            return f"{inner}ᵀ" if method == "t" and sum(n != 1 for n in shape) > 1 else inner
    return None


def _condition_text(expression: Any) -> str:
    """A condition as it is written, in brackets: [x > 0]."""
    text = "" if expression is None else ast.unparse(expression)
    return f"[{text}]" if 0 < len(text) <= LONGEST_NAME else "c"


def _meaning(expression: Any, whole: Any) -> str:
    """What to say about a constant whose name does not say what it is: its expression, or of what it is a part."""
    for said, one in (("{} is ", expression), ("{} is a constant in ", whole)):
        text = "" if one is None else ast.unparse(one)
        if 0 < len(text) <= LONGEST_MEANING:
            return said + text.replace("{", "{{").replace("}", "}}") + "."
    return ""


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a is b or a.shape != b.shape or "f" not in (a.dtype.kind, b.dtype.kind):
        return a is b or (a.shape == b.shape and bool(np.array_equal(a, b)))
    return bool(
        np.allclose(a, b, rtol=1e-6, atol=0, equal_nan=True)
    )  # one may be had by taking the other terms off a sum


def rational_of(value) -> Formula:
    """A number of the program, as it was written: 0.1 is a tenth, 1 / 3 a third. NoFormula for inf and nan."""
    if isinstance(value, (complex, np.complexfloating)):
        return rational_of(value.real) + rational_of(value.imag) * I
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return number(int(value))
    if isinstance(value, (float, np.floating)) and np.isfinite(value):
        written = np.format_float_positional(value) if isinstance(value, np.floating) else repr(value)
        simple = Fraction(float(value)).limit_denominator(MOST_PARTS)
        if len(written) > DIGITS_OF_A_QUOTIENT and type(value)(simple.numerator / simple.denominator) == value:
            return number(simple)
        return number(Fraction(written.rstrip(".") if written.endswith(".") else written))
    raise NoFormula(f"{value} is no rational number")


# ---------------------------------------------------------------- rules

Rule = Callable[[Call, Place], Formula]
RULES: dict[str, Rule] = {}
COMPLEX_RULES: dict[str, Rule] = {}  # where an input or the output is complex
NODE_RULES: dict[type, Rule] = {}  # of nodes that are no operations


def rule_of(node: Node) -> Rule | None:
    """The rule for what a node computes; None if there is none."""
    from . import rules  # noqa: F401  # they register themselves

    record = record_of(node)
    return NODE_RULES.get(type(node)) if record is None else RULES.get(record.name)


def rule(*names: str):
    """Registers a rule under the names of operations."""

    def register(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return register


_CONTRACTIONS = {
    "mm", "mv", "dot", "bmm", "matmul", "matvec", "vecmat", "addmm", "addmv", "baddbmm", "convolution", "convolution_input",
    "convolution_weight",
}  # fmt: skip


_NORMALIZATIONS = {"native_batch_norm", "batch_norm_eval", "native_layer_norm", "native_group_norm"}


def is_contraction(node: Any) -> bool:
    """Whether a node is a matrix product or a convolution."""
    record = record_of(node)
    return record is not None and record.name in _CONTRACTIONS


def is_normalization(node: Any) -> bool:
    """Whether a node standardizes, by a batch, a layer or a group, and scales."""
    record = record_of(node)
    return record is not None and record.name in _NORMALIZATIONS


def is_elementwise(node: Node) -> bool:
    """Whether each element of the output depends only on the elements at its own place."""
    record = record_of(node)
    return record is not None and record.kind == ELEMENTWISE
