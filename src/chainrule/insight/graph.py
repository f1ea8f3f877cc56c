"""What a picture of a graph shows: nodes with names, shapes, values, gradients and lines, and how they are grouped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..engine import Node
from ..tensor import Tensor, gradient_edge
from . import briefly
from .badnumbers import is_bad
from .layout import MOST_MEMBERS, Group, divide, runs
from .names import Scope, caller
from .source import Source
from .values import Edge, Unknown, Values, edges_of
from .watching import Names

LONGEST_TITLE = 56
_SHAPING = ("t", "transpose", "permute", "view", "expand", "unsqueeze")


class MissingInput(NamedTuple):
    """A value that operations take without its history: how it is shown, and which inputs (node, place) are it."""

    label: str
    detail: str
    is_at: Callable[[Node, int], bool]


class Item:
    """One node of the picture: a recorded operation, or a leaf."""

    __slots__ = (
        "bad_gradient", "bad_value", "gradient", "inputs", "is_cut", "is_marked", "is_reached", "key", "name", "note", "operation",
        "shape", "short", "slope", "source", "step", "value",
    )  # fmt: skip

    def __init__(self, operation: str, name: str, source: Source | None, key: Any) -> None:
        self.operation = operation
        self.name = name  # the user's, or empty
        self.source: Any = source  # None for a leaf
        self.key = key
        self.inputs: list[int] = []  # numbers of the items that lead to it
        self.step: int | None = None  # when backward comes by; None: no gradient does
        self.shape = self.value = self.gradient = self.note = ""
        self.short = name  # inside a frame that names its module
        self.slope = ""  # the gradient in a few letters
        self.bad_value = self.bad_gradient = ""  # "nan", "inf" or "-inf" if there is one
        self.is_reached = True  # a gradient arrives
        self.is_marked = False  # pointed out
        self.is_cut = False  # stands for a value whose history was cut

    @property
    def label(self) -> str:
        """What it is called: `z = mul`, `x` or `mul`."""
        if not self.operation:
            return self.name
        return f"{self.name} = {self.operation}" if self.name else self.operation

    @property
    def is_bad(self) -> bool:
        """Whether there is nan or inf in its value or gradient."""
        return bool(self.bad_value or self.bad_gradient)

    @property
    def badge(self) -> str:
        """What has to be seen at once: nan or inf in the value, or in the gradient (∂), or that no gradient arrives."""
        if not self.is_reached:
            return " ".join(filter(None, (self.bad_value, "no ∂")))
        return " ".join(filter(None, (self.bad_value, self.bad_gradient and f"∂ {self.bad_gradient}")))


class Graph:
    """The graph behind a tensor, as it is drawn: `items`, inputs before what is computed from them."""

    def __init__(
        self,
        y: Tensor,
        scope: Scope,
        title: str | None = None,
        x: Tensor | None = None,
        missing: MissingInput | None = None,
    ) -> None:
        root: Edge = gradient_edge(y)
        if root[0] is None:
            raise RuntimeError(
                "there is no graph to draw: the tensor does not require grad, so that nothing of how it was computed "
                "was recorded"
            )
        self.root = root
        values = Values(root, [*scope.tensors, y], scope.look_up)
        self.names = Names(values.order, scope)
        self.name = title or self.names.of(root) or scope.names.get(id(y)) or _written_argument(scope)
        self.items: list[Item] = []
        self.numbers: dict[Any, int] = {}  # {node or leaf: its item}
        self._sources: dict[tuple, Source] = {}
        self._missing = missing
        for node in reversed(values.order):
            self._add(node)
        if not values.order:
            self._add_leaf(root[0])
        self.scalar = np.size(y._array) == 1
        gradients = self._gradients(values, np.ones_like(np.asarray(y._array)))
        values.learn_shapes(gradients)
        for one, number in self.numbers.items():
            if one is not missing:
                self._fill(self.items[number], one, values, gradients)
        if x is not None:
            self._keep_from(gradient_edge(x)[0])

    # ---- nodes

    def _add(self, node: Node) -> None:
        inputs = []
        for place, edge in enumerate(edges_of(node)):
            if edge is None:
                if self._missing is not None and self._missing.is_at(node, place):
                    inputs.append(self._number_of_missing(self._missing))
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
        names = [name for name in (self.names.of((node, i)) for i in range(node.n_outputs)) if name]
        item = Item(operation(node), ", ".join(dict.fromkeys(names)), source, (node.code, source.line, node.lasti))
        item.inputs = inputs
        self.numbers[node] = len(self.items)
        self.items.append(item)

    def _add_leaf(self, leaf: Tensor) -> None:
        self.numbers[leaf] = len(self.items)
        self.items.append(Item("", self.names.of((leaf, 0)) or "leaf", None, None))

    def _number_of_missing(self, missing: MissingInput) -> int:
        if missing not in self.numbers:
            self.numbers[missing] = len(self.items)
            item = Item("", missing.label, None, None)
            item.shape, item.is_cut = missing.detail, True
            self.items.append(item)
        return self.numbers[missing]

    def mark(self, place: Any, x: Tensor | None = None) -> None:
        """Points out the value that is missing, what stands at a place of the program, or else the leaf `x`."""
        there = [i for i in self.items if place is not None and i.source is not None and _stands_at(i.source, place)]
        leaf = None if x is None else self.numbers.get(gradient_edge(x)[0])
        for found in (
            [i for i in self.items if i.is_cut],
            [i for i in there if i.source.text == place.text],
            [i for i in there if i.is_bad],
            there,
            [] if leaf is None else [self.items[leaf]],
        ):
            if found:
                for item in found:
                    item.is_marked = True
                return

    def _keep_from(self, start: Any) -> None:
        """Leaves out what does not lie between `start` and the root."""
        if start not in self.numbers:
            raise RuntimeError(f"there is nothing to draw: {self.name} was not computed from that tensor")
        first = self.numbers[start]
        kept = {first: 0}
        for number, item in enumerate(self.items):
            if any(n in kept for n in item.inputs) and number != first:
                kept[number] = len(kept)
        self.items[first].inputs = []
        self.items = [self.items[number] for number in kept]
        for item in self.items:
            item.inputs = [kept[n] for n in item.inputs if n in kept]
        self.numbers = {one: kept[number] for one, number in self.numbers.items() if number in kept}
        steps = sorted(item.step for item in self.items if item.operation and item.step is not None)
        places: dict[int | None, int] = {step: place for place, step in enumerate(steps)}
        self.steps = len(steps)
        for item in self.items:
            item.step = places.get(item.step, self.steps)

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
        edges = [(one, number) for number in range(1 if isinstance(one, Tensor) else one.n_outputs)]
        item.is_reached = any(edge in gradients for edge in edges)
        for edge in edges:
            gradient = gradients.get(edge)
            try:
                value = values.value(edge)
                shapes.append(briefly.shape(value))
                texts.append(briefly.array(value))
                item.bad_value = item.bad_value or _bad(value)
            except Unknown as error:
                item.note = str(error)
                if isinstance(gradient, np.ndarray):
                    shapes.append(briefly.shape(gradient))
            if isinstance(gradient, str):
                item.note = item.note or gradient
            elif gradient is not None:
                slopes.append(briefly.array(gradient))
                item.slope = briefly.slope(gradient)
                item.bad_gradient = item.bad_gradient or _bad(gradient)
        item.shape, item.value, item.gradient = "; ".join(shapes), "; ".join(texts), "; ".join(slopes)

    # ---- groups

    def groups(self) -> Group:
        """All items in groups of neighbours in the order of recording: functions, rounds of loops, lines, modules."""
        nodes = [n for n, item in enumerate(self.items) if item.source is not None]
        calls = []
        for function in runs(nodes, lambda n: self.items[n].key[0]):
            one_by_one = self._calls(function)
            # one after the other they are rounds; parts of calls, with calls of others between, belong to their own
            alike = len({tuple(dict.fromkeys(self.items[n].key[1] for n in call)) for call in one_by_one}) == 1
            calls += [runs(call, lambda n: self.items[n].key[:2]) for call in ([function] if alike else one_by_one)]
        functions = _apart_at_loops(calls, lambda line: self.items[line[0]].key[:2])
        members = []
        for function in functions:
            lines = [self._line(line) for line in function]
            if len(functions) == 1:
                members = lines
            elif len(lines) == 1:
                members += lines
            else:
                first = self.items[function[0][0]]
                called = _called(first.source)
                module = self._module_of([n for line in function for n in line])
                label = f"{called}, {self._lines(lines)}"
                label = f"{module}: {label}" if module else label
                members.append(Group(label, "function", divide(lines, self._label), first.key[0]))
        root = Group(self.name, "graph", divide(members, self._label))
        self._place_leaves(root)
        _unwrap(root)
        self._shorten(root)
        _bundle_leaves(root, self.items)
        return root

    def _calls(self, nodes: list[int]) -> list[list[int]]:
        """What a function recorded, call by call: a new one begins where it goes back without a loop to go back in."""
        found = [nodes[:1]]
        for before, n in pairwise(nodes):
            code, _, last = self.items[before].key
            now = self.items[n].key[2]
            if now < last and not any(start <= now and last <= end for start, end in _loops(code)):
                found.append([])
            found[-1].append(n)
        return found

    def _shorten(self, root: Group) -> None:
        """Takes the module that a frame's title names off the names of the parameters inside."""
        stack = [(root, "")]
        while stack:
            group, around = stack.pop()
            if group.kind in ("function", "round", "module"):
                module = self._module_of(list(group.nodes()))
                around = module if module and module in group.label else around
            for m in group.members:
                if isinstance(m, Group):
                    stack.append((m, around))
                elif around and self.items[m].name.startswith(f"{around}."):
                    self.items[m].short = self.items[m].name.removeprefix(f"{around}.")

    def _line(self, nodes: list[int]) -> Group:
        source = self.items[nodes[0]].source
        texts = {self.items[n].source.text for n in nodes}
        text = texts.pop() if len(texts) == 1 else _line_text(source)
        told = f"{briefly.place(source)}  {text}" if text else briefly.place(source)
        label = told if len(told) <= LONGEST_TITLE else told[: LONGEST_TITLE - 1] + "…"
        # what one expression recorded is one step of the line; a loop comes by again
        steps = [
            Group("", "step", self._modules(step), self.items[step[0]].key)
            for step in runs(nodes, lambda n: self.items[n].key)
        ]
        members = divide(steps, self._label)
        if members is steps:
            members = [m for step in steps for m in step.members]
            members = divide(
                [Group(self.items[m].operation, "step", [m], m) if isinstance(m, int) else m for m in members],
                self._label,
            )
        return Group(label, "line", members, self.items[nodes[0]].key[:2], told)

    def _modules(self, nodes: list[int]) -> list:
        """What one expression recorded, such as the call of a Sequential, with a group for each module that shows."""
        owners = [self._module_of([n]) for n in nodes]
        for i in range(len(nodes) - 2, -1, -1):  # a transposed weight belongs to what takes it
            if (
                owners[i + 1]
                and not owners[i]
                and nodes[i] in self.items[nodes[i + 1]].inputs
                and self.items[nodes[i]].operation == "t"
            ):
                owners[i] = owners[i + 1]
        named = [i for i, owner in enumerate(owners) if owner]
        for i, j in pairwise(named):  # and what is between two operations of one module, such as a view
            if owners[i] == owners[j]:
                owners[i:j] = [owners[i]] * (j - i)
        if len({owner for owner in owners if owner}) < 2:
            return list(nodes)
        found: list = []
        for piece in runs(range(len(nodes)), owners.__getitem__):
            inside, owner = [nodes[i] for i in piece], owners[piece[0]]
            found += [Group(owner, "module", inside, ("module", owner))] if owner and len(inside) > 1 else inside
        return found

    def _module_of(self, nodes: list[int]) -> str:
        """The innermost module that has all parameters of modules that some nodes use; empty if there is none."""
        paths = []
        for n in nodes:
            for leaf in self._leaves_of(n):
                module, dot, _ = self.items[leaf].name.rpartition(".")
                if dot:
                    paths.append(module.replace("[", ".[").split("."))
        shared = []
        for parts in zip(*paths):
            if any(part != parts[0] for part in parts):
                break
            shared.append(parts[0])
        return ".".join(shared).replace(".[", "[")

    def _leaves_of(self, number: int) -> Iterator[int]:
        """The leaves that an operation takes, in another shape as well."""
        for one in self.items[number].inputs:
            if self.items[one].source is None:
                yield one
            elif self.items[one].operation in _SHAPING:
                yield from (leaf for leaf in self.items[one].inputs if self.items[leaf].source is None)

    def _label(self, groups: list) -> str:
        """What some groups are, beside their number: their module, or the lines that they stand in."""
        nodes = [n for group in groups for n in group.nodes()]
        if len({self.items[n].key[:2] for n in nodes}) == 1:
            return ""  # parts of one line, which its own frame names
        return self._module_of(nodes) or self._lines(groups)

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


