"""Runs a program written for PyTorch, a script or a notebook, on chainrule.

`alias` makes `import torch` mean chainrule, `process` gives the process over to the program, `script` and `notebook`
run one, `check` compares what it shows with what was recorded, and `missing` lists what chainrule lacks for it.

    alias.install()
    status = load("program.ipynb").run(["its", "arguments"])

A run takes over the process it happens in (`sys.modules["__main__"]`, `sys.argv`, `sys.path`) and does not give it
back, since threads and exit handlers of the program may outlive its last line: use a process of its own for each run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.runner.notebook import Notebook
    from chainrule.runner.script import Script


class BadFile(Exception):
    """The file named on the command line cannot be used at all; the message is one line that says why."""


def load(file: str) -> Script | Notebook:
    """Reads and compiles the program in `file`, by its ending a script or a notebook.

    Raises:
        BadFile: it cannot be read, is neither, or has a syntax error.
    """
    content = read_bytes(file)
    if file.endswith(".py"):
        from chainrule.runner.script import Script

        return Script(file, content)
    if file.endswith(".ipynb"):
        from chainrule.runner.notebook import Notebook

        return Notebook(file, content)
    raise BadFile(f"{file}: neither a script (.py) nor a notebook (.ipynb)")


def read_bytes(file: str) -> bytes:
    """The content of `file`.

    Raises:
        BadFile: there is no such file, it is a directory, or it may not be read.
    """
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        raise BadFile(f"{file}: no such file") from None
    except IsADirectoryError:
        raise BadFile(f"{file}: is a directory, not a script or notebook") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise BadFile(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


# What compile() raises for text that is not a program: null bytes, digits without end, brackets nested too deep.
COMPILE_ERRORS = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)


def syntax_error(filename: str, error: BaseException) -> BadFile:
    """The one line for text that compile() refused, with the place if it named one."""
    if not isinstance(error, SyntaxError):
        return BadFile(f"{filename}: cannot be compiled: {type(error).__name__}: {error}")
    place = "".join(f":{number}" for number in (error.lineno, error.offset) if number and number > 0)
    return BadFile(f"{filename}{place}: {type(error).__name__}: {error.msg}")
