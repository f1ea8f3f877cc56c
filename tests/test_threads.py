"""Threads: switches of their own, backward at once on shared graphs and leaves, and backward inside backward."""

import threading
import warnings

import pytest

import chainrule as torch


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def run_in_threads(*functions):
    """Runs functions at the same time, each in a thread; raises the first error."""
    errors = []
    barrier = threading.Barrier(len(functions))

    def run(function):
        barrier.wait()
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_grad_mode_belongs_to_a_thread():
    seen = []
    with torch.no_grad():
        run_in_threads(lambda: seen.append(torch.is_grad_enabled()))
    run_in_threads(lambda: torch.set_grad_enabled(False))
    assert seen == [True] and torch.is_grad_enabled()


def test_threads_accumulate_into_shared_leaves():
    x = leaf()

    def work():
        for _ in range(200):
            (x * x).sum().backward()

    run_in_threads(*[work] * 4)
    assert x.grad.tolist() == [1600.0, 3200.0]


def test_backward_at_once_through_a_shared_graph():
    x = leaf()
    shared = x * x

    def work():
        for _ in range(100):
            (shared * 2).sum().backward(retain_graph=True)

    run_in_threads(*[work] * 4)
    assert x.grad.tolist() == [1600.0, 3200.0]


def test_hooks_run_in_the_thread_of_their_backward():
    x = leaf()
    names = set()
    x.register_hook(lambda g: names.add(threading.current_thread()))
    run_in_threads(lambda: (x * 2).sum().backward())
    (x * 2).sum().backward()
    assert len(names) == 2


def test_an_error_in_one_thread_leaves_the_others():
    x, y = leaf(), leaf()
    y.register_hook(lambda g: 1 / 0)

    def fails():
        with pytest.raises(ZeroDivisionError):
            (y * 2).sum().backward()

    run_in_threads(fails, lambda: (x * 2).sum().backward())
    assert x.grad.tolist() == [2.0, 2.0] and y.grad is None


def nested(depth_wanted):
    """A Function whose backward runs backward through itself, so deep; and a list of the depths reached."""
    reached = []

    class Nested(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            reached.append(torch.is_grad_enabled())
            if len(reached) < depth_wanted:
                with torch.enable_grad():
                    inner = torch.ones(1, requires_grad=True)
                    Nested.apply(inner).sum().backward()
                return g + inner.grad
            return g

    return Nested, reached


def test_backward_inside_backward_thousands_deep():
    function, reached = nested(3000)
    x = leaf(1.0)
    function.apply(x).sum().backward()
    assert reached == [False] * 3000
    assert x.grad.tolist() == [3000.0]


def test_an_error_comes_up_from_the_depths():
    function, _ = nested(500)

    class Stop(Exception):
        pass

    def hook(g):
        raise Stop("at the bottom")

    class Bottom(function):
        @staticmethod
        def backward(ctx, g):
            with torch.enable_grad():
                y = leaf(1.0)
                y.register_hook(hook)
                (y * 2).backward()

    x = leaf(1.0)
    y = Bottom.apply(function.apply(x))
    with pytest.raises(Stop, match="at the bottom"):
        y.sum().backward()
    assert torch.is_grad_enabled() and x.grad is None


def test_switches_reach_the_depths_and_come_back():
    seen = []

    class Down(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, depth):
            ctx.depth = depth
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            if ctx.depth:
                with torch.enable_grad():
                    Down.apply(torch.ones(1, requires_grad=True), ctx.depth - 1).sum().backward()
            else:
                seen.append(torch.is_anomaly_enabled())
            return g, None

    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        Down.apply(leaf(1.0), 100).sum().backward()
    assert seen == [True] and not torch.is_anomaly_enabled()


def test_nested_backward_on_the_same_leaf():
    x = leaf(3.0)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                detached = x.detach().requires_grad_()
                (detached * detached).sum().backward()
            return g * detached.grad

    (Function.apply(x) * x).sum().backward()
    assert x.grad.tolist() == [27.0]


def test_anomaly_mode_is_on_in_all_threads():
    seen = []

    def run():
        seen.append(torch.is_anomaly_enabled())
        try:
            (leaf(0.0).sqrt() * 0).sum().backward()
        except RuntimeError as error:
            seen.append(str(error))

    def in_a_thread():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    with torch.autograd.set_detect_anomaly(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        in_a_thread()
    assert seen == [True, "Function 'SqrtBackward0' returned nan values in its 0th output."]
    in_a_thread()
    assert seen[2:] == [False]
