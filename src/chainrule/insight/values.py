"""The numbers of a recorded graph: what each node made, what went in, and its vector-Jacobian product, freed or not.

A node keeps only what its derivative needs, and nothing after a backward. The rest is found where it still is (tensors
that the program holds, what consumers saved) or computed again, by running operations forward from the leaves.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import CodeType
from typing import Any

import numpy as np

from ..engine import Freed, Node, SavedTensor, fit_array, ready_order
from ..inplace import CopySlices, replayed
from ..modes import no_grad
from ..op import INPUT, NUMBERS, OUTPUT, Op
from ..ops.shape import wrap_dims
from ..tensor import Tensor, wrap
from .source import Source, short_path
from .syntax import operands, syntax_of

Edge = tuple[Any, int]  # (node, output number) or (leaf tensor, 0)


class Unknown(Exception):
    """A number that is not to be had; the message says why."""


def same(a: Edge, b: Edge) -> bool:
    """Whether two edges are one. (`==` would compare the numbers of leaf tensors.)"""
    return a[0] is b[0] and a[1] == b[1]


def edges_of(node: Node) -> list[Edge | None]:
    """The edges of a node with their output numbers."""
    numbers = None if node.meta is None else node.meta.numbers
    return [None if edge is None else (edge, numbers[i] if numbers else 0) for i, edge in enumerate(node.edges)]


def record_of(node: Any) -> Op | None:
    """The operation of a node; None for a custom Function and for what only the engine makes."""
    return getattr(type(node), "op", None)


def _freed_text(where: Source) -> str:
    return (
        f"the graph was freed by the backward at {short_path(where.file)}:{where.line}; explain before it, or call "
        "backward(retain_graph=True)"
    )


def freed_at(node: Node) -> Any:
    """Where the backward was called that freed this node, as a Source; None if none did."""
    return Source(node.saved.code, node.saved.lasti) if node.saved.__class__ is Freed else None


def reachable(root: Any) -> list[Node]:
    """Every node that `root` leads to, each before those that it leads to; leaves are left out."""
    nodes: set = set()
    stack = [] if isinstance(root, Tensor) else [root]
    while stack:
        node = stack.pop()
        if node in nodes:
            continue
        nodes.add(node)
        stack.extend(e for e in node.edges if e is not None and not isinstance(e, Tensor))
    return ready_order(nodes)


def leading_to(target: Edge, order: list[Node]) -> Callable[[Edge], bool]:
    """Whether an edge leads to `target`, for `target` and all edges to the nodes of a whole graph in `order`."""
    leading: set[Node] = set()
    for node in reversed(order):
        if any(edge is not None and (same(edge, target) or edge[0] in leading) for edge in edges_of(node)):
            leading.add(node)
    return lambda edge: same(edge, target) or edge[0] in leading


class Values:
    """The numbers of the graph behind `root`, where names of the program may stand for constants (`look_up`).

    `modules` are those that the program holds: with them, what a backward has freed of their calls can be had again."""

    def __init__(
        self, root: Edge, held: Iterable[Tensor] = (), look_up=lambda name, code=None: None, modules: Iterable[Any] = ()
    ) -> None:
        from .replay import Replay

        held = list(held)
        self.look_up = look_up
        self.replay = Replay(self, look_up, modules, held)
        self.twins: dict[Node, Node | str] = {}  # of freed nodes; why there is none
        self.order = reachable(root[0])
        self.known: dict[Edge, np.ndarray] = {}
        self.tried: set[Node] = set()  # to compute from what is known
        self.shapes: dict[Edge, tuple[int, ...]] = {}  # known though the numbers are not
        self.dtypes: dict[Edge, np.dtype] = {}  # likewise
        self.reasons: dict[Edge, str] = {}
        self.written: dict[Edge, np.ndarray] = {}  # what tensors that were written to hold now
        for tensor in held:
            if tensor._node is not None:
                where = self.known if _unchanged(tensor) else self.written
                where[tensor._node, tensor.output_nr] = np.asarray(tensor._array)
        for node in self.order:
            self._learn(node, node)

    def learn(self, edge: Edge, array: np.ndarray) -> None:
        """Takes numbers that come from elsewhere, if there were none."""
        if edge not in self.known:
            self.known[edge] = array
            if edge[0] in self.tried:
                self.tried.clear()  # what was computed from it can be tried again

    def learn_shapes(self, gradients: dict[Edge, Any]) -> None:
        """Takes the shapes and dtypes of values from those of their gradients."""
        arrays = {
            edge: gradient for edge, gradient in gradients.items() if isinstance(gradient, (np.ndarray, np.generic))
        }
        self.shapes = {edge: array.shape for edge, array in arrays.items()}
        self.dtypes = {edge: array.dtype for edge, array in arrays.items()}
        self.tried.clear()

    def _learn(self, node: Node, keeper: Node) -> None:
        """Takes what `keeper`, a node or its like, saved as the values of the node's inputs and of its output."""
        record = record_of(node)
        if record is None or keeper.saved.__class__ is Freed or type(node) is record.scalar_node_class:
            return
        edges = edges_of(node)
        for name, kind, entry in zip(record.saved_names, record.saved_kinds, keeper.saved):
            if kind == INPUT and name in record.inputs:
                array = _saved_array(entry)
                edge = edges[record.inputs.index(name)]
                if array is not None and edge is not None:
                    self.learn(edge, array)
            elif kind == OUTPUT and isinstance(entry, np.ndarray | np.generic):
                number = record.outputs.index(name) if name in record.outputs else 0
                counter = ((keeper.meta and keeper.meta.output_counters) or {}).get(number)
                if counter is None or not counter.version:  # viewed perhaps, but not written to
                    self.learn((node, number), np.asarray(entry))

    def twin(self, node: Node) -> Node:
        """A node like a freed one that still has what it saved, from calling again what recorded it; Unknown if there is
        none."""
        if node not in self.twins:
            self.twins[node] = self._gone(node)
            try:
                made = self.replay.twins(node)
            except Unknown as error:
                known = "was freed by" in str(error)
                self.twins[node] = str(error) if known else f"{error}; {self._gone(node)}"
                made = {}
                for other in self.replay.group(node):
                    self.twins.setdefault(other, self.twins[node])
            for old, new in made.items():
                self.twins[old] = new
                self._learn(old, new)
        found = self.twins[node]
        if isinstance(found, str):
            raise Unknown(found)
        return found

    def _gone(self, node: Node) -> str:
        where = freed_at(node)
        return f"{node.name()} did not keep it" if where is None else _freed_text(where)

    # ---- forward

    def value(self, edge: Edge) -> np.ndarray:
        """What a leaf holds, or what a node made; Unknown with the reason."""
        if not isinstance(edge[0], Tensor) and edge not in self.known:
            # from the bottom up, without recursion: graphs can be deep
            for one in reversed(self._needed(edge[0])):
                self._compute(one)
                self.tried.add(one)
        return self._found(edge)

    def _needed(self, node: Node) -> list[Node]:
        """The nodes to run for the outputs of `node`, each before those that it leads to; not beyond what is known, and
        none that has been tried."""
        nodes: set[Node] = set()
        stack = [node]
        while stack:
            one = stack.pop()
            if one in nodes or one in self.tried:
                continue
            nodes.add(one)
            for edge in edges_of(one):
                if edge is not None and not isinstance(edge[0], Tensor) and edge not in self.known:
                    stack.append(edge[0])
        return ready_order(nodes)

    def _found(self, edge: Edge) -> np.ndarray:
        """The same of what has been computed already, as far as it could be."""
        node = edge[0]
        if isinstance(node, Tensor):
            return np.asarray(node._array)
        if edge in self.written:
            self.learn(edge, self.written[edge])
        if edge not in self.known:
            raise Unknown(self.reasons.get(edge, f"{node.name()} cannot be run again"))
        return self.known[edge]

    def shape(self, edge: Edge) -> tuple[int, ...]:
        """The shape of what an edge leads to; Unknown with the reason."""
        if isinstance(edge[0], CopySlices):
            return edge[0].base_like.shape
        try:
            return self.value(edge).shape
        except Unknown:
            if edge in self.shapes:
                return self.shapes[edge]
            raise

    def _compute(self, node: Node) -> None:
        record = record_of(node)
        if isinstance(node, CopySlices):
            with suppress(Unknown):
                self.known[node, 0] = self._written(node)
        if record is None:
            return
        try:
            inputs, settings = self.inputs(node), self.settings(node)
            with no_grad():
                results = record.apply(*[wrap(v) if isinstance(v, np.ndarray) else v for v in inputs], *settings)
        except (Unknown, RuntimeError, TypeError, ValueError, IndexError) as error:
            picked = self._picked(node, record)
            if picked is None:
                picked = self._reshaped(node, record)
            if picked is not None:
                self.known[node, 0] = picked
                return
            self.reasons[node, 0] = str(error).partition("\n")[0]
            with suppress(Unknown):
                self.twin(node)
            return
        for i, result in enumerate(results if isinstance(results, tuple) else (results,)):
            self.known.setdefault((node, i), np.asarray(result._array))

    def _written(self, node: Any) -> np.ndarray:
        """The whole tensor after a write to a part of it."""
        before = edges_of(node)[0]
        if before is None or node.saved.__class__ is Freed:
            raise Unknown("what the tensor held before is gone")
        (inner,) = node.saved
        record = record_of(inner)
        if record is None:
            raise Unknown(f"{inner.name()} is a custom Function")
        whole = np.empty_like(node.base_like)  # with the strides by which the part is known
        whole[...] = self._found(before)
        rest = [
            self.constant(inner, place) if edge is None else self._found(edge)
            for place, edge in enumerate(edges_of(node))
            if place
        ]
        with no_grad():
            part = replayed(node.geometry, wrap(whole))
            inputs = [part.clone(), *[wrap(v) if isinstance(v, np.ndarray) else v for v in rest]]
            part._array[...] = record.apply(*inputs, *self.settings(inner))._array
        return whole

    def _picked(self, node: Node, record: Op) -> np.ndarray | None:
        """The elements that a maximum, a sort and the like picked, by the places that the node has saved."""
        if node.saved.__class__ is Freed or "indices" not in record.saved_names:
            return None
        indices = node.saved[record.saved_names.index("indices")]
        edge = edges_of(node)[0]
        if not isinstance(indices, np.ndarray) or edge is None:
            return None
        x = self.known.get(edge) if edge[0].__class__ is not Tensor else np.asarray(edge[0]._array)
        if x is None:
            return None
        if "dim" not in record.settings:  # a pool: places are those in the plane
            planes = x.reshape(*x.shape[: x.ndim - (indices.ndim - 2)], -1)
            return np.take_along_axis(planes, indices.reshape(*indices.shape[:2], -1), -1).reshape(indices.shape)
        if indices.ndim != x.ndim:
            return None
        return np.take_along_axis(x, indices, self.setting(node, "dim"))

    def _reshaped(self, node: Node, record: Op) -> np.ndarray | None:
        """The same elements in the shape of the gradient, for views, which keep no shape of their own."""
        edge, shape = edges_of(node)[0] if node.edges else None, self.shapes.get((node, 0))
        if record.name not in ("view", "unsafe_view", "expand") or edge is None or shape is None:
            return None
        x = np.asarray(edge[0]._array) if isinstance(edge[0], Tensor) else self.known.get(edge)
        if x is None:
            return None
        return np.broadcast_to(x, shape) if record.name == "expand" else np.reshape(x, shape)

    def inputs(self, node: Node) -> list:
        """The inputs of a node: arrays, and numbers where the program gave numbers."""
        record = record_of(node)
        if record is None:
            raise Unknown(f"{node.name()} is a custom Function")
        found: list = []
        for place, edge in enumerate(edges_of(node)):
            if edge is None:
                found.append(self.constant(node, place))
            elif edge in self.known or isinstance(edge[0], Tensor):
                found.append(self.value(edge))
            else:
                raise Unknown(self.reasons.get(edge, f"what {edge[0].name()} made is not known"))
        return found

    def constant(self, node: Node, place: int) -> Any:
        """An input without a gradient: from what the node saved, else from the text of the program."""
        record: Any = record_of(node)
        if type(node) is record.scalar_node_class:
            return node.saved[0]
        name = record.inputs[place] if place < len(record.inputs) else record.variadic
        if node.saved.__class__ is not Freed and name in record.saved_names:
            position = record.saved_names.index(name)
            if node.saved[position] is None and _is_used(node, record, position):
                return None  # an input that may be left out, and was
            found = self._saved_constant(node, record, name, place)
            if found is not None:
                return found
        expression = operand_of(node, place)
        if expression is not None:
            value = self.literal(expression, node.code)
            if isinstance(value, Tensor) and value.requires_grad:
                value = None  # what the variable held is gone: this would have had a gradient
            found = np.asarray(value._array) if isinstance(value, Tensor) else value
            if isinstance(found, (np.ndarray, *NUMBERS)) and self._fits(node, record, place, found):
                return found
        if node.saved.__class__ is Freed:
            return self._constant_of_twin(node, place)
        if name in _OPTIONAL.get(record.name, ()) and self._is_absent(node, place):
            return None
        solved = self._solved(node, record, place)
        if solved is not None:
            return solved
        raise Unknown(f"an operand of {node.name()} was not kept")

    def _saved_constant(self, node: Node, record: Op, name: str, place: int) -> Any:
        entry = node.saved[record.saved_names.index(name)]
        if name == record.variadic and entry is not None:
            entry = entry[place - len(record.inputs)]
        return entry if isinstance(entry, NUMBERS) else _saved_array(entry)

    def _constant_of_twin(self, node: Node, place: int) -> Any:
        """The same from a node's like: the text has said nothing."""
        record: Any = record_of(node)
        twin = self.twin(node)
        name = record.inputs[place] if place < len(record.inputs) else record.variadic
        if name in record.saved_names:
            position = record.saved_names.index(name)
            if twin.saved[position] is None and _is_used(node, record, position):
                return None
            found = self._saved_constant(twin, record, name, place)
            if found is not None:
                return found
        if name in _OPTIONAL.get(record.name, ()):
            return None
        solved = self._solved(node, record, place)
        if solved is not None:
            return solved
        raise Unknown(_freed_text(freed_at(node)))

    def _fits(self, node: Node, record: Op, place: int, found: Any) -> bool:
        """Whether what a variable holds now can be what a sum was given, as far as the sum is known."""
        solved = self._solved(node, record, place)
        if solved is None:
            return True
        rounding = 1e-5 * float(np.abs(self.known[node, 0]).max(initial=1))
        try:
            return np.allclose(np.broadcast_to(found, solved.shape), solved, rtol=1e-4, atol=rounding)
        except ValueError:
            return False

    def _solved(self, node: Node, record: Op, place: int) -> np.ndarray | None:
        """The constant part of a sum, from the sum and its other part."""
        if record.name not in ("add", "sub", "rsub") or (
            (node, 0) not in self.known and not self._known_by_product(node)
        ):
            return None
        edge = edges_of(node)[1 - place]
        if edge is None or (edge not in self.known and not isinstance(edge[0], Tensor)):
            return None
        result, other = self.known[node, 0], self.value(edge)
        if not np.all(np.isfinite(result)):  # a nan hides what it was added to
            return None
        if record.name == "add":
            return result - other
        first = 0 if record.name == "sub" else 1  # of which the other is subtracted
        return result + other if place == first else other - result

    def _known_by_product(self, node: Node) -> bool:
        """Whether what a node made is found out from its known product with a constant."""
        for user in self.order:
            record, edges = record_of(user), edges_of(user)
            if record is None or record.name != "mul" or (user, 0) not in self.known or None not in edges:
                continue
            constant = edges.index(None)
            other = edges[1 - constant]
            if other is None or not same(other, (node, 0)) or user.saved.__class__ is Freed:
                continue
            factor = _saved_array(user.saved[record.saved_names.index(record.inputs[constant])])
            product = self.known[user, 0]
            if factor is not None and factor.shape == product.shape and np.all(factor != 0):
                self.known[node, 0] = product / factor
                return True
        return False

    def _is_absent(self, node: Node, place: int) -> bool:
        """Whether the operation without an input that may be left out gives what the node made, as far as that is known."""
        known = self.known.get((node, 0))
        if known is None:
            return True
        others = [None if i == place else self.inputs_at(node, i) for i in range(len(node.edges))]
        with no_grad():
            results = record_of(node).apply(
                *[wrap(v) if isinstance(v, np.ndarray) else v for v in others], *self.settings(node)
            )
        result = results[0] if isinstance(results, tuple) else results
        return np.allclose(np.asarray(result._array), known, rtol=1e-4, atol=1e-6)

    def inputs_at(self, node: Node, place: int) -> Any:
        """One input of a node: an array, or a number where the program gave one, or None."""
        edge = edges_of(node)[place]
        return self.constant(node, place) if edge is None else self.value(edge)

    def settings(self, node: Node) -> list:
        """The settings of a node, such as a dimension or an exponent; Unknown if one is not to be had."""
        return [self.setting(node, name) for name in record_of(node).settings]

    def setting(self, node: Node, name: str) -> Any:
        """One of them."""
        record: Any = record_of(node)
        if node.saved.__class__ is not Freed and name in record.saved_names:
            return node.saved[record.saved_names.index(name)]
        found = self._setting_from_text(node, record, name)
        if name != "dim" or record.name not in _ALONG_SEVERAL or found is None:
            return found
        ndim = np.ndim(self.inputs_at(node, 0))
        return wrap_dims(found, ndim)  # as the operation itself saves it

    def _setting_from_text(self, node: Node, record: Op, name: str) -> Any:
        source = Source(node.code, node.lasti)
        syntax: Any = syntax_of(source.file)
        expression = None if syntax is None else syntax.expression(source)
        if isinstance(expression, ast.Call) and _stands_for(expression, record):
            for keyword in expression.keywords:
                if keyword.arg == name or (keyword.arg == "unbiased" and name == "correction"):
                    return self._number(keyword.value, node)
            if getattr(expression.func, "attr", getattr(expression.func, "id", "")) == "square":
                return 2
        if expression is not None and _stands_for(expression, record):
            written = operands(syntax, expression)
            if name == "base":
                return self._number(written[0], node)
            place = len(record.inputs) + record.settings.index(name)
            if place < len(written):
                return self._number(written[place], node)
            if name in _DEFAULTS:
                return _DEFAULTS[name]
        made = self.known.get((node, 0))
        if made is not None and (record.name, name) in _FROM_OUTPUT:
            return made.shape[_FROM_OUTPUT[record.name, name] :]
        if node.saved.__class__ is Freed and name in record.saved_names:
            return self.twin(node).saved[record.saved_names.index(name)]
        where = freed_at(node)
        because = "" if where is None else f": {_freed_text(where)}"
        raise Unknown(f"the {name} of {node.name()} was not kept{because}")

    def _number(self, expression: ast.expr, node: Node) -> Any:
        value = self.literal(expression, node.code)
        if value is None or isinstance(value, Tensor):
            raise Unknown(f"{ast.unparse(expression)} is not known any more")
        return value

    def literal(self, expression: ast.expr, code: CodeType | None = None) -> Any:
        """What an expression of constants, variables and plain rearrangements of them means now; None for others.

        `code` is what the expression is part of."""
        try:
            return ast.literal_eval(expression)
        except ValueError:
            pass
        if isinstance(expression, ast.Call) and ast.unparse(expression).replace('"', "'") in _NOT_FINITE:
            return float(ast.literal_eval(expression.args[0]))
        if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Attribute) and not expression.keywords:
            if expression.func.attr in _CREATING and isinstance(expression.func.value, ast.Name):
                return self._created(expression, code)
            value = self.literal(expression.func.value, code)
            arguments = [self.literal(a, code) for a in expression.args]
            if isinstance(value, Tensor) and expression.func.attr in _REARRANGING and None not in arguments:
                with no_grad():
                    return getattr(value, expression.func.attr)(*arguments)
            return None
        if isinstance(expression, (ast.BinOp, ast.Compare, ast.UnaryOp)):
            return self._computed(expression, code)
        if isinstance(expression, ast.Attribute) and expression.attr in ("T", "mT"):
            value = self.literal(expression.value, code)
            if isinstance(value, Tensor):
                with no_grad():
                    return value.mT
        return self.look_up(ast.unparse(expression), code)

    def _created(self, call: ast.Call, code: CodeType | None) -> Any:
        """A tensor that the program makes of numbers, such as torch.ones(2, 3), made again."""
        from ..ops import creation

        arguments = [self.literal(a, code) for a in call.args]
        return None if None in arguments else getattr(creation, call.func.attr)(*arguments)

    def _computed(self, expression: ast.expr, code: CodeType | None) -> Any:
        """An expression of operators, computed again."""
        if isinstance(expression, ast.BinOp):
            function: Any
            operands, function = [expression.left, expression.right], _OPERATORS.get(type(expression.op))
        elif isinstance(expression, ast.Compare) and len(expression.ops) == 1:
            operands, function = [expression.left, *expression.comparators], _OPERATORS.get(type(expression.ops[0]))
        elif isinstance(expression, ast.UnaryOp):
            operands, function = [expression.operand], _OPERATORS.get(type(expression.op))
        else:
            return None
        found = [self.literal(one, code) for one in operands]
        if function is None or not all(isinstance(v, (Tensor, *NUMBERS)) for v in found):
            return None
        with no_grad():
            return function(*found)

    # ---- backward

    def pull(self, node: Node, gradients: list) -> list:
        """The gradients for a node's edges from those of its outputs, without hooks: what backward computes."""
        twin = node if node.saved.__class__ is not Freed else self._intact(node)
        needs = tuple(None if edge is None else True for edge in node.edges)
        gradient = gradients[0] if node.n_outputs == 1 else gradients
        try:
            results = list(twin.backward(gradient, needs))
        except (
            RuntimeError,
            TypeError,
            ValueError,
            IndexError,
        ) as error:  # settings as the text has them are unchecked
            raise Unknown(str(error).partition("\n")[0]) from None
        targets = None if node.meta is None else node.meta.targets
        for i, edge in enumerate(node.edges):
            if edge is None or i >= len(results):
                continue
            if results[i] is not None and targets is not None and targets[i] is not None:
                results[i] = fit_array(results[i], *targets[i])
        return results

    def _intact(self, node: Node) -> Node:
        try:
            return self._restored(node)
        except Unknown:
            if record_of(node) is None:
                raise
            return self.twin(node)

    def _restored(self, node: Node) -> Node:
        """A node like a freed one, with what it saved put together again."""
        record = record_of(node)
        if record is None:
            raise Unknown(f"what {node.name()} saved is gone: {_freed_text(freed_at(node))}")
        edges = edges_of(node)
        twin: Any = object.__new__(type(node))
        twin.edges, twin.sequence, twin.code, twin.lasti, twin.meta = (
            node.edges, node.sequence, node.code, node.lasti, None,
        )  # fmt: skip
        saved: list = []
        for name, kind in zip(record.saved_names, record.saved_kinds):
            base = name.removesuffix("_shape").removesuffix("_dtype")
            if name in record.settings:
                saved.append(self.setting(node, name))
            elif kind == OUTPUT:
                saved.append(self.value((node, record.outputs.index(name) if name in record.outputs else 0)))
            elif base == record.variadic:
                arrays = [self.inputs_at(node, place) for place in range(len(record.inputs), len(edges))]
                saved.append(tuple(wrap(a) if kind == INPUT else np.shape(a) for a in arrays))
            else:
                value = self.inputs_at(node, record.inputs.index(base))
                if value is None:
                    saved.append(None)
                elif kind == INPUT:
                    saved.append(self._as_tensor(value, node))
                else:
                    saved.append(np.shape(value) if name.endswith("_shape") else wrap(value).dtype)
        twin.saved = tuple(saved)
        if record.outputs == ("*",):
            twin.n_outputs = node.n_outputs
        return twin

    def _as_tensor(self, value: Any, node: Node) -> Tensor:
        """What a node saves of an input: a number as a tensor of the dtype that the operation was computed in."""
        if isinstance(value, np.ndarray):
            return wrap(value)
        return wrap(np.asarray(value, self.value((node, 0)).dtype))


