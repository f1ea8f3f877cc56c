"""torch.linalg: linear algebra on matrices and stacks of them. The derivatives are in ops/decompositions.py.

A matrix is what the last two dimensions hold; all others are a stack. Functions raise RuntimeError for tensors
without two dimensions, matrices that are not square where they have to be, and integers; LinAlgError where a matrix
is singular or not positive-definite and the result does not exist. `out` receives the result, `check_errors` makes
the `_ex` functions raise.
"""

from __future__ import annotations

import math

import numpy as np

from . import dtypes, return_types
from .dtypes import scalar_name
from .inplace import fill_out
from .modes import local
from .ops import decompositions as records
from .ops.contractions import diagonal, linalg_cross as cross, multi_dot, vecdot
from .ops.creation import eye, ones_like, zeros
from .ops.joining import stack
from .ops.norms import vector_norm
from .ops.products import _array as _array_of, matmul, word
from .ops.shape import wrap_dim
from .tensor import Tensor, wrap

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq",
    "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd",
    "svdvals", "tensorinv", "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip


class _LinAlgError(RuntimeError):
    """A matrix is singular, not positive-definite, or an iteration on it does not converge."""


_LinAlgError.__module__ = "torch._C"  # as PyTorch prints it
LinAlgError = _LinAlgError

# ---------------------------------------------------------------- arguments and results


def _matrices(name: str, x, argument: str = "A", function: str | None = None):
    """The array of an argument that has to be matrices."""
    array = _array_of(function or name.removeprefix("torch.").replace(".", "_"), argument, 1, x)
    if array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")
    return array


def _square(name: str, x, argument: str = "A", function: str | None = None):
    """The array of an argument that has to be square matrices."""
    array = _matrices(name, x, argument if function is None else "input", function) if function else _matrices(name, x)
    if array.shape[-1] != array.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {array.shape[-2]} by {array.shape[-1]} "
            "matrices"
        )
    return array


def _floating(name: str, x: Tensor, half: str | None = "") -> None:
    """RuntimeError for integers, and for half types: unless `half` is None, the name of the kernel they lack."""
    kind = x._array.dtype
    if kind.kind in "iub":
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_name(x.dtype)}")
    if kind.itemsize == 2 and half is not None:
        if half:
            raise _no_kernel(half, x)
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {scalar_name(x.dtype)}")


def _no_kernel(kernel: str, x: Tensor) -> NotImplementedError:
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(x.dtype)}'")


def _only_floating(kernel: str, x: Tensor) -> None:
    """NotImplementedError for integers and half types."""
    if x._array.dtype.kind not in "fc" or x._array.dtype.itemsize == 2:
        raise _no_kernel(kernel, x)


def _given(name: str, out, result, inputs=()):
    """`result`, or the tensor or tensors `out` with its values."""
    if out is None:
        return result
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)):
            raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not {type(out).__name__}")
        if len(out) != len(result):
            raise TypeError(f"expected tuple of {len(result)} elements but got {len(out)}")
        return type(result)([_given(name, o, r, inputs) for o, r in zip(out, result, strict=True)])
    if local.grad_enabled and (result.requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if out.dtype is not result.dtype:
        have, wanted = (word(t).replace("long long", "long int") for t in (out, result))
        raise RuntimeError(f"Expected out tensor to have dtype {wanted}, but got {have} instead")
    return fill_out(out, result)


def _failing(name: str, info: Tensor) -> tuple[str, int] | None:
    """The beginning of an error message, and the first `info` that is not 0; None if all is well."""
    array = np.asarray(info._array)
    if not array.any():
        return None
    flat = array.ravel()
    first = int(flat.nonzero()[0][0])
    return (f"{name}: (Batch element {first}): " if array.ndim else f"{name}: "), int(flat[first])


def _check_inverse(name: str, info: Tensor) -> None:
    failed = _failing(name, info)
    if failed:
        raise LinAlgError(
            f"{failed[0]}The diagonal element {failed[1]} is zero, the inversion could not be completed because the "
            "input matrix is singular."
        )


# ---------------------------------------------------------------- inverses and solutions


def inv_ex(A, *, check_errors: bool = False, out=None):
    """The inverses, and LAPACK's info: 0, or the position of the pivot that is zero."""
    return _inverse("linalg.inv_ex", A, check_errors, out)


def _inverse(name: str, A, check_errors: bool, out):
    _square("linalg.inv", A)
    _floating("linalg.inv", A)
    result = records.inv_ex(A)
    if check_errors:
        _check_inverse(name, result[1])
    return _given("linalg_inv_ex", out, return_types.linalg_inv_ex(result))


def inv(A, *, out=None):
    """The inverses of square matrices; LinAlgError if one is singular."""
    return _given("linalg_inv", out, _inverse("linalg.inv", A, True, None)[0])


def _is_vector(a, b) -> bool:
    """Whether a right-hand side is a vector, or a stack of vectors of exactly the shape of the stack of matrices."""
    return b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])


