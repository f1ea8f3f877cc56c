"""Long graphs run and are freed without recursion, in bounded memory; no graph has a reference cycle."""

from __future__ import annotations

import copy
import gc
import subprocess
import sys
import textwrap
import threading
import tracemalloc
import warnings
import weakref
from collections import Counter

import numpy as np
import pytest

import chainrule as torch

# ---- a chain of a million nodes

LONG_CHAINS = {
    "nothing saved": ("y = y + 1.0", 1_000_000),
    "inputs saved": ("y = y.sin()", 1_000_000),
    "outputs saved": ("y = y.tanh()", 300_000),
    "two edges": ("y = y * y", 300_000),
    "views": ("y = y.view(1).t()", 100_000),
    "in-place": ("y.mul_(1.0)", 100_000),
    "in-place on a view": ("y.view(1).mul_(1.0)", 20_000),
    "a custom function": ("y = Double.apply(y)", 100_000),
    "hooks": ("y = y + 1.0; y.register_hook(hook)", 100_000),
    "recorded backward": ("y = y.sin()", 100_000),
}

# a write to a view makes the node of the view, that of the write, and one for the base that holds both
NODES_A_STEP = {"recorded backward": 4, "in-place on a view": 3}

# KiB. Python 3.13's deallocators recurse 10,000 deep, whatever the stack, before they put work off; others' 50.
STACK = 1024 if sys.version_info[:2] == (3, 13) else 256

LONG_CHAIN_PROGRAM = """
    import resource, sys, threading
    import chainrule as torch

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * 0.5

    def hook(gradient):
        return None

    def chain(length):
        x = torch.ones(1, requires_grad=True)
        y = x * 1.0
        for _ in range(length):
            {step}
        return x, y

    def forward_backward_free(length):
        x, y = chain(length)
        if {create_graph}:
            (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            first.sum().backward()
        else:
            y.sum().backward()
        assert x.grad is not None and x.grad.shape == (1,)

    def forward_free(length):
        chain(length)

    def peak():
        try:  # on Linux the other number begins with the memory of the process that started this one
            with open("/proc/self/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def main():
        forward_backward_free({length} // 100)
        small = peak()
        forward_backward_free({length})
        once = peak()
        forward_free({length})
        forward_backward_free({length})
        print(small, once, peak())

    sys.setrecursionlimit(150)
    threading.stack_size({stack} * 1024)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
"""


def run_long_chain(name: str, stack: int) -> tuple[int, int, int]:
    """Peak memory in bytes: before the long chain, after it, and after two more of them."""
    pytest.importorskip("resource")
    step, length = LONG_CHAINS[name]
    program = textwrap.dedent(LONG_CHAIN_PROGRAM).format(
        step=step, length=length, stack=stack, create_graph=name == "recorded backward"
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    unit = 1 if sys.platform == "darwin" else 1024
    small, once, often = (int(word) * unit for word in done.stdout.split())
    return small, once, often


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_CHAINS)
def test_a_long_chain_runs_and_is_freed(name):
    small, once, often = run_long_chain(name, STACK)
    _, length = LONG_CHAINS[name]
    nodes = length * NODES_A_STEP.get(name, 1)
    assert (once - small) / nodes < 1500, "bytes a node"
    assert often - once < 0.3 * (once - small) + 2**22, "a graph is not given back"


# ---- no reference cycles: with the collector off, everything dies with its last name


def census() -> Counter:
    """How many objects of each type are alive; of dictionaries, those with something in them: a frame's own is empty."""
    return Counter(type(each) for each in gc.get_objects() if type(each) is not dict or each)


def leftovers(scenario, times: int = 5) -> dict[str, int]:
    """Which objects a scenario leaves behind each time it runs, by type, with the collector off."""
    for _ in range(2):  # fills caches
        scenario()
        census()
    gc.collect()
    gc.disable()
    try:
        before = census()
        for _ in range(times):
            scenario()
        after = census()
    finally:
        gc.enable()
        gc.collect()
    return {kind.__qualname__: count for kind, count in (after - before).items() if count >= times}


SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def leaf(*shape: int):
    return torch.ones(shape or (2, 3), requires_grad=True)


