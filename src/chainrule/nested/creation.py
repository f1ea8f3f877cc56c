"""Nested tensors from lists, from tensors, and from a tensor that has all parts one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.creation import tensor
from ..ops.joining import stack
from ..ops.padding import pad
from ..size import check_device, jagged, layout as Layout, strided
from ..tensor import Tensor, wrap
from .ragged import Ragged
from .tensor import NestedTensor, named, nested

_NODES = {strided: "NestedTensorFromTensorListBackward0", jagged: "NestedViewFromJaggedBackward0"}


def nested_tensor(
    tensor_list: Sequence,
    *,
    dtype: Any = None,
    layout: Layout | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> NestedTensor:
    """A nested tensor that is a leaf, of copies of tensors or of lists of numbers. TypeError for what is no list."""
    check_device(device)
    layout = strided if layout is None else layout
    if not isinstance(tensor_list, (list, tuple)):
        if layout is jagged:
            raise TypeError(f"'{type(tensor_list).__name__}' object is not iterable")
        raise TypeError("Only lists (List[Tensor] and List[List...[Scalar]]) are accepted in nested_tensor")
    parts = [x.detach() if isinstance(x, Tensor) else tensor(x, dtype=dtype) for x in tensor_list]
    made = of_parts(parts if dtype is None else [part.to(dtype) for part in parts], layout)
    made.requires_grad_(requires_grad)
    return made


def as_nested_tensor(ts: Any, dtype: Any = None, device: Any = None, layout: Layout | None = None) -> NestedTensor:
    """A nested tensor of tensors (or of the slices of one), through which gradients go back to them.

    A nested tensor of the layout is returned as it is.
    """
    check_device(device)
    layout = strided if layout is None else layout
    if isinstance(ts, NestedTensor):
        if ts.layout is layout and dtype in (None, ts.dtype):
            return ts
        ts = ts.unbind()
    elif isinstance(ts, Tensor):
        ts = ts.unbind()
    elif not isinstance(ts, (list, tuple)) or not all(isinstance(x, Tensor) for x in ts):
        raise TypeError("as_nested_tensor(): Expected first argument to be a tensor or a list / tuple of tensors ")
    return of_parts(ts if dtype is None else [x.to(dtype) for x in ts], layout)


def of_parts(
    parts: Sequence[Tensor], layout: Layout, jagged_dim: int = 1, offsets: Tensor | None = None
) -> NestedTensor:
    """A nested tensor of tensors, with their history. RuntimeError where they cannot be parts of one."""
    if layout is not strided and layout is not jagged:
        raise RuntimeError(f"Specified layout is unsupported for nested tensors: {layout}")
    _check(parts, layout, jagged_dim - 1)
    if not parts:
        return nested(wrap(np.zeros((0,), np.float32)), Ragged(np.zeros((0, 0), np.int64), layout))
    dtype = parts[0].dtype
    parts = [part if part.dtype is dtype else part.to(dtype) for part in parts]
    sizes = np.array([part._array.shape for part in parts], np.int64).reshape(len(parts), -1)
    largest = sizes.max(0, initial=0)
    roomy = [
        pad(part, [w for n in reversed((largest - size).tolist()) for w in (0, n)], value=1)
        if (size != largest).any()
        else part
        for part, size in zip(parts, sizes, strict=True)
    ]
    if layout is jagged and offsets is None:
        offsets = wrap(np.concatenate(([0], np.cumsum(sizes[:, jagged_dim - 1]))))
    made = nested(stack(roomy), Ragged(sizes, layout, offsets))
    named(made, _NODES[layout])
    return made


def _check(parts: Sequence[Tensor], layout: Layout, dim: int) -> None:
    if layout is jagged:
        if not parts:
            raise RuntimeError("Cannot construct a nested tensor from an empty tensor list")
        if any(part.ndim != parts[0].ndim for part in parts):
            raise RuntimeError("When constructing a nested tensor, all tensors in list must have the same dim")
        if not parts[0].ndim:
            raise RuntimeError("Cannot construct a nested tensor from a list of zero-dim tensors")
        if any(part.dtype is not parts[0].dtype for part in parts):
            raise RuntimeError("When constructing a nested tensor, all tensors in list must have the same dtype")
        rest = [part._array.shape[:dim] + part._array.shape[dim + 1 :] for part in parts]
        if any(shape != rest[0] for shape in rest):
            raise RuntimeError(
                "Cannot represent given tensor list as a nested tensor with the jagged layout. Note that the jagged layout "
                "only allows for a single ragged dimension. For example: (B, *, D_0, D_1, ..., D_N), with ragged * dim."
            )
    for i, part in enumerate(parts):
        if part.ndim != parts[0].ndim:
            raise RuntimeError(
                "All Tensors given to nested_tensor must have the same dimension. Found dimension "
                f"{part.ndim} for Tensor at index {i} and dimension {parts[0].ndim} for Tensor at index 0."
            )


def nested_tensor_from_jagged(
    values: Tensor,
    offsets: Tensor | None = None,
    lengths: Tensor | None = None,
    jagged_dim: int | None = None,
    min_seqlen: int | None = None,
    max_seqlen: int | None = None,
) -> NestedTensor:
    """The parts of `values` between `offsets`, along its dimension ``jagged_dim - 1`` (0 unless given), of the jagged layout.

    With `lengths` too, parts begin at the offsets and have these lengths; `lengths` alone say where parts end.
    RuntimeError if neither is given. Tensors made with one `offsets` go together in operations.
    """
    if offsets is None:
        if lengths is None:
            raise RuntimeError("nested_tensor_from_jagged(): At least one of offsets or lengths is required.")
        offsets, lengths = wrap(np.concatenate(([0], np.cumsum(lengths._array)))), None
    starts = offsets._array[:-1]
    counts = np.diff(offsets._array) if lengths is None else lengths._array
    dim = 1 if jagged_dim is None else jagged_dim
    parts = [values.narrow(dim - 1, start, n) for start, n in zip(starts.tolist(), counts.tolist(), strict=True)]
    made = of_parts(parts, jagged, dim, offsets)
    if lengths is not None:
        made._ragged.lengths = lengths
        made._values = values
    return made


def narrow(tensor: Tensor, dim: int, start: Any, length: Any, layout: Layout = strided) -> NestedTensor:
    """Of each slice of `tensor` the `length` elements from `start` along `dim`, which is 1: numbers, or one for each slice."""
    if dim != 1:
        raise RuntimeError(f"narrow(): only dim=1 supported for jagged layout, but got: {dim}")
    if layout is strided and (isinstance(start, Tensor) or isinstance(length, Tensor)):
        raise RuntimeError("start and length must be integers for the strided layout NT impl")
    count = len(tensor)
    starts, lengths = (x.tolist() if isinstance(x, Tensor) else [x] * count for x in (start, length))
    return of_parts([part.narrow(0, s, n) for part, s, n in zip(tensor, starts, lengths, strict=True)], layout)


def masked_select(tensor: Tensor, mask: Tensor) -> NestedTensor:
    """Of each slice of `tensor` the elements where `mask` is True, in the jagged layout."""
    return of_parts([part[row] for part, row in zip(tensor, mask.expand(tensor.shape), strict=True)], jagged)
