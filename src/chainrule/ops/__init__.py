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
    """``torch.ops.namespace``: the operators that the user has defined in it (see library.py)."""
    if name.startswith("__"):
        raise AttributeError(name)
    from ..library import OpNamespace

    return OpNamespace(name)