_OPTIONAL = {"convolution": ("b",), "convolution_input": ("b",), "batch_norm_eval": ("weight", "bias")}
# settings that the shape of the result shows: {(operation, setting): the first dimension that counts}
_FROM_OUTPUT = {
    ("avg_pool2d", "out"): 2, ("avg_pool3d", "out"): 2, ("avg_pool_backward", "size"): 2, ("convolution_input", "size"): 2,
    ("convolution_weight", "kernel"): 2, ("nll_loss_backward", "shape"): 0,
}  # fmt: skip
_NOT_FINITE = {"float('inf')", "float('-inf')", "float('nan')"}
_CREATING = {"arange", "eye", "full", "linspace", "ones", "tensor", "zeros"}
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
    ast.MatMult: operator.matmul, ast.USub: operator.neg, ast.Invert: operator.invert, ast.Lt: operator.lt,
    ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
}  # fmt: skip
# methods that only look at a tensor in another way
_REARRANGING = {
    "clone", "contiguous", "detach", "double", "expand", "flatten", "float", "permute", "reshape", "squeeze", "t",
    "transpose", "unsqueeze", "view",
}  # fmt: skip
# reductions, whose dim is a tuple wherever one is given
_ALONG_SEVERAL = ("sum", "sum_dim", "nansum", "mean", "mean_dim", "std", "var", "std_mean", "var_mean", "amax", "amin", "prod", "prod_dim", "logsumexp", "linalg_vector_norm")  # fmt: skip
_DEFAULTS = {
    "correction": 1,
    "alpha": 1,
    "beta": 1,
    "keepdim": False,
    "dim": None,
    "eps": None,
    "slope": 0.01,
    "threshold": 20,
}


