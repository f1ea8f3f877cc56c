"""`chainrule.why`, asked at the end of the programs of `why_programs/`: by the line and the remedy that the command tells, too.

A line of `why_programs/questions.txt` is ``name | arguments of why``, and perhaps other words of the remedy; a program with
a mistake comes under its name in `mistakes.txt`, others in `healthy.txt`.
"""

from __future__ import annotations

import ast
import importlib
import sys
import textwrap
import threading

import pytest

import chainrule
from tests.test_why_programs import HEALTHY, MISTAKES, PROGRAMS, write

QUESTIONS = {
    name: parts
    for line in (PROGRAMS / "questions.txt").read_text(encoding="utf-8").splitlines()
    for name, *parts in [line.split(" | ")]
}


def of_chainrule(text: str) -> str:
    """A program that imports chainrule for torch."""
    text = text.replace("import torch\n", "import chainrule as torch\n").replace("import torch.", "import chainrule.")
    return text.replace("from torch", "from chainrule")


def past_errors(text: str, error: BaseException, file: str) -> str:
    """The program with its statement that failed in a `try`."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file and trace.tb_frame.f_code.co_name == "<module>":
            line = trace.tb_lineno
        trace = trace.tb_next
    failed = [one for one in ast.parse(text).body if one.lineno <= line <= (one.end_lineno or 0)]
    lines = text.splitlines()
    first, last = failed[0].lineno - 1, failed[-1].end_lineno or line
    wrapped = ["try:", *(textwrap.indent(one, "    ") for one in lines[first:last]), "except Exception:", "    pass"]
    return "\n".join([*lines[:first], *wrapped, *lines[last:]]) + "\n"


def answer(files: dict[str, str], question: str, directory, monkeypatch):
    """What `why` answers at the end of a program, and the places that may be blamed."""
    files = {name: of_chainrule(text) for name, text in files.items()}
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(directory)
    for name in files:
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    importlib.invalidate_caches()
    file = str(directory / "prog.py")
    end = f"import chainrule\nreason = chainrule.why({question})\n"
    for _ in range(4):
        blamed = write({**files, "prog.py": files["prog.py"] + end}, directory)
        variables = {"__name__": "__main__"}
        chainrule.manual_seed(0)
        try:
            with chainrule.enable_grad():  # whatever the program leaves switched off
                exec(compile(files["prog.py"] + end, file, "exec"), variables)
            break
        except Exception as error:
            files["prog.py"] = past_errors(files["prog.py"], error, file)
    for name in files:
        sys.modules.pop(name.removesuffix(".py"), None)
    assert threading.active_count() == 1
    return variables["reason"], blamed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name in MISTAKES])
def test_it_names_the_mistake(name, tmp_path, monkeypatch, capsys):
    remedy, files = MISTAKES[name]
    question, *other = QUESTIONS[name]
    reason, blamed = answer(files, question, tmp_path, monkeypatch)
    assert any(f"{file.rpartition('/')[2]}:{line}: " in reason.sentence for file, line in blamed), str(reason)
    assert (other or [remedy])[0] in reason.remedy, str(reason)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name in HEALTHY])
def test_it_finds_nothing_in_a_healthy_program(name, tmp_path, monkeypatch, capsys):
    reason, _ = answer(HEALTHY[name][1], QUESTIONS[name][0], tmp_path, monkeypatch)
    assert reason.ok, str(reason)
