"""torch.sparse: tensors given by the indices and values of their elements that are not zero.

Loaded when a program first makes one: dense operations know nothing of it.
"""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import products
from .arrays import not_run
from .checking import as_sparse_gradcheck
from .creation import check_sparse_tensor_invariants
from .functions import sparse_coo_tensor
from .legacy import *
from .legacy import __all__ as _types
from .reductions import diagonals as spdiags, softmax as _softmax, total as sum
from .tensor import is_sparse

__all__ = [
    "addmm",
    "as_sparse_gradcheck",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "softmax",
    "spdiags",
    "sum",
    *_types,
]


def mm(mat1: Tensor, mat2: Tensor, reduce: str | None = None) -> Any:
    """The product of two matrices, sparse or dense; sparse if both are. The gradient of a sparse one is sparse, with its
    indices."""
    if reduce is not None:
        raise not_run("_sparse_mm_reduce_impl")
    return products.sparse_mm(mat1, mat2)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta=1, alpha=1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` with gradients as of `torch.sparse.mm`."""
    return products.sparse_addmm(input, mat1, mat2, beta, alpha)


def sampled_addmm(input: Any, mat1: Tensor, mat2: Tensor, *, beta=1.0, alpha=1.0) -> Any:
    """NotImplementedError: PyTorch has it for the CSR layout only."""
    raise not_run("sparse_sampled_addmm")


def softmax(input: Tensor, dim: int, *, dtype=None) -> Any:
    """softmax along a dimension of the elements that a sparse tensor has; the others count as minus infinity."""
    return _softmax(input, dim, dtype)


def log_softmax(input: Tensor, dim: int, *, dtype=None) -> Any:
    """The logarithm of :func:`softmax`."""
    return _softmax(input, dim, dtype, logarithm=True)
