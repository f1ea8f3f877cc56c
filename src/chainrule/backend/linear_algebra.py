"""Linear algebra on stacks of matrices, arrays of shape (..., rows, columns): factorizations and solvers.

NumPy's LAPACK does the work. What NumPy lacks (LU factors, triangular solves, what is left of a factorization that
fails, the matrix exponential) is here in terms of it; the Bunch-Kaufman factorization is SciPy's. Nothing here raises
for a singular matrix: `info` is LAPACK's, 0 or the position of the pivot that failed, an int32 per matrix.
"""

import math

import numpy as np
from numpy import linalg

LinAlgError = linalg.LinAlgError
PANEL = 16  # columns that are eliminated one by one


def adjoint(x):
    """The conjugate transposes."""
    return np.conjugate(x.swapaxes(-1, -2)) if x.dtype.kind == "c" else x.swapaxes(-1, -2)


def identity(n: int, like):
    """The identity matrix, for each matrix of a stack: a read-only view."""
    return np.broadcast_to(np.eye(n, dtype=like.dtype), (*like.shape[:-2], n, n))


def no_info(x):
    return np.zeros(x.shape[:-2], np.int32)


def all_finite(x) -> bool:
    return bool(np.isfinite(x).all())


# ---------------------------------------------------------------- elimination


def lu_factor(x):
    """Packed LU factors with partial pivoting, LAPACK's pivots (from 1) and `info`."""
    *batch, rows, columns = x.shape
    count = min(rows, columns)
    packed = np.array(x, order="C").reshape(-1, rows, columns) if x.size else np.zeros((0, rows, columns), x.dtype)
    pivots = np.empty((math.prod(batch), count), np.int32)
    pivots[:] = np.arange(1, count + 1)
    with np.errstate(all="ignore"):
        if packed.size:
            _eliminate(packed, pivots, 0, count)
            if columns > count:
                packed[:, :, count:] = solve_triangular(packed[:, :, :count], packed[:, :, count:], False, True)
    pivots = pivots.reshape(*batch, count)
    packed = packed.reshape(x.shape)
    zero = diagonal_of(packed) == 0
    info = np.where(zero.any(-1), zero.argmax(-1) + 1, 0) if count else np.zeros(batch)
    return packed, pivots, np.asarray(info, np.int32)


def _eliminate(x, pivots, first: int, last: int) -> None:
    """LU factors of columns `first` to `last` of a stack of matrices, in place; rows are swapped as a whole."""
    if last - first > PANEL:
        middle = (first + last) // 2
        _eliminate(x, pivots, first, middle)
        x[:, first:middle, middle:last] = solve_triangular(
            x[:, first:middle, first:middle], x[:, first:middle, middle:last], False, True
        )
        x[:, middle:, middle:last] -= x[:, middle:, first:middle] @ x[:, first:middle, middle:last]
        _eliminate(x, pivots, middle, last)
        return
    each = np.arange(len(x))
    for j in range(first, last):
        column = x[:, j:, j]
        size = np.abs(column.real) + np.abs(column.imag) if x.dtype.kind == "c" else np.abs(column)
        row = size.argmax(1) + j
        pivots[:, j] = row + 1
        chosen = x[each, row]
        x[each, row] = x[:, j]
        x[:, j] = chosen
        pivot = x[:, j, j]
        x[:, j + 1 :, j] /= np.where(pivot == 0, x.dtype.type(1), pivot)[:, None]
        x[:, j + 1 :, j + 1 : last] -= x[:, j + 1 :, j, None] * x[:, j, None, j + 1 : last]


def row_order(pivots, rows: int):
    """Which row of the matrix each row of its LU factors comes from."""
    *batch, count = pivots.shape
    order = np.tile(np.arange(rows), (math.prod(batch), 1))
    each = np.arange(len(order))
    for j, row in enumerate(pivots.reshape(len(order), count).T):
        chosen = order[each, row - 1]
        order[each, row - 1] = order[:, j]
        order[:, j] = chosen
    return order.reshape(*batch, rows)


def permutation(pivots, rows: int, dtype):
    """The matrices P with ``P @ L @ U`` the factored matrix."""
    return (row_order(pivots, rows)[..., None, :] == np.arange(rows)[:, None]).astype(dtype)


def unpack(packed):
    """The factors L (unit lower trapezoidal) and U of packed LU factors."""
    *_, rows, columns = packed.shape
    count = min(rows, columns)
    lower = np.tril(packed[..., :count], -1)
    diagonal_of(lower)[...] = 1
    return lower, np.triu(packed[..., :count, :])


def diagonal_of(x):
    """The main diagonals: a writable view."""
    count = min(x.shape[-2:])
    return np.lib.stride_tricks.as_strided(x, (*x.shape[:-2], count), (*x.strides[:-2], x.strides[-2] + x.strides[-1]))


