"""`chainrule.explain`: the derivative that a recorded graph stands for, derived as a person would on paper."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, overload

import numpy as np

from ..dtypes import finfo
from ..engine import Node, is_own
from ..tensor import Tensor, gradient_edge, wrap
from .algebra import (
    ONE,
    ZERO,
    Apply,
    Atom,
    Delta,
    Formula,
    Partial,
    Symbol,
    TooLong,
    Whole,
    atom,
    delta,
    number,
    substituted,
    total,
)
from .complexes import conjugated, joined, real_part
from .evaluation import values_of
from .explanation import MOST_NUMBERS, MOST_SHOWN, Explanation, Explanations, Quantity
from .formulas import MOST_SUMS, Formulas, NoFormula, Place, is_elementwise, places
from .names import Scope, caller, name_everything
from .positions import Index
from .shares import Shares, on_the_way
from .simplification import by_way_of, named_again, simplest
from .source import Source, short_path
from .syntax import simple_name
from .values import Edge, Unknown, Values, edges_of, expression_of, freed_at, reachable, same
from .writing import TEXT, Letters, is_longer, shown_name, text

MOST_QUANTITIES = 200  # for which formulas are worked out
DEEPEST_SUMS = 8  # inside each other, in the derivative
LARGEST = 100  # atoms of the derivative
MOST_CHAINS = 6  # written out as a sum
LONGEST_DEFINITION = 100  # signs, before matrix products inside get names of their own


@overload
def explain(y: Tensor, x: Tensor) -> Explanation: ...
@overload
def explain(y: Tensor, x: Sequence[Tensor]) -> Explanations: ...
def explain(y: Tensor, x: Tensor | Sequence[Tensor]) -> Explanation | Explanations:
    """Derives ∂y/∂x from the graph recorded behind `y`: local derivatives, the chain rule, closed form and number.

    Where `y` has several elements, the derivative is that of their sum. Hooks are not run, and nothing is freed or
    accumulated. After a backward that freed the graph, values are computed again from the leaves. Of several `x`, in a
    tuple or a list, each has a derivation of its own; together they are a tuple that is printed as one.

    Raises:
        TypeError: `y` is not a Tensor, or `x` is neither one nor a tuple or list of them.
        ValueError: `y` does not depend on `x` through the recorded graph; `chainrule.why` tells where it is cut.
    """
    scope = Scope(caller(2))
    written = scope.argument_texts()
    if isinstance(x, (tuple, list)):
        parts = written[1].elts if len(written) > 1 and isinstance(written[1], (ast.Tuple, ast.List)) else []
        texts = [[written[0], part] for part in parts] if len(parts) == len(x) else [written[:1]] * len(x)
        return Explanations(_explained(y, one, scope, text) for one, text in zip(x, texts))
    return _explained(y, x, scope, written)


def _explained(y: Any, x: Any, scope: Scope, written: list[ast.expr]) -> Explanation:
    """`explain` of one x; `written` are its arguments in the program."""
    for name, value in (("y", y), ("x", x)):
        if not isinstance(value, Tensor):
            raise TypeError(f"explain(): {name} must be a Tensor, not {type(value).__name__}")
    root, target = gradient_edge(y), gradient_edge(x)
    if root[0] is None or target[0] is None or (routes := _count_routes(root, target))[root] == 0:
        raise ValueError("y does not depend on x through the recorded graph; chainrule.why(x, y) tells where it is cut")
    return _Derivation(y, x, root, target, scope, routes, written).explanation()


def _count_routes(root: Edge, target: Edge) -> dict[Edge, int]:
    """{edge: the number of routes through the graph from it to `target`}, for every edge behind `root`."""
    counts: dict[Edge, int] = {root: 0, target: 1}
    for node in reversed(reachable(root[0])):
        beyond = sum(counts.get(edge, 0) for edge in edges_of(node) if edge is not None)
        for output in range(node.n_outputs):
            if not same((node, output), target):
                counts[node, output] = beyond
    return counts


class _Derivation:
    """The work of one call of `explain`."""

    def __init__(
        self,
        y: Tensor,
        x: Tensor,
        root: Edge,
        target: Edge,
        scope: Scope,
        routes: dict[Edge, int],
        written: list[ast.expr],
    ) -> None:
        self.y, self.x, self.root, self.target, self.routes = y, x, root, target, routes
        self.notes: list[str] = []
        held = [t for t in scope.tensors if t is not y]
        self.values = Values(root, held, scope.look_up, scope.modules)
        self._note_what_was_freed()
        self.values.known.setdefault(root, np.asarray(y._array))
        self.values.known.setdefault(target, np.asarray(x._array))
        self.on_the_way = on_the_way(self.values, routes)
        self.symbols = name_everything(self.values.order, root, target, scope, self._given(scope, written))
        if target not in self.symbols or root not in self.symbols:  # y is x
            self.symbols.setdefault(root, "y")
            self.symbols.setdefault(target, self.symbols[root])
        self.formulas = Formulas(self.values, self.symbols, scope.arrays)

    def _given(self, scope: Scope, written: list[ast.expr]) -> dict[Edge, str]:
        """{edge: name} of y and x, as the call of `explain` names them."""
        given = {}
        for edge, tensor, argument in zip((self.root, self.target), (self.y, self.x), written):
            name = simple_name(argument)  # without an index that is no constant
            if name is not None and (name.isidentifier() or id(tensor) not in scope.names):
                given[edge] = name
        return given

    def _note_what_was_freed(self) -> None:
        freed = next((n for n in self.values.order if freed_at(n) is not None), None)
        if freed is None or isinstance(self.root[0], Tensor):
            return
        where = freed_at(freed)
        note = f"The graph was freed by the backward at {short_path(where.file)}:{where.line}; values are computed again from the leaves."
        try:
            again = self.values.value(self.root)
        except Unknown:
            self.notes.append(note)
            return
        if not np.allclose(again, self.y._array, rtol=1e-4, atol=1e-6, equal_nan=True):
            note += f" {_short(again)} comes out where y was {_short(self.y._array)}: a value has changed since."
        self.notes.append(note)

    def explanation(self) -> Explanation:
        if self.has_complex_result:
            self.notes.append("Formulas are derived for a real result only.")
        elif self.x._array.dtype.kind == "c":
            y, z = (shown_name(self.symbols[edge]) for edge in (self.root, self.target))
            by = TEXT.symbol(Symbol(self.symbols[self.target], (), -1), Letters())
            self.notes.append(
                f"The gradient by a complex number is, as in PyTorch, 2·∂{y}/∂{by} = ∂{y}/∂Re({z}) + i·∂{y}/∂Im({z})."
            )
        gradients, passed = self._walk()
        result = gradients.get(self.target)
        value = None if result is None else wrap(np.array(result))
        self._compare_with_backward(value)
        quantities = self._quantities()  # gives names to what has none, by which the numbers are gathered
        if self.formulas.renumber():
            quantities = self._quantities()
        contributions = self._contributions(passed)
        whole = self._chain(quantities)
        chain, chains = self._named_chain(quantities)
        explanation = Explanation(
            y=self.symbols[self.root],
            x=self.symbols[self.target],
            value=value,
            paths=self.routes[self.root],
            quantities=quantities,
            is_sum=self.y._array.size != 1,
            notes=self.notes,
        )
        shown = [whole, *(s for q in quantities for s in q.slopes.values())]
        explanation.arrays = self._arrays(quantities, shown)
        used = {one.name for f in shown if f is not None for one in f.atoms() if isinstance(one, Symbol)}
        self.notes += [meaning for name, meaning in self.formulas.meanings.items() if name in used]
        self._note_numbers(quantities, gradients, contributions)
        self._note_jacobians(quantities)
        explanation.chain = chain
        explanation.chains = chains
        explanation.in_between = whole
        if whole is not None:
            explanation.closed_form = self._in_terms_of_leaves(whole, quantities)
            self._check(explanation, quantities)
        shares = Shares(self.values, self.symbols, self.root, self.target, self.routes, np.ones_like(self.y._array))
        if value is not None:
            explanation.path_shares = shares.by_path(np.asarray(value._array))
        explanation.layer_shares = shares.by_layer(gradients, contributions)
        return explanation

    # ---- numbers

    def _walk(self) -> tuple[dict[Edge, Any], list[tuple[Node, list[tuple[Edge, Any]]]]]:
        """∂y/∂ of everything on the way to x, by walking the graph, and what each node passed on."""
        gradients: dict[Edge, Any] = {self.root: np.ones_like(self.y._array)}
        passed: list[tuple[Node, list[tuple[Edge, Any]]]] = []
        try:
            for node in self.on_the_way:
                arrived = [gradients.get((node, i)) for i in range(node.n_outputs)]
                if node is self.target[0] or all(g is None for g in arrived):
                    continue
                on: list[tuple[Edge, Any]] = []
                for edge, result in zip(edges_of(node), self.values.pull(node, arrived)):
                    if edge is None or result is None or not self.routes.get(edge):
                        continue
                    have = gradients.get(edge)
                    gradients[edge] = result if have is None else have + result
                    on.append((edge, result))
                passed.append((node, on))
        except Unknown as error:
            self.notes.append(f"There are no numbers: {error}.")
            return {}, []
        self.values.learn_shapes(gradients)
        return gradients, passed

    def _contributions(self, passed: list[tuple[Node, list[tuple[Edge, Any]]]]) -> dict[tuple[Edge, Edge], Any]:
        """What each named value passed to each other."""
        contributions: dict[tuple[Edge, Edge], Any] = {}
        owner: dict[Any, Edge] = {}
        for node, on in passed:
            named = next(((node, i) for i in range(node.n_outputs) if (node, i) in self.symbols), None)
            origin = named or owner.get(node, self.root)
            for edge, result in on:
                if edge in self.symbols:
                    key = origin, edge
                    contributions[key] = contributions[key] + result if key in contributions else result
                else:
                    owner[edge[0]] = origin
        return contributions

    def _compare_with_backward(self, value: Tensor | None) -> None:
        """Runs the engine's backward where that can disturb nothing: no hook would run, nothing was freed."""
        if any(freed_at(n) is not None or _has_hooks(n) for n in self.values.order) or _has_leaf_hooks(
            self.values.order
        ):
            return
        if value is None or isinstance(self.root[0], Tensor):
            return
        from .. import autograd

        weight = wrap(np.ones_like(self.y._array))
        (by_backward,) = autograd.grad(self.y, self.x, weight, retain_graph=True, allow_unused=True)
        if by_backward is None or not np.allclose(
            by_backward._array, value._array, rtol=1e-5, atol=1e-8, equal_nan=True
        ):
            raise AssertionError(f"backward gives {by_backward}, the walk through the graph {value}")
        self.backward_agrees = True

    backward_agrees = False

    # ---- formulas

    @property
    def has_complex_result(self) -> bool:
        return self.y._array.dtype.kind == "c"

    def _quantities(self) -> list[Quantity]:
        """Everything with a name between y and x, y first, each defined in terms of the next."""
        found: list[Quantity] = []
        waiting: list[tuple[int, int, Edge]] = []
        seen: set[Edge] = set()

        def add(edge: Edge) -> None:
            if edge not in seen:
                seen.add(edge)
                sequence = -1 if isinstance(edge[0], Tensor) else edge[0].sequence
                heappush(waiting, (-sequence, len(seen), edge))

        add(self.root)
        while waiting:
            edge = heappop(waiting)[2]
            quantity = self._quantity(edge)
            found.append(quantity)
            if same(edge, self.target) or isinstance(edge[0], Tensor):
                continue
            if len(found) < MOST_QUANTITIES:
                self._define(quantity)
            for parent in self._parents(edge):
                quantity.parents.append(parent)
                add(parent)
        self._define_last(found[max(MOST_QUANTITIES, len(found) - MOST_SHOWN) :])
        return found

    def _define_last(self, quantities: list[Quantity]) -> None:
        """Formulas of the values next to x, too, unless they need names of others."""
        for quantity in quantities:
            if same(quantity.edge, self.target) or isinstance(quantity.edge[0], Tensor):
                continue
            promoted = len(self.formulas.promoted)
            self._define(quantity)
            if len(self.formulas.promoted) > promoted:
                quantity.definition, quantity.inputs = None, []
                for edge in self.formulas.promoted[promoted:]:
                    del self.symbols[edge]
                del self.formulas.promoted[promoted:]

    def _quantity(self, edge: Edge) -> Quantity:
        node = edge[0]
        quantity = Quantity(edge, self.symbols[edge])
        if not isinstance(node, Tensor):
            quantity.source = Source(node.code, node.lasti)
            if is_own(quantity.source.file):
                quantity.source = None
        try:
            quantity.shape = self.values.shape(edge)
            quantity.place = places(quantity.shape)
            quantity.symbol = self.formulas.symbol(edge, quantity.place)
            quantity.value = self.values.value(edge)
        except Unknown as error:
            quantity.unknown = str(error)
            if quantity.shape is None:
                quantity.symbol = Symbol(quantity.name, (), int(self.formulas.is_complex(edge)))
        return quantity

    def _define(self, quantity: Quantity) -> None:
        if quantity.shape is None or self.has_complex_result:
            return
        for self.formulas.most_sums in range(MOST_SUMS, -1, -1):  # fewer where the line would be too long
            formula = self.formulas.definition(quantity.edge, quantity.place)
            if not is_longer(formula, LONGEST_DEFINITION):
                break
        if quantity.edge not in self.formulas.opaque:
            quantity.definition = simplest(formula) if _is_derivative(quantity.edge[0]) else formula
        else:
            quantity.inputs = [self.symbols[e] for e in edges_of(quantity.edge[0]) if e is not None]

    def _parents(self, edge: Edge) -> list[Edge]:
        """The named values that a named value is computed from, as far as they lead to x."""
        found: list[Edge] = []
        stack = [edge[0]]
        seen = set()
        while stack:
            node = stack.pop()
            for one in edges_of(node):
                if one is None or not self.routes.get(one) or one in seen:
                    continue
                seen.add(one)
                if one in self.symbols:
                    found.append(one)
                else:
                    stack.append(one[0])
        return found

    def _chain(self, quantities: list[Quantity]) -> Formula | None:
        """∂y/∂x in terms of the named values in between; None where formulas are missing or too long."""
        by_edge = {q.edge: q for q in quantities}
        whole: dict[Edge, Formula] = {self.root: ONE}
        complete = True
        for quantity in quantities:
            arrived = whole.get(quantity.edge)
            if arrived is not None and quantity.is_complex:
                arrived = joined(arrived)
            for parent_edge in quantity.parents:
                parent = by_edge[parent_edge]
                try:
                    slope = self._slope(quantity, parent, quantity.variable)
                    if slope is None:
                        complete = False
                        continue
                    quantity.slopes[parent_edge] = slope
                    crossed = self._slope(quantity, parent, quantity.symbol) if _are_complex(quantity, parent) else None
                    if crossed:
                        quantity.crossed[parent_edge] = crossed
                    if complete and arrived is not None:
                        if arrived.size * slope.size > LARGEST**2 or arrived.depth > DEEPEST_SUMS:
                            raise TooLong
                        product = passed_on(arrived, quantity, parent, slope, crossed)
                        if product.size > LARGEST:  # before the sums, which are what takes time
                            raise TooLong
                        added = _summed_over(quantity.place, product)
                        if added.size > LARGEST:
                            raise TooLong
                        whole[parent_edge] = whole.get(parent_edge, ZERO) + added
                except TooLong:
                    complete = False
        return self._in_shortest_names(self._gradient(whole.get(self.target, ZERO)), quantities) if complete else None

    def _in_shortest_names(self, formula: Formula, quantities: list[Quantity]) -> Formula:
        """The formula simplified, also with the help of what names stand for: e·(…)/Σ e is p·(…), if p = e/Σ e."""
        formula = simplest(formula)
        for quantity in quantities:
            if quantity.definition is not None and not self.formulas.is_complex(quantity.edge):
                formula = by_way_of(formula, quantity.symbol, quantity.definition)
                formula = named_again(formula, quantity.symbol, quantity.definition)
        return formula

    def _gradient(self, derivative: Formula) -> Formula:
        """What backward gives: of a complex x the derivative by its conjugate, twice."""
        return number(2) * joined(derivative) if self.formulas.is_complex(self.target) else derivative

    def _slope(self, quantity: Quantity, parent: Quantity, of: Symbol) -> Formula | None:
        """The derivative of an element `of` one named value, or of its conjugate, by an element of another's variable."""
        if parent.shape is None or quantity.shape is None:
            return None
        if quantity.definition is None:
            if quantity.edge not in self.formulas.opaque:
                return None
            slope = atom(Partial(of, parent.variable))
            if is_elementwise(quantity.edge[0]) and quantity.shape == parent.shape:
                for i, j in zip(quantity.symbol.index, parent.symbol.index):
                    slope = slope * delta(i, j)
            return slope
        definition = quantity.definition if of == quantity.symbol else conjugated(quantity.definition)
        try:
            slope = definition.derivative(parent.variable)
        except NoFormula:  # its derivative needs numbers that are not to be had
            return atom(Partial(of, parent.variable))
        slope = named_again(simplest(_in_terms_of(of, definition, slope)), of, definition)
        return joined(slope) if parent.is_complex else slope

    def _named_chain(self, quantities: list[Quantity]) -> tuple[Formula | None, int]:
        """The chain rule with only names in it, ∂y/∂z·∂z/∂x + …, and the number of its products."""
        by_edge = {q.edge: q for q in quantities}
        ways: dict[Edge, int] = {self.root: 1}
        for quantity in quantities:
            for parent in quantity.parents:
                ways[parent] = ways.get(parent, 0) + ways.get(quantity.edge, 0)
        chains = ways.get(self.target, 0)
        if chains > MOST_CHAINS or len(quantities) > 40:
            return None, chains
        whole: dict[Edge, Formula] = {self.root: ONE}
        try:
            for quantity in quantities:
                for parent_edge in quantity.parents:
                    slope = quantity.slopes.get(parent_edge)
                    if slope is None:
                        return None, chains
                    parent = by_edge[parent_edge]
                    crossed = quantity.crossed.get(parent_edge)
                    if crossed is not None:
                        crossed = _named(Partial(quantity.symbol, parent.variable), crossed)
                    step = _named(Partial(quantity.variable, parent.variable), slope)
                    arrived = whole.get(quantity.edge, ZERO)
                    added = _summed_over(quantity.place, passed_on(arrived, quantity, parent, step, crossed))
                    if added.depth > DEEPEST_SUMS or added.size > LARGEST:
                        raise TooLong
                    whole[parent_edge] = whole.get(parent_edge, ZERO) + added
        except TooLong:
            return None, chains
        result = whole.get(self.target)
        return None if result is None else self._gradient(result), chains

    def _in_terms_of_leaves(self, formula: Formula, quantities: list[Quantity]) -> Formula:
        """The formula with all that lies between replaced by its definition, if it stays short; else as it is."""
        defined = {
            q.name: q
            for q in quantities
            if q.definition is not None and not same(q.edge, self.target) and not _is_factor(q)
        }

        def change(one: Atom) -> Formula | None:
            if not isinstance(one, Symbol) or one.name not in defined:
                return None
            quantity = defined[one.name]
            body = quantity.definition
            for old, new in zip(quantity.symbol.index, one.index):
                body = body.rename(old, new)
            return conjugated(body) if one.kind == -1 else body  # type: ignore[arg-type]  # of a value in `defined`

        longer = formula
        for _ in range(len(defined)):
            if not any(isinstance(one, Symbol) and one.name in defined for one in longer.atoms()):
                break
            try:
                longer = substituted(longer, change)
            except TooLong:
                return formula
            longer = joined(longer) if self.formulas.is_complex(self.target) else simplest(longer)
            if len(text(longer)) > LONGEST:
                return formula
        between = {name for name, quantity in defined.items() if quantity.edge is not self.root}
        return formula if any(_names_in(one) & between for one in longer.atoms()) else longer

    def _check(self, explanation: Explanation, quantities: list[Quantity]) -> None:
        """Evaluates the formulas at some elements of x, and compares with what backward computes."""
        target = next(q for q in quantities if same(q.edge, self.target))
        if explanation.value is None:
            return
        expected = np.asarray(explanation.value._array)
        rounding = 4 * float(finfo(explanation.value.dtype).eps)
        formula: Any  # a Formula: this is called where both are known
        for formula in (explanation.in_between, explanation.closed_form):
            found = values_of(formula, explanation.arrays, target.place, expected.shape)
            if found is None:
                continue
            if all(
                np.isclose(found[p], expected[p], rtol=max(1e-3, rounding), atol=1e-5, equal_nan=True) for p in found
            ):
                explanation.checked = True
                continue
            self.notes.append("The formula gives other numbers than backward, and is not shown.")
            explanation.closed_form = explanation.in_between = None
            return

    def _arrays(self, quantities: list[Quantity], formulas: list[Formula | None]) -> dict[str, np.ndarray]:
        """{name: array} of the names in the formulas, as far as they are known."""
        arrays = {q.name: q.value for q in quantities if q.value is not None} | self.formulas.constants
        wanted = {one.name for f in formulas if f is not None for one in f.atoms() if isinstance(one, Symbol)}
        for edge, name in self.symbols.items():
            if name in wanted and name not in arrays:
                try:
                    arrays[name] = self.values.value(edge)
                except Unknown:
                    continue  # formulas with this name are then not evaluated, and nothing says that they were
        return arrays

    def _note_numbers(self, quantities: list[Quantity], gradients: dict, contributions: dict) -> None:
        """The local derivatives of scalars as numbers: what they passed on, divided by what arrived."""
        scalars = {q.edge: q for q in quantities if q.value is not None and q.value.size == 1 and not q.is_complex}
        for (outer, inner), passed in contributions.items():
            arrived = gradients.get(outer)
            if outer not in scalars or self.formulas.is_complex(inner):
                continue
            if arrived is not None and np.all(np.isfinite(arrived)) and np.all(arrived != 0):
                scalars[outer].numbers[inner] = np.asarray(passed) / np.asarray(arrived).reshape(())

    def _note_jacobians(self, quantities: list[Quantity]) -> None:
        """The local derivatives that have no formula as numbers, where they are few: a row for each element."""
        by_edge = {q.edge: q for q in quantities}
        for quantity in quantities:
            for edge, slope in quantity.slopes.items():
                parent = by_edge[edge]
                if quantity.is_complex or parent.is_complex:
                    continue  # it takes two numbers
                named_only = any(isinstance(one, Partial) for one in slope.atoms())
                if not named_only or edge in quantity.numbers or quantity.value is None or parent.value is None:
                    continue
                if 0 < quantity.value.size * parent.value.size <= MOST_NUMBERS:
                    try:
                        quantity.numbers[edge] = self._jacobian(quantity, parent)
                    except Unknown:
                        continue

    def _jacobian(self, quantity: Quantity, parent: Quantity) -> np.ndarray:
        """The derivatives of the elements of one named value by those of another that it was computed from."""
        value, inner, rows = quantity.value, parent.value, []
        assert value is not None and inner is not None
        for place in range(value.size):
            seed = np.zeros(value.size, value.dtype)
            seed[place] = 1
            gradients: dict[Edge, Any] = {quantity.edge: seed.reshape(value.shape)}
            found = np.zeros(inner.shape)
            for node in self.on_the_way:
                arrived = [gradients.pop((node, i), None) for i in range(node.n_outputs)]
                if all(g is None for g in arrived):
                    continue
                for edge, result in zip(edges_of(node), self.values.pull(node, arrived)):
                    if edge is None or result is None:
                        continue
                    if same(edge, parent.edge):
                        found = found + result
                    elif edge not in self.symbols and self.routes.get(edge):
                        gradients[edge] = gradients[edge] + result if edge in gradients else result
            rows.append(found)
        return np.array(rows).reshape([n for n in (*value.shape, *inner.shape) if n != 1])


