"""torch.amp.GradScaler: how its scale moves, which steps it leaves out, and what it refuses."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import warnings

import pytest

import chainrule as torch
from chainrule.amp import GradScaler


def setup(**options):
    parameter = torch.nn.Parameter(torch.ones(2))
    return parameter, torch.optim.SGD([parameter], lr=0.1), GradScaler("cpu", **options)


def run(bad, steps=6):
    parameter, optimizer, scaler = setup(init_scale=8.0, growth_interval=2)
    seen = []
    for i in range(steps):
        optimizer.zero_grad()
        loss = (parameter * parameter).sum() * (float("inf") if i in bad else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        seen.append((scaler.get_scale(), round(parameter[0].item(), 4)))
    return seen


def test_the_scale_grows_and_falls():
    assert run(()) == [(8, 0.8), (16, 0.64), (16, 0.512), (32, 0.4096), (32, 0.3277), (64, 0.2621)]
    assert run((1, 2, 4)) == [(8, 0.8), (4, 0.8), (2, 0.8), (2, 0.64), (1, 0.64), (1, 0.512)]


def test_the_scale_stays_finite():
    parameter, optimizer, scaler = setup(init_scale=2.0**127, growth_interval=1)
    for _ in range(2):
        scaler.scale(parameter.sum() * 2.0**-60).backward()
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 2.0**127


def test_unscaling_once():
    parameter, optimizer, scaler = setup(init_scale=4.0)
    with pytest.raises(AssertionError, match=r"Attempted step but _scale is None"):
        scaler.step(optimizer)
    scaler.scale(parameter.sum()).backward()
    assert parameter.grad.tolist() == [4, 4]
    scaler.unscale_(optimizer)
    assert parameter.grad.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        scaler.unscale_(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled at the beginning of an iteration"):
        pickle.dumps(scaler)
    scaler.step(optimizer)
    assert parameter.tolist() == pytest.approx([0.9, 0.9])
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step\(\)"):
        scaler.unscale_(optimizer)
    scaler.update()
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.update(3.0)
    assert pickle.loads(pickle.dumps(scaler)).state_dict() == scaler.state_dict()
    assert scaler.state_dict()["scale"] == 3


def test_refused():
    _, optimizer, scaler = setup()
    for factor, name in ((0.5, "growth"), (1.5, "backoff")):
        with pytest.raises(AssertionError, match=f"The {name} factor must be"):
            GradScaler("cpu", **{f"{name}_factor": factor})
    with pytest.raises(ValueError, match="outputs must be a Tensor or an iterable of Tensors"):
        scaler.scale(3)
    scaler.scale(torch.ones(1))
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
        scaler.step(optimizer, closure=lambda: 0)
    half = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.step(torch.optim.SGD([half], lr=0.1))
    with pytest.raises(RuntimeError, match="The source state dict is empty"):
        scaler.load_state_dict({})


def test_containers_are_scaled():
    scaler = GradScaler("cpu", init_scale=2.0)
    first, (second,) = scaler.scale([torch.ones(1), (torch.ones(2),)])
    assert first.tolist() == [2] and second.tolist() == [2, 2]


def test_disabled_where_there_is_no_device():
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available"):
        scaler = GradScaler()
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {} and scaler.scale(3) == 3
    parameter = torch.nn.Parameter(torch.ones(1))
    parameter.sum().backward()
    scaler.step(torch.optim.SGD([parameter], lr=1.0))
    scaler.update()
    assert parameter.tolist() == [0]


def test_the_deprecated_names():
    for device, dtype in (("cuda", torch.float32), ("cpu", torch.bfloat16)):
        names = importlib.import_module(f"chainrule.{device}.amp")
        assert getattr(torch, device).amp is names
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            scaler, region = names.GradScaler(), names.autocast()
        assert scaler.is_enabled() is (device == "cpu")
        assert sum(w.category is FutureWarning for w in seen) == 2
        with region:
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is dtype


@pytest.mark.parametrize("where", ["torch.cuda.amp.GradScaler", "torch.cpu.amp.autocast"])
def test_the_old_names_are_found_where_nothing_was_imported_before(where):
    program = f"import chainrule as torch\nprint({where}.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (where.rpartition(".")[2], "")
