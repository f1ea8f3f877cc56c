"""Sparse tensors from indices and values, and the checks of what they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..modes import is_quiet, silence
from ..ops.creation import array_of, dtype_argument, sizes_argument
from ..size import device, sparse_coo
from ..tensor import Tensor, memory, wrap
from .arrays import SparseArray, flat_index, is_sorted
from .tensor import from_values, sparse


class check_sparse_tensor_invariants:
    """Whether new sparse tensors are checked: that indices lie within the size, and so on. A context manager, a
    decorator, and a switch."""

    _enabled = False

    @staticmethod
    def is_enabled() -> bool:
        """Whether new sparse tensors are checked."""
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable() -> None:
        """Switches the checks on."""
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable() -> None:
        """Switches them off."""
        check_sparse_tensor_invariants._enabled = False

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self.saved: bool | None = None

    def __enter__(self) -> None:
        if self.saved is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different context manager instance for context "
                "nesting."
            )
        self.saved = self.is_enabled()
        check_sparse_tensor_invariants._enabled = self.state

    def __exit__(self, *exc: object) -> None:
        check_sparse_tensor_invariants._enabled = bool(self.saved)
        self.saved = None

    def __call__(self, function):
        import functools

        @functools.wraps(function)
        def checked(*args, **kwargs):
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked


def must_check(asked: bool | None) -> bool:
    """Whether to check the invariants of a tensor that is made with this argument."""
    return check_sparse_tensor_invariants.is_enabled() if asked is None else asked


def indices_argument(indices: Any) -> np.ndarray:
    """Indices as an array of int64."""
    if isinstance(indices, Tensor):
        return memory(indices).astype(np.int64)
    if isinstance(indices, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(indices).__name__}'")
    return np.asarray(array_of(indices)).astype(np.int64)


def values_argument(values: Any, dtype) -> Tensor:
    """Values as a tensor of a dtype, with its history where it has one."""
    if isinstance(values, Tensor):
        return values if dtype is None else values.to(dtype)
    return wrap(np.asarray(array_of(values, dtype)))


def empty(size, dtype, requires_grad: bool = False) -> Any:
    """A sparse tensor without entries, all of whose dimensions are sparse."""
    made = sparse(SparseArray(np.zeros((len(size), 0), np.int64), np.zeros(0, dtype.numpy_dtype), size, True))
    return made.requires_grad_() if requires_grad else made


def filled(function: str, size, dtype, layout, device, requires_grad: bool) -> Any:
    """`torch.zeros` and its like with a sparse layout."""
    _check_device(device)
    if function == "ones":
        raise RuntimeError("full(...) is not implemented for sparse layout")
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    check_gradient(dtype, requires_grad)
    made = empty(size, dtype)
    if layout is not sparse_coo:
        from .conversion import relabelled

        made = relabelled(made, layout)
    return made.requires_grad_() if requires_grad else made


def sparse_coo_tensor(*args, **named) -> Any:
    """A tensor of `size` that has `values` (entries, *dense sizes) at `indices` (sparse dimensions, entries), and else
    zeros; repeated indices add up. Without a size, the smallest that fits; with a size alone, all zeros.

    ``sparse_coo_tensor(indices, values, size=None, *, dtype=None, device=None, requires_grad=False,
    check_invariants=None, is_coalesced=None)``, or ``sparse_coo_tensor(size, ...)``. The tensor shares the memory of
    `values`, and gradients go there if it requires grad. RuntimeError for indices, values and size that do not fit
    each other.
    """
    if not is_quiet():
        silence()
    arguments = dict(zip(("indices", "values", "size"), args)) if len(args) > 1 or "indices" in named else {}
    if not arguments and args:
        arguments = {"size": args[0]} if "values" not in named else {"indices": args[0]}
    if len(args) > 3 or arguments.keys() & named.keys():
        raise _bad_arguments(args, named)
    arguments.update(named)
    dtype = dtype_argument("sparse_coo_tensor", arguments.get("dtype"))
    _check_device(arguments.get("device"))
    unknown = arguments.keys() - {
        "indices", "values", "size", "dtype", "device", "requires_grad", "check_invariants", "is_coalesced", "pin_memory",
        "layout",
    }  # fmt: skip
    if unknown or ("indices" in arguments) != ("values" in arguments) or not arguments.keys() & {"indices", "size"}:
        raise _bad_arguments(args, named)
    requires_grad = bool(arguments.get("requires_grad", False))
    size = arguments.get("size")
    if size is not None:
        if isinstance(size, Tensor):
            raise TypeError("sparse_coo_tensor(): argument 'size' (position 1) must be tuple of ints, not Tensor")
        size = tuple(
            sizes_argument("sparse_coo_tensor", (tuple(size),) if isinstance(size, (tuple, list)) else (size,), None)
        )
    if "indices" not in arguments:
        dtype = dtypes.get_default_dtype() if dtype is None else dtype
        check_gradient(dtype, requires_grad)
        return empty(size, dtype, requires_grad)
    indices, values = indices_argument(arguments["indices"]), values_argument(arguments["values"], dtype)
    check_gradient(values.dtype, requires_grad)
    coalesced = bool(arguments.get("is_coalesced"))
    made = of_parts(indices, values, size, coalesced, must_check(arguments.get("check_invariants")))
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def _check_device(where) -> None:
    kind = "cpu" if where is None else device(where).type
    if kind != "cpu":
        raise RuntimeError(f"PyTorch is not linked with support for {kind} devices")


def check_gradient(dtype, requires_grad: bool) -> None:
    """Refuses a dtype that has no gradients."""
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")


def _bad_arguments(args, named) -> TypeError:
    given = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in named.items()])
    return TypeError(
        f"sparse_coo_tensor() received an invalid combination of arguments - got ({given}), but expected one of:\n"
        " * (object indices, object values, *, torch.dtype dtype = None, torch.device device = None, bool pin_memory = "
        "False, bool requires_grad = False, bool check_invariants = None, bool is_coalesced = None)\n"
        " * (object indices, object values, tuple of ints size, *, torch.dtype dtype = None, torch.device device = None, "
        "bool pin_memory = False, bool requires_grad = False, bool check_invariants = None, bool is_coalesced = None)\n"
        " * (tuple of ints size, *, torch.dtype dtype = None, torch.device device = None, bool requires_grad = False, "
        "bool check_invariants = None)\n"
    )


def of_parts(indices: np.ndarray, values: Tensor, size, coalesced: bool = False, check: bool = False) -> Any:
    """A sparse tensor of indices and values that fit each other, and the size, if there is one."""
    if size is None:
        size = _smallest_size(indices, values)
    elif not indices.ndim:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    if not values.ndim:
        values = values.expand(indices.shape[-1:]) if indices.ndim == 2 else values.unsqueeze(0)
    # an empty list of indices, without a second dimension, has no sparse dimensions
    count = indices.shape[0]
    dense_dim = values.ndim - 1
    if len(size) != count + dense_dim:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = {count}, "
            f"dense_dim = {dense_dim}"
        )
    if any(n < 0 for n in size):
        raise RuntimeError("numel: integer multiplication overflow")
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    if indices.shape[1] != values.shape[0]:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {indices.shape[1]}, nnz from values: "
            f"{values.shape[0]}"
        )
    wanted = [values.shape[0], *size[count:]]
    if list(values.shape) != wanted:
        raise RuntimeError(f"values has incorrect size, expected {wanted}, got {list(values.shape)}")
    if check:
        check_indices(indices, size)
        if coalesced and not is_sorted(flat_index(indices, size)):
            raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")
    return from_values(indices, values, size, coalesced or indices.shape[1] < 2)


def _smallest_size(indices: np.ndarray, values: Tensor) -> tuple[int, ...]:
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    found = []
    for d, row in enumerate(indices):
        if row.size and row.min() < 0:
            raise RuntimeError(f"found negative index {row.min()} for dim {d}")
        found.append(int(row.max()) + 1 if row.size else 0)
    return (*found, *values.shape[1:])


def check_indices(indices: np.ndarray, size) -> None:
    """RuntimeError for indices outside of a size."""
    for d, row in enumerate(indices):
        if not row.size:
            continue
        if row.min() < 0:
            raise RuntimeError(f"found negative index {row.min()} for dim {d}")
        if row.max() >= size[d]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {d}, size is {size[d]} but found index {row.max()}"
            )
