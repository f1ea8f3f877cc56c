"""Factorizations, determinants, inverses and solutions of stacks of matrices: the operations behind `torch.linalg`.

The functions users call are in linalg.py. Derivatives: Giles, Collected matrix derivative results for forward and
reverse mode algorithmic differentiation (2008); of QR Walter and Lehmann (2018), of the pseudoinverse Golub and
Pereyra (1973), of complex eigenvectors and singular vectors Boeddeker et al. (2017) and Wan and Zhang (2019).
"""

from __future__ import annotations

from ..backend import linear_algebra as la
from ..op import general, op
from .publishing import no_derivative

# ---------------------------------------------------------------- what the formulas share


def _conj(xp, x):
    return xp.conj(x) if xp.is_complex(x) else x


def _real(xp, x):
    return xp.real(x) if xp.is_complex(x) else x


def _adjoint(xp, x):
    """The conjugate transposes."""
    return _conj(xp, x.swapaxes(-1, -2))


def _diagonal(xp, x):
    return xp.diagonal(x, 0, x.ndim - 2, x.ndim - 1)


def _on_diagonal(xp, x):
    return xp.diag_embed(x, 0, x.ndim - 1, x.ndim)


def _off_diagonal(xp, x):
    return x - _on_diagonal(xp, _diagonal(xp, x))


def _gaps(xp, x):
    """The differences x[j] - x[i] at (i, j), with ones on the diagonal."""
    return x[..., None, :] - x[..., :, None] + _on_diagonal(xp, xp.ones_like(x))


def _scaled_columns(x, scale):
    return x * scale[..., None, :]


def _joined(xp, x, y, dim: int):
    """`x` and `y` one behind the other in one of the last two dimensions."""
    dim += x.ndim
    n, m = x.shape[dim], y.shape[dim]
    shape = (*x.shape[:dim], n + m, *x.shape[dim + 1 :])
    return xp.slice_backward(x, shape, dim, 0, n, 1) + xp.slice_backward(y, shape, dim, n, n + m, 1)


def _lower_solve(xp, lower, b):
    """``inv(adjoint(lower)) @ b``"""
    return xp.linalg_solve_triangular(_adjoint(xp, lower), b, True, True, False)


def stacks(*cores):
    """The batch rule of an operation on stacks: the batch is one more dimension in front of them.

    `cores`: how many dimensions of each input the operation itself is about, or a function of the settings that says
    so."""

    def rule(record, values, batched, settings, size):
        counts = cores[0](*settings) if callable(cores[0]) else cores
        leading = [v._array.ndim - b - count for v, b, count in zip(values, batched, counts, strict=True)]
        moved = []
        for v, b, n in zip(values, batched, leading, strict=True):
            shape = v._array.shape[1:] if b else v._array.shape
            v = v if b else v.expand((size, *shape))
            missing = max(leading) - n
            moved.append(v.reshape((size,) + (1,) * missing + shape) if missing else v)
        return general(record, moved, settings)

    return rule


def _depends_on_phase(xp, difference) -> bool:
    """Whether a loss depends on what is not determined: the phases of eigenvectors or singular vectors."""
    return bool((xp.abs(difference) > 1e-2).any())


# ---------------------------------------------------------------- inverses and solutions


def _inverse_vjp(xp, g, inverse):
    turned = _adjoint(xp, inverse)
    return -xp.matmul(xp.matmul(turned, g[0]), turned)


inv_ex = op(
    "linalg_inv_ex",
    forward=lambda xp, x: la.inverse(x),
    vjp=_inverse_vjp,
    outputs=("inverse", "info"),
    batch=stacks(2),
)


def _solve(x, y, left, vector):
    if vector:
        y = y[..., None]
    if left:
        found, info = la.solve(x, y)
    else:
        found, info = la.solve(x.swapaxes(-1, -2), y.swapaxes(-1, -2))
        found = found.swapaxes(-1, -2)
    return (found[..., 0] if vector else found), info


def _solve_vjp(xp, g, x, result, x_shape, y_shape, left, vector, needs):
    g = g[0]
    if vector:
        g, result = g[..., None], result[..., None]
    gy = xp.linalg_solve_ex(_adjoint(xp, x), g, left, False)[0]
    gx = None
    if needs[0] is not None:
        turned = _adjoint(xp, result)
        gx = xp.sum_to(-(xp.matmul(gy, turned) if left else xp.matmul(turned, gy)), x_shape)
    return gx, xp.sum_to(gy[..., 0] if vector else gy, y_shape) if needs[1] is not None else None


