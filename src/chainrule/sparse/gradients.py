"""Dense operations whose gradients are sparse: lookups in large tables, of which a program uses a few rows."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, memory, wrap
from .tensor import from_values, recorded


def embedding(weight: Tensor, input: Tensor, padding_idx: int, scale_grad_by_freq: bool) -> Tensor:
    """The rows of `weight` at indices; its gradient has an entry for each of them, but those of `padding_idx`."""
    index = memory(input).reshape(-1).astype(np.int64)
    shape = weight._array.shape

    def formula(g, needs):
        if scale_grad_by_freq:
            raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients")
        rows, kept = g.reshape(-1, shape[1]), index
        if padding_idx >= 0:
            used = np.flatnonzero(index != padding_idx)
            rows, kept = rows[wrap(used)], index[used]
        return (from_values(kept[None], rows, shape),)

    found = weight._array[input._array]
    return recorded("EmbeddingBackward0", found, (weight,), formula)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """`input` along `dim` at indices; its gradient has an entry for each of them."""
    positions = memory(index).astype(np.int64)
    shape = input._array.shape
    dim = dim % max(1, input.ndim)
    places = list(np.indices(positions.shape).reshape(positions.ndim, -1))
    if places:
        places[dim] = positions.reshape(-1)
    at = np.stack(places) if places else np.zeros((0, 1), np.int64)
    found = np.asarray(input._array)[tuple(at)].reshape(positions.shape)
    return recorded("GatherBackward0", found, (input,), lambda g, needs: (from_values(at, g.reshape(-1), shape),))