def solve_ex(A, B, *, left: bool = True, check_errors: bool = False, out=None):
    """The solution of ``A @ X = B`` (of ``X @ A = B`` if not `left`), and LAPACK's info."""
    return _given("linalg_solve_ex", out, _solved("torch.linalg.solve_ex", A, B, left, check_errors))


def _solved(name: str, A, B, left: bool, check_errors: bool):
    _floating("linalg.solve", A) if isinstance(A, Tensor) else None
    a, b = _square("linalg.solve", A), _array_of("linalg_solve", "B", 2, B)
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {scalar_name(A.dtype)} and B "
            f"of type {scalar_name(B.dtype)} instead"
        )
    vector = _is_vector(a, b)
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case "
            "linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    _check_sides("linalg.solve", a, b[..., None] if vector else b, left)
    result = return_types.linalg_solve_ex(records.solve_ex(A, B, left, vector))
    if check_errors:
        failed = _failing(name, result[1])
        if failed:
            raise LinAlgError(f"{failed[0]}The solver failed because the input matrix is singular.")
    return result


def _check_sides(name: str, a, b, left: bool) -> None:
    """RuntimeError unless the shapes of the two sides of an equation go together."""
    from .op import broadcast_error

    if b.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor B must have at least 2 dimensions.")
    if a.shape[-2 if left else -1] != b.shape[-2 if left else -1]:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        )
    if a.ndim > 2 and b.ndim > 2:
        broadcast_error(b.shape[:-2], a.shape[:-2])


def solve(A, B, *, left: bool = True, out=None):
    """The solution of ``A @ X = B`` for square `A`; LinAlgError if it is singular. `B` may be a vector or a stack
    of them."""
    return _given("linalg_solve", out, _solved("torch.linalg.solve", A, B, left, True)[0])


def solve_triangular(A, B, *, upper: bool, left: bool = True, unitriangular: bool = False, out=None):
    """The solution of ``A @ X = B`` for triangular `A`, whose other triangle is not read; no error if it is
    singular."""
    a = _square("linalg.solve_triangular", A)
    b = _array_of("linalg_solve_triangular", "B", 2, B)
    _check_sides("linalg.solve_triangular", a, b, left)
    _only_floating("triangular_solve_cpu", A)
    return _given("linalg_solve_triangular", out, records.solve_triangular(A, B, upper, left, unitriangular))


