"""`chainrule run --check FILE`: what a program shows is compared with what was recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from chainrule.runner.cells import Output
from chainrule.runner.check import comparable, comparable_cell

from .running import ENVIRONMENT, chainrule, code, error, stream, value, write_notebook, write_script


@pytest.fixture
def check(tmp_path):
    """Checks a notebook with these cells."""

    def check_cells(*cells):
        write_notebook(tmp_path / "book.ipynb", *cells)
        return chainrule("run", "--check", "book.ipynb", cwd=tmp_path)

    return check_cells


def test_a_notebook_that_shows_what_is_recorded(check):
    done = check(
        "x = 1",
        code("print('a')\nprint('b')", stream("a\n"), stream("b\n")),
        code("print('c', end='')\nx", stream("c"), value("1")),
        code("class A: pass\nA()", value("<__main__.A at 0x7fe798a1b160>")),
        code("1 / 0", error("ZeroDivisionError", "division by zero")),
        code("import sys; print('e', file=sys.stderr)\nprint('o')", stream("o\n"), stream("e\n", "stderr")),
    )
    shown = done.stdout.splitlines()
    assert shown[:4] == ["a", "b", "c", "1"]
    assert shown[5:] == ["o", "book.ipynb: 6 cells compared, no difference"]
    assert done.returncode == 0


def test_a_difference_is_shown_by_cell_and_gives_status_1(check):
    done = check(
        code("print('same')", stream("same\n")),
        code("print('one')\nprint('two')\n3", stream("one\n2\n"), value("3")),
        code("4", value("5")),
    )
    assert done.stdout.splitlines() == [
        "same",
        "one",
        "two",
        "3",
        "4",
        "--- book.ipynb[cell 2] recorded",
        "+++ book.ipynb[cell 2] now",
        "@@ -1,3 +1,3 @@",
        " one",
        "-2",
        "+two",
        " 3",
        "--- book.ipynb[cell 3] recorded",
        "+++ book.ipynb[cell 3] now",
        "@@ -1 +1 @@",
        "-5",
        "+4",
        "book.ipynb: 3 cells to compare, 2 with a difference",
    ]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("cell", "difference"),
    [
        (code("print('more')"), ["+more"]),
        (code("x = 1", value("1")), ["-1"]),
        (code("x = 1", error("ValueError", "x")), ["-ValueError: x"]),
        (code("raise ValueError('y')", error("ValueError", "x")), ["-ValueError: x", "+ValueError: y"]),
        (code("raise KeyError('x')", error("ValueError", "'x'")), ["-ValueError: 'x'", "+KeyError: 'x'"]),
        (code("raise ValueError", tags=("raises-exception",)), ["+ValueError"]),
        (code("'0x1'", value("'0x2'")), ["-'0x2'", "+'0x1'"]),
    ],
)
def test_what_counts_as_a_difference(cell, difference, check):
    done = check(cell, code("print('next')", stream("next\n")))
    changed = [line for line in done.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == difference
    assert done.returncode == bool(difference)


def test_an_error_that_is_not_recorded_ends_the_run(check):
    done = check(code("1 / 0"), code("print('next')", stream("next\n")), "x = 1")
    assert "+ZeroDivisionError: division by zero" in done.stdout
    assert done.stdout.endswith("book.ipynb: 3 cells to compare, 1 with a difference, 2 not reached\n")
    assert done.returncode == 1


def test_cells_that_are_not_reached_are_no_agreement(check):
    done = check("import sys", "sys.exit(0)", code("print('next')", stream("next\n")))
    assert done.returncode == 1


def test_a_cell_that_was_not_run_is_not_compared(check):
    done = check(
        code("x = 1", count=1),
        code("1 / 0", count=None),
        code("print('new')", count=None),
        code("x", value("1"), count=2),
    )
    assert done.stdout.splitlines() == ["new", "1", "book.ipynb: 2 cells compared, no difference"]
    assert "ZeroDivisionError" in done.stderr
    assert done.returncode == 0


def test_a_notebook_without_counts_is_compared_whole(check):
    assert check(code("print('a')", count=None), code("1", value("1"), count=None)).returncode == 1


def test_the_programs_own_status_stands_where_nothing_differs(check):
    done = check("import sys", code("sys.exit(3)"))
    assert done.returncode == 1  # Jupyter would have recorded the exit
    assert check(code("import sys\nsys.exit(3)", error("SystemExit", "3"))).returncode == 0


SAME = [
    ("<AddBackward0 object at 0x7f903f16e978>", "<AddBackward0 object at 0x15929cac0>"),
    ("id(x) = 140234567890123", "id(x) = 94234567890123"),
    ("id: 4412345678", "id: 140234567890123"),
    ("CPU times: user 3 ms, sys: 1 ms, total: 4 ms\nWall time: 3.91 ms\nx", "x"),
    ("1.23 µs ± 4.5 ns per loop (mean ± std. dev. of 7 runs, 1000 loops each)\nx", "x"),
    ("1000 loops, best of 3: 1.2 ms per loop", ""),
    ("took 1.25 seconds", "took 0.5 seconds"),
    ("took 12ms", "took 7ms"),
    ("Elapsed time: 0.123", "Elapsed time: 4.5"),
    ("at 2021-03-04 10:11:12.345", "at 2026-01-02 03:04:05"),
    ("100%|###| 10/10 [00:01<00:00, 9.5it/s]", "100%|###| 10/10 [00:00<00:00, 812.40it/s]"),
    (" 10%|#| 1/10 [00:01<00:09]\r100%|#| 10/10 [00:09<00:00]", "100%|#| 10/10 [00:01<00:00]"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("a  \nb\n\n", "a\nb"),
    ("a\r\nb", "a\nb"),
    ("/tmp/tmpabc123/model.pt", "/tmp/xyz/model.pt"),
    ("<ipython-input-3-0f2c>:2: UserWarning: w\n  f()", "a book.ipynb[cell 7]:9: UserWarning: w\n  g()"),
    (
        "/tmp/ipykernel_12/345.py:2: UserWarning: w\n  f()",
        "/usr/lib/python3/site-packages/torch/x.py:3: UserWarning: w",
    ),
    ("w (Triggered internally at ../aten/src/x.cpp:12.)", "w"),
    ("invalid syntax (1234.py, line 1)", "invalid syntax (a book.ipynb[cell 2], line 1)"),
    ("SyntaxError: unexpected EOF while parsing (<ipython-input-1-2>, line 1)", "SyntaxError: '(' was never closed"),
    ('<>:1: SyntaxWarning: "is" with a literal\n/tmp/ipykernel_1/2.py:1: SyntaxWarning: "is"\n  x is 1\nx', "x"),
    ("File <ipython-input-3-0f2c>", "File dir/a book.ipynb[cell 3]"),
    ("x\n<Figure size 640x480 with 1 Axes>\ny", "x\ny"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_may_differ(first, second):
    assert comparable(first, "dir/a book.ipynb") == comparable(second, "dir/a book.ipynb")


DIFFERENT = [
    ("tensor(1.0000)", "tensor(1.0001)"),
    ("0xff", "0xfe"),
    ("4294967296", "4294967297"),
    ("[1, 2, 3]", "[1, 2, 4]"),
    ("UserWarning: one", "UserWarning: other"),
    ("x.py:3: UserWarning: w\n  f()", "x.py:3: FutureWarning: w\n  f()"),
    ("a\n\nb", "a\nb"),
    ("  a", "a"),
    ("step 3", "step 4"),
    ("1e-05", "1e-06"),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_what_may_not_differ(first, second):
    assert comparable(first, "book.ipynb") != comparable(second, "book.ipynb")


def test_the_parts_of_a_stream_are_one_text():
    parts = [Output("stdout", "a"), Output("stderr", "w\n"), Output("stdout", "b\n"), Output("value", "c")]
    assert comparable_cell(parts, "book.ipynb") == ["ab", "c", "w"]
    assert comparable_cell([Output("value", "a"), Output("value", "b")], "book.ipynb") == ["a", "b"]
    assert comparable_cell([], "book.ipynb") == []


@pytest.mark.parametrize("record", ["program.py.out", "program.out", "program.py.expected", "program.expected"])
def test_a_script_is_compared_with_the_file_beside_it(record, tmp_path):
    write_script(
        tmp_path / "program.py", "import sys\nprint('a', sys.argv[1:])\nprint(object())\nprint('e', file=sys.stderr)"
    )
    (tmp_path / record).write_text("a ['x']\n<object object at 0x7f903f16e978>\n")
    done = chainrule("run", "--check", "program.py", "x", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"program.py: prints what is in {record}"
    assert (done.stderr, done.returncode) == ("e\n", 0)


def test_a_script_that_prints_something_else(tmp_path):
    write_script(tmp_path / "program.py", "print('a')\nprint('b', end='')")
    (tmp_path / "program.out").write_text("a\nc\n")
    done = chainrule("run", "--check", "program.py", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "a",
        "b",
        "--- program.out",
        "+++ program.py",
        "@@ -1,2 +1,2 @@",
        " a",
        "-c",
        "+b",
        "program.py: differs from program.out",
    ]
    assert done.returncode == 1


def test_a_script_that_prints_the_same_and_fails(tmp_path):
    write_script(tmp_path / "program.py", "print('a')\nraise SystemExit(5)")
    (tmp_path / "program.out").write_text("a\n")
    assert chainrule("run", "--check", "program.py", cwd=tmp_path).returncode == 5
    write_script(tmp_path / "program.py", "print('a')\n1 / 0")
    assert chainrule("run", "--check", "program.py", cwd=tmp_path).returncode == 1


def test_a_script_with_no_record_cannot_be_checked(tmp_path):
    write_script(tmp_path / "program.py", "print('a')")
    done = chainrule("run", "--check", "program.py", cwd=tmp_path)
    assert done.stdout == ""
    assert done.stderr.startswith("chainrule: program.py: nothing to check against: none of program.py.out, ")
    assert done.returncode == 2


def test_notebooks_of_format_3_are_compared(tmp_path):
    cells = [
        {"cell_type": "code", "input": "1", "outputs": [{"output_type": "pyout", "text": ["1"]}]},
        {
            "cell_type": "code",
            "input": "print(2)",
            "outputs": [{"output_type": "stream", "stream": "stdout", "text": "2"}],
        },
    ]
    for text, status in (("1", 0), ("2", 1)):
        cells[0]["outputs"][0]["text"] = [text]
        (tmp_path / "old.ipynb").write_text(json.dumps({"worksheets": [{"cells": cells}]}))
        assert chainrule("run", "--check", "old.ipynb", cwd=tmp_path).returncode == status


@pytest.mark.skipif(os.name == "nt", reason="pipes as on Unix")
def test_a_reader_of_the_difference_may_leave(tmp_path):
    recorded = stream("".join(f"{number}\n" for number in range(100_000)))
    write_notebook(tmp_path / "book.ipynb", code("x = 1", recorded))
    process = subprocess.Popen(
        [sys.executable, "-m", "chainrule", "run", "--check", "book.ipynb"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "--- book.ipynb[cell 1] recorded\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=30)) == ("", 1)
    process.stderr.close()


def test_what_a_skipped_line_showed_is_not_missed(check):
    done = check(
        code("!echo shell\nprint('a')\nprint('b')", stream("shell\na\nb\n")),
        code("%%bash\necho shell", stream("shell\n")),
        code("%pip install x\nprint('a')", stream("b\n")),
        code("%matplotlib inline\nprint('a')", stream("a\nb\n")),
    )
    assert [line for line in done.stdout.splitlines() if line.startswith("---")] == [
        "--- book.ipynb[cell 3] recorded",
        "--- book.ipynb[cell 4] recorded",
    ]
    assert done.stdout.endswith("book.ipynb: 4 cells to compare, 2 with a difference\n")


def test_outputs_without_text_are_not_compared(check):
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo="}}
    figure = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/plain": "<Figure size 640x480 with 1 Axes>"},
    }
    assert check(code("x = 1", picture, figure)).returncode == 0


def test_gradients_are_checked(check):
    freed = (
        "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
        "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
        "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access "
        "saved tensors after calling backward."
    )
    done = check(
        "import torch",
        code("x = torch.tensor(2.0, requires_grad=True)\ny = x ** 3\ny.backward()\nx.grad", value("tensor(12.)")),
        code("y.backward()", error("RuntimeError", freed)),
    )
    assert done.stdout == "tensor(12.)\nbook.ipynb: 3 cells compared, no difference\n"
    assert done.returncode == 0
