"""`__torch_function__`: of subclasses and of modes."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule.overrides import BaseTorchFunctionMode, TorchFunctionMode, has_torch_function
from chainrule.tensor import wrap_as


class Noted(torch.Tensor):
    """Notes the operations it takes part in."""

    calls: list[str] = []  # noqa: RUF012  shared on purpose

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class Refusing(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


@pytest.fixture
def noted():
    Noted.calls.clear()
    return wrap_as(Noted, torch.ones(2)._array)


def test_subclass(noted):
    result = (noted * 2).exp() + torch.ones(2)
    assert type(result) is Noted
    assert Noted.calls == ["mul", "exp", "add"]
    assert result.tolist() == pytest.approx([8.389056, 8.389056])
    assert has_torch_function([noted])
    assert not has_torch_function([torch.ones(2)])


def test_gradients_pass_through(noted):
    noted.requires_grad_()
    (noted * noted).sum().backward()
    assert noted.grad.tolist() == [2, 2]


def test_nobody_implements():
    with pytest.raises(TypeError, match=r"no implementation found for 'torch.mul' on types that implement"):
        wrap_as(Refusing, torch.ones(2)._array) * 2


def test_modes():
    calls = []

    class Counting(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            calls.append(func.__name__)
            return func(*args, **(kwargs or {}))

    x = torch.ones(2)
    with Counting():
        y = x * 3
        with BaseTorchFunctionMode():
            y = y.exp()
    x * 3
    assert calls == ["mul", "exp"]
    assert type(y) is torch.Tensor


def test_a_plain_subclass_stays_itself_through_operations():
    class Mine(torch.Tensor):
        pass

    x = torch.ones(2).as_subclass(Mine)
    assert type(x + 1) is Mine
    assert type(torch.exp(x)) is Mine
    assert type(x.detach()) is Mine
    assert type(torch.ones(2) * x) is Mine
    y = torch.ones(2, requires_grad=True)
    (y.as_subclass(Mine) * 3).sum().backward()
    assert y.grad.tolist() == [3.0, 3.0]


def test_a_parameter_gives_plain_tensors():
    assert type(torch.nn.Parameter(torch.ones(2)) + 1) is torch.Tensor
