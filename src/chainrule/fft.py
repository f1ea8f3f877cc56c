"""torch.fft: discrete Fourier transforms, in the precision of their input. Their derivatives are in ops/fourier.py.

`n` and `s` are the lengths of the transformed signals, which are cut or padded with zeros to them; `norm` says which
direction is scaled by the number of points: "backward" (the default), "forward", or "ortho", each by its root.
"""

from __future__ import annotations

from . import dtypes
from .backend import fourier as arrays
from .dtypes import scalar_name
from .inplace import fill_out
from .op import REGISTRY
from .ops import fourier as records
from .ops.products import _array as _array_of
from .ops.rearranging import roll
from .ops.shape import wrap_dim
from .tensor import Tensor, wrap

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn",
    "ifftshift", "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

# ---------------------------------------------------------------- arguments


def _complex_input(x: Tensor) -> Tensor:
    if x._array.dtype.kind == "c":
        return x
    x = _floating(x)
    return x.to(dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64)


def _floating(x: Tensor) -> Tensor:
    """Integers in the default dtype; half types have no transform."""
    if x._array.dtype.kind in "iub":
        return x.to(dtypes.get_default_dtype())
    if x._array.dtype.itemsize == 2:
        raise RuntimeError(f"Unsupported dtype {scalar_name(x.dtype)}")
    return x


def _real_input(name: str, x: Tensor) -> Tensor:
    if x._array.dtype.kind == "c":
        if name == "ihfftn":
            raise RuntimeError(f"Only supports floating-point dtypes, but found: {scalar_name(x.dtype)}")
        real = "real-valued" if name == "rfftn" else "real"
        raise RuntimeError(f"{name} expects a {real} input tensor, but got {scalar_name(x.dtype)}")
    return _floating(x)


def _scale(norm: str | None, forward: bool) -> str:
    """How the result is scaled, from the direction that `norm` says is."""
    if norm is None:
        norm = "backward"
    if norm not in ("backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    return "ortho" if norm == "ortho" else "forward" if (norm == "forward") == forward else "backward"


def _one_dim(x: Tensor, dim: int) -> int:
    if not x._array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, x._array.ndim)


def _dims_and_sizes(x: Tensor, s, dim):
    """The transformed dimensions, and the lengths of the signals in them (-1: as they are)."""
    shape = x._array.shape
    ndim = len(shape)
    sizes = None if s is None else [s] if isinstance(s, int) else list(s)
    if dim is not None:
        given = [dim] if isinstance(dim, int) else list(dim)
        dims = [_one_dim(x, d) for d in given]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if sizes is not None and len(sizes) != len(dims):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
    elif sizes is not None:
        if len(sizes) > ndim:
            raise RuntimeError(f"Got shape with {len(sizes)} values but input tensor only has {ndim} dimensions.")
        dims = list(range(ndim - len(sizes), ndim))
    else:
        dims = list(range(ndim))
    sizes = [-1] * len(dims) if sizes is None else sizes
    for d, n in zip(dims, sizes, strict=True):
        points = shape[d] if n == -1 else n
        if points < 1:
            raise RuntimeError(f"Invalid number of data points ({points}) specified")
    return dims, sizes


def _resized(x: Tensor, dims, sizes) -> Tensor:
    """The signals cut or padded with zeros to their lengths."""
    for d, n in zip(dims, sizes, strict=True):
        have = x._array.shape[d]
        if n == -1 or n == have:
            continue
        if n < have:
            x = x.narrow(d, 0, n)
        else:
            shape = (*x._array.shape[:d], n, *x._array.shape[d + 1 :])
            x = REGISTRY["slice_backward"].apply(x, shape, d, 0, have, 1)
    return x


def _given(name: str, out, result: Tensor) -> Tensor:
    if out is None:
        return result
    if out.dtype.is_complex is not result.dtype.is_complex:
        kind = "complex" if result.dtype.is_complex else "floating point"
        raise RuntimeError(f"{name} expects a {kind} output tensor, but got {scalar_name(out.dtype)}")
    return fill_out(out, result)


# ---------------------------------------------------------------- the transforms