def lstsq(input, b, rcond=None, *, driver: str | None = None):
    """The solution of least norm of ``min |input @ X - b|``.

    With the sums of squares that remain (where `input` has more rows than columns, all independent, and the driver is
    not gelsy, the default), the ranks (not by gels), and the singular values (by gelsd and gelss)."""
    name = "torch.linalg.lstsq"
    a, other = _array_of("linalg_lstsq", "input", 1, input), _array_of("linalg_lstsq", "b", 2, b)
    if a.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if other.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if input.dtype is not b.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{scalar_name(input.dtype)} and other's dtype {scalar_name(b.dtype)}"
        )
    if not 0 <= a.ndim - other.ndim <= 1:
        raise RuntimeError(
            f"{name}: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1"
        )
    vector = a.ndim - 1 == other.ndim and other.shape == a.shape[:-1]
    rows = other.shape[-1] if vector else other.shape[-2] if other.ndim > 1 else 1
    if a.shape[-2] != rows:
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({'-1' if vector else '-2'})")
    _only_floating("linalg_lstsq_cpu", input)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    if rcond is None:
        rcond = dtypes.finfo(input.dtype).eps * max(a.shape[-2:])
    right = b.unsqueeze(-1) if vector else b
    solution, residuals, rank, values = records.lstsq(input, right, float(rcond), driver or "gelsy")
    if vector:
        solution = solution.squeeze(-1)
    return return_types.linalg_lstsq((solution, residuals, rank, values.detach()))


def _tolerances(input, atol, rtol):
    """The absolute and the relative tolerance as tensors: by default 0 and, without an absolute one, the rounding
    error."""
    real = dtypes.from_numpy_dtype(input._array.real.dtype)
    if rtol is None:
        standard = dtypes.finfo(real).eps * max(input._array.shape[-2:])
        if atol is None:
            rtol = standard
        elif isinstance(atol, Tensor):
            rtol = (atol <= 0).to(real) * standard
        else:
            rtol = 0.0 if atol > 0 else standard
    return [
        t if isinstance(t, Tensor) else wrap(np.asarray(0.0 if t is None else t, real.numpy_dtype))
        for t in (atol, rtol)
    ]


def pinv(input, rcond=None, hermitian: bool = False, *, atol=None, rtol=None, out=None):
    """The Moore-Penrose inverses; singular values up to ``max(atol, rtol * largest)`` are taken for 0."""
    array = _array_of("linalg_pinv", "input", 1, input)
    if array.ndim < 2 or array.dtype.kind not in "fc" or array.dtype.itemsize == 2:
        raise RuntimeError(
            f"linalg.pinv({scalar_name(input.dtype)}{{{list(array.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, double, cfloat or cdouble types"
        )
    if hermitian:
        _square("linalg.pinv", input)
    atol, rtol = _tolerances(input, atol, rcond if rtol is None else rtol)
    _finite_for_svd(array)
    return _given("linalg_pinv", out, records.pinv(input, atol, rtol, hermitian))


def tensorinv(input, ind: int = 2, *, out=None):
    """The inverse of a tensor, seen as a matrix of its first `ind` dimensions by the others."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = input.shape[:ind], input.shape[ind:]
    if math.prod(first) != math.prod(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{math.prod(last)} != {math.prod(first)}"
        )
    matrix = input.reshape(math.prod(last), math.prod(first))
    return _given("linalg_tensorinv", out, inv(matrix).reshape(*last, *first))


def tensorsolve(A, B, dims=None, *, out=None):
    """The X with ``tensordot(A, X, X.ndim) == B``; `dims` of `A` are first moved to its end."""
    if dims is not None:
        moved = [wrap_dim(d, A.ndim) for d in dims]
        A = A.movedim(moved, list(range(A.ndim - len(moved), A.ndim)))
    first, last = A.shape[: B.ndim], A.shape[B.ndim :]
    if math.prod(first) != math.prod(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {math.prod(last)} != {math.prod(first)}"
        )
    matrix = A.reshape(math.prod(last), math.prod(last))
    return _given("linalg_tensorsolve", out, solve(matrix, B.reshape(-1)).reshape(last))


# ---------------------------------------------------------------- determinants


def det(A, *, out=None):
    """The determinants. Their derivatives are the cofactors, for singular matrices too."""
    _square("linalg.det", A)
    _floating("linalg.det", A, "lu_cpu")
    return _given("linalg_det", out, records.det(A))


def slogdet(A, *, out=None):
    """The determinants' signs (their directions, if complex) and the logarithms of their magnitudes."""
    _square("linalg.slogdet", A)
    _floating("linalg.slogdet", A)
    return _given("linalg_slogdet", out, return_types.linalg_slogdet(records.slogdet(A)))


