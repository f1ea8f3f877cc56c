"""torch._C: the names of it that programs use."""

from . import batching
from .linalg import LinAlgError as _LinAlgError  # noqa: F401


def _debug_only_are_vmap_fallback_warnings_enabled() -> bool:
    """Whether an operation that vmap runs sample by sample warns."""
    return batching.warn_when_slow


def _debug_only_display_vmap_fallback_warnings(enabled: bool) -> None:
    """Switches that warning on or off."""
    batching.warn_when_slow = enabled
