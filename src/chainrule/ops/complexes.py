"""Complex numbers: their parts, conjugates, absolute values and angles.

These functions are not holomorphic: their formulas give the conjugate Wirtinger gradient, in which a real-valued loss
decreases fastest, and conjugate by themselves. Conjugation is carried out at once: no tensor has its conjugate bit set.
"""

from __future__ import annotations

import math

from .. import dtypes
from ..backend import complexes
from ..inplace import fill_out, in_place_method
from ..op import ELEMENTWISE, LINEAR, VIEW, general, must_be_tensor, op
from ..tensor import Tensor
from .publishing import no_kernel, publish

__all__ = ["is_conj", "is_neg", "resolve_conj", "resolve_neg"]


def _is_complex(tensor) -> bool:
    return tensor._array.dtype.kind == "c"


# ---------------------------------------------------------------- parts

# For formulas; to a program the parts are views of the pairs that `view_as_real` shows, as in PyTorch.
op(
    "real",
    kind=VIEW,
    forward=lambda xp, x: x.real,
    vjp=lambda xp, g: xp.complex(g, xp.zeros_like(g)),
    node="SelectBackward0",
)
op(
    "imag",
    kind=VIEW,
    forward=lambda xp, x: x.imag,
    vjp=lambda xp, g: xp.complex(xp.zeros_like(g), g),
    node="SelectBackward0",
)


def real(input):
    """The real parts, as a view; a real tensor itself."""
    return _view_as_real(input).select(-1, 0) if _is_complex(input) else input


def imag(input):
    """The imaginary parts, as a view; RuntimeError for a real tensor."""
    if not _is_complex(input):
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _view_as_real(input).select(-1, 1)


publish(globals(), real, method=False)
publish(globals(), imag, method=False)


def _part(read):
    def assign(self, value):
        read(self).copy_(value)

    return property(read, assign, doc=read.__doc__)


Tensor.real, Tensor.imag = _part(real), _part(imag)

_view_as_real = op(
    "view_as_real",
    kind=VIEW,
    forward=lambda xp, x: complexes.view_as_real(x),
    vjp=lambda xp, g: xp.complex(g[..., 0], g[..., 1]),
)


