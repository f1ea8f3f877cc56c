"""Pickles of objects whose classes call themselves by PyTorch's module, where pickle would not find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import SupportsIndex


def rebuild(path: str, name: str) -> Any:
    """A bare object of the class `name` of this package's module `path`: what the pickles call."""
    from importlib import import_module

    return object.__new__(getattr(import_module(f"{__package__}.{path}"), name))


def reduce_ex(self: Any, protocol: SupportsIndex) -> tuple | str:
    """The ``__reduce_ex__`` of such a class. Subclasses that users write are pickled as any other class."""
    kind = type(self)
    if kind.__module__.startswith("torch."):
        return rebuild, (kind.__module__[len("torch.") :], kind.__qualname__), self.__getstate__()
    return object.__reduce_ex__(self, protocol)
