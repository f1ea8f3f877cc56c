"""The text of a program that is in no file: typed at Python's prompt, or given to it after `-c`.

Before version 3.13 Python keeps neither. What was typed is still in the history of the keyboard, and what was given among the
arguments. A text is the right one if it compiles to the very code that was recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import CodeType

NAMES = ("<stdin>", "<string>")
MOST_LINES = 1000  # of the history

_found: dict[CodeType, list[str]] = {}


def typed_lines(code: CodeType) -> list[str]:
    """The lines of the statement, or of the program, that a code object is part of; empty where they are not to be had."""
    if code not in _found:
        texts = _statements(code) if code.co_filename == "<stdin>" else _programs()
        text = next((text for text, compiled in texts if code in _codes_in(compiled)), "")
        _found[code] = text.splitlines(True)
    return _found[code]


def _programs() -> Iterator[tuple[str, CodeType]]:
    """The arguments of Python that are programs."""
    for text in sys.orig_argv[1:]:
        try:
            yield text, compile(text, "<string>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue


def _statements(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """What was typed at the prompt, the latest first; compiled as if the same had been imported from `__future__` as for `code`."""
    import __future__

    from codeop import CommandCompiler

    readline = sys.modules.get("readline")
    if readline is None or not hasattr(sys, "ps1"):
        return
    compile_command = CommandCompiler()
    compile_command.compiler.flags |= code.co_flags & __future__.annotations.compiler_flag
    last = readline.get_current_history_length()
    lines = [readline.get_history_item(n) or "" for n in range(max(last - MOST_LINES, 0) + 1, last + 1)]
    for start in range(len(lines) - 1, -1, -1):
        text = ""
        for line in lines[start:]:
            text += line + "\n"
            try:
                compiled = compile_command(text, "<stdin>") or compile_command(text + "\n", "<stdin>")
            except (SyntaxError, ValueError, OverflowError):
                break
            if compiled is not None:
                yield text, compiled


def _codes_in(code: CodeType) -> Iterable[CodeType]:
    """A code object, and those of the functions that it makes."""
    found = [code]
    for one in found:
        found.extend(constant for constant in one.co_consts if isinstance(constant, CodeType))
    return found
