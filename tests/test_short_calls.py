"""What the short calls do without, so that recording an operation stays cheap."""

from __future__ import annotations

import importlib
import operator
import sys

import chainrule as torch
from chainrule import short_calls
from chainrule.backend import numpy as backend
from chainrule.op import REGISTRY


def test_a_forward_that_only_calls_an_array_function_is_replaced_by_it():
    assert short_calls.kernel_of(REGISTRY["tanh"].forward) is backend.tanh
    assert short_calls.kernel_of(REGISTRY["mul"].forward) is operator.mul


def test_ordinary_operations_do_not_take_the_general_path(monkeypatch):
    x = torch.ones(2, 2, requires_grad=True)
    y = torch.ones(2, 2)
    work = [
        lambda: x.tanh(),
        lambda: x * y,
        lambda: x * x,
        lambda: x + 1.0,
        lambda: x**2,
        lambda: x @ y,
        lambda: x.sum(),
        lambda: x.mean(),
        lambda: x.t(),
        lambda: x[0],
        lambda: y + y,
    ]
    for run in work:
        run()  # makes the classes of nodes
    monkeypatch.setattr(short_calls, "general", None)
    for run in work:
        run()


def test_no_python_code_runs_when_a_tensor_attribute_is_stored():
    for name in ("__setattr__", "__delattr__", "__getattribute__", "__getattr__"):
        assert name not in vars(torch.Tensor)


def test_no_python_code_runs_when_a_node_attribute_is_read_or_stored():
    x = torch.ones(2, requires_grad=True)
    for node in ((x * x).grad_fn, x.tanh().grad_fn, (x + 1.0).grad_fn, x.sum().grad_fn):
        for owner in type(node).__mro__[:-1]:
            for name in ("__setattr__", "__delattr__", "__getattribute__", "__getattr__"):
                assert name not in vars(owner)


def test_what_looks_for_the_line_two_frames_up_is_never_called_by_a_user():
    """All but the elementwise functions expect one of this package's around them, which reads the arguments."""
    for module in ("nn.functional", "linalg", "fft", "special", "signal.windows"):
        importlib.import_module(f"chainrule.{module}")
    direct = ("unary_function", "binary_function")
    bare = {
        id(record.apply): name
        for name, record in REGISTRY.items()
        if not record.apply.__code__.co_qualname.startswith(direct)
    }
    assert len(bare) > 100
    public = {
        f"{module}.{name}": value
        for module, namespace in sys.modules.items()
        if module.split(".")[0] == "chainrule" and not module.startswith(("chainrule.ops", "chainrule.backend"))
        for name, value in vars(namespace).items()
        if not name.startswith("_")
    } | {f"Tensor.{name}": value for name, value in vars(torch.Tensor).items()}
    assert not {name: bare[id(value)] for name, value in public.items() if id(value) in bare}
