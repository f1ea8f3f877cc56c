"""torch._C: the names of it that programs use."""

from . import batching
from .autograd.forward_ad import (
    _is_fwd_grad_enabled as _is_fwd_grad_enabled,
)
from .autograd.function import DelayedError as _DelayedError, Function as _Function
from .autograd.grad_mode import set_versions as _set_versions
from .autograd.graph import AccumulateGrad as _AccumulateGrad, current_node as _current_autograd_node  # noqa: F401
from .engine import Node as _Node
from .linalg import LinAlgError as _LinAlgError  # noqa: F401
from .modes import is_grad_enabled as _is_grad_enabled, local as _local  # noqa: F401


class _NoGradient(_Function):
    @staticmethod
    def forward(ctx, *inputs):
        outputs = tuple(x.view_as(x) for x in inputs)
        return outputs if len(outputs) > 1 else outputs[0]

    @staticmethod
    def backward(ctx, *gradients):
        return (None,) * len(gradients)


class _UndefinedGrad:
    """Passes tensors on, and no gradient back."""

    def __call__(self, *inputs):
        return _NoGradient.apply(*inputs)


class _functions:
    """torch._C._functions: the classes of nodes that programs ask for by name."""

    AccumulateGrad = _AccumulateGrad
    DelayedError = _DelayedError
    UndefinedGrad = _UndefinedGrad


class _autograd:
    """torch._C._autograd."""

    @staticmethod
    def _unsafe_set_version_counter(tensors, versions) -> None:
        """Sets the versions that in-place writes to the tensors have counted."""
        _set_versions(tensors, versions)

    @staticmethod
    def _get_current_graph_task_keep_graph() -> bool:
        """Whether the running backward keeps the graph; True outside of one."""
        return _local.task is None or _local.task.freed is None


def _set_fwd_grad_enabled(enabled: bool) -> None:
    """Switches the propagation of tangents."""
    _local.forward_grad_enabled = enabled


def _current_graph_task_id() -> int:
    """A number of the running backward; -1 outside of one."""
    return -1 if _local.task is None else id(_local.task)


def _current_graph_task_execution_order() -> list:
    """The nodes of the running backward in the order they run in."""
    if _local.task is None:
        raise RuntimeError("_current_graph_task_execution_order should only be called during the backward pass")
    return list(_local.task.order)


def _will_engine_execute_node(node) -> bool:
    """Whether the running backward runs a node."""
    if not isinstance(node, _Node):
        raise RuntimeError(f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__}")
    if _local.task is None:
        raise RuntimeError("_get_should_execute_nodes should only be called during the backward pass")
    leaf = isinstance(node, _AccumulateGrad)
    edge = (node.variable, 0) if leaf else (node, 0)
    return edge[0] is _local.task.roots[0][0] or _local.task.will_run(edge)


def _debug_only_are_vmap_fallback_warnings_enabled() -> bool:
    """Whether an operation that vmap runs sample by sample warns."""
    return batching.warn_when_slow


def _debug_only_display_vmap_fallback_warnings(enabled: bool) -> None:
    """Switches that warning on or off."""
    batching.warn_when_slow = enabled
