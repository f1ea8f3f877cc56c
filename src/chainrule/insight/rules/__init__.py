"""The rule of each operation: one element of its output, as a formula of elements of its inputs. A module a family."""

from __future__ import annotations

from . import (
    arrangements,
    complexes,
    elementwise,
    factorizations,
    fourier,
    losses,
    matrices,
    normalization,
    reductions,
    sums_of_products,
)
from .reasons import WITHOUT_RULE

__all__ = [
    "WITHOUT_RULE",
    "arrangements",
    "complexes",
    "elementwise",
    "factorizations",
    "fourier",
    "losses",
    "matrices",
    "normalization",
    "reductions",
    "sums_of_products",
]
