"""`chainrule run --missing FILE`: the torch names that a program uses and chainrule does not have."""

from __future__ import annotations

import pytest

from .running import chainrule, code, error, python, write_notebook, write_script

PACKAGE = {
    "__init__.py": """
        from fakerule import nn, autograd
        class Tensor:
            def add(self): pass
        float32 = object()
        def ones(n): return [1.0] * n
        """,
    "autograd.py": "class Variable: pass\ndef grad(): pass",
    "nn/__init__.py": "from fakerule.nn import functional\nclass Linear: pass\nclass Module: pass",
    "nn/functional.py": "def relu(x): return x",
    "optim.py": "class SGD: pass",
}


@pytest.fixture
def missing(tmp_path):
    """The lines and names that a program is said to miss, where `torch` is the package above."""
    for name, text in PACKAGE.items():
        write_script(tmp_path / "fakerule" / name, text)
    driver = """if True:
        import sys
        from chainrule.runner import alias, load, missing
        alias.install("fakerule")
        sys.exit(missing.report(load("program.py")))
        """

    def missing_of(text):
        write_script(tmp_path / "program.py", text)
        done = python("-c", driver, cwd=tmp_path)
        assert done.stderr == ""
        *names, last = done.stdout.splitlines()
        count = len({name.split()[1] for name in names})
        lacks = f"chainrule lacks {count} torch name{'s' * (count != 1)} used here"
        assert last == f"program.py: {lacks if names else 'chainrule has every torch name used here'}"
        assert done.returncode == bool(names)
        return [name.removeprefix("program.py:") for name in names]

    return missing_of


CASES = {
    "nothing": ("import torch\ntorch.ones(2)\ntorch.nn.functional.relu(torch.float32)", []),
    "attribute": ("import torch\nx = torch.zeros(2)", ["2: torch.zeros"]),
    "twice": ("import torch\ntorch.zeros\n\ntorch.zeros, torch.zeros", ["2: torch.zeros", "4: torch.zeros"]),
    "chain": ("import torch\ntorch.nn.functional.gelu(1)", ["2: torch.nn.functional.gelu"]),
    "chain through what is missing": ("import torch\ntorch.cuda.amp.x", ["2: torch.cuda.amp.x"]),
    "value's attributes are not known": ("import torch\ntorch.float32.x, torch.ones(2).anything", []),
    "class attributes": ("import torch\ntorch.Tensor.add, torch.Tensor.mul", ["2: torch.Tensor.mul"]),
    "module alias": ("import torch.nn.functional as F\nF.relu, F.gelu", ["2: torch.nn.functional.gelu"]),
    "package alias": ("import torch as t\nt.zeros", ["2: torch.zeros"]),
    "from": ("from torch import nn, jit\nnn.Linear, nn.ReLU", ["1: torch.jit", "2: torch.nn.ReLU"]),
    "from with as": ("from torch.autograd import Variable as V, Function as G", ["1: torch.autograd.Function"]),
    "from what is missing": ("from torch.jit import script, trace", ["1: torch.jit.script", "1: torch.jit.trace"]),
    "submodule by from": ("from torch import optim\noptim.SGD, optim.Adam", ["2: torch.optim.Adam"]),
    "submodule that is imported": ("import torch, torch.optim\ntorch.optim.SGD", []),
    "submodule that is not imported": ("import torch\ntorch.optim.SGD", ["2: torch.optim.SGD"]),
    "import of what is missing": (
        "import torch.jit\nimport torch.cuda.amp as amp",
        ["1: torch.jit", "2: torch.cuda.amp"],
    ),
    "star": ("from torch import *\nfrom torch.jit import *\nones", ["2: torch.jit"]),
    "name of a name": ("import torch\nF = torch.nn.functional\nG = F\nG.gelu", ["4: torch.nn.functional.gelu"]),
    "getattr": ("import torch\ngetattr(torch, 'zeros')\ngetattr(torch, 'eye', None)", ["2: torch.zeros"]),
    "import_module": ("import importlib\nimportlib.import_module('torch.jit')", ["2: torch.jit"]),
    "decorators and bases": (
        "import torch\nclass Net(torch.nn.Moduel):\n    @torch.jit.export\n    def f(self, x: torch.Tenser): pass",
        ["2: torch.nn.Moduel", "3: torch.jit.export", "4: torch.Tenser"],
    ),
    "in functions": (
        "import torch\ndef f(x=torch.a):\n    import torch.nn as n\n    return lambda y: n.b(y)",
        ["2: torch.a", "4: torch.nn.b"],
    ),
    "in a class's methods": (
        "import torch\nclass A:\n    torch.a\n    def f(self): torch.b",
        ["3: torch.a", "4: torch.b"],
    ),
    "in comprehensions": ("import torch\n[torch.a for x in torch.b]", ["2: torch.a", "2: torch.b"]),
    "parameter of the same name": ("from torch import nn\ndef f(nn): return nn.anything\nlambda nn: nn.anything", []),
    "variable of the same name": ("from torch.autograd import grad\ngrad = 3\ngrad.real", []),
    "local variable of the same name": (
        "from torch import nn\ndef f():\n    nn = 3\n    return nn.real\nnn.missing",
        ["5: torch.nn.missing"],
    ),
    "class variable of the same name": (
        "from torch import nn\nclass A:\n    nn = 3\n    nn.real\n    def f(self): nn.missing",
        ["5: torch.nn.missing"],
    ),
    "loop variable of the same name": ("from torch import nn\n[nn.x for nn in range(3)]\n", []),
    "import that may fail": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\ntorch.zeros",
        ["5: torch.zeros"],
    ),
    "what the program adds": ("import torch\ntorch.Tensor.mine = 3\ntorch.Tensor.mine", []),
    "another package": ("import numpy.torch, nottorch\nfrom . import torch\nnottorch.zeros\ntorch.zeros", []),
    "text": ("import torch\n'torch.zeros'  # torch.zeros", []),
    "await": ("import torch\nasync def f():\n    await torch.zeros", ["3: torch.zeros"]),
}


