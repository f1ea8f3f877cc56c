"""torch.autograd.graph: nodes as users see them, gradient edges, hooks, and hooks on saved tensors."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..dtypes import from_numpy_dtype
from ..engine import (
    Node,
    accumulate_array,
    accumulate_tensor,
    input_positions,
    renumbered,
    user_position,
)
from ..modes import ContextDecorator, local, no_grad
from ..size import CPU, Size
from ..tensor import Tensor, accumulate_grad, gradient_edge, own_extra, version_counter
from ..utils.hooks import RemovableHandle, register

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

# ---------------------------------------------------------------- nodes


class AccumulateGrad(Node):
    """The end of an edge into a leaf: adds the gradient to `variable.grad`. Made when somebody looks at it.

    Its hooks are in force as long as it lives: as the user holds it, or a graph through which it was seen.
    """

    __module__ = "builtins"  # as PyTorch shows it
    __slots__ = ("variable",)

    sequence = 2**64 - 1  # before every other node, as PyTorch numbers it
    saves_tensors = False
    source = None  # no line recorded it: it is made when somebody looks at it

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable
        self.edges = ()
        self.saved = ()
        self.meta = None
        self.code, self.lasti = user_position(2)

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def known_outputs(self) -> list:
        return [(self.variable._array.shape, self.variable._array.dtype)]

    def backward(self, gradient, needs):
        accumulate_array(self.variable, gradient)
        return ()

    def backward_tensors(self, gradient, needs):
        accumulate_tensor(self.variable, gradient, local.grad_enabled)
        return ()


def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
    """((node, output number), ...) of what made the inputs; (None, 0) for inputs that need no gradient."""
    numbers = None if self.meta is None else self.meta.numbers
    found = []
    for i in input_positions(self):
        edge = self.edges[i]
        if edge is not None and not isinstance(edge, Tensor) and edge.is_end:
            (edge,) = edge.edges
        if isinstance(edge, Tensor):
            edge = accumulate_grad(edge)
            meta = self.own_meta()
            if meta.accumulators is None:
                meta.accumulators = {}
            meta.accumulators[i] = edge
        found.append((edge, numbers[i] if numbers else 0))
    return tuple(found)


def metadata(self) -> dict:
    """A dictionary for whatever the user wants to keep with the node; anomaly mode keeps its notes here."""
    meta = self.own_meta()
    if meta.dict is None:
        meta.dict = {}
    return meta.dict


def source(self) -> Any:
    """Where the user's program recorded this node: a `chainrule.insight.Source` with file, line, columns and text.

    None of an `AccumulateGrad`, which no line recorded."""
    from ..insight.source import Source

    return Source(self.code, self.lasti)


def _sequence_nr(self) -> int:
    """The node's place in the order of recording in this process."""
    return self.sequence


def _set_sequence_nr(self, number: int) -> None:
    """Gives the node another place among the nodes that are ready to run at the same time."""
    self.sequence = number
    if not renumbered:
        renumbered.append(True)


def register_node_hook(self, fn: Callable) -> RemovableHandle:
    """Registers ``fn(grad_inputs, grad_outputs)``, run after the node; a tuple it returns replaces `grad_inputs`."""
    meta = self.own_meta()
    if meta.hooks is None:
        meta.hooks = OrderedDict()
    return register(meta.hooks, fn)


def register_node_prehook(self, fn: Callable) -> RemovableHandle:
    """Registers ``fn(grad_outputs)``, run before the node; a tuple it returns replaces `grad_outputs`."""
    meta = self.own_meta()
    if meta.prehooks is None:
        meta.prehooks = OrderedDict()
    return register(meta.prehooks, fn)


def call_node(self, *gradients: Tensor | None) -> Any:
    """Runs the node by itself: gradients of its inputs (one, or a tuple) from those of its outputs, without hooks."""
    if len(gradients) != self.n_outputs:
        raise TypeError(f"expected {self.n_outputs} arguments, got {len(gradients)} instead")
    gradient = gradients[0] if self.n_outputs == 1 else list(gradients)
    needs = tuple(None if edge is None else True for edge in self.edges)
    results = self.backward_tensors(gradient, needs)
    if self.meta is not None and self.meta.targets is not None:
        from ..engine import fit_tensor

        results = [
            r if r is None or target is None else fit_tensor(r, *target)
            for r, target in zip(results, self.meta.targets, strict=True)
        ]
    results = tuple(None if edge is None else r for r, edge in zip(results, self.edges, strict=True))
    return results[0] if len(results) == 1 else results


