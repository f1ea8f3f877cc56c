"""Nothing leaks: thousands of training steps without the garbage collector hold a constant number of objects and bytes.

And an exception, wherever it comes from, leaves modes, graphs and gradients as they were.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter

import pytest

import chainrule as torch
from chainrule.modes import local
from chainrule.utils.checkpoint import checkpoint

STEPS = 10_000  # of the plain loop
FEWER = 1_500  # of the loops with more to them
WARM_UP = 100  # steps until caches are filled
FEWEST = 750  # of the slowest
OBJECTS = 100  # what a loop may hold more at its end, whatever its length: fewer than one in seven steps
TRACED = 300  # the steps in which bytes are counted, which is slow


class Stop(Exception):
    """What the loops below throw."""


class Network:
    """Two layers, written by hand."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.w1 = torch.randn(4, 8, requires_grad=True)
        self.b1 = torch.zeros(8, requires_grad=True)
        self.w2 = torch.randn(8, 1, requires_grad=True)
        self.x = torch.randn(16, 4)
        self.y = self.x.sum(1, keepdim=True)

    @property
    def parameters(self):
        return self.w1, self.b1, self.w2

    def hidden(self, x):
        return (x @ self.w1 + self.b1).tanh()

    def loss(self):
        return ((self.hidden(self.x) @ self.w2 - self.y) ** 2).mean()

    def update(self, number: int = 0) -> None:
        """A step of gradient descent; gradients are zeroed and set to None by turns."""
        with torch.no_grad():
            for p in self.parameters:
                p -= 0.01 * p.grad
                if number % 2:
                    p.grad.zero_()
                else:
                    p.grad = None


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x, x.sin())
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, gradient):
        ctx.saved_tensors
        return gradient * ctx.factor, None


class FailsInForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        raise Stop

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class FailsInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        ctx.saved_tensors
        raise Stop


def halve_gradient(p):
    p.grad.mul_(0.5)


def stop(*_):
    raise Stop


# ---- one training step of each kind


def plain(net, number):
    net.loss().backward()
    net.update(number)


def with_hooks(net, number):
    seen = []
    handles = [p.register_hook(lambda g: seen.append(g.sum()) or g * 0.5) for p in net.parameters]
    handles.append(net.w1.register_post_accumulate_grad_hook(halve_gradient))
    hidden = net.hidden(net.x)
    hidden.register_hook(lambda g: g.clone())
    hidden.grad_fn.register_hook(lambda inputs, outputs: None)
    hidden.grad_fn.register_prehook(lambda outputs: None)
    ((hidden @ net.w2 - net.y) ** 2).mean().backward()
    for handle in handles:
        handle.remove()
    assert len(seen) == 3
    net.update(number)


def with_retain_grad(net, number):
    hidden = net.hidden(net.x)
    hidden.retain_grad()
    part = hidden[:, 1:]
    part.retain_grad()
    (hidden @ net.w2 + part.sum()).mean().backward()
    assert hidden.grad.shape == hidden.shape and part.grad is not None
    net.update()


def with_double_backward(net, number):
    gradients = torch.autograd.grad(net.loss(), net.parameters, create_graph=True)
    penalty = sum((g * g).sum() for g in gradients)
    (net.loss() + 0.01 * penalty).backward()
    net.update(number)


def with_checkpoint(net, number):
    for reentrant in (False, True):
        hidden = checkpoint(net.hidden, net.x.clone().requires_grad_(), use_reentrant=reentrant)
        ((hidden @ net.w2 - net.y) ** 2).mean().backward()
    net.update()


def with_custom_function(net, number):
    Scaled.apply(net.loss(), 0.5).backward()
    net.update(number)


def with_views_and_writes(net, number):
    hidden = net.hidden(net.x)
    buffer = torch.zeros(16, 10)
    buffer[:, :8] = hidden
    left, right = buffer[:, :5], buffer[:, 5:]
    left.mul_(2)
    right[:, 0] += left.sum(1)
    buffer.view(-1)[::3].zero_()
    (buffer.sum() + left.mean() + right.mean()).backward()
    net.w2.grad = torch.zeros_like(net.w2)
    net.update()


def with_saved_tensor_hooks(net, number):
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(force=True).copy(), torch.from_numpy):
        loss = net.loss()
    loss.backward()
    net.update(number)


def with_graph_left_behind(net, number):
    hidden = net.hidden(net.x)
    hidden.register_hook(lambda g: None)
    hidden[0].retain_grad()
    torch.autograd.grad(net.loss(), net.w1, retain_graph=True, create_graph=True)


def failing_in_forward(net, number):
    with pytest.raises(Stop):
        FailsInForward.apply(net.hidden(net.x))
    with pytest.raises(RuntimeError):
        net.hidden(net.x) @ net.w1
    plain(net, number)


def failing_in_backward(net, number):
    with pytest.raises(Stop):
        FailsInBackward.apply(net.hidden(net.x)).sum().backward()
    plain(net, number)


