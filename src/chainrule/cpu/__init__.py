"""torch.cpu: the device that everything is on."""

from __future__ import annotations

__all__ = ["current_device", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """The name of the one device."""
    return "cpu"


def synchronize(device=None) -> None:
    """Nothing is left to wait for: operations have ended when they return."""


def __getattr__(name: str):
    if name == "amp":
        from importlib import import_module  # `from . import amp` would ask for the attribute again

        return import_module(".amp", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: chainrule has no torch.cpu.{name} (yet)")
