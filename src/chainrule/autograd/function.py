"""Custom Functions: operations whose forward and backward the user writes.

`apply` runs `forward` without recording and gives its outputs one node, a `FunctionNode`. What the user's methods call
`ctx` is an object beside that node, so that attributes a user sets on it cannot collide with the engine's own.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from numpy import generic, ndarray

from .. import graph_errors
from ..engine import Freed, Node, SavedTensor, call_user, fit_tensor, next_sequence, user_position
from ..inplace import bump_version, check_in_place, check_inference, move_history, rebase_history
from ..modes import CAREFUL, NO_GRAD, active_saved_hooks, local, no_grad
from ..op import REGISTRY, input_edge, save_input
from ..tensor import (
    IN_CUSTOM_FUNCTION,
    ONE_OF_MANY,
    DetachedCounter,
    Tensor,
    gradient_dtype,
    output_counters,
    refresh_view,
    wrap,
)
from ..warning import warn

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]


class FunctionCtx:
    """What forward and backward share: the saved tensors, the marks on inputs and outputs, and whatever users set."""

    __module__ = "torch.autograd.function"

    needs_input_grad: tuple[bool, ...] = ()
    to_save: tuple | None = None
    saved_for_forward: tuple | None = None
    dirty_tensors: tuple | None = None
    non_differentiable: tuple | None = None
    without_tangent: Sequence[int] = ()  # positions of the outputs marked non-differentiable
    materialize_grads = True
    _node: Any = None  # weak reference to the node
    _accessed = False

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors (or None) for backward, guarded against overwriting; call it once, in forward."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors (or None) for `jvp`."""
        for tensor in tensors:
            if not isinstance(tensor, Tensor) and tensor is not None:
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes "
                    "on ctx."
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Tells which inputs forward wrote to; each must be returned."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Tells which outputs have no derivative."""
        self.non_differentiable = args

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Without effect: tensors that share memory are noticed by themselves."""
        warn(
            "mark_shared_storage is deprecated. Tensors with shared storages are automatically tracked. Note that "
            "calls to `set_()` are not tracked",
            FutureWarning,
        )

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True, as it is at first) or None for outputs without gradient."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple:
        if self.saved_for_forward is not None:
            return self.saved_for_forward
        node = self._node and self._node()
        if node is None:
            return ()
        if not node.function.clear_saved_tensors_on_access:
            return node.saved_tensors
        if self._accessed:
            raise RuntimeError(
                "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the "
                "autograd.Function. Either access saved_tensors only once, or set clear_saved_tensors_on_access=False."
            )
        found = node.saved_tensors
        node.saved = tuple([None] * len(found))
        self._accessed = True
        return found

    @property
    def saved_variables(self) -> tuple:
        warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning)
        return self.saved_tensors

    def maybe_clear_saved_tensors(self) -> None:
        """Frees the saved tensors now."""
        node = self._node and self._node()
        if node is not None and node.saved:
            node.saved = Freed(*user_position(2))

    def __getattr__(self, name: str) -> Any:
        node = self._node and self._node()
        if node is not None and hasattr(type(node), name):
            return getattr(node, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class BackwardCFunction(FunctionCtx):
    """The `ctx` of one Function, as a class of its own: ``<name>Backward``."""

    __module__ = "torch.autograd.function"

    _forward_cls: type


class FunctionNode(Node):
    """The node of a custom Function's outputs. What users set on it they find on the `ctx`, and the other way round."""

    __slots__ = ("ctx", "function", "input_info", "n_outputs", "output_info", "tensor_inputs")
    output_info: tuple
    tensor_inputs: tuple[bool, ...] | None  # which arguments of forward were tensors; None: all

    on_tensors_only = True

    @property
    def saves_tensors(self) -> bool:  # type: ignore[override]
        return self.saved != ()

    def apply(self, *gradients):
        """What the Function's backward makes of these gradients of its outputs."""
        return self.function.backward(self.ctx, *gradients)

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that forward saved, unpacked and checked."""
        if self.function.clear_saved_tensors_on_access and self.ctx._accessed:
            return self.ctx.saved_tensors  # raises
        if self.saved.__class__ is Freed:
            raise graph_errors.freed(self)
        return tuple(None if s is None else self._unpack(s) for s in self.saved)

    @property
    def _raw_saved_tensors(self) -> tuple:
        if self.saved.__class__ is Freed:
            raise graph_errors.freed(self)
        self.saved = tuple([s if s is None or s.__class__ is SavedTensor else SavedTensor(s) for s in self.saved])
        for entry in self.saved:
            if entry is not None:
                entry.owner = weakref.ref(self)
        return self.saved

    def known_outputs(self) -> list:
        return list(self.output_info)

    def _unpack(self, entry: Any) -> Tensor:  # a SavedTensor or a Tensor
        tensor, saved_at = entry, 0
        if entry.__class__ is SavedTensor:
            if entry.is_output or entry.unpack_hook is not None:
                return entry.value(self, entry.edge or (None, 0))
            tensor, saved_at = entry.tensor, entry.version
        counter = tensor._counter
        while counter.__class__ is DetachedCounter and saved_at < counter.since:
            counter = counter.counter  # a Function, other than operations, may go on with what was detached since
        if counter is not None and counter.version != saved_at:
            raise graph_errors.modified_in_place(self, tensor, counter, saved_at, False)
        return tensor

    def backward(self, gradient, needs):
        if isinstance(gradient, list):
            gradient = [None if g is None else _as_tensor(g) for g in gradient]
        elif gradient is not None:
            gradient = _as_tensor(gradient)
        results = self.backward_tensors(gradient, needs)
        return [None if r is None else r._array if type(r) is Tensor else _as_array(r) for r in results]

    def backward_tensors(self, gradient, needs):
        gradients = list(gradient) if isinstance(gradient, list) else [gradient]
        gradients += [None] * (self.n_outputs - len(gradients))
        ctx = self.ctx
        if ctx.materialize_grads:
            for i, (g, info) in enumerate(zip(gradients, self.output_info, strict=True)):
                if g is None and info is not None:
                    from ..ops.creation import zeros

                    gradients[i] = zeros(info[0], dtype=_dtype(info[1]))
        return self._checked(call_user(_user_backward(self.function), ctx, *gradients))

    def _checked(self, results) -> list:
        """Gradients of the tensor inputs out of what backward returned, as PyTorch checks and fits them."""
        if not isinstance(results, tuple):
            results = (results,)
        edges, flags = self.edges, self.tensor_inputs
        count = len(edges if flags is None else flags)
        if len(results) > count and all(r is None for r in results[count:]):
            results = results[:count]
        if len(results) != count:
            raise graph_errors.of_function(
                self, f"returned an incorrect number of gradients (expected {count}, got {len(results)})"
            )
        gradients: list[Any] = []
        for position, result in enumerate(results):
            if flags is not None and not flags[position]:
                if result is not None:
                    raise RuntimeError(
                        f"function {type(self).__name__} returned a gradient different than None at position "
                        f"{position + 1}, but the corresponding forward input was not a Variable"
                    )
                continue
            if result is not None:
                if not isinstance(result, Tensor):
                    raise RuntimeError(f"expected Variable or None (got {type(result).__name__})")
                index = len(gradients)
                if edges[index] is not None:
                    array, (shape, dtype) = result._array, self.input_info[index]
                    if array.shape != shape or array.dtype is not dtype:
                        result = _fit_to_input(self, index, result)
            gradients.append(result)
        return gradients

    def __getattr__(self, name: str) -> Any:
        if name != "ctx":
            ctx = self.ctx
            if hasattr(type(ctx), name):
                return getattr(ctx, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


def _as_tensor(gradient) -> Tensor:
    """A gradient's array, dense or sparse, as a tensor of the class that it belongs to."""
    if isinstance(gradient, (ndarray, generic)):
        return wrap(gradient)
    from ..sparse.tensor import sparse

    return sparse(gradient)


