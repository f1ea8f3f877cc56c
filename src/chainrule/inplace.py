"""In-place writes: permission, the write itself, the version bump, and the new history of what was written.

An in-place operation computes its result out of place, recorded as usual, copies it into the tensor's memory and gives
the tensor the result's history. Written through a view, the history goes to the base: a `CopySlices` node that carries
a gradient of the base past the write. Other views of that base get a new grad_fn when somebody asks for it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import dtypes
from .backend import numpy as backend
from .engine import (
    Freed,
    Node,
    SavedTensor,
    _grad_mode,
    fit_array,
    fit_tensor,
    graph_errors,
    input_positions,
    next_sequence,
    run_backward,
    user_position,
)
from .modes import CAREFUL, _set_grad_enabled, active_saved_hooks, is_quiet, local, silence
from .op import ELEMENTWISE, INPUT, OUTPUT, REGISTRY, is_number, xp
from .record import NUMBERS_AS_TENSORS
from .tensor import (
    IN_CUSTOM_FUNCTION,
    IN_INFERENCE,
    IN_NO_GRAD,
    ONE_OF_MANY,
    ORDINARY,
    DetachedCounter,
    Tensor,
    VersionCounter,
    gradient_edge,
    memory,
    own_extra,
    version_counter,
    wrap,
)

_ADVICE = {
    ONE_OF_MANY: " This view is the output of a function that returns multiple views. Such functions do not allow the "
    "output views to be modified inplace. You should replace the inplace operation by an out-of-place one.",
    IN_CUSTOM_FUNCTION: " This view was created inside a custom Function (or because an input was returned as-is) and "
    "the autograd logic to handle view+inplace would override the custom backward associated with the custom Function, "
    "leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the "
    "custom Function.",
}
_MODE_ADVICE = (
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
    "both the view and the inplace either both inside the {0} block (if you don't want the inplace to be tracked) or "
    "both outside (if you want the inplace to be tracked)."
)


def refuse_view(view: Tensor, indirectly: bool = False) -> RuntimeError:
    """The error for a write to the memory of a view whose history cannot follow it."""
    creation, node = view._extra.view.creation, view._node
    written = "its base or another view of its base has been" if indirectly else "is being"
    output = "" if node is None else f"Output {view.output_nr} of {graph_errors.short_name(node)}"
    inference = creation == IN_INFERENCE
    if inference or creation == IN_NO_GRAD or node is None:
        origin = f"{output} is a view of a view which was created in" if output else "A view was created in"
        made, now = ("inference", "in normal mode") if inference else ("no_grad", "with grad mode enabled")
        text = f"{origin} {made} mode and {written} modified inplace {now}."
    else:
        text = f"{output} is a view and {written} modified inplace."
    advice = _ADVICE.get(creation) or _MODE_ADVICE.format("inference_mode" if inference else "no_grad")
    return graph_errors.explained(RuntimeError(text + advice))


def check_in_place(tensor: Tensor, differentiable: bool) -> None:
    """Refuses, in PyTorch's words, an in-place write that autograd cannot or must not follow."""
    if differentiable:
        extra = tensor._extra
        requires_grad = tensor.requires_grad
        view = None if extra is None else extra.view
        if view is not None:
            if view.creation != ORDINARY:
                raise refuse_view(tensor)
            if requires_grad and view.base._node is None:
                raise graph_errors.explained(
                    RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
                )
        if requires_grad and tensor._node is None:  # also a view whose grad_fn was not asked for since its base got one
            raise graph_errors.explained(
                RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            )


def check_inference(tensor: Tensor) -> None:
    """Refuses a write to an inference tensor in normal mode. Its result is known by then, since errors of the operation
    itself come first."""
    extra = tensor._extra
    if extra is not None and extra.inference and not (local.inference or extra.writable):
        raise graph_errors.inference_update()


def check_memory(array) -> None:
    """Refuses to write where several elements are one place in memory."""
    if type(array) is backend.ndarray and 0 in array.strides and array.size:
        for stride, size in zip(array.strides, array.shape, strict=True):
            if stride == 0 and size > 1:
                raise RuntimeError(
                    "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                    "location. Please clone() the tensor before performing the operation."
                )


