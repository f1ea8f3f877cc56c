"""Tables looked up by indices: embeddings, and their opposite, one-hot vectors."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..backend.gathering import add_rows
from ..backend.reductions import narrowed, widened
from ..modes import no_grad
from ..op import must_be_tensor, op
from ..tensor import Tensor, wrap
from .publishing import by_sample, refuse_batches

__all__ = ["embedding", "embedding_bag", "one_hot"]


def _rows_of(g, index, rows, padding_index, by_frequency):
    """`rows` rows of zeros, with each of g's added at its index; the transpose of a lookup."""
    width, flat = g.shape[-1], index.reshape(-1)
    dtype, g = g.dtype, widened(np.asarray(g)).reshape(-1, width)
    if by_frequency:
        g = g / np.bincount(flat, minlength=rows)[flat].astype(g.dtype)[:, None]
    found = add_rows(rows, flat, g)
    if padding_index >= 0:
        found[padding_index] = 0
    return narrowed(found, dtype)


def _backward_vjp(xp, g, index, rows, padding_index, by_frequency):
    """The transpose of a transpose: a lookup, in which the padding row is zeros and counts divide."""
    found = xp.embedding(g, index, -1, False)
    if padding_index < 0 and not by_frequency:
        return found
    return found * xp.embedding_weights(g, index, rows, padding_index, by_frequency)


_embedding = op(
    "embedding",
    forward=lambda xp, x, index, /, padding_index, by_frequency: x[index],
    vjp=(
        lambda xp, g, index, x_shape, padding_index, by_frequency: xp.embedding_backward(
            g, index, x_shape[0], padding_index, by_frequency
        ),
        None,
    ),
)
_embedding_backward = op(
    "embedding_backward",
    forward=lambda xp, g, index, /, rows, padding_index, by_frequency: _rows_of(
        g, index, rows, padding_index, by_frequency
    ),
    vjp=(_backward_vjp, None),
)


def _weights_of(g, index, rows, padding_index, by_frequency):
    """What each looked-up row's gradient is multiplied by: 0 for padding, the reciprocal of a row's count."""
    weights = (index != padding_index).astype(g.dtype)
    if by_frequency:
        weights = weights / np.bincount(index.reshape(-1), minlength=rows)[index].astype(g.dtype)
    return weights[..., None]


op(
    "embedding_weights",
    forward=lambda xp, g, index, /, rows, padding_index, by_frequency: _weights_of(
        g, index, rows, padding_index, by_frequency
    ),
)


def embedding(
    input,
    weight,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
):
    """The rows of `weight` (2-d) at the indices `input`.

    The row `padding_idx` gets no gradient; `max_norm`: rows that are looked up are first scaled down to that norm, in
    place; `scale_grad_by_freq` divides gradients by how often a row was looked up; `sparse` makes the gradient a sparse
    tensor of the rows that were looked up. IndexError outside the table.
    """
    if not isinstance(weight, Tensor):
        raise must_be_tensor("embedding", "weight", 1, weight)
    if not isinstance(input, Tensor):
        raise must_be_tensor("embedding", "indices", 2, input)
    rows = weight._array.shape[0] if weight.ndim else 0
    if padding_idx is None:
        padding_idx = -1
    elif not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    elif padding_idx < 0:
        padding_idx += rows
    _check_indices(input, weight)
    if max_norm is not None:
        _bound_rows(input, weight, max_norm, norm_type)
    if sparse and weight.requires_grad:
        from ..sparse.gradients import embedding as with_sparse_gradient

        return with_sparse_gradient(weight, input, padding_idx, scale_grad_by_freq)
    return _embedding(weight, input, padding_idx, scale_grad_by_freq)


def _check_indices(input, weight) -> None:
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if input.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{dtypes.scalar_name(input.dtype)}Tensor instead (while checking arguments for embedding)"
        )
    index = input._array
    if index.size and (index.min() < 0 or index.max() >= weight._array.shape[0]):
        raise IndexError("index out of range in self")


def _bound_rows(input, weight, max_norm: float, norm_type: float) -> None:
    """Scales the rows that are looked up down to `max_norm`, in place and outside autograd."""
    with no_grad():
        used = wrap(np.unique(input._array))
        weight[used] = weight[used].renorm(norm_type, 0, max_norm)


def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights=None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
):
    """The sum, mean or maximum of the rows of `weight` in each bag: a row of `input` (2-d), or a run from each offset on."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if sparse and mode == "max":
        raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
                f"mode='{mode}'). Please open a feature request on GitHub."
            )
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
                f"same shape as the input ({input.shape})"
            )
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        count, size = input.shape
        bag = np.repeat(np.arange(count), size)
        input = input.reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    elif input.ndim == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.ndim != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        starts = np.asarray(offsets._array)
        if starts.size and starts[0] != 0:
            raise RuntimeError(
                f"offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                f"However, got {starts[0]}"
            )
        if starts.size and starts[-1] > input.numel():
            raise RuntimeError(
                f"offsets[-1] can not be greater than input's length {input.numel()} but got offsets[-1] of {starts[-1]}"
            )
        count = starts.size - include_last_offset
        bag = np.searchsorted(starts[:count], np.arange(input.numel()), side="right") - 1
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    kept = np.ones(bag.shape, bool) if padding_idx is None else input._array != padding_idx % weight.shape[0]
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    return _bags(rows, bag, kept, count, mode)


def _bags(rows, bag, kept, count: int, mode: str):
    """The rows of each bag combined; an empty bag is zeros."""
    if not kept.all():
        chosen = np.flatnonzero(kept)
        rows, bag = rows.index_select(0, wrap(chosen)), bag[chosen]
    empty = rows.new_zeros((count, rows.shape[1]))
    where = wrap(bag)
    if mode == "max":
        return empty.scatter_reduce(0, where[:, None].expand(rows.shape), rows, "amax", include_self=False)
    total = empty.index_add(0, where, rows)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(bag, minlength=count), 1).astype(rows._array.dtype)
    return total / wrap(sizes[:, None])


def one_hot(tensor, num_classes: int = -1):
    """Zeros with a 1 at each index, in a new last dimension of `num_classes` (-1: as many as the largest index needs)."""
    if not isinstance(tensor, Tensor):
        raise must_be_tensor("one_hot", "tensor", 1, tensor)
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1:
        refuse_batches(
            "When vmap-ing torch.nn.functional.one_hot, please provide an explicit positive num_classes argument.",
            tensor,
        )
    return _one_hot(tensor, num_classes)


@by_sample
def _one_hot(tensor, num_classes: int):
    index = np.asarray(tensor._array)
    if not index.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return wrap(np.zeros((*index.shape, num_classes), np.int64))
    if index.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(index.max()) + 1
    elif index.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    out = np.zeros((*index.shape, num_classes), np.int64)
    np.put_along_axis(out, index[..., None], 1, -1)
    return wrap(out)
