"""Forward mode: operations on dual numbers.

The tangent of a result follows from the record's kind (see op.py): an elementwise formula is its own transpose, a
linear operation is applied to the tangent, and for the rest the backward formula is run on Tensors and differentiated
by the gradient that goes into it, in which it is linear.
"""

from __future__ import annotations

import weakref
from typing import Any

from .engine import SavedTensor, _grad_mode, fit_tensor, run_backward
from .inplace import overwrite, replayed, view_steps
from .modes import local
from .op import ELEMENTWISE, INPUT, LINEAR, OUTPUT, PLAIN, VIEW, Op, general, gradients, graph_xp
from .tensor import OWN, PARTS, Tensor, gradient_edge, memory, own_extra, wrap

DIFFERENTIABLE = "fcV"  # kinds of NumPy dtypes that have derivatives; V: bfloat16


class Tangent:
    """A tensor's tangent for a level, over what the tensor carries for the levels below."""

    __slots__ = ("below", "level", "value")

    def __init__(self, level: int, value: Tensor, below: Tangent | None = None) -> None:
        self.level = level
        self.value = value
        self.below = below


def tangent_at(tensor, number: int) -> Tensor | None:
    """The tensor's tangent for level `number`, if that is the innermost for which it has one."""
    extra = tensor._extra if isinstance(tensor, Tensor) else None
    if extra is None:
        return None
    if extra.batch is not None:
        from .batching import wrap_batch

        found = tangent_at(extra.batch.value, number)
        return None if found is None else wrap_batch(found, extra.batch.level)
    if extra.view is not None and (extra.tangent is None or extra.tangent.level < number):
        inherit_tangents(tensor)
    if extra.tangent is None or extra.tangent.level != number:
        return None
    return extra.tangent.value


def inherit_tangents(view: Tensor) -> None:
    """Gives a view its parts of the tangents that its base was given by a write, after the view was made."""
    if view._extra.view.tangents != PARTS:
        return
    base: Any = view._base
    tangent = None if base._extra is None else base._extra.tangent
    have = view._extra.tangent
    found = []
    while tangent is not None and (have is None or tangent.level > have.level):
        if tangent.level < local.tangents_below:
            found.append(tangent)
        tangent = tangent.below
    for tangent in reversed(found):
        attach(view, replayed(view_steps(view), tangent.value), tangent.level)


def attach(tensor: Tensor, tangent: Tensor, number: int) -> None:
    """Gives a tensor a tangent for level `number`; a batch must be one at every level at which the tangent is one."""
    extra = own_extra(tensor)
    if extra.batch is not None:
        from .batching import batch_in_front

        size = extra.batch.value._array.shape[0]
        attach(extra.batch.value, batch_in_front(tangent, extra.batch.level, size), number)
        return
    below = extra.tangent
    if below is not None and below.level == number:
        below = below.below
    extra.tangent = Tangent(number, tangent, below)
    extra.special = True
    local.level_stack[number - 1].members.append(weakref.ref(tensor))


def share_tangents(source: Tensor, target: Tensor) -> None:
    """Gives ``target`` all the tangents of ``source``; neither is a batch."""
    tangent = source._extra and source._extra.tangent
    if tangent is None:
        return
    extra = own_extra(target)
    extra.tangent, extra.special = tangent, True
    while tangent is not None:
        local.level_stack[tangent.level - 1].members.append(weakref.ref(target))
        tangent = tangent.below


def below_batches(tensor):
    """The tensor that autograd sees: what a batch of batches stands for."""
    while isinstance(tensor, Tensor) and tensor._extra is not None and tensor._extra.batch is not None:
        tensor = tensor._extra.batch.value
    return tensor