# ---------------------------------------------------------------- triangular factors


def _not_positive_definite(name: str, info: Tensor) -> None:
    failed = _failing(name, info)
    if failed:
        raise LinAlgError(
            f"{failed[0]}The factorization could not be completed because the input is not positive-definite (the "
            f"leading minor of order {failed[1]} is not positive-definite)."
        )


def cholesky_ex(input, *, upper: bool = False, check_errors: bool = False, out=None):
    """Cholesky factors, and LAPACK's info: 0, or the order of the leading minor that is not positive-definite."""
    return _given("linalg_cholesky_ex", out, _cholesky("linalg.cholesky_ex", input, upper, check_errors))


def _cholesky(name: str, input, upper: bool, check_errors: bool):
    _array_of(name.replace(".", "_"), "input", 1, input)
    _square("linalg.cholesky", input)
    _floating("linalg.cholesky", input, "cholesky_cpu")
    result = return_types.linalg_cholesky_ex(records.cholesky_ex(input, upper))
    if check_errors:
        _not_positive_definite(name, result[1])
    return result


def cholesky(input, *, upper: bool = False, out=None):
    """The lower (or `upper`) triangular factors of Hermitian positive-definite matrices; LinAlgError if one is not."""
    return _given("linalg_cholesky", out, _cholesky("linalg.cholesky", input, upper, True)[0])


def _factorable(name: str, function: str, A, pivot: bool) -> None:
    array = _array_of(function, "A", 1, A)
    if array.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(array.shape)} instead")
    _only_floating("lu_cpu", A)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


def lu(A, *, pivot: bool = True, out=None):
    """Factors with ``P @ L @ U == A``: a permutation, a unit lower triangular and an upper triangular matrix."""
    _factorable("linalg.lu", "linalg_lu", A, pivot)
    permutation, lower, upper = records.lu(A)
    return _given("linalg_lu", out, return_types.linalg_lu((permutation.detach(), lower, upper)))


def lu_factor_ex(A, *, pivot: bool = True, check_errors: bool = False, out=None):
    """L and U in one matrix, LAPACK's pivots, and its info: 0, or the position of a zero on U's diagonal."""
    _factorable("torch.lu_factor", "linalg_lu_factor_ex", A, pivot)
    result = return_types.linalg_lu_factor_ex(records.lu_factor_ex(A))
    if check_errors:
        _check_lu("torch.linalg.lu_factor_ex", result[2])
    return _given("linalg_lu_factor_ex", out, result)


def _check_lu(name: str, info: Tensor) -> None:
    failed = _failing(name, info)
    if failed:
        raise RuntimeError(
            f"{failed[0]}U[{failed[1]},{failed[1]}] is zero and using it on lu_solve would result in a division by "
            "zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
            "linalg.lu_factor_ex(A, pivot)"
        )


def lu_factor(A, *, pivot: bool = True, out=None):
    """L and U in one matrix and LAPACK's pivots; RuntimeError if U is singular."""
    _factorable("torch.lu_factor", "linalg_lu_factor", A, pivot)
    packed, pivots, info = records.lu_factor_ex(A)
    _check_lu("torch.linalg.lu_factor", info)
    return _given("linalg_lu_factor", out, return_types.linalg_lu_factor((packed, pivots)))


