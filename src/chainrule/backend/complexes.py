"""Complex arrays: their memory as real arrays and back, and what NumPy does otherwise than PyTorch."""

import numpy as np

from .. import dtypes
from .layout import restride


def view_as_real(x):
    """The memory of a complex array as a real one with a last dimension of 2."""
    x = np.asarray(x)
    part = x.real.dtype
    return restride(x, (*x.shape, 2), (*x.strides, part.itemsize), 0, part)


def complex_dtype(x):
    """The NumPy dtype of complex numbers with parts like x's elements; TypeError for those of half precision."""
    return dtypes.from_numpy_dtype(x.dtype).to_complex().numpy_dtype


def view_as_complex(x):
    """The memory of a real array, whose last dimension is 2 and dense, as a complex one."""
    return x.view(complex_dtype(x))[..., 0]


def combine(real, imag):
    """The complex array of two real ones of one dtype."""
    shape = np.broadcast_shapes(real.shape, imag.shape)
    out = np.empty(shape, complex_dtype(real))
    out.real, out.imag = real, imag
    return out