class primal_parts:
    """For the length of a block, the given tensors are only their primal parts at a level.

    The tensors themselves, not copies: what the block records must lead to them."""

    def __init__(self, tensors, number: int) -> None:
        found = map(below_batches, tensors)
        self.tensors = {id(t): t for t in found if isinstance(t, Tensor) and tangent_at(t, number) is not None}
        self.number = number

    def __enter__(self) -> None:
        self.previous, local.tangents_below = local.tangents_below, self.number
        self.tangents = [(t._extra, t._extra.tangent) for t in self.tensors.values()]
        for tensor in self.tensors.values():
            extra = tensor._extra
            extra.tangent = extra.tangent.below
            extra.special = extra.tangent is not None or type(tensor)._special

    def __exit__(self, *exc) -> None:
        local.tangents_below = self.previous
        for extra, tangent in self.tangents:
            extra.tangent = tangent
            extra.special = True


def apply_dual(record: Op, inputs, settings, number: int):
    """Runs an operation on inputs of which some are dual at level `number`, the innermost among them."""
    tangents = [tangent_at(x, number) for x in inputs]
    with primal_parts(inputs, number):
        result = general(record, inputs, settings)
        if not (record.differentiable and local.forward_grad_enabled):
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        moved = jvp(record, inputs, tangents, settings, outputs)
    for output, tangent in zip(outputs, moved, strict=True):
        if tangent is not None and output._array.dtype.kind in DIFFERENTIABLE:
            attach(output, fitted(tangent, output), number)
    keep_saved_outputs(record, outputs)
    return result


def different_size(tensor: Tensor, tangent: Tensor) -> RuntimeError:
    """The error for a tangent that has not the shape of its tensor."""
    return RuntimeError(
        "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
        f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
        f"{list(tangent.shape)}."
    )


def fitted(tangent: Tensor, like: Tensor) -> Tensor:
    """The tangent with the dtype and shape of its primal."""
    if tangent._array.dtype is not like._array.dtype:
        if tangent.is_complex() and not like.is_complex():
            tangent = tangent.real
        tangent = tangent.to(like.dtype)
    return tangent if tangent._array.shape == like._array.shape else tangent.expand(like.shape)


def keep_saved_outputs(record: Op, outputs) -> None:
    """Lets the node find the tangents of the outputs it saved, for a backward while the level is open."""
    node = next((y._node for y in outputs if y._node is not None), None)
    if node is None or OUTPUT not in record.saved_kinds or getattr(node, "op", None) is not record:
        return
    saved = list(node.saved)
    for position, (name, kind) in enumerate(zip(record.saved_names, record.saved_kinds, strict=True)):
        if kind != OUTPUT or saved[position] is None:
            continue
        if isinstance(saved[position], tuple):
            saved[position] = tuple(
                saved_dual(entry, y, i) for i, (entry, y) in enumerate(zip(saved[position], outputs))
            )
        else:
            i = record.outputs.index(name) if name in record.outputs else 0
            saved[position] = saved_dual(saved[position], outputs[i], i)
    node.saved = tuple(saved)


def saved_dual(entry, output: Tensor, position: int):
    tangent = output._extra and output._extra.tangent
    if tangent is None or (entry.__class__ is SavedTensor and entry.unpack_hook is not None):
        return entry  # nothing to keep, or a hook has packed it
    if entry.__class__ is not SavedTensor:
        entry = SavedTensor(output, is_output=True, number=position)
        entry.requires_grad = True
    share_tangents(output, entry.tensor)
    return entry


# ---------------------------------------------------------------- tangents of results


def jvp(record: Op, inputs, tangents, settings, outputs) -> list[Tensor | None]:
    """The outputs' tangents; all arguments are at the levels below."""
    if record.jvp is not None:
        return by_rule(record, inputs, tangents, settings, outputs)
    for i, (formula, _) in enumerate(record.vjps):
        if hasattr(formula, "undefined") and (tangents[i] is not None or len(record.vjps) == 1):
            raise NotImplementedError(
                f"Trying to use forward AD with {record.name} that does not support it because it has not been "
                "implemented yet."
            )
    if record.kind in (LINEAR, VIEW):
        moved = [
            t if t is not None else zeros(x) if is_differentiable(x) else x
            for x, t in zip(inputs, tangents, strict=True)
        ]
        result = general(record, moved, settings)
        return list(result) if isinstance(result, tuple) else [result]
    if record.kind == ELEMENTWISE and not record.outputs:
        return [elementwise(record, inputs, tangents, settings, outputs[0])]
    return transposed(record, inputs, tangents, settings, outputs)


