"""Values in a few words: the whole of a small array, the shape and the range of a large one."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..dtypes import from_numpy_dtype
from .source import Source, shown_name

MOST_ELEMENTS = 8  # shown one by one
LONGEST_LINE = 72


def number(value: Any) -> str:
    """One number with four significant digits."""
    if isinstance(value, complex | np.complexfloating):
        return f"{value:.4g}"
    if isinstance(value, bool | np.bool_ | int | np.integer):
        return str(value)
    return f"{float(value):.4g}"


def array(value: Any) -> str:
    """An array in at most a line."""
    value = np.asarray(value)
    if value.dtype.kind == "V":  # half-precision types that NumPy does not know
        value = value.astype(np.float32)
    if value.size == 0:
        return "empty"
    if value.size <= MOST_ELEMENTS:
        return _whole(value)
    return range_of(value)


def _whole(value: np.ndarray) -> str:
    if value.ndim == 0:
        return number(value[()])
    return f"[{', '.join(_whole(part) for part in value)}]"


def range_of(value: np.ndarray) -> str:
    """The smallest, mean and largest element, and how many are not finite."""
    if value.dtype.kind == "c":
        return f"absolute values: {range_of(np.abs(value))}"
    if value.dtype.kind == "b":
        return f"{int(value.sum())} of {value.size} True"
    wide = value.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    strange = wide.size - finite.size
    parts = []
    if finite.size:
        parts.append(f"min {number(finite.min())}, mean {number(finite.mean())}, max {number(finite.max())}")
    if strange:
        parts.append(f"{strange} of {wide.size} not finite")
    return "; ".join(parts)


def slope(value: np.ndarray) -> str:
    """A gradient in a few letters: itself if it is short, else its norm."""
    value = np.asarray(value)
    text = array(value)
    if len(text) <= 14:
        return f"∂ {text}"
    return f"‖∂‖ {number(np.sqrt((np.abs(value.astype(np.result_type(value, np.float64))) ** 2).sum()))}"


def shape(value: Any) -> str:
    """The shape as Python writes it, and the dtype."""
    return f"{tuple(value.shape)} {str(from_numpy_dtype(value.dtype)).removeprefix('torch.')}"


def line(text: str) -> str:
    """A line of a program, cut off where it gets long."""
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def file_name(file: str) -> str:
    """The last part of a file's path; what is no path stays whole, and a cell of IPython is In[3]."""
    file = shown_name(file)
    return file if file.startswith("<") else os.path.basename(file)


def place(source: Source) -> str:
    """`file.py:12`."""
    return f"{file_name(source.file)}:{source.line}"
