"""What operations do with tensors that are more than arrays: dual numbers, batches of vmap, subclasses with rules.

Forward mode and vmap open levels, numbered from 1 outwards in. A tensor may stand for something at several levels at
once: a batch of batches of dual numbers of dual numbers, say. Batches are always outside, whatever the order in which
the levels were opened, so that what autograd records and saves is the dual numbers. An operation first takes off the
innermost batch among its inputs; where there is none, the innermost tangents; the operations which that takes deal with
the rest.
"""

from __future__ import annotations

import weakref

from .modes import local
from .op import Op
from .tensor import Tensor

DUAL, BATCH, REVERSE = "dual", "batch", "reverse"


class Level:
    """An open level: its number, and the tensors that carry something for it.

    A level of reverse mode carries nothing: what depends on its inputs has a history. It is there to be counted, and
    `members` are its inputs."""

    __slots__ = ("kind", "members", "number", "promoted", "randomness", "size", "strict")

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number
        self.members: list[weakref.ref] = []
        self.promoted: list[Tensor] = []  # tensors that became a batch
        self.size = 0  # of a batch
        self.randomness = "error"
        self.strict = False  # whether torch.func opened it, under whose rules some things are errors


def open_level(kind: str, strict: bool = False) -> Level:
    """Opens a level inside all that are open in this thread."""
    level = Level(kind, len(local.level_stack) + 1)
    level.strict = strict
    local.level_stack = (*local.level_stack, level)
    if kind != REVERSE:
        local.levels += 1
    return level


def inside_func() -> bool:
    """Whether a function is being transformed by torch.func in this thread."""
    return any(level.strict for level in local.level_stack)


def inherit(view: Tensor) -> None:
    """Gives a view what its base was given by a write, after the view was made: a batch, and tangents."""
    base = view._base
    if batch_level(base) and not batch_level(view):
        from .batching import become_batch

        become_batch(view, local.level_stack[batch_level(base) - 1])
    elif tangent_level(base):
        from .forward import inherit_tangents

        inherit_tangents(view)


def own_leaf(tensor: Tensor) -> None:
    """Makes a tensor that was told to require grad inside a transformed function a leaf of its innermost level."""
    from .forward import below_batches

    level = local.level_stack[-1]
    if level.kind == REVERSE:
        level.members.append(weakref.ref(below_batches(tensor)))


def refuse_inside_func(method: str, hint: str = "") -> None:
    """Raises PyTorch's error for a method that changes what a tensor requires, inside a transformed function."""
    if inside_func():
        raise RuntimeError(
            f"You are attempting to call Tensor.{method}() {hint}inside of a function being transformed by a functorch "
            "transform. This is unsupported, please attempt to use the functorch transforms (e.g. grad, vjp, jacrev, "
            f"jacfwd, hessian) or call {method}() outside of a function being transformed instead."
        )


def close_level(level: Level) -> None:
    """Closes the innermost level, after which tensors carry nothing for it."""
    local.level_stack = local.level_stack[:-1]
    if level.kind == REVERSE:
        return
    local.levels -= 1
    for member in level.promoted:
        if batch_level(member) == level.number:
            member._array, member._extra.batch = member._extra.batch.memory, None
            refresh_special(member)
    for reference in level.members:
        tensor = reference()
        if tensor is not None:
            extra = tensor._extra
            if extra.tangent is not None and extra.tangent.level == level.number:
                extra.tangent = extra.tangent.below
            refresh_special(tensor)


def refresh_special(tensor: Tensor) -> None:
    """Recomputes the flag that makes operations look closer."""
    extra = tensor._extra
    extra.special = extra.tangent is not None or extra.batch is not None or type(tensor)._special


def batch_level(value) -> int:
    """The innermost level at which a tensor is batched; 0 for none."""
    extra = value._extra if isinstance(value, Tensor) else None
    return 0 if extra is None or extra.batch is None else extra.batch.level


def tangent_level(value) -> int:
    """The innermost level at which a tensor that is no batch has a tangent; 0 for none."""
    extra = value._extra if isinstance(value, Tensor) else None
    return 0 if extra is None or extra.tangent is None else extra.tangent.level


def carries(value) -> bool:
    """Whether a tensor carries something for a level."""
    return batch_level(value) > 0 or tangent_level(value) > 0


def apply_special(record: Op, inputs, settings, out=None):
    """Runs an operation on inputs some of which carry something for a level or have rules of their own."""
    if number := max(map(batch_level, inputs), default=0):
        if out is not None:
            raise RuntimeError(
                f"Batching rule not implemented for aten::{record.name}.out; the fallback path doesn't work on out= or "
                "view ops."
            )
        from .batching import apply_batched

        result = apply_batched(record, inputs, settings, number)
    elif number := max(map(tangent_level, inputs), default=0):
        from .forward import apply_dual

        result = apply_dual(record, inputs, settings, number)
    else:
        from .overrides import apply_override

        return apply_override(record, inputs, settings, out)
    if out is None:
        return result
    if any(map(carries, result if isinstance(result, tuple) else (result,))):
        raise NotImplementedError(
            f"Trying to use forward AD with {record.name}_out that does not support it because it is an out= function"
        )
    from .inplace import write_out

    return write_out(record, out, result, inputs)


def vmap_with_none(function, values) -> tuple:
    """See batching.py."""
    from .batching import vmap_with_none

    return vmap_with_none(function, values)


def overwrite_special(tensor: Tensor, result: Tensor) -> Tensor:
    """`inplace.overwrite` where one of the two carries something for a level."""
    if batch_level(tensor) or batch_level(result):
        from .batching import overwrite_batched

        return overwrite_batched(tensor, result)
    from .forward import overwrite_dual

    return overwrite_dual(tensor, result, max(tangent_level(tensor), tangent_level(result)))


def take_shape(tensor: Tensor, view: Tensor) -> bool:
    """Lets a tensor carry what a view of it carries; True if that was all there is to do for it to become the view."""
    if batch_level(tensor):
        from .batching import mirror

        tensor._extra.batch = view._extra.batch
        mirror(tensor)
        return True
    if tangent_level(tensor):
        tensor._extra.tangent = view._extra.tangent
    return False


def apply_function(cls, args, kwargs):
    """Runs a custom Function on arguments some of which carry something for a level."""
    if number := max(map(batch_level, args), default=0):
        from .batching import function_on_batches

        return function_on_batches(cls, args, kwargs, number)
    from .autograd.function import refuse_keywords, run_function

    refuse_keywords(kwargs)
    if number := max(map(tangent_level, args), default=0):
        from .forward import function_on_duals

        return function_on_duals(cls, args, number)
    return run_function(cls, args)
