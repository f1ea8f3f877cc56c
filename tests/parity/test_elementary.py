"""Elementary functions in single precision: how many values are PyTorch's to the last bit.

PyTorch's depend on the processor and on the vector length; the rates below hold with and without AVX-512.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import chainrule

# {name: (percent of values that must agree, range of the inputs)}: PyTorch's own distance from correct rounding
RATES = {
    "exp": (98, -10, 10), "exp2": (98, -10, 10), "expm1": (99, -5, 5), "log": (90, 0, 3), "log2": (99, 0, 3),
    "log10": (99, 0, 3), "log1p": (97, -0.9, 3), "sin": (92, -6, 6), "cos": (92, -6, 6), "tan": (78, -6, 6),
    "asin": (90, -1, 1), "acos": (88, -1, 1), "atan": (90, -5, 5), "sigmoid": (98, -8, 8), "square": (100, -5, 5),
    "reciprocal": (100, 0.1, 5), "rsqrt": (100, 0.1, 5),
}  # fmt: skip
ACTIVATIONS = {"silu": 98, "softplus": 90, "logsigmoid": 90, "elu": 93, "selu": 93, "relu": 100}


def agreement(mine, theirs) -> float:
    return 100 * float((mine.detach().numpy() == theirs.detach().numpy()).mean())


def inputs(low: float, high: float, count: int = 60) -> list[np.ndarray]:
    """Many small arrays: PyTorch computes the ends of large ones, and small ones, in another way than the rest."""
    return list(np.random.default_rng(0).uniform(low, high, (count, 12)).astype(np.float32))


def rate(mine, theirs, arrays) -> float:
    return sum(agreement(mine(chainrule.from_numpy(x)), theirs(torch.from_numpy(x))) for x in arrays) / len(arrays)


@pytest.mark.parametrize("name", RATES)
def test_functions(name):
    least, low, high = RATES[name]
    assert rate(getattr(chainrule, name), getattr(torch, name), inputs(low, high)) >= least


@pytest.mark.parametrize("name", RATES)
def test_functions_of_numbers(name):
    least, low, high = RATES[name]
    arrays = [x for part in inputs(low, high) for x in part.reshape(12)[..., None]]
    mine, theirs = getattr(chainrule, name), getattr(torch, name)
    assert rate(lambda x: mine(x[0]), lambda x: theirs(x[0]), arrays) >= least - 1


def test_tanh_of_numbers():
    arrays = [x for part in inputs(-5, 5) for x in part.reshape(12)[..., None]]
    assert rate(lambda x: x[0].tanh(), lambda x: x[0].tanh(), arrays) >= 99


@pytest.mark.parametrize("exponent", [2, 3, -1, -2, -0.5, 4, 5, 10, 1.5, -1.5, 0.3, 2.7])
def test_powers(exponent):
    assert rate(lambda x: x**exponent, lambda x: x**exponent, inputs(0.1, 5)) >= 96


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients(name):
    mine, theirs = getattr(chainrule.nn.functional, name), getattr(torch.nn.functional, name)
    arrays = inputs(-5, 5)
    assert rate(mine, theirs, arrays) >= ACTIVATIONS[name]

    def gradient(module, function):
        def run(x):
            x.requires_grad_()
            return module.autograd.grad(function(x).sum(), x)[0]

        return run

    least = 70 if name == "silu" else ACTIVATIONS[name] - 3  # silu's gradient there has a fused multiply-add
    assert rate(gradient(chainrule, mine), gradient(torch, theirs), arrays) >= least


@pytest.mark.parametrize(("name", "least"), [("softmax", 80), ("log_softmax", 90)])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_softmax_of_short_rows(name, least, width):
    arrays = [x.reshape(-1, width) for x in np.random.default_rng(0).standard_normal((60, 30), np.float32)]
    mine, theirs = getattr(chainrule, name), getattr(torch, name)
    assert rate(lambda x: mine(x, 1), lambda x: theirs(x, 1), arrays) >= least


def test_zeros_keep_their_sign_where_pytorch_keeps_it():
    for values in ([-0.0], [-0.0] * 9):
        for function in (
            lambda t: t.relu(),
            lambda t: t.clamp(min=0.0),
            lambda t: t.clamp(0, 1),
            lambda t: t.clamp(max=0.0),
        ):
            mine, theirs = function(chainrule.tensor(values)), function(torch.tensor(values))
            assert mine.signbit().tolist() == theirs.signbit().tolist()