@pytest.mark.parametrize("name", CASES)
def test_names(name, missing):
    text, expected = CASES[name]
    assert missing(text) == expected


def test_modules_beside_the_program_are_read_too(tmp_path, missing):
    write_script(tmp_path / "helper.py", "import torch\nimport program\ntorch.a")
    write_script(tmp_path / "package" / "__init__.py", "import torch\ntorch.b")
    write_script(tmp_path / "package" / "part.py", "from . import other\nfrom .. import helper")
    write_script(tmp_path / "package" / "other.py", "import torch\ntorch.c")
    write_script(tmp_path / "unused.py", "import torch\ntorch.d")
    names = missing("import torch, helper\nfrom package.part import x\ntorch.e")
    assert names == [
        "3: torch.e",
        "helper.py:3: torch.a",
        "package/__init__.py:2: torch.b",
        "package/other.py:2: torch.c",
    ]


def test_a_module_beside_the_program_with_a_syntax_error(tmp_path):
    write_script(tmp_path / "helper.py", "x = (")
    write_script(tmp_path / "program.py", "import helper")
    done = chainrule("run", "--missing", "program.py", cwd=tmp_path)
    assert done.stderr == "chainrule: helper.py:1:5: SyntaxError: '(' was never closed\n"
    assert done.returncode == 2


def test_nothing_is_run(tmp_path):
    write_script(tmp_path / "program.py", "print('run')\nopen('made', 'w')\nimport torch\ntorch.no_such_name")
    done = chainrule("run", "--missing", "program.py", cwd=tmp_path)
    assert done.stdout == "program.py:4: torch.no_such_name\nprogram.py: chainrule lacks 1 torch name used here\n"
    assert (done.stderr, done.returncode) == ("", 1)
    assert not (tmp_path / "made").exists()


def test_notebooks(tmp_path):
    write_notebook(
        tmp_path / "book.ipynb",
        "%matplotlib inline\nimport torch",
        code("x = (", error("SyntaxError", "'(' was never closed")),
        "x = 1\nawait torch.no_such_name",
    )
    done = chainrule("run", "--missing", "book.ipynb", cwd=tmp_path)
    expected = "book.ipynb[cell 3]:2: torch.no_such_name\nbook.ipynb: chainrule lacks 1 torch name used here\n"
    assert (done.stdout, done.returncode) == (expected, 1)