class InputMetadata(NamedTuple):
    """What is known of an output of a node, which its backward takes a gradient of."""

    dtype: Any
    device: Any
    shape: Any


def input_metadata(self) -> tuple[InputMetadata | None, ...]:
    """What is known of each output: None unless the node came from `get_gradient_edge` or is a leaf's or a
    Function's."""
    info = self.known_outputs()
    return tuple(
        None if known is None else InputMetadata(from_numpy_dtype(known[1]), CPU, Size(known[0])) for known in info
    )


def known_outputs(self) -> list:
    """(shape, NumPy dtype) of each output, where known."""
    known = None if self.meta is None else self.meta.output_info
    return [None if known is None else known.get(number) for number in range(self.n_outputs)]


Node.known_outputs = known_outputs
Node._input_metadata = property(input_metadata)
Node.next_functions = property(next_functions)
Node.metadata = property(metadata)
Node.requires_grad = property(lambda self: True)
Node.source = property(source)
Node._sequence_nr = _sequence_nr
Node._set_sequence_nr = _set_sequence_nr
Node.register_hook = register_node_hook
Node.register_prehook = register_node_prehook
Node.__call__ = call_node


# ---------------------------------------------------------------- edges


def current_node() -> Node | None:
    """The node that backward is running in this thread, as far as it runs code of the user's; None outside."""
    node = None if local.task is None else local.task.current
    return accumulate_grad(node) if isinstance(node, Tensor) else node


class GradientEdge(NamedTuple):
    """Where a tensor's gradient goes: an output of a node. Stands for the tensor in backward and grad."""

    node: Node
    output_nr: int
    ownership_token: Any = None


GradientEdge.__module__ = "torch.autograd.graph"


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The gradient edge of a tensor that requires grad."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    if tensor.grad_fn is None and not tensor._requires_grad:
        raise AssertionError("Expected gradient function to be set")  # a view made in no_grad
    node, number = tensor.grad_fn or accumulate_grad(tensor), tensor.output_nr
    meta = node.own_meta()
    if meta.output_info is None:
        meta.output_info = {}
    meta.output_info[number] = tensor._array.shape, tensor._array.dtype
    return GradientEdge(node, number)


def as_edge(value: Tensor | GradientEdge):
    """(node or leaf, output number), as the engine takes it, of a tensor or gradient edge; (None, 0) without
    history."""
    if isinstance(value, Tensor):
        return gradient_edge(value)
    if isinstance(value.node, AccumulateGrad):
        return value.node.variable, 0
    return value.node, value.output_nr


# ---------------------------------------------------------------- hooks of tensors


def register_hook(self, hook: Callable) -> RemovableHandle:
    """Registers ``hook(grad)``, run whenever a gradient for this tensor has been computed; it may return another."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self.grad_fn
    if node is None:
        extra = own_extra(self)
        if extra.hooks is None:
            extra.hooks = OrderedDict()
        return register(extra.hooks, hook)
    meta = node.own_meta()
    if meta.tensor_hooks is None:
        meta.tensor_hooks = {}
    return register(meta.tensor_hooks.setdefault(self.output_nr, OrderedDict()), hook)


def register_post_accumulate_grad_hook(self, hook: Callable) -> RemovableHandle:
    """Registers ``hook(leaf)``, run after a gradient has been added to this leaf's `.grad`."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    extra = own_extra(self)
    if extra.post_accumulate_hooks is None:
        extra.post_accumulate_hooks = OrderedDict()
    return register(extra.post_accumulate_hooks, hook)


def retain(tensor: Tensor) -> None:
    """Registers a non-leaf that retains its gradient with its present node, and with no other."""
    meta = tensor._node.own_meta()
    if meta.retained is None:
        meta.retained = {}
    meta.retained[tensor.output_nr] = weakref.ref(tensor)


