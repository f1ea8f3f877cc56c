"""The methods of sparse tensors that are no operations: what they are made of, their text, copies, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..inplace import bump_version, check_in_place, rename
from ..modes import local
from ..op import is_number
from ..size import Size, sparse_coo
from ..tensor import Tensor, memory, wrap
from .arrangements import narrowed
from .arrays import SparseArray, not_run
from .creation import empty as empty_sparse, indices_argument, of_parts
from .printing import text
from .reductions import total_along
from .tensor import SparseTensor, coalesced, dense, entries_at, from_values, is_sparse, sparse, values_of

own = vars(Tensor)


def method(*names: str):
    """Makes a function a method of sparse tensors."""

    def attach(function):
        for name in names or (function.__name__,):
            setattr(SparseTensor, name, function)
        return function

    return attach


# ---------------------------------------------------------------- what it is made of


@method()
def coalesce(self) -> Any:
    """The tensor with sorted indices, each of which occurs once: values of the same indices are added."""
    return coalesced(self)


@method()
def is_coalesced(self) -> bool:
    """Whether the indices are known to be sorted, each of them once."""
    return self._array.coalesced


@method()
def indices(self) -> Tensor:
    """The indices, a row for each sparse dimension; RuntimeError where the tensor is not coalesced."""
    _need_coalesced(self, "indices")
    return wrap(self._array.indices)


@method()
def values(self) -> Tensor:
    """The values, differentiably; RuntimeError where the tensor is not coalesced."""
    _need_coalesced(self, "values")
    return values_of(self)


def _need_coalesced(x, what: str) -> None:
    if not x._array.coalesced:
        raise RuntimeError(f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first")


@method()
def _indices(self) -> Tensor:
    return wrap(self._array.indices)


@method()
def _values(self) -> Tensor:
    return wrap(self._array.values)


@method()
def _nnz(self) -> int:
    return self._array.nnz


@method("sparse_dim", "_dimI")
def sparse_dim(self) -> int:
    """The number of dimensions that have indices."""
    return self._array.sparse_dim


@method("dense_dim", "_dimV")
def dense_dim(self) -> int:
    """The number of dimensions of each value."""
    return self._array.ndim - self._array.sparse_dim


@method()
def _coalesced_(self, coalesced: bool) -> Any:
    """Says of the tensor whether it is coalesced, without a look."""
    array = self._array
    self._array = SparseArray(array.indices, array.values, array.shape, coalesced)
    return self


@method()
def to_dense(self, dtype=None, *, masked_grad: bool | None = None) -> Tensor:
    """The dense tensor. Its gradient goes to the entries that the sparse one has; to all, if not `masked_grad`."""
    if dtype is not None:
        raise RuntimeError("dtype argument is not supported by sparse_to_dense")
    return dense(self, masked_grad is not False)


@method()
def to_sparse(self, sparse_dim: int | None = None, *, layout=None, blocksize=None, dense_dim=None) -> Any:
    """The tensor itself; in another layout, see `torch.sparse`."""
    from .conversion import to_layout

    if sparse_dim is not None and sparse_dim != self._array.sparse_dim:
        raise RuntimeError(
            "to_sparse: conversion from Sparse to Sparse with sparse_dim argument !=self.sparse_dim() is not supported"
        )
    return to_layout(self, layout, blocksize, dense_dim)


@method()
def sparse_mask(self, mask) -> Any:
    """The entries that `mask`, a sparse tensor of the same size, has."""
    return mask_of(self, mask)


def mask_of(x: Tensor, mask: Any) -> Any:
    """`Tensor.sparse_mask`."""
    from .conversion import relabelled

    if not is_sparse(mask):
        raise not_run("sparse_mask", "CPU")
    if x._array.shape != mask._array.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(x.shape)} but mask has size "
            f"{list(mask.shape)}"
        )
    array = mask._array
    if is_sparse(x) and x._array.sparse_dim != array.sparse_dim:
        raise RuntimeError(
            "sparse_mask(): the number of sparse dimensions in `self` should match that of the `mask`. Got "
            f"`self.sparse_dim() == {x._array.sparse_dim}` != `mask.sparse_dim() == {array.sparse_dim}`."
        )
    values = entries_at(x, array.indices)
    found = from_values(array.indices, values, array.shape, array.coalesced, "SparseMaskBackward0")
    return found if mask.layout is sparse_coo else relabelled(found, mask.layout)


# ---------------------------------------------------------------- as other tensors have it


@method()
def __repr__(self, *, tensor_contents=None) -> str:
    parts = {"indices": wrap(self._array.indices), "values": wrap(self._array.values)}
    return text(self, parts, self._array.nnz, on_new_line=True)


@method()
def __format__(self, spec: str) -> str:
    return object.__format__(self, spec)


@method("__len__")
def _len(self) -> int:
    if not self._array.shape:
        raise TypeError("len() of a 0-d tensor")
    return self._array.shape[0]


@method("__iter__")
def _iter(self):
    return iter(self.unbind())


@method()
def unbind(self, dim: int = 0) -> tuple:
    """The parts along a dimension."""
    return tuple([self.select(dim, i) for i in range(self._array.shape[dim])])


@method("__getitem__")
def _getitem(self, index) -> Any:
    """Integers, full slices, None and one tensor of indices; other slices raise, as in PyTorch."""
    found: Any = self
    items = index if isinstance(index, tuple) else (index,)
    if Ellipsis in [item for item in items if not isinstance(item, Tensor)]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        missing = self._array.ndim - sum(item is not None and item is not Ellipsis for item in items)
        items = (*items[:at], *[slice(None)] * missing, *items[at + 1 :])
    if sum(item is not None for item in items) > self._array.ndim:
        raise IndexError(f"too many indices for tensor of dimension {self._array.ndim}")
    dim = 0
    for item in items:
        if item is None:
            found = found.unsqueeze(dim)
            dim += 1
        elif isinstance(item, slice):
            if (item.start, item.stop, item.step) != (None, None, None):
                raise not_run("as_strided")
            dim += 1
        elif isinstance(item, Tensor) and item.ndim == 1 and item.dtype is not dtypes.bool_:
            found = found.index_select(dim, item)
            dim += 1
        elif isinstance(item, Tensor) and item.ndim:
            raise not_run("index.Tensor")
        else:
            size = found._array.shape[dim]
            if not -size <= int(item) < size:
                raise IndexError(f"index {int(item)} is out of bounds for dimension {dim} with size {size}")
            found = found.select(dim, int(item))
    return found


@method("__setitem__")
def _setitem(self, index, value) -> None:
    raise TypeError("Cannot assign to a sparse tensor")


@method()
def narrow_copy(self, dim: int, start: int, length: int) -> Any:
    """A part along one dimension."""
    return narrowed(self, dim, start, length)


SparseTensor.T = property(lambda self: self.t())
SparseTensor.mT = property(lambda self: self.transpose(-2, -1))
SparseTensor.H = property(lambda self: self.t().conj())
SparseTensor.mH = property(lambda self: self.transpose(-2, -1).conj())


def _get_data(self):
    return sparse(self._array)


def _set_data(self, value) -> None:
    if not is_sparse(value):
        raise RuntimeError(
            "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor type."
        )
    self._array = value._array


setattr(SparseTensor, "data", property(_get_data, _set_data))  # noqa: B010 - type checkers know another


def _set_grad(self, value) -> None:
    if value is not None and not is_sparse(value):
        raise RuntimeError("attempting to assign a gradient to a tensor that has data of a different type")
    own["grad"].fset(self, value)


setattr(SparseTensor, "grad", property(own["grad"].fget, _set_grad, own["grad"].fdel))  # noqa: B010


def _nbytes(self):
    raise RuntimeError(
        "nbytes is not defined for sparse tensors.  If you want the size of the constituent tensors, add the nbytes of the "
        "indices and values.  If you want the size of the  equivalent dense tensor, multiply numel() by element_size()"
    )


setattr(SparseTensor, "nbytes", property(_nbytes))  # noqa: B010


@method()
def stride(self, dim=None):
    """Zeros: there are no strides."""
    return (0,) * self._array.ndim if dim is None else 0


@method()
def is_contiguous(self, memory_format=None) -> bool:
    """False: there is no stretch of memory."""
    return False


@method()
def norm(self, p=2, dim=None, keepdim: bool = False, dtype=None) -> Tensor:
    """The norm of the values."""
    if dim is not None and len(set(dim if isinstance(dim, (tuple, list)) else (dim,))) not in (0, self._array.ndim):
        raise RuntimeError(
            "norm_sparse currently only supports full reductions, so 'dim' must either be empty or contain all dimensions "
            "of the input"
        )
    x = coalesced(self if dtype is None else self.to(dtype))
    result = values_of(x).norm(p)
    if result._node is not None:
        rename(result._node, "NormBackward1")
    return result


@method("sum")
def sum_of(self, dim=None, keepdim: bool = False, *, dtype=None) -> Any:
    """The sum of all elements, or along dimensions: sparse as long as a sparse dimension is left."""
    from ..ops.reduction import sum as dense_sum

    if dim is None:
        return dense_sum(self if dtype is None else self.to(dtype))
    return total_along(self, dim, keepdim, dtype)


@method()
def smm(self, mat) -> Any:
    """`torch.smm`: the product with a dense matrix, as a sparse one."""
    from .functions import smm

    return smm(self, mat)


@method()
def sspaddmm(self, mat1, mat2, *, beta=1, alpha=1) -> Any:
    """`torch.sspaddmm`: ``beta * self + alpha * (mat1 @ mat2)``, sparse."""
    from .functions import sspaddmm

    return sspaddmm(self, mat1, mat2, beta=beta, alpha=alpha)


# ---------------------------------------------------------------- in place


def _take(self, array: SparseArray) -> Any:
    check_in_place(self, local.grad_enabled and self.requires_grad)
    self._array = array
    bump_version(self)
    return self


@method()
def sparse_resize_(self, size, sparse_dim: int, dense_dim: int) -> Any:
    """Gives the tensor another size, with as many sparse and dense dimensions; entries stay."""
    array = self._array
    if len(size) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {sparse_dim}, "
            f"dense_dim = {dense_dim}"
        )
    if not array.nnz:
        return sparse_resize_and_clear_(self, size, sparse_dim, dense_dim)
    have, dense_have = array.sparse_dim, len(array.dense_shape)
    refused = ""
    if sparse_dim != have:
        refused = f"changing the number of sparse dimensions (from {have} to {sparse_dim})"
    elif dense_dim != dense_have:
        refused = f"changing the number of dense dimensions (from {dense_have} to {dense_dim})"
    elif any(new < old for new, old in zip(size, array.shape[:have])):
        refused = f"shrinking the size of sparse dimensions (from {list(array.shape[:have])} to {list(size[:have])})"
    elif tuple(size[have:]) != array.dense_shape:
        refused = f"changing the size of dense dimensions (from {list(array.dense_shape)} to {list(size[have:])})"
    if refused:
        raise RuntimeError(f"{refused} on a non-empty sparse tensor is not supported.")
    return _take(self, SparseArray(array.indices, array.values, size, array.coalesced))


@method()
def sparse_resize_and_clear_(self, size, sparse_dim: int, dense_dim: int) -> Any:
    """Gives the tensor another size and takes all entries away."""
    values = np.zeros((0, *size[sparse_dim:]), self._array.dtype)
    return _take(self, SparseArray(np.zeros((sparse_dim, 0), np.int64), values, size, True))


def _in_place_on_coalesced(name: str) -> None:
    dense_twin = own[name]

    def twin(self, *arguments, **settings):
        if not self._array.coalesced:
            raise RuntimeError(f"{name} requires coalesced input")
        return dense_twin(self, *arguments, **settings)

    twin.__name__ = name
    setattr(SparseTensor, name, twin)


for _name in (
    "abs_", "asin_", "asinh_", "atan_", "atanh_", "ceil_", "erf_", "erfinv_", "expm1_", "floor_", "frac_", "log1p_",
    "nan_to_num_", "relu_", "round_", "sgn_", "sign_", "sin_", "sinh_", "sqrt_", "tan_", "tanh_", "trunc_",
):  # fmt: skip
    _in_place_on_coalesced(_name)


# ---------------------------------------------------------------- new tensors


@method()
def new(self, *args) -> Any:
    """A sparse tensor of this dtype: of sizes, or of indices, values and size."""
    if len(args) > 1 and isinstance(args[0], Tensor):
        return of_parts(indices_argument(args[0]), args[1], tuple(args[2]) if len(args) > 2 else None)
    if args and isinstance(args[0], (tuple, list)) and not isinstance(args[0], Size):
        raise TypeError(
            "SparseTensor.new(sequence) only accepts sizes.  Please use torch.sparse_coo_tensor() or construct a strided "
            "tensor and convert it to sparse via to_sparse."
        )
    size = args[0] if args and not is_number(args[0]) else args
    return empty_sparse(tuple(size) or (0,), self.dtype)


@method("new_zeros", "new_empty")
def new_zeros(self, *size, dtype=None, device=None, requires_grad: bool = False, **more) -> Any:
    """A sparse tensor without entries, of these sizes."""
    size = size[0] if len(size) == 1 and not is_number(size[0]) else size
    return empty_sparse(tuple(size), dtype or self.dtype, requires_grad)


@method("new_ones", "new_full")
def new_ones(self, *args, **named):
    """NotImplementedError: there are no sparse ones."""
    raise not_run("fill_.Scalar")


@method()
def new_tensor(self, data, **named) -> Tensor:
    """A dense tensor of this dtype."""
    from ..ops.creation import tensor

    return tensor(data, **{"dtype": self.dtype, **named})


@method("type")
def type_(self, dtype=None, non_blocking: bool = False) -> Any:
    """The name of the legacy type, or the tensor in another dtype."""
    if dtype is None:
        return f"torch.sparse.{dtypes.scalar_name(self.dtype)}Tensor"
    return own["type"](self, getattr(dtype, "dtype", dtype))


# ---------------------------------------------------------------- refusals


def refusal(error: Exception, *names: str) -> None:
    for name in names:

        def refuse(self, *args, _error=error, **named):
            raise type(_error)(*_error.args)

        refuse.__name__ = refuse.__qualname__ = name
        setattr(SparseTensor, name, refuse)


_NO_STORAGE = "Cannot access storage of SparseTensorImpl"
_NO_POINTER = "Cannot access data pointer of Tensor that doesn't have storage"
refusal(TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first."), "numpy", "__array__")
refusal(RuntimeError(_NO_POINTER), "tolist", "data_ptr")
refusal(NotImplementedError(_NO_STORAGE), "storage", "untyped_storage", "_typed_storage", "storage_offset")
refusal(RuntimeError("expand is unsupported for Sparse tensors"), "expand", "expand_as", "broadcast_to", "repeat")
refusal(RuntimeError("reshape is not implemented for sparse tensors"), "reshape", "flatten", "reshape_as", "ravel")
refusal(RuntimeError("unsupported memory format option Contiguous"), "contiguous")
refusal(not_run("as_strided"), "narrow", "squeeze", "as_strided", "diagonal", "unfold")
refusal(not_run("view"), "view", "view_as")
refusal(not_run("resize_"), "resize_", "resize_as_")
refusal(not_run("fill_.Scalar"), "fill_")
refusal(not_run("equal"), "equal")
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    refusal(not_run(f"{_name}.Tensor"), f"__{_name}__")
setattr(SparseTensor, "__hash__", object.__hash__)  # noqa: B010


def _one_element(self):
    if self._array.size != 1:
        raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
    return dense(self).detach().reshape(())


@method()
def item(self):
    """The one element as a Python number."""
    return _one_element(self).item()


@method("__bool__")
def _bool(self) -> bool:
    if self._array.size != 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
    return bool(_one_element(self))


for _name in ("__float__", "__int__", "__complex__", "__index__"):
    setattr(SparseTensor, _name, lambda self, _name=_name: getattr(_one_element(self), _name)())


# ---------------------------------------------------------------- copies and pickles


@method("__reduce_ex__")
def _reduce(self, protocol):
    return rebuilt, (self.layout, saved_parts(self), dict(self.__dict__))


def rebuilt(layout, data, state=None) -> Any:
    """A sparse tensor out of a pickle: a leaf that does not require grad, as PyTorch has it."""
    made = of_saved_parts(layout, data, check=False)
    made.__dict__.update(state or {})
    return made


def saved_parts(x) -> tuple:
    """What `torch.save` writes of a sparse tensor."""
    array = x._array
    if x.layout is sparse_coo:
        return wrap(array.indices), wrap(array.values), x.shape, array.coalesced
    return wrap(array.pointers), wrap(array.plain), wrap(array.values), x.shape


def of_saved_parts(layout, data, check: bool = True) -> Any:
    """The tensor of what `torch.save` wrote; RuntimeError for parts that do not fit, unless not to `check`."""
    if layout is not sparse_coo:
        from .compressed import sparse_compressed_tensor

        compressed, plain, values, size = data
        return sparse_compressed_tensor(compressed, plain, values, tuple(size), layout=layout, check_invariants=check)
    indices, values, size, *coalesced = data
    return of_parts(memory(indices), values, tuple(size), bool(coalesced and coalesced[0]), check=check)


@method("__copy__")
def _copy(self) -> Any:
    made = sparse(self._array)
    made.__dict__.update(self.__dict__)
    return made


@method("__deepcopy__")
def _deepcopy(self, memo) -> Any:
    from copy import deepcopy

    if id(self) in memo:
        return memo[id(self)]
    if self.requires_grad and self.grad_fn is not None:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you "
            "were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
            "https://github.com/pytorch/pytorch/pull/103001"
        )
    made = sparse(self._array.clone())
    made._requires_grad = self.requires_grad
    memo[id(self)] = made
    if self._grad is not None:
        made._grad = deepcopy(self._grad, memo)
    made.__dict__.update(deepcopy(self.__dict__, memo))
    return made
