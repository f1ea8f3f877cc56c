"""torch.utils.checkpoint: intermediate values computed again during backward instead of being kept.

The non-reentrant kind puts a placeholder in the place of every tensor that the function saves. The first placeholder
that a backward needs has the function run again, whose saved tensors then fill all placeholders. The reentrant kind is
a custom Function whose backward runs the function again and calls backward on what comes out.
"""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..amp import casting_to
from ..autograd import backward
from ..autograd.function import Function, run_function
from ..autograd.graph import saved_tensors_hooks
from ..modes import enable_grad, is_grad_enabled, local, no_grad
from ..random import fork_rng, get_rng_state, set_rng_state
from ..tensor import Tensor
from .selective_checkpoint import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "GraphExecGroup",
    "SAC_IGNORED_OPS",
    "SelectiveCheckpointContext",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

_DEBUG_TIP = (
    "Tip: To see a more detailed error message, either pass `debug=True` to\n`torch.utils.checkpoint.checkpoint(...)` "
    "or wrap the code block\nwith `with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):` to\nenable "
    "checkpoint-debug mode globally."
)
_EXPLICIT = (
    "the use_reentrant parameter should be passed explicitly. {} use_reentrant=False is recommended, but if you need "
    "to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
    "differences between the two variants."
)
_early_stop: bool | None = None  # set_checkpoint_early_stop
_debug: bool | None = None  # set_checkpoint_debug_enabled


# Operations that selective checkpoints do not ask about: those that only pass memory on. There are none here.
SAC_IGNORED_OPS: frozenset = frozenset()


class DefaultDeviceType:
    """The device whose random state a checkpoint keeps where its arguments name none: always the CPU's, too."""

    _device_type = "cpu"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Remembers a device."""
        DefaultDeviceType._device_type = device

    @staticmethod
    def get_device_type() -> str:
        """The device remembered."""
        return DefaultDeviceType._device_type


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """([], []): the devices other than the CPU that the arguments are on, and their random states."""
    return [], []


def set_device_states(devices: list[int], states: list[Tensor], *, device_type: str | None = None) -> None:
    """Gives devices random states; there are none but the CPU."""


class CheckpointError(RuntimeError):
    """What a checkpointed function saved when it ran again is not what it saved the first time."""


class _Stop(Exception):
    """All that is needed has been computed again."""


def noop_context_fn() -> tuple:
    """Two contexts that do nothing: for the forward, and for running it again."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Inside, checkpoints stop running their function again as soon as they have what they need, or (False) never."""
    global _early_stop
    previous, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = previous


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Inside, `debug` is this for every checkpoint."""
    global _debug
    previous, _debug = _debug, enabled
    try:
        yield
    finally:
        _debug = previous


def detach_variable(inputs: tuple) -> tuple:
    """The inputs with tensors detached, as leaves that require grad where the inputs did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs)