def check_partial_overlap(written, read) -> None:
    """Refuses to write into an array whose memory is, in part or in another order, that of an array to be read."""
    if written is read or type(written) is not backend.ndarray or type(read) is not backend.ndarray:
        return
    if (written.base is None and read.base is None) or not np.may_share_memory(written, read):
        return
    if not (_is_dense(written) and _is_dense(read)) or not written.size or not read.size:
        return
    same = address(written) == address(read) and written.nbytes == read.nbytes
    if not same or _torch_strides(written) != _torch_strides(read):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
            "memory location. Please clone() the tensor before performing the operation."
        )


def _torch_strides(array) -> tuple:
    return tuple([s for s, n in zip(array.strides, array.shape) if n != 1]), array.ndim


def _is_dense(array) -> bool:
    """Whether the elements fill one stretch of memory, each place once."""
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return True
    expected = array.itemsize
    for stride, size in sorted((s, n) for s, n in zip(array.strides, array.shape) if n != 1):
        if stride != expected:
            return False
        expected *= size
    return True


IN_PLACE_NODES = {  # PyTorch numbers the variants of an operation, and the in-place ones are variants
    "FillBackward0": "FillBackward2", "FillBackward1": "FillBackward3",
    "TransposeBackward0": "TransposeBackward1", "TBackward0": "TBackward1", "UnsqueezeBackward0": "UnsqueezeBackward1",
    "SqueezeBackward0": "SqueezeBackward3", "SqueezeBackward1": "SqueezeBackward4", "SqueezeBackward2": "SqueezeBackward5",
    "AsStridedBackward0": "AsStridedBackward1", "AcoshBackward0": "AcoshBackward1", "AsinhBackward0": "AsinhBackward1",
    "AtanhBackward0": "AtanhBackward1",
}  # fmt: skip
_renamed: dict[tuple[type, str], type] = {}


def name_in_place(node) -> None:
    """Gives a node the name that PyTorch's in-place twin of the operation has."""
    name = IN_PLACE_NODES.get(type(node).__name__)
    if name is not None:
        rename(node, name)


def rename(node, name: str) -> None:
    """Gives a node another name: that of a variant of its operation."""
    old = type(node)
    if (old, name) not in _renamed:
        _renamed[old, name] = type(name, (old,), {"__slots__": (), "__module__": old.__module__})
    node.__class__ = _renamed[old, name]


def in_place(function, tensor: Tensor, *arguments, **settings) -> Tensor:
    """`tensor` overwritten with ``function(tensor, *arguments, **settings)``, differentiably."""
    tracked = _check_permission(function, tensor, arguments)
    check_memory(tensor._array)
    for argument in arguments:
        if isinstance(argument, Tensor) and argument is not tensor:
            check_partial_overlap(tensor._array, argument._array)
    return _write(function, tensor, arguments, settings, tracked)


def in_place_anywhere(function, tensor: Tensor, *arguments, **settings) -> Tensor:
    """The same where elements may share a place in memory: for what writes the same to all, or nothing new."""
    tracked = _check_permission(function, tensor, arguments)
    return _write(function, tensor, arguments, settings, tracked)


def _check_permission(function, tensor: Tensor, arguments) -> bool:
    """Refuses a write that is forbidden; whether autograd follows it."""
    tracked = (
        local.grad_enabled
        and tensor._array.dtype.kind in "fcV"
        and (tensor.requires_grad or any(isinstance(a, Tensor) and a.requires_grad for a in arguments))
    )
    if tracked and tensor.is_inference():  # autograd sees the write only if one of the operands is a normal tensor
        as_tensors = function.__name__ in NUMBERS_AS_TENSORS
        tracked = any(not a.is_inference() if isinstance(a, Tensor) else as_tensors for a in arguments)
    check_in_place(tensor, tracked)
    return tracked


def _write(function, tensor: Tensor, arguments, settings, tracked: bool) -> Tensor:
    # Hooks see what is saved before it is overwritten, so they are given a copy; inference tensors cannot be saved.
    copied = active_saved_hooks() is not None or (tracked and tensor.is_inference())
    if local.levels and tensor._extra is not None and tensor._extra.special:
        from .forward import copied_tangents

        with copied_tangents(tensor):
            result = function(tensor.clone() if copied else tensor, *arguments, **settings)
        return overwrite(tensor, result)
    source = snapshot(tensor) if copied else tensor
    return overwrite(tensor, function(source, *arguments, **settings))


# NumPy's own in-place forms, for what is not recorded: no result is made and copied
_DIRECT = {"add_": np.add, "sub_": np.subtract, "mul_": np.multiply, "div_": np.divide}


