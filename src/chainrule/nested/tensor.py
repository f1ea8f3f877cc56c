"""NestedTensor: parts of different sizes in one dense buffer.

The buffer has a first dimension for the parts, and room for the largest part in each other dimension. Operations run on the
buffer, so that they record themselves as ever; what lies beside the parts is set to 1 after each (at which no operation of
two inputs has an infinite derivative by the other), and left out of sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..inplace import rename
from ..op import REGISTRY, op
from ..ops.joining import cat
from ..ops.padding import pad
from ..ops.shape import _alias, _select, _slice
from ..overrides import _converted, _overrides_off
from ..size import Size, layout as Layout, strided
from ..tensor import Tensor, wrap
from .ragged import Ragged

_gradient: Any = Tensor.grad  # the property


def _cleared(xp, g, mask):
    """`g` with zeros where the mask, an array, is False."""
    return xp.where(wrap(mask) if isinstance(g, Tensor) else mask, g, xp.zero(g))


# The mask is a setting and no input, so that a graph of what saves nothing can run again. No program calls it by name, so
# it does not stay among the registered operations.
_set_beside = op(
    "nested_set_beside",
    forward=lambda xp, x, /, mask, value: np.where(mask, x, np.asarray(value, x.dtype)),
    vjp=lambda xp, g, mask: _cleared(xp, g, mask),
    jvp=lambda xp, t_x, mask: _cleared(xp, t_x, mask),
)
del REGISTRY[_set_beside.record.name]


class NestedTensor(Tensor):
    """A tensor whose parts, along its first dimension, may have different sizes. See torch.nested."""

    __module__ = "torch.nested"
    _ragged: Ragged
    _values: Tensor | None = None  # that it was made of, where they have holes
    is_nested = True

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from .rules import run

        if kwargs:
            raise NotImplementedError(f"{func.__name__}(): out= is not supported for nested tensors")
        return run(func, args)

    @property
    def layout(self) -> Layout:
        """torch.strided or torch.jagged."""
        return self._ragged.layout

    @property
    def shape(self) -> Size:
        """The shape, in which a symbol stands for the sizes that differ."""
        return self._ragged.shape(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one of its sizes."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of elements of all parts."""
        return int(self._ragged.sizes.prod(1).sum())

    nelement = numel

    def _nested_tensor_size(self) -> Tensor:
        return wrap(np.array(self._ragged.sizes))

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements of the parts lie one after the other, as far as PyTorch is concerned."""
        return self._ragged.whole and self._ragged.lengths is None

    def contiguous(self, memory_format: Any = None) -> NestedTensor:
        """Itself, or a copy in which they do."""
        if self.is_contiguous():
            return self
        from .creation import of_parts

        dims = self._ragged.ragged_dims
        return of_parts(self.unbind(), self.layout, dims[0] if dims else 1)

    def is_same_size(self, other: Any) -> bool:
        """Whether the parts have the same sizes."""
        return isinstance(other, NestedTensor) and np.array_equal(self._ragged.sizes, other._ragged.sizes)

    def values(self) -> Tensor:
        """The elements of all parts: in the jagged layout one part after the other, in the strided one as a vector."""
        if self._values is not None:
            return self._values
        with _overrides_off():
            parts = parts_of(self)
            if self.layout is strided:
                return named(cat([part.reshape(-1) for part in parts]), "ValuesBackwardAutogradNestedTensor0")
            return named(cat(parts, self._ragged.ragged_dims[0] - 1), "NestedGetValuesBackward0")

    def offsets(self) -> Tensor:
        """Where the parts begin in `values`, and the last one ends."""
        if self._ragged.offsets is None:
            raise AttributeError("'Tensor' object has no attribute 'offsets'")
        return self._ragged.offsets

    def lengths(self) -> Tensor | None:
        """The lengths of the parts where there are holes between them."""
        if self._ragged.offsets is None:
            raise AttributeError("'Tensor' object has no attribute 'lengths'")
        return self._ragged.lengths

    def _get_max_seqlen(self) -> int:
        return int(max(self._ragged.row_lengths, default=0))

    def _get_min_seqlen(self) -> int:
        return int(min(self._ragged.row_lengths, default=0))

    def to_padded_tensor(self, padding: float, output_size: Any = None) -> Tensor:
        """A tensor with `padding` beside the parts, as large as the largest or as `output_size` says."""
        return to_padded_tensor(self, padding, output_size)

    def reshape(self, *shape: Any) -> Tensor:
        """See `view`."""
        return self.view(*shape)

    def view(self, *shape: Any) -> Tensor:
        """Another shape, which begins as this one; a ragged size is given by its symbol or by -1."""
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
            return Tensor.view(self, *shape)
        ragged, given = self._ragged.ragged_dims, list(shape)
        for d in ragged:  # -1 stands for what the tensor has there
            if d < len(given) and given[d] == -1:
                given[d] = self._array.shape[d]
        return Tensor.view(self, *given)

    @property
    def grad(self) -> Tensor | None:
        """The gradient, nested like the tensor."""
        gradient = _gradient.fget(self)
        return None if gradient is None else nested(gradient.detach(), self._ragged)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        _gradient.fset(self, value)

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def numpy(self, *, force: bool = False) -> Any:
        """RuntimeError: the parts are no array."""
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    def tolist(self) -> Any:
        """The parts as lists."""
        return [part.tolist() for part in self.unbind()]

    @property
    def data(self) -> NestedTensor:
        """The same memory, without history."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        Tensor.data.fset(self, value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        with _overrides_off():
            plain = _alias(self.detach()).clone()
        ragged = self._ragged
        sizes = (ragged.sizes, ragged.layout, ragged.offsets, ragged.lengths, ragged.whole)
        return _rebuilt, (plain, sizes, self._values, self.requires_grad)

    def __deepcopy__(self, memo: Any) -> NestedTensor:
        copied = nested(self.detach().clone(), self._ragged)
        return copied.requires_grad_(self.requires_grad)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return _strided_text(self) if self.layout is strided else _jagged_text(self)

    __str__ = __repr__


