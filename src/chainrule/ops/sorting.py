"""Sorting, the largest and smallest elements, distinct elements, and searching among sorted ones."""

from __future__ import annotations

from operator import index as as_index

import numpy as np

from .. import dtypes, return_types
from ..inplace import fill_out
from ..op import common_dtype, general, method, number_array, op
from ..tensor import Tensor, wrap
from .creation import full
from .publishing import DYNAMIC, no_derivative, refuse_batches
from .reduction import (
    EVERY,
    _Every,
    array_of,
    called,
    evenly_or_nan,
    flag,
    no_kernel_for,
    not_empty,
    numpy_names,
    picking,
    without_dim,
)
from .shape import wrap_dim

__all__ = [
    "argsort", "bucketize", "isin", "kthvalue", "median", "mode", "msort", "nanmedian", "searchsorted", "sort", "topk",
    "unique", "unique_consecutive",
]  # fmt: skip


# ---------------------------------------------------------------- sorting


def _to_places(xp, g, indices, x_shape, dim):
    return xp.put_along(g[0], indices, x_shape, dim)


def _from_places(xp, t_x, indices, dim):
    return xp.gather(t_x, indices, dim), None


def _sorting(name: str, forward, **more):
    """An operation that puts elements at other places along `dim`, and tells which."""
    return op(name, forward=forward, vjp=_to_places, jvp=_from_places, outputs=("values", "indices"), **more)


_sort = _sorting("sort", lambda xp, x, /, dim, descending: xp.sort(x, dim, descending))
_sort_stable = _sorting(
    "sort_stable",
    lambda xp, x, /, dim, descending: xp.sort(x, dim, descending),
    node="SortBackward1",
    public="sort",
)
_topk = _sorting("topk", lambda xp, x, /, k, dim, largest, ordered: xp.topk(x, k, dim, largest, ordered))


def _refuse(x, kinds: str, what: str) -> None:
    if x._array.dtype.kind in kinds:
        raise RuntimeError(what)


@method()
@numpy_names
def sort(input, dim: int = -1, descending: bool = False, *, stable: bool | None = None, out=None):
    """(values in order along `dim`, their indices); equal elements stay in order, a nan is the greatest."""
    if isinstance(dim, bool):
        raise TypeError(
            "sort() received an invalid combination of arguments - got (bool), but expected one of:\n * (*, bool "
            "stable, int dim = -1, bool descending = False)\n * (int dim = -1, bool descending = False)"
        )
    dim = wrap_dim(dim, array_of("sort", input).ndim)
    _refuse(input, "c", " Sort does not support complex dtypes on CPU")
    record = _sort.record if stable is None else _sort_stable.record
    return return_types.sort(general(record, (input,), (dim, flag("sort", descending, "descending")), out))


@method()
@numpy_names
def argsort(input, dim: int = -1, descending: bool = False, *, stable: bool = False):
    """The indices that put the elements in order along `dim`."""
    return sort(input.detach(), dim, descending, stable=stable)[1]


@method()
def msort(input, *, out=None):
    """The elements in order along the first dimension."""
    values = sort(input, 0)[0]
    return values if out is None else fill_out(out, values)


@method()
@numpy_names
def topk(input, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out=None):
    """(the `k` largest, or smallest, elements along `dim`, their indices), the most extreme first."""
    array = array_of("topk", input)
    try:
        k = as_index(k)
    except TypeError:
        raise TypeError(f"topk(): argument 'k' (position 1) must be int, not {type(k).__name__}") from None
    dim = wrap_dim(dim, array.ndim)
    if not 0 <= k <= (array.shape[dim] if array.ndim else 1):
        raise RuntimeError("selected index k out of range")
    _refuse(input, "c", " topk does not support complex dtypes on CPU")
    _refuse(input, "b", "topk does not support bool dtypes on CPU")
    flag("topk", largest, "largest")
    if not array.ndim:
        k = 1  # PyTorch gives the one element even for k = 0
    return return_types.topk(general(_topk.record, (input,), (k, dim, largest, sorted), out))


# ---------------------------------------------------------------- elements of a rank


_kthvalue = picking(
    "kthvalue",
    lambda xp, x, /, k, dim, keepdim: xp.picked(x, xp.kth(x, k, dim), dim, keepdim),
    "KthvalueBackward0",
)
_mode = picking(
    "mode", lambda xp, x, /, dim, keepdim: xp.picked(x, xp.mode_index(x, dim), dim, keepdim), "ModeBackward0"
)
_median_dim = picking(
    "median_dim",
    lambda xp, x, /, dim, keepdim: xp.picked(x, xp.median_index(x, dim, False), dim, keepdim),
    "MedianBackward1",
)
_nanmedian_dim = picking(
    "nanmedian_dim",
    lambda xp, x, /, dim, keepdim: xp.picked(x, xp.median_index(x, dim, True), dim, keepdim),
    "NanmedianBackward1",
)