solve_ex = op(
    "linalg_solve_ex",
    forward=lambda xp, x, y, /, left, vector: _solve(x, y, left, vector),
    vjp=_solve_vjp,
    outputs=("result", "info"),
    batch=stacks(lambda left, vector: (2, 1 if vector else 2)),
)


def _solve_triangular(x, y, upper, left, unit):
    if left:
        return la.solve_triangular(x, y, upper, unit)
    return la.solve_triangular(x.swapaxes(-1, -2), y.swapaxes(-1, -2), not upper, unit).swapaxes(-1, -2)


def _solve_triangular_vjp(xp, g, x, out, x_shape, y_shape, upper, left, unit, needs):
    gy = xp.linalg_solve_triangular(_adjoint(xp, x), g, not upper, left, unit)
    gx = None
    if needs[0] is not None:
        turned = _adjoint(xp, out)
        gx = -(xp.matmul(gy, turned) if left else xp.matmul(turned, gy))
        gx = xp.sum_to(xp.triu(gx, int(unit)) if upper else xp.tril(gx, -int(unit)), x_shape)
    return gx, xp.sum_to(gy, y_shape) if needs[1] is not None else None


solve_triangular = op(
    "linalg_solve_triangular",
    forward=lambda xp, x, y, /, upper, left, unit: _solve_triangular(x, y, upper, left, unit),
    vjp=_solve_triangular_vjp,
    batch=stacks(2, 2),
)


def _pinv_vjp(xp, g, x, out):
    turned, g_turned = _adjoint(xp, out), _adjoint(xp, g)
    left = xp.matmul(xp.matmul(g_turned, out), turned)
    right = xp.matmul(turned, xp.matmul(out, g_turned))
    return (
        left
        - xp.matmul(x, xp.matmul(out, left))
        + right
        - xp.matmul(xp.matmul(right, out), x)
        - xp.matmul(xp.matmul(turned, g), turned)
    )


pinv = op(
    "linalg_pinv",
    forward=lambda xp, x, atol, rtol, /, hermitian: la.pseudoinverse(x, atol, rtol, hermitian),
    vjp=(_pinv_vjp, None, None),
    batch=stacks(2, 0, 0),
)


def _least_squares_vjp(xp, g, x, y, solution, x_shape, y_shape, cutoff, needs):
    g_solution, g_residuals = g[:2]
    if g_residuals is not None and 0 in g_residuals.shape:
        g_residuals = None  # they were not computed
    gx = gy = None
    if g_solution is not None:
        nothing = xp.zero(xp.abs(x))
        inverse = xp.linalg_pinv(x, nothing, nothing + cutoff, False)
        gy = xp.matmul(_adjoint(xp, inverse), g_solution)
        if needs[0] is not None:
            gx = _pinv_vjp(xp, xp.matmul(g_solution, _adjoint(xp, y)), x, inverse)
    if g_residuals is not None:
        away = 2 * _scaled_columns(xp.matmul(x, solution) - y, g_residuals)
        gy = -away if gy is None else gy - away
        if needs[0] is not None:
            slope = xp.matmul(away, _adjoint(xp, solution))
            gx = slope if gx is None else gx + slope
    gx = None if gx is None else xp.sum_to(gx, x_shape)
    return gx, None if gy is None or needs[1] is None else xp.sum_to(gy, y_shape)


lstsq = op(
    "linalg_lstsq",
    forward=lambda xp, x, y, /, cutoff, driver: la.least_squares(x, y, cutoff, driver),
    vjp=_least_squares_vjp,
    outputs=("solution", "residuals", "rank", "singular_values"),
    batch=stacks(2, 2),
)

# ---------------------------------------------------------------- determinants

cofactors = op(
    "linalg_cofactors",
    forward=lambda xp, x: la.cofactors(x),
    vjp=lambda xp, g, x: xp.linalg_second_cofactors(g, x),
    holomorphic=True,
    batch=stacks(2),
)