def check_backward_validity(inputs: Iterable) -> None:
    """Warns if none of the inputs requires grad."""
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class CheckpointFunction(Function):
    """The reentrant checkpoint: arguments are the function, whether to preserve the random state, and its arguments."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.rng_state = get_rng_state() if preserve_rng_state else None
        ctx.autocast = local.autocast
        ctx.arguments = tuple(None if isinstance(x, Tensor) else x for x in args)
        ctx.places = tuple(i for i, x in enumerate(args) if isinstance(x, Tensor))
        ctx.save_for_backward(*[args[i] for i in ctx.places])
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *args):
        if local.task is not None and local.task.inputs is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        arguments = list(ctx.arguments)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            arguments[place] = tensor
        with _random_state(ctx.rng_state), casting_to(ctx.autocast):
            arguments = detach_variable(tuple(arguments))
            with enable_grad():
                outputs = ctx.run_function(*arguments)
        if isinstance(outputs, Tensor):
            outputs = (outputs,)
        roots = [(y, g) for y, g in zip(outputs, args, strict=True) if isinstance(y, Tensor) and y.requires_grad]
        if not roots:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([y for y, _ in roots], [g for _, g in roots])
        return (None, None, *[x.grad if isinstance(x, Tensor) else None for x in arguments])


@contextlib.contextmanager
def _random_state(state) -> Iterator[None]:
    """Inside, random numbers start from `state`; afterwards they go on as if nothing had been drawn."""
    if state is None:
        yield
        return
    with fork_rng():
        set_rng_state(state)
        yield


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
):
    """``function(*args, **kwargs)``, keeping none of its intermediate values: backward runs it again.

    `use_reentrant` chooses the kind and should be given. ``preserve_rng_state=False`` lets random numbers differ the
    second time. For the non-reentrant kind: `context_fn` gives two contexts, for the forward and for running it again;
    `determinism_check` ("default" or "none") compares what is saved the second time with what was saved the first time,
    and raises CheckpointError; `early_stop` ends the second run once it has saved everything. `debug` is accepted.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: "
            + _EXPLICIT.format(
                "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception."
            ),
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if (debug if _debug is None else _debug) and context_fn is not noop_context_fn:
        raise ValueError("debug=True is incompatible with non-default context_fn")
    if determinism_check not in _DETERMINISM_CHECKS:
        raise ValueError(f"determinism_check should be one of {list(_DETERMINISM_CHECKS)}, but got {determinism_check}")
    forward_context, again_context = context_fn()
    if not is_grad_enabled():
        return function(*args, **kwargs)
    stop = early_stop if _early_stop is None else _early_stop
    frame = _Frame(function, kwargs, stop, _DETERMINISM_CHECKS[determinism_check], again_context)
    frame.keep_arguments(args)
    if frame.inputs is None:  # grad mode went off in a Function's forward
        return function(*args, **kwargs)
    frame.rng_state = get_rng_state() if preserve else None
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context:
        result = function(*args, **kwargs)
    frame.forward_done = True
    return result


def _looks(tensor: Tensor) -> dict:
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


_DETERMINISM_CHECKS: dict[str, Callable] = {"default": _looks, "none": lambda tensor: None}


class _Placeholder:
    """Stands for one saved tensor; `values` has it, for each backward that has computed it again."""

    __slots__ = ("__weakref__", "values")

    def __init__(self) -> None:
        self.values: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class _KeepArguments(Function):
    """Saves tensors as an operation does, so that the hooks of an enclosing checkpoint see them."""

    @staticmethod
    def forward(ctx, *tensors):
        from ..ops.creation import empty

        ctx.save_for_backward(*tensors[1:])
        return empty(0)

    @staticmethod
    def backward(ctx, gradient):
        raise AssertionError("nothing leads back to this node")