@scenario
def forward_only():
    (leaf() * 2 + 1).sin().sum()


@scenario
def forward_and_backward():
    x = leaf()
    ((x * 2 + x).sin() * x).sum().backward()


@scenario
def backward_through_a_part():
    x = leaf()
    y = x * x
    z = y.sin()
    y.sum().backward(retain_graph=True)
    z.sum().backward()


@scenario
def accumulating_and_zeroing():
    x = leaf()
    for _ in range(3):
        (x * x).sum().backward()
    x.grad.data.zero_()
    x.grad = None


@scenario
def saved_outputs():
    x = leaf()
    for function in (torch.exp, torch.tanh, torch.sigmoid, torch.sqrt):
        y = function(x)
        y.sum().backward(retain_graph=True)
        y.sum().backward()
        function(x)  # never run back


@scenario
def saved_outputs_recorded_twice():
    x = leaf()
    for function in (torch.exp, torch.tanh, torch.sigmoid, torch.sqrt):
        (first,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
        second.sum().backward()


@scenario
def walking_the_graph():
    x = leaf()
    node = (x.sin() * 2).sum().grad_fn
    while node.next_functions:
        repr(node)
        node.name()
        node = node.next_functions[0][0]
    assert node.variable is x


@scenario
def holding_nodes():
    x = leaf()
    y = x.exp()
    node, accumulate = y.grad_fn, y.grad_fn.next_functions[0][0]
    del x, y
    assert node.next_functions[0][0] is accumulate


@scenario
def views():
    x = leaf()
    y = x * 2
    first, turned, flat = y[0], y.t(), y.view(6)
    (first.sum() + turned.sum() + flat.sum() + y[:, 1:].sum()).backward()


@scenario
def in_place():
    x = leaf()
    y = x * 2
    y.mul_(3)
    y += 1
    y **= 2
    y.sum().backward()


@scenario
def in_place_on_a_view():
    x = leaf()
    y = x * 2
    first = y[0]
    same = y.view(6)
    first.mul_(3)
    assert same.grad_fn is not None
    assert first.grad_fn is not None
    (y.sum() + same.sum() + first.sum()).backward()


@scenario
def in_place_on_a_view_of_a_view():
    x = leaf()
    y = x * 2
    inner = y.t()[0].view(2)
    inner.add_(x[:, 0])
    y.zero_()
    y.view(6)[2:4].mul_(2)
    y.sum().backward()


@scenario
def in_place_never_run_back():
    y = leaf() * 2
    y[0].mul_(3)
    y.view(6)


@scenario
def views_without_gradients():
    x = torch.ones(2, 3)
    x[0].add_(1)
    x.view(6)[1:].t().mul_(2)


@scenario
def indexing():
    x = leaf()
    y = x * 2
    picked = y[torch.tensor([0, 1, 0])].sum() + y[y > 0].sum() + y[..., None, 1].sum()
    picked.backward()
    z = x * 2
    z[0] = 1.0
    z[torch.tensor([1]), 0] = x[0, 0]
    z.sum().backward()


@scenario
def iterating():
    x = leaf()
    sum(row.sum() for row in x * 2).backward()
    [*x]


@scenario
def several_outputs():
    x = leaf()
    first, *_ = (x * 2).unbind(0)
    left, right = (x * 2).split([1, 2], 1)
    largest = (x * 2).max(1)
    (first.sum() + right.sum() + left.sum() + largest.values.sum()).backward()


@scenario
def hooks():
    x = leaf()
    seen = []
    x.register_hook(seen.append)
    y = x * 2
    y.register_hook(lambda gradient: gradient * 2)
    handle = y.register_hook(seen.append)
    y.sum().backward()
    handle.remove()


@scenario
def hooks_never_run():
    y = leaf() * 2
    y.register_hook(lambda gradient: None)
    y.grad_fn.register_hook(lambda inputs, outputs: None)
    y.grad_fn.register_prehook(lambda outputs: None)
    leaf().register_hook(print)


@scenario
def hooks_of_nodes():
    x = leaf()
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: None)
    y.grad_fn.register_prehook(lambda outputs: None)
    x.register_post_accumulate_grad_hook(lambda tensor: None)
    y.sum().backward()


