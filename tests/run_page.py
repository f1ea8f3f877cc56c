"""Runs what a page of the documentation shows: `python tests/run_page.py PAGE` from the checkout's root.

- Python blocks run in order, in one namespace. In a block with `>>>` every output is compared.
- Console blocks: each `$ chainrule …` is run, and its output compared; other commands are only shown.
- A Python block with a file's name after the word `python` is put into that file, and `$ python FILE` runs it.

Only memory addresses may differ. Prints the first difference and exits with 1, or prints nothing.
"""

from __future__ import annotations

import doctest
import linecache
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

FENCED_BLOCK = re.compile(r"^```(\w+) *([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int  # of its first line in the page, counted from 0
    file: str = ""  # the name that the page gives the program


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[3], text.count("\n", 0, found.start(3)), found[2])
        for found in FENCED_BLOCK.finditer(text)
    ]


def without_addresses(text: str) -> str:
    return re.sub(r"\b0x([0-9a-fA-F]+|…)", "0x…", text)


class ExactButForAddresses(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(without_addresses(want), without_addresses(got), optionflags)


def run_session(block: Block, namespace: dict, page: Path) -> str:
    """Runs a block with prompts; returns what was different, or nothing."""
    # a name of the block's own, under which its text stays readable: later blocks ask about what earlier ones recorded
    name = f"{page.name}:{block.line}"
    test = doctest.DocTestParser().get_doctest(block.text, namespace, name, str(page), block.line)
    for number, example in enumerate(test.examples):
        file, lines = f"<doctest {name}[{number}]>", example.source.splitlines(True)
        linecache.cache[file] = len(example.source), None, lines, file
    report: list[str] = []
    doctest.DocTestRunner(checker=ExactButForAddresses(), verbose=False).run(test, out=report.append, clear_globs=False)
    namespace.update(test.globs)
    return "".join(report)


def run_program(block: Block, namespace: dict, page: Path) -> None:
    # The empty lines in front give a traceback the page's own line numbers.
    exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)


def run_console(block: Block, directory: Path | None = None) -> str:
    """Runs the block's commands: chainrule, and Python on files of the page, which are in `directory`.

    Returns what was different, or nothing."""
    report = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        name, *arguments = shlex.split(command)
        if name == "chainrule":
            output = chainrule(*arguments).stdout
        elif name == "python" and directory is not None and any((directory / one).exists() for one in arguments):
            output = python(*arguments, directory=directory).stdout
        else:
            continue
        if without_addresses(output).rstrip() != without_addresses(shown).rstrip():
            report.append(f"$ {command}\n--- shown\n{shown}\n--- printed\n{output}")
    return "\n".join(report)


def chainrule(*arguments: str) -> subprocess.CompletedProcess:
    """Runs the command line; what it printed on either stream is in `stdout`."""
    return python("-m", "chainrule", *arguments)


# By these pytest and Python decide how much they print, and how wide.
PRESENTATION = {"BUILD_NUMBER", "CI", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "PY_COLORS", "PYTEST_ADDOPTS"}


def python(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess:
    """Runs Python in `directory`, or here."""
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={
            **{name: value for name, value in os.environ.items() if name not in PRESENTATION},
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONIOENCODING": "utf-8",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # what else is installed may print
            "PYTEST_PLUGINS": "_chainrule_pytest",
        },
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


def run_page(page: Path) -> str:
    """Runs a page's blocks up to the first that shows something else; returns the difference, or nothing."""
    with tempfile.TemporaryDirectory() as directory:
        return run_blocks(page, Path(directory))


def run_blocks(page: Path, directory: Path) -> str:
    namespace: dict = {"__name__": "__main__"}
    for block in blocks_of(page):
        difference = ""
        if block.language == "console":
            difference = run_console(block, directory)
        elif block.language == "python" and block.file:
            (directory / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and ">>> " in block.text:
            difference = run_session(block, namespace, page)
        elif block.language == "python":
            run_program(block, namespace, page)
        if difference:
            return difference
    return ""


if __name__ == "__main__":
    found = run_page(Path(sys.argv[1]))
    print(found, end="")
    sys.exit(bool(found))