@lru_cache(maxsize=256)
def _loops(code: Any) -> list[tuple[int, int]]:
    """Where the loops of a function begin and end, in its instructions."""
    from dis import get_instructions

    return [(one.argval, one.offset) for one in get_instructions(code) if "JUMP_BACKWARD" in one.opname]


def _apart_at_loops(functions: list[list], line_of: Callable) -> list[list]:
    """Cuts from what a function recorded the last lines of a loop in it, and the first, which come alone in other rounds.

    A loop that calls other functions comes back to its own in every round, and the last time goes on to what follows."""
    counts: dict[tuple, int] = {}
    found = [tuple(map(line_of, lines)) for lines in functions]
    for one in found:
        counts[one] = counts.get(one, 0) + 1
    often = {one for one, count in counts.items() if count > 1}
    lengths = sorted({len(one) for one in often})
    apart: list[list] = []
    for lines, one in zip(functions, found, strict=True):
        cut = 0
        if counts[one] == 1:
            ends = [length for length in lengths if length < len(one) and one[:length] in often]
            begins = [len(one) - length for length in lengths if length < len(one) and one[-length:] in often]
            cut = (ends or begins or [0])[-1]
        apart += [lines[:cut], lines[cut:]] if cut else [lines]
    return apart


def _unwrap(root: Group) -> None:
    """Takes apart groups of one member: a frame around a single node says nothing that the node does not say.

    Steps are no frames at all: what one expression records stands in the frame of its line."""
    for group in reversed(list(root.groups())):
        members: list = []
        for m in group.members:
            members += m.members if isinstance(m, Group) and (len(m.members) == 1 or m.kind == "step") else [m]
        group.members = members