def retain_grad(self) -> None:
    """Keeps this non-leaf's `.grad` during backward."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if local.level_stack:
        from ..transforms import refuse_inside_func

        refuse_inside_func("retain_grad")
    if self._node is None or self.retains_grad or self.grad_fn is None:  # a view's grad_fn is brought up to date
        return
    own_extra(self).retains_grad = True
    retain(self)


def _get_backward_hooks(self) -> OrderedDict | None:
    """The hooks registered on this tensor with `register_hook`, by their ids; None if there never was one."""
    node = self.grad_fn
    if node is None:
        return None if self._extra is None else self._extra.hooks
    hooks = None if node.meta is None else node.meta.tensor_hooks
    return None if hooks is None else hooks.get(self.output_nr)


def _set_backward_hooks(self, hooks: OrderedDict | None) -> None:
    node = self.grad_fn
    if node is None:
        own_extra(self).hooks = hooks
        return
    meta = node.own_meta()
    if meta.tensor_hooks is None:
        meta.tensor_hooks = {}
    meta.tensor_hooks[self.output_nr] = OrderedDict() if hooks is None else hooks


def _delete_backward_hooks(self) -> None:
    raise RuntimeError("Deletion of _backwards_hooks not allowed!")


Tensor._backward_hooks = property(_get_backward_hooks, _set_backward_hooks, _delete_backward_hooks)
Tensor.register_hook = register_hook
Tensor.register_post_accumulate_grad_hook = register_post_accumulate_grad_hook
Tensor.retain_grad = retain_grad


class _MultiHandle(RemovableHandle):
    """Removes several hooks at once."""

    __module__ = "torch.autograd.graph"

    def __init__(self, handles: tuple[RemovableHandle, ...]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __getstate__(self) -> tuple:
        return self.handles

    def __setstate__(self, state: tuple) -> None:
        self.handles = state


def register_multi_grad_hook(
    tensors: Sequence[Tensor | GradientEdge], fn: Callable, *, mode: str = "all"
) -> RemovableHandle:
    """Registers one hook on several tensors.

    mode "all": ``fn(gradients)``, once in each backward, when the gradients of all those tensors that this backward
    reaches are there (None for the others). mode "any": ``fn(gradient)``, once in each backward, with the first one.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    if mode == "any":  # then what does not require grad is left out
        tensors = tuple([t for t in tensors if not isinstance(t, Tensor) or t.requires_grad])
    edges = [as_edge(t) for t in tensors]
    for tensor in tensors:
        if isinstance(tensor, Tensor) and not tensor.requires_grad:
            raise AssertionError("Expected gradient function to be set")
    lock = threading.Lock()
    # per backward call: ({position: gradient}, how many will come)
    running: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def collect(position: int, gradient: Tensor | None) -> None:
        task = local.task
        with lock:
            if task not in running:
                expected = sum(task.will_run(edge) for edge in edges) if mode == "all" else 1
                running[task] = ([None] * len(tensors), [0, expected])
            gradients, count = running[task]
            gradients[position] = gradient
            count[0] += 1
            complete = count[0] == count[1]
            if complete and mode == "all":
                del running[task]
        if complete:
            task.call_hook(fn, gradients if mode == "all" else gradient)

    def hook_at(position: int) -> Callable:
        return lambda gradient: collect(position, gradient)

    return _MultiHandle(tuple(_hook_on_edge(t, hook_at(i)) for i, t in enumerate(tensors)))


def _hook_on_edge(value: Tensor | GradientEdge, hook: Callable) -> RemovableHandle:
    if isinstance(value, Tensor):
        return register_hook(value, hook)

    def prehook(gradients: tuple) -> None:
        hook(gradients[value.output_nr])

    return value.node.register_prehook(prehook)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Counts an in-place write that was made behind autograd's back, on one tensor or several."""
    if not isinstance(tensor, (Tensor, Iterable)):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        if not isinstance(one, Tensor):
            raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
        version_counter(one).version += 1


def _get_grad_fn_or_grad_acc(t: Tensor | GradientEdge) -> Node:
    """The node that a gradient for `t` goes to."""
    return t.node if isinstance(t, GradientEdge) else t.grad_fn or accumulate_grad(t)


