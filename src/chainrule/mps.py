"""torch.mps where there is none."""

from __future__ import annotations

__all__ = ["device_count", "empty_cache", "is_available", "manual_seed", "seed", "synchronize"]


def is_available() -> bool:
    """False: chainrule computes on the CPU."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Accepted, and without effect."""


def seed() -> None:
    """Accepted, and without effect."""


def synchronize() -> None:
    """RuntimeError: there is no device to wait for."""
    raise RuntimeError("Cannot execute deviceSynchronize() without MPS backend.")


def empty_cache() -> None:
    """RuntimeError: there is no device."""
    raise RuntimeError("Cannot execute emptyCache() without MPS backend.")
