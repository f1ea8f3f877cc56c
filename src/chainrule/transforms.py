"""What operations do with tensors that are more than arrays: dual numbers, batches of vmap, subclasses with rules.

Forward mode and vmap open levels, numbered from 1 outwards in. A tensor may stand for something at several levels at
once: a dual number whose parts are batches of dual numbers, say. An operation deals with the innermost level among its
inputs, and the operations which that takes deal with the levels below.
"""

from __future__ import annotations

import weakref

from .modes import local
from .op import Op, general
from .tensor import Tensor

DUAL, BATCH = "dual", "batch"


class Level:
    """An open level: its number, and the tensors that carry something for it."""

    __slots__ = ("kind", "members", "number", "randomness", "size")

    def __init__(self, kind: str, number: int) -> None:
        self.kind = kind
        self.number = number
        self.members: list[weakref.ref] = []
        self.size = 0  # of a batch
        self.randomness = "error"


def open_level(kind: str) -> Level:
    """Opens a level inside all that are open in this thread."""
    level = Level(kind, local.levels + 1)
    local.level_stack = (*local.level_stack, level)
    local.levels += 1
    return level


def close_level(level: Level) -> None:
    """Closes the innermost level, after which tensors carry nothing for it."""
    local.level_stack = local.level_stack[:-1]
    local.levels -= 1
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


def top_level(value) -> int:
    """The innermost level for which a tensor carries something; 0 for none."""
    extra = value._extra if isinstance(value, Tensor) else None
    if extra is None or not extra.special:
        return 0
    if extra.tangent is not None:
        return extra.tangent.level
    return 0 if extra.batch is None else extra.batch.level


def apply_special(record: Op, inputs, settings, out=None):
    """Runs an operation on inputs some of which carry something for a level or have rules of their own."""
    number = max(map(top_level, inputs), default=0)
    if number == 0:
        for x in inputs:
            if isinstance(x, Tensor) and x._extra is not None:
                x._extra.special = False
        return general(record, inputs, settings, out)
    if local.level_stack[number - 1].kind == DUAL:
        from .forward import apply_dual

        result = apply_dual(record, inputs, settings, number)
    else:
        from .batching import apply_batched

        result = apply_batched(record, inputs, settings, number)
    if out is None:
        return result
    if any(map(top_level, result if isinstance(result, tuple) else (result,))):
        raise RuntimeError(
            f"{record.name}(): functions with out=... arguments don't support automatic differentiation, but one of "
            "the arguments requires grad."
        )
    from .inplace import write_out

    return write_out(record, out, result, inputs)


def vmap_with_none(function, values) -> tuple:
    """See batching.py."""
    from .batching import vmap_with_none

    return vmap_with_none(function, values)


def overwrite_special(tensor: Tensor, result: Tensor) -> Tensor:
    """`inplace.overwrite` where one of the two carries something for a level: the innermost such level is dealt with."""
    number = max(top_level(tensor), top_level(result))
    if local.level_stack[number - 1].kind == DUAL:
        from .forward import overwrite_dual

        return overwrite_dual(tensor, result, number)
    from .batching import overwrite_batched

    return overwrite_batched(tensor, result)


def apply_function(cls, args, kwargs):
    """Runs a custom Function on arguments some of which carry something for a level."""
    number = max(map(top_level, args), default=0)
    if number == 0:
        from .autograd.function import run_function

        return run_function(cls, args, kwargs)
    if local.level_stack[number - 1].kind == DUAL:
        from .forward import function_on_duals

        return function_on_duals(cls, args, kwargs, number)
    from .batching import function_on_batches

    return function_on_batches(cls, args, kwargs, number)