def _written_directly(ufunc, tensor: Tensor, other) -> bool:
    """Runs an unrecorded ``tensor op= other`` in the tensor's memory, if nothing about the two is out of the ordinary."""
    mode = local.mode
    array = tensor._array
    if (
        mode == CAREFUL
        or tensor._extra is not None
        or type(array) is not backend.ndarray
        or array.dtype.char not in "fd"
        or (mode and tensor._requires_grad)
        or 0 in array.strides
        or local.saved_copies is not None
    ):
        return False
    if other.__class__ is float or other.__class__ is int:
        operand = backend.scalar_array(array.dtype, other)
    elif isinstance(other, Tensor) and other._extra is None and not (mode and other._requires_grad):
        operand = other._array
        if operand.dtype is not array.dtype or (operand.ndim and operand.shape != array.shape):
            return False
    else:
        return False
    if not is_quiet():
        silence()
    ufunc(array, operand, array)
    bump_version(tensor)
    return True


def in_place_method(name: str, function):
    """The in-place twin `name` of a function whose first argument is the tensor; also attached to Tensor."""
    ufunc = _DIRECT.get(name)

    @functools.wraps(function)
    def twin(self, *arguments, **settings):
        if ufunc is not None and len(arguments) == 1 and not settings and _written_directly(ufunc, self, arguments[0]):
            return self
        return in_place(function, self, *arguments, **settings)

    twin.__name__ = twin.__qualname__ = name
    twin.__doc__ = f"In-place version of :func:`{function.__name__}`."
    setattr(Tensor, name, twin)
    return twin


def augmented_assignment(name: str, function):
    """The operator, e.g. ``__iadd__``, whose in-place method is `name`."""
    ufunc = _DIRECT.get(name)

    def assign(self, other):
        if ufunc is not None and _written_directly(ufunc, self, other):
            return self
        return in_place(function, self, other) if isinstance(other, Tensor) or is_number(other) else NotImplemented

    return assign


def overwrite(tensor: Tensor, result: Tensor) -> Tensor:
    """Copies a computed result into the tensor's memory and gives the tensor the result's history."""
    if (result._extra is not None and result._extra.special) or (tensor._extra is not None and tensor._extra.special):
        from .transforms import carries, overwrite_special

        if carries(result) or carries(tensor):
            return overwrite_special(tensor, result)
    source, target = result._array, tensor._array
    if source.shape != target.shape:
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(source.shape)}"
        )
    if source.dtype is not target.dtype and not dtypes.can_cast(result.dtype, tensor.dtype):
        raise RuntimeError(
            f"result type {dtypes.scalar_name(result.dtype)} can't be cast to the desired output type "
            f"{dtypes.scalar_name(tensor.dtype)}"
        )
    node = result._node if local.grad_enabled else None
    if node is not None:
        name_in_place(node)
        _keep_what_is_overwritten(node, tensor)
    write_array(tensor, source)
    if node is not None:
        _keep_outputs_checked(node, tensor)
        rebase_history(tensor, node)
    return tensor


def write_array(tensor: Tensor, source) -> None:
    """Puts new elements into the tensor's memory and counts the write."""
    check_inference(tensor)
    if local.saved_copies is not None:
        local.saved_copies.before_write(tensor, source)
    target = tensor._array
    if type(target) is backend.ndarray:
        target[...] = source
    else:  # a NumPy scalar: nobody shares its memory
        tensor._array = source if source.dtype is target.dtype else source.astype(target.dtype)
    bump_version(tensor)


def bump_version(tensor: Tensor) -> None:
    """Counts an in-place write and notes where the user made it."""
    counter = version_counter(tensor)
    counter.version += 1
    writes = counter.writes
    if writes is None:
        writes = counter.writes = {}
    elif len(writes) >= 8:
        del writes[next(iter(writes))]
    writes[counter.version] = user_position(2)


def detach_in_place(tensor: Tensor) -> None:
    """Cuts a tensor off from its history; what nodes saved of it before can no longer be used."""
    node = tensor._node
    if node is not None:
        if node.meta is not None and node.meta.tensor_hooks is not None:  # they stay with the tensor, too
            own_extra(tensor).hooks = node.meta.tensor_hooks.get(tensor.output_nr)
        tensor._counter = DetachedCounter(version_counter(tensor))
    tensor._node = None
    tensor._requires_grad = False
    extra = tensor._extra
    if extra is not None:
        extra.output_number = 0
        if extra.tangent is not None:
            from .transforms import refresh_special

            extra.tangent = None
            refresh_special(tensor)


