"""Nothing leaks where tensors are more than arrays: forward mode, vmap, torch.func, threads, and what they leave when
they fail."""

from __future__ import annotations

import gc
import threading
import tracemalloc

import pytest

import chainrule as torch
from chainrule import func
from chainrule.autograd import forward_ad, functional, graph
from chainrule.modes import local

W = torch.randn(3, 3, requires_grad=True)
X = torch.randn(4, 3)
STEPS, WARM_UP = 300, 25


class Scaled(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return g * 2

    @staticmethod
    def jvp(ctx, t):
        return t * 2


def loss(w, x):
    return (x @ w).tanh().square().sum()


def per_sample_gradients():
    func.vmap(func.grad(loss), in_dims=(None, 0))(W.detach(), X)


def hessians():
    func.hessian(lambda x: (x**3).sum())(X[0])
    func.jacfwd(func.jacrev(lambda x: x.sin()))(X[0])


def recorded_outside():
    func.grad(lambda w: loss(w, X))(W).sum().backward()
    W.grad = None


def jvp_and_vjp():
    func.jvp(lambda x: x.exp() * x, (X,), (X,))
    _, pull = func.vjp(lambda x: x.exp() * x, X)
    pull(X)
    func.linearize(lambda x: x.sin(), X)[1](X)


def written_in_forward_mode():
    def f(x):
        y = torch.zeros(3)
        before = y[0]
        y[0] = x[0] ** 2
        y[1:] = x[1:]
        y.mul_(x)
        return (before + y).sum()

    func.jacfwd(f)(X[0])
    func.hessian(f)(X[0])


def dual_levels():
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(X, X)
        base = torch.zeros(4, 3)
        row = base[0]
        base.copy_(dual)
        forward_ad.unpack_dual(row * (dual @ W.detach()).sum())


def batched_gradients():
    y = (X @ W).exp()
    torch.autograd.grad(y, W, torch.ones(2, 4, 3), is_grads_batched=True)
    functional.jacobian(lambda x: x.exp(), X[0], vectorize=True, strategy="forward-mode")
    functional.hessian(lambda x: x.exp().sum(), X[0], vectorize=True)


def custom_functions():
    func.vmap(func.grad(lambda x: Scaled.apply(x).sum()))(X)
    func.jvp(Scaled.apply, (X,), (X,))


def random_numbers():
    func.vmap(lambda x: x * torch.rand(3), randomness="different")(X)
    func.vmap(lambda x: torch.bernoulli(torch.full((3,), 0.5)), randomness="same")(X)


def in_threads():
    def work():
        w = W.detach().requires_grad_()
        loss(w, X).backward()
        func.grad(loss)(w, X)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hooks_on_several():
    a, b = X.clone().requires_grad_(), X.clone().requires_grad_()
    handles = [graph.register_multi_grad_hook((a, b), lambda g: None, mode=mode) for mode in ("all", "any")]
    (a * b).sum().backward()
    for handle in handles:
        handle.remove()


def failing():
    def broken(x):
        y = torch.zeros(3)
        y = y + x
        raise KeyError

    for transform in (func.grad, func.vmap, func.jacfwd, func.jacrev, func.hessian):
        with pytest.raises(KeyError):
            transform(broken)(X[0] if transform is not func.vmap else X)
    with pytest.raises(KeyError), forward_ad.dual_level():
        raise KeyError


LOOPS = [
    per_sample_gradients, hessians, recorded_outside, jvp_and_vjp, written_in_forward_mode, dual_levels,
    batched_gradients, custom_functions, random_numbers, in_threads, hooks_on_several, failing,
]  # fmt: skip


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("step", LOOPS, ids=lambda step: step.__name__)
def test_a_loop_holds_a_constant_number_of_objects_and_bytes(step, no_collector):
    for _ in range(WARM_UP):
        step()
    before = len(gc.get_objects())
    for _ in range(STEPS):
        step()
    # The test's own machinery may hold a few more; a leak of one object a step holds hundreds.
    assert len(gc.get_objects()) - before < STEPS // 4
    tracemalloc.start()
    held = []
    for _ in range(3):
        for _ in range(2 * WARM_UP):
            step()
        gc.collect()  # empties the interpreter's free lists; cycles are what counting objects finds
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[2] - held[1] < 20 * 2 * WARM_UP
    assert local.levels == 0 and local.level_stack == () and local.grad_mode and not local.inference
    assert local.saved_hooks == () and local.forward_grad_enabled
