"""Files go from chainrule to PyTorch and back."""

import io

import torch

import chainrule


def passed(obj, save, load):
    stream = io.BytesIO()
    save(obj, stream)
    stream.seek(0)
    return load(stream)


def samples(module):
    whole = module.arange(6.0)
    return {
        "matrix": whole.reshape(2, 3),
        "part": whole[1:4],
        "transposed": whole.reshape(2, 3).t(),
        "number": module.tensor(3),
        "flags": module.tensor([True, False]),
        "complex": module.tensor([1 + 2j]),
        "half": module.ones(2, dtype=module.bfloat16),
        "leaf": module.ones(2, requires_grad=True),
        "rest": [1, "a", (None, 2.5), module.float64, module.Size([2])],
    }


def check(found, expected):
    for name, tensor in expected.items():
        if name == "rest":
            assert str(found[name]) == str(tensor)
            continue
        assert found[name].tolist() == tensor.tolist() and found[name].stride() == tensor.stride()
        assert found[name].requires_grad == tensor.requires_grad and str(found[name].dtype) == str(tensor.dtype)
    assert found["part"].data_ptr() == found["matrix"].data_ptr() + 4


def test_what_chainrule_saves_pytorch_loads():
    check(passed(samples(chainrule), chainrule.save, torch.load), samples(torch))


def test_what_pytorch_saves_chainrule_loads():
    check(passed(samples(torch), torch.save, chainrule.load), samples(chainrule))


def test_a_state_dict():
    state = torch.nn.Linear(2, 3).state_dict()
    found = passed(state, torch.save, chainrule.load)
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in state.items()}