def _keep_what_is_overwritten(node, tensor: Tensor) -> None:
    """The node of an in-place operation saved the tensor itself: it needs a copy of the old values.

    Not where the tensor is another operand too: ``x.mul_(x)`` finds that one modified, as PyTorch does."""
    record = getattr(node, "op", None)
    if record is None or not node.saves_tensors:
        return
    saved = list(node.saved)
    for position, kind in enumerate(record.saved_kinds):
        overwritten = kind == INPUT and record.inputs and record.saved_names[position] == record.inputs[0]
        if overwritten and saved and _is_saved(saved[position], tensor):
            saved[position] = snapshot(tensor)
    node.saved = tuple(saved)


def snapshot(tensor: Tensor) -> Tensor:
    """A copy of a tensor's values, in the tensor's place in the graph."""
    array = tensor._array
    copy = wrap(np.array(array, copy=True, order="K") if array.ndim else array[()])
    copy._counter = VersionCounter()  # its own, though it stands for the same output of the same node
    node = tensor.grad_fn
    if node is not None:
        copy._node = node
        copy._requires_grad = True
        if tensor.output_nr:
            own_extra(copy).output_number = tensor.output_nr
    return copy


def _is_saved(entry, tensor) -> bool:
    return entry is tensor or (entry.__class__ is SavedTensor and entry.tensor is tensor)


def _keep_outputs_checked(node, tensor: Tensor) -> None:
    """The node saved its output, which is now the tensor's memory: later writes must be noticed."""
    record = getattr(node, "op", None)
    if record is None or not node.saves_tensors or OUTPUT not in record.saved_kinds:
        return
    saved = list(node.saved)
    for position, kind in enumerate(record.saved_kinds):
        entry = saved[position]
        if kind != OUTPUT or entry is None or isinstance(entry, tuple):
            continue
        with_tangents = isinstance(entry, SavedTensor)
        if with_tangents and (entry.unpack_hook is not None or entry.tensor._extra is None):
            continue
        made = saved[position] = SavedTensor(tensor, is_output=True)
        made.requires_grad = True
        if with_tangents:
            from .forward import share_tangents

            share_tangents(entry.tensor, made.tensor)
    node.saved = tuple(saved)


def rebase_history(tensor: Tensor, node) -> None:
    """Makes `node` the origin of the tensor's new values; for a view, through its base."""
    extra = tensor._extra
    view = None if extra is None else extra.view
    if view is None:
        move_history(tensor, node)
        return
    if node.n_outputs != 1:
        raise RuntimeError("Functions which modify views in-place must return a single Variable")
    base_extra = view.base._extra
    hooks = None if base_extra is None else base_extra.hooks
    move_history(view.base, CopySlices.make(view.base, tensor, node))
    if hooks is not None:
        base_extra.hooks = hooks  # PyTorch drops a leaf's hooks only when it is written to directly
    tensor.grad_fn  # noqa: B018  regenerated now, while the base's history is this write's


def move_history(tensor: Tensor, node, number: int = 0) -> None:
    """Makes the tensor output `number` of `node`. Hooks stay with the old node, or are dropped with a leaf; a retained
    gradient is the new node's."""
    old, extra = tensor._node, tensor._extra
    retains = extra is not None and extra.retains_grad
    if retains and old is not None and old.meta is not None and old.meta.retained is not None:
        old.meta.retained.pop(tensor.output_nr, None)
    tensor._node = node
    tensor._requires_grad = True
    if number or extra is not None:
        extra = own_extra(tensor)
        extra.output_number = number
        extra.hooks = None
    if retains:
        from .autograd.graph import retain

        retain(tensor)


