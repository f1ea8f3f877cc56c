"""torch.optim: groups, state, hooks and schedulers. The update rules themselves are compared with PyTorch's in parity/."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

import chainrule as torch

optim = torch.optim
RULES = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD with momentum": (optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "Adam": (optim.Adam, {"lr": 0.1}),
    "Adam amsgrad": (optim.Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.01}),
    "AdamW": (optim.AdamW, {"lr": 0.1}),
    "RMSprop": (optim.RMSprop, {"lr": 0.05, "momentum": 0.5, "centered": True}),
    "Adagrad": (optim.Adagrad, {"lr": 0.5}),
    "Adadelta": (optim.Adadelta, {"lr": 5.0}),
    "Adamax": (optim.Adamax, {"lr": 0.1}),
}


def parabola(x):
    return ((x - torch.tensor([1.0, -2.0])) ** 2).sum()


@pytest.mark.parametrize("name", RULES)
def test_descends(name):
    rule, options = RULES[name]
    x = torch.zeros(2, requires_grad=True)
    optimizer = rule([x], **options)
    start = parabola(x).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss = parabola(x)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * start


@pytest.mark.parametrize("name", RULES)
def test_maximize_is_the_negated_gradient(name):
    rule, options = RULES[name]
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    for tensor, sign, maximize in ((x, 1, False), (y, -1, True)):
        optimizer = rule([tensor], maximize=maximize, **options)
        for _ in range(3):
            tensor.grad = sign * tensor.detach().clone()
            optimizer.step()
    assert torch.equal(x, y)


@pytest.mark.parametrize("name", RULES)
def test_state_goes_on_where_it_was(name):
    rule, options = RULES[name]

    def train(x, optimizer, steps):
        for _ in range(steps):
            x.grad = None
            parabola(x).backward()
            optimizer.step()

    x = torch.zeros(2, requires_grad=True)
    optimizer = rule([x], **options)
    train(x, optimizer, 3)
    y = x.detach().clone().requires_grad_()
    other = rule([y], lr=123.0)
    other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    train(x, optimizer, 3)
    train(y, other, 3)
    assert torch.equal(x, y)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_dtypes(name, dtype):
    rule, options = RULES[name]
    x = torch.ones(2, dtype=dtype, requires_grad=True)
    optimizer = rule([x], **options)
    x.grad = torch.ones(2, dtype=dtype)
    optimizer.step()
    assert x.dtype is dtype and (x.detach().abs() < 1).all()


def test_scalar_parameter_and_missing_gradient():
    x, unused = torch.tensor(2.0, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = optim.SGD([x, unused], lr=0.5)
    (x * x).backward()
    optimizer.step()
    assert x.item() == 0 and unused.item() == 1 and not optimizer.state


def test_step_is_an_in_place_write():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    optimizer = optim.SGD([x], lr=0.1)
    y.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_closure():
    x = torch.zeros(2, requires_grad=True)
    optimizer = optim.SGD([x], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = parabola(x)
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 5
    assert torch.allclose(x.detach(), torch.tensor([0.2, -0.4]))


def test_groups():
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}], lr=0.1)
    optimizer.add_param_group({"params": b})
    a.grad, b.grad = torch.ones(1), torch.ones(1)
    optimizer.step()
    assert a.item() == 0 and b.item() == pytest.approx(0.9)
    assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.1]
    assert optimizer.state_dict()["param_groups"][1]["params"] == [1]
    named = optim.SGD([("a", a), ("b", b)], lr=0.1)
    assert named.param_groups[0]["param_names"] == ["a", "b"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: optim.SGD([], lr=0.1), ValueError, "optimizer got an empty parameter list"),
        (lambda x: optim.SGD(x, lr=0.1), TypeError, "params argument given to the optimizer should be an iterable"),
        (
            lambda x: optim.SGD([1], lr=0.1),
            TypeError,
            "optimizer can only optimize Tensors, but one of the params is int",
        ),
        (lambda x: optim.SGD([x * 2], lr=0.1), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda x: optim.SGD([x], lr=-1), ValueError, "Invalid learning rate: -1"),
        (
            lambda x: optim.SGD([x], nesterov=True),
            ValueError,
            "Nesterov momentum requires a momentum and zero dampening",
        ),
        (lambda x: optim.Adam([x], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda x: optim.Adam([x], eps=-1), ValueError, "Invalid epsilon value: -1"),
        (
            lambda x: optim.SGD([{"params": [x]}, {"params": [x]}]),
            ValueError,
            "appear in more than one parameter group",
        ),
        (lambda x: optim.SGD([{"params": {x}}]), TypeError, "ordering of tensors in sets"),
        (
            lambda x: optim.SGD([x]).load_state_dict({"state": {}, "param_groups": []}),
            ValueError,
            "number of parameter",
        ),
        (lambda x: optim.lr_scheduler.StepLR(x, 1), TypeError, "Tensor is not an Optimizer"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(torch.ones(1, requires_grad=True))


def test_differentiable_says_that_it_is_missing():
    x = torch.ones(1, requires_grad=True)
    x.grad = torch.ones(1)
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported"):
        optim.SGD([x], differentiable=True).step()


def test_duplicate_parameters_warn():
    x = torch.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="parameter group with duplicate parameters"):
        optim.SGD([x, x])


def test_repr():
    assert repr(optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_hooks_and_own_optimizers():
    class Own(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 1.0})

        def step(self, closure=None):
            with torch.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.sub_(p.grad, alpha=group["lr"])

    calls = []
    for make in (Own, optim.SGD):
        x = torch.ones(1, requires_grad=True)
        x.grad = torch.ones(1)
        optimizer = make([x])
        optimizer.register_step_pre_hook(lambda *args: calls.append("pre"))
        optimizer.register_step_post_hook(lambda *args: calls.append("post"))
        optimizer.register_state_dict_post_hook(lambda o, state: calls.append("state"))
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
    assert calls == ["pre", "post", "state"] * 2


def test_copies():
    x = torch.ones(1, requires_grad=True)
    optimizer = optim.Adam([x])
    x.grad = torch.ones(1)
    optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (parameter,) = other.param_groups[0]["params"]
        assert other.state[parameter]["step"] == 1
        other.step()


# ---------------------------------------------------------------- schedulers


def rates(make, steps=6):
    optimizer = optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        found.append(scheduler.get_last_lr()[0])
    return found


S = optim.lr_scheduler


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: S.StepLR(o, 2, 0.1), [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001]),
        (lambda o: S.MultiStepLR(o, [1, 3], 0.1), [1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01]),
        (lambda o: S.ExponentialLR(o, 0.5), [1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
        (lambda o: S.LambdaLR(o, lambda e: 1 / (1 + e)), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 7]),
        (lambda o: S.MultiplicativeLR(o, lambda e: 0.5), [1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
        (lambda o: S.ConstantLR(o, 0.5, 2), [0.5, 0.5, 1, 1, 1, 1, 1]),
        (lambda o: S.LinearLR(o, 0.5, 1.0, 2), [0.5, 0.75, 1, 1, 1, 1, 1]),
        (lambda o: S.PolynomialLR(o, 4, 1.0), [1, 0.75, 0.5, 0.25, 0, 0, 0]),
        (lambda o: S.CosineAnnealingLR(o, 3), [1, 0.75, 0.25, 0, 0.25, 0.75, 1]),
    ],
)
def test_schedules(make, expected):
    assert rates(make) == pytest.approx(expected)


def test_plateau():
    optimizer = optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    scheduler = S.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    seen = []
    for metric in (1.0, 0.5, 0.5, 0.5, 0.5, torch.tensor(0.1)):
        scheduler.step(metric)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5]


def test_scheduler_state_and_order():
    optimizer = optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    scheduler = S.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    other = S.StepLR(optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0), 1)
    other.load_state_dict(scheduler.state_dict())
    assert other.last_epoch == 1 and other.get_last_lr() == scheduler.get_last_lr()
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        scheduler.get_lr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        scheduler.step()


def test_schedulers_of_users_derive_from_the_old_name():
    class Halving(S._LRScheduler):
        def get_lr(self):
            return [base * 0.5**self.last_epoch for base in self.base_lrs]

    optimizer = optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    scheduler = Halving(optimizer)
    optimizer.step()
    scheduler.step()
    assert isinstance(scheduler, S.LRScheduler) and scheduler.get_last_lr() == [0.5]
