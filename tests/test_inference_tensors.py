"""Tensors made in inference mode, outside of it: what may be written to, what is recorded, what copies are."""

import copy

import pytest

import chainrule as torch


@pytest.fixture
def made():
    with torch.inference_mode():
        return torch.ones(2, requires_grad=True)


@pytest.fixture
def normal():
    return torch.full((2,), 3.0, requires_grad=True)


@pytest.mark.parametrize("compute", [lambda x: x * 2, lambda x: 1 + x, lambda x: x - 1, lambda x: x / 2])
def test_a_number_is_a_normal_operand(made, compute):
    assert compute(made).requires_grad


@pytest.mark.parametrize("compute", [lambda x: x.sin(), lambda x: x * x, lambda x: x**2, lambda x: x.lerp(x, 0.5)])
def test_without_a_normal_operand_nothing_is_recorded(made, compute):
    assert not compute(made).requires_grad


def test_what_detach_makes_in_normal_mode_may_be_written_to(made, normal):
    for x in (made.detach(), made.data):
        assert x.is_inference()
        x.mul_(2)
    assert made.tolist() == [4, 4]
    x = made.detach()
    x.mul_(normal)
    assert x.grad_fn.name() == "MulBackward0"
    x.backward(torch.ones(2))
    assert normal.grad.tolist() == [4, 4]


def test_what_was_made_in_inference_mode_may_not(made):
    with torch.inference_mode():
        inside = made.detach()
    for x in (inside, made.detach()[0], made.detach().view(-1)):
        with pytest.raises(RuntimeError, match="Inplace update to inference tensor"):
            x.add_(1)
    assert made.tolist() == [1, 1]


def test_errors_of_the_operation_come_first(made, normal):
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        made.add_(1)
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        made.detach()[0].mul_(normal.detach())


def test_copies_are_normal_and_written(made):
    for copied in (made.clone(), made.double(), made.to(torch.float64)):
        assert not copied.is_inference()
        assert copied._version == 1
        assert copied.grad_fn.name() == "torch::autograd::CopyBackwards"


def test_views_of_views_from_inference_mode_say_so(normal):
    x = normal.clone()
    with torch.inference_mode():
        view = x.view(-1)
    with torch.no_grad():
        view = view[...]
    with pytest.raises(RuntimeError, match="created in inference mode"):
        view.neg_()


def test_a_function_is_recorded_where_grad_mode_is_on_again(normal):
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    with torch.inference_mode(), torch.enable_grad():
        assert Same.apply(normal).requires_grad


def test_backward_in_inference_mode_gives_hooks_inference_tensors(normal):
    seen = []
    y = normal.sum()
    y.register_hook(lambda g: seen.append(g.is_inference()))
    with torch.inference_mode():
        y.backward()
    assert seen == [True]


def test_parameters_of_inference_tensors(made):
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor outside InferenceMode"):
        torch.nn.Parameter(made)
    assert torch.nn.Parameter(made, requires_grad=False).is_inference()
    with torch.inference_mode():
        parameter = torch.nn.Parameter(torch.ones(2))
    assert parameter.is_inference()
    assert parameter.requires_grad


def test_a_deep_copy_made_in_normal_mode_is_a_normal_tensor(made):
    assert not copy.deepcopy(made).is_inference()
    with torch.inference_mode():
        assert copy.deepcopy(made).is_inference()