def _third_cofactors(xp, g, h, x):
    """By `x`, where it is regular: of ``det * (sum(h * t) * t - t @ h.T @ t)`` with t the transposed inverse."""
    det, t = xp.linalg_det(x)[..., None, None], xp.linalg_inv_ex(x)[0].swapaxes(-1, -2)

    def trace(a, b):
        return xp.sum(a * b, (a.ndim - 2, a.ndim - 1), True)

    def between(a):
        return xp.matmul(xp.matmul(t, a.swapaxes(-1, -2)), t)

    both = between(g)
    value = trace(h, t) * trace(g, t) - trace(h, both)
    turned = xp.matmul(xp.matmul(between(g), h.swapaxes(-1, -2)), t)
    other = xp.matmul(xp.matmul(between(h), g.swapaxes(-1, -2)), t)
    return det * (value * t - trace(g, t) * between(h) - trace(h, t) * both + turned + other)


second_cofactors = op(
    "linalg_second_cofactors",
    forward=lambda xp, h, x: la.second_cofactors(h, x),
    vjp=(lambda xp, g, x: xp.linalg_second_cofactors(g, x), _third_cofactors),
    holomorphic=True,
    batch=stacks(2, 2),
)
det = op(
    "linalg_det",
    forward=lambda xp, x: la.determinant(x),
    vjp=lambda xp, g, x: g[..., None, None] * xp.linalg_cofactors(x),
    holomorphic=True,
    batch=stacks(2),
)


def _slogdet_vjp(xp, g, x, sign):
    g_sign, g_log = g
    if xp.is_complex(x) and g_sign is not None:
        turn = xp.number(x, 1j) * xp.imag(g_sign * xp.conj(sign))
        g_log = turn if g_log is None else g_log + turn
    if g_log is None:
        return xp.zeros_like(x)
    return g_log[..., None, None] * _adjoint(xp, xp.linalg_inv_ex(x)[0])


slogdet = op(
    "linalg_slogdet",
    forward=lambda xp, x: la.signed_log_determinant(x),
    vjp=_slogdet_vjp,
    outputs=("sign", "logabsdet"),
    batch=stacks(2),
)

# ---------------------------------------------------------------- triangular factors


def _cholesky_vjp(xp, g, factor, upper):
    g = g[0]
    if upper:
        factor, g = _adjoint(xp, factor), _adjoint(xp, g)
    inner = xp.tril(xp.matmul(_adjoint(xp, factor), g), 0)
    inner = inner - 0.5 * _on_diagonal(xp, _diagonal(xp, inner))
    inner = 0.5 * (inner + _adjoint(xp, inner))
    return _adjoint(xp, _lower_solve(xp, factor, _adjoint(xp, _lower_solve(xp, factor, inner))))


cholesky_ex = op(
    "linalg_cholesky_ex",
    forward=lambda xp, x, /, upper: la.cholesky(x, upper),
    vjp=_cholesky_vjp,
    outputs=("factor", "info"),
    batch=stacks(2),
)


def _lu_vjp(xp, g_lower, g_upper, p, lower, upper):
    """The gradient of the factored matrix, from those of its factors."""
    rows, columns = lower.shape[-2], upper.shape[-1]
    count = min(rows, columns)
    upper_square, lower_square = upper[..., :count], lower[..., :count, :]
    if g_lower is None:
        g_lower = xp.zeros_like(lower)
    if g_upper is None:
        g_upper = xp.zeros_like(upper)
    rest = None
    g_lower_square, g_upper_square = g_lower[..., :count, :], g_upper[..., :count]
    if columns > count:
        rest = _unit_solve(xp, lower_square, g_upper[..., count:])
        g_lower_square = g_lower_square - xp.matmul(rest, _adjoint(xp, upper[..., count:]))
    elif rows > count:
        below = g_lower[..., count:, :]
        rest = _adjoint(xp, xp.linalg_solve_triangular(upper_square, _adjoint(xp, below), True, True, False))
        g_upper_square = g_upper_square - xp.matmul(_adjoint(xp, lower[..., count:, :]), rest)
    inner = xp.tril(xp.matmul(_adjoint(xp, lower_square), g_lower_square), -1) + xp.triu(
        xp.matmul(g_upper_square, _adjoint(xp, upper_square)), 0
    )
    inner = _unit_solve(xp, lower_square, inner)
    found = _adjoint(xp, xp.linalg_solve_triangular(upper_square, _adjoint(xp, inner), True, True, False))
    if rest is not None:
        found = _joined(xp, found, rest, -1 if columns > count else -2)
    return xp.matmul(p, found)


