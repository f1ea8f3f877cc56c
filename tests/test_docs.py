"""README, docs and examples are run: what a page shows is what happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .run_page import Block, blocks_of, chainrule, run_console, run_session

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted(path for kind in ("*.py", "*.ipynb") for path in (ROOT / "examples").rglob(kind))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_page(page):
    # In a process of its own: a page may change defaults or register an operation.
    program = [sys.executable, "-W", "error", "-m", "tests.run_page", page]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stdout + done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=relative)
def test_example(example):
    done = chainrule("run", "--check", str(example))
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
