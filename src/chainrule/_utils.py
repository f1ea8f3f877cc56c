"""torch._utils: the names of it that programs use."""

from __future__ import annotations

from .dtypes import dtype

__all__ = ["_element_size"]


def _element_size(dtype: dtype) -> int:
    """Bytes of one element of a dtype."""
    return dtype.itemsize