def is_differentiable(x) -> bool:
    """Whether it is a tensor that can have a tangent."""
    return isinstance(x, Tensor) and x._array.dtype.kind in DIFFERENTIABLE


def zeros(like: Tensor) -> Tensor:
    from .ops.creation import zeros_like

    return zeros_like(like)


def ones(like: Tensor) -> Tensor:
    from .ops.creation import ones_like

    return ones_like(like)


def formula_values(record: Op, inputs, settings, outputs, names, kinds):
    """What formulas ask for, as Tensors."""
    values = []
    for name, kind in zip(names, kinds, strict=True):
        if kind == OUTPUT:
            if record.outputs and name == "out":
                values.append(tuple(outputs))
            else:
                values.append(outputs[record.outputs.index(name) if name in record.outputs else 0])
        elif kind == PLAIN and name in record.settings:
            values.append(settings[record.settings.index(name)])
        else:
            source = name.removesuffix("_shape").removesuffix("_dtype") if kind == PLAIN else name
            of = inputs[len(record.inputs) :] if source == record.variadic else inputs[record.inputs.index(source)]
            if name.endswith("_shape") and kind == PLAIN:
                of = tuple(map(shape_of, of)) if source == record.variadic else shape_of(of)
            elif name.endswith("_dtype") and kind == PLAIN:
                of = of.dtype
            values.append(tuple(of) if source == record.variadic else of)
    return values


def shape_of(value):
    return value._array.shape if isinstance(value, Tensor) else ()


def by_rule(record: Op, inputs, tangents, settings, outputs) -> list[Tensor | None]:
    """The record's own rule: its parameters ``t_x`` are tangents (zeros where an input has none)."""
    code = record.jvp.__code__
    names = code.co_varnames[1 : code.co_argcount]
    filled = []
    for x, t in zip(inputs, tangents, strict=True):
        if t is None and is_differentiable(x):
            t = zeros(x)
        elif t is None and isinstance(x, Tensor) and record.promote:  # integers, which became floating
            t = zeros(x).to(outputs[0].dtype)
        filled.append(t)
    arguments = []
    for name in names:
        if name.startswith("t_"):
            source = name[2:]
            first = len(record.inputs)
            arguments.append(
                tuple(filled[first:]) if source == record.variadic else filled[record.inputs.index(source)]
            )
        else:
            kind = OUTPUT if name == "out" or name in record.outputs else PLAIN
            arguments.extend(formula_values(record, inputs, settings, outputs, [name], [kind]))
    result = record.jvp(graph_xp, *arguments)
    return list(result) if isinstance(result, (tuple, list)) else [result]


def elementwise(record: Op, inputs, tangents, settings, output: Tensor) -> Tensor | None:
    """The sum over the inputs of derivative times tangent."""
    values = formula_values(record, inputs, settings, (output,), record.saved_names, record.saved_kinds)
    total = None
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        x = inputs[i]
        real = output._array.dtype.kind != "c" and x._array.dtype.kind != "c"
        if record.holomorphic or real:
            moved = pulled(record, i, tangent, values, len(inputs))
        else:
            one = wrap(output._array.dtype.type(1))
            moved = along(pulled(record, i, one, values, len(inputs)), tangent)
            if output.is_complex():
                i_axis = wrap(output._array.dtype.type(1j))
                imaginary = along(pulled(record, i, i_axis, values, len(inputs)), tangent)
                moved = imaginary if moved is None else moved if imaginary is None else moved + 1j * imaginary
        if moved is not None:
            total = moved if total is None else total + moved
    return zeros(output) if total is None else total


def pulled(record: Op, i: int, gradient: Tensor, values, count: int):
    """The record's formula for input `i`."""
    needs = tuple(True if k == i else None for k in range(count))
    if len(record.vjps) == 1:
        formula, positions = record.vjps[0]
        result = formula(graph_xp, gradient, *[needs if p < 0 else values[p] for p in positions])
        return result[i] if isinstance(result, (tuple, list)) else result
    formula, positions = record.vjps[i]
    if formula is None:
        return None
    return formula(graph_xp, gradient, *[needs if p < 0 else values[p] for p in positions])


