"""Forward mode: dual levels, tangents of all kinds of operations, views, in-place writes, mixed with reverse mode."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import chainrule as torch
from chainrule.autograd import Function, forward_ad as fw, grad


def tangent_of(function, x, t):
    with fw.dual_level():
        return fw.unpack_dual(function(fw.make_dual(x, t))).tangent


def test_levels():
    with pytest.raises(RuntimeError, match="no level exists"):
        fw.make_dual(torch.ones(1), torch.ones(1))
    with pytest.raises(RuntimeError, match="Dual level must be a positive number"):
        fw.exit_dual_level()
    with fw.dual_level() as level:
        assert level == 0
        with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported at the moment"):
            fw.enter_dual_level()
        with pytest.raises(RuntimeError, match="not the last one that was created"):
            fw.exit_dual_level(level=1)
    assert fw._current_level == -1
    with pytest.raises(KeyError), fw.dual_level():
        raise KeyError
    assert fw._current_level == -1


def test_packing_and_unpacking():
    x, t = torch.ones(2), torch.tensor([2.0, 3.0])
    with fw.dual_level():
        dual = fw.make_dual(x, t)
        primal, tangent = fw.unpack_dual(dual)
        assert tangent is t
        assert primal.tolist() == [1, 1]
        assert fw.unpack_dual(x).tangent is None
        assert fw.unpack_dual(primal).tangent is None
        assert fw.unpack_dual(dual.detach()).tangent is None
        assert type(fw.unpack_dual(dual)).__name__ == "UnpackedDualTensor"
    assert fw.unpack_dual(dual).tangent is None
    assert (dual * 2).tolist() == [2, 2]


def test_bad_duals():
    x = torch.ones(2)
    with fw.dual_level():
        with pytest.raises(RuntimeError, match="different size than that of the original Tensor"):
            fw.make_dual(x, torch.ones(3))
        with pytest.raises(ValueError, match=r"Expected primal to be floating point or complex, but got: torch.int64"):
            fw.make_dual(torch.tensor([1, 2]), x)
        with pytest.raises(ValueError, match="Expected tangent to be floating point or complex"):
            fw.make_dual(x, torch.tensor([1, 2]))
        dual = fw.make_dual(x, x)
        with pytest.raises(RuntimeError, match="already has a forward gradient at the same level 0"):
            fw.make_dual(dual, x)
        with pytest.raises(RuntimeError, match="itself has a forward gradient at the same level"):
            fw.make_dual(x, dual)


def test_a_level_holds_on_to_nothing():
    gc.disable()
    try:
        t = torch.ones(2)
        with fw.dual_level():
            dual = fw.make_dual(torch.ones(2), t)
            product = dual * 2
            moved = weakref.ref(fw.unpack_dual(product).tangent)
        held = weakref.ref(t)
        del t
        assert held() is None, "the tangent outlives its level"
        assert moved() is None
        assert dual.tolist() == [1, 1]
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (lambda x: x.sin(), lambda x, t: np.cos(x) * t),
        (lambda x: x.exp(), lambda x, t: np.exp(x) * t),
        (lambda x: x * x, lambda x, t: 2 * x * t),
        (lambda x: 3 - x, lambda x, t: -t),
        (lambda x: x.sum(0), lambda x, t: t.sum(0)),
        (lambda x: x.t(), lambda x, t: t.T),
        (lambda x: x[1:], lambda x, t: t[1:]),
        (lambda x: x.mm(x), lambda x, t: t @ x + x @ t),
        (lambda x: torch.cat([x, x * 2]), lambda x, t: np.concatenate([t, 2 * t])),
        (lambda x: x.unsqueeze(0).expand(2, 2, 2), lambda x, t: np.broadcast_to(t, (2, 2, 2))),
        (lambda x: x.double().float(), lambda x, t: t),
    ],
)
def test_tangents(function, derivative):
    x = np.array([[0.5, -1.0], [2.0, 0.3]], np.float32)
    t = np.array([[1.0, 0.5], [-1.0, 2.0]], np.float32)
    got = tangent_of(function, torch.tensor(x), torch.tensor(t))
    assert np.allclose(got.numpy(), derivative(x, t), 1e-5)
    assert got.dtype is torch.float32


def test_complex_tangents():
    z, t = torch.tensor([1 + 2j]), torch.tensor([0.5 - 1j])
    assert tangent_of(lambda z: z * z, z, t).item() == pytest.approx(2 * (1 + 2j) * (0.5 - 1j))
    assert tangent_of(lambda z: z.conj(), z, t).item() == pytest.approx(0.5 + 1j)
    assert tangent_of(lambda z: z.real, z, t).item() == pytest.approx(0.5)
    expected = ((1 - 2j) * (0.5 - 1j)).real / abs(1 + 2j)
    assert tangent_of(lambda z: z.abs(), z, t).item() == pytest.approx(expected)


def test_results_without_tangent():
    with fw.dual_level():
        dual = fw.make_dual(torch.ones(2), torch.ones(2))
        assert fw.unpack_dual(dual > 0).tangent is None
        assert fw.unpack_dual(dual.long()).tangent is None
        assert fw.unpack_dual(torch.ones(2) * 2).tangent is None
        with fw._set_fwd_grad_enabled(False):
            assert fw.unpack_dual(dual * 2).tangent is None
        with torch.no_grad():
            assert fw.unpack_dual(dual * 2).tangent.tolist() == [2, 2]
        assert not (dual * 2).requires_grad


def test_views_share_tangents():
    with fw.dual_level():
        dual = fw.make_dual(torch.zeros(3), torch.ones(3))
        view = dual[:2]
        view *= 5
        assert fw.unpack_dual(dual).tangent.tolist() == [5, 5, 1]
        assert fw.unpack_dual(view).tangent.tolist() == [5, 5]


def test_in_place():
    x, t = torch.tensor([1.0, 2.0]), torch.ones(2)
    with fw.dual_level():
        dual = fw.make_dual(x, t)
        dual *= 3
        assert t.tolist() == [3, 3], "the tangent is written where it lies"
        assert x.tolist() == [3, 6]
        dual.zero_()
        assert fw.unpack_dual(dual).tangent.tolist() == [0, 0]
        plain = torch.zeros(2)
        plain += fw.make_dual(torch.ones(2), torch.ones(2))
        assert fw.unpack_dual(plain).tangent.tolist() == [1, 1]
        base = torch.zeros(3)
        base[0] = fw.make_dual(torch.tensor(1.0), torch.tensor(4.0))
        assert fw.unpack_dual(base).tangent.tolist() == [4, 0, 0]
        dual.copy_(torch.ones(2))
        assert fw.unpack_dual(dual).tangent.tolist() == [0, 0]


def test_in_place_change_of_shape():
    with fw.dual_level():
        dual = fw.make_dual(torch.ones(1, 2), torch.tensor([[1.0, 2.0]]))
        dual.t_()
        assert fw.unpack_dual(dual).tangent.tolist() == [[1], [2]]
        assert fw.unpack_dual(dual * dual).tangent.tolist() == [[2], [4]]


def test_out_is_refused():
    with fw.dual_level():
        dual = fw.make_dual(torch.ones(2), torch.ones(2))
        with pytest.raises(RuntimeError, match="Trying to use forward AD with add_out that does not support it"):
            torch.add(dual, 1.0, out=torch.zeros(2))


@pytest.mark.parametrize("function", [lambda x: x.sin() * x, lambda x: x.exp(), lambda x: x.mm(x).tanh()])
def test_forward_over_reverse_and_reverse_over_forward(function):
    x = torch.tensor([[0.5, -1.0], [0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    v = torch.tensor([[1.0, 0.5], [-1.0, 2.0]], dtype=torch.float64)
    (g,) = grad(function(x).sum(), x, create_graph=True)
    (expected,) = grad((g * v).sum(), x)
    with fw.dual_level():
        dual = fw.make_dual(x.detach(), v).requires_grad_()
        (g,) = grad(function(dual).sum(), dual)
        over_reverse = fw.unpack_dual(g).tangent
    with fw.dual_level():
        moved = fw.unpack_dual(function(fw.make_dual(x, v)).sum()).tangent
        (over_forward,) = grad(moved, x)
    assert np.allclose(over_reverse.numpy(), expected.numpy())
    assert np.allclose(over_forward.numpy(), expected.numpy())


class Power(Function):
    @staticmethod
    def forward(ctx, x, n):
        ctx.save_for_forward(x)
        ctx.n = n
        return x**n

    @staticmethod
    def jvp(ctx, t, _):
        (x,) = ctx.saved_tensors
        return ctx.n * x ** (ctx.n - 1) * t


def test_custom_function():
    assert tangent_of(lambda x: Power.apply(x, 3), torch.tensor([2.0]), torch.tensor([0.5])).item() == 6.0


def test_custom_function_without_jvp():
    class Plain(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    with pytest.raises(NotImplementedError, match="implement the jvp function"):
        tangent_of(Plain.apply, torch.ones(1), torch.ones(1))


def test_printing():
    with fw.dual_level():
        assert "tangent=" in repr(fw.make_dual(torch.ones(2), torch.ones(2)))


def test_plain_operations_are_not_marked():
    with fw.dual_level():
        result = torch.ones(2) * 2
    assert result._extra is None


def test_operations_without_a_derivative_say_so():
    x = torch.rand(3) + 1
    with fw.dual_level():
        dual = fw.make_dual(x, torch.ones(3))
        with pytest.raises(NotImplementedError, match="Trying to use forward AD with igamma that does not support it"):
            torch.igamma(dual, dual)
        assert fw.unpack_dual(torch.igamma(x, dual)).tangent is not None  # that derivative is known


def test_a_jvp_must_write_where_forward_writes():
    class Doubles(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x.mul_(2))
            return x

        @staticmethod
        def jvp(ctx, t):
            return t

    with fw.dual_level():
        dual = fw.make_dual(torch.ones(2), torch.ones(2))
        with pytest.raises(RuntimeError, match="jvp function must modify the corresponding gradient inplace"):
            Doubles.apply(dual)


def test_the_primal_part_of_a_dual_that_requires_grad_has_no_tangent():
    x = torch.ones(2, requires_grad=True)
    with fw.dual_level():
        primal, tangent = fw.unpack_dual(fw.make_dual(x, torch.full((2,), 3.0)) * 2)
        assert tangent.tolist() == [6, 6]
        assert fw.unpack_dual(primal).tangent is None
        assert fw.unpack_dual(primal * 2).tangent is None
        assert fw.unpack_dual(primal[0] * 2).tangent is None
        again = fw.make_dual(primal, torch.ones(2)) * 5
        assert fw.unpack_dual(again).tangent.tolist() == [5, 5]
        assert repr(primal) == "tensor([2., 2.], grad_fn=<Identity>)"


def test_a_dual_and_its_primal_part_are_views():
    x = torch.ones(3)
    with fw.dual_level():
        dual = fw.make_dual(x, torch.ones(3))
        primal = fw.unpack_dual(dual).primal
        assert dual._base is x
        assert primal._base is x
        dual.mul_(2)
        assert x.tolist() == primal.tolist() == [2, 2, 2]
        assert fw.unpack_dual(x).tangent is None
        primal[:1].copy_(dual[:1])  # its tangent is neither the dual's nor the base's
        assert fw.unpack_dual(x).tangent is None
        assert fw.unpack_dual(dual).tangent.tolist() == [2, 2, 2]


def test_detach_in_place_takes_the_tangent_away():
    with fw.dual_level():
        y = fw.make_dual(torch.ones(2), torch.ones(2)) * 2
        part = y[:1]
        y.detach_()
        assert fw.unpack_dual(y).tangent is None
        assert fw.unpack_dual(y * 2).tangent is None
        assert fw.unpack_dual(part).tangent.tolist() == [2]


def test_a_dual_cannot_be_resized():
    with fw.dual_level(), pytest.raises(RuntimeError, match="cannot resize variables that has a forward grad"):
        fw.make_dual(torch.ones(4), torch.ones(4)).resize_(2, 2)


def test_unpacking_outside_of_a_level():
    assert fw.unpack_dual(3) == (3, None)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3, r"expected Variable or None \(got int\) for grad output 0\."),
        ((torch.ones(2),) * 2, r"returned an invalid number of forward gradients \(expected 1 but got 2\)"),
        (torch.ones(3), "Tensor is of size \\[2\\] while the given forward gradient is of size \\[3\\]"),
        (torch.ones(2, dtype=torch.int64), "Expected both tensor and its forward grad to be floating point or complex"),
    ],
)
def test_what_a_jvp_must_not_return(returned, message):
    class Doubled(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def jvp(ctx, t):
            return returned

    with pytest.raises(RuntimeError, match=message):
        tangent_of(Doubled.apply, torch.ones(2), torch.ones(2))


def test_a_jvp_returns_none_for_an_output_without_derivative():
    class Marked(Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            ctx.mark_non_differentiable(y)
            return y

        @staticmethod
        def jvp(ctx, t):
            return t

    with pytest.raises(RuntimeError, match="the corresponding forward output is not a differentiable Tensor"):
        tangent_of(Marked.apply, torch.ones(2), torch.ones(2))


def test_tangents_at_bounds_and_of_equal_numbers():
    x, t = torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)
    bound, moved = torch.full((3,), 2.0), torch.full((3,), 10.0)
    with fw.dual_level():
        bound, dual = fw.make_dual(bound, moved), fw.make_dual(x, t)
        assert fw.unpack_dual(torch.clamp(dual, min=bound)).tangent.tolist() == [10, 10, 1]
        assert fw.unpack_dual(torch.clamp(dual, max=bound)).tangent.tolist() == [1, 10, 10]
        assert fw.unpack_dual(torch.clamp(dual, min=bound, max=bound)).tangent.tolist() == [10, 1, 10]
        assert fw.unpack_dual(torch.clamp(dual, min=bound, max=bound - 1)).tangent.tolist() == [10, 10, 10]
        assert fw.unpack_dual(fw.make_dual(torch.ones(3), x).std()).tangent.tolist() == 0


def test_constants_may_be_inference_tensors():
    with torch.inference_mode():
        constant = torch.tensor([2.0, 3.0])
    found = tangent_of(lambda x: torch.tensordot(x, constant, 1), torch.ones(2), torch.tensor([1.0, 10.0]))
    assert found.tolist() == 32
    assert tangent_of(lambda x: x * constant, torch.ones(2), torch.ones(2)).tolist() == [2, 3]


def test_an_integer_bound_has_no_tangent():
    x, low = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2, 2, 2])
    with fw.dual_level():
        dual = fw.make_dual(x, torch.ones(3))
        assert fw.unpack_dual(dual.clamp(low)).tangent.tolist() == [0.0, 0.0, 1.0]
        assert fw.unpack_dual(dual.clamp(low, low + 1)).tangent.tolist() == [0.0, 1.0, 1.0]
