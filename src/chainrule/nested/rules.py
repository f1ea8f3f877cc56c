"""What operations do with nested tensors: on their buffers, and on the sizes of their parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..overrides import _overrides_off
from ..record import ELEMENTWISE
from ..size import strided
from ..tensor import Tensor, wrap
from .ragged import Ragged
from .tensor import NestedTensor, filled, named, nested, part_of, parts_of, settled

RULES: dict[str, Callable] = {}
_KEEP = (
    "alias", "bernoulli_float", "cast", "clone", "constant_like", "contiguous_copy", "copy", "fill", "fill_tensor",
    "normal", "uniform", "zero",
)  # fmt: skip


def rule(*names: str) -> Callable:
    """Makes a function what these operations do: of the operation's function, its inputs and its settings."""

    def attach(function: Callable) -> Callable:
        for name in names:
            RULES[name] = function
        return function

    return attach


def run(func: Any, args: tuple) -> Any:
    """An operation some of whose inputs are nested. NotImplementedError for those that have no rule."""
    record = func.record
    found = RULES.get(record.name) or (_pointwise if record.kind == ELEMENTWISE else None)
    if found is None:
        raise NotImplementedError(f"{record.name}(): not supported for nested tensors")
    with _overrides_off():
        return found(func, *args)


def _refuse(func: Any, what: str) -> RuntimeError:
    return RuntimeError(f"{func.record.name}(): not supported for NestedTensor on {what}")


# ---------------------------------------------------------------- elementwise


def _pointwise(func, *args):
    nesteds = [x for x in args if isinstance(x, NestedTensor)]
    ragged = nesteds[0]._ragged
    for other in nesteds[1:]:
        _check_together(func, nesteds[0], other)
    for x in args:
        if isinstance(x, Tensor) and not isinstance(x, NestedTensor):
            _check_dense(func, nesteds[0], x)
    result = func(*args)
    if isinstance(ragged, Flat):
        return nested(result, ragged)
    sizes = np.max([x._ragged.sizes for x in nesteds], axis=0)
    for d, n in enumerate(result._array.shape[1:]):
        if sizes[:, d].max(initial=0) < n:  # what had one element was broadcast
            sizes[:, d] = n
    return settled(result, ragged if np.array_equal(sizes, ragged.sizes) else ragged.with_sizes(sizes))


def _check_together(func, x, y) -> None:
    """RuntimeError if two nested tensors do not have the same parts."""
    a, b = x._ragged, y._ragged
    if a is b:
        return
    if a.layout is not strided and b.layout is not strided:
        if a.offsets is not b.offsets:
            shapes = [f"({', '.join(map(str, z.shape))})" for z in (x, y)]
            raise RuntimeError(
                f"cannot call binary pointwise function {func.record.name}.Tensor with inputs of shapes {shapes[0]} and {shapes[1]}"
            )
    elif a.sizes.shape != b.sizes.shape or not _same_or_one(a.sizes, b.sizes):
        raise RuntimeError(f"{func.record.name} does not support broadcasting when given a NestedTensor")


def _same_or_one(a, b) -> bool:
    """Whether in each dimension the parts have the same sizes, or all those of one tensor have 1."""
    return bool(((a == b).all(0) | (a == 1).all(0) | (b == 1).all(0)).all())


def _check_dense(func, x, dense) -> None:
    """RuntimeError if a tensor has a size of its own where the parts' sizes differ."""
    for d in x._ragged.ragged_dims:
        place = d - x.ndim
        if -place <= dense.ndim and dense._array.shape[place] not in (1, x._array.shape[d]):
            raise RuntimeError(
                f"{func.record.name}(): a tensor of shape {tuple(dense.shape)} does not go with a nested one of shape "
                f"({', '.join(map(str, x.shape))})"
            )


@rule(*_KEEP)
def _kept(func, x, *rest):
    if not isinstance(x, NestedTensor):  # only what is copied is nested
        return func(x, *[filled(y, 0) for y in rest])
    for y in rest:
        if isinstance(y, NestedTensor):
            _check_together(func, x, y)
    return settled(func(x, *rest), x._ragged)