def along(gradient, tangent: Tensor):
    """The derivative along `tangent` of a real function whose gradient (d/dx + i d/dy) is known."""
    if gradient is None:
        return None
    if not tangent.is_complex():
        return (gradient.real if gradient.is_complex() else gradient) * tangent
    product = gradient.conj() * tangent
    return product.real


def transposed(record: Op, inputs, tangents, settings, outputs) -> list[Tensor | None]:
    """By transposing the backward formula v(u): the derivative of <v(u), tangent> by u."""
    values = [
        wrap(memory(v))
        if isinstance(v, Tensor) and v.is_inference()
        else v  # which the recorded formula could not save
        for v in formula_values(record, inputs, settings, outputs, record.saved_names, record.saved_kinds)
    ]
    needs = tuple(True if t is not None else None for t in tangents)
    recording = local.grad_enabled
    with _grad_mode(True):
        probes = []
        for y in outputs:
            probe = None
            if y._array.dtype.kind in DIFFERENTIABLE:
                probe = ones(y)  # v is linear in u, but its formula need not be good at 0
                probe._requires_grad = True
            probes.append(probe)
        results = gradients(record, graph_xp, list(probes) if record.outputs else probes[0], values, needs)
        pulled_back, seeds = [], []
        for x, tangent, result in zip(inputs, tangents, results, strict=True):
            if tangent is None or result is None:
                continue
            if record.promote or result._array.shape != x._array.shape:
                result = fit_tensor(result, x._array.shape, x._array.dtype)
            if result.requires_grad:
                pulled_back.append(result)
                seeds.append(tangent)
    chosen = [p for p in probes if p is not None]
    if pulled_back:
        found = run_backward(
            [gradient_edge(v) for v in pulled_back],
            seeds,
            retain_graph=True,
            create_graph=recording,
            inputs=[gradient_edge(p) for p in chosen],
            accumulate=False,
        )
    else:
        found = [None] * len(chosen)
    by_probe = dict(zip(map(id, chosen), found, strict=True))
    return [
        None if p is None else zeros(y) if by_probe[id(p)] is None else by_probe[id(p)]
        for p, y in zip(probes, outputs, strict=True)
    ]


# ---------------------------------------------------------------- in-place writes


class copied_tangents:
    """For the length of a block a tensor's tangents are copies: what is recorded inside may save them, and does not save
    what will be overwritten."""

    def __init__(self, tensor: Tensor) -> None:
        self.extra = own_extra(below_batches(tensor))

    def __enter__(self) -> None:
        self.tangent = self.extra.tangent
        self.extra.tangent = _copied(self.tangent)

    def __exit__(self, *exc) -> None:
        self.extra.tangent = self.tangent


def _copied(tangent: Tangent | None) -> Tangent | None:
    return None if tangent is None else Tangent(tangent.level, tangent.value.clone(), _copied(tangent.below))


def overwrite_dual(tensor: Tensor, result: Tensor, number: int) -> Tensor:
    """Overwrites a tensor with a result, with tangents at level `number`: the tangent is written too, where its views
    see it."""
    new, have = tangent_at(result, number), tangent_at(tensor, number)
    node = result._node if local.grad_enabled else None
    before = have.clone() if have is not None and node is not None and node.saves_tensors else None
    with primal_parts([tensor, result], number):
        overwrite(tensor, result)
    if before is not None:
        _keep_tangent(node, tensor, before, number)
    if new is None:
        if have is not None:
            have.zero_()
    elif have is not None:
        have.copy_(new)
    elif tensor._base is None or tensor._extra.view.tangents != PARTS or not local.grad_enabled:
        from .autograd.forward_ad import laid_out

        attach(tensor, laid_out(fitted(new, tensor).clone(), tensor), number)  # its own: writes will be into it
    else:
        attach(tensor, _part_of_base(tensor, new, number), number)
    return tensor