def _as_array(gradient: Tensor):
    """What a gradient holds, such that hooks see a sparse one as a sparse tensor."""
    array = gradient._array
    if isinstance(array, (ndarray, generic)):
        return array
    from ..sparse.arrays import as_gradient

    return as_gradient(array)


def _fit_to_input(node, index: int, gradient: Tensor) -> Tensor:
    """A gradient summed and cast to the shape and dtype of the node's tensor input `index`."""
    shape, dtype = node.input_info[index]
    have = gradient._array.shape
    if have != shape:
        padded = (1,) * (len(have) - len(shape)) + shape
        if len(have) < len(shape) or any(n not in (1, h) for n, h in zip(padded, have)):
            raise graph_errors.of_function(
                node,
                f"returned an invalid gradient at index {index} - got {list(have)} but expected shape compatible with "
                f"{list(shape)}",
                "Function",
            )
    if dtype is not None and gradient.is_complex() and dtype.kind != "c":
        raise RuntimeError(
            "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be true, but got "
            "false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    return fit_tensor(gradient, shape, gradient._array.dtype if dtype is None else dtype)


def _dtype(numpy_dtype):
    from ..dtypes import from_numpy_dtype

    return from_numpy_dtype(numpy_dtype)


def _user_backward(cls) -> Callable:
    """The method that computes gradients: `backward`, or `vjp`, its other name."""
    if cls.backward is not Function.backward and cls.vjp is not Function.vjp:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement "
            "one of them."
        )
    return cls.vjp if cls.vjp is not Function.vjp else cls.backward


