"""`chainrule run FILE.ipynb`: cells run in order and show, as text, what Jupyter would show."""

from __future__ import annotations

import importlib.util
import json
import random
import types
from collections import Counter, OrderedDict, defaultdict, deque

import pytest

from chainrule.cli import main
from chainrule.runner.magics import python_of
from chainrule.runner.pretty import pretty

from .running import chainrule, code, error, write_notebook


@pytest.fixture
def run(tmp_path):
    """Runs a notebook with these cells."""

    def run_cells(*cells, **options):
        write_notebook(tmp_path / "book.ipynb", *cells)
        return chainrule("run", "book.ipynb", cwd=tmp_path, **options)

    return run_cells


def test_cells_run_in_order_in_one_namespace(run):
    markdown = {"cell_type": "markdown", "metadata": {}, "source": ["# print('no')"]}
    raw = {"cell_type": "raw", "metadata": {}, "source": "print('no')"}
    done = run("x = 1", markdown, "def f(): return x", raw, "", "  \n", "x = 2\nprint(f(), __name__)")
    assert (done.stdout, done.stderr, done.returncode) == ("2 __main__\n", "", 0)


LAST_EXPRESSIONS = [
    ("1 + 1", "2\n"),
    ("1\n2", "2\n"),
    ("x = 3", ""),
    ("x = 3\nx", "3\n"),
    ("None", ""),
    ("'text'", "'text'\n"),
    ("3;", ""),
    ("3 ; # a comment", ""),
    ("'a;'", "'a;'\n"),
    ("3 # ;", "3\n"),
    ("(1,\n 2);", ""),
    ("'é';", ""),
    ("print('a'); 5", "a\n5\n"),
    ("print('a', end='')\n5", "a\n5\n"),
    ("if True:\n    5", ""),
    ("for i in range(2): i", ""),
    ("lambda: 0", "<function __main__.<lambda>()>\n"),
    ("class A: pass\nA", "__main__.A\n"),
    ("list(range(40))", f"[{','.join(f'{chr(10)} {i}' for i in range(40))[2:]}]\n"),
    ("# only a comment", ""),
    ("'''doc'''", "'doc'\n"),
]


def test_the_last_expression_is_shown(run):
    cells = [cell for source, _ in LAST_EXPRESSIONS for cell in (source, "print('-----')")]
    done = run(*cells)
    assert done.stdout.split("-----\n") == [*(shown for _, shown in LAST_EXPRESSIONS), ""]
    assert (done.stderr, done.returncode) == ("", 0)


def test_an_object_is_shown_by_its_class_and_address(run):
    assert run("class A: pass\nA()").stdout.startswith("<__main__.A at 0x")


def test_objects_of_the_library_are_shown_by_pytorchs_names(run):
    library = """import torch
import torch.utils.data
class Twice(torch.autograd.Function):
    forward = staticmethod(lambda ctx, x: x * 2)
    backward = staticmethod(lambda ctx, g: g * 2)
x = torch.ones(2, requires_grad=True)
data = torch.utils.data.TensorDataset(x)"""
    values = {
        "torch.manual_seed(0)": "torch._C.Generator",
        "x.register_hook(print)": "torch.utils.hooks.RemovableHandle",
        "(x * 2).grad_fn": "MulBackward0",
        "Twice.apply(x).grad_fn": "torch.autograd.function.TwiceBackward",
        "data": "torch.utils.data.dataset.TensorDataset",
        "torch.utils.data.DataLoader(data)": "torch.utils.data.dataloader.DataLoader",
        "iter(torch.utils.data.DataLoader(data))": "torch.utils.data.dataloader._SingleProcessDataLoaderIter",
        "torch.utils.data.BatchSampler([0], 1, False)": "torch.utils.data.sampler.BatchSampler",
    }
    done = run(library, *values, *(f"print({value})" for value in values))
    shown = [line.partition(" at 0x")[0] for line in done.stdout.splitlines()]
    assert shown == [f"<{name}" for name in values.values()] + [f"<{name} object" for name in values.values()]