def _keep_tangent(node, tensor: Tensor, tangent: Tensor, number: int) -> None:
    """The copy that the node of an in-place operation saved of what it overwrote gets the tangent that this had."""
    record = getattr(node, "op", None)
    if record is None or not record.inputs:
        return
    for name, kind, entry in zip(record.saved_names, record.saved_kinds, node.saved, strict=True):
        if kind == INPUT and name == record.inputs[0] and isinstance(entry, Tensor) and entry is not tensor:
            attach(entry, tangent, number)


def _part_of_base(view: Tensor, tangent: Tensor, number: int) -> Tensor:
    """Writes a view's first tangent into a tangent of its base, made if it has none, and returns that part."""
    base: Any = view._base
    part = tangent_at(base, number)
    if part is None:
        part = zeros(base)
        attach(base, part, number)
    return replayed(view_steps(view), part).copy_(fitted(tangent, view))


# ---------------------------------------------------------------- custom Functions


def _check_alike(output: Tensor, tangent: Tensor, args, tangents, versions) -> None:
    """Where a custom Function writes in place or returns a view, its jvp must do the same to the tangents."""
    for x, t, version in zip(args, tangents, versions, strict=True):
        if output is x and (tangent is not t or t._version == version):
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is "
                "modifying an input inplace, then the jvp function must modify the corresponding gradient inplace."
            )
    base = output._base
    if base is None or any(output is x for x in args):
        return
    if tangent._base is None:
        raise RuntimeError(
            "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view."
        )
    for x, t in zip(args, tangents, strict=True):
        if not isinstance(x, Tensor) or t is None:
            continue
        # a dual is a view of what it was made of, but its tangent is nobody's part
        whole = x._is_view() and x._extra.view.tangents == OWN
        if (base is x or (whole and base is x._base)) and tangent._base is not t:
            raise RuntimeError(
                "A custom Function is returning a view but the jvp is not returning a view of the given grad input."
            )
        if base is x._base and not whole and tangent._base is not t and tangent._base is not t._base:
            raise RuntimeError(
                "A custom Function is returning a view but the jvp is not returning a view of the same base as the "
                "given grad input."
            )


def function_on_duals(cls, args, number: int):
    """Runs a custom Function on dual numbers: its forward on the primal parts, its jvp on the tangents."""
    from .autograd.function import FunctionCtx, run_function

    tangents = [tangent_at(x, number) for x in args]
    ctx: FunctionCtx = cls._context_cls()
    with primal_parts(args, number):
        result = run_function(cls, args, ctx)
        outputs = list(result) if isinstance(result, tuple) else [result]
        filled = [
            zeros(x) if t is None and ctx.materialize_grads and is_differentiable(x) else t
            for x, t in zip(args, tangents, strict=True)
        ]
        versions = [t._version if isinstance(t, Tensor) else None for t in filled]
        if ctx.saved_for_forward is None:
            ctx.saved_for_forward = ()
        moved = cls.jvp(ctx, *filled) if local.forward_grad_enabled else (None,) * len(outputs)
        ctx.saved_for_forward = None
    moved = list(moved) if isinstance(moved, (tuple, list)) else [moved]
    if len(moved) != len(outputs):
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients (expected "
            f"{len(outputs)} but got {len(moved)})"
        )
    for position, (output, tangent) in enumerate(zip(outputs, moved, strict=True)):
        if tangent is None:
            continue
        if not isinstance(tangent, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(tangent).__name__}) for grad output {position}.")
        if not isinstance(output, Tensor):
            continue
        if output._array.dtype.kind not in DIFFERENTIABLE or position in ctx.without_tangent:
            raise RuntimeError(
                f"Function's jvp returned a gradient at position {position}, but  the corresponding forward output is "
                "not a differentiable Tensor.You should return None at that position instead."
            )
        if tangent._array.shape != output._array.shape:
            raise different_size(output, tangent)
        if tangent._array.dtype.kind not in DIFFERENTIABLE:
            raise RuntimeError("Expected both tensor and its forward grad to be floating point or complex")
        _check_alike(output, tangent, args, filled, versions)
        attach(output, tangent, number)
    return result
