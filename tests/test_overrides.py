"""`__torch_function__`: of subclasses and of modes."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule import overrides
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


class Answers:
    """No tensor, but with an answer for every function."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, types, args, kwargs


class Refuses:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def opened(a, b=None):
    if overrides.has_torch_function((a, b)):
        return overrides.handle_torch_function(opened, (a, b), a, b=b)
    return "plain"


def test_a_function_can_be_opened_to_classes_with_rules_of_their_own():
    class More(Answers):
        pass

    one, two, tensor = Answers(), More(), torch.ones(1)
    assert opened(1, 2) == opened(tensor) == "plain"
    assert opened(one) == ("opened", (Answers,), (one,), {"b": None})
    assert opened(tensor, one) == ("opened", (torch.Tensor, Answers), (tensor,), {"b": one})
    assert opened(one, two)[1] == (More, Answers)
    with pytest.raises(TypeError, match=r"no implementation found for '.*opened' on types .*Refuses"):
        opened(Refuses())
    assert overrides.has_torch_function_unary(one)
    assert not overrides.has_torch_function_variadic(1, tensor)


def test_a_decorator_opens_a_function():
    @overrides.wrap_torch_function(lambda a: (a,))
    def doubled(a):
        return a * 2

    assert doubled(2) == 4
    assert doubled(Answers())[0] == "doubled"


def test_modes_see_opened_functions():
    class Mode(overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    seen = []
    with Mode():
        assert opened(1) == "plain"
    assert seen == ["opened"]


@pytest.mark.parametrize(
    "call",
    [
        lambda t, out: torch.matmul(t, t, out=out),
        lambda t, out: torch.mm(t, t, out=out),
        lambda t, out: torch.bmm(t[None], t[None], out=out[None]),
        lambda t, out: torch.mv(t, t[0], out=out[0]),
        lambda t, out: torch.add(t, t, out=out),
    ],
)
def test_modes_and_classes_are_given_out(call):
    class Passing(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            return function(*args, **(kwargs or {}))

    class Own(torch.Tensor):
        pass

    t = torch.rand(3, 3)
    plain, by_mode, by_class = torch.zeros(3, 3), torch.zeros(3, 3), torch.zeros(3, 3)
    call(t, plain)
    with Passing():
        call(t, by_mode)
    call(t.as_subclass(Own), by_class)
    assert torch.equal(by_mode, plain) and torch.equal(by_class, plain)
