"""The rule of every operation: its formula's derivative, in numbers, is what backward computes on the rows of the table."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule import explain
from chainrule.insight.derivation import values_of
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
    "linalg_eigh-0": "eigenvectors",
    "linalg_eigh-1": "eigenvectors",
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
    assert all(agreed)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.linalg.cholesky(x),
        lambda x: torch.linalg.eigvalsh(x),
        lambda x: torch.linalg.eigh(x).eigenvalues,
        lambda x: torch.linalg.solve(x, x[0]),
        lambda x: torch.linalg.inv(x).trace(),
    ],
)
def test_functions_of_symmetric_matrices(function):
    x = torch.tensor([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]], dtype=torch.float64, requires_grad=True)
    assert formula_agrees(weighted_total(function(x)), x)