class FunctionMeta(type):
    """Gives every Function class the classes of its `ctx` and of its node."""

    _backward_cls: type
    _context_cls: type

    def __init__(cls, name: str, bases: tuple, attrs: dict) -> None:
        shown = {"__module__": "torch.autograd.function", "_forward_cls": cls}
        cls._context_cls = type(name + "Backward", (BackwardCFunction,), shown)
        cls._backward_cls = type(name + "Backward", (FunctionNode,), shown)
        super().__init__(name, bases, attrs)


class Function(metaclass=FunctionMeta):
    """An operation with a derivative of its own: a subclass with static methods `forward` and `backward`.

    ``forward(ctx, *args)``, or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``;
    ``backward(ctx, *gradients)`` returns one gradient (or None) for each argument of forward. Call it as
    ``F.apply(*args)``.
    """

    __module__ = "torch.autograd.function"

    generate_vmap_rule = False
    clear_saved_tensors_on_access = False  # True: `ctx.saved_tensors` may be read once, and then holds them no longer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch.",
            DeprecationWarning,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd "
            "function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs; to be overridden."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Saves what backward needs, when forward does not take `ctx`; may be overridden."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs from those of the outputs; to be overridden."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward  # the same under its mathematical name

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs from those of the inputs; to be overridden."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple, *args: Any) -> Any:
        """The outputs, and their batch dimensions, from inputs with batch dimensions; to be overridden."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs the operation and records it."""
        if cls.setup_context is not Function.setup_context:
            forward = cls.forward
            if kwargs or getattr(forward, "__defaults__", None) or getattr(forward, "__kwdefaults__", None):
                args, kwargs = _with_defaults(forward, args, kwargs)
        else:
            if kwargs:
                args, kwargs = _by_position(cls.forward, args, kwargs), {}
            if local.level_stack:
                _refuse_without_setup()
        for value in args:
            if isinstance(value, Tensor) and value._extra is not None and value._extra.special:
                from ..transforms import apply_function

                return apply_function(cls, args, kwargs)
        if kwargs:
            refuse_keywords(kwargs)
        return run_function(cls, args)


def _with_defaults(forward: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a call in the order of forward's parameters, defaults filled in, and those by keyword only."""
    import inspect

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def _by_position(forward: Any, args: tuple, kwargs: dict) -> tuple:
    """The arguments of a call in the order of the parameters of a forward that takes `ctx` first.

    Defaults are filled in only before an argument that is given: the rest are no inputs.
    """
    code: Any = forward.__code__
    names = code.co_varnames[1 : code.co_argcount]
    for name in kwargs:
        if name not in names:
            refuse_keywords((name,))
        if name in names[: len(args)]:
            raise TypeError(f"forward() got multiple values for argument '{name}'")
    defaults = dict(zip(reversed(names), reversed(forward.__defaults__ or ())))
    last = max(map(names.index, kwargs))
    made = list(args)
    for name in names[len(args) : last + 1]:
        if name not in kwargs and name not in defaults:
            raise TypeError(f"{forward.__name__}() missing 1 required positional argument: '{name}'")
        made.append(kwargs.get(name, defaults.get(name)))
    return tuple(made)


def refuse_keywords(names) -> None:
    """Raises PyTorch's error for arguments that have no position, and so no gradient."""
    for name in names:
        raise TypeError(f"forward() got an unexpected keyword argument '{name}'")


MORE_ABOUT_FUNC = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


def _refuse_without_setup() -> None:
    """Raises PyTorch's error for a Function whose forward takes `ctx`, inside a function that is being transformed."""
    from ..transforms import inside_func

    if inside_func():
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must "
            f"override the setup_context staticmethod. {MORE_ABOUT_FUNC}"
        )