def test_values_have_names(run):
    done = run("5", "6;", "7", "_, __, ___, _1, _3, Out", "In[1], len(In)", "_ = 0", "8", "_")
    assert done.stdout.splitlines() == ["5", "7", "(7, 5, '', 5, 7, {1: 5, 3: 7})", "('5', 6)", "8", "0"]


def test_display_shows_values_in_the_middle_of_a_cell(run):
    done = run(
        "for i in range(2):\n    print('row', i, end='')\n    display([i], 'x')",
        """
class Rich:
    def _repr_html_(self): return "<b>rich</b>"
    def __repr__(self): return "plain"
class Own:
    def _ipython_display_(self): print("its own way")
class Pretty:
    def _repr_pretty_(self, printer, cycle): printer.text("pretty")
display(Rich(), Own(), [Pretty()])
display({"text/plain": "bundle", "text/html": "<i>bundle</i>"}, raw=True)
Rich()
""".strip(),
        "Own()",
    )
    shown = ["row 0", "[0]", "'x'", "row 1", "[1]", "'x'", "plain", "its own way", "[pretty]", "bundle", "plain"]
    assert done.stdout.splitlines() == [*shown, "its own way"]
    assert done.returncode == 0


@pytest.mark.skipif(importlib.util.find_spec("IPython") is not None, reason="IPython is installed, and shows its own")
def test_ipython_display_is_there_without_ipython(run):
    done = run(
        "from IPython.display import display, clear_output, HTML, Markdown",
        "from IPython import display as d, get_ipython\nclear_output(wait=True); display(3); get_ipython()",
        "HTML('<b>')",
    )
    assert (done.stdout, done.stderr) == ("3\n<IPython.core.display.HTML object>\n", "")


def test_top_level_await(run):
    done = run(
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x",
        "y = await f(1)\nprint(y)\nawait f(2)",
        "async with asyncio.timeout(5):\n    z = await f(4)\nz",
        "await f(1 / 0)",
    )
    assert done.stdout == "1\n2\n4\n"
    assert done.stderr.count("  File ") == 1
    assert done.returncode == 1


def test_a_task_goes_on_while_a_later_cell_waits(run):
    done = run(
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    print('done')",
        "task = asyncio.create_task(f())\nawait asyncio.sleep(0)",
        "await task",
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_magics_and_shell_lines_are_left_out_with_a_note(run):
    done = run(
        "%matplotlib inline\n!pip install torch\nx = [\n  5\n  % 3]\nif x:\n    !ls\ntext = '''\n%not a magic\n'''\nx",
        "%time y = 4\n%timeit x\nprint?\nfiles = !ls\n?print\ny",
        "%%time\nz = 5\nz",
        "%%bash\nls",
        "%%capture\nprint('hidden')\nw = 6",
        "%load_ext autoreload\n%autoreload 2",
        "w, text",
    )
    assert done.stdout == "[2]\n4\n5\n(6, '\\n%not a magic\\n')\n"
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "chainrule: book.ipynb[cell 1]:1: skipped %matplotlib inline",
        "chainrule: book.ipynb[cell 1]:2: skipped !pip install torch",
        "chainrule: book.ipynb[cell 1]:7: skipped !ls",
        "chainrule: book.ipynb[cell 2]:1: skipped %time, not its statement",
        "chainrule: book.ipynb[cell 2]:2: skipped %timeit x",
        "chainrule: book.ipynb[cell 2]:3: skipped print?",
        "chainrule: book.ipynb[cell 2]:4: skipped files = !ls",
        "chainrule: book.ipynb[cell 2]:5: skipped ?print",
        "chainrule: book.ipynb[cell 3]:1: skipped %%time, not the cell under it",
        "chainrule: book.ipynb[cell 4]:1: skipped the cell under %%bash",
        "chainrule: book.ipynb[cell 5]:1: skipped %%capture, not the cell under it, whose output is not shown",
        "chainrule: book.ipynb[cell 6]:1: skipped %load_ext autoreload",
        "chainrule: book.ipynb[cell 6]:2: skipped %autoreload 2",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "print('a=%s' % x)",
        "x = 5 \\\n  % 3",
        "f(a,\n  !b)",
        "s = 'it''s'  # don't",
        's = """\n!ls\n"""',
        "s = 'a\\\n!ls'",
        "a != b",
        "x = y if z else '?'",
        "s = r'\\'  # '''",
    ],
)
def test_lines_of_python_stay_beside_magics(line):
    assert python_of(f"%magic\n{line}").source == f"pass\n{line}"


