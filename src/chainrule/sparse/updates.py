"""What optimizers do with sparse gradients: dense parameters changed where these have entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, memory
from .tensor import is_sparse, sparse


def add_entries(param: Tensor, x: Any, factor: float = 1.0) -> None:
    """Adds ``factor * x`` in place, without a look at the elements that the sparse tensor `x` does not have."""
    array = x._array
    if is_sparse(param) or not array.sparse_dim:
        param.add_(x, alpha=factor)
        return
    values = array.values if factor == 1 else array.values * np.array(factor, array.dtype)
    np.add.at(memory(param), tuple(array.indices), values.astype(param._array.dtype))


def with_values(x: Any, values: Tensor) -> Any:
    """A sparse tensor with other values at the indices of `x`."""
    return sparse(x._array.with_values(memory(values)))
