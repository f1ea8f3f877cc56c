"""Wrong arguments of backward, grad and the hooks around saved tensors: PyTorch's errors, and nothing left behind."""

from __future__ import annotations

import pickle

import pytest

import chainrule as torch
from chainrule.autograd import forward_ad, graph


def leaf():
    return torch.tensor([1.0, 2.0, 3.0], requires_grad=True)


def test_fewer_gradients_than_tensors():
    x = leaf()
    with pytest.raises(RuntimeError, match="got 2 tensors and 1 gradients"):
        torch.autograd.backward([x.sum(), x.sum()], [torch.ones(())])
    with pytest.raises(RuntimeError, match="got 2 tensors and 1 gradients"):
        torch.autograd.grad((x * 2, x * 3), x, (torch.ones(3),))
    assert x.grad is None


def test_the_gradient_of_an_edge_has_its_shape():
    edge = graph.get_gradient_edge(leaf() * 2)
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: grad_output\[0\] has a shape of torch.Size\(\[2\]\)"):
        torch.autograd.backward(edge, torch.ones(2))


def test_nodes_are_not_pickled():
    with pytest.raises(TypeError, match="cannot pickle 'MulBackward0' object"):
        pickle.dumps((leaf() * 2).grad_fn)


def test_multi_grad_hooks_need_gradients():
    x = leaf()
    with pytest.raises(AssertionError, match="Expected gradient function to be set"):
        graph.register_multi_grad_hook((x, torch.ones(2)), print)
    assert not x._backward_hooks


def test_raw_saved_tensors():
    x = leaf()
    y = x.pow(2)
    raw = y.grad_fn._raw_saved_self
    assert repr(raw).startswith("<torch._C._autograd.SavedTensor object at 0x")
    y.sum().backward()
    assert x.grad.tolist() == [2, 4, 6]
    with pytest.raises(RuntimeError, match="Calling register_hooks on a saved tensor after it has been freed"):
        raw.register_hooks(lambda t: t, lambda t: t)
    z = x * torch.ones(3)
    with pytest.raises(RuntimeError, match="on a saved tensor with value None is forbidden"):
        z.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)


def test_an_unpacked_tensor_of_another_dtype_gives_gradients_of_the_right_one():
    for dtype in (torch.float64, torch.float16):
        x = leaf()
        with graph.saved_tensors_hooks(lambda t: t, lambda t, dtype=dtype: t.to(dtype)):
            y = (x * x).sum()
        y.backward()
        assert x.grad.dtype is torch.float32 and x.grad.tolist() == [2, 4, 6]


def test_hooks_on_saved_tensors_are_functions():
    with pytest.raises(TypeError), graph.saved_tensors_hooks(3, lambda t: t):
        pass
    with graph.disable_saved_tensors_hooks("none was left open"):
        pass


def test_a_pack_hook_that_writes():
    def pack(tensor):
        with torch.no_grad():
            return tensor.add_(1)

    with (
        graph.saved_tensors_hooks(pack, lambda t: t),
        pytest.raises(RuntimeError, match="Tensors provided as input to pack hook cannot be modified by in-place"),
    ):
        (leaf().clone() * 2).exp()


def test_inference_tensors_keep_their_size():
    with torch.inference_mode():
        x = torch.ones(3)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode is not allowed"):
        x.resize_(2)


def test_out_of_dual_numbers():
    with (
        forward_ad.dual_level(),
        pytest.raises(NotImplementedError, match="Trying to use forward AD with add_out that does not support it"),
    ):
        torch.add(forward_ad.make_dual(torch.ones(2), torch.ones(2)), 1, out=torch.zeros(2))


def test_the_argument_of_set_grad_enabled():
    with pytest.raises(
        TypeError, match=r"set_grad_enabled\(\): argument 'enabled' \(position 1\) must be bool, not int"
    ):
        torch.set_grad_enabled(1)


def test_keywords_of_functions():
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, a, b=2, *, c=1):
            return x * a * b * c

        @staticmethod
        def backward(ctx, g):
            return g, None, None

    x = leaf()
    (g,) = torch.autograd.grad(Scaled.apply(x=x, b=3, a=2).sum(), x)  # a tensor by name is an input, too
    assert g.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match=r"returned an incorrect number of gradients \(expected 2, got 1\)"):
        torch.autograd.grad(Wrong.apply(x, 2).sum(), x)  # a default that is not given is no input
    for kwargs, message in (
        ({"c": 1}, "unexpected keyword argument 'c'"),
        ({"z": 1}, "unexpected keyword argument 'z'"),
        ({"x": 1}, "multiple values for argument 'x'"),
        ({"b": 1}, "missing 1 required positional argument: 'a'"),
    ):
        with pytest.raises(TypeError, match=message):
            Scaled.apply(x, **kwargs)


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, a, b=2):
        return x * a * b

    @staticmethod
    def backward(ctx, g):
        return g


def test_numpy_where_nothing_is_recorded():
    x = leaf()
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        x.numpy()
    with torch.no_grad():
        assert x.numpy().tolist() == [1, 2, 3]


def test_anomaly_mode_names_the_line_and_the_remedy():
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        y = x / x
        with (
            pytest.warns(UserWarning, match="Error detected in DivBackward0"),
            pytest.raises(
                RuntimeError, match="Function 'DivBackward0' returned nan values in its 1th output"
            ) as caught,
        ):
            y.sum().backward()
    recorded, remedy = caught.value.__notes__
    source = y.grad_fn.source
    assert recorded == f"the operation was recorded here:\n  {__file__}:{source.line}: x / x"
    assert remedy == "remedy: keep the divisor from 0: x / (y + eps), or y.clamp(min=eps)"


def test_anomaly_mode_of_what_is_masked_out():
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with torch.autograd.set_detect_anomaly(True):
        y = torch.where(x > 0, x.sqrt(), 0)
        with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="SqrtBackward0") as caught:
            y.sum().backward()
    assert "put a second `where` inside" in caught.value.__notes__[1]


class NanBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * float("nan")


def test_anomaly_mode_of_a_custom_function():
    x = leaf()
    with torch.autograd.set_detect_anomaly(True):
        y = NanBackward.apply(x)
        with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="returned nan values") as caught:
            y.sum().backward()
    assert "NanBackward.apply(x)" in caught.value.__notes__[0]
    assert caught.value.__notes__[1].startswith("remedy: divide by what cannot be 0 in that backward")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3,), r"size of tensor a \(3\) must match the size of tensor b \(2\) at non-singleton dimension 0"),
        ((4, 1), r"output with shape \[4, 1\] doesn't match the broadcast shape \[4, 2\]"),
    ],
)
def test_a_gradient_that_was_reshaped(shape, message):
    w = torch.ones(2, requires_grad=True)
    (w * 2).sum().backward()
    w.grad.resize_(shape)
    with pytest.raises(RuntimeError, match=message):
        (w * 2).sum().backward()
