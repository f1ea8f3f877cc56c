"""Rows of ops/decompositions.py. Stacks of two matrices, so that an empty stack makes sense everywhere."""

import numpy as np

import chainrule as torch
from chainrule import linalg
from chainrule.ops import decompositions as records

from .makers import COMPLEX, DOUBLE, SINGLE, floats, given, made, row

REAL = SINGLE + DOUBLE
BOTH = REAL + COMPLEX
LOOSE = 2e-3  # of factorizations in float32: errors grow with the matrix's condition


def regular(*shape):
    """Matrices far from singular."""
    return made(*shape, by=lambda a: a + 3 * np.eye(*a.shape[-2:]))


def singular(*shape):
    """Matrices whose last column is the sum of the others, as far as rounding goes."""

    def dependent(a):
        a[..., -1] = a[..., :-1].sum(-1)
        return a

    return made(*shape, by=dependent)


def hermitian(x):
    return x + x.mH


def positive_definite(x):
    return x @ x.mH + torch.eye(x.shape[-1], dtype=x.dtype)


def magnitudes(result):
    """Of factors whose columns have no determined sign or phase."""
    return tuple(part.abs() for part in result)


def without_first(result):
    """Of results of which the first is a permutation."""
    return result[1:]


def first(result):
    return result[0]


def lu_factored(x, b, adjoint):
    packed, pivots, _ = records.lu_factor_ex(x)
    return linalg.lu_solve(packed, pivots, b, adjoint=adjoint)


PIVOTS = given(np.array([[2, 3, 3], [1, 2, 3]], np.int32))