_median = op("median", forward=lambda xp, x: xp.median(x, False), vjp=evenly_or_nan)
_nanmedian = op("nanmedian", forward=lambda xp, x: xp.median(x, True), vjp=evenly_or_nan)


def _checked_dim(name: str, array, dim: int, kinds: str, kernel: str) -> int:
    dim = wrap_dim(dim, array.ndim)
    not_empty(name, array, (dim,))
    no_kernel_for(kernel, array, kinds)
    return dim


@method()
@numpy_names
def kthvalue(input, k: int, dim: int = -1, keepdim: bool = False, *, out=None):
    """(the k-th smallest element along `dim`, counted from 1, its index)."""
    array = array_of("kthvalue", input)
    dim = _checked_dim("kthvalue", array, dim, "", "")
    if not 1 <= k <= (array.shape[dim] if array.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    no_kernel_for("kthvalue_cpu", array, "bc" if array.ndim else "")
    return return_types.kthvalue(general(_kthvalue.record, (input,), (k, dim, flag("kthvalue", keepdim)), out))


@method()
@numpy_names
def mode(input, dim: int = -1, keepdim: bool = False, *, out=None):
    """(the most frequent element along `dim`, the smallest of equally frequent ones, its last index)."""
    dim = _checked_dim("mode", array_of("mode", input), dim, "c", "mode_cpu")
    return return_types.mode(general(_mode.record, (input,), (dim, flag("mode", keepdim)), out))


def _of_nothing(input):
    """The median of no elements: nan in the dtype, by a processor's conversion."""
    dtype = input._array.dtype
    value = {"c": float("nan"), "b": True}.get(dtype.kind, np.iinfo(dtype).min if dtype in (np.int32, np.int64) else 0)
    return full((), value, dtype=input.dtype)


def _middle(name: str, whole, along, doc: str):
    @method(name)
    @numpy_names
    @called(name, doc)
    def middle(input, dim: int | _Every = EVERY, keepdim: bool = False, *, out=None):
        array = array_of(name, input)
        if isinstance(dim, _Every):
            without_dim("median", keepdim or out is not None)
            if not array.size and array.dtype.kind in "biuc":
                return _of_nothing(input)
            no_kernel_for("median_cpu", array, "bc")
            return general(whole.record, (input,))
        dim = _checked_dim("median", array, dim, "bc", "median_out")
        return getattr(return_types, name)(general(along.record, (input,), (dim, flag("median", keepdim)), out))

    return middle


median = _middle(
    "median",
    _median,
    _median_dim,
    "The lower median of all elements, or (values, indices) along `dim`; a nan is the median of what contains it.",
)
nanmedian = _middle(
    "nanmedian",
    _nanmedian,
    _nanmedian_dim,
    "The lower median of the elements that are not nan, or (values, indices) along `dim`.",
)


# ---------------------------------------------------------------- distinct elements


def _distinct(name: str, derivative: str, forward, node: str):
    return op(
        name,
        forward=forward,
        vjp=no_derivative(f"the derivative for '{derivative}' is not implemented.", NotImplementedError),
        outputs=("values", "inverse", "counts"),
        node=node,
    )


_unique = _distinct("unique", "_unique2", lambda xp, x: xp.unique(x, None), "Unique2Backward0")
_unique_dim = _distinct("unique_dim", "unique_dim", lambda xp, x, /, dim: xp.unique(x, dim), "UniqueDimBackward0")
_unique_consecutive = _distinct(
    "unique_consecutive",
    "unique_consecutive",
    lambda xp, x, /, dim: xp.unique_consecutive(x, dim),
    "UniqueConsecutiveBackward0",
)


def _wanted(found, return_inverse: bool, return_counts: bool):
    wanted = found[:1] + (found[1:2] if return_inverse else ()) + (found[2:] if return_counts else ())
    return wanted if len(wanted) > 1 else wanted[0]


def _refuse_empty_slices(array, dim: int) -> None:
    if not array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if any(n == 0 for d, n in enumerate(array.shape) if d != dim):
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")


@method()
def unique(
    input, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
):
    """The distinct elements in order, or the distinct slices along `dim`; with the positions in them of input's
    elements if `return_inverse`, and how often each occurs if `return_counts`."""
    refuse_batches(DYNAMIC.format("_unique2" if dim is None else "unique_dim"), input)
    array = array_of("unique", input)
    no_kernel_for("unique" if dim is None else "unique_dim", array, "c")
    if dim is None:
        found = general(_unique.record, (input,))
    else:
        dim = wrap_dim(dim, array.ndim)
        _refuse_empty_slices(array, dim)
        found = general(_unique_dim.record, (input,), (dim,))
    return _wanted(found, return_inverse, return_counts)


@method()
def unique_consecutive(input, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None):
    """The elements that differ from the one before them, or the slices along `dim`; see `unique`."""
    refuse_batches(DYNAMIC.format("unique_consecutive"), input)
    array = array_of("unique_consecutive", input)
    no_kernel_for("unique" if dim is None else "unique_dim", array, "c")
    if dim is not None:
        dim = wrap_dim(dim, array.ndim)
        _refuse_empty_slices(array, dim)
    return _wanted(general(_unique_consecutive.record, (input,), (dim,)), return_inverse, return_counts)


def isin(elements, test_elements, *, assume_unique: bool = False, invert: bool = False, out=None):
    """Which of `elements` are among `test_elements`; one of them may be a number."""
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError(
            "isin() received an invalid combination of arguments - got "
            f"({type(elements).__name__}, {type(test_elements).__name__})"
        )
    common = common_dtype((elements, test_elements)).numpy_dtype
    for value in (elements, test_elements):
        kind = value.dtype if isinstance(value, Tensor) else dtypes.of_number(value)
        if kind is dtypes.bool_ or kind.is_complex:
            raise RuntimeError(f"Unsupported input type encountered for isin(): {dtypes.scalar_name(kind)}")
    elements, test_elements = [
        v if isinstance(v, Tensor) else wrap(number_array(v, common)) for v in (elements, test_elements)
    ]
    return general(_isin.record, (elements, test_elements), (invert,), out)


_isin = op("isin", forward=lambda xp, x, y, /, invert: xp.isin(x, y, invert), promote=True)


# ---------------------------------------------------------------- searching


_searchsorted = op(
    "searchsorted",
    forward=lambda xp, x, values, sorter, /, right, dtype: xp.searchsorted(x, values, right, sorter).astype(dtype),
)


def _shape_text(tensor) -> str:
    return str(list(tensor._array.shape))


def _check_search(boundaries, values, out_int32: bool, out, is_number: bool) -> None:
    have, wanted = boundaries._array.shape, values._array.shape
    if out is not None:
        target = dtypes.int32 if out_int32 else dtypes.int64
        if out.dtype is not target:
            raise RuntimeError(
                f"torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) "
                f"depending on whether out_int32 flag is True, but we got output tensor's dtype "
                f"{dtypes.scalar_name(out.dtype)} and out_int32 flag is {out_int32}"
            )
    if not wanted and len(have) != 1 and is_number:
        raise RuntimeError(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            f"boundaries tensor dim({len(have)}) and input value's dim({len(wanted)}) numel({values._array.size})"
        )
    if not have:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if len(have) != 1 and (len(have) != len(wanted) or have[:-1] != wanted[:-1]):
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {_shape_text(boundaries)} and "
            f"input value tensor {_shape_text(values)}"
        )


