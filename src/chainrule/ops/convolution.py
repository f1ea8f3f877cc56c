"""Convolutions, and their transposes in the input and in the weights: three bilinear operations, each other's derivatives."""

from __future__ import annotations

from ..backend import windows
from ..dtypes import scalar_name
from ..op import general, must_be_tensor, op
from ..tensor import Tensor
from .padding import pad
from .products import word as product_word

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def _lifted(kernel):
    """A kernel for 2-d windows, also for 1-d ones: as images of one row, all of whose windows are made at once."""

    def lifted(a, b, size, stride, padding, dilation, groups):
        if len(stride) > 1:
            return kernel(a, b, size, stride, padding, dilation, groups)
        size = None if size is None else (1, *size)
        found = kernel(a[:, :, None], b[:, :, None], size, (1, *stride), (0, *padding), (1, *dilation), groups)
        return found[:, :, 0]

    return lifted


_forward = _lifted(
    lambda x, w, size, stride, padding, dilation, groups: windows.convolution(x, w, stride, padding, dilation, groups)
)
_input = _lifted(windows.convolution_input)
_weight = _lifted(windows.convolution_weight)


def _bias_of(xp, g):
    return xp.sum(g, (0, *range(2, g.ndim)))


def _add_bias(out, bias):
    if bias is not None:
        out += bias.reshape((-1,) + (1,) * (out.ndim - 2))
    return out


def _convolution_vjp(xp, g, x, w, stride, padding, dilation, groups, needs):
    return (
        xp.convolution_input(g, w, None, x.shape[2:], stride, padding, dilation, groups)
        if needs[0] is not None
        else None,
        xp.convolution_weight(x, g, w.shape[2:], stride, padding, dilation, groups) if needs[1] is not None else None,
        _bias_of(xp, g) if needs[2] is not None else None,
    )


_convolution = op(
    "convolution",
    forward=lambda xp, x, w, b, /, stride, padding, dilation, groups: _add_bias(
        _forward(x, w, None, stride, padding, dilation, groups), b
    ),
    vjp=_convolution_vjp,
    holomorphic=True,
)


def _input_vjp(xp, g, x, w, stride, padding, dilation, groups, needs):
    by_x = None
    if needs[0] is not None:
        by_x = xp.convolution(g, w, None, stride, padding, dilation, groups)
        if by_x.shape != x.shape:  # output padding of a stride or more makes room for another window
            by_x = by_x[(slice(None), slice(None), *[slice(0, n) for n in x.shape[2:]])]
    return (
        by_x,
        xp.convolution_weight(g, x, w.shape[2:], stride, padding, dilation, groups) if needs[1] is not None else None,
        _bias_of(xp, g) if needs[2] is not None else None,
    )


# The transposed convolution: `size` is that of its output.
_convolution_input = op(
    "convolution_input",
    forward=lambda xp, x, w, b, /, size, stride, padding, dilation, groups: _add_bias(
        _input(x, w, size, stride, padding, dilation, groups), b
    ),
    vjp=_input_vjp,
    holomorphic=True,
    node="ConvolutionBackward0",
)
_convolution_weight = op(
    "convolution_weight",
    forward=lambda xp, x, y, /, kernel, stride, padding, dilation, groups: _weight(
        x, y, kernel, stride, padding, dilation, groups
    ),
    vjp=(
        lambda xp, g, y, x_shape, stride, padding, dilation, groups: xp.convolution_input(
            y, g, None, x_shape[2:], stride, padding, dilation, groups
        ),
        lambda xp, g, x, stride, padding, dilation, groups: xp.convolution(
            x, g, None, stride, padding, dilation, groups
        ),
    ),
    holomorphic=True,
)

# ---------------------------------------------------------------- arguments


def word(tensor) -> str:
    """The name of a dtype in the messages of convolutions."""
    return product_word(tensor).replace("long long", "long int")


def _each(name: str, value, n: int) -> tuple[int, ...]:
    """A spatial argument as one int for each dimension."""
    if isinstance(value, int):
        return (value,) * n
    value = tuple(value)
    if len(value) == 1:
        return value * n
    if len(value) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the convolution dimensions, but "
            f"got {name}={list(value)}"
        )
    return value


def _check(function: str, input, weight, bias, n: int) -> None:
    for position, (name, value) in enumerate((("input", input), ("weight", weight)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor(function, name, position, value)
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {function}, but got input of size: "
            f"{list(input.shape)}"
        )
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(input.dtype)} but found {scalar_name(weight.dtype)}"
            if weight.is_floating_point() and input.is_floating_point()
            else f"Input type ({word(input)}) and weight type ({word(weight)}) should be the same"
        )
    if bias is not None and bias.dtype is not input.dtype:
        raise RuntimeError(f"Input type ({word(input)}) and bias type ({word(bias)}) should be the same")


def _check_kernel(input, weight) -> None:
    """RuntimeError for a weight that is not of the (batched) input's dimensions."""
    if weight.ndim < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if weight.ndim != input.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight{list(weight.shape)}, but got "
            f"{input.ndim}-dimensional input of size {list(input.shape)} instead"
        )