ROWS = {
    "linalg_inv_ex": row(regular(2, 3, 3), reference=np.linalg.inv, check=first, dtypes=BOTH, tolerance=LOOSE),
    "linalg_solve_ex": [
        row(
            regular(2, 3, 3),
            floats(2, 3, 2),
            settings=(True, False),
            reference=lambda a, b, *_: np.linalg.solve(a, b),
            check=first,
            dtypes=BOTH,
            tolerance=LOOSE,
        ),
        row(
            regular(2, 3, 3),
            floats(4, 3),
            settings=(False, False),
            check=first,
            dtypes=BOTH,
            empty=False,
            tolerance=LOOSE,
        ),
        row(regular(3, 3), floats(3), settings=(True, True), check=first, dtypes=BOTH, empty=False, tolerance=LOOSE),
    ],
    "linalg_solve_triangular": [
        row(regular(2, 3, 3), floats(2, 3, 2), settings=(True, True, False), dtypes=BOTH, tolerance=LOOSE),
        row(regular(2, 3, 3), floats(4, 3), settings=(False, False, True), dtypes=BOTH, empty=False, tolerance=LOOSE),
    ],
    "linalg_pinv": [
        row(
            floats(2, *size),
            settings=(False,),
            call=lambda x, hermitian: records.pinv(x, torch.tensor(0.0), torch.tensor(1e-6), hermitian),
            reference=lambda x, *_: np.linalg.pinv(x),
            dtypes=BOTH,
            tolerance=LOOSE,
        )
        for size in ((3, 2), (2, 3))
    ],
    "linalg_lstsq": [
        row(
            floats(2, 4, 2),
            floats(2, 4, 3),
            settings=(1e-6, "gelsd"),
            check=lambda result: result[:2],
            dtypes=BOTH,
            tolerance=LOOSE,
        ),
        row(
            floats(2, 4), floats(2, 1), settings=(1e-6, "gelsy"), check=first, dtypes=BOTH, empty=False, tolerance=LOOSE
        ),
    ],
    "linalg_det": [
        row(regular(2, 3, 3), reference=np.linalg.det, dtypes=BOTH, tolerance=LOOSE),
        row(singular(2, 3, 3), reference=np.linalg.det, dtypes=DOUBLE + COMPLEX, tolerance=LOOSE),
    ],
    "linalg_cofactors": [
        row(
            regular(2, 3, 3),
            reference=lambda x: np.linalg.det(x)[..., None, None] * np.linalg.inv(x).swapaxes(-1, -2),
            dtypes=BOTH,
            tolerance=LOOSE,
        ),
        row(singular(3, 3), dtypes=DOUBLE, second=False, empty=False),
    ],
    "linalg_second_cofactors": row(floats(2, 3, 3), regular(2, 3, 3), dtypes=BOTH, tolerance=LOOSE),
    "linalg_slogdet": row(regular(2, 3, 3), dtypes=BOTH, tolerance=LOOSE),
    "linalg_cholesky_ex": [
        row(
            floats(2, 3, 3),
            upper,
            call=lambda x, upper: records.cholesky_ex(positive_definite(x), upper),
            check=first,
            dtypes=BOTH,
            tolerance=LOOSE,
        )
        for upper in (False, True)
    ],
    "linalg_lu": [
        row(floats(2, *size), check=without_first, dtypes=BOTH, tolerance=LOOSE) for size in ((3, 3), (2, 4), (4, 2))
    ],
    "linalg_lu_factor_ex": [
        row(floats(2, *size), check=first, dtypes=BOTH, tolerance=LOOSE) for size in ((3, 3), (2, 4), (4, 2))
    ]
    + [
        row(regular(2, 3, 3), floats(2, 3, 2), adjoint, call=lu_factored, dtypes=BOTH, tolerance=LOOSE)
        for adjoint in (False, True)
    ],
    "lu_unpack": [
        row(floats(2, 3, 3), PIVOTS, check=without_first, dtypes=BOTH),
        row(floats(2, 3, 5), PIVOTS, check=without_first, dtypes=BOTH),
        row(floats(2, 5, 3), PIVOTS, check=without_first, dtypes=BOTH),
    ],
    "linalg_ldl_factor_ex": row(
        floats(2, 3, 3),
        settings=(False,),
        call=lambda x, _: records.ldl_factor_ex(x + x.mT, False),
        check=first,
        dtypes=BOTH,
        differentiable=(),
        tolerance=LOOSE,
    ),
    "linalg_ldl_solve": row(
        floats(2, 3, 3),
        floats(2, 3, 2),
        call=lambda x, b: linalg.ldl_solve(*linalg.ldl_factor(hermitian(x), hermitian=True), b, hermitian=True),
        reference=lambda x, b: np.linalg.solve(x + np.conj(x.swapaxes(-1, -2)), b),
        dtypes=BOTH,
        differentiable=(),
        tolerance=LOOSE,
    ),
    "linalg_qr": [
        row(floats(2, *size), settings=("reduced",), dtypes=BOTH, tolerance=LOOSE) for size in ((3, 3), (4, 2), (2, 4))
    ],
    "geqrf": row(floats(2, 4, 3), dtypes=BOTH, differentiable=(), tolerance=LOOSE),
    "linalg_householder_product": [
        row(floats(2, 4, 3), floats(2, 3), dtypes=BOTH, empty=False, tolerance=LOOSE),
        row(floats(2, 3, 3), floats(2, 2), dtypes=BOTH, empty=False, tolerance=LOOSE),
    ],
    "linalg_eigh": [
        row(
            floats(2, 3, 3),
            triangle,
            call=lambda x, triangle: records.eigh(hermitian(x), triangle),
            check=magnitudes,
            dtypes=BOTH,
            tolerance=LOOSE,
        )
        for triangle in "LU"
    ],
    "linalg_eig": row(
        made(2, 3, 3, by=lambda a: a + np.diag([0.0, 5.0, 10.0])), check=magnitudes, dtypes=BOTH, tolerance=LOOSE
    ),
    "linalg_svd": [
        row(floats(2, *size), settings=(False,), check=magnitudes, dtypes=BOTH, tolerance=LOOSE)
        for size in ((3, 3), (4, 2), (2, 4))
    ],
    "linalg_svdvals": row(
        floats(2, 4, 3), reference=lambda x: np.linalg.svd(x, compute_uv=False), dtypes=BOTH, tolerance=LOOSE
    ),
    "linalg_matrix_exp": row(floats(2, 3, 3), dtypes=BOTH, tolerance=LOOSE),
}
