"""MaskedTensor: a tensor some of whose elements do not count."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..op import ELEMENTWISE, VIEW
from ..ops.creation import tensor
from ..ops.elementwise import where
from ..overrides import _converted, _overrides_off
from ..tensor import Tensor
from . import functions

__all__ = ["MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor"]

_DTYPES = {
    dtypes.float16, dtypes.float32, dtypes.float64, dtypes.bool_, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64,
}  # fmt: skip

# Operations by what they do with masks; all elementwise ones keep the mask that their inputs share.
_KEEP = {"clone", "contiguous_copy", "cast", "detach", "constant_like"}
_MOVE = {
    "cat", "flip", "gather", "index", "index_select", "masked_select", "repeat", "roll", "rot90", "stack", "take",
    "unsafe_view",
}  # fmt: skip
# {operation: the function of torch.masked that leaves elements out}
_REDUCE = {
    "amax": functions.amax, "amin": functions.amin, "argmax": functions.argmax, "argmin": functions.argmin,
    "logsumexp": functions.logsumexp, "mean": functions.mean, "mean_dim": functions.mean, "prod": functions.prod,
    "prod_dim": functions.prod, "sum": functions.sum, "sum_dim": functions.sum,
}  # fmt: skip
_ALONG = {
    "cumprod": functions.cumprod, "cumsum": functions.cumsum, "log_softmax": functions.log_softmax,
    "softmax": functions.softmax,
}  # fmt: skip
_gradient: Any = Tensor.grad  # the property
_WIDTH = 8  # of what stands for an element that is masked out, and of floating point numbers


class MaskedTensor(Tensor):
    """Data and a mask of the same shape: where the mask is False, an element is left out of every computation.

    Elementwise operations take masked tensors of equal masks, numbers and plain tensors; reductions are those of
    `torch.masked`, and their result is masked out where nothing was left. TypeError for any other operation.
    """

    _mask: Tensor

    def __new__(cls, data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
        _check(data, mask)
        made = _masked(data.detach().clone(), mask.clone())
        made.requires_grad_(requires_grad)
        return made

    def get_data(self) -> Tensor:
        """The data, masked out elements too."""
        with _overrides_off():
            return self.view_as(self)

    def get_mask(self) -> Tensor:
        """The mask."""
        return self._mask

    def to_tensor(self, value) -> Tensor:
        """The data with `value` where the mask is False."""
        with _overrides_off():
            return where(self._mask, self, self.new_full((), value))

    @property
    def grad(self) -> Tensor | None:
        """The gradient, under the same mask."""
        gradient = _gradient.fget(self)
        return None if gradient is None else _masked(gradient, self._mask)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        _gradient.fset(self, value.get_data() if isinstance(value, MaskedTensor) else value)

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def numpy(self, *, force: bool = False):
        """RuntimeError: an array has no mask."""
        raise RuntimeError(".numpy() is not supported for tensor subclasses.")

    def tolist(self):
        """RuntimeError: a list has no mask."""
        raise RuntimeError(".tolist() is not supported for tensor subclasses, got MaskedTensor")

    def __repr__(self, *, tensor_contents=None) -> str:  # type: ignore[override]
        data, mask = self._array, self._mask._array
        if not data.ndim:
            return f"MaskedTensor({_element(data, mask).strip() if not mask else _element(data, mask)}, {bool(mask)})"
        return f"MaskedTensor(\n{_rows(data, mask, 2)}\n)"

    __str__ = __repr__

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if kwargs or not all(issubclass(cls, t) for t in types):
            return NotImplemented
        record = func.record
        name = record.name
        if name in _REDUCE:
            return _reduced(args[0], _REDUCE[name], args[1], args[2])
        if name in ("var", "std"):
            return _reduced(args[0], getattr(functions, name), args[1], args[3], correction=args[2])
        if name == "linalg_vector_norm":
            return _reduced(args[0], lambda x, dim, **more: functions.norm(x, args[1], dim, **more), args[2], args[3])
        if name in ("all", "any"):
            return _reduced(args[0], _all if name == "all" else _any, args[1], args[2])
        if name in _ALONG:
            with _overrides_off():
                return _masked(_ALONG[name](args[0], args[1], mask=args[0]._mask), args[0]._mask)
        if name in _MOVE or (record.kind == VIEW and record.name not in ("real", "imag")):
            return _moved(func, args)
        if name == "where" and not isinstance(args[0], MaskedTensor):
            with _overrides_off():
                return _masked(func(*args), func(args[0], *map(_mask_of, args[1:])))
        if name in _KEEP or record.kind == ELEMENTWISE:
            mask = _shared_mask(args)
            with _overrides_off():
                result = func(*args)
            return _masked(result, mask.expand(result.shape))
        return NotImplemented


def masked_tensor(data: Tensor, mask: Tensor, requires_grad: bool = False) -> MaskedTensor:
    """A masked tensor that is a leaf, of copies of `data` and of `mask`, a bool tensor of the same shape."""
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Tensor, mask: Tensor) -> MaskedTensor:
    """A masked tensor of `data`, through which gradients go back to `data`: zeros for what is masked out."""
    _check(data, mask)
    return _masked(where(mask, data, data.detach()), mask)


def is_masked_tensor(obj: Any) -> bool:
    """Whether it is a masked tensor."""
    return isinstance(obj, MaskedTensor)


def _check(data, mask) -> None:
    if not isinstance(data, Tensor) or isinstance(data, MaskedTensor):
        raise TypeError("data must be a Tensor")
    if not isinstance(mask, Tensor) or isinstance(mask, MaskedTensor):
        raise TypeError("mask must be a Tensor")
    if mask.dtype is not dtypes.bool_:
        raise TypeError("mask must have dtype bool.")
    if data.dtype not in _DTYPES:
        raise TypeError(f"{data.dtype} is not supported in MaskedTensor.")
    if data.dim() != mask.dim():
        raise ValueError("data.dim() must equal mask.dim()")
    if data.shape != mask.shape:
        raise ValueError("data.size() must equal mask.size()")


def _masked(data: Tensor, mask: Tensor) -> MaskedTensor:
    """`data`, with its history, under a mask."""
    made = _converted(data, MaskedTensor)
    made._mask = mask
    return made


def _mask_of(value):
    """The mask of a masked tensor; for whatever else, all True."""
    return value._mask if isinstance(value, MaskedTensor) else tensor(True)


def _shared_mask(values) -> Tensor:
    """The mask of all masked tensors among the inputs; ValueError if they differ."""
    masks = [value._mask for value in values if isinstance(value, MaskedTensor)]
    if any(mask is not masks[0] and not mask.equal(masks[0]) for mask in masks):
        raise ValueError("Input masks must match. If you need support for this, please open an issue on Github.")
    return masks[0]


def _moved(func, args):
    """An operation that only moves elements, done to the data and to the masks."""
    with _overrides_off():
        data = func(*args)
        masks = func(*[value._mask if isinstance(value, MaskedTensor) else value for value in args])
    if isinstance(data, (tuple, list)):
        return type(data)(_masked(one, mask) for one, mask in zip(data, masks, strict=True))
    return _masked(data, masks)


def _reduced(x: MaskedTensor, function, dim, keepdim: bool, **more) -> MaskedTensor:
    """A reduction over what the mask leaves; masked out where it leaves nothing."""
    dims = tuple(range(x.ndim)) if dim is None else dim
    with _overrides_off():
        mask = x._mask.any(dims, keepdim) if x.ndim else x._mask
        return _masked(function(x, dim, keepdim=keepdim, mask=x._mask, **more), mask)


def _all(x, dim, *, keepdim, mask):
    values = where(mask, x.bool(), True)
    return values.all() if dim is None else values.all(dim, keepdim)


def _any(x, dim, *, keepdim, mask):
    values = where(mask, x.bool(), False)
    return values.any() if dim is None else values.any(dim, keepdim)


def _element(value, kept) -> str:
    if not kept:
        return "--".rjust(_WIDTH)
    return f"{float(value):{_WIDTH}.4f}" if value.dtype.kind == "f" else str(value)


def _rows(data, mask, indent: int) -> str:
    """The text of an array: a line for each vector along the last dimension."""
    space = " " * indent
    if data.ndim > 1:
        inner = ",\n".join(_rows(one, kept, indent + 2) for one, kept in zip(data, mask, strict=True))
        return f"{space}[\n{inner}\n{space}]"
    words = [_element(value, kept) for value, kept in zip(data, mask, strict=True)]
    width = max(map(len, words), default=0)
    words = [word if kept else word.rjust(width) for word, kept in zip(words, mask, strict=True)]
    return f"{space}[{', '.join(words)}]"
