"""`xp` on Tensors: the array functions of formulas that are not operations of the same name and signature.

Everything else is looked up among the operations (see op.Namespace).
"""

from __future__ import annotations

import numpy as np

from .. import composite
from ..op import graph_xp
from ..ops import creation, reduction, shape
from ..tensor import wrap
from .numpy import reduced_count


def split_like(g, shapes, dim, needs):
    """Cuts a concatenation's gradient into its inputs' gradients."""
    pieces, start = [], 0
    for size, need in zip(shapes, needs, strict=True):
        if len(size) != g.ndim:
            pieces.append(None if need is None else wrap(np.zeros(size, g._array.dtype)))
            continue
        stop = start + size[dim]
        pieces.append(g.narrow(dim, start, stop - start) if need is not None else None)
        start = stop
    return pieces


def expand_reduced(g, size, dim, keepdim):
    """The gradient of a sum: `g` spread over the reduced dimensions."""
    return keep_reduced(g, size, dim, keepdim).expand(size) if size else g


def keep_reduced(g, size, dim, keepdim):
    if keepdim or g.ndim == len(size):
        return g
    return g.reshape(tuple(1 if dim is None or i in dim else n for i, n in enumerate(size)))


graph_xp.__dict__.update(
    expand_reduced=expand_reduced,
    keep_reduced=keep_reduced,
    matmul=lambda x, y: x.matmul(y),
    one=lambda like: wrap(np.ones((), like._array.dtype)[()]),
    ones_like=creation.ones_like,
    power=lambda x, y: x**y,
    power_number=lambda x, n: x**n,
    reduced_count=reduced_count,
    reshape=shape.reshape,
    split_like=split_like,
    sum=lambda x, dim=None, keepdim=False: x.sum(dim, keepdim),
    sum_to=composite.sum_to_size,
    zero=lambda like: wrap(np.zeros((), like._array.dtype)[()]),
    zeros_like=creation.zeros_like,
)
