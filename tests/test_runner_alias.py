"""Under `chainrule run`, `torch` and its modules are chainrule's, and what chainrule lacks is an error that says so."""

from __future__ import annotations

import os

import pytest

from .running import SEARCH_PATH, chainrule, python, write_script

PACKAGE = {
    "__init__.py": """
        from fakerule import nn, autograd, lazy
        __version__ = "9.9"
        def ones(n): return [1.0] * n
        """,
    "autograd.py": "class Variable: pass",
    "lazy.py": """
        def __getattr__(name):
            if name == "late": return 1
            if name == "broken": return load()
            raise AttributeError(f"lazy says no to {name}")
        def load(): return (1).no_such_attribute
        """,
    "nn/__init__.py": "from fakerule.nn import functional\nclass Linear: pass",
    "nn/functional.py": "def relu(x): return x",
    "optim.py": "class SGD: pass",
}


@pytest.fixture
def run(tmp_path):
    """Runs a program whose `torch` is the package above, where another torch is installed."""
    for name, text in PACKAGE.items():
        write_script(tmp_path / "fakerule" / name, text)
    for name in ("__init__.py", "cuda/__init__.py", "jit.py"):
        write_script(tmp_path / "installed" / "torch" / name, "raise SystemExit('an installed PyTorch')")
    driver = """if True:
        import sys
        from chainrule.runner import alias, load
        alias.install("fakerule")
        sys.exit(load("program.py").run([]))
        """
    search_path = [str(tmp_path / "installed"), *SEARCH_PATH]

    def run_program(text):
        write_script(tmp_path / "program.py", text)
        return python("-c", driver, cwd=tmp_path, PYTHONPATH=os.pathsep.join(search_path))

    return run_program


def test_every_way_to_import_gives_the_same_module_objects(run):
    done = run(
        """
        import sys
        import torch, torch.nn.functional as F, torch.optim as optim
        import torch.nn
        from torch import nn, ones
        from torch.autograd import Variable
        import fakerule, fakerule.nn.functional, fakerule.optim, fakerule.autograd, importlib
        assert torch is fakerule is sys.modules["torch"] is importlib.import_module("torch")
        assert nn is torch.nn is fakerule.nn is sys.modules["torch.nn"]
        assert F is fakerule.nn.functional is nn.functional is sys.modules["torch.nn.functional"]
        assert optim is fakerule.optim is torch.optim and Variable is fakerule.autograd.Variable
        assert fakerule.__name__ == "fakerule" and fakerule.__spec__.name == "fakerule"
        print(torch.__version__, ones(2), torch.lazy.late)
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("9.9 [1.0, 1.0] 1\n", "", 0)


def test_star_import(run):
    done = run("from torch import *\nfrom torch.nn.functional import *\nprint(ones(1), relu(2))")
    assert (done.stdout, done.stderr) == ("[1.0] 2\n", "")


def test_searching_for_a_module_finds_what_importing_would(run):
    done = run(
        """
        from importlib.util import find_spec
        names = ["torch", "torch.nn", "torch.optim", "torch.nope", "torch.cuda", "torch.nn.functional.nope"]
        print([find_spec(name) is not None for name in names])
        import torch
        print([find_spec(name) is not None for name in names], find_spec("torch").origin == torch.__file__)
        """
    )
    expected = "[True, True, True, False, False, False]"
    assert (done.stdout, done.stderr) == (f"{expected}\n{expected} True\n", "")


def test_a_torch_that_is_loaded_already_is_not_used(run):
    done = run(
        """
        import sys, types
        from chainrule.runner import alias
        sys.modules["torch"] = sys.modules["torch.cuda"] = types.ModuleType("torch")
        alias.install("fakerule")
        import torch
        print(torch.__name__, "torch.cuda" in sys.modules)
        """
    )
    assert (done.stdout, done.stderr) == ("fakerule False\n", "")


MISSING = {
    "import torch.cuda": "ModuleNotFoundError: chainrule has no torch.cuda yet",
    "import torch.cuda.amp": "ModuleNotFoundError: chainrule has no torch.cuda yet",
    "import torch.nn.functional.nope": "ModuleNotFoundError: chainrule has no torch.nn.functional.nope yet",
    "import torch.jit as jit": "ModuleNotFoundError: chainrule has no torch.jit yet",
    "from torch import nope": "ModuleNotFoundError: chainrule has no torch.nope yet",
    "from torch.nn import Linear, Conv9d": "ModuleNotFoundError: chainrule has no torch.nn.Conv9d yet",
    "from torch.nn.functional import nope": "ModuleNotFoundError: chainrule has no torch.nn.functional.nope yet",
    "from torch.nope import x": "ModuleNotFoundError: chainrule has no torch.nope yet",
    "import torch; torch.nope": "AttributeError: chainrule has no torch.nope yet",
    "import torch; torch.nn.functional.nope": "AttributeError: chainrule has no torch.nn.functional.nope yet",
    "import torch; torch.lazy.nope": "AttributeError: chainrule has no torch.lazy.nope yet",
    "import torch; torch.lazy.broken": "AttributeError: 'int' object has no attribute 'no_such_attribute'",
}


def test_a_name_that_is_not_there_is_an_error_that_says_so(run):
    done = run(
        f"""
        for statement in {list(MISSING)}:
            try:
                exec(statement)
            except Exception as error:
                print(f"{{type(error).__name__}}: {{error}}")
        """
    )
    assert done.stdout.splitlines() == list(MISSING.values())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import torch; torch.lazy.nope", "AttributeError: chainrule has no torch.lazy.nope yet"),
        ("import torch.nope", "ModuleNotFoundError: chainrule has no torch.nope yet"),
        ("from torch.nn.functional import nope", "ModuleNotFoundError: chainrule has no torch.nn.functional.nope yet"),
        (
            "import torch; torch.nn.functional.reluu",
            "AttributeError: chainrule has no torch.nn.functional.reluu yet. Did you mean: 'relu'?",
        ),
    ],
)
def test_its_traceback_shows_the_users_line_only(line, message, run):
    done = run(f"print('before')\n{line}")
    assert (done.stdout, done.returncode) == ("before\n", 1)
    first, place, *_, last = done.stderr.splitlines()
    assert first == "Traceback (most recent call last):"
    assert place.endswith('program.py", line 2, in <module>')
    assert done.stderr.count("  File ") == 1
    assert last == message


def test_a_program_may_catch_it(run):
    done = run(
        """
        import torch
        for statement in ("import torch.nope", "from torch import nope"):
            try:
                exec(statement)
            except ImportError as error:
                print(error, error.name)
        print(hasattr(torch, "nope"), getattr(torch, "nope", "default"))
        try:
            import torch.nope
        except ImportError as error:
            raise RuntimeError("needs it") from error
        """
    )
    message = "chainrule has no torch.nope yet torch.nope\n"
    assert done.stdout == f"{message}{message}False default\n"
    assert done.stderr.count("  File ") == 2
    assert "alias.py" not in done.stderr


def test_under_the_command_line_torch_is_chainrule(tmp_path):
    write_script(
        tmp_path / "program.py",
        """
        import torch, chainrule, sys
        from torch.autograd import Variable
        assert torch is chainrule is sys.modules["torch"]
        print(torch.ones(2, requires_grad=True) * 2)
        torch.no_such_name
        """,
    )
    done = chainrule("run", "program.py", cwd=tmp_path)
    assert done.stdout == "tensor([2., 2.], grad_fn=<MulBackward0>)\n"
    assert done.stderr.endswith("chainrule has no torch.no_such_name yet\n")
    assert done.returncode == 1
