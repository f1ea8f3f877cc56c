"""Rows of the operations that draw random numbers; tests/test_random.py has the numbers themselves."""

from __future__ import annotations

from chainrule.backend.generator import Generator

from .makers import BOOL, COMPLEX, FLOATING, INTEGER, floats, positive, row

SOURCE = Generator(1)


def redrawing(sample, dtypes: str):
    """The row of an operation that takes a sampler; its in-place method takes the sampler's parameters instead."""
    return row(floats(2, 3), settings=(sample,), dtypes=dtypes, random=True, in_place=False)


ROWS = {
    "uniform": redrawing(lambda shape, dtype, _: SOURCE.uniform(shape, dtype), FLOATING + COMPLEX),
    "normal": redrawing(lambda shape, dtype, whole: SOURCE.normal(shape, dtype, contiguous=whole), FLOATING + COMPLEX),
    "random": redrawing(lambda shape, dtype, _: SOURCE.random(shape, dtype), FLOATING + INTEGER + BOOL),
    "exponential": redrawing(lambda shape, dtype, _: SOURCE.exponential(shape, dtype), FLOATING),
    "geometric": redrawing(lambda shape, dtype, _: SOURCE.geometric(shape, dtype, 0.3), FLOATING + INTEGER),
    "log_normal": redrawing(lambda shape, dtype, _: SOURCE.log_normal(shape, dtype), FLOATING),
    "cauchy": redrawing(lambda shape, dtype, _: SOURCE.cauchy(shape, dtype), FLOATING),
    "bernoulli_float": redrawing(
        lambda shape, dtype, _: SOURCE.bernoulli(0.3, shape, dtype), FLOATING + INTEGER + BOOL
    ),
    "bernoulli": row(positive(2, 3, low=0.1, high=0.9), settings=(SOURCE,), random=True, in_place=False),
    "bernoulli_tensor": row(
        floats(2, 3), positive(3, low=0.1, high=0.9), settings=(SOURCE,), random=True, in_place=False
    ),
    "normal_mean": row(floats(2, 3), settings=(0.5, SOURCE), random=True),
    "normal_std": row(positive(2, 3), settings=(0.5, SOURCE), random=True),
    "normal_mean_std": row(floats(2, 3), positive(3), settings=(SOURCE,), random=True),
    "poisson": row(positive(2, 3), settings=(SOURCE,), random=True),
}
