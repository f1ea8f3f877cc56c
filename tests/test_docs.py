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


def test_a_later_block_knows_the_text_of_an_earlier_one():
    recorded = Block(
        "python", ">>> import chainrule as torch\n>>> x = torch.ones(1, requires_grad=True)\n>>> y = x * x\n", 0
    )
    asked = Block(
        "python",
        ">>> a, b = 1, 2\n>>> 'a text'\n'a text'\n>>> 'that stands in its place'\n'that stands in its place'\n"
        ">>> [(item.name, item.source.text) for item in torch.draw(y).graph.items[1:]]\n[('y', 'x * x')]\n",
        9,
    )
    namespace: dict = {}
    assert run_session(recorded, namespace, ROOT / "README.md") == ""
    assert run_session(asked, namespace, ROOT / "README.md") == ""


def test_a_console_block_that_shows_something_else_is_found():
    assert run_console(Block("console", "$ chainrule run no-such-file.py\nall is well\n", 0))
    assert not run_console(Block("console", "$ echo not run\nwhatever\n", 0))
