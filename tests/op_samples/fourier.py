"""Rows of ops/fourier.py."""

import numpy as np

import chainrule.ops.fourier as records

from .makers import COMPLEX, DOUBLE, SINGLE, floats, row

BOTH = SINGLE + DOUBLE + COMPLEX


def complex_transform(x, *settings):
    return records.complex_transform(x if x.is_complex() else x + 0j, *settings)


def to_real(x, *settings):
    return records.transform_to_real(x if x.is_complex() else x + 0j, *settings)


ROWS = {
    "fft_c2c": [
        row(
            floats(2, 3, 4),
            settings=((1, 2), norm, forward),
            call=complex_transform,
            reference=lambda x, dims, norm, forward: (np.fft.fftn if forward else np.fft.ifftn)(
                x, axes=dims, norm=norm if forward or norm == "ortho" else "forward"
            ),
            dtypes=BOTH,
        )
        for norm in ("backward", "ortho")
        for forward in (True, False)
    ],
    "fft_r2c": [
        row(
            floats(2, 3, 4),
            settings=((1, 2), "backward", True),
            reference=lambda x, dims, norm, _: np.fft.rfftn(x, axes=dims),
            dtypes=SINGLE + DOUBLE,
        ),
        row(
            floats(2, 5),
            settings=((1,), "forward", False),
            reference=lambda x, dims, norm, _: np.fft.fftn(x, axes=dims, norm=norm),
            dtypes=SINGLE + DOUBLE,
        ),
    ],
    "fft_c2r": [
        row(
            floats(2, 3, 3),
            settings=((1, 2), "forward", size),
            call=to_real,
            reference=lambda x, dims, norm, size: np.fft.irfftn(x, (3, size), dims),
            dtypes=BOTH,
        )
        for size in (4, 5)
    ],
}
