"""Parameters and buffers: the tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

from ..graph_errors import explained
from ..opened import Opened
from ..ops.creation import empty
from ..tensor import Tensor, memory, own_extra, version_counter, wrap_as

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class _Marked(Opened):
    """The type of `Parameter` and `Buffer`: a tensor of another subclass counts as one if it is marked as such."""

    def __instancecheck__(cls, instance) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return cls._mark is not None and isinstance(instance, Tensor) and getattr(instance, cls._mark, False)


def _sharing(cls, data, requires_grad: bool) -> Any:
    """A leaf of class `cls` on data's memory."""
    made = wrap_as(cls, memory(data))
    made._counter = version_counter(data)
    if data.is_inference():
        own_extra(made).inference = True
    if requires_grad:
        if data._array.dtype.kind in "iub":
            raise explained(RuntimeError("Only Tensors of floating point and complex dtype can require gradients"))
        made._set_requires_grad(True)
    return made


class Parameter(Tensor, metaclass=_Marked):
    """A leaf tensor that a module registers, and that optimizers train. It shares the memory of `data`."""

    __module__ = "torch.nn.parameter"
    _special = False
    _mark: str | None = "_is_param"

    def __new__(cls, data=None, requires_grad: bool = True):
        if data is None:
            data = empty(0)
        if type(data) is Tensor or type(data) is Parameter:
            return _sharing(cls, data, requires_grad)
        marked = data.detach().requires_grad_(requires_grad)
        if type(marked) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires that detach() returns an "
                f"instance of the same type, but return type {type(marked).__name__} was found instead. To use the type as a "
                "Parameter, please correct the detach() semantics defined by its __torch_dispatch__() implementation."
            )
        marked._is_param = True
        return marked

    def __repr__(self) -> str:  # type: ignore[override]
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor, metaclass=_Marked):
    """A tensor that a module registers as a buffer; not `persistent`: not in its state_dict."""

    __module__ = "torch.nn.parameter"
    _special = False
    _mark: str | None = "_is_buffer"

    def __new__(cls, data=None, *, persistent: bool = True):
        if data is None:
            data = empty(0)
        made = data.detach().requires_grad_(data.requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made


class UninitializedParameter(Parameter):
    """A parameter whose shape a lazy module finds out at its first call."""

    __module__ = "torch.nn.parameter"
    _mark = None
    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        return _sharing(cls, empty(0, device=device, dtype=dtype), requires_grad)

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Becomes a parameter of this shape, whose elements are still to be set."""
        self._array = empty(shape, device=device, dtype=dtype or self.dtype)._array
        memory(self)
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    def __repr__(self) -> str:  # type: ignore[override]
        return f"<{type(self).__name__}>"


class UninitializedBuffer(Tensor):
    """A buffer whose shape a lazy module finds out at its first call."""

    __module__ = "torch.nn.parameter"
    cls_to_become = Tensor
    materialize = UninitializedParameter.materialize

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        made = _sharing(cls, empty(0, device=device, dtype=dtype), requires_grad)
        made.persistent = persistent
        return made


def is_lazy(param) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, (UninitializedParameter, UninitializedBuffer))
