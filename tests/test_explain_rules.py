"""The rule of every operation: its formula's derivative, in numbers, is what backward computes on the rows of the table."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule import explain
from chainrule.insight.evaluation import values_of
from chainrule.insight.formulas import COMPLEX_RULES, RULES
from chainrule.insight.rules import WITHOUT_RULE
from chainrule.op import REGISTRY
from chainrule.tensor import Tensor

from .op_checks import arrays_of, has_formula, run, tensors_of
from .op_samples import ROWS

DIFFERENTIABLE = {name for name, record in REGISTRY.items() if record.differentiable}
ENOUGH = 3_000_000  # steps of an evaluation: a few seconds

# rows that have no formula, though their operation has a rule
NO_FORMULA = {
    "scatter_reduce-2": "a product",
    "scatter_reduce-3": "a product",
    "index_reduce-0": "a product",
    "index_reduce-1": "a product",
    "linalg_cholesky_ex-0": "the row adds a constant that no node keeps",
    "linalg_cholesky_ex-1": "the row adds a constant that no node keeps",
    "linalg_lu_factor_ex-3": "a solution with both factors: longer than anyone would read",
    "linalg_eig": "eigenvectors, whose length is 1: not by a formula of complex numbers",
}


def test_every_operation_has_a_rule_or_a_reason():
    assert sorted(DIFFERENTIABLE - set(RULES) - set(WITHOUT_RULE)) == []
    assert sorted((set(RULES) | set(WITHOUT_RULE)) - DIFFERENTIABLE) == [], "rules of operations that do not exist"
    assert not set(RULES) & set(WITHOUT_RULE)


def weighted_total(y: Tensor) -> Tensor:
    rng = np.random.default_rng(7)
    if y.is_complex():
        y = torch.view_as_real(y)
    return (y * torch.tensor(rng.uniform(0.5, 1.5, y._array.shape), dtype=y.dtype)).sum()


def formula_agrees(total: Tensor, x: Tensor) -> bool:
    """Whether the formula gives at every element what backward gives; False where there is no formula."""
    (expected,) = torch.autograd.grad(total, x, retain_graph=True)
    found = explain(total, x)
    formula = found.in_between
    if formula is None:
        assert not any("other numbers" in note for note in found.notes), str(found)
        return False
    target = next(q for q in found.quantities if q.name == found.x)
    numbers = values_of(formula, found.arrays, target.place, x.shape, x.numel(), ENOUGH)
    if numbers is None or len(numbers) < x.numel():
        return False
    got = np.array([numbers[where] for where in np.ndindex(x._array.shape)]).reshape(x._array.shape)
    np.testing.assert_allclose(got, expected._array, rtol=1e-6, atol=1e-8, err_msg=str(found))
    assert isinstance(found.latex(), str)
    return True


CASES = [
    (name if len(rows) == 1 else f"{name}-{i}", name, row)
    for name, rows in ROWS.items()
    for i, row in enumerate(rows)
    if name in RULES and not row.random
]


@pytest.mark.parametrize(("case", "name", "row"), [pytest.param(*case, id=case[0]) for case in CASES])
def test_the_derivative_of_the_formula_is_what_backward_computes(case, name, row):
    record = REGISTRY[name]
    tensors = tensors_of(row, arrays_of(row))
    inputs = [x for k, x in enumerate(tensors) if isinstance(x, Tensor) and x.requires_grad and has_formula(record, k)]
    agreed = []
    for y in run(record, row, tensors):
        if not y.requires_grad or not y.numel():
            continue
        total = weighted_total(y)
        try:
            reached = torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)
        except (RuntimeError, NotImplementedError) as error:
            pytest.skip(f"backward refuses: {error}")
        agreed += [formula_agrees(total, x) for x, gradient in zip(inputs, reached) if gradient is not None]
    assert all(agreed) == (case not in NO_FORMULA)


COMPLEX_CASES = [case for case in CASES if case[1] in COMPLEX_RULES]


@pytest.mark.parametrize(("case", "name", "row"), [pytest.param(*case, id=case[0]) for case in COMPLEX_CASES])
def test_the_derivative_by_complex_inputs_is_what_backward_computes(case, name, row):
    record = REGISTRY[name]
    tensors = tensors_of(row, arrays_of(row, "complex128"))
    inputs = [x for k, x in enumerate(tensors) if isinstance(x, Tensor) and x.requires_grad and has_formula(record, k)]
    if not any(x.is_complex() for x in inputs):
        pytest.skip("it takes real numbers only")
    try:
        results = [y for y in run(record, row, tensors) if y.requires_grad and y.numel()]
    except (RuntimeError, NotImplementedError, TypeError) as error:
        pytest.skip(f"it refuses complex numbers: {error}")
    agreed = []
    for y in results:
        total = weighted_total(y)
        reached = torch.autograd.grad(total, inputs, retain_graph=True, allow_unused=True)
        agreed += [formula_agrees(total, x) for x, gradient in zip(inputs, reached) if gradient is not None]
    assert all(agreed) == (case not in NO_FORMULA)


def matrix(*shape, seed=0, add=0.0):
    values = np.random.default_rng(seed).uniform(-1, 1, shape) + add * np.eye(*shape[-2:])
    return torch.tensor(values, requires_grad=True)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.linalg.cholesky(x),
        lambda x: torch.linalg.cholesky(x, upper=True),
        lambda x: torch.linalg.eigvalsh(x),
        lambda x: torch.linalg.eigh(x).eigenvalues,
        lambda x: torch.linalg.eigh(x).eigenvectors,
        lambda x: torch.linalg.eigh(x, UPLO="U").eigenvectors,
        lambda x: torch.linalg.solve(x, x[0]),
        lambda x: torch.linalg.inv(x).trace(),
        lambda x: torch.linalg.pinv(x, hermitian=True),
    ],
)
def test_functions_of_symmetric_matrices(function):
    x = torch.tensor([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]], dtype=torch.float64, requires_grad=True)
    assert formula_agrees(weighted_total(function(x)), x)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (1, 3), (3, 1), (1, 1), (2, 3, 2)], ids=str)
@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.linalg.svd(x, full_matrices=False).U,
        lambda x: torch.linalg.svd(x, full_matrices=False).S,
        lambda x: torch.linalg.svd(x, full_matrices=False).Vh,
        lambda x: torch.linalg.svdvals(x),
        lambda x: torch.linalg.qr(x).Q,
        lambda x: torch.linalg.qr(x).R,
        lambda x: torch.linalg.pinv(x),
        lambda x: torch.linalg.lstsq(x, x[..., :1] + x[..., :1] ** 2).solution,
    ],
    ids=["U", "S", "Vh", "svdvals", "Q", "R", "pinv", "lstsq"],
)
def test_functions_of_matrices_of_every_shape(function, shape):
    x = matrix(*shape)
    assert formula_agrees(weighted_total(function(x)), x)


def test_vectors_that_only_complete_an_orthogonal_matrix_have_no_formula():
    x = matrix(4, 2)
    U, S, _ = torch.linalg.svd(x)
    assert not formula_agrees(weighted_total(U[:, :2]), x)
    assert formula_agrees(weighted_total(S), x)


def test_equal_eigenvalues_have_vectors_without_a_derivative():
    x = torch.eye(3, dtype=torch.float64).requires_grad_()
    assert not formula_agrees(torch.linalg.eigh(x).eigenvectors.diagonal().sum(), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.linalg.matrix_exp(x),
        lambda x: torch.linalg.matrix_exp(20 * x),
        lambda x: torch.linalg.eigvals(x),
        lambda x: torch.linalg.eig(x).eigenvalues.abs(),
        lambda x: torch.linalg.det(x) * torch.linalg.slogdet(x).logabsdet,
        lambda x: torch.linalg.solve(x, x),
        lambda x: torch.linalg.solve(x, x, left=False),
        lambda x: torch.linalg.multi_dot([x, torch.linalg.inv(x), x]),
        lambda x: torch.linalg.matrix_power(x, -2),
        lambda x: torch.linalg.cond(x),
    ],
)
@pytest.mark.parametrize("size", [1, 3])
def test_functions_of_square_matrices(function, size):
    x = matrix(size, size, add=1.5)
    assert formula_agrees(weighted_total(function(x)), x)


def test_a_pseudoinverse_of_constant_rank():
    low = matrix(4, 1)
    x = low @ matrix(1, 3, seed=1).detach()
    p = torch.linalg.pinv(x)
    assert formula_agrees(weighted_total(p), x)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_fourier_transforms(name, norm, n):
    x = matrix(2, n)
    if name in ("irfft", "hfft"):
        x = torch.complex(matrix(2, n // 2 + 1), matrix(2, n // 2 + 1, seed=1)).detach().requires_grad_()
        y = getattr(torch.fft, name)(x, n=n, norm=norm)
    else:
        y = getattr(torch.fft, name)(x, norm=norm)
    assert formula_agrees(weighted_total(y), x)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "fftn", "rfftn"])
def test_fourier_transforms_of_two_dimensions(name):
    x = matrix(3, 4)
    assert formula_agrees(weighted_total(getattr(torch.fft, name)(x)), x)


def test_factors_go_by_the_programs_names():
    x = matrix(3, 2)
    U, S, Vh = torch.linalg.svd(x, full_matrices=False)
    y = (U * U * S).sum() + Vh[0, 0]
    found = str(explain(y, x))
    assert "∂Sᵢ/∂xⱼₖ = Uⱼᵢ·Vhᵢₖ" in found
    assert "F(x)ᵢⱼ is 1/(sⱼ² - sᵢ²), 0 for i = j, of the singular values s." in found
    result = torch.linalg.qr(x)
    found = str(explain(result.R[0, 0] * result.Q[0, 0], x))
    assert "result.Rᵢⱼ = R(x)ᵢⱼ" in found and "inv(result.R)" in found
    values = torch.linalg.eigvals(x[:2])
    assert "valuesᵢ = eigenvalues(" in str(explain(values.real.sum(), x))
    parts = x.unbind(0)
    assert "= Σᵢ parts[0]ᵢ·parts[2]ᵢ" in str(explain((parts[0] * parts[2]).sum(), x))


def test_a_function_of_a_whole_tensor_goes_by_its_name():
    logits = torch.tensor([0.5, 1.0, -1.0], requires_grad=True)
    p = torch.softmax(logits, 0)
    loss = -p[1].log()
    found = str(explain(loss, logits))
    assert "∂pᵢ/∂logitsⱼ = pᵢ·(δᵢⱼ - pⱼ)" in found
    assert "= softmax(logits)ᵢ - [i = 1]" in found


def test_a_tensor_that_is_several_inputs_of_one_call():
    a = matrix(3, 3, add=2)
    assert formula_agrees(weighted_total(torch.linalg.solve(a, a)), a)
    assert formula_agrees(weighted_total(torch.linalg.lstsq(a, a).solution), a)