@scenario
def hooks_before_in_place():
    x = leaf()
    y = x * 2
    y.register_hook(lambda gradient: None)
    y.retain_grad()
    y.mul_(2)
    y.sum().backward()


@scenario
def retained_gradients():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.sum().backward()
    assert y.grad is not None


@scenario
def retained_gradients_never_filled():
    (leaf() * 2).retain_grad()


@scenario
def double_backward():
    x, y = leaf(), leaf()
    (first,) = torch.autograd.grad((x * x * y).sum(), x, create_graph=True)
    torch.autograd.grad(first.sum(), [x, y])


@scenario
def double_backward_never_run():
    x = leaf()
    torch.autograd.grad((x.exp() * x.tanh()).sum(), x, create_graph=True)


@scenario
def gradients_given():
    x = leaf()
    y = x.exp()
    torch.autograd.grad(y, x, grad_outputs=torch.ones_like(y), retain_graph=True)
    y.backward(torch.ones_like(y))


@scenario
def switches():
    x = leaf()
    with torch.no_grad():
        (x * 2).detach()
        with torch.enable_grad():
            y = x * 2
    with torch.set_grad_enabled(False):
        x * 2
    with torch.inference_mode():
        (x * 2).view(6)
    torch.no_grad()(lambda: x * 2)()
    y.detach().add_(1)


@scenario
def saved_tensor_hooks():
    x = leaf()
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.detach(), lambda packed: packed):
        y = (x * x).exp()
    y.sum().backward()


@scenario
def anomaly_mode():
    x = leaf()
    with torch.autograd.set_detect_anomaly(True):
        (x * x).exp().sum().backward()


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x * x * x
        ctx.save_for_backward(x, result)
        ctx.note = "kept with the node"
        return result

    @staticmethod
    def backward(ctx, gradient):
        x, _ = ctx.saved_tensors
        return 3 * gradient * x * x


@scenario
def custom_function():
    x = leaf()
    Cube.apply(x).sum().backward()
    Cube.apply(x)
    (first,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    first.sum().backward()


@scenario
def backward_without_gradient():
    try:
        torch.ones(1).backward()
    except RuntimeError:
        return
    raise AssertionError


@scenario
def backward_of_a_matrix():
    try:
        (leaf() * 2).backward()
    except RuntimeError:
        return
    raise AssertionError


@scenario
def backward_a_second_time():
    x = leaf()
    y = x.sin() * x
    z = y.sum()
    z.backward()
    try:
        z.backward()
    except RuntimeError:
        return
    raise AssertionError


@scenario
def a_hook_that_raises():
    x = leaf()
    y = x.sin()
    y.register_hook(lambda gradient: 1 / 0)
    try:
        (y * x).sum().backward()
    except ZeroDivisionError:
        return
    raise AssertionError


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        raise ValueError("broken")


@scenario
def a_backward_that_raises():
    x = leaf()
    try:
        Broken.apply(x.sin()).sum().backward()
    except ValueError:
        return
    raise AssertionError


@scenario
def a_spoiled_value():
    x = leaf()
    y = x * 2
    z = y.sin()
    y.add_(1)
    try:
        z.sum().backward()
    except RuntimeError:
        return
    raise AssertionError


@scenario
def shapes_that_do_not_fit():
    x = leaf()
    try:
        (x * 2) + torch.ones(5)
    except RuntimeError:
        return
    raise AssertionError


@scenario
def in_place_on_a_leaf():
    x = leaf()
    try:
        x **= 2
    except RuntimeError:
        return
    raise AssertionError


@scenario
def copies_and_arrays():
    x = leaf()
    copy.deepcopy(x)
    x.detach().numpy()
    torch.from_numpy(np.ones(3))[1:].mul_(2)
    x.clone().data
    repr(x * 2)


@scenario
def backward_in_a_thread():
    x = leaf()
    y = (x * x).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    assert x.grad is not None


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda function: function.__name__)
def test_nothing_is_left_behind(scenario):
    assert leftovers(scenario) == {}


