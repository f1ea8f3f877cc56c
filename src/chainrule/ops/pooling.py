"""Pooling: the largest element or the mean of windows, of fixed sizes or as many as asked for; windows as columns."""

from __future__ import annotations

import math

import numpy as np

from ..backend import windows
from ..backend.integers import truncated_divide
from ..backend.reductions import narrowed, widened
from ..dtypes import scalar_name
from ..op import check_tensor, general, op
from .resampling import adaptive_taps, resample

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "avg_pool1d", "avg_pool2d", "avg_pool3d", "fold",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool1d_with_indices", "max_pool2d",
    "max_pool2d_with_indices", "max_pool3d", "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d",
    "max_unpool3d", "unfold",
]  # fmt: skip

# ---------------------------------------------------------------- the records

_add_at_places = op(
    "add_at_places",
    forward=lambda xp, x, index, /, shape: windows.add_at_places(x, index, shape),
    vjp=(lambda xp, g, index: xp.at_places(g, index), None),
)
_at_places = op(
    "at_places",
    forward=lambda xp, x, index: windows.at_places(x, index),
    vjp=(lambda xp, g, index, x_shape: xp.add_at_places(g, index, x_shape), None),
)


def _max_pool_record(name: str, node: str):
    return op(
        name,
        forward=lambda xp, x, /, kernel, stride, padding, dilation, out: windows.max_pool(
            x, kernel, stride, padding, dilation, out
        ),
        vjp=lambda xp, g, indices, x_shape: xp.add_at_places(g[0], indices, x_shape),
        outputs=("values", "indices"),
        node=node,
    )


_MAX_POOLS = {n: _max_pool_record(f"max_pool{n}d", f"MaxPool{n}DWithIndicesBackward0") for n in (2, 3)}