@pytest.mark.parametrize(
    "line", ["!ls 'a", "!pip install \\\n  torch", "x?", "x.y??", "  !ls", "a, b = !ls", "d['k'] = %pwd"]
)
def test_lines_of_ipython_go_and_leave_the_lines_after_them_in_place(line):
    source = f"if 1:\n{line}\nlast = 1"
    converted = python_of(source)
    assert len(converted.notes) == 1
    assert converted.source.split("\n")[-1] == "last = 1"
    assert converted.source.count("\n") == source.count("\n")


def test_a_cell_may_be_indented_as_a_whole(run):
    assert run("  x = 1\n  if x:\n    print(x)").stdout == "1\n"


def test_an_error_ends_the_run_with_a_traceback_of_the_cells(run):
    done = run(
        "def inverse(x):\n    return 1 / x",
        "print('before')\nfor x in (1, 0):\n    inverse(x)\nprint('not reached')",
        "print('not reached')",
    )
    assert done.stdout == "before\n"
    without_carets = [line for line in done.stderr.splitlines() if line.strip(" ~^")]
    assert without_carets == [
        "Traceback (most recent call last):",
        '  File "book.ipynb[cell 2]", line 3, in <module>',
        "    inverse(x)",
        '  File "book.ipynb[cell 1]", line 2, in inverse',
        "    return 1 / x",
        "ZeroDivisionError: division by zero",
    ]
    assert done.returncode == 1


def test_an_error_while_showing_a_value_names_the_users_lines_only(run):
    done = run("class A:\n    def __repr__(self): return 1 / 0", "A()")
    assert [line for line in done.stderr.splitlines() if line.startswith("  File")] == [
        '  File "book.ipynb[cell 2]", line 1, in <module>',
        '  File "book.ipynb[cell 1]", line 2, in __repr__',
    ]


def test_the_run_goes_on_after_an_error_that_is_expected(run):
    done = run(
        code("1 / 0", error("ZeroDivisionError", "division by zero")),
        code("{}['key']", tags=("raises-exception",)),
        code("y = (", error("SyntaxError", "'(' was never closed")),
        code("import sys\nsys.exit(3)", error("SystemExit", "3")),
        "print('after')",
    )
    assert done.stdout == "after\n"
    assert [line for line in done.stderr.splitlines() if "Error: " in line] == [
        "ZeroDivisionError: division by zero",
        "KeyError: 'key'",
        "SyntaxError: '(' was never closed",
    ]
    assert done.returncode == 0


def test_exit_ends_the_run_with_its_status(run):
    done = run("import sys\nprint('a')", "sys.exit(4)", "print('b')")
    assert (done.stdout, done.stderr, done.returncode) == ("a\n", "", 4)


def test_an_interrupt_ends_the_process_by_the_signal(run):
    # Where the tests run in the background, interrupts are ignored until somebody asks for them.
    handle = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    done = run(f"{handle}signal.raise_signal(signal.SIGINT)", "print('no')")
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert (done.stdout, done.returncode) == ("", -2)