class CopySlices(Node):
    """An in-place write through a view, as the base's history: the gradient of the written part goes through the
    write."""

    __module__ = "builtins"  # as PyTorch shows it
    __slots__ = ("base_like", "geometry", "positions")
    base_like: Any
    geometry: Any
    positions: Any  # the edges that its user sees, see engine.input_positions

    @classmethod
    def make(cls, base: Tensor, view: Tensor, inner) -> CopySlices:
        node = object.__new__(cls)
        base_edge, base_number = gradient_edge(base)
        node.edges = (base_edge, *inner.edges[1:])
        node.sequence = next_sequence()
        node.code, node.lasti = inner.code, inner.lasti
        node.meta = None
        inner_numbers = None if inner.meta is None else inner.meta.numbers
        if base_number or inner_numbers:
            node.own_meta().numbers = (base_number, *(inner_numbers or (0,) * len(inner.edges))[1:])
        node.saved = (inner,)
        node.positions = input_positions(inner)
        node.base_like = np.lib.stride_tricks.as_strided(
            np.empty((), base._array.dtype), base._array.shape, memory(base).strides
        )
        node.geometry = view_steps(view)
        return node

    def name(self) -> str:
        return "torch::autograd::CopySlices"

    def _inner(self):
        if self.saved.__class__ is Freed:
            raise graph_errors.freed(self)
        return self.saved[0]

    def _inner_needs(self, inner, needs):
        """What the write itself is asked for: its first input is the written part's old value, if that had a
        history."""
        return (None if inner.edges[0] is None else True, *needs[1:])

    def backward(self, gradient, needs):
        inner = self._inner()
        whole = np.empty_like(self.base_like)
        whole[...] = gradient
        part = whole
        for record, settings, number in self.geometry:
            part = record.forward(xp, part, *settings)
            part = part[number] if isinstance(part, (tuple, list)) else part
        results = _fitted(inner, inner.backward(part.copy(), self._inner_needs(inner, needs)), fit_array)
        check_memory(part)
        part[...] = 0 if results[0] is None else results[0]
        results[0] = whole
        return results

    def backward_tensors(self, gradient, needs):
        inner = self._inner()
        whole = wrap(np.zeros_like(self.base_like)) + gradient if gradient.requires_grad else gradient.clone()
        batched = whole._extra is not None and whole._extra.batch is not None
        if batched:
            from .batching import laid_out_like

            whole = laid_out_like(whole, self.base_like)
        elif memory(whole).strides != self.base_like.strides:
            from .ops.creation import empty_strided_like

            laid_out = empty_strided_like(self.base_like)
            whole = laid_out.copy_(gradient)
        part = replayed(self.geometry, whole)
        results = _fitted(inner, inner.backward_tensors(part.clone(), self._inner_needs(inner, needs)), fit_tensor)
        if batched:  # its views are copies, so the part is exchanged by adding the difference
            results[0] = whole + self._placed(-part if results[0] is None else results[0] - part)
            return results
        part.copy_(results[0] if results[0] is not None else wrap(np.zeros((), part._array.dtype)))
        results[0] = whole
        return results

    def _placed(self, part: Tensor) -> Tensor:
        """Something like the base that is zero outside the written part."""
        with _grad_mode(True):
            base = wrap(np.zeros_like(self.base_like))
            base._requires_grad = True
            edge = gradient_edge(replayed(self.geometry, base))
        create_graph = local.grad_enabled
        (placed,) = run_backward(
            [edge], [part], retain_graph=create_graph, create_graph=create_graph, inputs=[(base, 0)], accumulate=False
        )
        return placed


def _fitted(node, results, fit) -> list:
    """A node's gradients, those that do not fit its inputs summed and cast."""
    if node.meta is None or node.meta.targets is None:
        return list(results)
    return [
        fit(r, *t) if r is not None and t is not None else r for r, t in zip(results, node.meta.targets, strict=True)
    ]


def view_steps(view: Tensor):
    """((operation record, settings, output number), ...) that lead from a view's base to it."""
    if view._extra.view.replay is not None:
        return view._extra.view.replay
    return ((REGISTRY["as_strided"], strides_within(view, view._extra.view.base), 0),)


def replayed(steps, tensor: Tensor) -> Tensor:
    """The part of something like a base that a view shows."""
    for record, settings, output in steps:
        tensor = record.apply(tensor, *settings)
        tensor = tensor[output] if isinstance(tensor, (tuple, list)) else tensor
    return tensor


