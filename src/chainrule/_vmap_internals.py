"""torch._vmap_internals: vmap under its older name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .func import vmap

__all__ = ["_vmap"]


def _vmap(func: Callable, in_dims: Any = 0, out_dims: Any = 0, allow_none_pass_through: bool = False) -> Callable:
    """`func` over a batch; see torch.func.vmap, of which results that are None pass through in any case."""
    return vmap(func, in_dims, out_dims)
