"""Hooks on tensors, leaves and nodes: order, replacement, removal, errors."""

import gc
import pickle
import weakref
from collections import OrderedDict

import pytest

import chainrule as torch
from chainrule.utils.hooks import RemovableHandle


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def test_hook_sees_and_replaces_the_gradient_of_a_leaf():
    x = leaf()
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 3).sum().backward()
    assert seen == [[3.0, 3.0], [30.0, 30.0]]
    assert x.grad.tolist() == [30.0, 30.0]


def test_hook_on_a_result_changes_what_flows_on():
    x = leaf()
    y = x * 2
    y.register_hook(lambda g: g * 5)
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]


def test_hooks_on_two_outputs_of_one_node_see_their_own_gradient():
    x = leaf(1.0, 2.0, 3.0)
    first, second = x.split([1, 2])
    seen = {}
    first.register_hook(lambda g: seen.__setitem__("first", g.tolist()))
    second.register_hook(lambda g: seen.__setitem__("second", g.tolist()))
    (first.sum() * 2 + second.sum() * 3).backward()
    assert seen == {"first": [2.0], "second": [3.0, 3.0]}


def test_removed_hooks_do_not_run_and_removing_twice_is_harmless():
    x = leaf()
    handle = x.register_hook(lambda g: g * 0)
    handle.remove()
    handle.remove()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_handle_as_context_manager():
    x = leaf()
    with x.register_hook(lambda g: g * 2):
        x.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_hook_that_removes_another_takes_effect_at_the_next_backward():
    x = leaf()
    calls = []

    def first(g):
        calls.append("first")
        second.remove()

    x.register_hook(first)
    second = x.register_hook(lambda g: calls.append("second"))
    x.sum().backward()
    x.sum().backward()
    assert calls == ["first", "second", "first"]


def test_handle_survives_its_tensor_and_pickling():
    hooks = OrderedDict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = print
    copy = pickle.loads(pickle.dumps(handle))
    assert copy.id == handle.id
    del hooks
    handle.remove()
    assert repr(handle).startswith("<torch.utils.hooks.RemovableHandle object at 0x")


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (lambda g: 3, TypeError, "expected Variable, but hook returned 'int'"),
        (lambda g: torch.ones(3), RuntimeError, "has changed the size of value"),
        (lambda g: g.double(), RuntimeError, "changed the type of value .was torch.FloatTensor got torch.DoubleTensor"),
    ],
)
def test_what_a_tensor_hook_may_not_return(result, error, text):
    for x in (leaf(), leaf() * 1):
        x.register_hook(result)
        with pytest.raises(error, match=text):
            x.sum().backward()


def test_an_exception_in_a_hook_comes_through_and_leaves_grad_mode():
    x = leaf()

    def raising(g):
        raise KeyError("mine")

    (x * 2).register_hook(raising)
    y = x * 2
    y.register_hook(raising)
    with pytest.raises(KeyError, match="mine"):
        y.sum().backward()
    assert torch.is_grad_enabled()
    assert x.grad is None


def test_a_hook_may_run_backward():
    x = leaf()
    y = leaf()

    def hook(g):
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            (y * 7).sum().backward()

    x.register_hook(hook)
    (x * 2).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([2.0, 2.0], [7.0, 7.0])


def test_a_gradient_kept_by_a_hook_is_not_overwritten_by_later_accumulation():
    x = leaf()
    kept = []
    x.register_hook(kept.append)
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert [g.tolist() for g in kept] == [[2.0, 2.0], [2.0, 2.0]]
    assert x.grad.tolist() == [4.0, 4.0]


def test_hooks_are_called_with_none_where_no_gradient_arrives():
    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return None

    x = leaf()
    seen = []
    x.register_hook(seen.append)
    y = x * 2
    y.register_hook(seen.append)
    Nothing.apply(y).sum().backward()
    assert seen == [None, None]
    assert x.grad is None


def test_hooks_stay_with_the_old_node_when_a_tensor_is_overwritten():
    x = leaf()
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("before", g.tolist())))
    y.mul_(10)
    y.register_hook(lambda g: seen.append(("after", g.tolist())))
    y.sum().backward()
    assert seen == [("after", [1.0, 1.0]), ("before", [10.0, 10.0])]


def test_retained_gradient_moves_with_the_tensor():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    y.mul_(10)
    assert y.retains_grad
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]


def test_retained_gradient_of_a_base_written_through_a_view():
    x = torch.ones(2, 2, requires_grad=True)
    y = x.clone()
    y.retain_grad()
    y[0].mul_(3)
    y.sum().backward()
    assert y.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert x.grad.tolist() == [[3.0, 3.0], [1.0, 1.0]]


def test_retained_gradient_is_taken_after_all_tensor_hooks_and_accumulates():
    x = leaf()
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert y.grad.tolist() == [4.0, 4.0]


def test_retain_grad_needs_a_tensor_that_requires_grad():
    with pytest.raises(RuntimeError, match="can't retain_grad on Tensor that has requires_grad=False"):
        torch.ones(2).retain_grad()
    x = leaf()
    x.retain_grad()
    assert not x.retains_grad


@pytest.mark.parametrize("register", ["register_hook", "register_post_accumulate_grad_hook"])
def test_hooks_need_a_tensor_that_requires_grad(register):
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        getattr(torch.ones(2), register)(print)