def solve_triangular(a, b, upper: bool, unit: bool):
    """``inv(a) @ b`` for triangular `a`, of which the other triangle is not read; infinities where it is singular."""
    if not upper:  # turned around, it is upper triangular
        return solve_triangular(a[..., ::-1, ::-1], b[..., ::-1, :], True, unit)[..., ::-1, :]
    a = np.triu(a)
    if unit:
        diagonal_of(a)[...] = 1
    try:
        return linalg.solve(a, b)  # elimination has nothing to do, and no rows to swap
    except LinAlgError:
        return _substitute(a, b)


def _substitute(a, b):
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])
    x = np.zeros(shape, np.result_type(a, b))
    with np.errstate(all="ignore"):
        for i in range(a.shape[-1] - 1, -1, -1):
            known = a[..., i, None, i + 1 :] @ x[..., i + 1 :, :]
            x[..., i, :] = (b[..., i, :] - known[..., 0, :]) / a[..., i, i, None]
    return x


def solve(a, b):
    """``inv(a) @ b`` and `info`."""
    try:
        return linalg.solve(a, b), no_info(a)
    except LinAlgError:
        packed, pivots, info = lu_factor(a)
        order = row_order(pivots, a.shape[-1])
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])
        turned = np.take_along_axis(np.broadcast_to(b, shape), np.broadcast_to(order, shape[:-1])[..., None], -2)
        return solve_triangular(packed, solve_triangular(packed, turned, False, True), True, False), info


def inverse(x):
    """The inverses and `info`."""
    try:
        return linalg.inv(x), no_info(x)
    except LinAlgError:
        return solve(x, identity(x.shape[-1], x))


def determinant(x):
    return linalg.det(x)


def signed_log_determinant(x):
    """The determinants' signs (their directions, if complex) and the logarithms of their magnitudes."""
    sign, log = linalg.slogdet(x)
    return sign, log


def cofactors(x):
    """The cofactors: the derivatives of the determinant by each element, of singular matrices too.

    For regular ones the transposed inverse times the determinant; else the cofactors of a product are the products of
    the cofactors, for which the singular value decomposition serves.
    """
    found, info = inverse(x)
    if not info.any() and all_finite(found):
        eps = np.finfo(x.dtype).eps
        condition = linalg.norm(x, axis=(-2, -1)) * linalg.norm(found, axis=(-2, -1))
        if (condition < eps**-0.5).all():
            return determinant(x)[..., None, None] * found.swapaxes(-1, -2)
    if not all_finite(x):
        return np.full_like(x, np.nan)
    u, s, vh, sign = _signed_svd(x)
    others = _products_without(s, 1)
    return sign[..., None, None] * ((np.conjugate(u) * others[..., None, :]) @ np.conjugate(vh))


def second_cofactors(g, x):
    """The derivative of ``sum(g * cofactors(x))`` by `x`, of singular matrices too."""
    if not all_finite(x):
        return np.full_like(x, np.nan)
    u, s, vh, sign = _signed_svd(x)
    pairs = _products_without(s, 2)
    inner = adjoint(u) @ g @ adjoint(vh)
    diagonal = (pairs @ diagonal_of(inner)[..., None])[..., 0]
    found = -pairs * inner.swapaxes(-1, -2)
    diagonal_of(found)[...] = diagonal
    return sign[..., None, None] * (np.conjugate(u) @ found @ np.conjugate(vh))


def _signed_svd(x):
    """``u, s, vh`` and the determinant of ``u @ vh``."""
    u, s, vh = linalg.svd(x)
    return u, s, vh, determinant(u) * determinant(vh)


def _products_without(s, count: int):
    """Products of all but `count` of the values: for each value, or for each pair of different values (0 for equal
    ones)."""
    n = s.shape[-1]
    kept = ~np.eye(n, dtype=bool)
    if count == 2:
        kept = kept[:, None, :] & kept[None, :, :]
    products = np.where(kept, s[(..., *[None] * count, slice(None))], s.dtype.type(1)).prod(-1)
    return products if count == 1 else np.where(np.eye(n, dtype=bool), s.dtype.type(0), products)


# ---------------------------------------------------------------- factorizations


def cholesky(x, upper: bool):
    """The Cholesky factors and `info`; of a matrix that has none, what elimination leaves when it stops."""
    factors = _factored(x, upper)
    if factors is not None:
        return factors, no_info(x)
    lower = np.tril(adjoint(x) if upper else x)
    info = no_info(x)
    for index in np.ndindex(info.shape):
        factor = _factored(lower[index], False)
        if factor is None:
            info[index] = _stopped_cholesky(lower[index])
        else:
            lower[index] = factor
    return (adjoint(lower) if upper else lower), info


