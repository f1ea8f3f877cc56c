"""Differences whose two sides are broadcast against each other, where the program takes one for each element."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...tensor import Tensor
from ..places import Position
from ..values import edges_of, record_of

_ELEMENTWISE = (
    "relu",
    "sigmoid",
    "tanh",
    "exp",
    "log",
    "softplus",
    "mul",
    "add",
    "sub",
    "div",
    "neg",
    "leaky_relu",
    "cat",
    "slice",
)
_LAYERS = ("addmm", "mm", "matmul", "linear")
MOST_STEPS = 6


class Widened(NamedTuple):
    """Where the difference of a column and a row became a square."""

    position: Position
    column: tuple[int, ...]
    row: tuple[int, ...]


def widened(args: tuple, result: Tensor) -> Widened | None:
    """Whether a difference was taken of a layer's (N, 1) and N numbers: a pair for each two of them, which nobody writes so
    on purpose (`x[:, None] - x`, which is meant, is not a layer's output)."""
    tensors = [one for one in args if isinstance(one, Tensor)]
    if len(tensors) != 2 or result._node is None:
        return None
    column, row = sorted(tensors, key=lambda one: -one._array.ndim)
    n = row._array.size
    if row._array.shape != (n,) or column._array.shape != (n, 1) or n < 2 or not _is_of_layer(column._node):
        return None
    node = result._node
    return Widened((node.code, node.lasti), column._array.shape, row._array.shape)


def _is_of_layer(node: Any) -> bool:
    for _ in range(MOST_STEPS):
        record = None if node is None else record_of(node)
        if record is None or record.name in _LAYERS:
            return record is not None
        if record.name not in _ELEMENTWISE:
            return False
        node = next((e[0] for e in edges_of(node) if e is not None and not isinstance(e[0], Tensor)), None)
    return False
