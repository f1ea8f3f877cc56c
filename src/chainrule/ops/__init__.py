"""The operations, by family. Importing the package registers them all."""

from . import (
    bitwise,
    comparison,
    complexes,
    conversion,
    creation,
    elementwise,
    indexing,
    products,
    random,
    reduction,
    shape,
    special,
)
