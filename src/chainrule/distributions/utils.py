"""What distributions have in common: broadcasting of parameters, probabilities and logits, lazy attributes."""

from __future__ import annotations

from typing import Any

import chainrule as torch
from chainrule import Tensor

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060


def is_number(value: Any) -> bool:
    """Whether a parameter was given as a Python number."""
    return isinstance(value, (int, float, complex)) and not isinstance(value, Tensor)


def broadcast_all(*values) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers take the first tensor's dtype, or the default dtype.

    ValueError for anything else.
    """
    if not all(isinstance(value, Tensor) or is_number(value) for value in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    dtype = next((v.dtype for v in values if isinstance(v, Tensor)), torch.get_default_dtype())
    return torch.broadcast_tensors(*[v if isinstance(v, Tensor) else torch.tensor(v, dtype=dtype) for v in values])


def batch_of(first: Tensor, *given) -> torch.Size:
    """The batch shape of parameters that broadcast to `first`: none if all were given as numbers."""
    return torch.Size() if all(map(is_number, given)) else first.shape


def sum_rightmost(value, dims: int):
    """The sum over the `dims` last dimensions."""
    return value.sum(tuple(range(-dims, 0))) if dims else value


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept inside (0, 1) by the dtype's epsilon."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities from log-odds (`is_binary`), or from unnormalized log-probabilities along the last dimension."""
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The inverse of `logits_to_probs`, finite at 0 and 1."""
    kept = clamp_probs(probs)
    return kept.log() - (-kept).log1p() if is_binary else kept.log()


class lazy_property:
    """A method that is called when its value is first asked for, which then takes its place. On the class: itself."""

    def __init__(self, wrapped) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__
        self.__name__ = wrapped.__name__

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.__name__, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and below diagonal `diag` of (batches of) square matrices, row by row."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`."""
    # a side n has n(n + 1)/2 elements on and below the main diagonal, and n - 1 + ... more or fewer for the others
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if round(n) - n > torch.finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower triangular part of "
            "a square D x D matrix."
        )
    side = round(n)
    matrix = vec.new_zeros((*vec.shape[:-1], side, side))
    rows, columns = torch.tril_indices(side, side, diag)
    matrix[..., rows, columns] = vec
    return matrix


def given_one(probs, logits) -> None:
    """ValueError unless exactly one of the two was given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class ProbsOrLogits:
    """Mixed into distributions that were given one of `probs` and `logits`, from which the other follows."""

    @property
    def _param(self) -> Tensor:
        """What was given."""
        return self.__dict__["probs" if "probs" in self.__dict__ else "logits"]

    @property
    def param_shape(self) -> torch.Size:
        """The shape of what was given."""
        return self._param.shape


class BinaryParameter(ProbsOrLogits):
    """Mixed into distributions of a `probs` or `logits` that stand for one event: each follows from the other."""

    def _set_binary(self, probs, logits) -> torch.Size:
        """Keeps what was given and returns the batch shape."""
        given_one(probs, logits)
        name, value = ("probs", probs) if logits is None else ("logits", logits)
        (self.__dict__[name],) = broadcast_all(value)
        return torch.Size() if is_number(value) else self.__dict__[name].shape

    @lazy_property
    def logits(self) -> Tensor:
        """The log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=True)
