"""The sizes of the parts of a nested tensor."""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from ..size import Size, layout as Layout, strided
from ..tensor import Tensor

_symbols = count(1)


class RaggedSize(int):
    """A size that differs between parts: as an int the largest, in print a symbol, the same for tensors of the same offsets."""

    symbol: str

    def __new__(cls, largest: int, symbol: str) -> RaggedSize:
        made = int.__new__(cls, largest)
        made.symbol = symbol
        return made

    def __repr__(self) -> str:
        return self.symbol

    __str__ = __repr__


class Ragged:
    """The sizes of parts, a row for each, and how the tensor shows itself: `layout`, `offsets` and `lengths` (see creation.py)."""

    def __init__(
        self,
        sizes: Any,
        layout: Layout,
        offsets: Tensor | None = None,
        lengths: Tensor | None = None,
        whole: bool = True,
    ) -> None:
        self.sizes = sizes  # (parts, dimensions of a part)
        self.layout = layout
        self.offsets = offsets
        self.lengths = lengths
        if offsets is not None:
            self.symbol  # noqa: B018  numbered in the order in which offsets are first met
        self.whole = whole  # whether the elements lie in memory in their order, in PyTorch

    def with_sizes(self, sizes: Any, whole: bool | None = None) -> Ragged:
        """The same parts with other sizes."""
        return Ragged(sizes, self.layout, self.offsets, self.lengths, self.whole if whole is None else whole)

    @property
    def ragged_dims(self) -> list[int]:
        """The dimensions in which the parts differ, as dimensions of the whole; in the jagged layout the one that may."""
        differ = [d + 1 for d in range(self.sizes.shape[1]) if (self.sizes[:, d] != self.sizes[:1, d]).any()]
        if differ or self.layout is strided or self.offsets is None:
            return differ
        lengths = self.row_lengths
        return [d + 1 for d in range(self.sizes.shape[1]) if np.array_equal(self.sizes[:, d], lengths)][:1]

    @property
    def row_lengths(self) -> Any:
        """The lengths of the parts along the ragged dimension of the jagged layout."""
        assert self.offsets is not None
        return np.diff(self.offsets._array) if self.lengths is None else self.lengths._array

    @cached_property
    def symbol(self) -> str:
        """What stands for the ragged size: of the offsets, which tensors can share."""
        if self.offsets is None:
            return "*"
        known = self.offsets.__dict__
        if "_nested_symbol" not in known:
            known["_nested_symbol"] = f"j{next(_symbols)}"
        return known["_nested_symbol"]

    def shape(self, buffer: tuple[int, ...]) -> Size:
        """The shape of the tensor in whose buffer the parts lie."""
        ragged = set(self.ragged_dims)
        sizes = [RaggedSize(n, self.symbol) if d in ragged else n for d, n in enumerate(buffer)]
        return tuple.__new__(Size, sizes)

    @cached_property
    def _masks(self) -> dict[tuple, Any]:
        return {}

    def mask(self, buffer: tuple[int, ...]) -> Any:
        """True where a buffer of that shape has an element of a part; None if it has nothing else. Broadcasts against it."""
        if buffer not in self._masks:
            inside = None
            rank = len(buffer)
            for d in range(1, rank):
                if (self.sizes[:, d - 1] != buffer[d]).any():
                    ends = self.sizes[:, d - 1].reshape(-1, *[1] * (rank - 1))
                    row = np.arange(buffer[d]).reshape(-1, *[1] * (rank - 1 - d)) < ends
                    inside = row if inside is None else inside & row
            self._masks[buffer] = inside
        return self._masks[buffer]