def failing_in_a_hook(net, number):
    hidden = net.hidden(net.x)
    hidden.register_hook(stop)
    with pytest.raises(Stop):
        hidden.sum().backward()
    handle = net.w1.register_hook(stop)
    with pytest.raises(Stop):
        net.loss().backward()
    handle.remove()
    handle = net.b1.register_post_accumulate_grad_hook(stop)
    with pytest.raises(Stop):
        net.loss().backward()
    handle.remove()
    for p in net.parameters:
        p.grad = None
    plain(net, number)


def failing_in_a_checkpoint(net, number):
    def fails_when_run_again(x):
        if runs:
            raise Stop
        runs.append(1)
        return net.hidden(x)

    runs: list[int] = []
    hidden = checkpoint(fails_when_run_again, net.x, use_reentrant=False)
    with pytest.raises(Stop):
        hidden.sum().backward()
    plain(net, number)


def failing_in_modes(net, number):
    for mode in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with pytest.raises(Stop), mode():
            net.loss()
            raise Stop
    with pytest.raises(Stop), torch.autograd.graph.saved_tensors_hooks(stop, stop):
        net.loss()
    plain(net, number)


LOOPS = {
    plain: STEPS,
    with_hooks: FEWER,
    with_retain_grad: FEWER,
    with_double_backward: FEWER,
    with_checkpoint: FEWEST,
    with_custom_function: FEWER,
    with_views_and_writes: FEWER,
    with_saved_tensor_hooks: FEWER,
    with_graph_left_behind: FEWER,
    failing_in_forward: FEWER,
    failing_in_backward: FEWER,
    failing_in_a_hook: FEWER,
    failing_in_a_checkpoint: FEWEST,
    failing_in_modes: FEWER,
}


def switches() -> tuple:
    """The thread's modes, and whatever else a backward sets for its time."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        local.mode,
        local.saved_hooks,
        local.task,
        local.position,
        local.anomaly,
    )


def kinds(objects) -> Counter:
    return Counter(type(o).__name__ for o in objects)


PACKAGE = torch.__file__.removesuffix("__init__.py")


def traced_bytes() -> int:
    """What lines of the package have allocated and not given back.

    A collection first empties the interpreter's free lists, which fill slowly; cycles are what counting objects finds."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, PACKAGE + "*")])
    return sum(line.size for line in snapshot.statistics("lineno"))


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    tracemalloc.stop()
    gc.enable()


@pytest.mark.parametrize("step", LOOPS, ids=lambda step: step.__name__)
def test_a_loop_holds_a_constant_number_of_objects_and_bytes(step, no_collector):
    net = Network()
    before = switches()
    numbers = iter(range(LOOPS[step]))

    def run(count: int) -> None:
        for _, number in zip(range(count), numbers):
            step(net, number)

    run(WARM_UP)
    tracemalloc.start()
    run(2 * WARM_UP)
    held = traced_bytes()
    run(TRACED)
    more = traced_bytes() - held
    tracemalloc.stop()
    gc.collect()  # what the first steps and the tracing have left behind; from here on nothing is collected
    run(WARM_UP)
    first = kinds(gc.get_objects())
    run(LOOPS[step])
    last = kinds(gc.get_objects())
    assert last.total() - first.total() < OBJECTS, f"more objects: {last - first}"
    assert more < 8 * TRACED, "more than a pointer a step"
    assert switches() == before
    assert next(numbers, None) is None


# ---- what an exception leaves


def gradients(net) -> list:
    return [None if p.grad is None else p.grad.tolist() for p in net.parameters]


@pytest.mark.parametrize("earlier", [False, True], ids=["no gradients yet", "gradients there"])
def test_a_failed_backward_leaves_gradients_as_they_were(earlier):
    net = Network()
    if earlier:
        net.loss().backward()
    before, modes = gradients(net), switches()
    with pytest.raises(Stop):
        FailsInBackward.apply(net.hidden(net.x)).sum().backward()
    hidden = net.hidden(net.x)
    handle = hidden.register_hook(stop)
    with pytest.raises(Stop):
        hidden.sum().backward()
    with pytest.raises(Stop):
        torch.autograd.grad(hidden.sum(), net.w1, create_graph=True)
    assert (gradients(net), switches()) == (before, modes)
    handle.remove()
    hidden = net.hidden(net.x)
    hidden.sum().backward()
    assert gradients(net) != before


def test_the_graph_before_the_failure_can_be_used_again():
    """What had not run when a hook failed still holds what it saved; what had run is freed."""
    x = torch.ones(3, requires_grad=True)
    y = x.sin()
    handle = y.register_hook(stop)
    z = y.exp()
    with pytest.raises(Stop):
        z.sum().backward()
    handle.remove()
    y.sum().backward()
    assert torch.equal(x.grad, x.detach().cos())
    with pytest.raises(RuntimeError, match="second time"):
        z.sum().backward()


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_failed_recomputation_leaves_the_modes(reentrant):
    net, runs = Network(), []

    def fails_when_run_again(x):
        if runs:
            raise Stop
        runs.append(1)
        return net.hidden(x)

    modes = switches()
    hidden = checkpoint(fails_when_run_again, net.x.clone().requires_grad_(), use_reentrant=reentrant)
    with pytest.raises(Stop):
        hidden.sum().backward()
    assert switches() == modes
    assert gradients(net) == [None] * 3