LONGEST = 72  # signs of a closed form in which everything is replaced


def _summed_over(place: Place, formula: Formula) -> Formula:
    for index in place:
        if isinstance(index, Index):
            formula = total(index, formula)
    return formula


def passed_on(
    arrived: Formula, quantity: Quantity, parent: Quantity, slope: Formula, crossed: Formula | None
) -> Formula:
    """∂y/∂p̄ from ∂y/∂q̄, `arrived`, for q that is computed from p: `slope` is ∂q̄/∂p̄, `crossed` ∂q/∂p̄.

    What is real is its own conjugate. Where q alone is complex, both ways pass the same, conjugated: twice the real part.
    """
    if quantity.is_complex and not parent.is_complex:
        return number(2) * real_part(arrived * slope)
    along = arrived * slope
    return along if crossed is None else along + conjugated(arrived) * crossed


def _are_complex(quantity: Quantity, parent: Quantity) -> bool:
    return quantity.is_complex and parent.is_complex


def _named(partial: Partial, slope: Formula) -> Formula:
    """A derivative by name alone, with the deltas of its formula."""
    step = atom(partial)
    for one in _common_deltas(slope):
        step = step * atom(one)
    return step


def _common_deltas(slope: Formula) -> list[Delta]:
    """The deltas that every term has."""
    sets = [{one for one, _ in monomial if isinstance(one, Delta)} for monomial in slope.terms]
    return sorted(set.intersection(*sets), key=repr) if sets else []