def _transform(name: str, x, dims, sizes, norm, forward: bool, out=None) -> Tensor:
    scale = _scale(norm, forward)
    if forward and x._array.dtype.kind != "c" and len(dims) == 1:
        x = _resized(_floating(x), dims, sizes)
        return _given(name, out, records.real_transform(x, tuple(dims), scale, False))
    x = _resized(_complex_input(x), dims, sizes)
    return _given(name, out, records.complex_transform(x, tuple(dims), scale, forward) if dims else x)


def _half(name: str, x, dims, sizes, norm, forward: bool, out) -> Tensor:
    """rfft and its relatives; not `forward`: ihfft, the conjugate of what rfft gives in the other direction's scale."""
    x = _real_input(name, x)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    scale = _scale(norm, forward)
    x = _resized(x, dims, sizes)
    if forward:
        return _given(name, out, records.real_transform(x, tuple(dims), scale, True))
    found = records.real_transform(x, (dims[-1],), scale, True).conj()
    rest = tuple(dims[:-1])
    if rest:
        found = records.complex_transform(found, rest, scale, False)
    return _given(name, out, found)


def _to_real(name: str, x, dims, sizes, norm, forward: bool, out) -> Tensor:
    """irfft and its relatives; `forward`: hfft, the transform to real in the other direction."""
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    scale = _scale(norm, forward)
    last = dims[-1]
    size = sizes[-1] if sizes[-1] != -1 else 2 * (x._array.shape[last] - 1)
    if size < 1:
        raise RuntimeError(f"Invalid number of data points ({size}) specified")
    x = _resized(_complex_input(x), dims, [*sizes[:-1], size // 2 + 1])
    rest = tuple(dims[:-1])
    if forward:
        if rest:
            x = records.complex_transform(x, rest, scale, True)
        return _given(name, out, records.transform_to_real(x.conj(), (last,), scale, size))
    return _given(name, out, records.transform_to_real(x, tuple(dims), scale, size))


def fft(input, n: int | None = None, dim: int = -1, norm: str | None = None, *, out=None):
    """The transform along one dimension."""
    return _along_one("fft", _transform, input, n, dim, norm, True, out)


def ifft(input, n: int | None = None, dim: int = -1, norm: str | None = None, *, out=None):
    """The inverse transform along one dimension."""
    return _along_one("ifft", _transform, input, n, dim, norm, False, out)


def rfft(input, n: int | None = None, dim: int = -1, norm: str | None = None, *, out=None):
    """The transform of a real signal: its first ``n // 2 + 1`` elements, of which the others are conjugates."""
    return _along_one("rfft", _half, input, n, dim, norm, True, out)


def irfft(input, n: int | None = None, dim: int = -1, norm: str | None = None, *, out=None):
    """The inverse of `rfft`: `n` real elements, by default an even number."""
    return _along_one("irfft", _to_real, input, n, dim, norm, False, out)


def hfft(input, n: int | None = None, dim: int = -1, norm: str | None = None, *, out=None):
    """The transform, which is real, of a signal that is conjugate-symmetric in time and given by its half."""
    return _along_one("hfft", _to_real, input, n, dim, norm, True, out)


def ihfft(input, n: int | None = None, dim: int = -1, norm: str | None = None, *, out=None):
    """The inverse of `hfft`: the half of a conjugate-symmetric signal."""
    return _along_one("ihfft", _half, input, n, dim, norm, False, out)


def _along_one(name: str, transform, x, n, dim: int, norm, forward: bool, out) -> Tensor:
    _array_of(f"fft_{name}", "input", 1, x)
    if transform is _half:
        _real_input(name, x)
    d = _one_dim(x, dim)
    if n is not None or transform is not _to_real:
        points = x._array.shape[d] if n is None else n
        if points < 1:
            raise RuntimeError(f"Invalid number of data points ({points}) specified")
    return transform(name, x, [d], [-1 if n is None else n], norm, forward, out)


def _along_some(name: str, transform, x, s, dim, norm, forward: bool, out) -> Tensor:
    _array_of(f"fft_{name}", "input", 1, x)
    if transform is _half:
        _real_input(name, x)
    dims, sizes = _dims_and_sizes(x, s, dim)
    return transform(name, x, dims, sizes, norm, forward, out)


def fftn(input, s=None, dim=None, norm: str | None = None, *, out=None):
    """The transform along the dimensions `dim`, by default all (the last ones, if `s` is given)."""
    return _along_some("fftn", _transform, input, s, dim, norm, True, out)


def ifftn(input, s=None, dim=None, norm: str | None = None, *, out=None):
    """The inverse transform along the dimensions `dim`."""
    return _along_some("ifftn", _transform, input, s, dim, norm, False, out)


def rfftn(input, s=None, dim=None, norm: str | None = None, *, out=None):
    """The transform of a real signal: the first half in the last of `dim`."""
    return _along_some("rfftn", _half, input, s, dim, norm, True, out)


def irfftn(input, s=None, dim=None, norm: str | None = None, *, out=None):
    """The inverse of `rfftn`."""
    return _along_some("irfftn", _to_real, input, s, dim, norm, False, out)


def hfftn(input, s=None, dim=None, norm: str | None = None, *, out=None):
    """The real transform of a conjugate-symmetric signal given by its half in the last of `dim`."""
    return _along_some("hfftn", _to_real, input, s, dim, norm, True, out)


def ihfftn(input, s=None, dim=None, norm: str | None = None, *, out=None):
    """The inverse of `hfftn`."""
    return _along_some("ihfftn", _half, input, s, dim, norm, False, out)


def fft2(input, s=None, dim=(-2, -1), norm: str | None = None, *, out=None):
    """`fftn` along two dimensions."""
    return fftn(input, s, dim, norm, out=out)


def ifft2(input, s=None, dim=(-2, -1), norm: str | None = None, *, out=None):
    """`ifftn` along two dimensions."""
    return ifftn(input, s, dim, norm, out=out)


def rfft2(input, s=None, dim=(-2, -1), norm: str | None = None, *, out=None):
    """`rfftn` along two dimensions."""
    return rfftn(input, s, dim, norm, out=out)


def irfft2(input, s=None, dim=(-2, -1), norm: str | None = None, *, out=None):
    """`irfftn` along two dimensions."""
    return irfftn(input, s, dim, norm, out=out)


def hfft2(input, s=None, dim=(-2, -1), norm: str | None = None, *, out=None):
    """`hfftn` along two dimensions."""
    return hfftn(input, s, dim, norm, out=out)


def ihfft2(input, s=None, dim=(-2, -1), norm: str | None = None, *, out=None):
    """`ihfftn` along two dimensions."""
    return ihfftn(input, s, dim, norm, out=out)


# ---------------------------------------------------------------- frequencies and shifts


def _frequencies(n, d, half, out, dtype, device, requires_grad):
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    result = wrap(arrays.frequencies(n, d, half).astype(kind.numpy_dtype))
    if out is not None:
        return fill_out(out, result)
    return result.requires_grad_() if requires_grad else result


def fftfreq(n: int, d: float = 1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad: bool = False):
    """The frequencies of `fft`'s results for `n` samples `d` apart."""
    return _frequencies(n, d, False, out, dtype, device, requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad: bool = False):
    """The frequencies of `rfft`'s results for `n` samples `d` apart."""
    return _frequencies(n, d, True, out, dtype, device, requires_grad)


def _shifted(input, dim, halves) -> Tensor:
    ndim = input._array.ndim
    dims = list(range(ndim)) if dim is None else [_one_dim(input, d) for d in ([dim] if isinstance(dim, int) else dim)]
    if not dims:
        raise RuntimeError("`shifts` required")
    return roll(input, [halves(input._array.shape[d]) for d in dims], dims)


def fftshift(input, dim=None):
    """The zero frequency moved to the middle of each dimension in `dim`."""
    return _shifted(input, dim, lambda n: n // 2)


def ifftshift(input, dim=None):
    """The inverse of `fftshift`."""
    return _shifted(input, dim, lambda n: (n + 1) // 2)