def _bundle_leaves(root: Group, items: list[Item]) -> None:
    """Puts leaves into groups of their own where a group has very many, such as the list that a program stacks."""
    for group in list(root.groups()):
        leaves = [m for m in group.members if isinstance(m, int) and items[m].source is None]
        if len(leaves) > MOST_MEMBERS:
            rest = [m for m in group.members if isinstance(m, Group) or items[m].source is not None]
            bundle = Group(f"{len(leaves)} leaves", "leaves", [])
            bundle.members = divide([Group("", "step", [n], n) for n in leaves], lambda inside: "leaves")
            _unwrap(bundle)
            group.members = [bundle, *rest]


def _written_argument(scope: Scope) -> str:
    """What the program wrote where it asked for the drawing, if that is no name: `loss.sum()`."""
    import ast

    written = scope.argument_texts()
    text = ast.unparse(written[0]) if written else "y"
    return text if len(text) <= LONGEST_TITLE else "y"


def operation(node: Node) -> str:
    """An operation's short name: `log_softmax` for LogSoftmaxBackward0, and a Function's own name."""
    name = node.name().rpartition("::")[2]
    if getattr(type(node), "op", None) is None:
        return name.removesuffix("Backward")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", re.sub(r"Backward\d*$", "", name))
    return words.lower()


def _stands_at(source: Any, place: Any) -> bool:
    return (source.file, source.line) == (place.file, place.line)


def _bad(value: np.ndarray) -> str:
    if not is_bad(value):
        return ""
    if np.isnan(value).any():
        return "nan"
    return "-inf" if value.dtype.kind != "c" and (value < np.inf).all() else "inf"


def _called(source: Source) -> str:
    name = source.function.rpartition("<locals>.")[2]
    return briefly.file_name(source.file) if name == "<module>" else f"{name}()"


def _line_text(source: Source) -> str:
    import linecache

    return linecache.getline(source.file, source.line).strip()


def graph_of(
    y: Tensor, title: str | None = None, x: Tensor | None = None, missing: MissingInput | None = None
) -> Graph:
    """The graph behind `y`, or between `x` and `y`, named by the variables of the program that asks."""
    for one in (y, *([] if x is None else [x])):
        if not isinstance(one, Tensor):
            raise TypeError(f"expected a Tensor, but got {type(one).__name__}")
    return Graph(y, Scope(caller()), title, x, missing)
