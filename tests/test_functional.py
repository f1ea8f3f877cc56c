"""torch.autograd.functional: products and matrices against formulas, both strategies, strict mode, errors."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule.autograd import functional as F, grad


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def quadratic(x, y):
    """x·x·y summed: gradient (2xy, x²), Hessian blocks diag(2y), diag(2x), 0."""
    return (x * x * y).sum()


X, Y = double([1.0, 2.0]), double([3.0, -1.0])


def test_vjp_and_jvp():
    out, product = F.vjp(lambda x: x * x, X, double([1.0, 10.0]))
    assert out.tolist() == [1, 4]
    assert product.tolist() == [2, 40]
    assert not product.requires_grad
    out, product = F.jvp(lambda x, y: (x * y, x + y), (X, Y), (double([1.0, 0.0]), double([0.0, 1.0])))
    assert [p.tolist() for p in product] == [[3, 2], [1, 1]]
    assert F.vjp(lambda x: x.sum(), X)[1].tolist() == [1, 1]
    assert F.jvp(lambda x: torch.stack([x, x * 2]), double(3.0))[1].tolist() == [1, 2]


@pytest.mark.parametrize("options", [{}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}], ids=str)
def test_jacobian(options):
    found = F.jacobian(lambda x, y: (x * y, y.sum()), (X, Y), **options)
    assert [[block.tolist() for block in row] for row in found] == [
        [[[3, 0], [0, -1]], [[1, 0], [0, 2]]],
        [[0, 0], [1, 1]],
    ]
    single = F.jacobian(lambda x: x.exp(), X, **options)
    assert np.allclose(single.numpy(), np.diag(np.exp(X.numpy())))


@pytest.mark.parametrize(
    "options", [{}, {"vectorize": True}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}], ids=str
)
def test_hessian(options):
    found = F.hessian(quadratic, (X, Y), **options)
    assert [[block.tolist() for block in row] for row in found] == [
        [[[6, 0], [0, -2]], [[2, 0], [0, 4]]],
        [[[2, 0], [0, 4]], [[0, 0], [0, 0]]],
    ]
    assert F.hessian(lambda x: (x**3).sum(), X, **options).tolist() == [[6, 0], [0, 12]]


@pytest.mark.parametrize("product", [F.vhp, F.hvp])
def test_hessian_products(product):
    out, found = product(quadratic, (X, Y), (double([1.0, 1.0]), double([0.0, 1.0])))
    assert out.item() == 3 - 4
    assert [f.tolist() for f in found] == [[6, 2], [2, 4]]


def test_create_graph():
    x = double([1.0, 2.0]).requires_grad_()
    _, product = F.vjp(lambda x: x**3, x, double([1.0, 1.0]), create_graph=True)
    (second,) = grad(product.sum(), x)
    assert second.tolist() == [6, 12]
    matrix = F.jacobian(lambda x: x**3, x, create_graph=True)
    assert grad(matrix.sum(), x)[0].tolist() == [6, 12]
    assert F.jacobian(lambda x: x**3, x).requires_grad is False
    with torch.no_grad():
        assert F.vjp(lambda x: x**3, x, double([1.0, 1.0]))[1].tolist() == [3, 12]


def test_strict():
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function does not require gradients"):
        F.vjp(lambda x: x.detach(), X, X, strict=True)
    with pytest.raises(RuntimeError, match="independent of input 1"):
        F.vjp(lambda x, y: x * 2, (X, Y), X, strict=True)
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function is independent of input 1"):
        F.jacobian(lambda x, y: x * 2, (X, Y), strict=True)
    with pytest.raises(RuntimeError, match="jacobian of the user-provided function is independent of input 0"):
        F.jacobian(lambda x: x * 2, X, strict=True, create_graph=True)
    with pytest.raises(RuntimeError, match="found that the jacobian of the user-provided function"):
        F.hessian(lambda x: x.sum(), X, strict=True)
    assert F.vjp(lambda x: x.detach(), X, X)[1].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.vjp(lambda x: x, [X], X), TypeError, "The inputs given to vjp must be either a Tensor or a tuple"),
        (lambda: F.vjp(lambda x, y: x, (X, 2), X), TypeError, "the value at index 1 has type <class 'int'>"),
        (lambda: F.vjp(lambda x: 2, X, X), TypeError, "The outputs of the user-provided function given to vjp"),
        (lambda: F.vjp(lambda x: x, X), RuntimeError, "can only be None if the user-provided function returns"),
        (lambda: F.vjp(lambda x: x, X, (X, X)), RuntimeError, "The given v should contain a single Tensor"),
        (
            lambda: F.vjp(lambda x: (x, x), X, (X,)),
            RuntimeError,
            "v is a tuple of invalid length: should be 2 but got 1",
        ),
        (lambda: F.vjp(lambda x: x, X, X[:1]), RuntimeError, r"v has invalid size: should be torch.Size\(\[2\]\)"),
        (lambda: F.jvp(lambda x: x, X), RuntimeError, "can only be None if the input to the user-provided function"),
        (lambda: F.hessian(lambda x: x, X), RuntimeError, "should contain a single element"),
        (lambda: F.hessian(lambda x: (x.sum(),), X), RuntimeError, "should return a single Tensor"),
        (lambda: F.vhp(lambda x: (x.sum(),), X, X), RuntimeError, "The function given to vhp should return a single"),
        (lambda: F.jacobian(lambda x: x, X, strategy="sideways"), AssertionError, "Expected strategy to be either"),
        (lambda: F.jacobian(lambda x: x, X, strict=True, vectorize=True), RuntimeError, "not supported together"),
        (lambda: F.jacobian(lambda x: x, X, strategy="forward-mode"), NotImplementedError, "only implemented for"),
        (
            lambda: F.jacobian(lambda x: x, X, strategy="forward-mode", vectorize=True, create_graph=True),
            NotImplementedError,
            "not supported together",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_inputs_keep_their_state():
    x = double([1.0, 2.0]).requires_grad_()
    F.jacobian(lambda x: x * x, x)
    F.hessian(lambda x: (x * x).sum(), x)
    assert x.grad is None
    assert x.requires_grad
    assert x.grad_fn is None


def test_a_strict_hessian_says_which_output_is_independent():
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function does not require gradients"):
        F.hessian(lambda x: x.detach().sum(), torch.ones(2), strict=True)


def test_random_numbers_in_a_forward_mode_jacobian():
    with pytest.raises(RuntimeError, match="do not yet support calling random operations inside of vmap"):
        F.jacobian(lambda x: x * torch.rand(2), torch.ones(2), vectorize=True, strategy="forward-mode")
