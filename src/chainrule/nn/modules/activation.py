"""Activation functions as modules: see the functions of the same names in functional.py."""

from __future__ import annotations

from ...ops.creation import full
from ...ops.elementwise import sigmoid, tanh
from .. import functional as F
from ..parameter import Parameter
from .module import Module

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid",
    "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin",
    "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


def _inplace(module, before: str = "") -> str:
    return before + "inplace=True" if module.inplace else ""


class _MaybeInplace(Module):
    """A function that can write its result over its input; subclasses say which."""

    _function: staticmethod

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return self._function(input, self.inplace)

    def extra_repr(self) -> str:
        return _inplace(self)


class _WithAlpha(Module):
    """A function with a number `alpha`, which can write its result over its input; subclasses say which."""

    _function: staticmethod

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        return self._function(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + _inplace(self, ", ")


class _Shrink(Module):
    """A function with a number `lambd`; subclasses say which."""

    _function: staticmethod

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return self._function(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class _AlongDim(Module):
    """A softmax along a dimension; subclasses say which."""

    _function: staticmethod

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return self._function(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Threshold(Module):
    """`value` where the input does not exceed `threshold`."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input):
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + _inplace(self, ", ")


class ReLU(_MaybeInplace):
    """The positive part."""

    _function = staticmethod(F.relu)


class RReLU(Module):
    """A leaky ReLU whose slope is drawn at random in training."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + _inplace(self, ", ")


class Hardtanh(Module):
    """The input, kept between two numbers."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + _inplace(self, ", ")


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, input):
        return sigmoid(input)


class Hardsigmoid(_MaybeInplace):
    """``relu6(x + 3) / 6``."""

    _function = staticmethod(F.hardsigmoid)
    extra_repr = Module.extra_repr  # as PyTorch prints it


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input):
        return tanh(input)


class SiLU(_MaybeInplace):
    """``x * sigmoid(x)``."""

    _function = staticmethod(F.silu)


class Mish(_MaybeInplace):
    """``x * tanh(softplus(x))``."""

    _function = staticmethod(F.mish)


class Hardswish(_MaybeInplace):
    """``x * relu6(x + 3) / 6``."""

    _function = staticmethod(F.hardswish)
    extra_repr = Module.extra_repr


class ELU(_WithAlpha):
    """``alpha * (exp(x) - 1)`` for negative x."""

    _function = staticmethod(F.elu)


class CELU(_WithAlpha):
    """``alpha * (exp(x / alpha) - 1)`` for negative x."""

    _function = staticmethod(F.celu)


class SELU(_MaybeInplace):
    """The scaled ELU that normalizes itself."""

    _function = staticmethod(F.selu)


class GLU(Module):
    """One half of the input times the sigmoid of the other."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input):
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class GELU(Module):
    """The input times the normal distribution function of it."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardshrink(_Shrink):
    """0 within `lambd` of 0."""

    _function = staticmethod(F.hardshrink)


class LeakyReLU(Module):
    """`negative_slope` times the input where it is negative."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + _inplace(self, ", ")


class LogSigmoid(Module):
    """The logarithm of the sigmoid."""

    def forward(self, input):
        return F.logsigmoid(input)


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softshrink(_Shrink):
    """The input moved by `lambd` towards 0."""

    _function = staticmethod(F.softshrink)


class Softsign(Module):
    """``x / (1 + abs(x))``."""

    def forward(self, input):
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``."""

    def forward(self, input):
        return F.tanhshrink(input)


class Softmin(_AlongDim):
    """The softmax of the negative input."""

    _function = staticmethod(F.softmin)


class Softmax(_AlongDim):
    """Exponentials divided by their sum along `dim`."""

    _function = staticmethod(F.softmax)


class LogSoftmax(_AlongDim):
    """The logarithm of the softmax along `dim`."""

    _function = staticmethod(F.log_softmax)


class ReLU6(Hardtanh):
    """The input, kept between 0 and 6."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return _inplace(self)


class PReLU(Module):
    """A leaky ReLU whose slope is a parameter: one, or one for each channel."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device=None, dtype=None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """All slopes to their first value."""
        self.weight.data.fill_(self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softmax2d(Module):
    """The softmax over the channels of images."""

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3, _stacklevel=5)
