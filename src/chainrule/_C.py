"""torch._C: the names of it that programs use."""

from . import batching
from .autograd.function import DelayedError as _DelayedError
from .autograd.graph import AccumulateGrad as _AccumulateGrad
from .linalg import LinAlgError as _LinAlgError  # noqa: F401


class _functions:
    """torch._C._functions: the classes of nodes that programs ask for by name."""

    AccumulateGrad = _AccumulateGrad
    DelayedError = _DelayedError


def _debug_only_are_vmap_fallback_warnings_enabled() -> bool:
    """Whether an operation that vmap runs sample by sample warns."""
    return batching.warn_when_slow


def _debug_only_display_vmap_fallback_warnings(enabled: bool) -> None:
    """Switches that warning on or off."""
    batching.warn_when_slow = enabled
