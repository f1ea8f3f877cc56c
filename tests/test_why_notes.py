"""The notes under the errors of programs in `why_programs/`: they name the line and the remedy, as `why` does.

A line of `why_programs/notes.txt` is the name of a program in `mistakes.txt`, and perhaps ``| other words of the remedy``.
"""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

import chainrule
from chainrule import graph_errors
from chainrule.insight.uncaught import note_missing_gradient
from tests.test_why_programs import MISTAKES, PROGRAMS, write
from tests.test_why_questions import of_chainrule

NOTED = {
    name: parts
    for line in (PROGRAMS / "notes.txt").read_text(encoding="utf-8").splitlines()
    for name, *parts in [line.split(" | ")]
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NOTED)
def test_the_notes_name_the_mistake(name, tmp_path, monkeypatch, capsys):
    remedy, files = MISTAKES[name]
    blamed = write({file: of_chainrule(text) for file, text in files.items()}, tmp_path)
    path = tmp_path / "prog.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(graph_errors, "latest", None)
    chainrule.manual_seed(0)
    with pytest.raises(Exception) as caught:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__name__": "__main__"})
    note_missing_gradient(caught.value)
    for file in files:
        sys.modules.pop(file.removesuffix(".py"), None)
    told, _, last = "\n".join(caught.value.__notes__).rpartition("remedy: ")
    assert any(f"{file}:{line}: " in told for file, line in blamed), told
    assert (NOTED[name] or [remedy])[0] in last, last
    assert "could not be found out" not in told


def test_an_error_with_notes_leaves_no_cycle():
    x = chainrule.ones(2, requires_grad=True)
    seen = weakref.ref(x)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad") as caught:
            x += 1
        assert "is overwritten" in caught.value.__notes__[0]
        caught.value.__traceback__ = None
        del caught, x
        assert seen() is None
    finally:
        gc.enable()