def lu_solve(LU, pivots, B, *, left: bool = True, adjoint: bool = False, out=None):
    """The solution of ``A @ X = B`` (or ``X @ A = B``, or with A's adjoint) by the factors of A that `lu_factor`
    gave."""
    a, p = _array_of("linalg_lu_solve", "LU", 1, LU), _array_of("linalg_lu_solve", "pivots", 2, pivots)
    b = _array_of("linalg_lu_solve", "B", 3, B)
    _floating("torch.linalg.lu_solve", LU, None)
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type "
            f"{scalar_name(LU.dtype)} and B of type {scalar_name(B.dtype)} instead"
        )
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    _square("torch.linalg.lu_solve", LU)
    _check_sides("torch.linalg.lu_solve", a, b, left)
    if p.shape[-1:] != a.shape[-1:]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix")
    if p.shape[:-1] != a.shape[:-2]:
        raise RuntimeError(
            "linalg.lu_solve: Expected LU.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(p.shape)} instead"
        )
    permutation, lower, upper = records.lu_unpack(LU, pivots)
    triangular = records.solve_triangular
    if left != adjoint:  # permutation.T first, or last
        if not left:
            B = _turned(B)
        found = triangular(upper, triangular(lower, permutation.mT.matmul(B), False, True, True), True, True, False)
        found = found if left else _turned(found)
    else:
        if not left:
            B = _turned(B)
        found = triangular(_turned(upper), B, False, True, False)
        found = permutation.matmul(triangular(_turned(lower), found, True, True, True))
        found = found if left else _turned(found)
    return _given("linalg_lu_solve", out, found)


def _turned(x: Tensor) -> Tensor:
    return x.mH


def ldl_factor_ex(input, *, hermitian: bool = False, check_errors: bool = False, out=None):
    """The packed Bunch-Kaufman factors of symmetric (`hermitian`: Hermitian) matrices, LAPACK's pivots and info.
    Needs SciPy."""
    name = "torch.linalg.ldl_factor_ex"
    _array_of("linalg_ldl_factor_ex", "input", 1, input)
    _square(name, input)
    _floating(name, input, "ldl_factor_kernel_cpu")
    result = return_types.linalg_ldl_factor_ex(records.ldl_factor_ex(input, hermitian))
    if check_errors:
        _check_ldl(name, result[2])
    return _given("linalg_ldl_factor_ex", out, result)


def _check_ldl(name: str, info: Tensor) -> None:
    failed = _failing(name, info)
    if failed:
        raise RuntimeError(f"{failed[0]}Unknown error code: {failed[1]}.")


def ldl_factor(input, *, hermitian: bool = False, out=None):
    """The packed Bunch-Kaufman factors of symmetric (`hermitian`: Hermitian) matrices and LAPACK's pivots. Needs
    SciPy."""
    _array_of("linalg_ldl_factor", "input", 1, input)
    packed, pivots, info = ldl_factor_ex(input, hermitian=hermitian)
    _check_ldl("torch.linalg.ldl_factor", info)
    return _given("linalg_ldl_factor", out, return_types.linalg_ldl_factor((packed, pivots)))


def ldl_solve(LD, pivots, B, *, hermitian: bool = False, out=None):
    """The solution of ``A @ X = B`` by the factors of A that `ldl_factor` gave."""
    name = "torch.linalg.ldl_solve"
    a, b = _square(name, LD), _array_of("linalg_ldl_solve", "B", 3, B)
    _check_sides(name, a, b, True)
    if pivots.dtype.category >= dtypes.FLOATING:
        raise RuntimeError(f"{name}: Expected pivots to be integers. Got {scalar_name(pivots.dtype)}")
    if LD.dtype is not B.dtype:
        raise RuntimeError(f"{name}: LD dtype{LD.dtype!r} does not match b dtype {B.dtype!r}")
    if tuple(pivots.shape) != a.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead"
        )
    return _given("linalg_ldl_solve", out, records.ldl_solve(LD, pivots, B, hermitian))


# ---------------------------------------------------------------- orthogonal factors