def run_function(cls: type[Function], args: tuple, ctx: FunctionCtx | None = None) -> Any:
    """Runs a Function on ordinary tensors: its node, its forward, and what its outputs become."""
    if ctx is None:
        ctx = cls._context_cls()
    tensors, needs = [], []
    for value in args:
        if isinstance(value, Tensor):
            tensors.append(value)
            needs.append(value._requires_grad if value._extra is None else value.requires_grad)
        else:
            needs.append(False)
    ctx.needs_input_grad = tuple(needs)
    grad_mode, grad_enabled = local.grad_mode, local.grad_enabled
    forward_grad, mode = local.forward_grad_enabled, local.mode
    # grad mode alone decides: PyTorch records Functions even in inference mode, where it has been switched on again
    node = _make_node(cls, ctx, args, tensors) if grad_mode and True in needs else None
    with_setup = cls.setup_context is not Function.setup_context
    # no_grad for forward, spelled out
    local.grad_mode = local.grad_enabled = local.forward_grad_enabled = False
    local.mode = inside = CAREFUL if mode == CAREFUL else NO_GRAD
    try:
        if with_setup:
            returned = cls.forward(*args)
            cls.setup_context(ctx, args, returned)
        else:
            returned = cls.forward(ctx, *args)
        outputs = returned if isinstance(returned, tuple) else (returned,)
        local.forward_grad_enabled = forward_grad
        if node is None or not _is_one_fresh_output(ctx, tensors, returned):
            outputs = tuple(_finish_outputs(ctx, node, tensors, list(outputs), with_setup))
        else:
            returned._node = node
            returned._requires_grad = True
            if returned._counter is not None:
                output_counters(node)[0] = returned._counter
            node.n_outputs = 1
            node.output_info = ((returned._array.shape, returned._array.dtype),)
    finally:
        local.grad_mode, local.grad_enabled, local.forward_grad_enabled = grad_mode, grad_enabled, forward_grad
        if local.mode == inside:
            local.mode = mode
        else:  # forward has left a switch changed
            local.refresh()
    # What stays on the context from here on would keep outputs, and with them the node.
    to_save = ctx.to_save
    if to_save is not None:
        ctx.to_save = None
    if ctx.dirty_tensors is not None:
        ctx.dirty_tensors = None
    if ctx.non_differentiable is not None:
        marked = {id(tensor) for tensor in ctx.non_differentiable}
        ctx.without_tangent = [i for i, output in enumerate(outputs) if id(output) in marked]
        ctx.non_differentiable = None
    if to_save is not None:
        _check_saved(to_save)
        if node is not None:
            node.saved = _save(to_save, outputs)
    if node is not None and local.anomaly is not None:
        local.anomaly.remember(node)
    return outputs if isinstance(returned, tuple) else outputs[0]


def _is_one_fresh_output(ctx, tensors, returned) -> bool:
    """Whether forward returned one new tensor, without marks: the common case, which needs none of the rules below."""
    if (
        returned.__class__ is not Tensor
        or returned._extra is not None
        or ctx.dirty_tensors is not None
        or ctx.non_differentiable is not None
        or returned._array.dtype.kind not in "fcV"
    ):
        return False
    for tensor in tensors:  # noqa: SIM110 - all() takes longer, and this runs at every call
        if returned is tensor:
            return False
    return True