def strides_within(view: Tensor, source: Tensor):
    """as_strided's settings for a view: size, strides in elements, offset from the first element of `source`, strides
    of `source`. What counts are the offsets in memory: the source may have been given another since (``x.data = ...``)."""
    array, whole = memory(view), memory(source)
    size = array.itemsize
    return (
        array.shape,
        tuple([s // size for s in array.strides]),
        offset_in_memory(array) - offset_in_memory(whole),
        tuple([s // size for s in whole.strides]),
    )


def offset_in_memory(array) -> int:
    """The position of an array's first element in its memory, in elements."""
    return (address(array) - address(backend.memory_root(array))) // array.itemsize if array.size else 0


def address(array) -> int:
    return array.__array_interface__["data"][0]


def regenerate_grad_fn(view: Tensor) -> None:
    """Gives a view, whose memory was written to, its grad_fn in the base's present history."""
    origin = view._extra.view
    base = origin.base
    if view._node is None and not base._requires_grad:
        return
    if origin.creation != ORDINARY:
        raise refuse_view(view, indirectly=True)
    start = base
    if not base._requires_grad:  # it has been cut off since: the view gets a node that leads nowhere
        start = wrap(memory(base))
        start._requires_grad = True
    inference, local.inference = local.inference, False
    try:
        with _grad_mode(True):
            again = start
            for record, settings, number in view_steps(view):
                again = record.apply(again, *settings)
                again = again[number] if isinstance(again, (tuple, list)) else again
                if view._node is not None:  # it is still the line that made the view
                    again._node.code, again._node.lasti = view._node.code, view._node.lasti
                if start is not base and again._node.edges == (start,):
                    again._node.edges = (None,)
    finally:
        local.inference = inference
        _set_grad_enabled(local.grad_mode)
    origin.version = view._counter.version
    move_history(view, again._node, again.output_nr)


# Operations whose results are not converted for `out=`, with PyTorch's words for an `out` of another dtype.
_EXACT = {
    "Found dtype {out} but expected {result}": (
        "abs", "bitwise_not", "ceil", "clamp", "clamp_max", "clamp_min", "conj_physical", "floor", "frac", "neg", "round",
        "sgn", "sign", "trunc",
    ),
    "Expected out tensor to have dtype {c_result}, but got {c_out} instead": (
        "addbmm", "addmm", "addmv", "argmax", "argmin", "baddbmm", "bmm", "index_add", "index_copy", "linalg_cross",
        "log_softmax", "mv", "renorm", "scatter", "scatter_add", "softmax", "tril", "triu",
    ),
    "result dtype {out} does not match input dtype {result}": ("dot", "vdot"),
    "{name} only supports bool tensor for result, got: {out}": ("all", "any"),
    "{name} does not support non-boolean outputs.": ("isneginf", "isposinf", "signbit"),
    "{name}(): self and result must have the same scalar type": ("index_select",),
    "{name}: dtype of out: {out} should be same as input: {result}": ("nan_to_num",),
    "expected scalar_type {result} but found {out}": ("logcumsumexp",),
    "Expected out type to be {result} but got {out}": ("where",),
}  # fmt: skip
_REFUSALS = {name: message for message, names in _EXACT.items() for name in names}


def _check_out(record, out: Tensor, result: Tensor) -> None:
    """Refuses an `out` of a dtype that the operation does not convert to, or that shares places in memory."""
    if out._array.dtype is not result._array.dtype and record.name in _REFUSALS:
        if record.name in ("all", "any") and out.dtype is dtypes.bool_:
            return
        words = {"out": dtypes.scalar_name(out.dtype), "result": dtypes.scalar_name(result.dtype), "name": record.name}
        c_words = {"c_out": dtypes.c_name(out.dtype), "c_result": dtypes.c_name(result.dtype)}
        raise RuntimeError(_REFUSALS[record.name].format(**words, **c_words))
    if record.kind == ELEMENTWISE and out._array.shape == result._array.shape:
        check_memory(out._array)


def write_out(record, out, result, inputs):
    """`out=`: the result copied into tensors the caller gave, which are resized if they do not fit."""
    if not isinstance(out, (Tensor, tuple, list)):
        raise TypeError(f"{record.name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if isinstance(result, tuple):
        return type(out)(write_out(record, o, r, inputs) for o, r in zip(out, result, strict=True))
    if local.grad_enabled and (out.requires_grad or any(isinstance(v, Tensor) and v.requires_grad for v in inputs)):
        raise RuntimeError(
            f"{record.name}(): functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    _check_out(record, out, result)
    return fill_out(out, result)


def fill_out(out: Tensor, result: Tensor) -> Tensor:
    """Copies `result` into `out`, resizing it where the shapes differ; RuntimeError where the dtype cannot hold it."""
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"result type {dtypes.scalar_name(result.dtype)} can't be cast to the desired output type "
            f"{dtypes.scalar_name(out.dtype)}"
        )
    if out._array.shape != result._array.shape:
        out._array = np.empty(result._array.shape, out._array.dtype)
    write_array(out, result._array)
    return out