@rule("detach")
def _detached(func, x):
    return nested(func(x), x._ragged)


# ---------------------------------------------------------------- shapes


@rule("transpose")
def _transposed(func, x, dim0, dim1):
    order = list(range(x._array.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permuted(func, x, tuple(order), args=(dim0, dim1))


@rule("permute")
def _permuted(func, x, dims, args=None):
    if dims[0] != 0:
        raise _refuse(func, "dim=0")
    sizes = x._ragged.sizes[:, [d - 1 for d in dims[1:]]]
    return nested(func(x, *(args or (dims,))), x._ragged.with_sizes(sizes, False))


@rule("unsqueeze")
def _unsqueezed(func, x, dim):
    if dim == 0:
        raise _refuse(func, "dim=0")
    return nested(func(x, dim), x._ragged.with_sizes(np.insert(x._ragged.sizes, dim - 1, 1, axis=1)))


@rule("squeeze", "squeeze_dim", "squeeze_dims")
def _squeezed(func, x, dims):
    ragged = x._ragged.ragged_dims
    dims = tuple([d for d in dims if d and d not in ragged])
    sizes = np.delete(x._ragged.sizes, [d - 1 for d in dims], axis=1)
    return named(nested(func(x, dims), x._ragged.with_sizes(sizes)), "SqueezeBackwardAutogradNestedTensor0")


@rule("select")
def _selected(func, x, dim, index):
    if dim == 0:
        return named(part_of(x, index), "SelectBackwardAutogradNestedTensor0")
    if dim in x._ragged.ragged_dims and (x.layout is not strided or (x._ragged.sizes[:, dim - 1] <= index).any()):
        raise _refuse(func, "ragged dim")
    made = nested(func(x, dim, index), x._ragged.with_sizes(np.delete(x._ragged.sizes, dim - 1, axis=1), False))
    return named(made, "SelectBackwardAutogradNestedTensor0")


@rule("slice")
def _sliced(func, x, dim, start, end, step):
    if dim == 0 or dim in x._ragged.ragged_dims:
        raise _refuse(func, "dim=0" if dim == 0 else "ragged dim")
    sizes = x._ragged.sizes.copy()
    sizes[:, dim - 1] = len(range(start, end, step))
    return nested(func(x, dim, start, end, step), x._ragged.with_sizes(sizes, False))


@rule("unbind")
def _unbound(func, x, dim):
    if dim != 0:
        raise RuntimeError("unbind(): only supported for NestedTensor on dim=0")
    return tuple([named(part, "UnbindBackwardAutogradNestedTensor0") for part in parts_of(x)])


@rule("split", "split_with_sizes")
def _split(func, x, lengths, dim):
    if dim == 0 or dim in x._ragged.ragged_dims:
        raise _refuse(func, "dim=0" if dim == 0 else "ragged dim")
    made = []
    for part, length in zip(func(x, lengths, dim), lengths, strict=True):
        sizes = x._ragged.sizes.copy()
        sizes[:, dim - 1] = length
        made.append(nested(part, x._ragged.with_sizes(sizes, False)))
    return tuple(made)


@rule("cat")
def _joined(func, *args):
    *tensors, dim = args
    first = tensors[0]
    if dim == 0 or not all(isinstance(x, NestedTensor) and dim not in x._ragged.ragged_dims for x in tensors):
        raise _refuse(func, f"dim={dim}")
    for other in tensors[1:]:
        _check_together(func, first, other)
    sizes = first._ragged.sizes.copy()
    sizes[:, dim - 1] = sum(x._ragged.sizes[:, dim - 1] for x in tensors)
    return nested(func(*args), first._ragged.with_sizes(sizes))


class Flat(Ragged):
    """The rows of all parts in one matrix, as a linear layer sees them on its way: `origin` is what it was, of shape `before`."""

    def __init__(self, origin: Ragged, before: tuple[int, ...]) -> None:
        super().__init__(np.zeros((0, 1), np.int64), origin.layout, origin.offsets, origin.lengths)
        self.origin, self.before = origin, before

    def mask(self, buffer):
        found = self.origin.mask(self.before)
        if found is None:
            return None
        return np.broadcast_to(found, self.before)[..., :1].reshape(-1, 1)


@rule("view", "unsafe_view")
def _viewed(func, x, shape):
    ragged, have = x._ragged, x._array.shape
    if isinstance(ragged, Flat):
        lead = ragged.before[:-1]
        if shape[: len(lead)] != lead:
            raise _refuse(func, "dim=0")
        ragged, have, kept = ragged.origin, (*lead, have[-1]), len(lead)
    else:
        kept = max(ragged.ragged_dims, default=0) + 1
        if len(shape) == 2 and shape[1] == have[-1] and shape[0] == math.prod(have[:-1]) and kept < len(have):
            return nested(func(x, shape), Flat(ragged, have))
        if shape[:kept] != have[:kept]:
            raise RuntimeError(
                f"view(): cannot view a nested tensor of shape ({', '.join(map(str, x.shape))}) as {tuple(shape)}: its parts "
                "would not stay apart"
            )
    rest = np.broadcast_to(np.array(shape[kept:], np.int64), (len(ragged.sizes), len(shape) - kept))
    name = "LinearBackward0" if isinstance(x._ragged, Flat) else "ViewBackwardAutogradNestedTensor0"
    sizes = np.concatenate((ragged.sizes[:, : kept - 1], rest), axis=1)
    return named(settled(func(x, shape), ragged.with_sizes(sizes)), name)


# ---------------------------------------------------------------- reductions


def _reduced(neutral: Any, mean: bool = False) -> Callable:
    """A reduction, before which `neutral` takes the place of what lies beside the parts."""

    def reduce(func, x, dim, keepdim):
        data = x._array
        value = neutral(data.dtype) if callable(neutral) else neutral
        dims = tuple(range(data.ndim)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
        inner = [d for d in dims if d]
        ragged = x._ragged.ragged_dims
        if dim is not None and 0 in dims and not set(ragged) <= set(dims):
            raise RuntimeError(
                f"{func.record.name.removesuffix('_dim')}(): reducing along the batch dimension but not the ragged dimension is "
                "not supported for nested tensors"
            )
        result = func(filled(x, value), dim, keepdim)
        if func.record.name in _NODES:
            named(result, _NODES[func.record.name])
        if mean and x._ragged.mask(data.shape) is not None:
            counts = x._ragged.sizes[:, [d - 1 for d in inner]].prod(1)
            total = math.prod(data.shape[d] for d in inner)
            if 0 in dims:
                scale = np.array(total * len(counts) / max(1, counts.sum()))
            else:
                scale = (total / np.maximum(counts, 1)).reshape(-1, *[1] * (result.ndim - 1))
            result = named(result * wrap(scale.astype(data.dtype)), type(result._node).__name__)
        if 0 in dims:
            return result
        sizes = x._ragged.sizes.copy()
        sizes[:, [d - 1 for d in inner]] = 1
        if not keepdim:
            sizes = np.delete(sizes, [d - 1 for d in inner], axis=1)
        if x.layout is not strided and set(ragged) & set(dims):
            return result
        return settled(result, x._ragged.with_sizes(sizes))

    return reduce


_NODES = {
    "mean": "MeanBackwardAutogradNestedTensor0", "sum": "SumBackwardAutogradNestedTensor0",
    "sum_dim": "SumBackwardAutogradNestedTensor1",
}  # fmt: skip


def _smallest(dtype) -> Any:
    return -math.inf if dtype.kind in "fV" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _largest(dtype) -> Any:
    return math.inf if dtype.kind in "fV" else True if dtype.kind == "b" else np.iinfo(dtype).max


for _names, _rule in (
    (("sum", "sum_dim", "nansum"), _reduced(0)),
    (("mean", "mean_dim"), _reduced(0, mean=True)),
    (("prod", "prod_dim"), _reduced(1)),
    (("amax",), _reduced(_smallest)),
    (("amin",), _reduced(_largest)),
    (("all",), _reduced(1)),
    (("any",), _reduced(0)),
    (("logsumexp",), _reduced(-math.inf)),
):
    rule(*_names)(_rule)


@rule("max")
def _max(func, x):
    return func(filled(x, _smallest(x._array.dtype)))


@rule("min")
def _min(func, x):
    return func(filled(x, _largest(x._array.dtype)))


def _extreme(neutral: Callable) -> Callable:
    """The largest or smallest elements along a dimension, with or without where they are."""

    def find(func, x, dim, keepdim):
        inside = filled(x, neutral(x._array.dtype))
        if not dim or dim in x._ragged.ragged_dims:  # the places would be those in the buffer
            raise _refuse(func, "ragged dim" if dim else "dim=0")
        sizes = x._ragged.sizes.copy()
        sizes[:, dim - 1] = 1
        ragged = x._ragged.with_sizes(sizes if keepdim else np.delete(sizes, dim - 1, axis=1))
        found = func(inside, dim, keepdim)
        return (
            type(found)([settled(part, ragged) for part in found])
            if isinstance(found, tuple)
            else settled(found, ragged)
        )

    return find


rule("max_dim", "argmax")(_extreme(_smallest))
rule("min_dim", "argmin")(_extreme(_largest))


@rule("softmax", "log_softmax")
def _softmax(func, x, dim):
    if dim == 0:
        raise _refuse(func, "dim=0")
    mask = x._ragged.mask(x._array.shape)
    if mask is None or dim not in x._ragged.ragged_dims:
        return settled(func(x, dim), x._ragged)
    beside = ~mask.any(dim, keepdims=True)  # all along `dim`: any numbers will do there
    return settled(func(filled(x, -math.inf).masked_fill(wrap(beside), 0.0), dim), x._ragged)


# ---------------------------------------------------------------- products and layers


@rule("mm")
def _rows_times_matrix(func, x, y):
    return nested(func(filled(x, 0), y), x._ragged)


@rule("addmm")
def _rows_times_matrix_added(func, z, x, y, beta, alpha):
    return nested(func(z, filled(x, 0), y, beta, alpha), x._ragged)


@rule("matmul", "bmm")
def _multiplied(func, x, y):
    a, b = (z if isinstance(z, NestedTensor) else None for z in (x, y))
    if a is not None and b is not None and a.layout is not strided and a._ragged.offsets is not b._ragged.offsets:
        raise RuntimeError(f"matmul(): not supported between inputs of shapes {tuple(x.shape)} and {tuple(y.shape)}")
    result = func(filled(x, 0), filled(y, 0))
    ragged = (a if a is not None else b)._ragged
    sizes = np.broadcast_to(np.array(result._array.shape[1:], np.int64), (len(ragged.sizes), result.ndim - 1)).copy()
    if a is not None:
        lead = a._ragged.sizes[:, :-2]
        sizes[:, sizes.shape[1] - 2 - lead.shape[1] : -2] = np.maximum(1, lead)
        sizes[:, -2] = a._ragged.sizes[:, -2]
    if b is not None and y.ndim > 2:
        sizes[:, -1] = b._ragged.sizes[:, -1]
        lead = b._ragged.sizes[:, :-2]
        if a is None:
            sizes[:, sizes.shape[1] - 2 - lead.shape[1] : -2] = lead
    return named(settled(result, ragged.with_sizes(sizes, True)), f"{func.record.name.capitalize()}Backward0")


@rule("native_layer_norm")
def _layer_norm(func, x, weight, bias, dims, eps):
    if set(dims) & set(x._ragged.ragged_dims) or 0 in dims:
        raise _refuse(func, "ragged dim")
    result, mean, rstd = func(x, weight, bias, dims, eps)
    return settled(result, x._ragged), mean, rstd


@rule("embedding")
def _embedding(func, weight, index, padding_index, by_frequency):
    sizes = np.concatenate(
        (index._ragged.sizes, np.full((len(index._ragged.sizes), 1), weight._array.shape[-1])), axis=1
    )
    return settled(func(weight, filled(index, 0), padding_index, by_frequency), index._ragged.with_sizes(sizes))
