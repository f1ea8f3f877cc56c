"""The old types of sparse tensors: `torch.sparse.FloatTensor(indices, values, size)` and its siblings."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..legacy import TYPES
from ..tensor import Tensor
from .arrays import SparseArray
from .creation import empty, indices_argument, of_parts
from .tensor import is_sparse, sparse


class sparsetype(type):
    """The type of `torch.sparse.FloatTensor` and its siblings: types whose instances are the sparse tensors of a dtype.

    Called with indices and values, it makes a tensor of the dtype that these have."""

    dtype: dtypes.dtype

    def __instancecheck__(cls, instance) -> bool:
        return is_sparse(instance) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any) -> Any:
        if not args:
            return sparse(SparseArray(np.zeros((1, 0), np.int64), np.zeros(0, cls.dtype.numpy_dtype), (0,), True))
        if len(args) > 1 and isinstance(args[1], Tensor):
            size = tuple(args[2]) if len(args) > 2 else None
            return of_parts(indices_argument(args[0]), args[1], size)
        size = args[0] if not isinstance(args[0], int) else args
        return empty(tuple(size), cls.dtype)


sparsetype.__module__ = "torch"

__all__ = [name for name in TYPES if name != "BoolTensor"]

for _name in __all__:
    globals()[_name] = sparsetype(
        _name,
        (),
        {"__module__": "torch.sparse", "__doc__": f"Sparse tensors of dtype {TYPES[_name]}.", "dtype": TYPES[_name],
         "is_cuda": False, "is_sparse": True},
    )  # fmt: skip
