"""torch.ops: families of operations, PyTorch's names of them under aten, and namespaces of the user's operators."""

from __future__ import annotations

import pytest

import chainrule as torch


def test_aten_names_call_the_functions():
    x = torch.tensor([1.0, 2.0])
    packet = torch.ops.aten.add
    assert repr(packet) == "aten.add" and repr(packet.Tensor) == "aten.add.default"
    assert packet(x, x).tolist() == packet.Tensor(x, 1.0 * x).tolist() == [2.0, 4.0]
    assert torch.ops.aten.mul.Scalar is torch.ops.aten.mul.default
    with pytest.raises(AttributeError, match=r"chainrule has no torch\.ops\.aten\.nothing"):
        torch.ops.aten.nothing
    with pytest.raises(AttributeError):
        packet.__wrapped__


def test_names_of_families_are_modules_and_others_are_namespaces():
    assert torch.ops.windows.__name__ == "chainrule.ops.windows"
    with pytest.raises(AttributeError, match="'_OpNamespace' 'mine' object has no attribute 'op'"):
        torch.ops.mine.op
    with pytest.raises(AttributeError):
        torch.ops.__wrapped__


def test_a_family_that_cannot_be_imported_says_why(monkeypatch):
    import importlib

    def lacking(name):
        raise ModuleNotFoundError("no module named 'something_else'", name="something_else")

    monkeypatch.setattr(importlib, "import_module", lacking)
    with pytest.raises(ModuleNotFoundError, match="something_else"):
        torch.ops.broken_family


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("chunk", (2,)),
        ("tensor_split", (2,)),
        ("split_with_sizes", ([1, 2],)),
        ("unbind", ()),
        ("diff", ()),
        ("gradient", ()),
        ("trapezoid", ()),
        ("trapz", ()),
        ("cumulative_trapezoid", ()),
        ("repeat_interleave", (2,)),
        ("cosine_similarity", (torch.ones(3, 3),)),
        ("cross", (torch.ones(3, 3),)),
    ],
)
def test_axis_is_another_word_for_dim(name, arguments):
    x = torch.arange(9.0).reshape(3, 3)
    function = getattr(torch, name)
    assert str(function(x, *arguments, axis=1)) == str(function(x, *arguments, dim=1))
    assert str(function(x, *arguments, axis=0)) == str(function(x, *arguments, dim=0))
