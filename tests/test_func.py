"""torch.func: derivatives as functions of functions, and how they compose."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule.func import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def cubic(x):
    return (x**3).sum()


X, T = double([1.0, 2.0]), double([1.0, -1.0])


def test_grad():
    assert grad(cubic)(X).tolist() == [3, 12]
    assert not grad(cubic)(X).requires_grad
    found, value = grad_and_value(cubic)(X)
    assert (found.tolist(), value.item(), value.requires_grad) == ([3, 12], 9, False)
    a, b = grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(X, T)
    assert (a.tolist(), b.tolist()) == ([1, -1], [1, 2])
    assert grad(lambda x, y: (x * y).sum(), argnums=-1)(X, T).tolist() == [1, 2]
    found, aux = grad(lambda x: (cubic(x), {"x": x * 2}), has_aux=True)(X)
    assert (found.tolist(), aux["x"].tolist(), aux["x"].requires_grad) == ([3, 12], [2, 4], False)
    assert grad(lambda d: (d["a"] * d["b"]).sum())({"a": X, "b": T})["b"].tolist() == [1, 2]
    assert grad(lambda x: torch.ones(()))(X).tolist() == [0, 0]
    with torch.no_grad():
        assert grad(cubic)(X).tolist() == [3, 12]


def test_higher_orders():
    x = double(2.0)
    f = lambda x: x**5  # noqa: E731
    assert [grad(f)(x).item(), grad(grad(f))(x).item(), grad(grad(grad(f)))(x).item()] == [80, 160, 240]


def test_outer_graph_is_kept():
    w = double(3.0).requires_grad_()
    found = grad(lambda x: w * x * x)(double(2.0))
    assert found.item() == 12
    found.backward()
    assert w.grad.item() == 4
    x = double(2.0).requires_grad_()
    grad(lambda x: x**3)(x).backward()
    assert x.grad.item() == 12


def test_vjp():
    out, pull = vjp(lambda x, y: (x * y, x + y), X, T)
    assert [y.tolist() for y in out] == [[1, -2], [2, 1]]
    a, b = pull((double([1.0, 1.0]), double([0.0, 1.0])))
    assert (a.tolist(), b.tolist()) == ([1, 0], [1, 3])
    (again, _) = pull((double([1.0, 1.0]), double([0.0, 1.0])))
    assert again.tolist() == [1, 0]
    _, _, aux = vjp(lambda x: (x, x * 5), X, has_aux=True)
    assert aux.tolist() == [5, 10]


def test_gradient_by_what_comes_in():
    _, pull = vjp(torch.sin, double(0.5))
    assert grad(lambda g: pull(g)[0])(double(2.0)).item() == pytest.approx(np.cos(0.5))


def test_jvp():
    out, moved = jvp(cubic, (X,), (T,))
    assert (out.item(), moved.item()) == (9, -9)
    out, moved, aux = jvp(lambda x: (x * 2, x), (X,), (T,), has_aux=True)
    assert (moved.tolist(), aux.tolist()) == ([2, -2], [1, 2])
    assert jvp(lambda x: torch.ones(2), (X,), (T,))[1].tolist() == [0, 0]
    with pytest.raises(RuntimeError, match="strict"):
        jvp(lambda x: torch.ones(2), (X,), (T,), strict=True)


def test_jvp_of_jvp_keeps_tangents_apart():
    x, one = double(3.0), double(1.0)
    inner = lambda x: jvp(lambda y: x * y, (one,), (one,))[1]  # noqa: E731  d(xy)/dy = x
    assert jvp(lambda x: x * inner(x), (x,), (one,))[1].item() == 6
    second = jvp(lambda x: jvp(lambda x: x**3, (x,), (one,))[1], (x,), (one,))[1]
    assert second.item() == 18


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_jacobians(jacobian):
    assert jacobian(lambda x: x**2)(X).tolist() == [[2, 0], [0, 4]]
    a, b = jacobian(lambda x, y: x * y, argnums=(0, 1))(X, T)
    assert (a.tolist(), b.tolist()) == ([[1, 0], [0, -1]], [[1, 0], [0, 2]])
    found = jacobian(lambda x: {"s": x.sum(), "x": x})(X)
    assert (found["s"].tolist(), found["x"].tolist()) == ([1, 1], [[1, 0], [0, 1]])
    found, aux = jacobian(lambda x: (x * 2, x), has_aux=True)(X)
    assert (found.tolist(), aux.tolist()) == ([[2, 0], [0, 2]], [1, 2])


@pytest.mark.parametrize("outer", [jacrev, jacfwd])
@pytest.mark.parametrize("inner", [jacrev, jacfwd, grad])
def test_second_derivatives(outer, inner):
    assert outer(inner(cubic))(X).tolist() == [[6, 0], [0, 12]]
    assert hessian(cubic)(X).tolist() == [[6, 0], [0, 12]]


def test_with_vmap():
    batch = double([[1.0, 2.0], [3.0, -1.0]])
    w = double([2.0, 5.0])
    loss = lambda w, x: ((w * x).sum()) ** 2  # noqa: E731
    expected = np.stack([2 * (w.numpy() @ x) * x for x in batch.numpy()])
    assert np.allclose(vmap(grad(loss), in_dims=(None, 0))(w, batch).numpy(), expected)
    assert np.allclose(vmap(jacrev(loss), in_dims=(None, 0))(w, batch).numpy(), expected)
    assert np.allclose(vmap(jacfwd(loss), in_dims=(None, 0))(w, batch).numpy(), expected)
    rows = np.stack([2 * np.outer(x, x) for x in batch.numpy()])
    assert np.allclose(vmap(hessian(loss), in_dims=(None, 0))(w, batch).numpy(), rows)
    assert np.allclose(vmap(jacrev(grad(loss)), in_dims=(None, 0))(w, batch).numpy(), rows)
    _, moved = jvp(lambda w: vmap(loss, in_dims=(None, 0))(w, batch), (w,), (T,))
    assert np.allclose(moved.numpy(), expected @ T.numpy())
    total = grad(lambda w: vmap(loss, in_dims=(None, 0))(w, batch).sum())(w)
    assert np.allclose(total.numpy(), expected.sum(0))
    _, pulled = vmap(lambda x: (vjp(cubic, x)[0], vjp(cubic, x)[1](torch.ones((), dtype=torch.float64))[0]))(batch)
    assert np.allclose(pulled.numpy(), 3 * batch.numpy() ** 2)


def test_chunked_jacobian():
    assert jacrev(lambda x: x**2, chunk_size=1)(X).tolist() == [[2, 0], [0, 4]]


def test_linearize():
    out, along = linearize(lambda x: x**2, X)
    assert (out.tolist(), along(T).tolist(), along(2 * T).tolist()) == ([1, 4], [2, -4], [4, -8])
    with pytest.raises(RuntimeError, match="doesn't match the shape"):
        along(T[:1])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: grad(lambda x: x)(X),
            RuntimeError,
            "Expected f\\(\\*args\\) to return a scalar Tensor, got tensor with 1",
        ),
        (lambda: grad(lambda x: (x.sum(), x))(X), RuntimeError, "to return a Tensor, got <class 'tuple'>"),
        (lambda: grad(cubic, argnums=1)(X), RuntimeError, "Got argnum=1, but only 1 positional inputs"),
        (lambda: grad(cubic, argnums="0")(X), RuntimeError, "argnums must be int or Tuple"),
        (lambda: grad(cubic, argnums=(0, 0))(X), RuntimeError, "argnums elements must be unique"),
        (lambda: grad(cubic, has_aux=True)(X), RuntimeError, r"should be a tuple: \(output, aux\) if has_aux is True"),
        (lambda: grad(cubic)(1), ValueError, "Thing passed to transform API must be Tensor, got <class 'int'>"),
        (lambda: grad(cubic)(torch.tensor([1])), RuntimeError, "only Tensors of floating point dtype can require"),
        (lambda: vjp(lambda x: 1, X), RuntimeError, r"expected f\(\*primals\) to return only tensors"),
        (lambda: vjp(lambda x: None, X), RuntimeError, "Expected f to be a function that has non-empty output"),
        (lambda: jvp(cubic, X, T), RuntimeError, "Expected primals to be a tuple"),
        (lambda: jvp(cubic, (X,), (T, T)), RuntimeError, "to have the same python structure"),
        (lambda: jvp(cubic, (1,), (T,)), RuntimeError, "Expected primals to only contain Tensors"),
        (lambda: jvp(cubic, (), ()), RuntimeError, "Expected primals to contain at least one Tensor"),
        (lambda: jvp(cubic, (X,), (T[:1],)), RuntimeError, "different size than that of the original Tensor"),
        (lambda: jacrev(cubic, chunk_size=0), ValueError, "`chunk_size` should be greater than 0"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_functional_call_names_the_keys():
    linear = torch.nn.Linear(2, 2, bias=False)
    weight = {"weight": torch.eye(2)}
    with pytest.raises(RuntimeError, match=r"(?s)Unexpected key\(s\): 'foo'\..*Missing key\(s\): 'weight'\."):
        torch.func.functional_call(linear, {"foo": torch.ones(2)}, torch.ones(2), strict=True)
    with pytest.raises(ValueError, match=r"\['weight'\] appeared in multiple dictionaries"):
        torch.func.functional_call(linear, [weight, weight], torch.ones(2))


def test_jacobians_of_nothing():
    assert jacrev(lambda x: x[x > 5])(torch.ones(2)).shape == (0, 2)
    assert jacrev(lambda x: (x[:0], x), chunk_size=1)(torch.ones(2))[0].shape == (0, 2)
    assert jacfwd(lambda x: x * 2)(torch.ones(0)).shape == (0, 0)
