"""Running sums, products and extremes, differences of neighbours, and numerical derivatives and integrals."""

from __future__ import annotations

from .. import return_types
from ..inplace import fill_out, in_place_method
from ..op import LINEAR, NUMBERS, general, method, op
from ..tensor import Tensor
from . import joining
from .reduction import accumulated, array_of, called, no_kernel_for, numpy_names
from .shape import at_dim, wrap_dim

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "gradient", "logcumsumexp", "trapezoid",
    "trapz",
]  # fmt: skip


# ---------------------------------------------------------------- the records


def _from_the_end(xp, steps, factors, dim):
    """``s[k] = steps[k] + factors[k + 1] * s[k + 1]``, from the last k to the first."""
    sums = [steps[at_dim(dim, slice(-1, None))]]
    for k in range(steps.shape[dim] - 2, -1, -1):
        here, after = at_dim(dim, slice(k, k + 1)), at_dim(dim, slice(k + 1, k + 2))
        sums.append(steps[here] + factors[after] * sums[-1])
    return xp.concatenate(sums[::-1], dim)


def _cumprod_vjp(xp, g, x, out, dim):
    if xp.size_of(x.shape) <= 1 or not x.shape[dim]:
        return g
    if not xp.has_zero(x):
        return xp.reversed_cumsum(g * xp.conj(out), dim) / xp.conj(x)
    # product of all before, times the sum of what the later elements get from the product of those between
    first = xp.ones_like(x[at_dim(dim, slice(0, 1))])
    before = xp.concatenate([first, xp.cumprod(x[at_dim(dim, slice(0, -1))], dim)], dim)
    x, before = xp.conj(x), xp.conj(before)
    return before * _from_the_end(xp, g, x, dim)


def _logcumsumexp_vjp(xp, g, x, out, dim):
    if not x.ndim or not x.shape[dim]:
        return g
    if xp.fits_exponent(x, out, dim):
        end = xp.detach(out[at_dim(dim, slice(-1, None))])
        return xp.conj(xp.exp(x - end)) * xp.reversed_cumsum(g * xp.conj(xp.exp(end - out)), dim)
    # every exponent below is negative: exp(out[k - 1] - out[k]) is what of a sum up to k was there before
    shares = xp.exp(out[at_dim(dim, slice(0, -1))] - out[at_dim(dim, slice(1, None))])
    shares = xp.concatenate([xp.ones_like(out[at_dim(dim, slice(0, 1))]), shares], dim)
    return xp.conj(xp.exp(x - out)) * _from_the_end(xp, g, xp.conj(shares), dim)


_cumsum = op(
    "cumsum",
    kind=LINEAR,
    forward=lambda xp, x, /, dim: xp.cumsum(x, dim),
    vjp=lambda xp, g, dim: xp.reversed_cumsum(g, dim),
)
_cumprod = op("cumprod", forward=lambda xp, x, /, dim: xp.cumprod(x, dim), vjp=_cumprod_vjp)
_logcumsumexp = op("logcumsumexp", forward=lambda xp, x, /, dim: xp.logcumsumexp(x, dim), vjp=_logcumsumexp_vjp)


def _running_extreme(name: str, forward):
    return op(
        name,
        forward=forward,
        vjp=lambda xp, g, indices, x_shape, dim: xp.gather_backward(g[0], indices, x_shape, dim),
        jvp=lambda xp, t_x, indices, dim: (xp.gather(t_x, indices, dim), None),
        outputs=("values", "indices"),
    )


_cummax = _running_extreme("cummax", lambda xp, x, /, dim: xp.cummax(x, dim))
_cummin = _running_extreme("cummin", lambda xp, x, /, dim: xp.cummin(x, dim))


# ---------------------------------------------------------------- the functions


def _running(name: str, function, doc: str):
    @method(name)
    @numpy_names
    @called(name, f"The running {doc} along `dim`; of integers in int64 unless `dtype` is given.")
    def running(input, dim: int, *, dtype=None, out=None):
        dim = wrap_dim(dim, array_of(name, input).ndim)
        input = accumulated(input, dtype)
        no_kernel_for(f"{name}_out_cpu", input._array, "b")
        return function(input, dim) if out is None else general(function.record, (input,), (dim,), out)

    def in_place(input, dim: int, *, dtype=None):
        return running(input, dim, dtype=input.dtype if dtype is None else dtype)

    in_place_method(name + "_", in_place)
    return running


cumsum = _running("cumsum", _cumsum, "sum")
cumprod = _running("cumprod", _cumprod, "product")