def qr(A, mode: str = "reduced", *, out=None):
    """Q with orthonormal columns and upper triangular R with ``Q @ R == A``; mode "complete": Q square; "r": Q empty.

    Derivatives: where the first ``min(rows, columns)`` columns are independent; not in mode "r", nor in mode
    "complete" for more rows than columns."""
    _matrices("linalg.qr", A)
    _floating("linalg.qr", A, "geqrf_cpu")
    if mode not in ("reduced", "r", "complete"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return _given("linalg_qr", out, return_types.linalg_qr(records.qr(A, mode)))


def householder_product(input, tau, *, out=None):
    """The first columns of the product of Householder reflections, given as `torch.geqrf` gives them."""
    name = "torch.linalg.householder_product"
    a, t = (
        _array_of("linalg_householder_product", "input", 1, input),
        _array_of("linalg_householder_product", "tau", 2, tau),
    )
    if a.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if a.shape[-2] < a.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if t.ndim and a.shape[-1] < t.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if a.ndim - t.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to {t.ndim} and "
            f"input.ndim is equal to {a.ndim}"
        )
    if a.ndim > 2 and t.shape[:-1] != a.shape[:-2]:
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {list(t.shape[:-1])}"
        )
    if input.dtype is not tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {_type_name(tau)} does not match input dtype {_type_name(input)}")
    _only_floating("householder_product_cpu", input)
    return _given("linalg_householder_product", out, records.householder_product(input, tau))


def _type_name(x: Tensor) -> str:
    return scalar_name(x.dtype)


# ---------------------------------------------------------------- eigenvalues and singular values


def eig(input, *, out=None):
    """The eigenvalues and eigenvectors, of length 1, of square matrices: complex.

    Derivatives of eigenvectors: where the eigenvalues differ, of functions that do not depend on the vectors'
    phases."""
    return _given("linalg_eig", out, return_types.linalg_eig(_eig("linalg.eig", input)))


def _eig(name: str, input):
    array = _array_of(name.replace(".", "_"), "input", 1, input)
    _square(name, input)
    if array.dtype.kind in "iub":
        raise RuntimeError(f"Unknown Complex ScalarType for {scalar_name(input.dtype)}")
    _floating(name, input, "linalg_eig_out_cpu")
    if not np.isfinite(array).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    return records.eig(input)


def eigvals(input, *, out=None):
    """The eigenvalues of square matrices: complex."""
    return _given("linalg_eigvals", out, _eig("linalg.eigvals", input)[0])


def _eigh(name: str, input, UPLO: str):
    _array_of(name, "input", 1, input)
    _square("linalg.eigh", input)
    triangle = UPLO.upper()
    if triangle not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    _only_floating("linalg_eigh_cpu", input)
    return records.eigh(input, triangle)


def eigh(input, UPLO: str = "L", *, out=None):
    """The eigenvalues in ascending order and the eigenvectors of Hermitian matrices, of which one triangle is read.

    Derivatives of eigenvectors: where the eigenvalues differ, of functions that do not depend on the vectors'
    phases."""
    return _given("linalg_eigh", out, return_types.linalg_eigh(_eigh("linalg_eigh", input, UPLO)))


def eigvalsh(input, UPLO: str = "L", *, out=None):
    """The eigenvalues, in ascending order, of Hermitian matrices, of which one triangle is read."""
    return _given("linalg_eigvalsh", out, _eigh("linalg_eigvalsh", input, UPLO)[0])


def _finite_for_svd(array) -> None:
    if not np.isfinite(array).all():
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
        )


def _check_svd(function: str, A, driver: str | None) -> None:
    array = _matrices("linalg.svd", A, "A", function)
    _floating("linalg.svd", A, "linalg_svd_cpu")
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )
    _finite_for_svd(array)


def svd(A, full_matrices: bool = True, *, driver: str | None = None, out=None):
    """The singular value decomposition ``A == U @ diag(S) @ Vh``, S in descending order.

    Derivatives of U and Vh: where the singular values differ (and are not 0, for rectangular matrices), of functions
    that do not depend on the vectors' phases nor on the columns that complete U and V."""
    _check_svd("linalg_svd", A, driver)
    return _given("linalg_svd", out, return_types.linalg_svd(records.svd(A, full_matrices)))