def nested(data: Tensor, ragged: Ragged) -> Any:
    """A buffer, with its history, as a nested tensor."""
    made = data if type(data) is NestedTensor else _converted(data, NestedTensor)
    made._ragged = ragged
    return made


def settled(data: Tensor, ragged: Ragged) -> Any:
    """The same for a buffer that an operation has made: what lies beside the parts becomes 1."""
    mask = ragged.mask(data._array.shape)
    if mask is None:
        return nested(data, ragged)
    clean = _set_beside(data, mask, 1)
    return nested(clean if data._node is None else named(clean, type(data._node).__name__), ragged)


def filled(x: Any, value: Any) -> Tensor:
    """The buffer of a nested tensor with `value` beside the parts; any other tensor as it is."""
    if not isinstance(x, NestedTensor):
        return x
    mask = x._ragged.mask(x._array.shape)
    with _overrides_off():
        return _alias(x) if mask is None else _set_beside(x, mask, value)


def _rebuilt(data: Tensor, sizes: tuple, values: Tensor | None, requires_grad: bool) -> Any:
    made = nested(data, Ragged(*sizes))
    made._values = values
    return made.requires_grad_(requires_grad)


def part_of(x: NestedTensor, i: int) -> Tensor:
    """One part."""
    with _overrides_off():
        part = _select(x, 0, i)
        for d, n in enumerate(x._ragged.sizes[i].tolist()):
            if n != part._array.shape[d]:
                part = _slice(part, d, 0, n, 1)
    return part


def parts_of(x: NestedTensor) -> list[Tensor]:
    """All parts."""
    return [part_of(x, i) for i in range(len(x._ragged.sizes))]


def named(tensor: Tensor, name: str) -> Tensor:
    """The tensor, its node under PyTorch's name for what was done."""
    if tensor._node is not None:
        rename(tensor._node, name)
    return tensor


def to_padded_tensor(input: Tensor, padding: float, output_size: Any = None, out: Any = None) -> Tensor:
    """The parts of a nested tensor in a tensor, with `padding` beside them, as large as the largest or as `output_size` says.

    TypeError for what is not nested; RuntimeError for holes between the parts, and for an `output_size` that is too small.
    """
    if not isinstance(input, NestedTensor):
        raise TypeError("to_padded_tensor(): expected a nested tensor")
    if input._ragged.lengths is not None:
        raise RuntimeError("to_padded_tensor(): not supported for nested tensors with holes")
    padded = filled(input, padding)
    if output_size is not None:
        have = padded._array.shape
        if len(output_size) != len(have) or any(n < m for n, m in zip(output_size, have)):
            raise RuntimeError(
                "Value in output_size is less than NestedTensor padded size. Truncation is not supported."
            )
        widths = [w for n, m in zip(reversed(output_size), reversed(have)) for w in (0, n - m)]
        padded = pad(padded, widths, value=padding)
    return named(padded, "ToPaddedTensorBackward0")


# ---------------------------------------------------------------- print


def _strided_text(x: NestedTensor) -> str:
    parts = [part.detach().requires_grad_(x.requires_grad) for part in parts_of(x)]
    body = ",\n".join("  " + repr(part).replace("\n", "\n  ") for part in parts)
    return f"nested_tensor([\n{body}\n]{_history(x, node=True)})"


def _jagged_text(x: NestedTensor) -> str:
    shape = ", ".join(map(str, x.shape))
    return (
        f"NestedTensor(size=({shape}), offsets={x.offsets()}{_history(x, node=False)}, contiguous={x.is_contiguous()})"
    )


def _history(x: NestedTensor, node: bool) -> str:
    if x._node is not None:
        return f", grad_fn=<{x._node.name()}>" if node else f", grad_fn={x._node!r}"
    return ", requires_grad=True" if x._requires_grad else ""
