"""The operations, by family. Importing the package registers them all."""

from . import (
    aten,
    bitwise,
    comparison,
    complexes,
    contractions,
    conversion,
    creation,
    elementwise,
    indexing,
    matrices,
    products,
    random,
    reduction,
    shape,
    special,
)


def __getattr__(name: str):
    """A family that is not loaded yet, or ``torch.ops.namespace``: the user's operators in it (see library.py)."""
    if name.startswith("__"):
        raise AttributeError(name)
    from importlib import import_module

    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    from ..library import OpNamespace

    return OpNamespace(name)
