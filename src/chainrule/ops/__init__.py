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