def _check_pairs(input) -> None:
    if input.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            + dtypes.scalar_name(input.dtype)
        )
    if not input.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    strides = input.stride()
    if strides[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(stride % 2 for stride in strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    if input.storage_offset() % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")


_view_as_complex = op(
    "view_as_complex",
    kind=VIEW,
    check=_check_pairs,
    forward=lambda xp, x: complexes.view_as_complex(x),
    vjp=lambda xp, g: xp.view_as_real(g),
)


def view_as_real(input):
    """A complex tensor's memory as a real tensor with a last dimension of 2."""
    if not _is_complex(input):
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _view_as_real(input)


def view_as_complex(input):
    """A real tensor's memory, whose last dimension is 2, as a complex tensor without that dimension."""
    if input._extra is not None and input._extra.special:
        _check_pairs(input)
    return _view_as_complex(input)


publish(globals(), view_as_real, method=False)
publish(globals(), view_as_complex, method=False)


def _check_parts(x, y):
    for value in (x, y):
        if value.dtype not in (dtypes.float16, dtypes.float32, dtypes.float64):
            raise RuntimeError(
                "Expected both inputs to be Half, Float or Double tensors but got "
                f"{dtypes.scalar_name(x.dtype)} and {dtypes.scalar_name(y.dtype)}"
            )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {dtypes.scalar_name(x.dtype)} but got scalar type "
            f"{dtypes.scalar_name(y.dtype)} for second argument"
        )


def _check_tensors(function: str, **arguments) -> None:
    for position, (name, value) in enumerate(arguments.items(), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor(function, name, position, value)


def _fill(out, result):
    if out.dtype is not result.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {dtypes.scalar_name(result.dtype)} but got scalar type "
            f"{dtypes.scalar_name(out.dtype)} for argument 'out'"
        )
    return fill_out(out, result)


_complex = op(
    "complex",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: complexes.combine(x, y),
    vjp=(lambda xp, g: xp.real(g), lambda xp, g: xp.imag(g)),
    holomorphic=False,
    numbers=False,
    check=_check_parts,
    refuses=dict.fromkeys("biucV", (RuntimeError, "Expected both inputs to be Half, Float or Double tensors")),
)


def complex(real, imag, *, out=None):
    """The complex tensor of two real ones of the same dtype."""
    _check_tensors("complex", real=real, imag=imag)
    result = _complex(real, imag)
    return result if out is None else _fill(out, result)


publish(globals(), complex, method=False)
_polar = op(
    "polar",
    kind=ELEMENTWISE,
    forward=lambda xp, x, y: complexes.combine(x * xp.cos(y), x * xp.sin(y)),
    vjp=(
        lambda xp, g, y: xp.real(g) * xp.cos(y) + xp.imag(g) * xp.sin(y),
        lambda xp, g, x, y: x * (xp.imag(g) * xp.cos(y) - xp.real(g) * xp.sin(y)),
    ),
    holomorphic=False,
    numbers=False,
    check=_check_parts,
    refuses=dict.fromkeys("biucV", (RuntimeError, "Expected both inputs to be Half, Float or Double tensors")),
)


def polar(abs, angle, *, out=None):
    """The complex tensor of absolute values and angles."""
    _check_tensors("polar", abs=abs, angle=angle)
    result = _polar(abs, angle)
    return result if out is None else _fill(out, result)


publish(globals(), polar, method=False)

# ---------------------------------------------------------------- conjugates

_conj = op(
    "conj",
    kind=LINEAR,
    forward=lambda xp, x: xp.conj(x),
    vjp=lambda xp, g: xp.conj(g),
)
_conj_physical = op(
    "conj_physical",
    kind=LINEAR,
    forward=lambda xp, x: xp.conj(x),
    vjp=lambda xp, g: xp.conj(g),
)


def conj(input):
    """The complex conjugate; a real tensor itself."""
    return _conj(input) if _is_complex(input) else input


def conj_physical(input, *, out=None):
    """The complex conjugate; a real tensor itself."""
    if out is None and not _is_complex(input):
        return input
    return general(_conj_physical.record, (input,), (), out)


publish(globals(), conj, twin=False)
publish(globals(), conj_physical)


def resolve_conj(input):
    """`input`: conjugates are never pending."""
    return input


def resolve_neg(input):
    """`input`: negations are never pending."""
    return input


def is_conj(input) -> bool:
    """Whether a conjugation is pending: never."""
    return False


def is_neg(input) -> bool:
    """Whether a negation is pending: never."""
    return False


Tensor.resolve_conj, Tensor.resolve_neg, Tensor.is_conj, Tensor.is_neg = resolve_conj, resolve_neg, is_conj, is_neg

# ---------------------------------------------------------------- absolute value, direction, angle


def _sgn_vjp(xp, g, x, out):
    if not xp.is_complex(x):
        return xp.zeros_like(g)
    across = g - out * xp.real(xp.conj(out) * g)
    origin = x == 0
    return xp.where(origin, xp.zero(g), across / xp.where(origin, xp.one(xp.abs(x)), xp.abs(x)))


def _angle_vjp(xp, g, x):
    if not xp.is_complex(x):
        return xp.zeros_like(g)
    squares = xp.real(x) * xp.real(x) + xp.imag(x) * xp.imag(x)
    origin = squares == 0
    return xp.where(origin, xp.zero(x), x * 1j * (g / xp.where(origin, xp.one(squares), squares)))


sgn = publish(
    globals(),
    op("sgn", kind=ELEMENTWISE, forward=lambda xp, x: xp.sign(x), vjp=_sgn_vjp, holomorphic=False),
)
_abs = op(
    "abs",
    kind=ELEMENTWISE,
    forward=lambda xp, x: xp.abs(x),
    vjp=lambda xp, g, x: g * xp.sgn(x),
    holomorphic=False,
    refuses=no_kernel("abs_cpu", "b"),
)
publish(globals(), _abs, "absolute", twin=False)


def _abs_in_place(input):
    if _is_complex(input):
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return _abs(input)


abs_ = in_place_method("abs_", _abs_in_place)
absolute_ = in_place_method("absolute_", _abs_in_place)
__all__ += ["abs_"]
Tensor.__abs__ = _abs
angle = publish(
    globals(),
    op(
        "angle",
        kind=ELEMENTWISE,
        forward=lambda xp, x: (
            xp.atan2(x.imag, x.real)
            if xp.is_complex(x)
            else xp.where(xp.isnan(x), x, xp.where(x < 0, x.dtype.type(math.pi), xp.zero(x)))
        ),
        vjp=_angle_vjp,
        holomorphic=False,
        floating=True,
    ),
    twin=False,
)