def _make_node(cls, ctx, args, tensors) -> FunctionNode:
    node = object.__new__(cls._backward_cls)
    node.ctx = ctx
    node.__dict__ = ctx.__dict__
    ctx._node = weakref.ref(node)
    node.function = cls
    edges, info, numbers = [], [], None
    for tensor in tensors:
        array = tensor._array
        if tensor._extra is None:
            edges.append((tensor._node or tensor) if tensor._requires_grad else None)
            info.append((array.shape, array.dtype))
        else:
            if tensor._extra.view is not None:
                refresh_view(tensor)
            edge, number = input_edge(tensor)
            if number:
                numbers = numbers or [0] * len(tensors)
                numbers[len(edges)] = number
            edges.append(edge)
            info.append((array.shape, gradient_dtype(tensor)))
    node.edges = tuple(edges)
    node.input_info = tuple(info)
    node.sequence = next_sequence()
    node.code, node.lasti = user_position(4)
    node.meta = None
    if numbers is not None:
        node.own_meta().numbers = tuple(numbers)
    node.saved = ()
    node.tensor_inputs = None if len(tensors) == len(args) else tuple([isinstance(v, Tensor) for v in args])
    return node


def _check_saved(to_save) -> None:
    for position, value in enumerate(to_save):
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {position} is of type {type(value).__name__}"
            )


def _save(to_save, outputs: tuple) -> tuple:
    """What the node keeps of each tensor; of an output only the array, since the tensor holds the node."""
    hooks = active_saved_hooks()
    numbers = {id(output): number for number, output in enumerate(outputs)}
    saved: list[Any] = []
    for tensor in to_save:
        if tensor is None:
            saved.append(None)
        elif tensor._requires_grad and id(tensor) in numbers and not tensor.is_inference():
            saved.append(SavedTensor(tensor, is_output=True, number=numbers[id(tensor)], hooks=hooks))
        else:
            saved.append(save_input(tensor, hooks))
    return tuple(saved)


def _marked(tensors, what: str) -> set[int]:
    """The ids of the tensors a mark names."""
    for position, tensor in enumerate(tensors or ()):
        if not isinstance(tensor, Tensor):
            raise RuntimeError(f"{what}, but argument {position} is of type {type(tensor).__name__}")
    return {id(tensor) for tensor in tensors or ()}


def _finish_outputs(ctx, node, tensors, outputs: list, with_setup: bool) -> list:
    """Gives each output tensor its history; the outputs, of which some become others."""
    dirty = _marked(ctx.dirty_tensors, "mark_dirty can only accept variables")
    for tensor in ctx.dirty_tensors or ():
        check_inference(tensor)
        bump_version(tensor)
    without_gradient = _marked(ctx.non_differentiable, "mark_non_differentiable only accepts variable arguments")
    inputs = {id(tensor) for tensor in tensors}
    saved = {id(tensor) for tensor in ctx.to_save or ()}
    info: list = [None] * len(outputs)
    returned = {id(output) for output in outputs}
    differentiable_outputs = 0
    for number, output in enumerate(outputs):
        if not isinstance(output, Tensor):
            continue
        info[number] = (output._array.shape, output._array.dtype)
        is_input, modified = id(output) in inputs, id(output) in dirty
        differentiable = node is not None and id(output) not in without_gradient and output._array.dtype.kind in "fcV"
        if not differentiable:
            output = _without_history(output, is_input, modified)
        elif modified:
            _rebase_dirty(output, node, number, is_input, len(outputs))
        else:
            if is_input:
                if with_setup and id(output) in saved:
                    raise RuntimeError(
                        "An input that has been returned as-is as output is being saved for backward. This is not "
                        "supported if you override setup_context. You should return and save a view of the input "
                        "instead, e.g. with x.view_as(x) or setup ctx inside the forward function itself."
                    )
                output = REGISTRY["alias"].apply(output)
            set_history(output, node, number)
        if output._is_view() and not (is_input and modified):
            output._extra.view.creation = IN_CUSTOM_FUNCTION
        differentiable_outputs += differentiable
        outputs[number] = output
    if differentiable_outputs > 1:  # the order of writes through several views would be unknown
        for output in outputs:
            if isinstance(output, Tensor) and output._is_view():
                output._extra.view.creation = ONE_OF_MANY
    if not dirty <= returned:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
            "modified inplace must all be outputs of the Function."
        )
    if node is not None:
        node.n_outputs = len(outputs)
        node.output_info = tuple(info)
    return outputs


def _without_history(output: Tensor, is_input: bool, modified: bool) -> Tensor:
    if not output.requires_grad:
        return REGISTRY["alias"].apply(output) if is_input and not modified else output
    if is_input:
        return output.detach()
    if not output._is_view():
        output.detach_()
    return output