def _adaptive_max(x, out):
    """(the largest element of each of `out` windows that share the input, its index in the channel)."""
    size = x.shape[2:]
    values = np.empty((*x.shape[:2], *out), x.dtype)
    index = np.empty(values.shape, np.int64)
    for position in np.ndindex(*out):
        edges = [(i * n // o, -((i + 1) * n // -o)) for i, n, o in zip(position, size, out, strict=True)]
        part = x[(..., *[slice(a, b) for a, b in edges])]
        flat = part.reshape(*x.shape[:2], math.prod(part.shape[2:]))
        best = np.argmax(widened(flat), axis=-1)
        values[(..., *position)] = np.take_along_axis(flat, best[..., None], -1)[..., 0]
        places = np.unravel_index(best, part.shape[2:])
        found = 0
        for n, (a, _), place in zip(size, edges, places, strict=True):
            found = found * n + a + place
        index[(..., *position)] = found
    return values, index


def _adaptive_max_record(n: int):
    return op(
        f"adaptive_max_pool{n}d",
        forward=lambda xp, x, /, out: _adaptive_max(x, out),
        vjp=lambda xp, g, indices, x_shape: xp.add_at_places(g[0], indices, x_shape),
        outputs=("values", "indices"),
        node=f"AdaptiveMaxPool{n}DBackward0",
    )


_ADAPTIVE_MAX_POOLS = {n: _adaptive_max_record(n) for n in (2, 3)}


def _divisors(size, kernel, stride, padding, out, count_padding: bool, dtype):
    """By how much the sum of each window is divided."""
    total = np.ones((), dtype)
    for d, (n, k, s, p, o) in enumerate(zip(size, kernel, stride, padding, out, strict=True)):
        start = np.arange(o) * s - p
        end = np.minimum(start + k, n + p)
        count = end - start if count_padding else np.minimum(end, n) - np.maximum(start, 0)
        total = total * count.astype(dtype).reshape((-1,) + (1,) * (len(size) - d - 1))
    return total


def _mean_of_windows(x, kernel, stride, padding, out, count_padding, divisor):
    dtype, x = x.dtype, widened(x)
    total = windows.window_sum(x, kernel, stride, padding, out)
    by = divisor or _divisors(x.shape[2:], kernel, stride, padding, out, count_padding, x.dtype)
    return narrowed(
        truncated_divide(total, by) if x.dtype.kind in "iu" else total / x.dtype.type(by) if divisor else total / by,
        dtype,
    )


def _mean_backward(g, size, kernel, stride, padding, count_padding, divisor):
    dtype, g = g.dtype, widened(np.asarray(g))
    by = divisor or _divisors(size, kernel, stride, padding, g.shape[2:], count_padding, g.dtype)
    return narrowed(
        windows.spread_windows(g / g.dtype.type(by) if divisor else g / by, size, kernel, stride, padding), dtype
    )


def _avg_pool_record(n: int):
    return op(
        f"avg_pool{n}d",
        forward=lambda xp, x, /, kernel, stride, padding, out, count_padding, divisor: _mean_of_windows(
            x, kernel, stride, padding, out, count_padding, divisor
        ),
        vjp=lambda xp, g, x_shape, kernel, stride, padding, count_padding, divisor: xp.avg_pool_backward(
            g, x_shape[2:], kernel, stride, padding, count_padding, divisor
        ),
        node=f"AvgPool{n}DBackward0",
    )


_AVG_POOLS = {n: _avg_pool_record(n) for n in (2, 3)}
op(
    "avg_pool_backward",
    forward=lambda xp, x, /, size, kernel, stride, padding, count_padding, divisor: _mean_backward(
        x, size, kernel, stride, padding, count_padding, divisor
    ),
    vjp=lambda xp, g, x_shape, kernel, stride, padding, count_padding, divisor: xp.avg_pool2d(
        g, kernel, stride, padding, x_shape[2:], count_padding, divisor
    ),
)
_im2col = op(
    "im2col",
    forward=lambda xp, x, /, kernel, stride, padding, dilation, counts: windows.window_columns(
        x, kernel, stride, padding, dilation, counts
    ),
    vjp=lambda xp, g, x_shape, kernel, stride, padding, dilation, counts: xp.col2im(
        g, x_shape[2:], kernel, stride, padding, dilation, counts
    ),
    node="Im2ColBackward0",
)
_col2im = op(
    "col2im",
    forward=lambda xp, x, /, size, kernel, stride, padding, dilation, counts: windows.add_columns(
        x, size, kernel, stride, padding, dilation, counts
    ),
    vjp=lambda xp, g, kernel, stride, padding, dilation, counts: xp.im2col(
        g, kernel, stride, padding, dilation, counts
    ),
    node="Col2ImBackward0",
)


def _unpooled(x, index, shape):
    """Zeros of `shape` with `x` at the `index` of each channel."""
    out = np.zeros((shape[0], shape[1], math.prod(shape[2:])), x.dtype)
    np.put_along_axis(out, index.reshape(*index.shape[:2], -1), x.reshape(*x.shape[:2], -1), 2)
    return out.reshape(shape)


_MAX_UNPOOLS = {
    n: op(
        f"max_unpool{n}d",
        forward=lambda xp, x, index, /, shape: _unpooled(x, index, shape),
        vjp=(lambda xp, g, index: xp.at_places(g, index), None),
        jvp=lambda xp, t_x, index, shape: xp.max_unpool2d(t_x, index, shape),
        node=f"MaxUnpool{n}DBackward0",
    )
    for n in (2, 3)
}

# ---------------------------------------------------------------- arguments


def _each(function: str, argument: str, value, n: int) -> tuple[int, ...]:
    """A spatial argument as one int for each dimension."""
    if isinstance(value, int):
        return (value,) * n
    value = tuple(value)
    if len(value) == 1:
        return value * n
    if len(value) != n:
        raise RuntimeError(_wrong_length(function, argument, len(value), n))
    return value


def _wrong_length(function: str, argument: str, given: int, n: int) -> str:
    if function == "max_pool1d":
        kinds = {"kernel_size": "an int, list of ints", "stride": "None, an int, list of ints,"}
        allowed = kinds.get(argument, "an int, list of ints,")
        return f"{function}() {argument} must be {allowed} or tuple of ints of size 1 but got size {given}"
    if n == 1:
        return f"{function}() argument '{argument}' should contain one int (got {given})"
    either = "" if function == "avg_pool3d" else "either "
    omitted = "omitted, " if argument == "stride" else ""
    words = {2: "two ints", 3: "three ints"}
    return f"{function}: {argument} must {either}be {omitted}a single int, or a tuple of {words[n]}"


def _counts(size, kernel, stride, padding, dilation, ceil_mode: bool) -> tuple[int, ...]:
    """How many windows there are along each dimension; `ceil_mode`: also those that begin inside and end outside."""
    found = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (room + s - 1 if ceil_mode else room) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        found.append(count)
    return tuple(found)


def _letters(word: str, values) -> str:
    return " ".join(f"{word}{letter}: {v}" for letter, v in zip("THW"[-len(values) :], values, strict=True))


def _check_windows(kernel, stride, padding, dilation) -> None:
    """RuntimeError for windows that no input can have."""
    for k, s, p, d in zip(kernel, stride, padding, dilation, strict=True):
        if s == 0:
            raise RuntimeError("stride should not be zero")
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if 2 * p > max(0, d * (k - 1) + 1):
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={d}"
            )
    for word, values, letter in (
        ("kernel size", kernel, "k"),
        ("stride", stride, "d"),
        ("dilation", dilation, "dilation"),
    ):
        if any(v <= 0 for v in values):
            raise RuntimeError(f"{word} should be greater than zero, but got {_letters(letter, values)}")


def _check_elements(input, n: int, name: str) -> None:
    """RuntimeError for samples without elements."""
    if all(input.shape[1:]) and (input.shape[0] or not _unbatched(input, n)):
        return
    if n == 3:
        raise RuntimeError(
            f"{name}(): Expected input's non-batch dimensions to have positive length, but input has a shape of "
            f"{list(input.shape)} and non-batch dimension 0 has length zero!"
        )
    raise RuntimeError(
        f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
        f"got:{list(input.shape)}"
    )


def _check_output(input, out) -> None:
    """RuntimeError where no window fits."""
    if any(o < 1 for o in out):
        sizes = [input.shape[1], *input.shape[2:]], [input.shape[1], *out]
        shown = ["x".join(map(str, s)) for s in sizes]
        raise RuntimeError(
            f"Given input size: ({shown[0]}). Calculated output size: ({shown[1]}). Output size is too small"
        )


def _unbatched(input, n: int) -> bool:
    return input.ndim == n + 1


# ---------------------------------------------------------------- the largest of each window


def _max_pool(n: int, input, kernel_size, stride, padding, dilation, ceil_mode: bool, with_indices: bool = True):
    """(values, indices)."""
    name = f"max_pool{n}d"
    check_tensor(name, input)
    kernel = _each(name, "kernel_size", kernel_size, n)
    stride = kernel if stride is None or stride == () or stride == [] else _each(name, "stride", stride, n)
    padding, dilation = _each(name, "padding", padding, n), _each(name, "dilation", dilation, n)
    if n == 1:
        return _max_pool_1d(input, kernel, stride, padding, dilation, ceil_mode, with_indices)
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    _check_windows(kernel, stride, padding, dilation)
    _check_elements(input, n, "max_pool3d_with_indices_out_cpu_template")
    if _unbatched(input, n):
        values, indices = _max_pool(n, input.unsqueeze(0), kernel, stride, padding, dilation, ceil_mode)
        return values.squeeze(0), indices.squeeze(0)
    out = _counts(input.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    _check_output(input, out)
    if input._array.dtype.kind in "bc":
        raise NotImplementedError(f"\"max_pool{n}d\" not implemented for '{scalar_name(input.dtype)}'")
    return general(_MAX_POOLS[n].record, (input,), (kernel, stride, padding, dilation, out))


def _max_pool_1d(input, kernel, stride, padding, dilation, ceil_mode: bool, with_indices: bool):
    """Windows in one dimension as those in two of one row. Without indices PyTorch takes floating dtypes only, and has
    words of its own."""
    if input.ndim not in (2, 3) or not all(input.shape[input.ndim - 2 :]):
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got:{list(input.shape)}"
        )
    if not with_indices:
        _check_1d(input, kernel, stride, padding, dilation, ceil_mode)
        if input._array.dtype.kind not in "fV":
            raise NotImplementedError(f"\"max_pool1d_impl\" not implemented for '{scalar_name(input.dtype)}'")
    values, indices = _max_pool(
        2, input.unsqueeze(-2), (1, *kernel), (1, *stride), (0, *padding), (1, *dilation), ceil_mode
    )
    return values.squeeze(-2), indices.squeeze(-2)


def _check_1d(input, kernel, stride, padding, dilation, ceil_mode: bool) -> None:
    """RuntimeError, in the words of PyTorch's shorter way, for windows that do not fit."""
    (k,), (s,), (p,), (d,) = kernel, stride, padding, dilation
    for name, value in (("kernel_size", k), ("stride", s)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if p < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {p}")
    if p > k // 2:
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={p} and kernel_size={k}"
        )
    if d <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {d}")
    (out,) = _counts(input.shape[-1:], kernel, stride, padding, dilation, ceil_mode)
    if out <= 0:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {out}")


def _max_pool_functions(n: int):
    def with_indices(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices: bool = False
    ):
        return _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode)

    def pool(
        input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices: bool = False
    ):
        values, indices = _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
        return (values, indices) if return_indices else values

    pool.__name__ = pool.__qualname__ = f"max_pool{n}d"
    pool.__doc__ = (
        f"The largest element of each {n}-d window; `return_indices`: and its index among its channel's elements. "
        "`stride` is `kernel_size` unless given."
    )
    with_indices.__name__ = with_indices.__qualname__ = f"max_pool{n}d_with_indices"
    with_indices.__doc__ = f"(values, indices) of :func:`max_pool{n}d`."
    return pool, with_indices


