"""Dense tensors to sparse ones, and one layout to another."""

from __future__ import annotations

from typing import Any

from ..size import sparse_coo, sparse_csc, sparse_csr, strided
from ..tensor import Tensor
from .arrays import not_run
from .compressed import WORDS, compressed, in_layout
from .methods import mask_of
from .tensor import CLASSES, dense, is_sparse, named, to_sparse as coo_of_dense


def to_sparse(x: Tensor, sparse_dim: int | None = None, *, layout=None, blocksize=None, dense_dim=None) -> Any:
    """A dense tensor as a sparse one, of those parts along the first `sparse_dim` dimensions (all) that are not zero."""
    if layout is not None and sparse_dim is not None:
        raise RuntimeError("to_sparse: only sparse_dim or layout can be given")
    if sparse_dim is None:
        return to_layout(x, layout, blocksize, dense_dim)
    if not 0 <= sparse_dim <= x.ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{x.ndim}] range, but {sparse_dim} is given"
        )
    if not sparse_dim and x.ndim:
        raise RuntimeError("dense_to_sparse: sparse_dim argument must be in >0 when self.dim()>0")
    return coo_of_dense(x, sparse_dim)


def to_layout(x: Tensor, layout=None, blocksize=None, dense_dim=None) -> Any:
    """The tensor in a layout: `torch.sparse_coo` unless said."""
    if layout is strided:
        return dense(x) if is_sparse(x) else x
    if is_sparse(x):
        return in_layout(x, sparse_coo if layout is None else layout)
    found = coo_of_dense(x)
    return found if layout in (None, sparse_coo) else relabelled(found, layout)


def relabelled(x: Any, layout) -> Any:
    """A COO tensor that nobody else has seen yet, turned into one of another layout."""
    x._array = compressed(x._array, layout)
    x.__class__ = CLASSES[type(x._array)]
    return x


def to_sparse_coo(x: Tensor) -> Any:
    """The tensor in the COO layout."""
    return to_layout(x)


def to_sparse_csr(x: Tensor, dense_dim: int | None = None) -> Any:
    """The matrix by its rows."""
    return _to_compressed(x, sparse_csr, dense_dim)


def to_sparse_csc(x: Tensor, dense_dim: int | None = None) -> Any:
    """The matrix by its columns."""
    return _to_compressed(x, sparse_csc, dense_dim)


def _to_compressed(x: Tensor, layout, dense_dim) -> Any:
    if x.layout is layout:
        return x
    if is_sparse(x):
        return in_layout(x, layout)
    if x.ndim - (dense_dim or 0) != 2:
        raise NotImplementedError(f"chainrule has no batches of matrices of layout {layout}")
    found = relabelled(coo_of_dense(x, 2), layout)
    return named(found, f"ToSparse{WORDS[layout][6:]}Backward0")


def _not_blocks(name: str):
    def refuse(x: Tensor, *args: Any, **named: Any) -> Any:
        raise NotImplementedError(f"chainrule does not have torch.Tensor.{name}: there are no matrices of blocks")

    return refuse


to_sparse_bsr, to_sparse_bsc = _not_blocks("to_sparse_bsr"), _not_blocks("to_sparse_bsc")


def to_dense(x: Tensor, dtype=None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself, dense as it is, in another dtype if one is given."""
    return x if dtype is None else x.to(dtype)


def _expects(name: str, what: str):
    def refuse(x: Tensor, *args: Any) -> Any:
        raise RuntimeError(f"{name} expected sparse {what} layout but got {'Sparse' if is_sparse(x) else 'Strided'}")

    return refuse


coalesce = _expects("coalesce", "coordinate tensor")
is_coalesced = _expects("is_coalesced", "coordinate tensor")
indices = _expects("indices", "coordinate tensor")
values = _expects("values", "tensor")
crow_indices, col_indices = (_expects(f"{n}_indices", "row compressed tensor") for n in ("crow", "col"))
ccol_indices, row_indices = (_expects(f"{n}_indices", "column compressed tensor") for n in ("ccol", "row"))


def _unknown(name: str):
    def refuse(x: Tensor, *args: Any) -> Any:
        raise not_run(name, "CPU")

    return refuse


_indices, _values, _nnz = _unknown("_indices"), _unknown("_values"), _unknown("_nnz")
sparse_resize_, sparse_resize_and_clear_ = _unknown("sparse_resize_"), _unknown("sparse_resize_and_clear_")


def sparse_dim(x: Tensor) -> int:
    """0: no dimension of a dense tensor has indices."""
    return 0


def dense_dim(x: Tensor) -> int:
    """All dimensions of a dense tensor."""
    return x.ndim


def sparse_mask(x: Tensor, mask) -> Any:
    """The elements that `mask`, a sparse tensor of the same size, has."""
    return mask_of(x, mask)
