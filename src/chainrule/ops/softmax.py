"""Sums of exponentials and what is normalized by them: logsumexp, softmax, log_softmax."""

from __future__ import annotations

from ..op import general, method, op
from .reduction import array_of, called, dims_argument, no_kernel_for, numpy_names
from .shape import wrap_dim

__all__ = ["log_softmax", "logsumexp", "softmax"]


def _total(xp, x, dim):
    return xp.sum(x, (dim,) if x.ndim else (), True)


_logsumexp = op(
    "logsumexp",
    forward=lambda xp, x, /, dim, keepdim: xp.logsumexp(x, dim, keepdim),
    vjp=lambda xp, g, x, out, dim, keepdim: (
        xp.keep_reduced(g, x.shape, dim, keepdim) * xp.conj(xp.exp(x - xp.keep_reduced(out, x.shape, dim, keepdim)))
    ),
    floating=True,
)
_softmax = op(
    "softmax",
    forward=lambda xp, x, /, dim: xp.softmax(x, dim),
    vjp=lambda xp, g, out, dim: xp.softmax_backward(g, out, dim),
    jvp=lambda xp, t_x, out, dim: xp.softmax_backward(t_x, out, dim),
)
_softmax_backward = op(
    "softmax_backward",
    forward=lambda xp, v, y, /, dim: xp.softmax_backward(v, y, dim),
    vjp=(
        lambda xp, g, y, dim: xp.softmax_backward(g, y, dim),
        lambda xp, g, v, y, dim: g * (v - _total(xp, v * y, dim)) - v * _total(xp, g * y, dim),
    ),
    node="SoftmaxBackwardDataBackward0",
)
_log_softmax = op(
    "log_softmax",
    forward=lambda xp, x, /, dim: xp.log_softmax(x, dim),
    vjp=lambda xp, g, out, dim: xp.log_softmax_backward(g, out, dim),
    jvp=lambda xp, t_x, out, dim: t_x - _total(xp, t_x * xp.exp(out), dim),
)
_log_softmax_backward = op(
    "log_softmax_backward",
    forward=lambda xp, v, y, /, dim: xp.log_softmax_backward(v, y, dim),
    vjp=(
        lambda xp, g, y, dim: g - _total(xp, g * xp.exp(y), dim),
        lambda xp, g, v, y, dim: -(g * xp.exp(y)) * _total(xp, v, dim),
    ),
    node="LogSoftmaxBackwardDataBackward0",
)


@method()
@numpy_names
def logsumexp(input, dim, keepdim: bool = False, *, out=None):
    """``log(sum(exp(input)))`` over `dim` (an int or several), without overflow; integers in the default dtype."""
    dims = dims_argument(dim, array_of("logsumexp", input).ndim)
    if dims is None:
        dims = tuple(range(input._array.ndim))
    return general(_logsumexp.record, (input,), (dims, keepdim), out)


def _normalizer(name: str, function, kernel: str, doc: str):
    @method(name)
    @numpy_names
    @called(name, doc)
    def normalize(input, dim: int, dtype=None, *, out=None):
        array = array_of(name, input)
        if dim is None:
            raise TypeError(f"{name}(): argument 'dim' (position 2) must be int, not NoneType")
        dim = wrap_dim(dim, array.ndim)
        if dtype is not None:
            input = input.to(dtype)
        if array.size:  # of nothing PyTorch returns nothing, in any dtype, before it looks for a kernel
            last = dim == array.ndim - 1 or not array.ndim
            no_kernel_for(kernel if last else kernel.replace("lastdim_", ""), input._array, "iubc")
        return function(input, dim) if out is None else general(function.record, (input,), (dim,), out)

    return normalize


softmax = _normalizer(
    "softmax",
    _softmax,
    "softmax_lastdim_kernel_impl",
    "``exp(input)`` divided by its sum along `dim`; `dtype` is what to compute in. NotImplementedError for integers.",
)
log_softmax = _normalizer(
    "log_softmax",
    _log_softmax,
    "log_softmax_lastdim_kernel_impl",
    "The logarithm of the softmax along `dim`; `dtype` is what to compute in. NotImplementedError for integers.",
)
