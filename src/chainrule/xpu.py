"""torch.xpu where there is none."""

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


def synchronize(device=None) -> None:
    """AssertionError: there is no device to wait for."""
    raise AssertionError("Torch not compiled with XPU enabled")


def empty_cache() -> None:
    """Accepted, and without effect."""
