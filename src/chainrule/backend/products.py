"""Sums and scalings that matrix products share, on arrays."""


def scaled(x, factor):
    """`x` times a Python number, untouched for 1; an integer or bool `x` takes the number in its own dtype."""
    if factor == 1:
        return x
    return x * in_kind(x.dtype.kind, factor)


def in_kind(kind: str, factor):
    """A Python number as integers or bools of a NumPy kind take it."""
    return bool(factor) if kind == "b" else int(factor) if kind in "iu" else factor


def scaled_sum(z, product, beta, alpha):
    """``beta * z + alpha * product``; with beta 0, `z` is ignored, nan and all."""
    product = scaled(product, alpha)
    return product if beta == 0 else scaled(z, beta) + product