max_pool1d, max_pool1d_with_indices = _max_pool_functions(1)
max_pool2d, max_pool2d_with_indices = _max_pool_functions(2)
max_pool3d, max_pool3d_with_indices = _max_pool_functions(3)


def _unpool(n: int, input, indices, kernel_size, stride, padding, output_size):
    name = f"max_unpool{n}d"
    kernel = _each(name, "kernel_size", kernel_size, n)
    stride = kernel if stride is None else _each(name, "stride", stride, n)
    padding = _each(name, "padding", padding, n)
    default = [(i - 1) * s + k - 2 * p for i, s, k, p in zip(input.shape[-n:], stride, kernel, padding, strict=True)]
    size = default if output_size is None else list(output_size)[-n:]
    if output_size is not None:
        for d, (given, wanted, s) in enumerate(zip(size, default, stride, strict=True)):
            if not wanted - s < given < wanted + s:
                raise ValueError(
                    f'invalid output_size "{size}" (dim {d} must be between {wanted - s} and {wanted + s})'
                )
    if input.shape != indices.shape:
        row = [1] if n == 1 else []
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({[*input.shape, *row]}) but got indices tensor "
            f"with shape: {[*indices.shape, *row]}"
        )
    if _unbatched(input, n):
        return _unpool(n, input.unsqueeze(0), indices.unsqueeze(0), kernel, stride, padding, size).squeeze(0)
    if n == 1:
        result = _unpool(
            2, input.unsqueeze(-1), indices.unsqueeze(-1), (*kernel, 1), (*stride, 1), (*padding, 0), [*size, 1]
        )
        return result.squeeze(-1)
    count, index = math.prod(size), indices._array
    if index.size and (index.min() < 0 or index.max() >= count):
        wrong = index.max() if index.max() >= count else index.min()
        raise RuntimeError(
            f"Found an invalid max index: {wrong} (output volumes are of size {'x'.join(map(str, size))})"
        )
    return general(_MAX_UNPOOLS[n].record, (input, indices), ((*input.shape[:2], *size),))


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with `input` at the indices that `max_pool1d` returned."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with `input` at the indices that `max_pool2d` returned."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros with `input` at the indices that `max_pool3d` returned."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