def _unit_solve(xp, lower, b):
    return xp.linalg_solve_triangular(_adjoint(xp, lower), b, True, True, True)


def _lu(x):
    packed, pivots, _ = la.lu_factor(x)
    return (la.permutation(pivots, x.shape[-2], x.dtype), *la.unpack(packed))


lu = op(
    "linalg_lu",
    forward=lambda xp, x: _lu(x),
    vjp=lambda xp, g, P, L, U: _lu_vjp(xp, g[1], g[2], P, L, U),
    outputs=("P", "L", "U"),
    batch=stacks(2),
)


def _lu_factor_vjp(xp, g, LU, pivots):
    packed = g[0]
    count = min(LU.shape[-2:])
    p, lower, upper = xp.lu_unpack(LU, pivots)
    return _lu_vjp(xp, xp.tril(packed[..., :count], -1), xp.triu(packed[..., :count, :], 0), p, lower, upper)


lu_factor_ex = op(
    "linalg_lu_factor_ex",
    forward=lambda xp, x: la.lu_factor(x),
    vjp=_lu_factor_vjp,
    outputs=("LU", "pivots", "info"),
    batch=stacks(2),
)


def _lu_unpack_vjp(xp, g, LU_shape):
    """Every element of the packed factors is in one of them."""
    lower, upper = g[1:]
    rows, columns = LU_shape[-2:]
    if lower is not None:
        lower = xp.tril(lower, -1)
        if columns > rows:
            lower = xp.slice_backward(lower, LU_shape, lower.ndim - 1, 0, rows, 1)
    if upper is not None:
        upper = xp.triu(upper, 0)
        if rows > columns:
            upper = xp.slice_backward(upper, LU_shape, upper.ndim - 2, 0, columns, 1)
    return upper if lower is None else lower if upper is None else lower + upper, None


lu_unpack = op(
    "lu_unpack",
    forward=lambda xp, LU, pivots: (la.permutation(pivots, LU.shape[-2], LU.dtype), *la.unpack(LU)),
    vjp=_lu_unpack_vjp,
    outputs=("P", "L", "U"),
    batch=stacks(2, 1),
)
ldl_factor_ex = op(
    "linalg_ldl_factor_ex",
    forward=lambda xp, x, /, hermitian: la.ldl_factor(x, hermitian),
    vjp=no_derivative("the derivative for 'linalg_ldl_factor_ex' is not implemented.", NotImplementedError),
    outputs=("LD", "pivots", "info"),
    node="NotImplemented",
    batch=stacks(2),
)
ldl_solve = op(
    "linalg_ldl_solve",
    forward=lambda xp, LD, pivots, y, /, hermitian: la.ldl_solve(LD, pivots, y, hermitian),
    vjp=(
        no_derivative("the derivative for 'linalg_ldl_solve: LD' is not implemented.", NotImplementedError),
        None,
        no_derivative("the derivative for 'linalg_ldl_solve: B' is not implemented.", NotImplementedError),
    ),
    node="NotImplemented",
    batch=stacks(2, 1, 2),
)

# ---------------------------------------------------------------- orthogonal factors


def _tall_qr_vjp(xp, g_q, g_r, q, r):
    """Of a matrix with at least as many rows as columns."""
    inner = None
    if g_r is not None:
        inner = xp.matmul(g_r, _adjoint(xp, r))
    if g_q is not None:
        moved = xp.matmul(_adjoint(xp, q), g_q)
        inner = -moved if inner is None else inner - moved
    inner = xp.triu(inner, 0)
    inner = inner + _adjoint(xp, xp.triu(inner, 1)) if not xp.is_complex(inner) else _hermitian(xp, inner)
    found = xp.matmul(q, inner)
    if g_q is not None:
        found = found + g_q
    return _adjoint(xp, xp.linalg_solve_triangular(r, _adjoint(xp, found), True, True, False))


def _hermitian(xp, upper):
    """The Hermitian matrix with this upper triangle, whose diagonal's imaginary parts do not count."""
    return upper + _adjoint(xp, upper) - _on_diagonal(xp, xp.real(_diagonal(xp, upper)))


