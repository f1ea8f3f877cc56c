"""From which leaves each value comes, and where its history ended, if it did."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...engine import Node
from ...modes import local
from ...tensor import Tensor
from ..cuts import BY_ACCIDENT
from ..places import Position
from .looking import where
from .notes import Break, Flows, Leaf, digest

MOST_CLOSED = 2000  # leaves that one value remembers to be cut off from


class Histories:
    """The leaves of a run, and the flows from them into tensors, arrays and numbers."""

    def __init__(self) -> None:
        self.leaves: dict[int, Leaf] = {}  # {id of a tensor that is alive: its leaf}
        self.all_leaves: list[Leaf] = []
        self.numbers: dict[int, tuple[float, Flows]] = {}
        self.recorded: dict[Position, Flows] = {}  # of the operations recorded at each place
        self.paused = False  # while the witness itself computes
        self._flows: dict[int, tuple[weakref.ref, Flows]] = {}
        self._arrays: dict[int, tuple[weakref.ref, Flows]] = {}

    def leaf_of(self, tensor: Tensor) -> Leaf:
        found = self.leaves.get(id(tensor))
        if found is not None and found.tensor() is tensor:
            return found
        leaf = Leaf(tensor, where(), len(self.all_leaves))
        leaf.digest = digest(tensor)
        self.leaves[id(tensor)] = leaf
        self.all_leaves.append(leaf)
        return leaf

    def flows_of(self, value: Any) -> Flows:
        """The flows of a tensor, of an array that shares a tensor's memory, or of a number that came out of one."""
        if isinstance(value, Tensor):
            return self.tensor_flows(value)
        if value.__class__ is float:
            known = self.numbers.get(id(value))
            return known[1] if known is not None and known[0] is value else {}
        if isinstance(value, np.ndarray):
            return self.array_flows(value)
        if isinstance(value, (list, tuple)):
            return self.merged([self.flows_of(v) for v in value])
        return {}

    def tensor_flows(self, tensor: Tensor) -> Flows:
        if not tensor._requires_grad or tensor._node is None:
            entry = self._flows.get(id(tensor))
            known = entry[1] if entry is not None and entry[0]() is tensor else self.array_flows(tensor._array)
            return {**known, self.leaf_of(tensor): None} if tensor._requires_grad else known
        node = tensor._node
        entry = self._flows.get(id(node))
        if entry is not None and entry[0]() is node:
            return entry[1]
        flows = self._flows_behind(node)
        self.keep(node, flows)
        return flows

    def _flows_behind(self, node: Any) -> Flows:
        """The flows of a node that was made where no witness looks, as by a custom Function: from the nodes known behind it."""
        parts: dict[int, Flows] = {}
        seen: set[int] = set()
        stack = [node]
        while stack:
            one = stack.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            entry = self._flows.get(id(one))
            if isinstance(one, Tensor):
                parts[id(one)] = self.tensor_flows(one)
            elif entry is not None and entry[0]() is one:
                parts[id(entry[1])] = entry[1]
            else:
                stack.extend(one.edges)
        return self.merged(parts.values())

    def array_flows(self, array: Any) -> Flows:
        """The flows of whatever else shares an array's memory."""
        if self._arrays:
            for one in bases_of(array):
                entry = self._arrays.get(id(one))
                if entry is not None and entry[0]() is one:
                    return entry[1]
        return {}

    def keep_array(self, array: Any, flows: Flows) -> None:
        bases = list(bases_of(array))
        if bases:
            note(self._arrays, bases[-1], flows)

    def freeze(self, tensor: Tensor) -> None:
        """Notes that a leaf does not require grad from here on."""
        leaf = self.leaf_of(tensor)
        leaf.frozen_at = where()
        self.keep(tensor, {leaf: Break("requires_grad_false", leaf.frozen_at)})

    def record(self, node: Node, flows: Flows) -> None:
        """Keeps the flows of a recorded operation, also by its place."""
        self.keep(node, flows)
        place = node.code, node.lasti
        known = self.recorded.get(place)
        is_more = known is None or flows.keys() >= known.keys()
        self.recorded[place] = flows if is_more else self.merged([known, flows])  # type: ignore[list-item]

    def keep(self, key: Any, flows: Flows) -> None:
        note(self._flows, key, flows)

    def knows(self, tensor: Tensor) -> bool:
        """Whether flows have been kept for a tensor itself."""
        return id(tensor) in self._flows

    @staticmethod
    def merged(parts: Iterable[Flows]) -> Flows:
        parts = [part for part in parts if part]
        merged: Flows = max(parts, key=len, default={})
        if all(part is merged or _is_within(part, merged) for part in parts):
            return merged  # most operations bring no leaf that was not there
        merged = {}
        for part in parts:
            for leaf, cut in part.items():
                if leaf not in merged or is_worse(cut, merged[leaf]):
                    merged[leaf] = cut
        if len(merged) > MOST_CLOSED:
            merged = dict(list(merged.items())[-MOST_CLOSED:])
        return merged

    @staticmethod
    def closed(flows: Flows, kind: str, position: Position) -> Flows:
        """The flows with every way that was open ended here."""
        if all(flows.values()):
            return flows
        off_at = None
        if kind in ("no_grad", "inference"):
            off_at, off_kind = getattr(local, "off_at", None), getattr(local, "off_kind", None)
            if off_kind is not None:
                kind, off_at = off_kind, None
        cut = Break(kind, position, off_at)
        return {leaf: known or cut for leaf, known in flows.items()}


def _is_within(part: Flows, whole: Flows) -> bool:
    """Whether merging `part` into `whole` would change nothing."""
    return all(leaf in whole and (whole[leaf] is None or whole[leaf] is cut) for leaf, cut in part.items())


def is_worse(cut: Break | None, other: Break | None) -> bool:
    """Whether a way matters more than another of the same leaf: an open one, then one that was cut by accident, and last one
    by a draw, which goes with a log_prob that has the gradient."""
    return _rank(cut) < _rank(other)


def _rank(cut: Break | None) -> int:
    if cut is None:
        return 0
    if cut.kind in BY_ACCIDENT and cut.kind != "gradient":
        return 1
    return 3 if cut.kind == "sample" else 2


def note(table: dict[int, Any], key: Any, value: Any) -> None:
    """Keeps a value for an object, by its identity, as long as it lives."""
    number = id(key)
    table[number] = weakref.ref(key, lambda _: table.pop(number, None)), value


def bases_of(array: np.ndarray) -> Iterator[np.ndarray]:
    one: Any = array
    while isinstance(one, np.ndarray):
        yield one
        one = one.base
