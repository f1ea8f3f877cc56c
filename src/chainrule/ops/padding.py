"""Padding: with a constant, or with the input's own elements: mirrored, repeated from the edge, or from the other side."""

from __future__ import annotations

import numpy as np

from ..backend.gathering import add_rows
from ..op import general, must_be_tensor, op
from ..tensor import Tensor
from .indexing import checked_number

__all__ = ["pad"]


def _cut(x, widths):
    """The part of `x` inside a border, which for negative widths is outside."""
    part = [slice(max(0, a), n - max(0, b)) for n, (a, b) in zip(x.shape, widths)]
    return x[(*part, ...)]


def _constant_forward(x, widths, value):
    inside = _cut(x, [(-a, -b) for a, b in widths])
    out = np.empty([n + max(0, a) + max(0, b) for n, (a, b) in zip(inside.shape, widths)], x.dtype)
    if value or value != value:
        out.fill(value)
    else:
        out = np.zeros(out.shape, x.dtype)
    _cut(out, widths)[...] = inside
    return out


def _opposite(widths):
    return tuple([(-a, -b) for a, b in widths])


# Its own transpose, with the widths negated and 0 for the value.
_constant_pad = op(
    "constant_pad_nd",
    forward=lambda xp, x, /, widths, value: _constant_forward(x, widths, value),
    vjp=lambda xp, g, widths: xp.constant_pad_nd(g, _opposite(widths), 0),
    jvp=lambda xp, t_x, widths: xp.constant_pad_nd(t_x, widths, 0),
)


def _source(size: int, before: int, after: int, mode: str):
    """Which element of a dimension each element of the padded dimension is."""
    index = np.arange(-before, size + after)
    if mode == "replicate":
        return np.clip(index, 0, size - 1)
    if mode == "circular":
        return index % size
    index = np.abs(index)
    return np.where(index >= size, 2 * (size - 1) - index, index)


def _border_forward(x, widths, mode):
    for d, (before, after) in enumerate(widths):
        if before or after:
            x = np.take(x, _source(x.shape[d], before, after, mode), axis=d)
    return x


def _border_backward(g, widths, mode):
    for d, (before, after) in enumerate(widths):
        if before or after:
            size = g.shape[d] - before - after
            rows = np.moveaxis(g, d, 0)
            g = np.moveaxis(add_rows(size, _source(size, before, after, mode), rows), 0, d)
    return g


def _border_record(name: str, node: str):
    return op(
        name,
        forward=lambda xp, x, /, widths, mode: _border_forward(x, widths, mode),
        vjp=lambda xp, g, widths, mode: xp.border_pad_backward(g, widths, mode),
        jvp=lambda xp, t_x, widths, mode: xp.border_pad(t_x, widths, mode),
        node=node,
    )


op(
    "border_pad_backward",
    forward=lambda xp, x, /, widths, mode: _border_backward(x, widths, mode),
    vjp=lambda xp, g, widths, mode: xp.border_pad(g, widths, mode),
    jvp=lambda xp, t_x, widths, mode: xp.border_pad_backward(t_x, widths, mode),
)
_circular = _border_record("border_pad", "CopySlices")
_BORDERS = {
    (mode, n): _border_record(f"{word.lower()}_pad{n}d", f"{word}Pad{n}DBackward0")
    for mode, word in (("reflect", "Reflection"), ("replicate", "Replication"))
    for n in (1, 2, 3)
}


def pad(input, pad, mode: str = "constant", value: float | None = None):
    """`input` with a border: `pad` has the widths before and after for the last dimension, then for the one before it, ...

    `mode`: "constant" (of `value`, 0 unless given; negative widths cut off), "reflect", "replicate" or "circular".
    """
    if not isinstance(input, Tensor):
        raise must_be_tensor("pad", "input", 1, input)
    pad = tuple(pad)
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.ndim}"
        )
    padded = len(pad) // 2
    widths = ((0, 0),) * (input.ndim - padded) + tuple(zip(pad[::2], pad[1::2], strict=True))[::-1]
    if mode == "constant":
        return _pad_constant(input, widths, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if not 1 <= padded <= 3 or input.ndim not in (padded + 1, padded + 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _check_border(input, widths, mode)
    if mode == "circular" and any(w < 0 for pair in widths for w in pair):  # what is cut off does not come round
        input = _pad_constant(input, tuple([(min(0, a), min(0, b)) for a, b in widths]), 0)
        widths = tuple([(max(0, a), max(0, b)) for a, b in widths])
    record = _circular.record if mode == "circular" else _BORDERS[mode, padded].record
    return general(record, (input,), (widths, mode))


_pad = pad


def constant_pad_nd(input, pad, value=0):
    """The function `pad` with a constant, as torch has it."""
    return _pad(input, pad, "constant", value)


def _pad_constant(input, widths, value):
    for d, (a, b) in enumerate(widths):
        size = input.shape[d]
        if size + a + b < 0:
            if min(a, 0) + min(b, 0) + size < 0:
                raise RuntimeError("narrow(): length must be non-negative.")
            raise RuntimeError(
                f"The input size {size}, plus negative padding {a} and {b} resulted in a negative output size, which is "
                f"invalid. Check dimension {d} of your input."
            )
        if -a > size or -b > size:
            raise RuntimeError("narrow(): length must be non-negative.")
    if value:
        wraps = value < 0 and input._array.dtype.kind == "u"  # elsewhere, but not here
        checked_number(float("-inf") if wraps else value, input.dtype)
    return general(_constant_pad.record, (input,), (widths, value))


def _check_border(input, widths, mode: str) -> None:
    letters = {1: "W", 2: "HW", 3: "DHW"}
    for d, (a, b) in enumerate(widths):
        size = input.shape[d]
        if (a, b) == (0, 0):
            continue
        if mode == "reflect" and (a >= size or b >= size):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"({a}, {b}) at dimension {d} of input {list(input.shape)}"
            )
        if mode == "circular" and (a > size or b > size):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if size + a + b < 1:
            name = letters[1][-1] if d == input.ndim - 1 else letters[3][d - input.ndim]
            raise RuntimeError(f"input ({name}: {size}) is too small. Calculated output {name}: {size + a + b}")