def expression_of(node: Node) -> Any:
    """The expression in the user's program that recorded a node; None if its text is not to be had."""
    source = Source(node.code, node.lasti)
    syntax: Any = syntax_of(source.file)
    return None if syntax is None else syntax.expression(source)


def operand_of(node: Node, place: int) -> ast.expr | None:
    """The expression in the user's program that gave a node its input at `place`."""
    expression = expression_of(node)
    syntax: Any = syntax_of(node.code.co_filename)
    if expression is None:
        return None
    record = record_of(node)
    written = operands(syntax, expression)
    if record is None or not written or not _stands_for(expression, record):
        return None
    if record.variadic and isinstance(written[0], (ast.List, ast.Tuple)):
        written = [*written[0].elts, *written[1:]]
    if (
        len(written) == 2
        and isinstance(expression, ast.BinOp)
        and len(node.edges) <= 2
        and _swapped(node, record, written)
    ):
        place = 1 - place
    return written[place] if place < len(written) else None


_OPERATOR_RECORDS: dict[type, tuple[str, ...]] = {
    ast.Add: ("add",), ast.Sub: ("sub", "rsub"), ast.Mult: ("mul",), ast.Div: ("div", "reciprocal", "mul"),
    ast.Pow: ("pow",), ast.MatMult: ("mm", "mv", "dot", "bmm", "mat", "vec"), ast.Mod: ("remainder",),
}  # fmt: skip
_ALIASES = {"square": "pow", "multiply": "mul", "matmul": "m", "divide": "div", "subtract": "sub", "true_divide": "div"}