class _Frame:
    """One checkpointed call."""

    def __init__(self, function, kwargs, early_stop, look, context) -> None:
        self.function, self.kwargs = function, kwargs
        self.early_stop, self.look, self.context = early_stop, look, context
        self.rng_state: Tensor | None = None
        self.autocast = local.autocast
        self.forward_done = False
        self.placeholders: list[weakref.ref] = []
        self.looks: list = []
        self.done: weakref.WeakSet = weakref.WeakSet()  # the backward calls that have run the function again

    def keep_arguments(self, args) -> None:
        """Keeps the arguments: tensors through a node's saved tensors."""
        from ..ops.creation import empty

        self.arguments = [None if isinstance(x, Tensor) else x for x in args]
        self.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        probe = empty(0, requires_grad=True)
        # not `apply`: the arguments are kept with all that they carry for forward mode and vmap
        self.inputs = run_function(_KeepArguments, (probe, *[args[i] for i in self.places])).grad_fn

    def pack(self, tensor: Tensor) -> _Placeholder:
        placeholder = _Placeholder()
        self.placeholders.append(weakref.ref(placeholder))
        with no_grad():
            self.looks.append(self.look(tensor))
        return placeholder

    def unpack(self, placeholder: _Placeholder) -> Tensor:
        group: Any = _group if _group is not None else local.task if local.task is not None else _Group()
        if group not in self.done:
            self.run_again(group)
        if group not in placeholder.values:
            extra = (
                "You are calling ctx.saved_tensors more than once, or performing two backward calls that overlap. "
                if _group is None
                else "Performing two backward calls that overlap (i.e. require the same saved activation) in "
                "torch.utils.checkpoint.GraphExecGroup() is not allowed. "
            )
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. "
                f"{extra}If you are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise "
                "please open an issue with details on your use case."
            )
        return placeholder.values.pop(group)

    def run_again(self, group) -> None:
        """Runs the function again and fills the placeholders."""
        arguments = list(self.arguments)
        for place, tensor in zip(self.places, self.inputs.saved_tensors, strict=True):
            arguments[place] = tensor
        found: list = []
        at_the_end = self.forward_done

        def pack(tensor: Tensor) -> Tensor:
            position = len(found)
            tensor = tensor.detach()
            if position == len(self.placeholders) and self.early_stop:
                raise _Stop
            if position >= len(self.placeholders):
                if not at_the_end:  # the function itself has called backward: the rest of it is still to come
                    return tensor
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the original "
                    f"forward pass.\n{_DEBUG_TIP}"
                )
            with no_grad():
                found.append(self.look(tensor))
            placeholder = self.placeholders[position]()
            if placeholder is not None:
                placeholder.values[group] = tensor
            if self.early_stop and len(found) == len(self.placeholders):
                raise _Stop
            return tensor

        hooks = saved_tensors_hooks(pack, lambda tensor: tensor)
        state = _random_state(self.rng_state)
        casts = casting_to(self.autocast)
        with contextlib.suppress(_Stop), state, casts, enable_grad(), hooks, self.context:
            self.function(*arguments, **self.kwargs)
        self.done.add(group)
        self.check(found)

    def check(self, found: list) -> None:
        """Compares what was saved the second time with what was saved the first time."""
        if len(found) != len(self.placeholders):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.placeholders)}\nNumber of tensors "
                f"saved during recomputation: {len(found)}.\n{_DEBUG_TIP}"
            )
        different = [
            f"tensor at position {i}:\nsaved metadata: {a}\nrecomputed metadata: {b}"
            for i, (a, b, placeholder) in enumerate(zip(self.looks, found, self.placeholders, strict=True))
            if a != b and placeholder() is not None
        ]
        if different:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                "during the forward pass.\n" + "\n".join(different) + f".\n{_DEBUG_TIP}"
            )


class _Group:
    """What shares one recomputation: a backward call, or a GraphExecGroup."""


_group: _Group | None = None


class GraphExecGroup(_Group):
    """Inside, backward calls that do not overlap share the values a checkpoint computes again."""

    def __enter__(self) -> None:
        global _group
        if _group is not None:
            raise RuntimeError(f"GraphExecGroup contexts cannot be nested. Already inside group {_group}")
        _group = self

    def __exit__(self, *exc: object) -> None:
        global _group
        _group = None


def checkpoint_sequential(functions, segments: int, input, use_reentrant: bool | None = None, **kwargs: Any):
    """Runs a sequence of functions (a list, or a Sequential) in `segments` parts, all but the last one checkpointed."""
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: "
            + _EXPLICIT.format("In version 2.9 we will raise an exception if use_reentrant is not passed."),
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    children = getattr(functions, "children", None)
    functions = list(functions if children is None else children())

    def part(start: int, end: int) -> Callable:
        def run(value):
            for function in functions[start:end]:
                value = function(value)
            return value

        return run

    length = len(functions) // segments
    end = 0
    for start in range(0, length * (segments - 1), length or 1):
        end = start + length
        input = checkpoint(part(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return part(end, len(functions))(input)
