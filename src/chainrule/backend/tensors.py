"""`xp` on Tensors: the array functions of formulas that are not operations of the same name and signature.

Everything else is looked up among the operations (see record.register).
"""

from __future__ import annotations

import numpy as np

from .. import composite
from ..op import graph_xp
from ..ops import creation, joining, shape
from ..tensor import wrap
from .numpy import dense_strides, fits_exponent, has_zero, joint_shape, reduced_count, size_of


def split_like(g, shapes, dim, needs):
    """Cuts a concatenation's gradient into its inputs' gradients."""
    pieces, start = [], 0
    for size, need in zip(shapes, needs, strict=True):
        if size == (0,):
            pieces.append(None if need is None else wrap(np.zeros(size, g._array.dtype)))
            continue
        stop = start + size[dim]
        pieces.append(g.narrow(dim, start, stop - start) if need is not None else None)
        start = stop
    return pieces


def _with_zeros(g, shape, dim, sizes):
    """The gradients of several outputs, zeros of their sizes along `dim` for those that have none."""
    like = next(part for part in g if part is not None)._array.dtype
    return [
        wrap(np.zeros((*shape[:dim], *size, *shape[dim + 1 :]), like)) if part is None else part
        for part, size in zip(g, sizes, strict=True)
    ]


def stack_gradients(g, shape, dim):
    """The gradient of unbind: its outputs' gradients side by side, zeros for those that have none."""
    return joining.stack(_with_zeros(g, shape, dim, [()] * len(g)), dim)


def cat_gradients(g, shape, dim, sizes):
    """The gradient of split: its outputs' gradients one after the other, zeros for those that have none."""
    return joining.cat(_with_zeros(g, shape, dim, [(n,) for n in sizes]), dim)


def expand_reduced(g, size, dim, keepdim):
    """The gradient of a sum: `g` spread over the reduced dimensions."""
    return keep_reduced(g, size, dim, keepdim).expand(size) if size else g


def keep_reduced(g, size, dim, keepdim):
    if keepdim or g.ndim == len(size):
        return g
    return g.reshape(tuple(1 if dim is None or i in dim else n for i, n in enumerate(size)))


def every_sample(x):
    """The array of a tensor, of all samples where it is batched."""
    while x._extra is not None and x._extra.batch is not None:
        x = x._extra.batch.value
    return x._array


def product_of_others(x, dim):
    """For each element the product of all others along `dim`, or of all others; right to any order, zeros or not."""
    if dim is None:
        return product_of_others(x.reshape(-1), 0).reshape(x.shape)
    n = x.shape[dim] if x.ndim else 1
    if not x.ndim or not n:
        return creation.ones_like(x)
    one = creation.ones_like(x.narrow(dim, 0, 1))
    before = joining.cat([one, x.narrow(dim, 0, n - 1).cumprod(dim)], dim)
    after = joining.cat([x.narrow(dim, 1, n - 1).flip(dim).cumprod(dim).flip(dim), one], dim)
    return before * after


graph_xp.__dict__.update(
    cat_gradients=cat_gradients,
    concatenate=joining.cat,
    dense_strides=dense_strides,
    expand_reduced=expand_reduced,
    fits_exponent=lambda x, out, dim: fits_exponent(every_sample(x), every_sample(out), dim - x.ndim),
    has_zero=lambda x: has_zero(every_sample(x)),
    is_complex=lambda x: x._array.dtype.kind == "c",
    joint_shape=joint_shape,
    keep_reduced=keep_reduced,
    matmul=lambda x, y: x.matmul(y),
    number=lambda like, value: value,
    one=lambda like: wrap(np.ones((), like._array.dtype)[()]),
    ones_like=creation.ones_like,
    power=lambda x, y: x**y,
    power_number=lambda x, n: x**n,
    product_of_others=product_of_others,
    reduced_count=reduced_count,
    reshape=shape.reshape,
    reversed_cumsum=lambda x, dim: x.flip(dim).cumsum(dim).flip(dim) if x.ndim else x,
    scaled=lambda x, factor: x if factor == 1 else x * factor,
    size_of=size_of,
    split_like=split_like,
    stack_gradients=stack_gradients,
    sum=lambda x, dim=None, keepdim=False: x.sum(dim, keepdim),
    sum_to=composite.sum_to_size,
    zero=lambda like: wrap(np.zeros((), like._array.dtype)[()]),
    zeros_like=creation.zeros_like,
)