# ---------------------------------------------------------------- means


def _avg_pool(n: int, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    name = f"avg_pool{n}d"
    check_tensor(name, input)
    kernel = _each(name, "kernel_size", kernel_size, n)
    stride = kernel if stride is None or stride == () or stride == [] else _each(name, "stride", stride, n)
    padding = _each(name, "padding", padding, n)
    if n == 1 and input.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' (while checking "
            "arguments for avg_pool1d)"
        )
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    if n == 3 and input.ndim < 4:
        raise RuntimeError("non-empty 4D or 5D (batch mode) tensor expected for input")
    if input.ndim < n + 1:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but got {-n - 1})"
        )
    if n == 1:
        pooled = _avg_pool(
            2,
            input.unsqueeze(-2),
            (1, *kernel),
            (1, *stride),
            (0, *padding),
            ceil_mode,
            count_include_pad,
            divisor_override,
        )
        return pooled.squeeze(-2)
    ones = (1,) * n
    _check_windows(kernel, stride, padding, ones)
    _check_elements(input, n, "avg_pool3d")
    if _unbatched(input, n):
        input = input.unsqueeze(0)
        return _avg_pool(n, input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override).squeeze(0)
    if n == 3 and any(k > size + 2 * p for k, size, p in zip(kernel, input.shape[2:], padding, strict=True)):
        raise RuntimeError(
            f"input image ({_letters('', input.shape[2:])}) smaller than kernel size ({_letters('k', kernel)})"
        )
    out = _counts(input.shape[2:], kernel, stride, padding, ones, ceil_mode)
    _check_output(input, out)
    if input._array.dtype.kind in "bc":
        kernel_name = "avg_pool2d" if n == 2 else "avg_pool3d_out_frame"
        raise NotImplementedError(f"\"{kernel_name}\" not implemented for '{scalar_name(input.dtype)}'")
    return general(_AVG_POOLS[n].record, (input,), (kernel, stride, padding, out, count_include_pad, divisor_override))


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode: bool = False, count_include_pad: bool = True):
    """The mean of each window of (N, C, L); see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    """The mean of each window of (N, C, H, W); the zeros of `padding` count unless `count_include_pad` is False.

    `divisor_override` is what sums are divided by instead of the number of elements.
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    """The mean of each window of (N, C, D, H, W); see `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(pool, n: int, input, norm_type, kernel_size, stride, ceil_mode: bool):
    kernel = _each(f"lp_pool{n}d", "kernel_size", kernel_size, n)
    mean = pool(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (mean.sign() * mean.abs().relu()).mul(math.prod(kernel)).pow(1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode: bool = False):
    """The p-norm of each window of (N, C, L)."""
    return _lp_pool(avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode: bool = False):
    """The p-norm of each window of (N, C, H, W)."""
    return _lp_pool(avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode: bool = False):
    """The p-norm of each window of (N, C, D, H, W)."""
    return _lp_pool(avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


# ---------------------------------------------------------------- as many windows as asked for


def _output_size(function: str, input, output_size, n: int) -> tuple[int, ...]:
    """The size asked for; None stands for the input's."""
    if len(output_size) != n:
        if n == 1:
            raise RuntimeError(f"{function}() argument 'output_size' should contain one int (got {len(output_size)})")
        if "max" in function:
            raise RuntimeError(f"{function}(): internal error: output_size.size() must be {n}")
        raise RuntimeError(f"{function}: output_size must be {n}")
    if any(o is not None and o < 0 for o in output_size):
        raise RuntimeError(_negative_size(function, input, output_size, n))
    return tuple([have if o is None else o for o, have in zip(output_size, input.shape[-n:], strict=True)])