def _check_settings(stride, padding, dilation, groups: int) -> None:
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if any(p < 0 for p in padding):
        raise RuntimeError("negative padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d <= 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")


def _check_channels(input, weight, bias, groups: int, transposed: bool) -> None:
    shape, size = list(weight.shape), list(input.shape)
    if shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size {shape} "
            "instead"
        )
    if shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size "
            f"[{shape}] instead"
        )
    channels = shape[0] if transposed else shape[1] * groups
    if size[1] != channels:
        kind = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {kind}, weight of size {shape}, expected input{size} to have {channels} channels, but got {size[1]} "
            "channels instead"
        )
    outputs = shape[1] * groups if transposed else shape[0]
    if bias is not None and bias.shape != (outputs,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {shape}, expected bias to be 1-dimensional with "
            f"{outputs} elements, but got bias of size {list(bias.shape)} instead"
        )


def _joined(values) -> str:
    return "(" + " x ".join(map(str, values)) + ")"


def _conv(function: str, n: int, input, weight, bias, stride, padding, dilation, groups: int):
    """A convolution of `n` spatial dimensions."""
    _check(function, input, weight, bias, n)
    if input.ndim == n + 1:
        return _conv(function, n, input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    stride, dilation = _each("stride", stride, n), _each("dilation", dilation, n)
    _check_kernel(input, weight)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, padding, stride, dilation)
    else:
        padding = _each("padding", padding, n)
    _check_settings(stride, padding, dilation, groups)
    _check_channels(input, weight, bias, groups, False)
    kernel = weight.shape[2:]
    padded = [size + 2 * p for size, p in zip(input.shape[2:], padding, strict=True)]
    if any(d * (k - 1) + 1 > size for size, k, d in zip(padded, kernel, dilation, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: {_joined(padded)}. Kernel size: {_joined(kernel)}. Kernel size "
            "can't be greater than actual input size"
        )
    return general(_convolution.record, (input, weight, bias), (stride, padding, dilation, groups))


def _named_padding(input, weight, padding: str, stride, dilation):
    """(the input, padded where both sides differ, the padding): "valid" for none, "same" for an output as large as the input."""
    if padding == "valid":
        return input, (0,) * len(stride)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(total % 2 for total in totals):
        input = pad(input, [v for total in reversed(totals) for v in (0, total % 2)])
    return input, tuple([total // 2 for total in totals])


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups: int = 1):
    """The cross-correlation of (N, C, L) with weights (O, C / groups, K), plus a bias for each output channel."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups: int = 1):
    """The cross-correlation of (N, C, H, W) with weights (O, C / groups, Kh, Kw), plus a bias for each output channel.

    `padding` is of zeros, or "same" or "valid". RuntimeError for shapes and settings that do not fit.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups: int = 1):
    """The cross-correlation of (N, C, D, H, W) with weights (O, C / groups, Kd, Kh, Kw), plus a bias."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(function: str, n: int, input, weight, bias, stride, padding, output_padding, groups: int, dilation):
    """A transposed convolution of `n` spatial dimensions."""
    _check(function, input, weight, bias, n)
    if input.ndim == n + 1:
        input = input.unsqueeze(0)
        return _conv_transpose(
            function, n, input, weight, bias, stride, padding, output_padding, groups, dilation
        ).squeeze(0)
    stride, padding = _each("stride", stride, n), _each("padding", padding, n)
    output_padding, dilation = _each("output_padding", output_padding, n), _each("dilation", dilation, n)
    _check_kernel(input, weight)
    _check_settings(stride, padding, dilation, groups)
    _check_channels(input, weight, bias, groups, True)
    if any(o >= s and o >= d for o, s, d in zip(output_padding, stride, dilation, strict=True)):
        names = ("depth", "height", "width")[-n:] if n > 1 else ("height", "width")
        values = (
            ("output_padding", output_padding),
            ("stride", stride),
            ("dilation", dilation),
        )
        shown = " ".join(
            f"{what}_{name}: {v}" for what, all_values in values for name, v in zip(names, all_values, strict=False)
        )
        raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {shown}")
    sizes = list(zip(input.shape[2:], weight.shape[2:], stride, padding, output_padding, dilation, strict=True))
    size = tuple([(i - 1) * s - 2 * p + d * (k - 1) + o + 1 for i, k, s, p, o, d in sizes])
    if any(v <= 0 for v in size):
        raise RuntimeError(
            f"Given input size per channel: {_joined(input.shape[2:])}. Calculated output size per channel: "
            f"{_joined(size)}. Output size is too small"
        )
    return general(_convolution_input.record, (input, weight, bias), (size, stride, padding, dilation, groups))


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups: int = 1, dilation=1):
    """The transpose of `conv1d` in its input, for weights (C, O / groups, K)."""
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups: int = 1, dilation=1):
    """The transpose of `conv2d` in its input, for weights (C, O / groups, Kh, Kw).

    `output_padding` says by how much the output is larger than the least size that leads to the input's.
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups: int = 1, dilation=1):
    """The transpose of `conv3d` in its input, for weights (C, O / groups, Kd, Kh, Kw)."""
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
