"""Selective checkpoints: what some operations compute is kept, so that only the others run again.

In the forward, a policy decides for each operation whether its results are kept; when the function runs again, those
operations hand out what was kept instead of computing it. They are recorded as ever. Views are never kept: they cost
nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

from ..backend import numpy as backend
from ..modes import local
from ..ops.aten import OpOverload, overload_of
from ..record import VIEW, Op, run_forward
from ..tensor import wrap

__all__ = ["CheckpointPolicy", "SelectiveCheckpointContext", "create_selective_checkpoint_contexts"]


class CheckpointPolicy(enum.Enum):
    """What a policy answers for an operation. "Prefer" and "must" are the same here, and memory is all the CPU's."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


_RECOMPUTE = (CheckpointPolicy.MUST_RECOMPUTE, CheckpointPolicy.PREFER_RECOMPUTE, False)


class SelectiveCheckpointContext:
    """A policy's first argument: whether the function runs again, and what the operation has computed."""

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute = is_recompute
        self.op_output = op_output


class _Kernels:
    """Inside, the forwards of operations run through `run`."""

    def run(self, record: Op, inputs: Sequence, arrays: Sequence, settings: Sequence) -> Any:
        raise NotImplementedError

    def __enter__(self) -> None:
        self.previous, local.kernels = local.kernels, self
        local.refresh()

    def __exit__(self, *exc: object) -> None:
        local.kernels = self.previous
        local.refresh()


class _Keeping(_Kernels):
    """Runs operations and keeps a copy of what the policy wants kept: the results may be overwritten later."""

    def __init__(self, policy: Callable) -> None:
        self.policy = policy
        self.kept: dict[OpOverload, list] = {}  # for each call, in order: its results, or None to run it again

    def run(self, record: Op, inputs: Sequence, arrays: Sequence, settings: Sequence) -> Any:
        results = run_forward(record, arrays, settings)
        if record.kind == VIEW:
            return results
        op = overload_of(record)
        shown = tuple([wrap(r) for r in results]) if record.outputs else wrap(results)
        with _Plainly():
            choice = self.policy(
                SelectiveCheckpointContext(is_recompute=False, op_output=shown), op, *inputs, *settings
            )
        copied = None
        if choice not in _RECOMPUTE:
            copied = [backend.copy(r) for r in results] if record.outputs else backend.copy(results)
        self.kept.setdefault(op, []).append(copied)
        return results


class _Handing(_Kernels):
    """Hands out what was kept, and runs the other operations."""

    def __init__(self, kept: dict[OpOverload, list]) -> None:
        self.kept = kept

    def run(self, record: Op, inputs: Sequence, arrays: Sequence, settings: Sequence) -> Any:
        if record.kind == VIEW:
            return run_forward(record, arrays, settings)
        calls = self.kept.get(overload_of(record))
        if not calls:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region computed under "
                "selective activation checkpoint."
            )
        kept = calls.pop(0)
        return run_forward(record, arrays, settings) if kept is None else kept


class _Plainly(_Kernels):
    """Inside, operations run as usual."""

    def __enter__(self) -> None:
        self.previous, local.kernels = local.kernels, None
        local.refresh()


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Callable | list, allow_cache_entry_mutation: bool = False
) -> tuple:
    """The two contexts that `checkpoint(..., context_fn=...)` wants, by a policy or a list of operations to keep.

    ``policy(ctx, op, *args, **kwargs)`` answers a CheckpointPolicy, or True to keep and False to run again; `op` is one of
    ``torch.ops.aten``. TypeError for what is neither a function nor a list, ValueError for a list of something else.
    """
    if isinstance(policy_fn_or_list, list):
        for op in policy_fn_or_list:
            if not isinstance(op, OpOverload):
                raise ValueError(
                    f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}. Use an overload, "
                    "such as torch.ops.aten.mm.default"
                )

        def policy(ctx: SelectiveCheckpointContext, op: OpOverload, *args: Any, **kwargs: Any) -> bool:
            return op in policy_fn_or_list

    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    keeping = _Keeping(policy)
    return keeping, _Handing(keeping.kept)