def _negative_size(function: str, input, output_size, n: int) -> str:
    if "max" in function:
        batch = input.shape[:-n] + ((1,) if n == 1 else ())
        wrong = next(o for o in output_size if o < 0)
        return f"Trying to create tensor with negative dimension {wrong}: {[*batch, *output_size]}"
    if n == 1:
        function, output_size = "adaptive_avg_pool2d", (1, *output_size)
    shown = ", ".join(map(str, output_size[:2])) + "".join(f",{o}" for o in output_size[2:])
    return f"{function}: elements of output_size must be greater than or equal to 0 but received {{{shown}}}"


def _adaptive_avg(n: int, input, output_size):
    name = f"adaptive_avg_pool{n}d"
    check_tensor(name, input)
    output_size = _as_sizes(name, input, output_size, n)
    if n == 1:
        _check_one_dim(name, input)
        if len(output_size) == 1:
            return _adaptive_avg(2, input.unsqueeze(-2), (1, *output_size)).squeeze(-2)
    out = _output_size(name, input, output_size, n)
    if all(o == 1 for o in out):
        return input.mean(tuple(range(-n, 0)), keepdim=True)
    _check_dims(n, input, f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got")
    _check_not_empty(name, input)
    if all(out):
        _check_kernel(n, "avg", input)
    lead = input.ndim - n
    taps = (None,) * lead + tuple([adaptive_taps(s, o) for s, o in zip(input.shape[lead:], out, strict=True)])
    return resample(f"adaptive_avg_pool{n}d", input, taps)


def _as_sizes(function: str, input, output_size, n: int):
    """The size asked for as a tuple; None stands for the input's."""
    if output_size is None and n == 1:
        raise TypeError(f"{function}(): argument 'output_size' (position 2) must be tuple of ints, not NoneType")
    if isinstance(output_size, int) or output_size is None:
        return (output_size,) * n
    if n > 1 and input.ndim <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    return output_size


def _check_dims(n: int, input, message: str) -> None:
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(f"{message} {list(input.shape)}")


def _check_one_dim(function: str, input) -> None:
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2 to 3 dimensions, but got {input.ndim}-dimensional tensor for argument #1 'self' (while checking "
            f"arguments for {function})"
        )


