"""Dense tensors to sparse ones, and one layout to another."""

from __future__ import annotations

from typing import Any

from ..size import sparse_coo, strided
from ..tensor import Tensor
from .arrays import not_run
from .methods import mask_of
from .tensor import dense, is_sparse, to_sparse as coo_of_dense


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
    if layout in (None, sparse_coo):
        return x if is_sparse(x) else coo_of_dense(x)
    if layout is strided:
        return dense(x) if is_sparse(x) else x
    raise NotImplementedError(f"chainrule has no tensors of layout {layout}")


def to_dense(x: Tensor, dtype=None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor itself, dense as it is, in another dtype if one is given."""
    return x if dtype is None else x.to(dtype)


def _expects(name: str, what: str):
    def refuse(x: Tensor, *args: Any) -> Any:
        raise RuntimeError(f"{name} expected sparse {what} layout but got Strided")

    return refuse


coalesce = _expects("coalesce", "coordinate tensor")
is_coalesced = _expects("is_coalesced", "coordinate tensor")
indices = _expects("indices", "coordinate tensor")
values = _expects("values", "tensor")


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