def svdvals(A, *, driver: str | None = None, out=None):
    """The singular values, in descending order."""
    _check_svd("linalg_svdvals", A, driver)
    return _given("linalg_svdvals", out, records.svdvals(A))


# ---------------------------------------------------------------- functions of matrices


def matrix_exp(input):
    """The matrix exponentials."""
    _array_of("linalg_matrix_exp", "input", 1, input)
    _square("linalg.matrix_exp", input)
    _floating("linalg.matrix_exp", input, None)
    if input._array.dtype.itemsize == 2:
        return matrix_exp(input.to(dtypes.float32)).to(input.dtype)
    return records.matrix_exp(input)


def matrix_power(A, n: int, *, out=None):
    """The n-th power of square matrices; of their inverses for negative `n`."""
    _array_of("linalg_matrix_power", "A", 1, A)
    if not isinstance(n, int):
        raise TypeError(f"linalg_matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}")
    _square("linalg.matrix_power", A)
    return _given("linalg_matrix_power", out, _power(A, n))


def _power(A, n: int):
    if n == 0:
        result = A.clone()
        return result.copy_(eye(A.shape[-2], dtype=A.dtype).expand(A.shape))
    if n == 1:
        return A.clone()
    if n < 0:
        A, n = inv(A), -n
        if n == 1:
            return A
    if n == 3:
        return A.matmul(A).matmul(A)
    result = None
    while True:
        if n & 1:
            result = A if result is None else result.matmul(A)
        n >>= 1
        if not n:
            return result
        A = A.matmul(A)


def vander(x, N: int | None = None):
    """The powers 0 to ``N - 1`` of the elements, as a new last dimension."""
    if x._array.dtype.kind in "iub":
        x = x.to(dtypes.int64)
    if not x._array.ndim:
        x = x.reshape(1)
    if N is None:
        N = x._array.shape[-1]
    if N <= 1:
        raise RuntimeError("N must be greater than 1.")
    powers = [ones_like(x)]
    while len(powers) < N:
        powers.append(powers[-1] * x)
    return stack(powers, -1)


# ---------------------------------------------------------------- norms


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim: bool = False, *, dtype=None, out=None):
    """A norm of matrices in the dimensions `dim`: "fro", "nuc", or an operator norm (1, 2, inf; negative: the
    least)."""
    array = _array_of("linalg_matrix_norm", "input", 1, A)
    name = "linalg.matrix_norm"
    if array.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {', '.join(map(str, dims))}")
    rows, columns = (wrap_dim(d, array.ndim) for d in dims)
    if rows == columns:
        raise RuntimeError(f"{name}: dims must be different. Got ({dims[0]}, {dims[1]})")
    if array.dtype.kind in "iub":
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {scalar_name(A.dtype)}")
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise RuntimeError(f"{name}: Order {ord} not supported.")
    elif abs(ord) not in (1, 2, math.inf):
        raise RuntimeError(f"{name}: Order {ord:g} not supported.")
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype, out=out)
    if dtype is not None:
        A = A.to(dtype)
    if ord == "nuc" or abs(ord) == 2:
        result = _norm_of_singular_values(A, ord, rows, columns, keepdim)
    else:
        summed, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
        if not keepdim and summed < chosen:
            chosen -= 1
        sums = vector_norm(A, 1, summed, keepdim)
        result = _extreme(sums, ord, chosen, keepdim)
    return _given("linalg_matrix_norm", out, result)


def _norm_of_singular_values(A, ord, rows: int, columns: int, keepdim: bool):
    ndim = A.ndim
    order = [d for d in range(ndim) if d not in (rows, columns)] + [rows, columns]
    values = svdvals(A.permute(order))
    result = values.sum(-1) if ord == "nuc" else _extreme(values, ord, values.ndim - 1, False)
    if keepdim:
        for d in sorted((rows, columns)):
            result = result.unsqueeze(d)
    return result


