"""The version that programs see: chainrule's own, and under `chainrule run` that of the PyTorch it follows."""

from __future__ import annotations

import pytest

import chainrule
from chainrule.torch_version import TorchVersion

from .running import chainrule as command, write_script


@pytest.mark.parametrize("other", ["2.13.0", "2.9", "1.8", (2, 13), [2, 0], "2.13.0a0", "2.13.0.dev1", "2.13.0+a"])
def test_smaller_versions(other):
    version = TorchVersion("2.13.0+cpu")
    assert version > other and version >= other and version != other
    assert not (version < other or version <= other or version == other)


@pytest.mark.parametrize("other", ["10", "2.13.1", (2, 14), "2.14.0rc1", "2.13.0.post1", "2.13.0+z"])
def test_larger_versions(other):
    version = TorchVersion("2.13.0+cpu")
    assert version < other and version <= other and version != other
    assert not (version > other or version >= other or version == other)


def test_equal_versions_and_other_things():
    assert TorchVersion("2.13") == "2.13.0" == TorchVersion("2.13.0") and TorchVersion("2.0") == (2, 0)
    assert TorchVersion("2.13") < "parrot"  # as text
    assert TorchVersion("2.13") != 2.13
    with pytest.raises(TypeError):
        sorted([TorchVersion("2.13"), 3])
    assert {TorchVersion("2.13"): 1}["2.13"] == 1


def test_programs_see_the_version_that_is_followed(tmp_path):
    assert chainrule.__version__[0].isdigit() and type(chainrule.__version__) is str
    write_script(
        tmp_path / "program.py",
        """
        import torch
        from torch.torch_version import TorchVersion
        assert isinstance(torch.__version__, TorchVersion) and torch.__version__ == torch.version.__version__
        assert torch.__version__ >= "1.10" and torch.__version__ < (3,) and torch.torch_version.TorchVersion
        assert int(torch.__version__.split(".")[0]) >= 2
        """,
    )
    done = command("run", "program.py", cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_functions_under_the_module_they_are_defined_in(tmp_path):
    write_script(tmp_path / "program.py", "import torch.functional as F\nimport torch\nprint(F.einsum is torch.einsum)")
    assert command("run", "program.py", cwd=tmp_path).stdout == "True\n"


def test_functorch_is_the_older_name_of_func(tmp_path):
    text = "import functorch as ft\nfrom functorch import vmap\nimport torch\nprint(vmap(ft.grad(torch.sin))(torch.zeros(2)))"
    write_script(tmp_path / "program.py", text)
    assert command("run", "program.py", cwd=tmp_path).stdout == "tensor([1., 1.])\n"