def searchsorted(
    sorted_sequence,
    input,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter=None,
    out=None,
):
    """The positions at which `input` would keep the rows of `sorted_sequence` in order, before equal elements or, if
    `right` (or `side` is "right"), after them. `sorter` are the indices that sort the sequence."""
    boundaries = sorted_sequence
    is_number = not isinstance(input, Tensor)
    if is_number:
        input = wrap(np.array(input, dtypes.of_number(input).numpy_dtype))
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    if not is_number and not input._array.ndim and boundaries._array.ndim != 1:
        is_number = True
    if sorter is not None:
        if sorter._array.shape != boundaries._array.shape:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{_shape_text(boundaries)}and got sorter tensor {_shape_text(sorter)}"
            )
        if sorter.dtype is not dtypes.int64:
            raise RuntimeError(
                "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype "
                + dtypes.scalar_name(sorter.dtype)
            )
        if sorter._array.size and not 0 <= sorter._array.min() <= sorter._array.max() < boundaries._array.shape[-1]:
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
    _check_search(boundaries, input, out_int32, out, is_number)
    common = common_dtype((boundaries, input)).numpy_dtype
    no_kernel_for("searchsorted_out_cpu", np.empty(0, common), "bc")
    dtype = np.int32 if out_int32 else np.int64
    return general(_searchsorted.record, (boundaries, input, sorter), (right or side == "right", dtype), out)


def bucketize(input, boundaries, *, out_int32: bool = False, right: bool = False, out=None):
    """Which of the buckets between sorted `boundaries` the elements fall into; see `searchsorted`."""
    if boundaries._array.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries._array.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)