def _factored(x, upper: bool):
    """The Cholesky factors, or None if one of the matrices has none. A nan goes on to the last pivot."""
    try:
        factors = linalg.cholesky(x, upper=upper)
    except LinAlgError:
        return None
    return None if factors.size and np.isnan(factors[..., -1, -1]).any() else factors


def _stopped_cholesky(x) -> int:
    """Eliminates columns in place up to the first pivot that is not positive, whose position (from 1) it returns."""
    for j in range(len(x)):
        pivot = x[j, j].real
        if not pivot > 0:
            return j + 1
        x[j, j] = math.sqrt(pivot)
        x[j + 1 :, j] /= x[j, j]
        x[j + 1 :, j + 1 :] -= np.tril(np.outer(x[j + 1 :, j], np.conjugate(x[j + 1 :, j])))
    return len(x)


def qr(x, mode):
    """Q and R; with mode "r" an empty Q."""
    if mode == "r":
        return np.zeros(0, x.dtype), linalg.qr(x, "r")
    q, r = linalg.qr(x, mode)
    return q, r


def reflectors(x):
    """LAPACK's QR factorization: R with the Householder vectors below it, and their factors."""
    packed, tau = linalg.qr(x, "raw")
    return packed.swapaxes(-1, -2), tau


def eig(x):
    """Eigenvalues and eigenvectors, complex."""
    values, vectors = linalg.eig(x)
    kind = np.result_type(x.dtype, np.complex64)
    return values.astype(kind), vectors.astype(kind)


def eigh(x, triangle):
    """Eigenvalues in ascending order and eigenvectors of Hermitian matrices; nan where the matrix is not finite."""
    if not all_finite(x):
        return np.full(x.shape[:-1], np.nan, x.real.dtype), np.full(x.shape, np.nan, x.dtype)
    return tuple(linalg.eigh(x, triangle))


def svd(x, full: bool):
    """U, S and the conjugate transpose of V."""
    return tuple(linalg.svd(x, full))


def singular_values(x):
    return linalg.svd(x, compute_uv=False)


def pseudoinverse(x, atol, rtol, hermitian: bool):
    """The Moore-Penrose inverses; singular values up to the larger of `atol` and `rtol` times the largest are taken
    for 0."""
    if hermitian and x.size:
        values, vectors = eigh(x, "L")
        kept = _kept(np.abs(values), atol, rtol)
        inverted = np.where(kept, 1 / np.where(kept, values, values.dtype.type(1)), values.dtype.type(0))
        return (vectors * inverted[..., None, :]) @ adjoint(vectors)
    u, s, vh = linalg.svd(x, False)
    kept = _kept(s, atol, rtol)
    inverted = np.where(kept, 1 / np.where(kept, s, s.dtype.type(1)), s.dtype.type(0))
    return (adjoint(vh) * inverted[..., None, :]) @ adjoint(u)


def _kept(s, atol, rtol):
    """Which singular values, in any order, count as different from 0."""
    if not s.shape[-1]:
        return s > 0
    return s > np.maximum(atol, rtol * s.max(-1)).astype(s.dtype)[..., None]


def least_squares(a, b, cutoff: float, driver: str):
    """The solution of least norm of ``min |a @ x - b|``, and what LAPACK's `driver` tells besides.

    Those are the sums of squares that remain, where `a` has more rows than columns and they are independent; the
    ranks; and the singular values. Values up to `cutoff` times the largest are taken for 0."""
    s = linalg.svd(a, compute_uv=False)
    rank = np.asarray(_kept(s, 0, s.dtype.type(cutoff)).sum(-1))
    solution = pseudoinverse(a, 0, s.dtype.type(cutoff), False) @ b
    nothing = np.zeros(0, s.dtype)
    residuals = nothing
    if a.shape[-2] > a.shape[-1] and driver != "gelsy" and (rank == a.shape[-1]).all():
        away = np.abs(a @ solution - b)
        residuals = (away * away).sum(-2)
    return (
        solution,
        residuals,
        np.zeros(0, np.int64) if driver == "gels" else rank,
        (s if driver in ("gelsd", "gelss") else nothing),
    )


def product_of_reflectors(x, tau):
    """The first columns of the product of the Householder reflections ``1 - tau v adjoint(v)``, v below x's
    diagonal."""
    *_, rows, columns = x.shape
    q = np.array(identity(rows, x)[..., :columns])
    for j in range(tau.shape[-1] - 1, -1, -1):
        v = x[..., j].copy()
        v[..., :j] = 0
        v[..., j : j + 1] = 1
        q -= tau[..., j, None, None] * v[..., :, None] * (np.conjugate(v)[..., None, :] @ q)
    return q


# ---------------------------------------------------------------- the matrix exponential

