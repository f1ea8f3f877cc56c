"""torch.utils: its modules are imported when they are first used."""

from __future__ import annotations

_LAZY = ("_pytree", "benchmark", "checkpoint", "data", "hooks", "model_zoo", "tensorboard")


def __getattr__(name: str):
    if name in _LAZY:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}: chainrule does not have torch.utils.{name} (yet)"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