def _qr_vjp(xp, g, x_shape, Q, R, mode):
    g_q, g_r = g
    rows, columns = x_shape[-2:]
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') if you are going to differentiate through linalg.qr."
        )
    if mode == "complete" and rows > columns:
        raise RuntimeError("The QR decomposition is not differentiable when mode='complete' and nrows > ncols.")
    if rows >= columns:
        return _tall_qr_vjp(xp, g_q, g_r, Q, R)
    if g_r is None:
        return _joined(
            xp,
            _tall_qr_vjp(xp, g_q, None, Q, R[..., :rows]),
            xp.zeros_like(R[..., rows:]),
            -1,
        )
    beside = g_r[..., rows:]
    moved = xp.matmul(Q, xp.matmul(R[..., rows:], _adjoint(xp, beside)))
    square = _tall_qr_vjp(xp, moved if g_q is None else g_q + moved, g_r[..., :rows], Q, R[..., :rows])
    return _joined(xp, square, xp.matmul(Q, beside), -1)


qr = op(
    "linalg_qr",
    forward=lambda xp, x, /, mode: la.qr(x, mode),
    vjp=_qr_vjp,
    outputs=("Q", "R"),
    batch=stacks(2),
)
geqrf = op(
    "geqrf",
    forward=lambda xp, x: la.reflectors(x),
    vjp=no_derivative("the derivative for 'geqrf' is not implemented.", NotImplementedError),
    outputs=("a", "tau"),
    batch=stacks(2),
)


def _reflect(xp, vector, factor, x):
    """The Householder reflection ``1 - factor * v * adjoint(v)`` of each column of `x`."""
    return x - factor[..., None] * vector * xp.matmul(_adjoint(xp, vector), x)


def _householder_vjp(xp, g, x, y):
    """Reflection by reflection: each is undone on the product and its transpose applied to the gradient."""
    rows = x.shape[-2]
    count = y.shape[-1]
    vectors = xp.tril(x, -1) + _on_columns(xp, x)
    gx = gy = None
    # products[j]: the reflections from j on, applied to the first columns of the identity
    products = [_on_columns(xp, x)]
    for j in range(count - 1, -1, -1):
        products.append(_reflect(xp, vectors[..., j : j + 1], y[..., j : j + 1], products[-1]))
    for j in range(count):
        after = products[count - 1 - j]
        v, factor = vectors[..., j : j + 1], y[..., j : j + 1]
        turned = xp.matmul(_adjoint(xp, v), after)
        g_turned = xp.matmul(g, _adjoint(xp, turned))  # g @ adjoint(adjoint(v) @ after)
        g_factor = -xp.sum(_conj(xp, v) * g_turned, (g.ndim - 2,), False)
        along = xp.matmul(_adjoint(xp, g), v)
        conjugate = _conj(xp, factor)
        g_v = -conjugate[..., None] * g_turned - factor[..., None] * xp.matmul(after, along)
        g_v = xp.slice_backward(g_v[..., j + 1 :, :], (*g_v.shape[:-1], 1), g.ndim - 2, j + 1, rows, 1)
        g_v = xp.slice_backward(g_v, x.shape, g.ndim - 1, j, j + 1, 1)
        g_factor = xp.slice_backward(g_factor, y.shape, g_factor.ndim - 1, j, j + 1, 1)
        gx = g_v if gx is None else gx + g_v
        gy = g_factor if gy is None else gy + g_factor
        g = _reflect(xp, v, conjugate, g)
    return xp.zeros_like(x) if gx is None else gx, xp.zeros_like(y) if gy is None else gy


def _on_columns(xp, x):
    """The first columns of the identity, of the shape of `x`, which has no more columns than rows."""
    rows, columns = x.shape[-2:]
    square = _on_diagonal(xp, xp.ones_like(_diagonal(xp, x)))
    return square if rows == columns else xp.slice_backward(square, x.shape, x.ndim - 2, 0, columns, 1)


householder_product = op(
    "linalg_householder_product",
    forward=lambda xp, x, y: la.product_of_reflectors(x, y),
    vjp=_householder_vjp,
    batch=stacks(2, 1),
)

# ---------------------------------------------------------------- eigenvalues and singular values


def _eigh_vjp(xp, g, eigenvalues, eigenvectors):
    g_values, g_vectors = g
    turned = _adjoint(xp, eigenvectors)
    if g_vectors is None:
        return xp.matmul(_scaled_columns(eigenvectors, g_values), turned)
    moved = xp.matmul(turned, g_vectors)
    if xp.is_complex(moved) and _depends_on_phase(xp, xp.imag(_diagonal(xp, moved))):
        raise RuntimeError(
            "linalg_eigh_backward: The eigenvectors in the complex case are specified up to multiplication by "
            "e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined."
        )
    inner = _off_diagonal(xp, moved) / _gaps(xp, eigenvalues)
    if g_values is not None:
        inner = inner + _on_diagonal(xp, g_values)
    return xp.matmul(eigenvectors, xp.matmul(inner, turned))


