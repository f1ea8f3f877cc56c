"""Products of matrices and vectors."""

from __future__ import annotations

from ..op import general, method, op
from ..tensor import Tensor

__all__ = ["matmul", "mm"]

_mm = op(
    "mm",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(lambda xp, g, y: xp.matmul(g, y.T), lambda xp, g, x: xp.matmul(x.T, g)),
    holomorphic=True,
)


@method()
def mm(input, mat2, *, out=None):
    """The product of two matrices."""
    a, b = input._array, mat2._array
    if a.ndim != 2 or b.ndim != 2:
        raise RuntimeError(f"{'self' if a.ndim != 2 else 'mat2'} must be a matrix")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    return _mm(input, mat2) if out is None else general(_mm.record, (input, mat2), (), out)


def matmul(input, other, *, out=None):
    return mm(input, other, out=out)


Tensor.__matmul__ = matmul
Tensor.matmul = matmul
