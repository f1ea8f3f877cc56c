"""The functions of sparse tensors that stand in PyTorch's flat namespace."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from . import arrangements, elementwise, methods, products, reductions  # noqa: F401 - the rules of operations
from .arrays import SparseArray
from .compressed import sparse_compressed_tensor, sparse_csc_tensor, sparse_csr_tensor
from .creation import sparse_coo_tensor
from .tensor import coalesced, sparse

__all__ = [
    "dsmm",
    "hspmm",
    "saddmm",
    "smm",
    "sparse_compressed_tensor",
    "sparse_coo_tensor",
    "sparse_csc_tensor",
    "sparse_csr_tensor",
    "spmm",
    "sspaddmm",
]


def spmm(input: Tensor, mat2: Tensor) -> Any:
    """`torch.mm` of a sparse matrix and a dense one."""
    return input.mm(mat2)


dsmm = spmm


def sspaddmm(input: Any, mat1: Any, mat2: Tensor, *, beta=1, alpha=1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)``, sparse: a sparse matrix and the product of a sparse and a dense one.

    Its entries are those of `input`, and after them all of the rows of the product in which `mat1` has something."""
    product = products.multiplied(mat1, mat2)
    first = input._array
    rows = np.unique(mat1._array.indices[0])
    width = product.shape[1]
    indices = np.stack([np.repeat(rows, width), np.tile(np.arange(width), len(rows))])
    values = product[rows].reshape(-1)
    return sparse(
        SparseArray(
            np.concatenate([first.indices, indices], 1),
            np.concatenate([first.values * beta, values * alpha]).astype(first.dtype),
            first.shape,
        )
    )


saddmm = sspaddmm


def smm(input: Any, mat: Tensor) -> Any:
    """The product of a sparse matrix and a dense one, as a sparse matrix. It has no gradient."""
    zeros = sparse_coo_tensor((input.shape[0], mat.shape[1]), dtype=input.dtype)
    return sspaddmm(zeros, input, mat)


def hspmm(mat1: Any, mat2: Tensor) -> Any:
    """The product of a sparse matrix and a dense one, as a hybrid matrix: one sparse dimension, of the rows in which
    `mat1` has something. It has no gradient."""
    rows = np.unique(coalesced(mat1)._array.indices[0])
    product = products.multiplied(mat1, mat2)
    return sparse(SparseArray(rows[None], product[rows], product.shape))
