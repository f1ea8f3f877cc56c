"""torch._inductor: packages hold the module, and run it; settings are accepted."""

import io
import tempfile
from importlib import import_module

import pytest

import chainrule as torch
from chainrule import nn

inductor = torch._inductor


@pytest.fixture
def program():
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=1, max=32)
    return torch.export.export(nn.Linear(3, 2), (torch.ones(2, 3),), dynamic_shapes={"input": {0: batch}})


def test_a_package_runs_the_module(program, tmp_path):
    path = str(tmp_path / "model.pt2")
    found = inductor.aoti_compile_and_package(program, package_path=path, inductor_configs={"max_autotune": True})
    assert found == path
    x = torch.randn(5, 3)
    wanted = program.module()(x)
    program.module().weight.data.zero_()  # the package has the weights of the time when it was made
    model = inductor.aoti_load_package(path)
    assert torch.equal(model(x), wanted) and not model(x).requires_grad
    assert model.get_constant_fqns() == ["weight", "bias"] and model.get_metadata()["AOTI_DEVICE_KEY"] == "cpu"
    model.load_constants({"bias": torch.ones(2)}, check_full_update=False)
    assert not torch.equal(model(x), wanted)
    with pytest.raises(ValueError, match="missing: \\['weight'\\]"):
        model.load_constants({"bias": torch.ones(2)}, check_full_update=True)


def test_where_a_package_goes(program, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = inductor.aoti_compile_and_package(program)
    assert (
        path.startswith(str(tmp_path))
        and path.endswith(".pt2")
        and inductor.aoti_load_package(path)(torch.ones(1, 3)).shape == (1, 2)
    )
    assert inductor.aoti_compile_and_package(program, package_path=tmp_path / "a.pt2") == str(tmp_path / "a.pt2")
    buffer = io.BytesIO()
    assert inductor.aoti_compile_and_package(program, package_path=buffer) is buffer
    buffer.seek(0)
    assert inductor.aoti_load_package(buffer)(torch.ones(1, 3)).shape == (1, 2)
    for wrong in ("model.so", 3):
        with pytest.raises(AssertionError, match=r"Expect package path to be a file ending in .pt2"):
            inductor.aoti_compile_and_package(program, package_path=wrong)
    with pytest.raises(ValueError, match="Only ExportedProgram is supported"):
        inductor.aoti_compile_and_package(nn.Linear(3, 2))


def test_settings():
    config = import_module("chainrule._inductor.config")
    assert inductor.config is config and config.max_autotune is False
    config.triton.cudagraphs = True
    config.something = 3
    assert {"triton.cudagraphs", "something", "epilogue_fusion"} <= set(inductor.list_options())
    with config.patch({"max_autotune": True, "triton.cudagraphs": False}, other=1):
        assert config.max_autotune and not config.triton.cudagraphs and config.other == 1
    assert not config.max_autotune and config.triton.cudagraphs and not hasattr(config, "other")

    @config.patch("max_autotune", True)
    def inside():
        return config.max_autotune

    assert inside() is True and not config.max_autotune
    del config.something, config.triton.cudagraphs
    assert "reduce-overhead" in inductor.list_mode_options() and inductor.list_mode_options("default") == {}
    assert inductor.compile(len) is len
