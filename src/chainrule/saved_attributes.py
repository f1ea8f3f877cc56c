"""What an operation's node shows of what it saved: `_saved_self`, `_raw_saved_result` and so on, by PyTorch's names.

They are attributes of the node classes: a `__getattr__` would cost every access to a node's own attributes several times as much.
"""

from __future__ import annotations

import weakref
from typing import Any

from . import graph_errors
from .engine import Freed, SavedTensor
from .node_classes import output_number, tensor_of
from .record import INPUT, OUTPUT, PLAIN, Op
from .tensor import Tensor, output_counter, wrap

NOT_KEPT = -1  # the position of what PyTorch's node would keep, and shows as None


def saved_attributes(record: Op, number_only: bool = False) -> dict[str, SavedAttribute]:
    """The attributes of a class of nodes; `number_only`: of those that keep the number their second operand is.

    Dtypes are left out, as PyTorch does not show them."""
    attributes = {}
    for position, name in enumerate(record.saved_names):
        if name.endswith("_dtype"):
            continue
        kind = record.saved_kinds[position]
        if number_only:
            kind, position = PLAIN, 0 if name == record.inputs[1] else NOT_KEPT
        shown = torch_name(record, name)
        attributes["_saved_" + shown] = SavedAttribute(name, position, kind, number_only)
        if kind != PLAIN:
            attributes["_raw_saved_" + shown] = RawSavedAttribute(name, position, kind)
    return attributes


def torch_name(record: Op, name: str) -> str:
    """PyTorch's name of what a formula calls `name`."""
    if name in record.torch_names:
        return record.torch_names[name]
    if name in record.inputs[:2]:
        return ("self", "other")[record.inputs.index(name)]
    if name == "out":
        return "result"
    if name.endswith("_shape"):
        return torch_name(record, name.removesuffix("_shape")) + "_sym_sizes"
    return name


class SavedAttribute:
    """``_saved_x``: the value saved as `x`, unpacked and checked."""

    __slots__ = ("kind", "name", "position", "wrapped")

    def __init__(self, name: str, position: int, kind: int, wrapped: bool = False) -> None:
        self.name = name  # in the operation's formulas
        self.position = position  # in what the node saved
        self.kind = kind
        self.wrapped = wrapped  # whether a number is shown as a tensor

    def __get__(self, node: Any, owner: type | None = None) -> Any:
        if node is None:
            return self
        if node.saved.__class__ is Freed:
            raise graph_errors.freed(node)
        return None if self.position == NOT_KEPT else self.value(node)

    def value(self, node) -> Any:
        value = tensor_of(node, self.kind, self.name, node.saved[self.position])
        if self.kind == OUTPUT and isinstance(value, Tensor) and value._counter is None:
            value._counter = output_counter(node, output_number(node.op, self.name))
        if self.wrapped:
            from .ops.creation import tensor

            return tensor(value)
        return value


class RawSavedAttribute(SavedAttribute):
    """``_raw_saved_x``: its SavedTensor, which takes hooks; put into the node if only the value itself was there."""

    __slots__ = ()

    def value(self, node) -> SavedTensor:
        entry, position = node.saved[self.position], self.position
        if entry.__class__ is not SavedTensor:
            if self.kind == INPUT:
                made = SavedTensor(wrap(None) if entry is None else entry)
                made.version = 0  # it was saved unchanged
                made.tensor = entry
            else:
                made = SavedTensor(wrap(entry), is_output=True, number=output_number(node.op, self.name))
                made.requires_grad = True
            entry = made
            node.saved = (*node.saved[:position], entry, *node.saved[position + 1 :])
        entry.owner = weakref.ref(node)
        return entry