def test_leftovers_are_found():
    def cycle():
        x = leaf()
        x.itself = [x]

    kept = []
    assert leftovers(cycle)["Tensor"] == 5
    assert leftovers(lambda: kept.append(leaf() * 2))["Tensor"] >= 5


def test_a_gradient_with_a_graph_is_a_cycle_that_setting_none_breaks():
    # x.grad's graph leads to x: the user's own knot, and PyTorch's, which warns of it.
    def scenario():
        x = leaf()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (x * x).sum().backward(create_graph=True)
        x.grad = None

    assert leftovers(scenario) == {}


# ---- what lives exactly as long as it should


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_tensor_dies_while_its_graph_lives(no_collector):
    x = leaf()
    middle = x.exp()
    end = (middle * 2).sum()
    dead = weakref.ref(middle)
    del middle
    assert dead() is None
    end.backward()
    assert x.grad is not None


def test_a_graph_dies_with_its_result(no_collector):
    x = leaf()
    y = x.sin().sum()
    node = weakref.ref(y.grad_fn)
    inner = weakref.ref(y.grad_fn.next_functions[0][0])
    del y
    assert node() is None
    assert inner() is None


def test_a_leaf_lives_as_long_as_its_graph(no_collector):
    x = leaf()
    end = (x * 2).sum()
    alive = weakref.ref(x)
    del x
    assert alive() is not None
    end.backward()
    assert alive().grad is not None
    del end
    assert alive() is None


def test_a_view_keeps_its_base_and_no_base_keeps_its_views(no_collector):
    base = torch.ones(4)
    view = base[1:]
    ref_to_base, ref_to_view = weakref.ref(base), weakref.ref(view)
    del base
    assert ref_to_base() is view._base
    base = view._base
    del view
    assert ref_to_view() is None
    del base
    assert ref_to_base() is None


def test_a_removed_hook_lets_its_function_go(no_collector):
    class Hook:
        def __call__(self, gradient):
            return None

    hook = Hook()
    y = leaf() * 2
    handle = y.register_hook(hook)
    gone = weakref.ref(hook)
    del hook
    assert gone() is not None
    handle.remove()
    assert gone() is None


def test_a_handle_does_not_keep_its_tensor(no_collector):
    y = leaf() * 2
    handle = y.register_hook(lambda gradient: None)
    gone = weakref.ref(y)
    del y
    assert gone() is None
    handle.remove()


def test_a_cycle_through_a_hook_is_the_users_and_the_collector_finds_it():
    def tied_to_itself():
        y = leaf() * 2
        y.register_hook(lambda gradient: gradient * y.detach())
        return weakref.ref(y)

    gone = tied_to_itself()
    gc.collect()
    assert gone() is None


def allocated(function):
    """Bytes still allocated when `function` has returned, with what it returned kept."""
    tracemalloc.start()
    try:
        result = function()
        return tracemalloc.get_traced_memory()[0], result
    finally:
        tracemalloc.stop()


def test_backward_frees_what_was_saved():
    x = leaf(1000, 1000)
    size = 4_000_000

    def forward():
        return x.sin().cos().exp().sum()

    held, end = allocated(forward)
    assert 1.9 * size < held < 2.2 * size  # the input of cos and the result of exp; x is not new

    def forward_backward():
        end = forward()
        end.backward()
        return end

    held, end = allocated(forward_backward)
    assert end.grad_fn is not None
    assert held < 1.2 * size  # x.grad


def test_backward_frees_as_it_goes():
    x = leaf(1000, 1000)
    size = 4_000_000

    def peak(length):
        tracemalloc.start()
        try:
            y = x
            for _ in range(length):
                y = y.sin()
            end = y.sum()
            del y
            forward = tracemalloc.get_traced_memory()[0]
            end.backward()
            return (tracemalloc.get_traced_memory()[1] - forward) / size
        finally:
            tracemalloc.stop()

    assert peak(20) < peak(5) + 1


def test_nothing_is_saved_for_a_gradient_nobody_wants():
    constant = torch.ones(1000, 1000)
    x = leaf(1)
    held, _ = allocated(lambda: (constant.sin() * 2).cos() + x)
    assert held < 1.2 * 4_000_000  # the result itself
