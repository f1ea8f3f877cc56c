"""Seeded training runs: modules, initial values, losses, optimizers and data give the numbers that PyTorch gives."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import chainrule

torch = pytest.importorskip("torch")

OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD nesterov": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "SGD dampened": {"lr": 0.05, "momentum": 0.9, "dampening": 0.1},
    "Adam": {"lr": 0.01},
    "Adam amsgrad": {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1},
    "AdamW": {"lr": 0.01},
    "RMSprop": {"lr": 0.01},
    "RMSprop centered": {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1},
    "Adagrad": {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.01},
    "Adadelta": {"weight_decay": 0.01},
    "Adamax": {"weight_decay": 0.01},
}
MODELS = {
    "perceptron": (lambda nn: nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)), (6, 4)),
    "convolutions": (
        lambda nn: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 2, 3, groups=2), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 3),
        ),
        (6, 1, 8, 8),
    ),
    "sequence": (
        lambda nn: nn.Sequential(nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.AvgPool1d(2), nn.Flatten(), nn.LazyLinear(3)),
        (6, 2, 9),
    ),
    "upwards": (
        lambda nn: nn.Sequential(nn.ConvTranspose2d(2, 3, 3, stride=2), nn.PReLU(), nn.Upsample(scale_factor=2), nn.Flatten(), nn.LazyLinear(3)),
        (6, 2, 3, 3),
    ),
}  # fmt: skip


def trained(torch, make, shape, optimizer="Adam", steps=5, **options):
    """(losses, final parameters, final buffers) of a run."""
    torch.manual_seed(0)
    nn = torch.nn
    model = make(nn)
    x = torch.randn(*shape)
    target = torch.randint(0, 3, shape[:1])
    model(x)  # lazy modules get their shapes
    optimizer = getattr(torch.optim, optimizer.split()[0])(model.parameters(), **options)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses, {k: v.numpy() for k, v in model.state_dict().items()}


def same(ours, theirs, tolerance=2e-5):
    assert ours[0] == pytest.approx(theirs[0], rel=tolerance)
    assert list(ours[1]) == list(theirs[1])
    for name, value in ours[1].items():
        assert np.allclose(value, theirs[1][name], tolerance, tolerance), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    make, shape = MODELS["perceptron"]
    options = OPTIMIZERS[optimizer]
    same(
        trained(chainrule, make, shape, optimizer, 12, **options),
        trained(torch, make, shape, optimizer, 12, **options),
    )


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("model", MODELS)
def test_models(model):
    make, shape = MODELS[model]
    same(trained(chainrule, make, shape, lr=0.01), trained(torch, make, shape, lr=0.01))


@pytest.mark.parametrize(
    "make",
    [
        "Linear(3, 2)", "Linear(3, 2, bias=False)", "Bilinear(2, 3, 4)", "Conv1d(2, 4, 3, groups=2)", "Conv2d(2, 3, (2, 3))",
        "Conv3d(1, 2, 2)", "ConvTranspose2d(2, 4, 3, groups=2)", "Embedding(5, 3, padding_idx=1)", "EmbeddingBag(5, 3)",
        "BatchNorm2d(3)", "LayerNorm((2, 3))", "GroupNorm(2, 4)", "PReLU(3)", "InstanceNorm1d(2, affine=True)", "RMSNorm(4)",
    ],
)  # fmt: skip
def test_first_values(make):
    found = []
    for lib in (chainrule, torch):
        lib.manual_seed(1)
        module = eval(f"nn.{make}", {"nn": lib.nn})
        found.append((repr(module), {k: v.numpy() for k, v in module.state_dict().items()}, lib.rand(2).numpy()))
    (shown, state, after), (expected, their_state, their_after) = found
    assert shown == expected and list(state) == list(their_state)
    for name, value in state.items():
        assert np.array_equal(value, their_state[name]), name
    assert np.array_equal(after, their_after)


def test_state_dicts_are_exchanged():
    """What PyTorch's module and optimizer saved is loaded, and goes on as there."""
    states = {}
    for lib in (torch, chainrule):
        lib.manual_seed(0)
        model = lib.nn.Linear(2, 1)
        optimizer = lib.optim.Adam(model.parameters(), lr=0.1)
        x = lib.ones(1, 2)
        if states:
            given, given_optimizer = states[torch]
            model.load_state_dict({k: chainrule.from_numpy(v.numpy()) for k, v in given.items()})
            for state in given_optimizer["state"].values():
                for key, value in state.items():
                    state[key] = chainrule.from_numpy(value.numpy())
            optimizer.load_state_dict(given_optimizer)
        else:
            model(x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            states[lib] = model.state_dict(), optimizer.state_dict()
            states[lib] = {k: v.clone() for k, v in states[lib][0].items()}, _copied(states[lib][1])
        model(x).sum().backward()
        optimizer.step()
        states[lib, "after"] = model.weight.detach().numpy()
    assert np.allclose(states[torch, "after"], states[chainrule, "after"], 1e-6)


def _copied(state):
    import copy

    return copy.deepcopy(state)


def test_batches_come_in_the_same_order():
    orders = []
    for lib in (chainrule, torch):
        data = importlib.import_module(f"{lib.__name__}.utils.data")
        lib.manual_seed(0)
        dataset = data.TensorDataset(lib.arange(10))
        train, test = data.random_split(dataset, [7, 3])
        batches = [b.tolist() for _ in range(2) for (b,) in data.DataLoader(train, 3, shuffle=True)]
        drawn = list(data.WeightedRandomSampler([0.2, 0.3, 0.5], 5)), list(data.SubsetRandomSampler([1, 5, 7]))
        orders.append((batches, test.indices, drawn, lib.rand(1).item()))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "rrelu", "feature_alpha_dropout", "dropout1d"])
def test_random_functions_draw_as_many_numbers(name):
    """Their values may come from a library PyTorch takes them from; what is drawn afterwards does not depend on that."""
    after = []
    for lib in (chainrule, torch):
        lib.manual_seed(0)
        x = lib.ones(4, 3, 2) * -1
        y = getattr(lib.nn.functional, name)(x, training=True)
        after.append((y.numpy(), lib.rand(3).numpy()))
    if name == "rrelu":
        assert np.allclose(after[0][0], after[1][0])
        assert np.array_equal(after[0][1], after[1][1])
    else:
        assert after[0][0].shape == after[1][0].shape
