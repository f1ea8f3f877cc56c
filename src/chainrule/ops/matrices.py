"""Linear algebra under torch's own names: most are older names of functions of `torch.linalg`, which they load when
used."""

from __future__ import annotations

import importlib

from ..inplace import fill_out
from ..op import method
from ..tensor import Tensor
from ..warning import warn_once
from .elementwise import where
from .products import _array as _array_of

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "eig", "geqrf", "inverse", "logdet", "lstsq", "lu",
    "lu_solve", "lu_unpack", "matrix_exp", "matrix_power", "matrix_rank", "orgqr", "ormqr", "pca_lowrank",
    "pinverse", "qr", "slogdet", "solve", "svd", "svd_lowrank", "symeig", "triangular_solve", "vander",
]  # fmt: skip


def _linalg():
    return importlib.import_module("chainrule.linalg")


def _records():
    return importlib.import_module("chainrule.ops.decompositions")


def _deprecated(old: str, new: str, *lines: str) -> None:
    warn_once("\n".join((f"torch.{old} is deprecated in favor of {new}", *lines)))


# ---------------------------------------------------------------- determinants, inverses, functions


@method()
def det(input):
    """The determinants of square matrices."""
    _array_of("det", "input", 1, input)
    return _linalg().det(input)


@method()
def logdet(input):
    """The logarithms of determinants: nan where they are negative, -inf where they are 0."""
    _array_of("logdet", "input", 1, input)
    linalg = _linalg()
    linalg._square("logdet", input)
    linalg._floating("logdet", input)
    sign, log = linalg.slogdet(input)
    if input.dtype.is_complex:
        return log + sign.log()
    return where(sign == -1, float("nan"), log)


@method()
def slogdet(input, *, out=None):
    """The signs of determinants and the logarithms of their magnitudes."""
    from ..return_types import slogdet as named

    _array_of("slogdet", "input", 1, input)
    return named(_linalg().slogdet(input, out=out))


@method()
def inverse(input, *, out=None):
    """The inverses of square matrices."""
    _array_of("inverse", "input", 1, input)
    return _linalg().inv(input, out=out)


@method()
def pinverse(input, rcond: float = 1e-15):
    """The Moore-Penrose inverses; singular values up to `rcond` times the largest are taken for 0."""
    _array_of("pinverse", "input", 1, input)
    return _linalg().pinv(input, rcond)


@method()
def matrix_exp(input):
    """The exponentials of square matrices."""
    return _linalg().matrix_exp(input)


@method()
def matrix_power(input, n: int, *, out=None):
    """The n-th power of square matrices; of their inverses for negative `n`."""
    return _linalg().matrix_power(input, n, out=out)


def vander(x, N: int | None = None, increasing: bool = False):
    """The matrix of powers of a vector's elements: falling ones from left to right, unless `increasing`."""
    if _array_of("vander", "x", 1, x).ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = len(x) if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    if x._array.dtype.kind in "iub":
        x = x.long()
    if count < 2:
        result = x.new_ones((len(x), count))
    else:
        result = _linalg().vander(x, count)
    return result if increasing else result.flip(-1)


# ---------------------------------------------------------------- factorizations


@method()
def cholesky(input, upper: bool = False, *, out=None):
    """The triangular factors of Hermitian positive-definite matrices."""
    _deprecated(
        "cholesky",
        "torch.linalg.cholesky and will be removed in a future PyTorch release.",
        "L = torch.cholesky(A)",
        "should be replaced with",
        "L = torch.linalg.cholesky(A)",
        "and",
        "U = torch.cholesky(A, upper=True)",
        "should be replaced with",
        "U = torch.linalg.cholesky(A).mH",
        "This transform will produce equivalent results for all valid (symmetric positive definite) inputs.",
    )
    linalg = _linalg()
    _array_of("cholesky", "input", 1, input)
    linalg._square("cholesky", input)
    linalg._only_floating("cholesky_cpu", input)
    factor, info = linalg._cholesky("cholesky", input, upper, False)
    linalg._not_positive_definite("cholesky", info)
    return factor if out is None else fill_out(out, factor)


@method()
def cholesky_inverse(L, upper: bool = False, *, out=None):
    """The inverses of matrices of which the Cholesky factors are given."""
    linalg = _linalg()
    _array_of("cholesky_inverse", "input", 1, L)
    linalg._square("cholesky_inverse", L)
    linalg._only_floating("cholesky_inverse_out_cpu", L)
    n = L.shape[-1]
    identity = linalg.eye(n, dtype=L.dtype).expand(L.shape)
    return linalg._given("cholesky_inverse", out, _cholesky_solve(identity, L, upper))


