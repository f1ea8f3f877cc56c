"""What distributions share that are placed by a location and stretched by a scale."""

from __future__ import annotations

from typing import Any

from chainrule import Tensor

from . import constraints
from .utils import batch_of, broadcast_all

__all__ = ["LocationScale"]


class LocationScale:
    """Mixed into distributions of the real numbers with parameters `loc`, where their mode is, and `scale`."""

    arg_constraints: dict[str, Any] = {"loc": constraints.real, "scale": constraints.positive}
    support: Any = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(batch_of(self.loc, loc, scale), validate_args=validate_args)  # type: ignore[call-arg]

    @property
    def mode(self) -> Tensor:
        return self.loc