def test_post_accumulate_hooks():
    x = leaf()
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.tolist())))
    x.sum().backward()
    x.sum().backward()
    handle.remove()
    x.sum().backward()
    assert seen == [(True, [1.0, 1.0]), (True, [2.0, 2.0])]
    with pytest.raises(RuntimeError, match="cannot be registered on non-leaf tensors"):
        (x * 2).register_post_accumulate_grad_hook(print)
    x.register_post_accumulate_grad_hook(lambda t: t.grad)
    with pytest.raises(RuntimeError, match="hooks should return None"):
        x.sum().backward()


def test_order_around_a_node_and_a_leaf():
    x = leaf()
    y = x * 2
    order = []
    accumulator = y.grad_fn.next_functions[0][0]
    x.register_post_accumulate_grad_hook(lambda t: order.append("after accumulation"))
    accumulator.register_hook(lambda inputs, outputs: order.append(("leaf's node", inputs, len(outputs))))
    accumulator.register_prehook(lambda outputs: order.append("before the leaf's node"))
    x.register_hook(lambda g: order.append("leaf"))
    y.grad_fn.register_hook(lambda inputs, outputs: order.append(("node", len(inputs), len(outputs))))
    y.grad_fn.register_prehook(lambda outputs: order.append("before the node"))
    y.register_hook(lambda g: order.append("tensor"))
    y.sum().backward()
    assert order == [
        "tensor",
        "before the node",
        ("node", 2, 1),
        "leaf",
        "before the leaf's node",
        "after accumulation",
        ("leaf's node", (), 1),
    ]


def test_node_hooks_replace_gradients():
    x = leaf()
    y = x * 2
    y.grad_fn.register_prehook(lambda outputs: (outputs[0] * 3,))
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + 1, None))
    y.sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (3, TypeError, "expected tuple, but hook returned 'int'"),
        ((None,), RuntimeError, "incorrect number of values .got 1, but expected 2"),
        ((torch.ones(5), None), RuntimeError, "changed the size"),
        ((torch.ones(2), torch.ones(2)), RuntimeError, "can't replace a None gradient with a non-None value"),
    ],
)
def test_what_a_node_hook_may_not_return(result, error, text):
    x = leaf()
    y = x * 2
    y.grad_fn.register_hook(lambda inputs, outputs: result)
    with pytest.raises(error, match=text):
        y.sum().backward()


def test_hooks_of_a_leafs_node_live_as_long_as_the_graph():
    x = leaf()
    y = x * 2
    seen = []
    y.grad_fn.next_functions[0][0].register_prehook(lambda g: seen.append(1))
    gc.collect()
    y.sum().backward(retain_graph=True)
    assert seen == [1]
    del y
    (x * 2).sum().backward()
    assert seen == [1]


def test_grad_runs_tensor_hooks_of_its_inputs_but_not_their_nodes():
    x = leaf()
    y = x * 2
    z = y * 3
    seen = []
    y.register_hook(lambda g: g * 10)
    y.grad_fn.register_prehook(lambda g: seen.append("node"))
    (g,) = torch.autograd.grad(z.sum(), y, retain_graph=True)
    assert (g.tolist(), seen) == ([30.0, 30.0], [])
    # where the node runs as well, what arrived is handed out
    gx, gy = torch.autograd.grad(z.sum(), (x, y))
    assert (gx.tolist(), gy.tolist(), seen) == ([60.0, 60.0], [3.0, 3.0], ["node"])


def test_hooks_of_leaves_that_were_not_asked_for_do_not_run():
    x, y = leaf(), leaf()
    x.register_hook(lambda g: pytest.fail("not asked for"))
    torch.autograd.grad((x * y).sum(), y)
    (x * y).sum().backward(inputs=y)
    assert x.grad is None


def test_multi_grad_hook_all_and_any():
    x, y, z = leaf(), leaf(), leaf()
    out = (x * 2 + y * 3).sum()
    seen, first = [], []
    handle = torch.autograd.graph.register_multi_grad_hook((x, y, z), seen.append)
    torch.autograd.graph.register_multi_grad_hook((x, y, z), first.append, mode="any")
    out.backward(retain_graph=True)
    assert [None if g is None else g.tolist() for g in seen[0]] == [[2.0, 2.0], [3.0, 3.0], None]
    assert len(first) == 1
    out.backward(inputs=[x], retain_graph=True)
    assert len(seen) == 2 and len(first) == 2
    handle.remove()
    out.backward()
    assert len(seen) == 2 and len(first) == 3
    with pytest.raises(ValueError, match="Expects mode to be one of"):
        torch.autograd.graph.register_multi_grad_hook((x,), print, mode="some")


def test_callbacks_run_at_the_end_of_backward():
    x = leaf()
    engine = torch.autograd.Variable._execution_engine
    order = []
    x.register_hook(lambda g: engine.queue_callback(lambda: order.append("end")))
    x.register_post_accumulate_grad_hook(lambda t: order.append("leaf"))
    x.sum().backward()
    assert order == ["leaf", "end"]
    with pytest.raises(RuntimeError, match="Final callbacks can only be installed during backward pass"):
        engine.queue_callback(print)


def test_hooks_do_not_keep_graphs_alive():
    gc.disable()
    try:
        x = leaf()
        y = x * 2
        y.register_hook(lambda g: g)
        y.retain_grad()
        y.grad_fn.register_hook(lambda a, b: None)
        y.sum().backward()
        watched = [weakref.ref(y), weakref.ref(y.grad_fn)]
        del y
        assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()