@method()
@numpy_names
def logcumsumexp(input, dim: int, *, out=None):
    """The running ``log(sum(exp(input)))`` along `dim`, without overflow."""
    array = array_of("logcumsumexp", input)
    dim = wrap_dim(dim, array.ndim)
    no_kernel_for("logcumsumexp_out_cpu", array, "iub")
    return general(_logcumsumexp.record, (input,), (dim,), out)


def _running_extremes(name: str, record):
    @method(name)
    @numpy_names
    @called(name, f"(values, indices) of the running {name[3:]}imum along `dim`, the last one of equals; a nan stays.")
    def running(input, dim: int, *, out=None):
        array = array_of(name, input)
        dim = wrap_dim(dim, array.ndim)
        no_kernel_for(f"{name}_cpu", array, "c")
        return getattr(return_types, name)(general(record, (input,), (dim,), out))

    return running


cummax = _running_extremes("cummax", _cummax.record)
cummin = _running_extremes("cummin", _cummin.record)


# ---------------------------------------------------------------- differences


@method()
def diff(input, n: int = 1, dim: int = -1, prepend=None, append=None, *, axis: int | None = None, out=None):
    """The differences of neighbours along `dim`, taken `n` times, after joining `prepend` and `append` to the ends."""
    dim = dim if axis is None else axis
    array = array_of("diff", input)
    if not array.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = wrap_dim(dim, array.ndim)
    for edge in (prepend, append):
        if edge is None:
            continue
        if edge._array.ndim != array.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        for d, (have, wanted) in enumerate(zip(edge._array.shape, array.shape, strict=True)):
            if d != dim and have != wanted:
                raise RuntimeError(
                    f"diff expects the shape of tensor to prepend or append to match that of input except along the "
                    f"differencing dimension; input.size({d}) = {wanted}, but got tensor.size({d}) = {have}"
                )
    if not n:
        return input.clone() if out is None else fill_out(out, input)
    parts = [part for part in (prepend, input, append) if part is not None]
    result = joining.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, result._array.shape[dim])):
        count = result._array.shape[dim] - 1
        after, before = result.narrow(dim, 1, count), result.narrow(dim, 0, count)
        result = after.logical_xor(before) if result._array.dtype.kind == "b" else after - before
    return result if out is None else fill_out(out, result)


def _slopes_even(input, dim: int, spacing, edge_order: int):
    """Central differences of evenly spaced values, one-sided ones at the edges."""
    n = input._array.shape[dim]

    def part(start: int, length: int):
        return input.narrow(dim, start, length)

    inner = (part(2, n - 2) - part(0, n - 2)) / (2 * spacing)
    if edge_order == 1:
        first = (part(1, 1) - part(0, 1)) / spacing
        last = (part(n - 1, 1) - part(n - 2, 1)) / spacing
    else:
        first = (-1.5 * part(0, 1) + 2.0 * part(1, 1) - 0.5 * part(2, 1)) / spacing
        last = (1.5 * part(n - 1, 1) - 2.0 * part(n - 2, 1) + 0.5 * part(n - 3, 1)) / spacing
    return joining.cat([first, inner, last], dim)


def _slopes_at(input, dim: int, points, edge_order: int):
    """The derivative, at each of `points` along `dim`, of the parabola through a value and its two neighbours."""
    n = input._array.shape[dim]
    if points._array.ndim != 1:
        raise RuntimeError("torch.gradient expected each element of spacing to have one dimension, but got an element "
                           f"with {points._array.ndim} dimensions!")  # fmt: skip
    steps = diff(points).reshape(tuple([-1 if d == dim else 1 for d in range(input._array.ndim)]))

    def part(start: int, length: int):
        return input.narrow(dim, start, length)

    def step(start: int, length: int):
        return steps.narrow(dim, start, length)

    left, right = step(0, n - 2), step(1, n - 2)
    inner = (
        part(0, n - 2) * (-right / (left * (left + right)))
        + part(1, n - 2) * ((right - left) / (left * right))
        + part(2, n - 2) * (left / (right * (left + right)))
    )
    if edge_order == 1:
        first = (part(1, 1) - part(0, 1)) / step(0, 1)
        last = (part(n - 1, 1) - part(n - 2, 1)) / step(n - 2, 1)
    else:
        a, b = step(0, 1), step(1, 1)
        first = (
            part(0, 1) * (-(2.0 * a + b) / (a * (a + b)))
            + part(1, 1) * ((a + b) / (a * b))
            + part(2, 1) * (-a / (b * (a + b)))
        )
        a, b = step(n - 3, 1), step(n - 2, 1)
        last = (
            part(n - 3, 1) * (b / (a * (a + b)))
            + part(n - 2, 1) * (-(a + b) / (a * b))
            + part(n - 1, 1) * ((2.0 * b + a) / (b * (a + b)))
        )
    return joining.cat([first, inner, last], dim)


