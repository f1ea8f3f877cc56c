"""Printed tensors against PyTorch's: thousands of drawn ones, and the recorded sessions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import chainrule
from chainrule import printing

from ..test_printing import SESSIONS, differences

torch = pytest.importorskip("torch")
theirs = torch._tensor_str

DRAWS = 300  # of every dtype, with print options and without
INTEGERS = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
COMPLEX = ("complex64", "complex128")


@pytest.fixture(autouse=True)
def restored_defaults():
    yield
    for lib, options in ((torch, theirs), (chainrule, printing)):
        options.set_printoptions(profile="default")
        lib.set_default_dtype(lib.float32)


def draw_shape(rng: np.random.Generator) -> tuple[int, ...]:
    ndim = int(rng.integers(6))
    if rng.random() < 0.15:  # around the bounds of a summary
        choices = [0, 1, 2, 6, 7, 8] + [30, 999, 1000, 1001] * (ndim < 3)
        return tuple(int(n) for n in rng.choice(choices, size=ndim))
    smallest = 0 if rng.random() < 0.1 else 1
    return tuple(int(n) for n in rng.integers(smallest, [1, 60, 12, 8, 5, 4][ndim], size=ndim))


def draw_floats(rng: np.random.Generator, size: int, exponents: tuple[int, int]) -> np.ndarray:
    """Numbers of one of the kinds that print differently, some with nan, infinities and zeros among them."""
    kind = rng.integers(7)
    if kind == 0:  # of one magnitude, about the bounds of scientific notation
        values = rng.normal(size=size) * 10.0 ** rng.integers(-8, 10)
    elif kind == 1:  # of one magnitude, any
        values = rng.normal(size=size) * 10.0 ** rng.integers(*exponents)
    elif kind == 2:  # of many magnitudes
        values = rng.normal(size=size) * 10.0 ** rng.uniform(-4, 3, size=size)
    elif kind == 3:  # whole
        values = rng.integers(-20, 2000, size=size).astype(float)
    elif kind == 4:  # short decimals, of any magnitude and about a thousandfold apart
        values = rng.integers(-9, 9, size=size) * 10.0 ** rng.integers(*exponents)
    elif kind == 5:  # on the bounds of scientific notation and just beyond
        bounds = [1.0, 1000.0, 1001.0, 1.5, 1500.0, 1e8, 1.0001e8, 1e5, 1e-4, 0.9999e-4, 0.1]
        values = rng.choice(rng.choice(bounds, size=2), size=size)
    else:
        values = rng.choice([0.0, -0.0], size=size)
    if rng.random() < 0.3:
        special = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], size=size)
        values = np.where(rng.random(size) < rng.choice([0.1, 0.5, 1.0]), special, values)
    return values


def draw_array(rng: np.random.Generator, dtype: str) -> np.ndarray:
    """Elements for a tensor of `dtype`; NumPy has no bfloat16, which is cast to from float32."""
    shape = draw_shape(rng)
    size = math.prod(shape)
    if dtype == "bool":
        return (rng.random(size) < rng.random()).reshape(shape)
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        low, high = (limits.min, limits.max) if rng.random() < 0.5 else (max(limits.min, -99), 99)
        return rng.integers(low, high, size=size, dtype=dtype, endpoint=True).reshape(shape)
    exponents = (-320, 307) if dtype in ("float64", "complex128") else (-46, 38)
    values = draw_floats(rng, size, exponents)
    if dtype in COMPLEX:
        real, values = values, np.empty(size, dtype="complex128")
        values.real, values.imag = real, draw_floats(rng, size, exponents)
    with np.errstate(all="ignore"):
        return values.astype("float32" if dtype == "bfloat16" else dtype).reshape(shape)


def draw_options(rng: np.random.Generator) -> dict:
    drawn = {
        "precision": int(rng.integers(9)),
        "threshold": int(rng.integers(60)),
        "edgeitems": int(rng.integers(5)),
        "linewidth": int(rng.integers(1, 160)),
        "profile": str(rng.choice(["default", "short", "full"])),
        "sci_mode": bool(rng.integers(2)),
    }
    return {name: value for name, value in drawn.items() if rng.random() < 0.4}


def make(lib, array: np.ndarray, dtype: str, history: str):
    """The tensor to print, by the same steps in either library."""
    tensor = lib.from_numpy(array).to(getattr(lib, dtype))
    if history != "none":
        tensor.requires_grad_()
    if history == "node":
        tensor = tensor.clone()
    return tensor


@pytest.mark.parametrize("default_dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("dtype", ("bool", *INTEGERS, *FLOATS, *COMPLEX))
def test_drawn_tensors(dtype, default_dtype):
    rng = np.random.default_rng([ord(letter) for letter in dtype + default_dtype])
    for lib in (torch, chainrule):
        lib.set_default_dtype(getattr(lib, default_dtype))
    for _ in range(DRAWS if default_dtype == "float32" else DRAWS // 10):
        array = draw_array(rng, dtype)
        history = str(rng.choice(["none", "leaf", "node"])) if dtype in FLOATS + COMPLEX else "none"
        options = draw_options(rng) if rng.random() < 0.5 else {}
        wanted, ours = make(torch, array, dtype, history), make(chainrule, array, dtype, history)
        with theirs.printoptions(**options), printing.printoptions(**options):
            assert printing.get_printoptions() == theirs.get_printoptions()
            assert repr(ours) == repr(wanted), (options, array.shape)
            assert f"{ours}" == f"{wanted}", (options, array.shape)


@pytest.mark.parametrize("layout", ["transposed", "strided", "expanded", "reversed axes", "conjugate"])
def test_views(layout):
    views = {
        "transposed": lambda x: x.t(),
        "strided": lambda x: x[1::2, ::3],
        "expanded": lambda x: x[:, :1].expand(40, 50),
        "reversed axes": lambda x: x.reshape(5, 8, 50).permute(2, 1, 0),
        "conjugate": lambda x: (x * (1 - 2j)).conj(),
    }
    array = np.random.default_rng(0).normal(size=(40, 50)).astype("float32")
    wanted, ours = (views[layout](lib.from_numpy(array)) for lib in (torch, chainrule))
    assert repr(ours) == repr(wanted)


@pytest.mark.parametrize("spec", ["", ".2f", "8.3e", "+g", "d", "x", "05d", "s", ">10", "%", "nonsense"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "bfloat16", "float32", "float64", "complex64"])
def test_format(spec, dtype):
    def outcome(lib, shape):
        tensor = lib.ones(shape, dtype=getattr(lib, dtype))
        try:
            return format(tensor, spec)
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    for shape in ((), (1,), (2, 0)):
        assert outcome(chainrule, shape) == outcome(torch, shape)


# PyTorch's forward mode, when first used, calls what PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("topic", SESSIONS)
def test_recorded_sessions_are_true(topic):
    account = differences(SESSIONS[topic], torch)
    assert not account, account
