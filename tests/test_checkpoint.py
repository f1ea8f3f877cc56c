"""torch.utils.checkpoint: both kinds, nested, early stop, determinism check, random state, errors."""

from __future__ import annotations

import contextlib
import gc
import weakref

import pytest

import chainrule as torch
from chainrule.autograd import grad
from chainrule.utils.checkpoint import (
    CheckpointError,
    GraphExecGroup,
    checkpoint,
    checkpoint_sequential,
    detach_variable,
    set_checkpoint_early_stop,
)

KINDS = pytest.mark.parametrize("use_reentrant", [False, True])


class Counted:
    """``exp(sin(x) * cos(y))``, counting its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, y):
        self.calls += 1
        return (x.sin() * y.cos()).exp()


def leaves():
    return torch.tensor([0.5, 1.5], requires_grad=True), torch.tensor([1.0, -1.0], requires_grad=True)


def expected_gradients():
    x, y = leaves()
    Counted()(x, y).sum().backward()
    return x.grad.tolist(), y.grad.tolist()


@KINDS
def test_gradients(use_reentrant):
    f, (x, y) = Counted(), leaves()
    checkpoint(f, x, y, use_reentrant=use_reentrant).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == expected_gradients()
    assert f.calls == 2


def test_nothing_is_kept():
    kept = []

    def f(x):
        y = x.exp()
        kept.append(weakref.ref(y._array))
        return y.exp()

    gc.disable()
    try:
        x, _ = leaves()
        out = checkpoint(f, x, use_reentrant=False)
        assert kept[0]() is None
        out.sum().backward()
        out = f(x)
        assert kept[-1]() is not None
    finally:
        gc.enable()


@pytest.mark.parametrize("early_stop", [True, False])
def test_nested(early_stop):
    f = Counted()

    def inner(x, y):
        return checkpoint(f, x, y, use_reentrant=False) * x

    def outer(x, y):
        return checkpoint(inner, checkpoint(f, x, y, use_reentrant=False), y, use_reentrant=False).sin()

    x, y = leaves()
    plain = Counted()
    a = plain(x, y)
    (plain(a, y) * a).sin().sum().backward()
    expected = x.grad.tolist(), y.grad.tolist()
    x, y = leaves()
    with set_checkpoint_early_stop(early_stop):
        out = checkpoint(outer, x, y, use_reentrant=False)
    out.sum().backward()
    assert x.grad.tolist() == pytest.approx(expected[0])
    assert y.grad.tolist() == pytest.approx(expected[1])


def test_higher_order():
    x, _ = leaves()

    def f(x):
        return x.sin().exp().sin()

    def second(function):
        (first,) = grad(function(x).sum(), x, create_graph=True)
        return grad(first.sum(), x)[0].tolist()

    assert second(lambda x: checkpoint(f, x, use_reentrant=False)) == pytest.approx(second(f))

    def gradient(x):
        return grad(f(x).sum(), x, create_graph=True)[0]

    inside = grad(checkpoint(gradient, x, use_reentrant=False).sum(), x)[0].tolist()
    assert inside == pytest.approx(second(f))


def test_early_stop():
    calls = []

    def f(x):
        y = x.sin().cos()
        calls.append(1)
        return y.clone()

    x, _ = leaves()
    for options, outer, expected in (
        ({}, None, 1),
        ({"early_stop": False}, None, 2),
        ({}, False, 2),
        ({"early_stop": True}, False, 2),
        ({"early_stop": False}, True, 1),
    ):
        calls.clear()
        context = contextlib.nullcontext() if outer is None else set_checkpoint_early_stop(outer)
        with context:
            out = checkpoint(f, x, use_reentrant=False, **options)
        out.sum().backward()
        assert len(calls) == expected, (options, outer)


@KINDS
def test_random_numbers_repeat(use_reentrant):
    drawn = []

    def f(x):
        noise = torch.rand(2)
        drawn.append(noise.tolist())
        return (x * noise).exp()

    x, _ = leaves()
    torch.manual_seed(3)
    out = checkpoint(f, x, use_reentrant=use_reentrant)
    state = torch.get_rng_state()
    out.sum().backward()
    assert drawn[0] == drawn[1]
    assert torch.equal(torch.get_rng_state(), state), "backward drew from the program's stream"
    drawn.clear()
    checkpoint(f, x, use_reentrant=use_reentrant, preserve_rng_state=False).sum().backward()
    assert drawn[0] != drawn[1]


def test_determinism_check():
    sizes = [2, 3]

    def f(x):
        return x.expand(sizes.pop(0)).sin().sum()

    x = torch.ones(1, requires_grad=True)
    out = checkpoint(f, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="have different metadata than during the forward pass"):
        out.backward()
    with pytest.raises(ValueError, match="determinism_check should be one of"):
        checkpoint(f, x, use_reentrant=False, determinism_check="perhaps")

    counts = [1, 2]

    def g(x):
        for _ in range(counts.pop(0)):
            x = x.sin()
        return x

    out = checkpoint(g, x, use_reentrant=False, early_stop=False)
    with pytest.raises(CheckpointError, match="trying to save more tensors during recomputation"):
        out.backward()
    counts[:] = [2, 1]
    out = checkpoint(g, x, use_reentrant=False)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved"):
        out.backward()


def test_contexts():
    entered = []

    @contextlib.contextmanager
    def noted(name):
        entered.append(name)
        yield

    x, y = leaves()
    out = checkpoint(Counted(), x, y, use_reentrant=False, context_fn=lambda: (noted("forward"), noted("again")))
    assert entered == ["forward"]
    out.sum().backward()
    assert entered == ["forward", "again"]


def test_arguments_and_results_of_any_kind():
    x, y = leaves()
    out = checkpoint(lambda d, *, factor: {"out": d["x"].exp() * factor}, {"x": x}, factor=y, use_reentrant=False)
    out["out"].sum().backward()
    assert x.grad is not None
    assert y.grad is not None


def test_second_backward():
    f, (x, y) = Counted(), leaves()
    out = checkpoint(f, x, y, use_reentrant=False).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert f.calls == 3


def test_group_shares_one_recomputation():
    f = Counted()
    x, y = leaves()
    out = checkpoint(lambda x, y: (x.exp(), f(x, y)), x, y, use_reentrant=False)
    with GraphExecGroup():
        grad(out[0].sum(), x, retain_graph=True)
        grad(out[1].sum(), x)
    assert f.calls == 2
    out = checkpoint(f, x, y, use_reentrant=False).sum()
    with GraphExecGroup():
        out.backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="Performing two backward calls that overlap"):
            out.backward()
        with pytest.raises(RuntimeError, match="GraphExecGroup contexts cannot be nested"), GraphExecGroup():
            pass


def test_without_gradients():
    f = Counted()
    x, y = (t.detach() for t in leaves())
    assert not checkpoint(f, x, y, use_reentrant=False).requires_grad
    with torch.no_grad():
        assert not checkpoint(f, *leaves(), use_reentrant=False).requires_grad
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(f, x, y, use_reentrant=True)


def test_reentrant_refuses_grad():
    x, y = leaves()
    out = checkpoint(Counted(), x, y, use_reentrant=True).sum()
    with pytest.raises(RuntimeError, match=r"is incompatible with \.grad\(\)"):
        grad(out, x)
    out = checkpoint(Counted(), x, y, use_reentrant=True).sum()
    out.backward()


def test_kind_must_be_chosen():
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint(Counted(), *leaves())
    with pytest.warns(UserWarning, match="the use_reentrant parameter should be passed explicitly"):
        checkpoint_sequential([torch.sin, torch.cos], 2, leaves()[0])
    with pytest.raises(ValueError, match="Unexpected keyword arguments: extra"):
        checkpoint(Counted(), *leaves(), use_reentrant=True, extra=1)
    with pytest.raises(ValueError, match="only supported when use_reentrant=False"):
        checkpoint(Counted(), *leaves(), use_reentrant=True, debug=True)


@KINDS
@pytest.mark.parametrize("segments", [1, 2, 3])
def test_sequential(segments, use_reentrant):
    functions = [torch.sin, torch.exp, torch.cos, torch.tanh]
    x, _ = leaves()
    y, _ = leaves()
    checkpoint_sequential(functions, segments, x, use_reentrant=use_reentrant).sum().backward()
    y.sin().exp().cos().tanh().sum().backward()
    assert x.grad.tolist() == y.grad.tolist()


def test_detach_variable():
    x, y = leaves()
    a, b, c = detach_variable((x * 2, y.detach(), 3))
    assert (a.requires_grad, a.is_leaf, b.requires_grad, c) == (True, True, False, 3)
    with pytest.raises(RuntimeError, match="Only tuple of tensors is supported"):
        detach_variable([x])


@pytest.mark.parametrize("form", ["list", "policy"])
def test_selective_checkpoints_run_only_what_was_not_kept(form, monkeypatch):
    from chainrule.op import REGISTRY
    from chainrule.ops import aten
    from chainrule.utils.checkpoint import CheckpointPolicy, create_selective_checkpoint_contexts

    decisions, runs = [], {"mm": 0, "sin": 0}

    def policy(ctx, op, *args, **kwargs):
        decisions.append((str(op), ctx.is_recompute, tuple(ctx.op_output.shape)))
        return CheckpointPolicy.MUST_SAVE if op is aten.mm.default else CheckpointPolicy.PREFER_RECOMPUTE

    def contexts():
        return create_selective_checkpoint_contexts([aten.mm.default] if form == "list" else policy)

    def function(x):
        return torch.mm(x, x).sin().exp()

    x = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(function(x).sum(), x)
    for name in runs:

        def counted(xp, *arrays, name=name, forward=REGISTRY[name].forward):
            runs[name] += 1
            return forward(xp, *arrays)

        monkeypatch.setattr(REGISTRY[name], "forward", counted)
    y = checkpoint(function, x, use_reentrant=False, context_fn=contexts)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == expected.tolist()
    assert runs == {"mm": 1, "sin": 2}
    if form == "policy":
        assert decisions == [(f"aten.{name}.default", False, (3, 3)) for name in ("mm", "sin", "exp")]
    with pytest.raises(RuntimeError, match="Trying to backward an extra time"):
        y.sum().backward()


def test_selective_checkpoints_take_a_policy_or_a_list_of_operations():
    from chainrule.utils.checkpoint import create_selective_checkpoint_contexts

    with pytest.raises(TypeError, match="policy_fn_or_list must be either a function or a list of ops"):
        create_selective_checkpoint_contexts(3)
    with pytest.raises(ValueError, match="Expected op in `op_list` to be an OpOverload"):
        create_selective_checkpoint_contexts([torch.mm])


def test_dual_numbers_and_batches_go_through():
    from chainrule.autograd import forward_ad

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones(2))
        y = checkpoint(torch.sin, dual, use_reentrant=False)
        primal, tangent = forward_ad.unpack_dual(y)
        assert torch.equal(tangent, x.cos())
        primal.sum().backward()
    assert torch.equal(x.grad, x.detach().cos())
    batched = torch.vmap(lambda s: checkpoint(torch.exp, s, use_reentrant=False))(torch.ones(3, 2))
    assert torch.equal(batched, torch.ones(3, 2).exp())
