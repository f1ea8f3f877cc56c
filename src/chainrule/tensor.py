"""The Tensor: an array, whether it requires grad, what made it, and what views and in-place writes need to know."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes
from .modes import local
from .opened import Opened
from .size import CPU, Size, strided

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Tensor", "is_inference", "is_tensor"]

new = object.__new__
ndarray = np.ndarray


class VersionCounter:
    """Counts in-place writes to one piece of memory; shared by all tensors that look at it."""

    __slots__ = ("version", "writes")

    def __init__(self) -> None:
        self.version = 0
        self.writes: dict | None = None  # {version: (code, instruction offset)} of the last few writes

    def counted(self, version: int) -> int:
        """A version of this counter as the number of writes, which is what PyTorch calls it."""
        return version

    def write_after(self, version: int):
        """The position of the first write after a version; None if it is not known any more."""
        return self.writes and self.writes.get(version + 1)


class DetachedCounter(VersionCounter):
    """The counter of a tensor after `detach_`: one ahead, so that what was saved of the tensor before is refused."""

    __slots__ = ("counter", "since")

    def __init__(self, counter: VersionCounter) -> None:
        self.counter = counter
        self.since = counter.version + 1
        self.writes = None

    @property
    def version(self) -> int:
        return self.counter.version + 1

    @version.setter
    def version(self, version: int) -> None:
        self.counter.version = version - 1

    def _before(self, version: int) -> int:
        return version - 1 if version >= self.since else version

    def counted(self, version: int) -> int:
        return self.counter.counted(self._before(version))

    def write_after(self, version: int):
        before = self._before(version)
        return self.counter.write_after(before) or (self.writes and self.writes.get(before + 2))


class Extra:
    """What few tensors have: an output number, a view's origin, hooks, a tangent, a batch dimension, flags.

    Class attributes are the defaults, so that making one (each view has one) costs little."""

    output_number = 0
    view: Any = None  # View
    hooks: Any = None  # {id: hook} of a leaf; a non-leaf's hooks belong to its node
    post_accumulate_hooks: Any = None
    retains_grad = False
    grad_dtype: object = ...  # the dtype of gradients of a leaf: None for any, ... for its own
    accumulator: Any = None  # weak reference to the AccumulateGrad object that was asked for
    inference = False
    writable = False  # an inference tensor that detach or .data made in normal mode: there it may be written to
    tangent: Any = None  # forward-mode tangent
    batch: Any = None  # vmap's batch dimension
    storage: Any = None  # what x.storage() returned
    special = False  # operations must look closer: a tangent, a batch dimension, a subclass with its own rules
    name = None


class View:
    """Where a view comes from: its base and how autograd is to treat in-place writes through it."""

    replay = None  # ((op record, settings, output number), ...) from the base, where strides cannot say it
    tangents = 0  # PARTS or another of the constants below

    def __init__(self, base, creation: int, version: int, replay=None) -> None:
        self.base = base
        self.creation = creation  # one of the constants below
        self.version = version  # the counter's version for which the tensor's grad_fn is true
        if replay is not None:
            self.replay = replay


# Whose a view's tangents are: its own, if `make_dual` or `unpack_dual` made it, and so with views of such a view.
PARTS, OWN, PARTS_OF_OWN = range(3)

# How a view was made, as far as in-place writes care.
ORDINARY, IN_NO_GRAD, ONE_OF_MANY, IN_CUSTOM_FUNCTION, IN_INFERENCE = range(5)


class Tensor(metaclass=Opened):
    """A multi-dimensional array that remembers how it was computed. See PyTorch's documentation of torch.Tensor."""

    __module__ = "torch"  # what type(x) prints
    # No __setattr__, __delattr__ or __getattribute__ here: they would make every store to a slot several times as slow.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_array",
        "_counter",
        "_extra",
        "_grad",
        "_node",
        "_requires_grad",
    )
    _array: Any  # a NumPy array
    _counter: Any
    _extra: Any
    _grad: Any
    _node: Any  # what made it; `grad_fn` is the same, brought up to date
    _requires_grad: bool

    if TYPE_CHECKING:  # most methods are put here by the operations (ops/publishing.py)

        def __getattr__(self, name: str) -> Any: ...

        # Operators are looked up in the class.
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rlshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __rrshift__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __contains__(self, element: Any) -> bool: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __index__(self) -> int: ...
        def __float__(self) -> float: ...
        def __complex__(self) -> complex: ...

    def __new__(cls, *args, **kwargs):
        from .legacy import legacy_tensor

        return legacy_tensor(cls, *args, **kwargs)

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        TENSOR_TYPES.add(cls)
        if "_special" not in vars(cls) and ("__torch_function__" in vars(cls) or cls.__mro__[1] is Tensor):
            cls._special = True

    _special = False  # whether operations ask the class (`__torch_function__`); subclasses do, unless they say not
    __hash__ = object.__hash__
    __array_priority__ = 1000

    # ---- what it is

    @property
    def shape(self) -> Size:
        return tuple.__new__(Size, self._array.shape)

    @property
    def ndim(self) -> int:
        return self._array.ndim

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    ndimension = dim

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.from_numpy_dtype(self._array.dtype)

    @property
    def device(self):
        return CPU

    @property
    def layout(self):
        return strided

    @property
    def itemsize(self) -> int:
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    nelement = numel

    def get_device(self) -> int:
        return -1

    is_cuda = is_mps = is_xpu = is_sparse = is_sparse_csr = is_quantized = is_meta = is_mkldnn = is_nested = False
    is_cpu = True

    # ---- autograd state

    @property
    def requires_grad(self) -> bool:
        extra = self._extra
        return self._requires_grad or (extra is not None and extra.view is not None and extra.view.base._requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if self._node is not None:
            raise _fixed_flag(value)
        if value and self._array.dtype.kind in "iub":
            raise _explained(RuntimeError("only Tensors of floating point and complex dtype can require gradients"))
        self._set_requires_grad(value)
        if local.level_stack:
            from .transforms import own_leaf

            own_leaf(self)

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Makes a leaf record (or stop recording) what is computed from it; RuntimeError on a non-leaf."""
        if not isinstance(requires_grad, bool):
            if not isinstance(requires_grad, int):
                raise TypeError(
                    f"requires_grad_(): argument 'requires_grad' must be bool, not {type(requires_grad).__name__}"
                )
            requires_grad = bool(requires_grad)
        if local.level_stack:
            from .transforms import refuse_inside_func

            refuse_inside_func("requires_grad_", "(or perhaps using torch.autograd.functional.* APIs) ")
        return self._set_requires_grad(requires_grad)

    def _set_requires_grad(self, requires_grad: bool) -> Tensor:
        if requires_grad and self.is_inference() and not local.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if requires_grad == self._requires_grad:  # a view made in no_grad can get a flag of its own
            return self
        if self._node is not None:
            raise _fixed_flag(requires_grad)
        if requires_grad and self._array.dtype.kind in "iub":
            raise _explained(RuntimeError("only Tensors of floating point dtype can require gradients"))
        self._requires_grad = requires_grad
        if self._extra is not None and self._extra.batch is not None:
            self._extra.batch.value._set_requires_grad(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def grad_fn(self):
        extra = self._extra
        if extra is not None and extra.view is not None:
            refresh_view(self)
        node = self._node
        return None if node is None or node.is_end else node

    @property
    def _grad_fn(self):
        return self.grad_fn

    @_grad_fn.setter
    def _grad_fn(self, value: None) -> None:
        if value is not None:
            raise RuntimeError("_grad_fn can be only set to None")
        self.detach_()

    @_grad_fn.deleter
    def _grad_fn(self) -> None:
        raise RuntimeError("Deletion of _grad_fn not allowed. Detach tensor instead!")

    @property
    def output_nr(self) -> int:
        return 0 if self._extra is None else self._extra.output_number

    @property
    def grad(self) -> Tensor | None:
        """The gradient accumulated by backward; None before. Reading a non-leaf's warns."""
        if self._grad is None and self.requires_grad and self._node is not None and not self.retains_grad:
            import warnings

            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't "
                "be populated during autograd.backward(). If you indeed want the .grad field to be populated for a "
                "non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by "
                "mistake, make sure you access the leaf Tensor instead. See "
                "github.com/pytorch/pytorch/pull/30531 for more information.",
                UserWarning,
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
                )
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad")
            wanted = gradient_dtype(self)
            if wanted is not None and value._array.dtype is not wanted:
                raise RuntimeError(
                    f"attempting to assign a gradient with dtype '{_type_word(value)}' to a tensor with grad_dtype "
                    f"'{dtypes.scalar_name(dtypes.from_numpy_dtype(wanted))}'. The gradient must match the tensor's grad_dtype (defaults to the "
                    "tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to allow "
                    "any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its gradient may break "
                    "downstream systems that assume they match."
                )
            if value._array.shape != self._array.shape:
                raise RuntimeError(
                    f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size "
                    f"'{list(self.shape)}'. Please ensure that the gradient and the tensor are the same size"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def grad_dtype(self):
        """The dtype that this leaf's gradients have: its own unless set to another, or to None for any."""
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        dtype = gradient_dtype(self)
        return None if dtype is None else dtypes.from_numpy_dtype(dtype)

    @grad_dtype.setter
    def grad_dtype(self, value) -> None:
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        if value is not None and not isinstance(value, dtypes.dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        if value is not None and self._grad is not None and self._grad.dtype is not value:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{dtypes.scalar_name(value)}' because there is already a gradient with dtype "
                f"'{_type_word(self._grad)}'. Please clear the gradient (.grad = None) before changing grad_dtype, or ensure "
                "the new grad_dtype matches the existing gradient's dtype."
            )
        own_extra(self).grad_dtype = value

    @property
    def volatile(self) -> bool:
        from .warning import warn

        warn("volatile was removed (Variable.volatile is always False)")
        return False

    @property
    def retains_grad(self) -> bool:
        return self._extra is not None and self._extra.retains_grad

    @property
    def _version(self) -> int:
        if self._extra is not None and self._extra.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        counter = self._counter
        while isinstance(counter, DetachedCounter):
            counter = counter.counter
        return 0 if counter is None else counter.version

    @property
    def _base(self) -> Tensor | None:
        return None if self._extra is None or self._extra.view is None else self._extra.view.base

    def _is_view(self) -> bool:
        return self._base is not None

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._extra is not None and self._extra.inference

    @property
    def name(self):
        return None if self._extra is None else self._extra.name

    # ---- pickling and copying live in serialization.py; operations attach themselves as methods (see op.py)

    def __repr__(self, *, tensor_contents=None) -> str:
        from .printing import tensor_repr

        return tensor_repr(self, contents=tensor_contents)

    def __format__(self, spec: str) -> str:
        from .printing import format_tensor

        return format_tensor(self, spec)

    def __len__(self) -> int:
        shape = self._array.shape
        if not shape:
            raise TypeError("len() of a 0-d tensor")
        return shape[0]


def _fixed_flag(requires_grad: bool) -> RuntimeError:
    """The error for a change of what a computed tensor requires."""
    hint = (
        ""
        if requires_grad
        else " If you want to use a computed variable in a subgraph that doesn't require differentiation "
        "use var_no_grad = var.detach()."
    )
    return _explained(RuntimeError("you can only change requires_grad flags of leaf variables." + hint))


def _explained(error: RuntimeError) -> RuntimeError:
    from .graph_errors import explained

    return explained(error)


def _type_word(tensor: Tensor) -> str:
    """C++'s word for a tensor's element type, which some of PyTorch's messages use."""
    return dtypes.c_name(tensor.dtype)


TENSOR_TYPES = {Tensor}  # Tensor and its subclasses: a quick test of what is a leaf among a node's edges


def is_inference(input: Tensor) -> bool:
    """Whether `input` was made in inference mode."""
    return input.is_inference()


def get_device(input: Tensor) -> int:
    """-1: `input` is in the CPU's memory."""
    return input.get_device()


def is_tensor(obj) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def wrap(array) -> Tensor:
    """A new tensor, without history, of an array or NumPy scalar."""
    tensor = new(Tensor)
    tensor._array = array
    tensor._requires_grad = False
    tensor._node = tensor._grad = tensor._counter = tensor._extra = None
    return tensor


def wrap_as(cls: type[Tensor], array) -> Any:
    """The same for a subclass of Tensor, whose own rules (`__torch_function__`) operations are to respect."""
    tensor: Any = new(cls)
    tensor._array = array
    tensor._requires_grad = False
    tensor._node = tensor._grad = tensor._counter = tensor._extra = None
    if cls._special:
        own_extra(tensor).special = True
    return tensor


def gradient_dtype(tensor: Tensor):
    """The NumPy dtype that gradients of this tensor have; None for any."""
    extra = tensor._extra
    if extra is None or extra.grad_dtype is ...:
        return tensor._array.dtype
    return None if extra.grad_dtype is None else extra.grad_dtype.numpy_dtype


def own_extra(tensor: Tensor) -> Extra:
    """The tensor's Extra, made if it has none."""
    extra = tensor._extra
    if extra is None:
        extra = tensor._extra = Extra()
    return extra


def memory(tensor: Tensor) -> ndarray:
    """The tensor's elements as memory that can be shared and written: a NumPy scalar becomes a 0-d array first."""
    array = tensor._array
    if type(array) is not ndarray:
        array = tensor._array = np.asarray(array)
    return array


def version_counter(tensor: Tensor) -> VersionCounter:
    """The tensor's version counter, made when it is first needed: at a view or an in-place write."""
    counter = tensor._counter
    if counter is None:
        node = tensor._node
        counter = tensor._counter = VersionCounter() if node is None else output_counter(node, tensor.output_nr)
    return counter


def output_counter(node, number: int) -> VersionCounter:
    """The version counter of an output of a node, which the node knows to check what it saved of that output."""
    counters = output_counters(node)
    if number not in counters:
        counters[number] = VersionCounter()
    return counters[number]


def output_counters(node) -> dict[int, VersionCounter]:
    """{output number: version counter} of a node."""
    meta = node.own_meta()
    if meta.output_counters is None:
        meta.output_counters = {}
    return meta.output_counters


def refresh_view(tensor: Tensor) -> None:
    """Gives a view a new grad_fn if its memory was written to since it was made; RuntimeError where it cannot have one."""
    view = tensor._extra.view
    if view.version != tensor._counter.version:
        from .inplace import regenerate_grad_fn

        regenerate_grad_fn(tensor)


def accumulate_grad(leaf: Tensor):
    """The AccumulateGrad object of a leaf; the same one as long as somebody holds it."""
    from .autograd.graph import AccumulateGrad

    extra = own_extra(leaf)
    found = extra.accumulator and extra.accumulator()
    if found is None:
        found = AccumulateGrad(leaf)
        extra.accumulator = weakref.ref(found)
    return found


def gradient_edge(tensor: Tensor):
    """(node, output number) that a gradient for `tensor` goes to; a leaf is its own end, (tensor, 0)."""
    if tensor._extra is not None and tensor._extra.batch is not None:
        return gradient_edge(tensor._extra.batch.value)
    if tensor._extra is not None and tensor._extra.view is not None:
        refresh_view(tensor)
    node = tensor._node
    if node is not None:
        return node, tensor.output_nr
    return (tensor, 0) if tensor._requires_grad else (None, 0)


def leaves_behind(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """The leaves that tensors were computed from through the recorded graph, each once; a leaf is its own."""
    stack: list[Any] = [gradient_edge(tensor)[0] for tensor in tensors]
    seen: set[int] = set()
    while stack:
        one = stack.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            yield one
        else:
            stack.extend(one.edges)