def test_warnings_come_from_every_cell_that_makes_them(run):
    done = run("import warnings", "warnings.warn('careful')", "warnings.warn('careful')")
    places = [f"book.ipynb[cell {number}]:1: UserWarning: careful\n  warnings.warn('careful')\n" for number in (2, 3)]
    assert done.stderr == "".join(places)


def test_future_features_hold_in_later_cells(run):
    done = run("from __future__ import annotations", "def f(x: undefined): pass\nf.__annotations__")
    assert done.stdout == "{'x': 'undefined'}\n"


def test_source_lines_of_cells_can_be_read(run):
    done = run("def f(x):\n    return x + 1", "import inspect, linecache\nprint(inspect.getsource(f), end='')")
    assert done.stdout == "def f(x):\n    return x + 1\n"


def test_classes_of_a_notebook_can_be_pickled_and_made_by_decorators(run):
    done = run(
        "import pickle\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int",
        "pickle.loads(pickle.dumps(P(3)))",
    )
    assert done.stdout == "P(x=3)\n"


def test_a_notebook_runs_in_its_own_directory(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "helper.py").write_text("name = 'helper'")
    (folder / "data.txt").write_text("data")
    write_notebook(
        folder / "a book.ipynb", "import helper, sys\nprint(helper.name, open('data.txt').read(), sys.argv[1:])"
    )
    done = chainrule("run", "folder/a book.ipynb", "-x", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("helper data ['-x']\n", "")


def test_standard_streams_behave_as_streams(run):
    done = run(
        """
import sys, logging
sys.stdout.writelines(["a\\n", "b\\n"])
print("to stderr", file=sys.stderr)
logging.warning("logged")
print(sys.stdout.isatty(), sys.stdout.encoding.lower(), sys.stdout.fileno(), input())
""".strip(),
        stdin="typed\n",
    )
    assert done.stdout == "a\nb\nFalse utf-8 1 typed\n"
    assert done.stderr == "to stderr\nWARNING:root:logged\n"


def test_figures_are_drawn_into_memory(run):
    assert run("import os\nos.environ['MPLBACKEND']", DISPLAY=":7").stdout == "'Agg'\n"


def test_torch_is_chainrule(run):
    done = run(
        "import torch\nx = torch.ones(2, requires_grad=True)",
        "(x * x).sum().backward()",
        "x.grad",
        "x.grad, [x]",
    )
    assert done.stdout == "tensor([2., 2.])\n(tensor([2., 2.]), [tensor([1., 1.], requires_grad=True)])\n"
    assert (done.stderr, done.returncode) == ("", 0)


def test_notebooks_of_format_3(tmp_path):
    cells = [
        {"cell_type": "code", "input": ["x = 1\n", "x"], "outputs": [], "language": "python", "prompt_number": 1},
        {"cell_type": "heading", "level": 1, "source": "x"},
        {
            "cell_type": "code",
            "input": "1 / 0",
            "outputs": [{"output_type": "pyerr", "ename": "ZeroDivisionError", "evalue": "division by zero"}],
        },
        {"cell_type": "code", "input": "x + 1", "outputs": []},
    ]
    (tmp_path / "old.ipynb").write_text(json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}))
    done = chainrule("run", "old.ipynb", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("1\n2\n", 0)


BAD = {
    "broken JSON": (b'{"cells": [', "book.ipynb:1:12: not a notebook: broken JSON: Expecting value"),
    "empty": (b"", "book.ipynb:1:1: not a notebook: broken JSON: Expecting value"),
    "not text": (b"\xff\xfe\x00", "book.ipynb: not a notebook: byte 0 is not UTF-8 text"),
    "a list": (b"[1]", "book.ipynb: not a notebook: list where an object with 'metadata' should be"),
    "no cells": (b"{}", "book.ipynb: not a notebook: no 'cells'"),
    "cells no list": (b'{"cells": {}}', "book.ipynb: not a notebook: 'cells' is no list"),
    "a cell no object": (
        b'{"cells": [1]}',
        "book.ipynb: not a notebook: int where an object with 'cell_type' should be",
    ),
    "source no text": (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "book.ipynb: not a notebook: 'source'"),
    "output no object": (
        b'{"cells": [{"cell_type": "code", "source": "1", "outputs": [1]}]}',
        "book.ipynb: not a notebook: int where an object with 'output_type' should be",
    ),
    "another language": (
        b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}',
        "book.ipynb: a notebook in the language r, not Python",
    ),
    "too deep": (b"[" * 100_000, "book.ipynb: not a notebook: JSON nested too deep"),
    "syntax error": (
        json.dumps({"cells": [code("print('shown?')"), code("%magic\nx = (")]}).encode(),
        "book.ipynb[cell 2]:2:5: SyntaxError: '(' was never closed",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("option", [[], ["--check"], ["--missing"]])
def test_a_bad_notebook_gives_one_line_and_status_2(name, option, tmp_path, monkeypatch, capsys):
    content, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.ipynb").write_bytes(content)
    assert main(["run", *option, "book.ipynb"]) == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert stderr.startswith(f"chainrule: {message}")


class Plain:
    pass


class Long:
    def __repr__(self):
        return "Long([1, 2,\n      3, 4])"


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ([], "[]"),
        ((1,), "(1,)"),
        ((), "()"),
        (set(), "set()"),
        ({3, 1, 2}, "{1, 2, 3}"),
        (frozenset({1}), "frozenset({1})"),
        ({"b": 1, "a": [2]}, "{'b': 1, 'a': [2]}"),
        (int, "int"),
        (Counter, "collections.Counter"),
        (len, "<function len(obj, /)>"),
        (Counter("aab"), "Counter({'a': 2, 'b': 1})"),
        (deque([1], maxlen=3), "deque([1], maxlen=3)"),
        (defaultdict(list, {1: [2]}), "defaultdict(list, {1: [2]})"),
        (OrderedDict(a=1), "OrderedDict([('a', 1)])"),
        (types.SimpleNamespace(a=1), "namespace(a=1)"),
        (ValueError("x", 1), "ValueError('x', 1)"),
        ([Long(), Long()], "[Long([1, 2,\n       3, 4]),\n Long([1, 2,\n       3, 4])]"),
        (["x" * 30] * 3, f"['{'x' * 30}',\n '{'x' * 30}',\n '{'x' * 30}']"),
        (list(range(1001)), "[" + ",\n ".join(map(str, range(1000))) + ",\n ...]"),
        (float("nan"), "nan"),
    ],
)
def test_the_form_of_values(shown, text):
    assert pretty(shown) == text