# ---------------------------------------------------------------- what concerns other devices, or compiled programs


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Accepted, and without effect: there are no streams."""


def set_override_stale_capture_stream(enabled: bool) -> None:
    """Accepted, and without effect: there are no streams."""


def region_activation_memory_budget(budget: float) -> Any:
    """RuntimeError: only a compiled program has such a region. ValueError for a budget outside of [0, 1]."""
    name = "torch.autograd.graph.region_activation_memory_budget"
    if not 0 <= budget <= 1:
        raise ValueError(f"{name}: must be in [0, 1], got {budget}")
    raise RuntimeError(f"{name} can only be used inside a torch.compile region; it has no effect in eager mode.")


# ---------------------------------------------------------------- saved tensors


class saved_tensors_hooks:
    """Inside, each tensor saved for backward is kept as ``pack_hook(tensor)`` and comes back from
    ``unpack_hook(packed)``."""

    def __init__(self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        for hook in (self.pack_hook, self.unpack_hook):
            if not callable(hook):
                raise TypeError(f"hooks on saved tensors must be callable, not {type(hook).__name__}")
        hooks = local.saved_hooks
        if hooks and isinstance(hooks[-1], str):
            raise RuntimeError(hooks[-1])
        local.saved_hooks = (*hooks, (self.pack_hook, self.unpack_hook))
        local.refresh()

    def __exit__(self, *exc: object) -> None:
        local.saved_hooks = local.saved_hooks[:-1]
        local.refresh()


class save_on_cpu(saved_tensors_hooks):
    """Inside, saved tensors are kept as copies on the CPU."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> tuple:
            return tensor.device, tensor.detach().clone()

        def unpack(packed: tuple) -> Tensor:
            return packed[1].to(packed[0])

        super().__init__(pack, unpack)


class disable_saved_tensors_hooks(ContextDecorator):
    """Inside, using hooks on saved tensors raises RuntimeError(error_message). A context manager and a decorator."""

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def clone(self) -> disable_saved_tensors_hooks:
        return type(self)(self.error_message)

    def __enter__(self) -> None:
        self.previous = local.saved_hooks
        if self.previous and not isinstance(self.previous[-1], str):
            raise RuntimeError(self.error_message)
        local.saved_hooks = (self.error_message,)
        local.refresh()

    def __exit__(self, *exc: object) -> None:
        local.saved_hooks = self.previous
        local.refresh()


class _AllowMutationOnSavedContext:
    """What `allow_mutation_on_saved_tensors` keeps: which memory is saved at which version, and copies of what was
    written."""

    def __init__(self) -> None:
        self.cloned: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # {handle: copy of the saved values}
        self.original: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # {handle: the saved tensor}
        # {(id of the tensor, its version counter, version): handle}: what is saved twice is copied once
        self.tid_to_weakhandle: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self.sid_to_tid: dict = {}  # {(version counter, version): the keys above with this memory}

    def clear(self) -> None:
        self.cloned.clear()
        self.original.clear()
        self.tid_to_weakhandle.clear()
        self.sid_to_tid.clear()

    def pack(self, tensor: Tensor) -> _Handle:
        counter = version_counter(tensor)
        memory_key = (counter, counter.version)
        key = (id(tensor), *memory_key)
        handle = self.tid_to_weakhandle.get(key)
        if handle is None:
            handle = self.tid_to_weakhandle[key] = _Handle()
            self.sid_to_tid.setdefault(memory_key, set()).add(key)
            self.original[handle] = tensor
        return handle

    def unpack(self, handle: _Handle) -> Tensor:
        if handle in self.cloned:
            return self.cloned[handle]
        if handle not in self.original:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
                "in which the graph was originally recorded."
            )
        return self.original[handle]

    def before_write(self, tensor: Tensor, source: Any) -> None:
        """Copies what is saved of the memory that is about to be written."""
        counter = tensor._counter
        if counter is None:
            return
        for key in self.sid_to_tid.pop((counter, counter.version), ()):
            handle = self.tid_to_weakhandle.get(key)
            original = None if handle is None else self.original.pop(handle, None)
            if original is not None:
                with no_grad():
                    self.cloned[handle] = original.detach().clone()


def _not_picklable(self, protocol) -> Any:
    raise TypeError(f"cannot pickle '{type(self).__name__}' object")


Node.__reduce_ex__ = _not_picklable


class _Handle:
    """Stands in a graph for a saved tensor."""

    __slots__ = ("__weakref__",)


class allow_mutation_on_saved_tensors:
    """Inside, saved tensors may be overwritten: they are copied first. Backward must run inside, too."""

    def __enter__(self) -> _AllowMutationOnSavedContext:
        if local.saved_copies is not None:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        context = _AllowMutationOnSavedContext()
        self.hooks = saved_tensors_hooks(context.pack, context.unpack)
        self.hooks.__enter__()
        local.saved_copies = context
        return context

    def __exit__(self, *exc: object) -> None:
        context, local.saved_copies = local.saved_copies, None
        context.clear()
        self.hooks.__exit__()
