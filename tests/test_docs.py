"""README, docs and examples are run: what a page shows is what happens.

- Python blocks of a page run in order, in one namespace. In a block with `>>>` every output is compared.
- Console blocks: each `$ chainrule …` is run at the checkout's root, and its output compared.
- Every file in examples/ passes `chainrule run --check`.

Memory addresses are the one thing that may differ.
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted(path for kind in ("*.py", "*.ipynb") for path in (ROOT / "examples").rglob(kind))

FENCED_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int  # of its first line in the page, counted from 0


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start(2)))
        for found in FENCED_BLOCK.finditer(text)
    ]


def without_addresses(text: str) -> str:
    return re.sub(r"\b0x[0-9a-fA-F]*(…|\b)", "0x…", text)


class ExactButForAddresses(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(without_addresses(want), without_addresses(got), optionflags)


def run_session(block: Block, namespace: dict, page: Path) -> str:
    """Runs a block with prompts; says what was different, or nothing."""
    name = page.relative_to(ROOT).as_posix()
    test = doctest.DocTestParser().get_doctest(block.text, namespace, name, str(page), block.line)
    report: list[str] = []
    runner = doctest.DocTestRunner(checker=ExactButForAddresses(), verbose=False)
    runner.run(test, out=report.append, clear_globs=False)
    namespace.update(test.globs)
    return "".join(report)


def run_console(block: Block) -> str:
    """Runs the block's chainrule commands; says what was different, or nothing."""
    report = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        words = shlex.split(command)
        if words[0] != "chainrule":
            continue
        output = chainrule_command(*words[1:]).stdout
        if without_addresses(output).rstrip() != without_addresses(shown).rstrip():
            report.append(f"$ {command}\nshown:\n{shown}\nprinted:\n{output}")
    return "\n".join(report)


def chainrule_command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "chainrule", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page(page):
    namespace: dict = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.language == "console":
            difference = run_console(block)
        elif block.language != "python":
            difference = ""
        elif ">>> " in block.text:
            difference = run_session(block, namespace, page)
        else:
            # Empty lines in front give a traceback the page's own line numbers.
            exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)
            difference = ""
        assert not difference, difference


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_example(example):
    done = chainrule_command("run", "--check", str(example))
    assert done.returncode == 0, done.stdout


def test_there_is_something_to_run():
    assert EXAMPLES
    assert any(block.language == "python" for page in PAGES for block in blocks_of(page))


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        ("(<SinBackward0 object at 0x7fe798a1b160>, 0)\n", True),
        ("(<SinBackward0 object at 0x…>, 0)\n", True),
        ("(<CosBackward0 object at 0x7fe798a1b160>, 0)\n", False),
        ("(<SinBackward0 object at 0x7fe798a1b160>, 1)\n", False),
    ],
)
def test_a_session_that_shows_something_else_is_found(shown, same):
    block = Block("python", f">>> print('(<SinBackward0 object at 0x1234abcd>, 0)')\n{shown}", 0)
    assert (run_session(block, {}, ROOT / "README.md") == "") is same


def test_a_console_block_that_shows_something_else_is_found():
    assert run_console(Block("console", "$ chainrule run no-such-file.py\nall is well\n", 0))
    assert not run_console(Block("console", "$ echo not run\nwhatever\n", 0))
