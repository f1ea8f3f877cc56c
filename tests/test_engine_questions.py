"""What programs can ask the running backward, and the small switches beside it."""

from __future__ import annotations

import pickle
import warnings

import pytest

import chainrule as torch
from chainrule import _C
from chainrule.autograd import graph
from chainrule.utils import checkpoint, hooks


def leaf():
    return torch.tensor([1.0, 2.0, 3.0], requires_grad=True)


def test_undefined_gradients():
    class Seen(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            seen.append(g)
            return g

    seen = []
    for materialize in (True, False):  # noqa: B007  `forward` looks at it
        x = leaf()
        _C._functions.UndefinedGrad()(Seen.apply(x)).sum().backward()
    assert seen[0].tolist() == [0, 0, 0] and seen[1] is None


def test_which_nodes_run():
    x = leaf()
    y = x * 2
    z = y * 3
    u = x.exp()
    end = z.sum() + u.sum()
    found = []
    z.register_hook(lambda g: found.append([_C._will_engine_execute_node(n.grad_fn) for n in (y, z, u)]))
    end.backward(retain_graph=True)
    torch.autograd.grad(end, y, retain_graph=True)
    assert found == [[True, True, True], [True, True, False]]
    with pytest.raises(RuntimeError, match="should only be called during the backward pass"):
        _C._will_engine_execute_node(y.grad_fn)
    with pytest.raises(RuntimeError, match="expects an grad_fn, but got int"):
        _C._will_engine_execute_node(3)


def test_the_node_and_the_task():
    x = leaf()
    y = x * 2
    seen = []
    y.grad_fn.register_hook(lambda inputs, outputs: seen.append(_C._current_autograd_node() is y.grad_fn))
    x.register_hook(lambda g: seen.append(_C._current_autograd_node().name()))
    x.register_hook(lambda g: seen.append(_C._current_graph_task_id() >= 0))
    x.register_hook(lambda g: seen.append(_C._autograd._get_current_graph_task_keep_graph()))
    y.sum().backward()
    assert seen == [True, "torch::autograd::AccumulateGrad", True, False]
    assert _C._current_autograd_node() is None and _C._current_graph_task_id() == -1


def test_a_hook_registered_while_saved_tensors_are_unpacked_runs():
    x = leaf()
    y = x * x
    seen = []

    def unpack(tensor):
        y.grad_fn.register_hook(lambda inputs, outputs: seen.append("hook"))
        return tensor

    y.grad_fn._raw_saved_self.register_hooks(lambda t: t, unpack)
    y.sum().backward()
    assert seen == ["hook"]


def test_versions_can_be_put_back():
    x = leaf()
    y = x.clone()
    z = y.sin()
    with torch.autograd._unsafe_preserve_version_counter(y):
        y.mul_(2)
    assert y._version == 0
    z.sum().backward()  # computed with what is there now
    assert torch.allclose(x.grad, (2 * x.detach()).cos())
    written = torch.zeros(2).add_(1)
    _C._autograd._unsafe_set_version_counter((written,), (0,))
    assert written._version == 0


def test_switches_of_other_devices():
    x = leaf()
    with torch.autograd.enforce_grad_layout_policy(enable=False):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    assert torch.autograd.enforce_grad_layout_policy()(lambda: 3)() == 3
    graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    graph.set_override_stale_capture_stream(True)
    with pytest.raises(RuntimeError, match=r"can only be used inside a torch\.compile region"):
        graph.region_activation_memory_budget(0.5)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 1\.5"):
        graph.region_activation_memory_budget(1.5)
    assert checkpoint.get_device_states(x) == ([], [])
    checkpoint.set_device_states([], [])
    assert checkpoint.DefaultDeviceType.get_device_type() == "cpu"


def test_hooks_are_not_pickled():
    x = leaf()
    x.register_hook(hooks.unserializable_hook(lambda g: None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.dumps(x)
    x.register_hook(lambda g: None)
    with pytest.warns(UserWarning, match="on tensor will not be serialized"):
        assert pickle.loads(pickle.dumps(x))._backward_hooks is None