def _eigh_jvp(xp, t_x, eigenvalues, eigenvectors):
    moved = xp.matmul(_adjoint(xp, eigenvectors), xp.matmul(t_x, eigenvectors))
    turned = _off_diagonal(xp, moved) / _gaps(xp, eigenvalues)
    return _real(xp, _diagonal(xp, moved)), xp.matmul(eigenvectors, turned)


eigh = op(
    "linalg_eigh",
    forward=lambda xp, x, /, triangle: la.eigh(x, triangle),
    vjp=_eigh_vjp,
    jvp=_eigh_jvp,
    outputs=("eigenvalues", "eigenvectors"),
    batch=stacks(2),
)


def _eig_vjp(xp, g, eigenvalues, eigenvectors, x_dtype):
    """The eigenvectors have length 1, and no phase of theirs is determined."""
    g_values, g_vectors = g
    turned = _adjoint(xp, eigenvectors)
    inner = None
    if g_vectors is not None:
        moved = xp.matmul(turned, g_vectors)
        lengths = _diagonal(xp, moved)
        if x_dtype.is_complex and _depends_on_phase(xp, xp.imag(lengths)):
            raise RuntimeError(
                "linalg_eig_backward: The eigenvectors in the complex case are specified up to multiplication by "
                "e^{i phi}. The specified loss function depends on this quantity, so it is ill-defined."
            )
        moved = moved - _scaled_columns(xp.matmul(turned, eigenvectors), xp.real(lengths))
        inner = _off_diagonal(xp, moved) / xp.conj(_gaps(xp, eigenvalues))
    if g_values is not None:
        scaled = _on_diagonal(xp, g_values)
        inner = scaled if inner is None else inner + scaled
    found = xp.linalg_solve_ex(turned, xp.matmul(inner, turned), True, False)[0]
    return found if x_dtype.is_complex else xp.real(found)


def _eig_jvp(xp, t_x, eigenvalues, eigenvectors):
    moved = xp.linalg_solve_ex(eigenvectors, xp.matmul(xp.cast(t_x, eigenvectors.dtype), eigenvectors), True, False)[0]
    turned = xp.matmul(eigenvectors, _off_diagonal(xp, moved) / _gaps(xp, eigenvalues))
    lengths = xp.real(_diagonal(xp, xp.matmul(_adjoint(xp, eigenvectors), turned)))
    return _diagonal(xp, moved), turned - _scaled_columns(eigenvectors, lengths)


eig = op(
    "linalg_eig",
    forward=lambda xp, x: la.eig(x),
    vjp=_eig_vjp,
    jvp=_eig_jvp,
    outputs=("eigenvalues", "eigenvectors"),
    batch=stacks(2),
)


def _skew(xp, x):
    return x - _adjoint(xp, x)


def _svd_vjp(xp, g, U, S, Vh):
    """Of the thin factors: columns that complete U and V are not determined, and no gradient leads through them."""
    g_u, g_s, g_vh = g
    count = S.shape[-1]
    rows, columns = U.shape[-2], Vh.shape[-1]
    u, vh = U[..., :count], Vh[..., :count, :]
    if g_u is None and g_vh is None:
        return xp.matmul(_scaled_columns(u, g_s), vh)
    squares = S * S
    gaps = _gaps(xp, squares)
    inner = phase_u = phase_v = None
    if g_s is not None:
        inner = _on_diagonal(xp, g_s)
    if g_u is not None:
        g_u = g_u[..., :count]
        u_turned = xp.matmul(_adjoint(xp, u), g_u)
        part = _scaled_columns(_off_diagonal(xp, _skew(xp, u_turned)) / gaps, S)
        inner = part if inner is None else inner + part
        phase_u = xp.imag(_diagonal(xp, u_turned)) if xp.is_complex(u_turned) else None
    if g_vh is not None:
        g_v = _adjoint(xp, g_vh[..., :count, :])
        v_turned = xp.matmul(vh, g_v)
        part = S[..., :, None] * (_off_diagonal(xp, _skew(xp, v_turned)) / gaps)
        inner = part if inner is None else inner + part
        phase_v = xp.imag(_diagonal(xp, v_turned)) if xp.is_complex(v_turned) else None
    phases = [p for p in (phase_u, phase_v) if p is not None]
    if phases and _depends_on_phase(xp, phases[0] if len(phases) == 1 else phase_u + phase_v):
        raise RuntimeError(
            "svd_backward: The singular vectors in the complex case are specified up to multiplication by e^{i phi}. "
            "The specified loss function depends on this phase term, making it ill-defined."
        )
    if phase_u is not None:
        inner = inner + 1j * _on_diagonal(xp, phase_u / S)
    if rows >= columns or g_vh is None:
        found = xp.matmul(u, inner)
        if g_u is not None and rows > count:
            outside = _scaled_columns(g_u, 1 / S)
            found = found + outside - xp.matmul(u, xp.matmul(_adjoint(xp, u), outside))
        return xp.matmul(found, vh)
    found = xp.matmul(inner, vh)
    outside = _adjoint(xp, _scaled_columns(g_v, 1 / S))
    found = found + outside - xp.matmul(xp.matmul(outside, _adjoint(xp, vh)), vh)
    return xp.matmul(u, found)