def _stands_for(expression: ast.AST, record: Op) -> bool:
    """Whether an expression is this operation, rather than a call of something longer that the operation is a part of."""
    if isinstance(expression, (ast.BinOp, ast.AugAssign)):
        return record.name.startswith(_OPERATOR_RECORDS.get(type(expression.op), ()))
    if isinstance(expression, ast.Call):
        called = getattr(expression.func, "attr", getattr(expression.func, "id", "")).rstrip("_")
        called = _ALIASES.get(called, called)
        names = record.name, record.name.removeprefix("linalg_").removeprefix("special_")
        public = getattr(record.apply, "__name__", "")
        return bool(called) and (any(name.startswith(called) for name in names) or called == public)
    return True


def _swapped(node: Node, record: Op, written: list[ast.expr]) -> bool:
    """Whether an operator's operands reached the operation in the other order: `2 * x` is mul(x, 2)."""
    if record.name in ("rsub", "rsub_scaled", "pow_of_number", "reciprocal"):
        return True
    # a number on the left; a name on the left of a number's node could be either, and a literal on the right decides
    if type(node) is record.scalar_node_class or (len(node.edges) == 2 and node.edges[1] is None):
        return isinstance(written[0], ast.Constant) or (
            isinstance(written[0], ast.UnaryOp) and isinstance(written[0].operand, ast.Constant)
        )
    return False


def _is_used(node: Node, record: Op, position: int) -> bool:
    """Whether a formula that runs for this node asks for the saved value at this position, so that it was not left out."""
    if len(record.vjps) != len(node.edges) or len(node.edges) < 2:
        return True
    return any(position in wanted for (_, wanted), edge in zip(record.vjps, node.edges) if edge is not None)


def _unchanged(tensor: Tensor) -> bool:
    return tensor._counter is None or not tensor._counter.version


def _saved_array(entry: Any) -> np.ndarray | None:
    """The array of a saved input that has not been written to since."""
    if isinstance(entry, SavedTensor):
        if entry.unpack_hook is not None or entry.tensor is None or entry.tensor._array is None:
            return None
        if entry.counter is not None and entry.counter.version != entry.version:
            return None
        return np.asarray(entry.tensor._array)
    if isinstance(entry, Tensor) and _unchanged(entry):
        return np.asarray(entry._array)
    return None