def gradient(input, *, axis: int | None = None, spacing=1, dim=None, edge_order: int = 1):
    """The derivatives of sampled values along each of `dim` (all), by differences of second order inside and of
    `edge_order` (1 or 2) at the edges. `spacing`: a number, one for each dimension, or the coordinates."""
    dim = dim if axis is None else axis
    array = array_of("gradient", input)
    if isinstance(spacing, Tensor) and spacing._array.ndim == 0:
        spacing = spacing.item()
    if dim is None:
        dims = list(range(array.ndim))
    else:
        dims = [wrap_dim(d, array.ndim) for d in ((dim,) if isinstance(dim, int) else dim)]
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    if spacing is None:
        spacing = 1
    if isinstance(spacing, NUMBERS):
        spacings = [spacing] * len(dims)
    elif isinstance(spacing, Tensor):
        raise TypeError("gradient() received an invalid combination of arguments - got spacing=Tensor")
    else:
        spacings = list(spacing)
        if len(spacings) != len(dims):
            raise RuntimeError(
                "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to 'self.dim() "
                f"= {array.ndim}', since dim argument was not given, but got a list of length {len(spacings)}"
                if dim is None
                else f"torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments "
                f"to have the same length, but got a spacing argument of length {len(spacings)} and a dim argument of "
                f"length {len(dims)}."
            )
    if len({isinstance(space, Tensor) for space in spacings}) > 1:
        raise TypeError("gradient(): the elements of spacing must be all numbers or all Tensors")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if array.dtype.kind == "u":
        raise RuntimeError("torch.gradient does not support uint8 input.")
    for d in dims:
        if array.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple([
        _slopes_at(input, d, space, edge_order)
        if isinstance(space, Tensor)
        else _slopes_even(input, d, space, edge_order)
        for d, space in zip(dims, spacings, strict=True)
    ])  # fmt: skip


# ---------------------------------------------------------------- integrals


def _pairs(function: str, y, x, dim: int):
    """(the sums of neighbours along `dim`, the distances of the points `x` or None, `dim` counted from the front)."""
    array = array_of(function, y)
    if not array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim(dim, array.ndim)
    n = array.shape[dim]
    for value, names in ((y, "`y`"), (x, "`x` or `y`")):
        if value is not None and value._array.dtype.kind == "b":
            raise RuntimeError(f"{function}: received a bool input for {names}, but bool is not supported")
    distances = None
    if x is not None:
        shape = x._array.shape
        if len(shape) == 1:
            if shape[0] != n:
                raise RuntimeError(f"{function}: There must be one `x` value for each sample point")
            shape = tuple([n if d == dim else 1 for d in range(array.ndim)])
        distances = diff(x.reshape((1,) * (array.ndim - len(shape)) + shape), dim=dim)
    count = n - 1 if n else 0
    return y.narrow(dim, n - count, count) + y.narrow(dim, 0, count), distances, dim


def trapezoid(y, x=None, *, axis: int | None = None, dx=1, dim: int = -1):
    """The integral along `dim` by the trapezoid rule, of values at the points `x` or at distances `dx`."""
    dim = dim if axis is None else axis
    sums, distances, dim = _pairs("trapezoid", y, x, dim)
    if not y._array.shape[dim]:
        return y.sum(dim) * 0.0
    if distances is None:
        return (y.sum(dim) - (y.select(dim, 0) + y.select(dim, -1)) * 0.5) * dx
    return (sums * distances).sum(dim) / 2.0


def trapz(y, x=None, *, axis: int | None = None, dx=1, dim: int = -1):
    """The integral by the trapezoid rule (another name of `trapezoid`)."""
    dim = dim if axis is None else axis
    return trapezoid(y, x, dx=dx, dim=dim)


def cumulative_trapezoid(y, x=None, *, axis: int | None = None, dx=1, dim: int = -1):
    """The running integral along `dim` by the trapezoid rule."""
    dim = dim if axis is None else axis
    sums, distances, dim = _pairs("cumulative_trapezoid", y, x, dim)
    if distances is None:
        return (sums * (dx / 2.0)).cumsum(dim)
    return (sums * distances).cumsum(dim) / 2.0
