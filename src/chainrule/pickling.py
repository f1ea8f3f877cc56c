"""Classes that call themselves by PyTorch's modules, as programs print them, and pickles of their objects, where pickle
would not find them."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import SupportsIndex


def call_as_pytorch(namespace: dict[str, Any]) -> None:
    """The classes of a package's modules, of those that its namespace has, say that they are of PyTorch's."""
    for module in [value for value in namespace.values() if isinstance(value, ModuleType)]:
        if module.__name__.startswith(namespace["__name__"] + "."):
            name = "torch" + module.__name__.removeprefix(__package__)
            for value in vars(module).values():
                if isinstance(value, type) and value.__module__ == module.__name__:
                    value.__module__ = name


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