def _extreme(x, ord, dim: int, keepdim: bool):
    """The largest value along `dim`, the smallest for negative `ord`; 0 where there is none."""
    shape = x._array.shape
    if not shape[dim]:
        left = shape[:dim] + ((1,) if keepdim else ()) + shape[dim + 1 :]
        return zeros(left, dtype=x.dtype)
    return x.amax(dim, keepdim) if ord > 0 else x.amin(dim, keepdim)


def norm(input, ord=None, dim=None, keepdim: bool = False, *, out=None, dtype=None):
    """A vector norm of all elements or along one `dim`, or a matrix norm in two: `ord` as `vector_norm` and
    `matrix_norm` take it."""
    array = _array_of("linalg_norm", "input", 1, input)
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if ord is not None:
        if dims is not None and len(dims) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
        if dims is None and array.ndim not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {array.ndim}D."
            )
        if isinstance(ord, str) or (len(dims) if dims is not None else array.ndim) == 2:
            return matrix_norm(input, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype, out=out)
    return vector_norm(input, 2 if ord is None else ord, dims, keepdim, dtype=dtype, out=out)


def cond(input, p=None, *, out=None):
    """The condition numbers by a matrix norm `p` (default 2); infinite for singular matrices."""
    array = _array_of("linalg_cond", "input", 1, input)
    if array.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if isinstance(p, str):
        if p not in ("fro", "nuc"):
            raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    elif p is not None and abs(p) not in (1, 2, math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    return _given("linalg_cond", out, _condition(input, p))


def _condition(input, p):
    if not isinstance(p, str) and (p is None or abs(p) == 2):
        values = svdvals(input)
        if not input._array.size:
            return zeros(input._array.shape[:-2], dtype=values.dtype)
        largest, smallest = values[..., :1], values[..., -1:]
        return (smallest / largest if p == -2 else largest / smallest).squeeze(-1)
    if not input._array.size:
        return zeros(input._array.shape[:-2], dtype=dtypes.from_numpy_dtype(input._array.real.dtype))
    size = input._array.shape[-2:]
    if size[0] != size[1]:
        raise RuntimeError(
            f"linalg.cond: A must be batches of square matrices, but they are {size[0]} by {size[1]} matrices"
        )
    inverse, info = inv_ex(input)
    if not info._array.any():
        return matrix_norm(input, p) * matrix_norm(inverse, p)
    singular = info > 0  # what elimination has left of these counts for nothing
    safe = inverse.masked_fill(singular[..., None, None], 0.0)
    return (matrix_norm(input, p) * matrix_norm(safe, p)).masked_fill(singular, math.inf)


def matrix_rank(A, tol=None, hermitian: bool = False, *, atol=None, rtol=None, out=None):
    """How many singular values are above ``max(atol, rtol * largest)`` (above `tol`, if that is given)."""
    array = _array_of("linalg_matrix_rank", "A", 1, A)
    if array.ndim < 2:
        raise RuntimeError("torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions.")
    if array.dtype.kind not in "fc" or array.dtype.itemsize == 2:
        raise RuntimeError("This function doesn't handle types other than float and double")
    for name, value in (("atol", atol), ("rtol", rtol), ("tol", tol)):
        if isinstance(value, Tensor) and value.dtype.is_complex:
            raise RuntimeError(
                f"torch.linalg.matrix_rank: {name} tensor of complex type is not supported. "
                f"Got {scalar_name(value.dtype)}"
            )
    A = A.detach()
    if tol is not None:
        atol, rtol = tol, 0.0
    atol, rtol = _tolerances(A, atol, rtol)
    values = eigvalsh(A).abs() if hermitian else svdvals(A)
    if not array.size:
        result = zeros(array.shape[:-2], dtype=dtypes.int64)
    else:
        limit = (rtol * values.amax(-1)).maximum(atol.to(values.dtype))
        result = (values > limit.unsqueeze(-1)).sum(-1)
    return _given("linalg_matrix_rank", out, result)