@method()
def cholesky_solve(B, L, upper: bool = False, *, out=None):
    """The solutions of ``A @ X = B`` for matrices of which the Cholesky factors are given."""
    linalg = _linalg()
    b, a = _array_of("cholesky_solve", "B", 1, B), _array_of("cholesky_solve", "L", 2, L)
    for name, array in (("b", b), ("u", a)):
        if array.ndim < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {array.ndim} dimensions instead")
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(
            f"A must be batches of square matrices, but they are {a.shape[-2]} by {a.shape[-1]} matrices"
        )
    if a.shape[-2] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {a.shape[-2]} by {a.shape[-1]} but each b "
            f"matrix is {b.shape[-2]} by {b.shape[-1]}"
        )
    linalg._only_floating("cholesky_solve_cpu", B)
    return linalg._given("cholesky_solve", out, _cholesky_solve(B, L, upper))


def _cholesky_solve(B, factor, upper: bool):
    solve = _records().solve_triangular
    turned = factor.mH
    lower, other = (turned, factor) if upper else (factor, turned)
    return solve(other, solve(lower, B, False, True, False), True, True, False)


@method()
def qr(input, some: bool = True, *, out=None):
    """Q and R; Q is square unless `some`."""
    from ..return_types import qr as named

    _deprecated(
        "qr",
        "torch.linalg.qr and will be removed in a future PyTorch release.",
        "The boolean parameter 'some' has been replaced with a string parameter 'mode'.",
        "Q, R = torch.qr(A, some)",
        "should be replaced with",
        "Q, R = torch.linalg.qr(A, 'reduced' if some else 'complete')",
    )
    _array_of("qr", "input", 1, input)
    return named(_linalg().qr(input, "reduced" if some else "complete", out=out))


@method()
def geqrf(input, *, out=None):
    """LAPACK's QR factorization: R with the Householder vectors below it, and their factors."""
    from ..return_types import geqrf as named

    array = _array_of("geqrf", "input", 1, input)
    if array.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    _linalg()._only_floating("geqrf_cpu", input)
    return _linalg()._given("geqrf", out, named(_records().geqrf(input)))


@method()
def orgqr(input, tau):
    """The first columns of the product of Householder reflections."""
    return _linalg().householder_product(input, tau)


@method()
def ormqr(input, tau, other, left: bool = True, transpose: bool = False, *, out=None):
    """The product of `other` with the square matrix Q of Householder reflections (its adjoint with `transpose`)."""
    linalg = _linalg()
    a, t = _array_of("ormqr", "input", 1, input), _array_of("ormqr", "tau", 2, tau)
    b = _array_of("ormqr", "other", 3, other)
    _check_reflections(a, t, b, left)
    for name, x in (("tau", tau), ("other", other)):
        if x.dtype is not input.dtype:
            raise RuntimeError(
                f"torch.ormqr: Expected input and {name} to have the same dtype, but input has dtype "
                f"{linalg._type_name(input)} and {name} has dtype {linalg._type_name(x)}"
            )
    linalg._only_floating("ormqr_cpu", input)
    rows, columns = a.shape[-2:]
    if columns > rows:
        input = input[..., :rows]
    elif columns < rows:
        blank = input.new_zeros((*a.shape[:-1], rows - columns))
        input = importlib.import_module("chainrule.ops.joining").cat([input, blank], -1)
    q = linalg.householder_product(input, tau)
    q = q.mH if transpose else q
    return linalg._given("ormqr", out, q.matmul(other) if left else other.matmul(q))


