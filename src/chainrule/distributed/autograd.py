"""torch.distributed.autograd: gradients that belong to a context, and leave the leaves' `.grad` as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import count

from ..autograd import grad
from ..tensor import Tensor, leaves_behind

__all__ = ["backward", "context", "get_gradients", "is_available"]

_ids = count()
_gradients: dict[int, dict[Tensor, Tensor]] = {}  # by context, then by leaf


class _Current(threading.local):
    context: int | None = None


_current = _Current()


def is_available() -> bool:
    """True: for one worker."""
    return True


def current_context() -> int | None:
    """The context this thread is in."""
    return _current.context


class context:
    """``with context() as context_id:`` inside, `backward` gathers gradients, which are forgotten at its end."""

    def __enter__(self) -> int:
        from .rpc.agent import _Agent

        if _Agent.worker is None:
            raise RuntimeError("Need to initialize distributed autograd using torch.distributed.autograd.init()")
        if _current.context is not None:
            raise RuntimeError("Already have an autograd context id for this thread.")
        self.id = _current.context = next(_ids)
        _gradients[self.id] = {}
        return self.id

    def __exit__(self, *exc: object) -> None:
        _current.context = None
        del _gradients[self.id]


def get_gradients(context_id: int) -> dict[Tensor, Tensor]:
    """{leaf: its gradient} of what `backward` was called for in this context. RuntimeError for no such context."""
    return dict(_of(context_id))


def _of(context_id: int) -> dict[Tensor, Tensor]:
    if context_id not in _gradients:
        raise RuntimeError(f"Could not find autograd context with id: {context_id}")
    return _gradients[context_id]


def backward(context_id: int, roots: Sequence[Tensor], retain_graph: bool = False) -> None:
    """Adds the gradients of the sum of `roots`, numbers that require grad, to those of the context."""
    gathered = _of(context_id)
    if isinstance(roots, Tensor):
        raise TypeError("backward(): argument 'roots' must be a sequence of tensors, not a Tensor")
    if not roots:
        raise RuntimeError("No tensors provided for gradient computation.")
    for root in roots:
        if not root.requires_grad:
            raise RuntimeError("requires_grad not set on root")
        if root.numel() != 1:
            raise RuntimeError(
                f"{root.grad_fn.name() if root.grad_fn else ''} is not a scalar, all roots need to be scalar"
            )
    leaves = list(leaves_behind(roots))
    for leaf, found in zip(leaves, grad(roots, leaves, retain_graph=retain_graph, allow_unused=True), strict=True):
        if found is not None:
            gathered[leaf] = gathered[leaf] + found if leaf in gathered else found
