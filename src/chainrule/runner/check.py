"""Runs a program and compares what it shows with what was recorded when PyTorch ran it."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby

from chainrule.runner import BadFile, process, read_bytes
from chainrule.runner.cells import Output
from chainrule.runner.notebook import CompiledCell, Notebook
from chainrule.runner.recorder import Recorder
from chainrule.runner.script import Script


def check(program: Script | Notebook, arguments: Sequence[str]) -> int:
    """Runs `program`, prints how what it showed differs from the record, and returns the exit status.

    The status is 1 if there is a difference, and otherwise that of the program.

    Raises:
        BadFile: nothing is recorded of a script.
    """
    process.draw_without_display()
    return check_notebook(program, arguments) if isinstance(program, Notebook) else check_script(program, arguments)


def check_script(script: Script, arguments: Sequence[str]) -> int:
    record = record_of(script.file)
    recorded = read_bytes(record).decode(errors="replace")
    texts: list[str] = []
    stdout = sys.stdout
    sys.stdout = recorder = Recorder(stdout, texts.append)
    status = script.run(arguments)
    recorder.end_line()
    file = script.file
    difference = compare(comparable(recorded, file), comparable("".join(texts), file), record, file)
    print(*difference, sep="\n", end="\n" * bool(difference), file=stdout)
    print(f"{file}: {'differs from' if difference else 'prints what is in'} {record}", file=stdout)
    return 1 if difference else status


def record_of(file: str) -> str:
    """The file beside the script `file` that holds its standard output."""
    stem = file.removesuffix(".py")
    candidates = [f"{base}{ending}" for ending in (".out", ".expected") for base in (file, stem)]
    found = next((candidate for candidate in candidates if os.path.isfile(candidate)), None)
    if found is None:
        raise BadFile(f"{file}: nothing to check against: none of {', '.join(candidates)} is there")
    return found


def check_notebook(notebook: Notebook, arguments: Sequence[str]) -> int:
    differences: list[str] = []
    differing = 0
    waiting = [cell for cell in notebook.cells if cell.cell.was_run]
    total = len(waiting)
    for compiled in notebook.cells:
        # What a cell does that was not run when the others were is not recorded: an error in it contradicts nothing.
        compiled.cell.may_raise |= not compiled.cell.was_run

    def compare_cell(cell: CompiledCell, outputs: list[Output]) -> None:
        nonlocal differing
        if cell not in waiting:
            return
        waiting.remove(cell)
        recorded = comparable_cell(cell.cell.outputs, notebook.file)
        shown = comparable_cell(outputs, notebook.file)
        if not cell.python.shows_all and is_part(shown, recorded):
            return  # the rest was shown by what is skipped here
        difference = compare(recorded, shown, f"{cell.filename} recorded", f"{cell.filename} now")
        differing += bool(difference)
        differences.extend(difference)

    stdout = sys.stdout
    status = notebook.run(arguments, compare_cell)
    for line in differences:
        print(line, file=stdout)
    counted = f"{total} cell" + "s" * (total != 1)
    if not differing and not waiting:
        print(f"{notebook.file}: {counted} compared, no difference", file=stdout)
        return status
    unreached = f", {len(waiting)} not reached" if waiting else ""
    print(f"{notebook.file}: {counted} to compare, {differing} with a difference{unreached}", file=stdout)
    return 1


def is_part(part: list[str], whole: list[str]) -> bool:
    """Whether the lines of `part` are all in `whole`, in this order."""
    rest = iter(whole)
    return all(line in rest for line in part)


def compare(recorded: list[str], shown: list[str], recorded_name: str, shown_name: str) -> list[str]:
    return list(difflib.unified_diff(recorded, shown, recorded_name, shown_name, lineterm=""))


def comparable_cell(outputs: Iterable[Output], file: str) -> list[str]:
    """What a cell showed as lines: output and values in their order, then standard error, then an exception.

    The order between the streams is not kept in a notebook.
    """
    outputs = list(outputs)
    in_order = [output for output in outputs if output.kind in ("stdout", "value")]
    texts = []
    for kind, group in groupby(in_order, key=lambda output: output.kind):
        written = [output.text for output in group]
        texts += ["".join(written)] if kind == "stdout" else written
    texts.append("".join(output.text for output in outputs if output.kind == "stderr"))
    texts += [output.text for output in outputs if output.kind == "error"]
    return [line for text in texts for line in comparable(text, file)]


def comparable(text: str, file: str) -> list[str]:
    """The lines of `text`, which the program in `file` wrote, without what differs from run to run."""
    text = ANSI.sub("", text).replace("\r\n", "\n")
    # A line that was written over is seen as it was last.
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    own_cell = "|".join(re.escape(name) for name in (file, os.path.basename(file)))
    text = re.sub(rf"(?:{own_cell})\[cell \d+\]", "<cell>", text)
    for pattern, replacement in PASSING:
        text = pattern.sub(replacement, text)
    return [line.rstrip() for line in text.rstrip().split("\n")] if text.strip() else []


ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECONDS = r"(?:ns|[µμu]s|ms|s|secs?|seconds?|min|mins|minutes?)"
PASSING = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in [
        # Names of a notebook's cells as files, by several versions of Jupyter.
        (r"<ipython-input-\d+-[0-9a-f]+>", "<cell>"),
        (r"[^\s\"'(]*ipykernel_\d+[/\\]\d+\.py", "<cell>"),
        (r"\(\d+\.py, line", "(<cell>, line"),
        # What Python says of the text of a program differs from version to version.
        (r"^(?:<>|<cell>|.*\.py):\d+: SyntaxWarning: .*(?:\n  \S.*)?\n?", ""),
        (r"^(SyntaxError|IndentationError|TabError): .*", r"\1"),
        # Where a warning came from: the library's line or the user's, and that line's text below it.
        (r"^(?:.*?\.py|<cell>):\d+: (\w*Warning: .*)(?:\n  \S.*)?$", r"\1"),
        (r" *\(Triggered internally at [^)]*\)", ""),
        (r"^UserWarning: To exit: use 'exit', 'quit', or Ctrl-D\.\n?", ""),  # IPython's, at SystemExit
        (r"(?:/tmp|/var/folders)/[^\s\"',:;)]*", "<temporary file>"),
        # Addresses, and ids, which are addresses in decimal.
        (r"\b0x[0-9a-fA-F]{6,}", "0x…"),
        (r"\b(?:1[34]\d{13}|9[34]\d{12})\b", "<id>"),
        (r"(\bid\b\D{0,20})\d{8,}\b", r"\1<id>"),
        # Times.
        (r"^(?:CPU times|Wall time|Compiler *): .*\n?", ""),
        (r"^.* per loop(?: \(mean ± std\. dev\. of .*\))?\n?", ""),
        (r"\[\d+:\d+(?::\d+)?<[^\]]*\]", "[<time>]"),
        (rf"\b\d+(?:\.\d+)?(?:e[+-]?\d+)? ?{SECONDS}\b", "<time>"),
        (r"(?i:(\b(?:time|elapsed|took|duration)\b[^\d\n]{0,20}))\d+\.\d+", r"\1<time>"),
        (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?", "<time>"),
        # Figures, of which Jupyter shows the picture.
        (r"^<(?:Figure size .* with \d+ Axes|matplotlib\.figure\.Figure at .*)>\n?", ""),
    ]
]