def test_the_form_of_a_list_in_itself():
    cycle: list = [1]
    cycle.append(cycle)
    assert pretty(cycle) == "[1, [...]]"


def random_value(choose: random.Random, depth: int) -> object:
    if depth == 0 or choose.random() < 0.3:
        leaves = [1, 2.5, "x" * choose.randint(0, 40), None, 10**12, Long(), int, Plain, len, b"ab", ValueError(1)]
        return choose.choice(leaves)
    items = [random_value(choose, depth - 1) for _ in range(choose.choice([0, 1, 2, 3, 8, 20]))]
    keys = [choose.choice([f"key {number}", number, (number, "k" * 20)]) for number in range(len(items))]
    containers = [
        items,
        tuple(items),
        dict(zip(keys, items, strict=True)),
        set(keys),
        frozenset(keys),
        deque(items),
        defaultdict(list, zip(keys, items, strict=True)),
        OrderedDict(zip(keys, items, strict=True)),
        types.SimpleNamespace(**{f"a{number}": item for number, item in enumerate(items)}),
    ]
    return choose.choice(containers)


def test_the_form_of_values_is_ipythons():
    ipython = pytest.importorskip("IPython.lib.pretty")
    choose = random.Random(0)
    for _ in range(500):
        shown = random_value(choose, choose.randint(1, 4))
        assert pretty(shown) == ipython.pretty(shown)