def _check_reflections(a, t, b, left: bool) -> None:
    for name, array in (("input", a), ("other", b)):
        if array.ndim < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    side = -2 if left else -1
    if t.shape[-1] != min(b.shape[side], a.shape[-1]):
        raise RuntimeError(f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])")
    if b.shape[side] != a.shape[-2]:
        raise RuntimeError(f"torch.ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    if a.ndim - t.ndim != 1:
        raise RuntimeError(
            "torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim equal to "
            f"{t.ndim} and input.ndim is equal to {a.ndim}"
        )
    if a.ndim != b.ndim:
        raise RuntimeError(
            "torch.ormqr: Expected other to have the same number of dimensions as input, but got other.ndim equal to "
            f"{b.ndim} and input.ndim is equal to {a.ndim}"
        )
    for name, shape in (("tau", t.shape[:-1]), ("other", b.shape[:-2])):
        if shape != a.shape[:-2]:
            raise RuntimeError(
                f"torch.ormqr: Expected batch dimensions of {name} to be equal to input.shape[:-2], but got "
                f"{list(shape)}"
            )


@method()
def lu(A, pivot: bool = True, get_infos: bool = False, out=None):
    """L and U in one matrix and LAPACK's pivots, with its info if `get_infos`."""
    from ..return_types import _lu_with_info as named

    _deprecated(
        "lu",
        "torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be removed in a future PyTorch release.",
        "LU, pivots = torch.lu(A, compute_pivots)",
        "should be replaced with",
        "LU, pivots = torch.linalg.lu_factor(A, compute_pivots)",
        "and",
        "LU, pivots, info = torch.lu(A, compute_pivots, get_infos=True)",
        "should be replaced with",
        "LU, pivots, info = torch.linalg.lu_factor_ex(A, compute_pivots)",
    )
    linalg = _linalg()
    if get_infos:
        result = named(linalg.lu_factor_ex(A, pivot=pivot))
    else:
        result = linalg.lu_factor_ex(A, pivot=pivot)[:2]
    if out is None:
        return result
    return tuple(fill_out(o, r) for o, r in zip(out, result, strict=True))


@method()
def lu_solve(b, LU_data, LU_pivots, *, out=None):
    """The solutions of ``A @ X = b`` by the factors of A."""
    _deprecated(
        "lu_solve",
        "torch.linalg.lu_solveand will be removed in a future PyTorch release.",
        "Note that torch.linalg.lu_solve has its arguments reversed.",
        "X = torch.lu_solve(B, LU, pivots)",
        "should be replaced with",
        "X = torch.linalg.lu_solve(LU, pivots, B)",
    )
    return _linalg().lu_solve(LU_data, LU_pivots, b, out=out)


def lu_unpack(LU_data, LU_pivots, unpack_data: bool = True, unpack_pivots: bool = True, *, out=None):
    """The matrices P, L and U of packed factors; those that are not wanted are empty."""
    from ..return_types import lu_unpack as named

    packed = _array_of("lu_unpack", "LU_data", 1, LU_data)
    pivots = _array_of("lu_unpack", "LU_pivots", 2, LU_pivots)
    if packed.ndim < 2:
        raise RuntimeError("torch.lu_unpack: The input tensor LU_data must have at least 2 dimensions.")
    if unpack_pivots and LU_pivots.dtype is not _int32():
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this "
            "function is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    if not unpack_pivots and pivots.shape != (*packed.shape[:-2], min(packed.shape[-2:])):
        LU_pivots = LU_pivots.new_ones((*packed.shape[:-2], min(packed.shape[-2:])), dtype=_int32())
    p, lower, upper = _records().lu_unpack(LU_data, LU_pivots)
    nothing = LU_data.new_empty(0)
    result = named((p.detach() if unpack_pivots else nothing, *((lower, upper) if unpack_data else (nothing, nothing))))
    return _linalg()._given("lu_unpack", out, result)


def _int32():
    from ..dtypes import int32

    return int32


@method()
def triangular_solve(b, A, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out=None):
    """The solutions of ``A @ X = b`` for triangular `A` (or its transpose), and a copy of `A`."""
    from ..return_types import triangular_solve as named

    _deprecated(
        "triangular_solve",
        "torch.linalg.solve_triangularand will be removed in a future PyTorch release.",
        "torch.linalg.solve_triangular has its arguments reversed and does not return a copy of one of the inputs.",
        "X = torch.triangular_solve(B, A).solution",
        "should be replaced with",
        "X = torch.linalg.solve_triangular(A, B).",
    )
    linalg = _linalg()
    for name, x, position in (("b", b, 1), ("A", A, 2)):
        ndim = _array_of("triangular_solve", name, position, x).ndim
        if ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {ndim} dimensions "
                "instead"
            )
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"triangular_solve: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            "matrices"
        )
    if A.shape[-2] != b.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for triangular_solve: each A matrix is {A.shape[-2]} by {A.shape[-1]} but "
            f"each b matrix is {b.shape[-2]} by {b.shape[-1]}"
        )
    matrix, upper = (A.mT, not upper) if transpose else (A, upper)
    solution = linalg.solve_triangular(matrix, b, upper=upper, unitriangular=unitriangular)
    batch = solution.shape[:-2]
    return linalg._given("triangular_solve", out, named((solution, A.expand((*batch, *A.shape[-2:])).clone())))


