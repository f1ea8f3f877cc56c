"""Discrete Fourier transforms of arrays along some dimensions, in the precision of their input.

`norm` is the scale of the result: "backward" none, "ortho" the root of the number of points, "forward" their number.
"""

import numpy as np


def _scale(norm, forward: bool):
    """NumPy's name of a scale: it names the direction that is scaled, we whether this one is."""
    return "ortho" if norm == "ortho" else "backward" if (norm == "backward") == forward else "forward"


def complex_transform(x, dims, norm: str, forward: bool):
    """The transform of a complex array."""
    from numpy import fft

    run = fft.fft if forward else fft.ifft
    scale = _scale(norm, forward)
    for dim in dims:
        x = run(x, None, dim, scale)
    return x


def real_transform(x, dims, norm: str):
    """The transform of a real array: along the last of `dims`, only the first half of the (symmetric) result."""
    from numpy import fft

    return complex_transform(fft.rfft(x, None, dims[-1], _scale(norm, True)), dims[:-1], norm, True)


def transform_to_real(x, dims, norm: str, size: int):
    """The real inverse transform of the half that `real_transform` gives, to `size` elements in the last of `dims`."""
    from numpy import fft

    return fft.irfft(complex_transform(x, dims[:-1], norm, False), size, dims[-1], _scale(norm, False))


def frequencies(n: int, spacing: float, half: bool):
    """The frequencies of a transform's results, in cycles per unit of `spacing`; `half`: of a real transform's."""
    steps = np.arange(n // 2 + 1) if half else np.concatenate((np.arange((n + 1) // 2), np.arange(-(n // 2), 0)))
    return steps / (n * spacing) if n else steps.astype(float)