def _in_terms_of(symbol: Symbol, definition: Formula, slope: Formula) -> Formula:
    """The slope with a function that is all of the definition written as what it defines: σ(z) as a, if a = σ(z)."""
    alone = _alone(definition)
    if isinstance(alone, Apply):
        return slope.replace(lambda one: atom(symbol) if one == alone else None)
    if isinstance(alone, Whole) and alone.symbol.index == symbol.index:  # all of it, in the same arrangement
        name = alone.symbol.name

        def change(one: Atom) -> Formula | None:
            if not isinstance(one, Whole) or one.symbol.name != name:
                return None
            return atom(symbol._replace(index=one.symbol.index, kind=one.symbol.kind))

        return slope.replace(change)
    return slope


def _is_factor(quantity: Quantity) -> bool:
    """Whether a value is one of several results of a function of whole tensors, such as Q and R: it has no better name."""
    several = not isinstance(quantity.edge[0], Tensor) and quantity.edge[0].n_outputs > 1
    return several and isinstance(_alone(quantity.definition), Whole)  # type: ignore[arg-type]  # where it is defined


def _alone(definition: Formula) -> Atom | None:
    """The factor that is all of a definition."""
    if len(definition.terms) == 1:
        ((monomial, coefficient),) = definition.terms.items()
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            return monomial[0][0]
    return None


_DERIVATIVES = {"grad", "backward", "jacobian", "hessian", "jacrev", "jacfwd", "jvp", "vjp", "hvp", "vhp"}


def _is_derivative(node: Node) -> bool:
    """Whether a backward recorded a node: its formula is nobody's, and may be put into a better form."""
    expression = expression_of(node)
    called = getattr(expression, "func", None)
    return getattr(called, "attr", getattr(called, "id", "")) in _DERIVATIVES


def _names_in(one: Atom) -> set[str]:
    """The names that an atom is about: also x in softmax(x)."""
    if isinstance(one, Whole):
        return {one.symbol.name, *one.rule.names.values()}
    return {one.name} if isinstance(one, Symbol) else set()


def _has_hooks(node: Node) -> bool:
    meta = node.meta
    return meta is not None and bool(meta.tensor_hooks or meta.hooks or meta.prehooks or meta.retained)


def _has_leaf_hooks(order: list[Node]) -> bool:
    return any(
        isinstance(edge[0], Tensor) and edge[0]._extra is not None and edge[0]._extra.hooks
        for node in order
        for edge in edges_of(node)
        if edge is not None
    )


def _short(array: Any) -> str:
    from .explanation import shown_value

    return shown_value(np.asarray(array))
