"""`chainrule why FILE`: whole programs as people write them, each with a mistake that must be named first, or with none.

`why_programs/mistakes.txt` holds programs with a mistake: a line ``=== name | words of the remedy``, then the program, where
the lines that may be blamed end in ``# here``; ``--- FILE`` begins another file of the same program. The programs of
`why_programs/healthy.txt` are unusual, but right.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.running import chainrule, python

PROGRAMS = Path(__file__).parent / "why_programs"


def read(name: str) -> dict[str, tuple[str, dict[str, str]]]:
    """{name: (words of the remedy, {file: text})}"""
    found = {}
    text = (PROGRAMS / name).read_text(encoding="utf-8")
    for part in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        title, _, remedy = head.partition(" | ")
        pieces = re.split(r"^--- (\S+)\n", body, flags=re.MULTILINE)
        found[title] = remedy, {"prog.py": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}
    return found


MISTAKES, HEALTHY = read("mistakes.txt"), read("healthy.txt")


def write(files: dict[str, str], directory: Path) -> set[tuple[str, int]]:
    """Writes a program, and returns the (file, line) that may be blamed."""
    for file, text in files.items():
        (directory / file).write_text(text, encoding="utf-8")
    return {
        (str(directory / file), number)
        for file, text in files.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if line.endswith("# here")
    }


@pytest.mark.parametrize("name", MISTAKES)
def test_the_first_finding_names_the_mistake(name, tmp_path):
    remedy, files = MISTAKES[name]
    blamed = write(files, tmp_path)
    done = chainrule("why", "--json", "found.json", "prog.py", cwd=tmp_path)
    first = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))[0]
    assert (first["file"], first["line"]) in blamed, done.stdout
    assert remedy in first["remedy"], done.stdout
    assert done.stdout.startswith(f"{first['file']}:{first['line']}: ")
    assert done.returncode == 1
    assert "has not seen everything" not in done.stderr


@pytest.mark.parametrize("name", HEALTHY)
def test_there_is_no_finding_in_a_healthy_program(name, tmp_path):
    write(HEALTHY[name][1], tmp_path)
    done = chainrule("why", "prog.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no finding: the gradients are in order\n"), done.stdout
    assert "has not seen everything" not in done.stderr


def test_a_watched_program_prints_what_it_prints_alone(tmp_path):
    for name in ("gan", "gradient_penalty", "vq_codebook", "grl_function"):
        write(HEALTHY[name][1], tmp_path)
        alone = chainrule("run", "prog.py", cwd=tmp_path)
        watched = chainrule("why", "prog.py", cwd=tmp_path)
        assert watched.stderr == alone.stdout


def test_all_that_the_witness_replaces_is_put_back(tmp_path):
    code = """
import chainrule
from chainrule import autograd, modes
from chainrule.insight.witness import Witness
from chainrule.nn import Module, Parameter
from chainrule.optim import Optimizer
owners = [chainrule, autograd, modes, autograd.function, chainrule.Tensor, Module, Parameter, Optimizer, type(modes.local)]
before = [dict(vars(owner)) for owner in owners]
witness = Witness()
witness.start()
assert [dict(vars(owner)) for owner in owners] != before
assert modes.local.function_modes == (witness.operations,)  # not twice
witness.stop()
for owner, then in zip(owners, before):
    assert {n for n in vars(owner) if vars(owner)[n] is not then.get(n)} <= {"__getattr__"}, owner
assert modes.local.mode == modes.RECORD and not modes.local.function_modes
"""
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def notebook(cells: list[str]) -> str:
    book = {
        "cells": [
            {"cell_type": "code", "execution_count": None, "id": f"c{i}", "metadata": {}, "outputs": [], "source": text}
            for i, text in enumerate(cells)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(book)


def test_a_notebook_that_fails(tmp_path):
    cells = [
        "import torch\n%matplotlib inline\nw = torch.ones(3, requires_grad=True)",
        "def f(v):\n    with torch.no_grad():\n        return v * 2",
        "y = f(w).sum()\ny.backward()",
    ]
    (tmp_path / "book.ipynb").write_text(notebook(cells), encoding="utf-8")
    done = chainrule("why", "book.ipynb", cwd=tmp_path)
    assert done.stdout.startswith("book.ipynb[cell 2]:2: RuntimeError: y does not require grad")
    assert "book.ipynb[cell 2]:3: return v * 2" not in done.stdout
    assert done.returncode == 1
    # the error's own notes come after PyTorch's words
    told = done.stderr[done.stderr.index("RuntimeError: element 0") :]
    assert "the history from w was cut at book.ipynb[cell 2]:3: `return v * 2`" in told


def test_a_notebook_whose_model_is_made_anew_after_its_optimizer(tmp_path):
    cells = [
        "import torch\nfrom torch import nn\nmodel = nn.Linear(2, 1)",
        "optimizer = torch.optim.Adam(model.parameters(), lr=0.01)",
        "model = nn.Linear(2, 1)",
        "for epoch in range(5):\n    loss = model(torch.rand(8, 2)).pow(2).mean()\n    optimizer.zero_grad()\n"
        "    loss.backward()\n    optimizer.step()",
    ]
    (tmp_path / "book.ipynb").write_text(notebook(cells), encoding="utf-8")
    done = chainrule("why", "book.ipynb", cwd=tmp_path)
    assert done.stdout.startswith("book.ipynb[cell 2]:1: "), done.stdout
    assert "build the optimizer after the last change to the model" in done.stdout


def test_of_a_variable_only(tmp_path):
    remedy, files = MISTAKES["detach_mlp"]
    write(files, tmp_path)
    done = chainrule("why", "--wrt", "enc.fc1.weight", "prog.py", cwd=tmp_path)
    assert done.returncode == 1 and remedy in done.stdout
    done = chainrule("why", "--wrt", "dec.out.weight", "prog.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no finding: the gradients are in order\n"), done.stdout
    done = chainrule("why", "--wrt", "nothing", "prog.py", cwd=tmp_path)
    assert done.returncode == 2 and "nothing is no tensor of the program" in done.stderr


def test_input_arguments_and_exit_status_of_the_program(tmp_path):
    (tmp_path / "prog.py").write_text(
        "import sys\nimport torch\nscale = float(input()) * float(sys.argv[1])\n"
        "x = torch.tensor(2.0, requires_grad=True)\n(scale * x**2).backward()\nprint(x.grad)\nsys.exit(3)\n",
        encoding="utf-8",
    )
    done = chainrule("why", "prog.py", "0.5", cwd=tmp_path, stdin="4\n")
    assert (done.returncode, done.stdout) == (0, "no finding: the gradients are in order\n"), done.stdout
    assert done.stderr == "tensor(8.)\n"


def test_a_note_names_the_cut_also_in_a_thread_and_a_chain_of_calls(tmp_path):
    (tmp_path / "prog.py").write_text(
        "import threading\nimport chainrule as torch\nw = torch.ones(2, requires_grad=True)\n\n\ndef work():\n"
        "    h = (w * 2).detach()\n    try:\n        h.sum().backward()\n    except RuntimeError as error:\n"
        "        print(*error.__notes__)\n\n\nwork()\nthread = threading.Thread(target=work)\nthread.start()\nthread.join()\n",
        encoding="utf-8",
    )
    done = python("prog.py", cwd=tmp_path)
    note = "the history from w was cut at prog.py:7: `h = (w * 2).detach()`: that takes it out of the graph"
    assert done.stdout.count(note) == 2, done.stdout