def set_history(tensor: Tensor, node, number: int) -> None:
    """Makes a tensor that forward returned output `number` of `node`."""
    move_history(tensor, node, number)
    if tensor._is_view():
        tensor._extra.view.version = tensor._counter.version
    if tensor._counter is not None:
        output_counters(node)[number] = tensor._counter


def _rebase_dirty(tensor: Tensor, node, number: int, is_input: bool, count: int) -> None:
    if tensor.requires_grad and tensor._node is None:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if not is_input:
        text = (
            "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated "
            "should be passed to ctx.mark_dirty()."
        )
        if tensor._is_view():
            raise RuntimeError(text)
        warn(text)
    if tensor._is_view() and count > 1:
        raise RuntimeError(
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot "
            "return more than one Tensor. This is not supported by the current autograd engine. You should either "
            "make sure the input is not a view (using .clone() for example) or make your Function only return one "
            "Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor "
            "and a second one that does the other operations). You can ask on the forum https://discuss.pytorch.org/ "
            "if you need help to do this change."
        )
    tensor._grad = None
    check_in_place(tensor, True)
    if tensor._is_view():
        node.n_outputs = 1  # the write is recorded through the base
        rebase_history(tensor, node)
    else:
        set_history(tensor, node, number)


class DelayedError(Node):
    """Stands where a second derivative is missing: raises when a gradient arrives."""

    __slots__ = ("message", "n_outputs")

    message: str
    saves_tensors = False

    def name(self) -> str:
        return "torch::autograd::Error"

    def backward(self, gradient, needs):
        raise RuntimeError(self.message)

    backward_tensors = backward


DelayedError.__name__ = DelayedError.__qualname__ = "Error"
DelayedError.__module__ = "builtins"


class NotImplementedNode(DelayedError):
    """Stands where an operation without a derivative wrote to a tensor."""

    __slots__ = ()

    def name(self) -> str:
        return "torch::autograd::NotImplemented"


NotImplementedNode.__name__ = NotImplementedNode.__qualname__ = "NotImplemented"
NotImplementedNode.__module__ = "builtins"


def leave_underivable(operation: str, tensor: Tensor, *others: Any) -> None:
    """Lets backward fail at a tensor that an operation without a derivative has written to."""
    node = object.__new__(NotImplementedNode)
    node.message = f"derivative for {operation} is not implemented"
    edges, numbers = zip(*[input_edge(value) for value in (tensor, *others)], strict=True)
    node.edges = edges
    node.sequence = next_sequence()
    node.code, node.lasti = user_position(2)
    node.meta = None
    if any(numbers):
        node.own_meta().numbers = numbers
    node.saved = ()
    node.n_outputs = 1
    rebase_history(tensor, node)


def once_differentiable(fn: Callable) -> Callable:
    """Decorates a `backward` that cannot itself be differentiated: doing so then raises."""

    @functools.wraps(fn)
    def wrapper(ctx, *args):
        with no_grad():
            outputs = fn(ctx, *args)
        if not local.grad_enabled or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return outputs
        several = isinstance(outputs, tuple)
        results = list(outputs) if several else [outputs]
        node = object.__new__(DelayedError)
        node.message = "trying to differentiate twice a function that was marked with @once_differentiable"
        node.edges = tuple([None if r is None else r.detach().requires_grad_() for r in results])
        node.sequence = next_sequence()
        node.code, node.lasti = user_position(2)
        node.meta = None
        node.saved = ()
        node.n_outputs = len(results)
        for number, result in enumerate(results):
            if result is not None:
                results[number] = result.detach()
                set_history(results[number], node, number)
        return tuple(results) if several else results[0]

    return wrapper


class InplaceFunction(Function):
    """The old base class of Functions with an in-place variant; use Function."""

    __module__ = "torch.autograd.function"

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """The old base class of Functions with nested arguments: only its interface is left, as in PyTorch."""

    __module__ = "torch.autograd.function"

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """To be overridden."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    def forward_extended(self, *input: Any) -> None:
        """To be overridden."""
        raise NotImplementedError

    def backward_extended(self, *grad_output: Any) -> None:
        """To be overridden."""
        raise NotImplementedError