def _check_kernel(n: int, what: str, input) -> None:
    if input._array.dtype.kind not in "fV":
        name = f"adaptive_{what}_pool2d" if n == 2 else f"adaptive_{what}_pool3d_cpu"
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(input.dtype)}'")


def _check_not_empty(name: str, input) -> None:
    for d in range(1, input.ndim):
        if not input.shape[d]:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {d} being empty"
            )


def adaptive_avg_pool1d(input, output_size):
    """The means of `output_size` windows that share (N, C, L) among them."""
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input, output_size):
    """The means of `output_size` windows that share (N, C, H, W) among them."""
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input, output_size):
    """The means of `output_size` windows that share (N, C, D, H, W) among them."""
    return _adaptive_avg(3, input, output_size)


def _adaptive_max_pool(n: int, input, output_size):
    name = f"adaptive_max_pool{n}d"
    check_tensor(name, input)
    output_size = _as_sizes(name, input, output_size, n)
    if n == 1:
        _check_one_dim(name, input)
    else:
        _check_dims(n, input, f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got:")
    if n > 1 or len(output_size) == 1:
        _check_not_empty(name, input)
    out = _output_size(name, input, output_size, n)
    if _unbatched(input, n):
        values, indices = _adaptive_max_pool(n, input.unsqueeze(0), out)
        return values.squeeze(0), indices.squeeze(0)
    if n == 1:
        values, indices = _adaptive_max_pool(2, input.unsqueeze(-2), (1, *out))
        return values.squeeze(-2), indices.squeeze(-2)
    _check_kernel(n, "max", input)
    return general(_ADAPTIVE_MAX_POOLS[n].record, (input,), (out,))


def _adaptive_max_functions(n: int):
    def with_indices(input, output_size, return_indices: bool = False):
        return _adaptive_max_pool(n, input, output_size)

    def pool(input, output_size, return_indices: bool = False):
        values, indices = _adaptive_max_pool(n, input, output_size)
        return (values, indices) if return_indices else values

    pool.__name__ = pool.__qualname__ = f"adaptive_max_pool{n}d"
    pool.__doc__ = f"The largest elements of `output_size` {n}-d windows that share the input among them."
    with_indices.__name__ = with_indices.__qualname__ = f"adaptive_max_pool{n}d_with_indices"
    with_indices.__doc__ = f"(values, indices) of :func:`adaptive_max_pool{n}d`."
    return pool, with_indices


adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _adaptive_max_functions(1)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _adaptive_max_functions(2)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _adaptive_max_functions(3)

# ---------------------------------------------------------------- windows as columns


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The windows of (N, C, H, W) as columns: (N, C · Kh · Kw, number of windows)."""
    check_tensor("unfold", input)
    settings = [_each("unfold", "kernel_size", v, 2) for v in (kernel_size, dilation, padding, stride)]
    if input.ndim < 3:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but got 2)"
        )
    if input.ndim not in (3, 4) or not all(input.shape[1:]):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
            f"got: {list(input.shape)}"
        )
    kernel, dilation, padding, stride = settings
    _check_columns(kernel, dilation, padding, stride)
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel, dilation, padding, stride).squeeze(0)
    out = _counts(input.shape[2:], kernel, stride, padding, dilation, False)
    if any(o < 1 for o in out):
        raise RuntimeError(
            f"Given input with spatial size ({', '.join(map(str, input.shape[2:]))}), kernel_size=({kernel[0]}, {kernel[1]}), "
            f"dilation=({dilation[0]}, {dilation[1]}), padding=({padding[0]}, {padding[1]}), calculated shape of the array "
            f"of sliding blocks as ({out[0]}, {out[1]}), but its components must be at least one."
        )
    return general(_im2col.record, (input,), (kernel, stride, padding, dilation, out))


def _check_columns(kernel, dilation, padding, stride) -> None:
    for name, values in (("kernel size", kernel), ("dilation", dilation), ("stride", stride)):
        if any(v <= 0 for v in values):
            short = name.split()[0]
            raise RuntimeError(
                f"{name} should be greater than zero, but got {short}_height: {values[0]} {short}_width: {values[1]}"
            )
    if any(p < 0 for p in padding):
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}")


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The transpose of `unfold`: columns (N, C · Kh · Kw, number of windows) added up to (N, C, H, W)."""
    check_tensor("fold", input)
    size, kernel, dilation, padding, stride = (
        _each("fold", "output_size", v, 2) for v in (output_size, kernel_size, dilation, padding, stride)
    )
    if input.ndim not in (2, 3) or not all(input.shape[-2:]):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, "
            f"but got: {list(input.shape)}"
        )
    _check_columns(kernel, dilation, padding, stride)
    if input.ndim == 2:
        return fold(input.unsqueeze(0), size, kernel, dilation, padding, stride).squeeze(0)
    area = math.prod(kernel)
    if input.shape[1] % area:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)="
            f"{input.shape[1]} and kernel_size=({kernel[0]}, {kernel[1]})."
        )
    out = _counts(size, kernel, stride, padding, dilation, False)
    if math.prod(out) != input.shape[2] or any(o < 1 for o in out):
        raise RuntimeError(
            f"Given output_size=({size[0]}, {size[1]}), kernel_size=({kernel[0]}, {kernel[1]}), "
            f"dilation=({dilation[0]}, {dilation[1]}), padding=({padding[0]}, {padding[1]}), stride=({stride[0]}, "
            f"{stride[1]}), expected size of input's dimension 2 to match the calculated number of sliding blocks {out[0]} * "
            f"{out[1]} = {math.prod(out)}, but got input.size(2)={input.shape[2]}."
        )
    return general(_col2im.record, (input,), (size, kernel, stride, padding, dilation, out))
