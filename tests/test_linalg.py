"""torch.linalg, torch.fft and their older names: errors, named results, degenerate cases, functions of operations."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule import linalg
from chainrule.autograd.gradcheck import gradcheck, gradgradcheck

SINGULAR = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
LAST_ZERO = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
IDENTITY = torch.eye(2)


def double(*shape, seed=0, **settings):
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(values, dtype=torch.float64, **settings)


# ---------------------------------------------------------------- errors

ZERO_PIVOT = (
    "The diagonal element 2 is zero, the inversion could not be completed because the input matrix is singular."
)
NOT_DEFINITE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of order 2 "
    "is not positive-definite)."
)
ERRORS = [
    (lambda: linalg.inv(LAST_ZERO), torch._C._LinAlgError, f"linalg.inv: {ZERO_PIVOT}"),
    (
        lambda: linalg.inv(torch.stack([IDENTITY, LAST_ZERO])),
        linalg.LinAlgError,
        f"linalg.inv: (Batch element 1): {ZERO_PIVOT}",
    ),
    (lambda: linalg.inv_ex(LAST_ZERO, check_errors=True), linalg.LinAlgError, f"linalg.inv_ex: {ZERO_PIVOT}"),
    (lambda: torch.inverse(LAST_ZERO), linalg.LinAlgError, f"linalg.inv: {ZERO_PIVOT}"),
    (
        lambda: linalg.inv(torch.ones(2, 3)),
        RuntimeError,
        "linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices",
    ),
    (
        lambda: linalg.inv(torch.ones(3)),
        RuntimeError,
        "linalg.inv: The input tensor A must have at least 2 dimensions.",
    ),
    (
        lambda: linalg.inv(torch.ones(2, 2, dtype=torch.int64)),
        RuntimeError,
        "linalg.inv: Expected a floating point or complex tensor as input. Got Long",
    ),
    (
        lambda: linalg.inv(torch.ones(2, 2, dtype=torch.float16)),
        RuntimeError,
        "linalg.inv: Low precision dtypes not supported. Got Half",
    ),
    (lambda: linalg.inv([1.0]), TypeError, "linalg_inv(): argument 'A' (position 1) must be Tensor, not list"),
    (
        lambda: linalg.solve(SINGULAR, IDENTITY),
        linalg.LinAlgError,
        "torch.linalg.solve: The solver failed because the input matrix is singular.",
    ),
    (
        lambda: linalg.solve(IDENTITY, torch.ones(3, 2)),
        RuntimeError,
        "linalg.solve: Incompatible shapes of A and B for the equation AX = B (2x2 and 3x2)",
    ),
    (lambda: linalg.cholesky(LAST_ZERO), linalg.LinAlgError, f"linalg.cholesky: {NOT_DEFINITE}"),
    (
        lambda: linalg.cholesky(torch.stack([IDENTITY, LAST_ZERO])),
        linalg.LinAlgError,
        f"linalg.cholesky: (Batch element 1): {NOT_DEFINITE}",
    ),
    (
        lambda: linalg.svd(torch.full((2, 2), float("nan"))),
        linalg.LinAlgError,
        "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values.",
    ),
    (
        lambda: linalg.lu(SINGULAR, pivot=False),
        RuntimeError,
        "linalg.lu_factor: LU without pivoting is not implemented on the CPU",
    ),
    (
        lambda: linalg.qr(IDENTITY, "full"),
        RuntimeError,
        "qr received unrecognized mode 'full' but expected one of 'reduced' (default), 'r', or 'complete'",
    ),
    (lambda: linalg.eigh(IDENTITY, "X"), RuntimeError, "Expected UPLO argument to be 'L' or 'U', but got X"),
    (lambda: linalg.matrix_norm(IDENTITY, 3), RuntimeError, "linalg.matrix_norm: Order 3 not supported."),
    (
        lambda: linalg.norm(torch.ones(2, 2, 2), 2),
        RuntimeError,
        "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got 3D.",
    ),
    (lambda: linalg.multi_dot([IDENTITY]), RuntimeError, "multi_dot(): expected at least 2 tensors but got 1"),
    (
        lambda: linalg.cross(torch.ones(3), torch.ones(2)),
        RuntimeError,
        "linalg.cross: inputs dimension -1 must have length 3. Got 3 and 2",
    ),
    (
        lambda: linalg.inv(IDENTITY, out=torch.empty(2, 2, dtype=torch.float64)),
        RuntimeError,
        "Expected out tensor to have dtype float, but got double instead",
    ),
    (
        lambda: torch.einsum("ij,jk", IDENTITY, torch.ones(3, 3)),
        RuntimeError,
        "einsum(): subscript j has size 3 for operand 1 which does not broadcast with previously seen size 2",
    ),
    (
        lambda: torch.einsum("ij->k", IDENTITY),
        RuntimeError,
        "einsum(): output subscript k does not appear in the equation for any input operand",
    ),
    (
        lambda: torch.einsum("i1", IDENTITY),
        RuntimeError,
        "einsum(): invalid subscript given at index 1 in the equation string, subscripts must be in [a-zA-Z]",
    ),
    (
        lambda: torch.einsum("i..", IDENTITY),
        RuntimeError,
        "einsum(): found '.' for operand 0 that is not part of any ellipsis",
    ),
    (
        lambda: torch.tensordot(IDENTITY, torch.ones(3, 3), 1),
        RuntimeError,
        "contracted dimensions need to match, but first has size 2 in dim -1 and second has size 3 in dim 0",
    ),
    (lambda: torch.trace(torch.ones(3)), RuntimeError, "trace: expected a matrix, but got tensor with dim 1"),
    (lambda: torch.fft.fft(torch.ones(0)), RuntimeError, "Invalid number of data points (0) specified"),
    (lambda: torch.fft.fft(torch.ones(3), norm="x"), RuntimeError, 'Invalid normalization mode: "x"'),
    (
        lambda: torch.fft.rfft(torch.ones(3) + 1j),
        RuntimeError,
        "rfft expects a real input tensor, but got ComplexFloat",
    ),
    (lambda: torch.fft.fftn(IDENTITY, dim=(0, 0)), RuntimeError, "FFT dims must be unique"),
    (
        lambda: torch.stft(torch.ones(30), 4, window=torch.ones(4)),
        RuntimeError,
        "stft requires the return_complex parameter be given for real inputs, and will further require that "
        "return_complex=True in a future PyTorch release.",
    ),
    (
        lambda: torch.hann_window(-1),
        RuntimeError,
        "hann_window requires non-negative window_length, got window_length=-1",
    ),
]


@pytest.mark.parametrize(("call", "exception", "message"), ERRORS)
def test_errors(call, exception, message):
    with pytest.raises(exception) as caught:
        call()
    assert type(caught.value) is exception
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["symeig", "eig", "solve", "lstsq", "matrix_rank"])
def test_removed_functions_say_what_to_use(name):
    with pytest.raises(RuntimeError, match=r"was deprecated since version 1\.9 and is now removed"):
        getattr(torch, name)(IDENTITY, IDENTITY)


# ---------------------------------------------------------------- results


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("inv_ex", "inverse info"),
        ("slogdet", "sign logabsdet"),
        ("cholesky_ex", "L info"),
        ("qr", "Q R"),
        ("lu", "P L U"),
        ("lu_factor", "LU pivots"),
        ("lu_factor_ex", "LU pivots info"),
        ("eig", "eigenvalues eigenvectors"),
        ("eigh", "eigenvalues eigenvectors"),
        ("svd", "U S Vh"),
    ],
)
def test_named_results(name, fields):
    result = getattr(linalg, name)(IDENTITY)
    assert type(result) is getattr(torch.return_types, f"linalg_{name}")
    assert [getattr(result, field) is part for field, part in zip(fields.split(), result, strict=True)]
    assert repr(result).startswith(f"torch.return_types.linalg_{name}(\n{fields.split()[0]}=tensor(")


def test_singular_matrices_without_errors():
    inverse, info = linalg.inv_ex(LAST_ZERO)
    assert info.item() == 2 and info.dtype is torch.int32
    assert np.array_equal(inverse.numpy(), [[np.nan, np.nan], [np.nan, np.inf]], equal_nan=True)
    assert linalg.inv_ex(SINGULAR).inverse.isinf().all()
    assert linalg.det(LAST_ZERO).item() == 0
    assert linalg.slogdet(LAST_ZERO).logabsdet.item() == -np.inf
    assert linalg.cond(LAST_ZERO).item() == linalg.cond(SINGULAR, 1).item() == np.inf
    assert torch.logdet(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).isnan()
    factor, info = linalg.cholesky_ex(torch.tensor([[1.0, 7, 8], [0.5, 4, 9], [0.1, 3, -4]]))
    assert info.item() == 3
    assert factor[2, 2].item() == pytest.approx(-6.3307, abs=1e-4)


def test_determinants_of_singular_matrices_have_their_cofactors_as_gradient():
    x = torch.tensor([[1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    linalg.det(x).backward()
    assert x.grad.tolist() == [[0.0, 0.0], [0.0, 1.0]]
    for rank in (1, 2, 3):
        y = (double(4, rank) @ double(rank, 4, seed=1)).requires_grad_()
        assert gradcheck(linalg.det, [y])
        assert gradgradcheck(linalg.det, [y])


def test_third_derivatives_of_determinants():
    x = double(3, 3, requires_grad=True)

    def second(x):
        (first,) = torch.autograd.grad(linalg.det(x), x, create_graph=True)
        return torch.autograd.grad((first * first).sum(), x, create_graph=True)[0]

    assert gradcheck(second, [x])


def test_what_has_no_derivative_says_so():
    x = torch.ones(3, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="depends on Q, which is not computed when mode='r'"):
        linalg.qr(x, "r").R.sum().backward()
    with pytest.raises(RuntimeError, match="not differentiable when mode='complete' and nrows > ncols"):
        linalg.qr(x, "complete").R.sum().backward()
    with pytest.raises(NotImplementedError, match="the derivative for 'geqrf' is not implemented"):
        torch.geqrf(x)[0].sum().backward()


@pytest.mark.parametrize(
    "function", [lambda x: linalg.eigh(x)[1], lambda x: linalg.eig(x)[1], lambda x: linalg.svd(x)[0]]
)
def test_losses_that_depend_on_phases_are_refused(function):
    x = (double(3, 3) + 1j * double(3, 3, seed=1)).requires_grad_()
    with pytest.raises(RuntimeError, match=r"specified up to multiplication by e\^\{i phi\}"):
        function(x).imag.sum().backward()


def test_elimination_in_panels_is_elimination():
    for shape in ((70, 70), (50, 90), (90, 50), (3, 40, 40)):
        x = double(*shape)
        p, lower, upper = linalg.lu(x)
        assert torch.allclose(p @ lower @ upper, x)
        assert (lower.abs() <= 1).all()


def test_solutions_by_factors():
    a, b = double(2, 3, 3), double(2, 3, 2, seed=1)
    packed, pivots = linalg.lu_factor(a)
    assert torch.allclose(a @ linalg.lu_solve(packed, pivots, b), b)
    assert torch.allclose(a.mT @ linalg.lu_solve(packed, pivots, b, adjoint=True), b)
    assert torch.allclose(linalg.lu_solve(packed, pivots, b.mT, left=False) @ a, b.mT)
    assert torch.allclose(linalg.lu_solve(packed, pivots, b.mT, left=False, adjoint=True) @ a.mT, b.mT)
    definite = a @ a.mT + torch.eye(3)
    factor = linalg.cholesky(definite)
    assert torch.allclose(definite @ torch.cholesky_solve(b, factor), b)
    assert torch.allclose(torch.cholesky_inverse(factor.mT, upper=True), linalg.inv(definite))


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk->ik",
        "ij,jk",
        "ii->i",
        "ii",
        "ij->ji",
        "i...,...k",
        "bij,bjk->bik",
        "ij,kj,lj->ikl",
        "ij,ij->",
        "...ij,jk->...k",
    ],
)
def test_einsum(equation):
    left = equation.split("->")[0].split(",")
    arrays = [
        np.random.default_rng(i).standard_normal([3] * len(term.replace("...", ""))) for i, term in enumerate(left)
    ]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    found = torch.einsum(equation, *tensors)
    assert np.allclose(found.detach().numpy(), np.einsum(equation, *arrays))
    assert gradcheck(lambda *x: torch.einsum(equation, *x), tensors)


def test_einsum_with_lists_of_subscripts():
    x, y = double(2, 3), double(3, 4, seed=1)
    assert torch.equal(torch.einsum(x, [0, 1], y, [1, 2], [0, 2]), torch.einsum("ij,jk->ik", x, y))
    assert torch.equal(torch.einsum(x, [0, 1]), x)
    assert torch.equal(torch.einsum("ij", [x]), x)


def test_chains_are_multiplied_in_the_cheapest_order():
    chain = [double(10, 100), double(100, 5, seed=1), double(5, 50, seed=2), double(50, seed=3)]
    assert torch.allclose(linalg.multi_dot(chain), chain[0] @ chain[1] @ chain[2] @ chain[3])


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, float("inf")])
def test_distances_of_pairs(p):
    x, y = double(3, 4, requires_grad=True), double(5, 4, seed=1, requires_grad=True)
    found = torch.cdist(x, y, p)
    expected = np.linalg.norm(x.detach().numpy()[:, None] - y.detach().numpy(), p, -1)
    assert np.allclose(found.detach().numpy(), expected)
    if p:
        assert gradcheck(lambda x, y: torch.cdist(x, y, p), [x, y])
    assert torch.allclose(torch.pdist(x, p), torch.cdist(x, x, p)[np.triu_indices(3, 1)])


def test_where_points_meet_distances_have_no_gradient():
    x = torch.ones(2, 3, requires_grad=True)
    torch.cdist(x, torch.ones(2, 3)).sum().backward()
    assert x.grad.tolist() == [[0.0] * 3] * 2


def test_transforms_are_each_others_inverses():
    x = double(3, 7)
    z = x + 1j * double(3, 7, seed=1)
    fft = torch.fft
    for norm in ("backward", "ortho", "forward"):
        assert torch.allclose(fft.ifft(fft.fft(z, norm=norm), norm=norm), z)
        assert torch.allclose(fft.ifftn(fft.fftn(z, norm=norm), norm=norm), z)
        assert torch.allclose(fft.irfft(fft.rfft(x, norm=norm), 7, norm=norm), x)
        assert torch.allclose(fft.irfftn(fft.rfftn(x, norm=norm), (3, 7), norm=norm), x)
        assert torch.allclose(fft.hfft(fft.ihfft(x, norm=norm), 7, norm=norm), x)
        assert torch.allclose(fft.hfftn(fft.ihfftn(x, norm=norm), (3, 7), norm=norm), x)
    assert torch.equal(fft.ifftshift(fft.fftshift(x)), x)
    assert fft.fft(torch.ones(4)).dtype is torch.complex64


def test_a_signal_from_its_spectra():
    x = double(2, 40, requires_grad=True)
    window = torch.hann_window(8, dtype=torch.float64)
    spectra = torch.stft(x, 8, window=window, return_complex=True)
    assert spectra.shape == (2, 5, 21)
    assert torch.allclose(torch.istft(spectra, 8, window=window, length=40), x)
    assert gradcheck(lambda x: torch.view_as_real(torch.stft(x, 8, window=window, return_complex=True)), [x])


def test_removed_precision_is_kept():
    """Functions of float32 matrices are float32; the half types of the exponential are computed in float32."""
    for function in (linalg.inv, linalg.det, linalg.pinv, linalg.matrix_exp, linalg.svdvals, linalg.eigvalsh):
        assert function(IDENTITY).dtype is torch.float32
    assert linalg.matrix_exp(torch.zeros(2, 2, dtype=torch.bfloat16)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_out():
    target = torch.empty(2, 2)
    assert linalg.inv(2 * IDENTITY, out=target) is target
    assert target.tolist() == [[0.5, 0.0], [0.0, 0.5]]
    parts = torch.empty(0), torch.empty(0), torch.empty(0)
    result = linalg.svd(IDENTITY, out=parts)
    assert result.S is parts[1] and parts[1].tolist() == [1.0, 1.0]