def _svd_jvp(xp, t_x, U, S, Vh):
    """Of the thin factors; columns that complete U and V stay. The phase of U and V moves by the same amount."""
    count = S.shape[-1]
    u, vh = U[..., :count], Vh[..., :count, :]
    v, u_turned = _adjoint(xp, vh), _adjoint(xp, u)
    along_v, along_u = xp.matmul(t_x, v), xp.matmul(_adjoint(xp, t_x), u)
    moved = xp.matmul(u_turned, along_v)
    gaps = _gaps(xp, S * S)
    moved_turned = _adjoint(xp, moved)
    rows, columns = S[..., :, None], S[..., None, :]
    t_u = _off_diagonal(xp, moved * columns + rows * moved_turned) / gaps
    t_v = _off_diagonal(xp, rows * moved + moved_turned * columns) / gaps
    if xp.is_complex(moved):
        phase = _on_diagonal(xp, 0.5j * (xp.imag(_diagonal(xp, moved)) / S))
        t_u, t_v = t_u + phase, t_v - phase
    t_u, t_v = xp.matmul(u, t_u), xp.matmul(v, t_v)
    if U.shape[-2] > count:
        t_u = t_u + (along_v - xp.matmul(u, moved)) / columns
    if Vh.shape[-1] > count:
        t_v = t_v + (along_u - xp.matmul(v, moved_turned)) / columns
    t_u, t_vh = (_completed(xp, t_u, U, -1), _completed(xp, _adjoint(xp, t_v), Vh, -2))
    return t_u, _real(xp, _diagonal(xp, moved)), t_vh


def _completed(xp, x, like, dim: int):
    """`x` with zeros behind it up to the shape of `like`."""
    dim += x.ndim
    n = x.shape[dim]
    return x if n == like.shape[dim] else xp.slice_backward(x, like.shape, dim, 0, n, 1)


svd = op(
    "linalg_svd",
    forward=lambda xp, x, /, full: la.svd(x, full),
    vjp=_svd_vjp,
    jvp=_svd_jvp,
    outputs=("U", "S", "Vh"),
    batch=stacks(2),
)


def _svdvals_vjp(xp, g, x):
    u, _, vh = xp.linalg_svd(x, False)
    return xp.matmul(_scaled_columns(u, g), vh)


svdvals = op(
    "linalg_svdvals",
    forward=lambda xp, x: la.singular_values(x),
    vjp=_svdvals_vjp,
    node="LinalgSvdBackward0",
    batch=stacks(2),
)


def _exponential_vjp(xp, g, x):
    """The upper right block of the exponential of ``[[a, g], [0, a]]`` is its derivative at `a` along `g`."""
    n = x.shape[-1]
    turned = _adjoint(xp, x)
    nothing = xp.zeros_like(turned)
    both = _joined(xp, _joined(xp, turned, g, -1), _joined(xp, nothing, turned, -1), -2)
    return xp.linalg_matrix_exp(both)[..., :n, n:]


matrix_exp = op(
    "linalg_matrix_exp",
    forward=lambda xp, x: la.exponential(x),
    vjp=_exponential_vjp,
    batch=stacks(2),
)
