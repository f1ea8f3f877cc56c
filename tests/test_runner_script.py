"""`chainrule run FILE.py`: a script sees and does what `python FILE.py` would give it, and `torch` is chainrule."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.cli import main

from .running import ENVIRONMENT, chainrule, python, write_script

# Each is run by Python and by chainrule, which must agree on everything they print and on the exit status.
PROGRAMS = {
    "arguments": """
        import sys
        print(sys.argv, __name__, __file__, sys.path[0])
        """,
    "working directory": "import os; print(os.getcwd(), sorted(os.listdir()))",
    "globals": """
        print(sorted(globals()), __builtins__, __spec__, __package__, __doc__, __cached__, type(__loader__).__name__)
        """,
    "docstring": '''"""What it is."""\nprint(__doc__)''',
    "main block": """
        if __name__ == "__main__":
            print("main")
        """,
    "standard input": """
        import sys
        print(input("name? "), sys.stdin.read())
        """,
    "module beside it": """
        import helper
        print(helper.name, open("data.txt").read())
        """,
    "exit without status": "import sys; sys.exit()",
    "exit status": "import sys; sys.exit(7)",
    "exit status above 255": "import sys; sys.exit(300)",
    "exit with True": "import sys; sys.exit(True)",
    "exit message": "import sys; sys.exit('gave up')",
    "exit in a function": "def f(): raise SystemExit(3)\nf()",
    "os._exit": "import os; os._exit(9)",
    "uncaught exception": """
        def inverse(x):
            return 1 / x

        print("before")
        inverse(0)
        """,
    "chained exceptions": """
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("no key") from error
        """,
    "exception group": """
        raise ExceptionGroup("several", [ValueError(1), TypeError(2)])
        """,
    "exception with notes": """
        error = ValueError("x")
        error.add_note("a note")
        raise error
        """,
    "deep recursion": """
        def f(): f()
        try:
            f()
        except RecursionError as error:
            print(error)
        """,
    "exception in a module beside it": "import failing",
    "syntax error in a module beside it": "import broken",
    "syntax error in exec": "exec('x = (')",
    "suggestion": "import os\nos.getcwdd",
    "excepthook of its own": """
        import sys, traceback
        def hook(kind, value, tb):
            print("hook", kind.__name__, value, [frame.name for frame in traceback.extract_tb(tb)])
        sys.excepthook = hook
        raise ValueError("x")
        """,
    "excepthook that fails": """
        import sys
        def hook(kind, value, tb):
            raise TypeError("in the hook")
        sys.excepthook = hook
        raise ValueError("x")
        """,
    "exit handlers": """
        import atexit
        class A: pass
        def last(): print("last", A.__module__, name)
        name = "still there"
        atexit.register(last)
        1 / 0
        """,
    "interrupt": """
        import atexit, signal
        atexit.register(print, "exit handler")
        signal.raise_signal(signal.SIGINT)
        """,
    "threads that outlive the last line": """
        import pickle, threading, time
        class A:
            def __init__(self, x): self.x = x
        def work():
            time.sleep(0.05)
            print(pickle.loads(pickle.dumps(A(5))).x)
        threading.Thread(target=work).start()
        """,
    "exception in a thread": """
        import threading
        def work(): raise ValueError("in a thread")
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        """,
    "pickle of a class in the script": """
        import copy, pickle
        class Point:
            def __eq__(self, other): return type(self) is type(other)
        print(pickle.loads(pickle.dumps(Point())) == Point(), copy.deepcopy(Point()) == Point(), Point)
        """,
    "dataclass": """
        from __future__ import annotations
        from dataclasses import dataclass, fields
        from typing import ClassVar
        @dataclass
        class P:
            x: int
            y: ClassVar[int] = 3
        print(P(1), [f.name for f in fields(P)], P.__annotations__)
        """,
    "annotations of the module": "x: int = 1\nprint(__annotations__)",
    "future features stay the script's": """
        def f(x: undefined): pass
        """,
    "print function from the future": "from __future__ import print_function\nprint('a', 'b', sep='-')",
    "source lines": """
        import inspect, linecache
        def f(x):
            return x + 1
        print(inspect.getsource(f), linecache.getline(__file__, 1))
        """,
    "warnings": """
        import warnings
        warnings.warn("careful")
        warnings.warn("old", DeprecationWarning)
        """,
    "syntax warning": "x = 1\nprint(x is 1)",
    "encoding declared": "# -*- coding: latin-1 -*-\nprint('a')",
    "main module": """
        import sys, __main__
        print(sys.modules["__main__"] is __main__, __main__.__dict__ is globals())
        """,
    "asyncio": """
        import asyncio
        async def main(): await asyncio.sleep(0); return 3
        print(asyncio.run(main()))
        """,
    "processes": """
        import multiprocessing
        def square(x): return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(square, [1, 2, 3]))
        """,
}


def write_program(directory: Path, text: str) -> None:
    write_script(directory / "program.py", text)
    (directory / "helper.py").write_text("name = __name__\n")
    (directory / "failing.py").write_text("def f():\n    1 / 0\nf()\n")
    (directory / "broken.py").write_text("x = 1\ny = (\n")
    (directory / "data.txt").write_text("data")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_does_what_it_does_under_python(name, tmp_path):
    write_program(tmp_path, PROGRAMS[name])
    arguments = ["program.py", "--check", "-x", "--", "last one"]
    stdin = "Ada\nand more"
    expected = python(*arguments, cwd=tmp_path, stdin=stdin)
    done = chainrule("run", *arguments, cwd=tmp_path, stdin=stdin)
    assert done.stdout == expected.stdout
    assert done.stderr == expected.stderr
    assert done.returncode == expected.returncode


def test_a_script_elsewhere_and_behind_a_link(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    write_program(
        real, "import sys, os, helper; print(sys.argv[0], __file__, sys.path[0], os.getcwd(), helper.__file__)"
    )
    (tmp_path / "link.py").symlink_to(real / "program.py")
    for file in ("real/program.py", "./link.py", tmp_path / "link.py"):
        expected = python(file, cwd=tmp_path)
        done = chainrule("run", file, cwd=tmp_path)
        assert (done.stdout, done.stderr, done.returncode) == (expected.stdout, "", 0)


def test_a_double_dash_before_the_file_ends_the_options(tmp_path):
    (tmp_path / "-odd.py").write_text("import sys; print(sys.argv)")
    done = chainrule("run", "--", "-odd.py", "-a", "--", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("['-odd.py', '-a', '--']\n", 0)


def test_safe_path_adds_no_directory(tmp_path):
    write_program(tmp_path, "import sys; print(sys.path)")
    for options in ([], ["-P"]):
        expected = python(*options, "program.py", cwd=tmp_path)
        done = python(*options, "-m", "chainrule", "run", "program.py", cwd=tmp_path)
        assert done.stdout == expected.stdout


@pytest.mark.skipif(os.name == "nt", reason="pipes as on Unix")
def test_a_closed_pipe_is_what_it_is_under_python(tmp_path):
    write_program(tmp_path, "for i in range(200_000): print(i)")
    ends = []
    for command in ([], ["-m", "chainrule", "run"]):
        process = subprocess.Popen(
            [sys.executable, *command, "program.py"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        ends.append((process.stderr.read(), process.wait(timeout=30)))
        process.stderr.close()
    assert ends[0] == ends[1]
    assert "BrokenPipeError" in ends[0][0]


def test_matplotlib_draws_into_memory_where_there_is_no_display(tmp_path):
    write_program(tmp_path, "import os; print(os.environ.get('MPLBACKEND'))")
    assert chainrule("run", "program.py", cwd=tmp_path).stdout == "Agg\n"
    assert chainrule("run", "program.py", cwd=tmp_path, DISPLAY=":7").stdout == "None\n"
    assert chainrule("run", "program.py", cwd=tmp_path, MPLBACKEND="svg").stdout == "svg\n"


BAD_FILES = {
    "absent.py": (None, "absent.py: no such file"),
    "a_directory.py": ("directory", "a_directory.py: is a directory, not a script or notebook"),
    "text.txt": ("hello", "text.txt: neither a script (.py) nor a notebook (.ipynb)"),
    "noending": ("hello", "noending: neither a script (.py) nor a notebook (.ipynb)"),
    "syntax.py": (
        "x = 1\nprint 'old'\n",
        "syntax.py:2:1: SyntaxError: Missing parentheses in call to 'print'. Did you",
    ),
    "indent.py": ("def f():\nreturn 1\n", "indent.py:2:1: IndentationError: expected an indented block after function"),
    "return.py": ("return 1\n", "return.py:1:1: SyntaxError: 'return' outside function"),
    "zero.py": ("x = 1\n\0", "zero.py"),
    "deep.py": ("(" * 100_000, "deep.py"),
    "latin.py": ("x = 'é'\n".encode("latin-1"), "latin.py:1"),
    "unknown.py": ("# coding: no-such-coding\n", "unknown.py: "),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("option", [[], ["--check"], ["--missing"]])
def test_a_bad_file_gives_one_line_and_status_2(name, option, tmp_path, monkeypatch, capsys):
    content, message = BAD_FILES[name]
    monkeypatch.chdir(tmp_path)
    if content == "directory":
        (tmp_path / name).mkdir()
    elif content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["run", *option, name]) == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert stderr.startswith(f"chainrule: {message}")


def test_wrong_arguments_give_the_usage_and_status_2(capsys):
    for arguments in ([], ["run"], ["fly"], ["run", "--check", "--missing", "x.py"], ["run", "--chec", "x.py"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert capsys.readouterr().err.startswith("usage: chainrule")


def test_help_names_the_recorded_files_and_statuses(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--check", "--missing", "FILE.out", "FILE.expected", "Exit status"):
        assert word in shown


def test_importing_chainrule_imports_nothing_of_this(tmp_path):
    program = (
        "import sys, chainrule; print([m for m in sys.modules if m.startswith(('chainrule.runner', 'chainrule.cli'))])"
    )
    assert python("-c", program, cwd=tmp_path).stdout == "[]\n"