@method()
def svd(input, some: bool = True, compute_uv: bool = True, *, out=None):
    """The singular value decomposition ``U @ diag(S) @ V.mH``: thin if `some`; U and V zeros without `compute_uv`."""
    from ..return_types import svd as named

    array = _array_of("svd", "input", 1, input)
    if array.ndim < 2:
        raise RuntimeError(
            "linalg.svd: input should have at least 2 dimensions, but has " + f"{array.ndim} dimensions instead"
        )
    linalg = _linalg()
    if compute_uv:
        u, s, vh = linalg.svd(input, full_matrices=not some)
        result = (u, s, vh.mH)
    else:
        rows, columns = array.shape[-2:]
        zeros = [input.new_zeros((*array.shape[:-2], n, n)) for n in (rows, columns)]
        result = (zeros[0], linalg.svdvals(input), zeros[1])
    return linalg._given("svd", out, named(result))


# ---------------------------------------------------------------- approximations of low rank


def svd_lowrank(A, q: int | None = 6, niter: int | None = 2, M=None):
    """U, S and V of an approximation of rank `q` of ``A - M``, from random projections (Halko et al., 2009)."""
    linalg = _linalg()
    if M is not None:
        A = A - M.expand(A.shape)
    rows, columns = A.shape[-2:]
    wide = rows < columns
    matrix = A.mH if wide else A
    basis = _basis(matrix, 6 if q is None else q, 2 if niter is None else niter)
    u, s, vh = linalg.svd(basis.mH.matmul(matrix), full_matrices=False)
    u, v = basis.matmul(u), vh.mH
    return (v, s, u) if wide else (u, s, v)


def _basis(A, q: int, iterations: int):
    """Orthonormal columns that nearly span the range of `A`, by subspace iteration."""
    linalg, randn = _linalg(), importlib.import_module("chainrule.ops.random").randn
    found = linalg.qr(A.matmul(randn(A.shape[-1], q, dtype=A.dtype))).Q
    for _ in range(iterations):
        found = linalg.qr(A.mH.matmul(found)).Q
        found = linalg.qr(A.matmul(found)).Q
    return found


def pca_lowrank(A, q: int | None = None, center: bool = True, niter: int = 2):
    """U, S and V of an approximation of low rank of a data matrix, its columns centred first."""
    rows, columns = A.shape[-2:]
    if q is None:
        q = min(6, rows, columns)
    elif not 0 <= q <= min(rows, columns):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(rows, columns)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


# ---------------------------------------------------------------- removed functions

_INSTEAD = {
    "symeig": """ The default behavior has changed from using the upper triangular portion of the matrix by default \
to using the lower triangular portion.

L, _ = torch.symeig(A, upper=upper) should be replaced with:
L = torch.linalg.eigvalsh(A, UPLO='U' if upper else 'L')

and

L, V = torch.symeig(A, eigenvectors=True) should be replaced with:
L, V = torch.linalg.eigh(A, UPLO='U' if upper else 'L')""",
    "eig": """ `torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than real tensors \
mimicking complex tensors.

L, _ = torch.eig(A) should be replaced with:
L_complex = torch.linalg.eigvals(A)

and

L, V = torch.eig(A, eigenvectors=True) should be replaced with:
L_complex, V_complex = torch.linalg.eig(A)""",
    "solve": """ `torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` has its \
arguments reversed and does not return the LU factorization.

To get the LU factorization see `torch.lu`, which can be used with `torch.lu_solve` or \
`torch.lu_unpack`.
X = torch.solve(B, A).solution should be replaced with:
X = torch.linalg.solve(A, B)""",
    "lstsq": """ `torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.
`torch.linalg.lstsq` has reversed arguments and does not return the QR decomposition in the returned\
 tuple (although it returns other information about the problem).

To get the QR decomposition consider using `torch.linalg.qr`.

The returned solution in `torch.lstsq` stored the residuals of the solution in the last m - n \
columns of the returned value whenever m > n. In torch.linalg.lstsq, the residuals are in the field \
'residuals' of the returned named tuple.

The unpacking of the solution, as in
X, _ = torch.lstsq(B, A).solution[:A.size(1)]
should be replaced with:
X = torch.linalg.lstsq(A, B).solution""",
    "matrix_rank": """
Please use the `torch.linalg.matrix_rank` function instead. The parameter 'symmetric' was renamed in\
 `torch.linalg.matrix_rank()` to 'hermitian'.""",
}


def _removed(name: str):
    def function(input, *arguments, **settings):
        raise RuntimeError(f"This function was deprecated since version 1.9 and is now removed.{_INSTEAD[name]}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Removed from PyTorch: raises RuntimeError, which says what to use instead."
    if name != "matrix_rank":
        setattr(Tensor, name, function)
    return function


eig, lstsq, matrix_rank, solve, symeig = map(_removed, ("eig", "lstsq", "matrix_rank", "solve", "symeig"))
