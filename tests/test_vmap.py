"""vmap: batches in and out, nesting, randomness, in-place writes, indexing, custom Functions, errors."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule.autograd import Function, grad
from chainrule.func import vmap


def numbers(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def same(got, expected):
    assert got.shape == expected.shape
    assert np.allclose(got.numpy(), expected.numpy() if isinstance(expected, torch.Tensor) else expected)


def test_dimensions_in_and_out():
    x, y = numbers(3, 4), numbers(4, 3)
    same(vmap(torch.dot)(x, y.t()), (x * y.t()).sum(1))
    same(vmap(torch.dot, in_dims=(0, 1))(x, y), (x * y.t()).sum(1))
    same(vmap(lambda v: v * 2, in_dims=-1, out_dims=-1)(x), x * 2)
    same(vmap(lambda v, w: v + w, in_dims=(0, None))(x, y[:, 0]), x + y[:, 0])
    a, b = vmap(lambda v: (v, v.sum()), out_dims=(1, 0))(x)
    same(a, x.t())
    same(b, x.sum(1))
    same(vmap(lambda v: torch.ones(2))(x), torch.ones(3, 2))
    assert vmap(lambda v: 5, out_dims=None)(x) == 5


def test_containers():
    x = numbers(3, 2)
    found = vmap(lambda d, pair: {"a": d["x"] + pair[0], "b": [pair[1]]}, in_dims=({"x": 0}, (0, None)))(
        {"x": x}, (x, torch.ones(1))
    )
    same(found["a"], 2 * x)
    assert found["b"][0].shape == (3, 1)


def test_samples_look_like_samples():
    seen = []

    def f(x):
        seen.append((x.shape, x.ndim, x.numel(), x.dtype, len(x), x.stride()))
        return x

    vmap(f, in_dims=1)(numbers(4, 3))
    assert seen == [((4,), 1, 4, torch.float64, 4, (3,))]


def test_nested():
    x, y = numbers(3, 4), numbers(2, 4)
    same(vmap(lambda a: vmap(lambda b: (a * b).sum())(y))(x), (x.unsqueeze(1) * y).sum(2))
    same(
        vmap(vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))(x[:, 0], y[:, 0]),
        torch.outer(x[:, 0], y[:, 0]),
    )


def test_chunks():
    x = numbers(7, 2)
    sizes = []

    def f(v):
        sizes.append(1)
        return v.sin(), v.sum()

    a, b = vmap(f, chunk_size=3, out_dims=(1, 0))(x)
    assert len(sizes) == 3
    same(a, x.sin().t())
    same(b, x.sum(1))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[1],
        lambda x: x[:, 1:],
        lambda x: x[..., None].sum(0),
        lambda x: x.t().reshape(-1),
        lambda x: x.view(2, 2, 2).permute(2, 0, 1),
        lambda x: x[torch.tensor([2, 0])],
        lambda x: x[:, torch.tensor([1, 0])],
        lambda x: x[torch.tensor([2, 0]), torch.tensor([1, 1])],
        lambda x: torch.cat([x, torch.ones(1, 2, dtype=torch.float64)]),
        lambda x: torch.stack([x[0], x[1]], 1),
        lambda x: x.mm(x.t()).exp(),
        lambda x: x.mm(torch.ones(2, 3, dtype=torch.float64)),
        lambda x: x @ x[0],
        lambda x: x.mean(1, keepdim=True) * x,
        lambda x: x.expand(2, 4, 2),
        lambda x: x.unbind(1)[0],
        lambda x: x + x[0] + 1,
        lambda x: (x > 0).to(torch.float64) - x,
        lambda x: x.sum() * x,
    ],
)
def test_against_one_by_one(f):
    x = numbers(3, 4, 2)
    same(vmap(f)(x), torch.stack([f(x[i]) for i in range(3)]))
    same(vmap(f, in_dims=2)(x.permute(1, 2, 0)), torch.stack([f(x[i]) for i in range(3)]))


def test_indices_may_be_batches():
    x, i = numbers(3, 4, 2), torch.tensor([[0, 3], [1, 1], [2, 0]])
    same(vmap(lambda x, i: x[i])(x, i), torch.stack([x[k][i[k]] for k in range(3)]))
    same(vmap(lambda i: x[0][i])(i), torch.stack([x[0][i[k]] for k in range(3)]))
    same(vmap(lambda x, i: x[:, i % 2])(x, i), torch.stack([x[k][:, i[k] % 2] for k in range(3)]))


def test_promotion_of_samples_without_dimensions():
    x, y = torch.ones(3, dtype=torch.float64), torch.ones(3, 2)
    assert vmap(lambda a, b: a + b)(x, y).dtype is torch.float32


def test_in_place():
    x = numbers(3, 2)

    def f(v):
        w = v.clone()
        w[0] = 5
        w.mul_(2)
        w[1:] += v[1:]
        return w

    same(vmap(f)(x), torch.stack([f(x[i]) for i in range(3)]))

    def into_plain(v):
        made = torch.zeros(2, dtype=torch.float64)
        made.add_(v)
        return made

    with pytest.raises(RuntimeError, match="vmap: inplace arithmetic"):
        vmap(into_plain)(x)
    same(vmap(lambda v: v.new_zeros(2).add_(v))(x), x)


@pytest.mark.parametrize(
    "change", [lambda v: v.squeeze_(0), lambda v: v.t_(), lambda v: v.unsqueeze_(0), lambda v: v.transpose_(0, 1)]
)
def test_in_place_changes_of_shape(change):
    x = numbers(3, 1, 2)

    def f(v):
        w = v * 2
        assert change(w) is w
        return w + 1

    same(vmap(f)(x), torch.stack([f(x[i]) for i in range(3)]))


def test_gradients_flow_through():
    x = numbers(3, 2).requires_grad_()
    (g,) = grad(vmap(lambda v: (v.sin() * v).sum())(x).sum(), x)
    same(g, x.detach().cos() * x.detach() + x.detach().sin())


def test_gradients_of_a_batch():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    seeds = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    (found,) = grad(y, x, seeds, is_grads_batched=True)
    assert found.tolist() == [[2, 0], [0, 4], [2, 4]]


def test_randomness():
    x = numbers(3, 2)
    with pytest.raises(RuntimeError, match="vmap: called random operation while in randomness error mode"):
        vmap(lambda v: v + torch.rand(2))(x)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(torch.rand_like)(x)
    one = vmap(lambda v: torch.rand(2), randomness="same")(x)
    assert one[0].tolist() == one[1].tolist()
    several = vmap(lambda v: torch.rand(2), randomness="different")(x)
    assert several[0].tolist() != several[1].tolist()
    with pytest.raises(RuntimeError, match="Only allowed values for randomness"):
        vmap(torch.sin, randomness="much")


def test_custom_functions():
    class Plain(Function):
        @staticmethod
        def forward(x):
            return x.exp()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    class Derived(Plain):
        generate_vmap_rule = True

    class Ruled(Plain):
        @staticmethod
        def vmap(info, in_dims, x):
            assert info.batch_size == 3
            assert in_dims == (0,)
            return Ruled.apply(x), 0

    x = numbers(3, 2)
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        vmap(Plain.apply)(x)
    same(vmap(Derived.apply)(x), x.exp())
    same(vmap(Ruled.apply)(x), x.exp())
    y = x.clone().requires_grad_()
    (g,) = grad(vmap(Derived.apply)(y).sum(), y)
    same(g, x.exp())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: vmap(torch.sin, in_dims="a")(x), ValueError, "expected `in_dims` to be int or a"),
        (lambda x: vmap(torch.sin)(), ValueError, "got no inputs"),
        (lambda x: vmap(torch.sin)(()), ValueError, "Expected at least one Tensor to vmap over"),
        (lambda x: vmap(torch.sin, in_dims=(0, 0))(x), ValueError, "in_dims is not compatible with the structure"),
        (
            lambda x: vmap(torch.sin, in_dims=(1.5,))(x),
            ValueError,
            "in_dim must be either an integer dimension or None",
        ),
        (lambda x: vmap(torch.sin)(1), ValueError, "We cannot vmap over non-Tensor arguments"),
        (lambda x: vmap(torch.sin, in_dims=3)(x), ValueError, "expected in_dim to satisfy -2 <= in_dim < 2"),
        (lambda x: vmap(torch.add)(x, x[:2]), ValueError, r"got sizes \[3, 2\] for the mapped dimension"),
        (lambda x: vmap(lambda x: 1)(x), ValueError, "must only return Tensors, got type <class 'int'>"),
        (lambda x: vmap(lambda x: x, out_dims=(0, 0))(x), ValueError, "out_dims is not compatible"),
        (lambda x: vmap(lambda x: x, out_dims="a")(x), ValueError, "`out_dims` must be an int, None or"),
        (
            lambda x: vmap(lambda x: x, out_dims=None)(x),
            ValueError,
            "can not return a BatchedTensor when out_dim is None",
        ),
        (lambda x: vmap(lambda x: x, chunk_size=0), ValueError, "chunk_size should be None or greater than 0"),
        (lambda x: vmap(lambda x: x[0].item())(x), RuntimeError, r"calling .item\(\) on a Tensor"),
        (lambda x: vmap(lambda x: x if x[0] > 0 else -x)(x), RuntimeError, "data-dependent control flow"),
        (lambda x: vmap(lambda x: x.numpy())(x), RuntimeError, "Cannot access data pointer"),
        (lambda x: vmap(lambda x: x.tolist())(x), RuntimeError, "Cannot access data pointer"),
        (lambda x: vmap(lambda x: torch.tensor([x.sum(), x.sum()]))(x), RuntimeError, r"calling .item\(\)"),
        (lambda x: vmap(lambda x: x.data)(x), RuntimeError, "accessing `data` under vmap transform"),
        (lambda x: vmap(lambda x: setattr(x, "data", x))(x), RuntimeError, "mutating directly with `.data` under vmap"),
        (
            lambda x: vmap(lambda x: x.sum().backward())(x.requires_grad_()),
            RuntimeError,
            r"backward\(\) called inside a functorch transform",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(numbers(3, 2))


def test_printing():
    seen = []
    vmap(lambda v: seen.append(repr(v)) or v)(torch.tensor([[1.0], [2.0]]))
    assert seen == ["BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[1.],\n            [2.]])\n)"]


def test_a_failure_closes_the_level():
    with pytest.raises(ZeroDivisionError):
        vmap(lambda x: 1 / 0)(numbers(3))
    same(vmap(torch.sin)(numbers(3)), numbers(3).sin())


def test_sums_and_squeezes_of_batches_have_the_nodes_of_those_that_name_dimensions():
    x = torch.ones(2, 3, 1, requires_grad=True)
    assert vmap(torch.sum)(x).grad_fn.name() == "SumBackward1"
    assert vmap(torch.mean)(x).grad_fn.name() == "MeanBackward1"
    assert vmap(lambda s: s.squeeze(1))(x).grad_fn.name() == "SqueezeBackward2"


def test_squeezing_a_sample_without_dimensions():
    same(vmap(lambda s: s.squeeze(-1))(torch.ones(2)), torch.ones(2))
    with pytest.raises(RuntimeError, match=r"expected to be in range of \[-1, 0\], but got \[1\]"):
        vmap(lambda s: s.squeeze(1))(torch.ones(2))
    with pytest.raises(IndexError, match=r"expected to be in range of \[-1, 0\], but got 1"):
        vmap(lambda s: s.squeeze(1))(torch.ones(2, 3))


def test_what_vmap_does_not_take():
    with pytest.raises(RuntimeError, match="we do not yet support aten::rrelu"):
        vmap(torch.rrelu)(torch.ones(2))
    with pytest.raises(RuntimeError, match="Batch norm got a batched tensor as input while the running_mean"):
        vmap(torch.nn.BatchNorm1d(2))(torch.rand(4, 3, 2))


def test_the_condition_of_where_is_not_promoted():
    x = torch.tensor([-1.0, 1.0])
    found = vmap(lambda s: torch.where(s > 0, s, torch.zeros(2, dtype=torch.float64)))(x)
    same(found, torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64))


def test_bounds_by_name():
    x = torch.tensor([-1.0, 0.0, 1.0])
    same(vmap(lambda s: s.clamp_min(min=-0.5))(x), torch.tensor([-0.5, 0.0, 1.0]))
    same(torch.clamp_max(x, max=torch.tensor(0.5)), torch.tensor([-1.0, 0.0, 0.5]))
    same(x.clone().clamp_min_(min=0.5), torch.tensor([0.5, 0.5, 1.0]))


def test_strides_of_samples_without_elements():
    with pytest.raises(RuntimeError, match=r"has no storage but the passed-in .* This is not supported inside of vmap"):
        vmap(lambda s: s.as_strided([3], [1]))(torch.ones(2, 0))
    assert vmap(lambda s: s.as_strided([0], [1]))(torch.ones(2, 0)).shape == (2, 0)


def test_a_function_may_return_what_is_no_tensor():
    class Times(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, n):
            return x * n, n

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.n = inputs[1]

        @staticmethod
        def backward(ctx, g, _):
            return g * ctx.n, None

    x = numbers(3)
    found, n = vmap(Times.apply, in_dims=(0, None), out_dims=(0, None))(x, 3)
    same(found, x * 3)
    assert n == 3
