"""Sums and scalings that matrix products share, on arrays."""


def scaled(x, factor):
    """`x` times a Python number, untouched for 1."""
    return x if factor == 1 else x * factor


def scaled_sum(z, product, beta, alpha):
    """``beta * z + alpha * product``; with beta 0, `z` is ignored, nan and all."""
    product = scaled(product, alpha)
    return product if beta == 0 else scaled(z, beta) + product
