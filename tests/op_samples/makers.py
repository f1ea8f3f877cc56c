"""What rows are made of: `row` and the makers of inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

HALF, SINGLE, DOUBLE, COMPLEX, INTEGER, BOOL = "h", "f", "d", "c", "i", "b"
FLOATING = HALF + SINGLE + DOUBLE
REAL = FLOATING + INTEGER + BOOL
ANY = REAL + COMPLEX


@dataclass(frozen=True)
class Maker:
    """An input: `make(rng)` draws it in float64; `kind` says which other dtypes it can be drawn in."""

    shape: tuple[int, ...]
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    kind: str = "f"  # "f": takes on the dtype under test; "i", "b": stays integer, bool
    repeatable: bool = True  # False: its values must not be repeated by expanding

    def make(self, rng, dtype: str = "float64") -> np.ndarray:
        """The input as an array of a NumPy dtype name (bfloat16 included)."""
        if self.kind != "f":
            return np.asarray(self.draw(rng, self.shape))
        values = np.asarray(self.draw(rng, self.shape), dtype=np.float64)
        if dtype.startswith("complex"):
            return (values + 1j * np.asarray(self.draw(rng, self.shape))).astype(dtype)
        if dtype == "bool":
            return values > np.median(values) if values.size else values.astype(bool)
        if dtype == "bfloat16":
            import ml_dtypes

            return values.astype(ml_dtypes.bfloat16)
        if dtype.startswith(("int", "uint")):
            if values.size and np.abs(values).max() < 4:
                values = values * 3
            return np.where(np.abs(values) < 1, np.sign(values), values).astype(dtype)
        return values.astype(dtype)

    def empty(self) -> Maker:
        """The same without elements: the first dimension is 0."""
        return replace(self, shape=(0, *self.shape[1:])) if self.shape else self

    def scalar(self) -> Maker:
        """The same as a 0-d input."""
        return replace(self, shape=())


def floats(*shape: int, low: float = -2.0, high: float = 2.0, away: tuple[float, ...] = (0.0,)) -> Maker:
    """Floats between `low` and `high`, no closer than 0.1 to the kinks in `away`."""

    def draw(rng, size):
        values = rng.uniform(low, high, size)
        for kink in away:
            close = np.abs(values - kink) < 0.1
            values = np.where(close, kink + np.where(values < kink, -1, 1) * rng.uniform(0.1, 0.3, size), values)
        return values

    return Maker(shape, draw)


def positive(*shape: int, low: float = 0.3, high: float = 2.0) -> Maker:
    """Floats above 0."""
    return floats(*shape, low=low, high=high, away=())


def unit(*shape: int, margin: float = 0.1) -> Maker:
    """Floats in (-1, 1)."""
    return floats(*shape, low=-1 + margin, high=1 - margin)


def distinct(*shape: int) -> Maker:
    """Floats no two of which are closer than 0.1: for sorting, maxima and the like."""

    def draw(rng, size):
        n = int(np.prod(size))
        values = (np.arange(n) - n // 2) * 0.3 + rng.uniform(0.05, 0.15, n)
        return rng.permutation(values).reshape(size)

    return Maker(shape, draw, repeatable=False)


def whole(*shape: int, low: int = -4, high: int = 5) -> Maker:
    """Whole numbers from `low` to below `high`, in the dtype under test."""
    return Maker(shape, lambda rng, size: rng.integers(low, high, size).astype(np.float64))


def integers(*shape: int, low: int = 0, high: int = 3) -> Maker:
    """int64 from `low` to below `high`: indices. They stay int64 and take no gradient."""
    return Maker(shape, lambda rng, size: rng.integers(low, high, size), "i")


def bools(*shape: int) -> Maker:
    """A mask with at least one element of each kind."""

    def draw(rng, size):
        values = np.arange(int(np.prod(size))) % 2 == 0
        return rng.permutation(values).reshape(size)

    return Maker(shape, draw, "b")


def given(values) -> Maker:
    """Always these values; floats take on the dtype under test."""
    array = np.asarray(values)
    kind = array.dtype.kind if array.dtype.kind in "ib" else "f"
    return Maker(
        array.shape,
        lambda rng, size: array[tuple(slice(0, n) for n in size)] if size else array.flat[0],
        kind,
    )


def made(*shape: int, by: Callable[[np.ndarray], np.ndarray]) -> Maker:
    """Standard normal floats, changed by a function: ``made(3, 3, by=lambda a: a @ a.T + np.eye(3))``."""
    return Maker(shape, lambda rng, size: by(rng.standard_normal(size)), repeatable=False)


@dataclass(frozen=True)
class Row:
    """How one operation is called and checked; see the package's docstring."""

    inputs: tuple[Any, ...]
    settings: tuple = ()
    call: Callable | None = None
    check: Callable | None = None
    reference: Callable | None = None
    dtypes: str = FLOATING
    differentiable: tuple[int, ...] | None = None
    second: bool = True
    jvp: bool = True
    in_place: str | bool | None = None
    empty: bool = True
    scalar: bool | None = None
    layouts: bool = True
    random: bool = False
    tolerance: float = 1e-5


def row(*inputs, **options) -> Row:
    """A row; inputs that are not makers are passed as they are (numbers, None)."""
    return Row(inputs, **options)
