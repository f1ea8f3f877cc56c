"""What a picture of a graph shows: nodes with names, shapes, values, gradients and lines, and how they are grouped."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..engine import Node
from ..tensor import Tensor, gradient_edge
from . import briefly
from .layout import Group, divide, runs
from .names import Scope, caller, name_everything
from .source import Source
from .values import Edge, Unknown, Values, edges_of

LONGEST_TITLE = 56


class Item:
    """One node of the picture: a recorded operation, or a leaf."""

    __slots__ = (
        "gradient", "inputs", "is_bad", "key", "name", "note", "operation", "shape", "source", "step", "value",
    )  # fmt: skip

    def __init__(self, operation: str, name: str, source: Source | None, key: Any) -> None:
        self.operation = operation
        self.name = name  # the user's, or empty
        self.source: Any = source  # None for a leaf
        self.key = key
        self.inputs: list[int] = []  # numbers of the items that lead to it
        self.step: int | None = None  # when backward comes by; None: no gradient does
        self.shape = self.value = self.gradient = self.note = ""
        self.is_bad = False  # nan or inf in its value or gradient

    @property
    def label(self) -> str:
        """What stands in the node: `z = mul`, `x` or `mul`."""
        if not self.operation:
            return self.name
        return f"{self.name} = {self.operation}" if self.name else self.operation


class Graph:
    """The graph behind a tensor, as it is drawn: `items`, inputs before what is computed from them."""

    def __init__(self, y: Tensor, scope: Scope, title: str | None = None) -> None:
        root: Edge = gradient_edge(y)
        if root[0] is None:
            raise RuntimeError(
                "there is no graph to draw: the tensor does not require grad, so that nothing of how it was computed "
                "was recorded"
            )
        self.root = root
        values = Values(root, [*scope.tensors, y], scope.look_up)
        self.names = name_everything(values.order, root, root, scope, {})
        self.names.setdefault(root, scope.names.get(id(y), "y"))
        self.name = title or self.names[root]
        self.items: list[Item] = []
        self.numbers: dict[Any, int] = {}  # {node or leaf: its item}
        self._sources: dict[tuple, Source] = {}
        for node in reversed(values.order):
            self._add(node)
        if not values.order:
            self._add_leaf(root[0])
        self.scalar = np.size(y._array) == 1
        gradients = self._gradients(values, np.ones_like(np.asarray(y._array)))
        for one, number in self.numbers.items():
            self._fill(self.items[number], one, values, gradients)

    # ---- nodes

    def _add(self, node: Node) -> None:
        inputs = []
        for edge in edges_of(node):
            if edge is None:
                continue
            if edge[0] not in self.numbers:  # a leaf: nodes came before
                self._add_leaf(edge[0])
            number = self.numbers[edge[0]]
            if number not in inputs:
                inputs.append(number)
        position = node.code, node.lasti
        source = self._sources.get(position)
        if source is None:
            source = self._sources[position] = Source(*position)
        names = [self.names[node, i] for i in range(node.n_outputs) if (node, i) in self.names]
        item = Item(operation(node), ", ".join(names), source, (node.code, source.line))
        item.inputs = inputs
        self.numbers[node] = len(self.items)
        self.items.append(item)

    def _add_leaf(self, leaf: Tensor) -> None:
        self.numbers[leaf] = len(self.items)
        self.items.append(Item("", self.names.get((leaf, 0), "leaf"), None, None))

    @property
    def edges(self) -> list[tuple[int, int]]:
        """(number of an item, number of an item computed from it), each pair once."""
        return [(a, b) for b, item in enumerate(self.items) for a in item.inputs]

    # ---- numbers

    def _gradients(self, values: Values, seed: np.ndarray) -> dict[Edge, np.ndarray | str]:
        """The gradient of the sum of `y` for every edge, as far as it is to be had; otherwise the reason."""
        found: dict[Edge, Any] = {self.root: seed}
        step = 0
        for node in values.order:
            arrived = [found.get((node, i)) for i in range(node.n_outputs)]
            self.items[self.numbers[node]].step = step
            step += 1
            failure = next((g for g in arrived if isinstance(g, str)), None)
            results: list = []
            if failure is None and any(g is not None for g in arrived):
                try:
                    results = values.pull(node, arrived)
                except Unknown as error:
                    failure = str(error)
            for i, edge in enumerate(edges_of(node)):
                if edge is None:
                    continue
                if failure is not None:
                    found[edge] = failure
                elif i < len(results) and results[i] is not None:
                    have = found.get(edge)
                    found[edge] = results[i] if have is None else have if isinstance(have, str) else have + results[i]
        self.steps = step
        for leaf, number in self.numbers.items():
            if isinstance(leaf, Tensor):
                self.items[number].step = step
        return found

    def _fill(self, item: Item, one: Any, values: Values, gradients: dict) -> None:
        shapes, texts, slopes = [], [], []
        for number in range(1 if isinstance(one, Tensor) else one.n_outputs):
            edge = one, number
            gradient = gradients.get(edge)
            try:
                value = values.value(edge)
                shapes.append(briefly.shape(value))
                texts.append(briefly.array(value))
                item.is_bad |= _is_bad(value)
            except Unknown as error:
                item.note = str(error)
                if isinstance(gradient, np.ndarray):
                    shapes.append(briefly.shape(gradient))
            if isinstance(gradient, str):
                item.note = item.note or gradient
            elif gradient is not None:
                slopes.append(briefly.array(gradient))
                item.is_bad |= _is_bad(gradient)
        item.shape, item.value, item.gradient = "; ".join(shapes), "; ".join(texts), "; ".join(slopes)

    # ---- groups

    def groups(self) -> Group:
        """All items in groups of neighbours in the order of recording: functions, rounds of loops, lines."""
        nodes = [n for n, item in enumerate(self.items) if item.source is not None]
        functions = runs(nodes, lambda n: self.items[n].key[0])
        members = []
        for function in functions:
            lines: list[Any] = []
            for line in runs(function, lambda n: self.items[n].key):
                lines.append(self._line(line))
            if len(functions) == 1:
                members = lines
            elif len(lines) == 1:
                members += lines
            else:
                source = self.items[function[0]].source
                label = f"{_called(source)}, {self._lines(lines)}"
                members.append(Group(label, "function", divide(lines, self._lines), self.items[function[0]].key[0]))
        root = Group(self.name, "graph", divide(members, self._lines))
        self._place_leaves(root)
        _unwrap(root)
        return root

    def _line(self, nodes: list[int]) -> Group:
        source = self.items[nodes[0]].source
        texts = {self.items[n].source.text for n in nodes}
        text = texts.pop() if len(texts) == 1 else _line_text(source)
        label = f"{briefly.place(source)}  {text}" if text else briefly.place(source)
        label = label if len(label) <= LONGEST_TITLE else label[: LONGEST_TITLE - 1] + "…"
        return Group(label, "line", list(nodes), self.items[nodes[0]].key)

    def _lines(self, groups: list) -> str:
        """`model.py:3–9`: the lines of several groups, of the first file among them."""
        sources = [self.items[n].source for group in groups for n in group.nodes()]
        file = sources[0].file
        lines = [source.line for source in sources if source.file == file]
        first, last = min(lines), max(lines)
        return f"{briefly.file_name(file)}:{first}" + (f"–{last}" if last > first else "")

    def _place_leaves(self, root: Group) -> None:
        """Puts each leaf into the innermost group that has all that is computed from it."""
        around: dict[int, list[Group]] = {}
        stack = [(root, [root])]
        while stack:
            group, path = stack.pop()
            for member in group.members:
                if isinstance(member, Group):
                    stack.append((member, [*path, member]))
                else:
                    around[member] = path
        users: dict[int, list[int]] = {}
        for a, b in self.edges:
            users.setdefault(a, []).append(b)
        for number, item in enumerate(self.items):
            if item.source is None:
                home = root
                paths = [around[user] for user in users.get(number, ())]
                for level in zip(*paths):
                    if any(group is not level[0] for group in level):
                        break
                    home = level[0]
                home.members.insert(0, number)


def _unwrap(root: Group) -> None:
    """Takes apart groups of one member: a frame around a single node says nothing that the node does not say."""
    for group in reversed(list(root.groups())):
        group.members = [m.members[0] if isinstance(m, Group) and len(m.members) == 1 else m for m in group.members]


def operation(node: Node) -> str:
    """An operation's short name: `log_softmax` for LogSoftmaxBackward0, and a Function's own name."""
    name = node.name().rpartition("::")[2]
    if getattr(type(node), "op", None) is None:
        return name.removesuffix("Backward")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"Backward\d*$", "", name)).lower()


def _is_bad(value: np.ndarray) -> bool:
    return value.dtype.kind in "fc" and not np.isfinite(value).all()


def _called(source: Source) -> str:
    name = source.function.rpartition("<locals>.")[2]
    return briefly.file_name(source.file) if name == "<module>" else f"{name}()"


def _line_text(source: Source) -> str:
    import linecache

    return linecache.getline(source.file, source.line).strip()


def graph_of(y: Tensor, title: str | None = None) -> Graph:
    """The graph behind `y`, named by the variables of the program that asks."""
    if not isinstance(y, Tensor):
        raise TypeError(f"expected a Tensor, but got {type(y).__name__}")
    return Graph(y, Scope(caller()), title)
