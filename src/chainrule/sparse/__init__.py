"""torch.sparse: tensors given by the indices and values of their elements that are not zero.

Loaded when a program first makes one: dense operations know nothing of it.
"""

from __future__ import annotations

from typing import Any

from ..size import sparse_csr
from ..tensor import Tensor
from ..unavailable import unavailable
from . import products
from .checking import as_sparse_gradcheck
from .compressed import in_layout
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
    "spsolve",
    "sum",
    "to_sparse_semi_structured",
    *_types,
]


def mm(mat1: Tensor, mat2: Tensor, reduce: str | None = None) -> Any:
    """The product of two matrices, sparse or dense; sparse if both are. The gradient of a sparse one is sparse, with its
    indices. `reduce` ("sum", "mean", "amax", "amin") says what takes the place of the sums, for a CSR and a dense matrix."""
    if reduce is not None:
        return products.reduced_mm(mat1, mat2, reduce)
    return products.sparse_mm(mat1, mat2)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta=1, alpha=1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` with gradients as of `torch.sparse.mm`."""
    return products.sparse_addmm(input, mat1, mat2, beta, alpha)


def sampled_addmm(input: Any, mat1: Tensor, mat2: Tensor, *, beta=1.0, alpha=1.0) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` where `input`, a CSR matrix, has entries; only these are computed."""
    if input.layout is not sparse_csr:
        raise RuntimeError("sampled_addmm: Expected self to have sparse csr layout, but got " + str(input.layout)[6:])
    return in_layout(products.sampled(mat1, mat2, input), sparse_csr) * alpha + input * beta


def softmax(input: Tensor, dim: int, *, dtype=None) -> Any:
    """softmax along a dimension of the elements that a sparse tensor has; the others count as minus infinity."""
    return _softmax(input, dim, dtype)


def log_softmax(input: Tensor, dim: int, *, dtype=None) -> Any:
    """The logarithm of :func:`softmax`."""
    return _softmax(input, dim, dtype, logarithm=True)


spsolve = unavailable("sparse.spsolve", "PyTorch has it on CUDA devices only")
to_sparse_semi_structured = unavailable("sparse.to_sparse_semi_structured", "PyTorch has it on CUDA devices only")