# numerator of the diagonal Padé approximant of degree 13 (Higham, The scaling and squaring method for the matrix
# exponential revisited, SIAM J. Matrix Anal. Appl. 26, 2005), and the norm up to which it is exact in float64
_PADE = [1.0]
for _k in range(1, 14):
    _PADE.append(_PADE[-1] * (14 - _k) / (_k * (27 - _k)))
_PADE_NORM = 5.371920351148152


def exponential(x):
    """The matrix exponentials, by scaling and squaring; in double precision, since squaring doubles errors."""
    if not x.size:
        return x.copy()
    if x.dtype.itemsize == (8 if x.dtype.kind == "c" else 4):
        return exponential(x.astype(np.result_type(x.dtype, np.float64))).astype(x.dtype)
    size = np.abs(x).sum(-2).max(-1)
    largest = float(size.max())
    if not math.isfinite(largest):
        return np.full_like(x, np.nan)
    squarings = np.maximum(0, np.ceil(np.log2(np.maximum(size, 1e-300) / _PADE_NORM))).astype(int)
    x = x * np.ldexp(size.dtype.type(1), -squarings)[..., None, None]
    one = identity(x.shape[-1], x)
    c = [x.dtype.type(value) for value in _PADE]
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x @ (x6 @ (c[13] * x6 + c[11] * x4 + c[9] * x2) + c[7] * x6 + c[5] * x4 + c[3] * x2 + c[1] * one)
    even = x6 @ (c[12] * x6 + c[10] * x4 + c[8] * x2) + c[6] * x6 + c[4] * x4 + c[2] * x2 + c[0] * one
    found = linalg.solve(even - odd, even + odd)
    with np.errstate(all="ignore"):
        for i in range(int(squarings.max())):
            again = squarings > i
            found = np.where(again[..., None, None], found @ found, found)
    return found


# ---------------------------------------------------------------- Bunch-Kaufman


def ldl_factor(x, hermitian: bool):
    """LAPACK's packed factors of symmetric (or Hermitian) matrices, of which the lower triangle is read; pivots,
    `info`."""
    from scipy.linalg import lapack

    name = "hetrf" if hermitian and x.dtype.kind == "c" else "sytrf"
    (factor,) = lapack.get_lapack_funcs((name,), dtype=x.dtype)
    packed, pivots, info = np.empty_like(x), np.empty(x.shape[:-1], np.int32), no_info(x)
    for index in np.ndindex(info.shape) if x.size else ():
        packed[index], pivots[index], info[index] = factor(x[index], lower=True)
    return np.tril(packed), pivots, info


def ldl_solve(packed, pivots, b, hermitian: bool):
    """The solutions of the factored systems."""
    batch = np.broadcast_shapes(packed.shape[:-2], b.shape[:-2])
    packed = np.broadcast_to(packed, (*batch, *packed.shape[-2:]))
    pivots = np.broadcast_to(pivots, (*batch, pivots.shape[-1]))
    x = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
    for index in np.ndindex(*batch) if x.size else ():
        x[index] = _ldl_solve(packed[index], pivots[index], x[index], hermitian)
    return x


def _ldl_solve(packed, pivots, b, hermitian: bool):
    """Substitution forwards, through the blocks of the diagonal, and backwards."""
    n = len(packed)
    conj = np.conjugate if hermitian else np.asarray
    blocks, k = [], 0
    while k < n:
        blocks.append((k, 1 if pivots[k] > 0 else 2))
        k += blocks[-1][1]

    def swap(k, width):
        last, row = k + width - 1, abs(int(pivots[k + width - 1])) - 1
        if row != last:
            b[[last, row]] = b[[row, last]]

    for k, width in blocks:
        swap(k, width)
        rest = slice(k + width, n)
        b[rest] -= packed[rest, k : k + width] @ b[k : k + width]
    for k, width in blocks:
        d = np.tril(packed[k : k + width, k : k + width])
        d = d + conj(np.tril(d, -1)).T
        b[k : k + width] = linalg.solve(d, b[k : k + width])
    for k, width in reversed(blocks):
        rest = slice(k + width, n)
        b[k : k + width] -= conj(packed[rest, k : k + width]).T @ b[rest]
        swap(k, width)
    return b


# ---------------------------------------------------------------- distances


def distances(x, y, by_products: bool):
    """The distances of the rows of `x` from the rows of `y`; `by_products`: from ``x*x - 2 x*y + y*y``, fast and
    less exact."""
    if not by_products:
        away = x[..., :, None, :] - y[..., None, :, :]
        return np.sqrt((away * away).sum(-1))
    squares = (x * x).sum(-1)[..., :, None] + (y * y).sum(-1)[..., None, :] - 2 * (x @ y.swapaxes(-1, -2))
    return np.sqrt(np.maximum(squares, x.dtype.type(0)))
