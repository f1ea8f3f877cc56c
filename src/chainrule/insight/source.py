"""Where in the user's program a node was recorded, decoded from a code object and an instruction offset."""

from __future__ import annotations

import linecache
import sys
from itertools import islice
from opcode import opmap

from . import typed


def short_path(file: str) -> str:
    """A file's path as one would type it: from the current directory, if the file is inside it."""
    import os

    file = shown_name(file)
    if not os.path.isabs(file):
        return file
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # the current directory is gone, or on another drive
        return file
    return file if relative.startswith(os.pardir) else relative


def shown_name(file: str) -> str:
    """A file's name; `In[3]` for the name that IPython gives the text of a cell."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    number = None if running is None else getattr(running.compile, "_filename_map", {}).get(file)
    return file if number is None else f"In[{number}]"


def lines_of(file: str) -> list[str]:
    """The lines of a file, a cell, or a module in an archive, as Python knows them now; empty where there are none."""
    linecache.checkcache(file)  # the file may have been written anew in a long session
    lines = linecache.getlines(file)
    if not lines and file not in linecache.cache:
        for module in list(sys.modules.values()):
            if getattr(module, "__file__", None) == file:
                return linecache.getlines(file, vars(module))  # asks the loader that the module came by
    return lines


_LOOPS = {opmap[name] for name in ("GET_ITER", "FOR_ITER", "EXTENDED_ARG")}
_STORES = {opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE", "UNPACK_SEQUENCE", "UNPACK_EX") if name in opmap}


class Source:
    """A place in a program: `file`, `line`, `end_line`, `column`, `end_column`, the `function` it is in, and its `text`.

    Columns count bytes of UTF-8, as those of `ast` do, and are None where Python does not know them. What a loop does
    to its iterable stands where the iterable does, what an assignment to a part or to several names does, at these."""

    __slots__ = ("code", "column", "end_column", "end_line", "file", "function", "is_store", "line")

    def __init__(self, code, lasti: int) -> None:
        self.file = code.co_filename
        self.code = code if self.file in typed.NAMES else None  # by which its text may be found
        self.function = code.co_qualname
        operations = code.co_code[::2]
        unit = max(lasti // 2, 0)
        while operations[unit] in _LOOPS and unit:  # up to Python 3.12 these have the place of the whole loop
            unit -= 1
        positions = next(islice(code.co_positions(), unit, None)) if lasti >= 0 else (None,) * 4
        line, end_line, column, end_column = positions
        self.line = code.co_firstlineno if line is None else line
        self.end_line = self.line if end_line is None else end_line
        self.column = column
        self.end_column = end_column
        self.is_store = operations[unit] in _STORES

    @property
    def text(self) -> str:
        """The expression itself; the whole line of an assignment to a part or to several names, and where columns are
        not known. Empty where the source cannot be read."""
        # in "<string>" there may be many programs: only the one that has the code is it
        known = lines_of(self.file) if self.code is None else typed.typed_lines(self.code)
        lines = [line.rstrip("\n") for line in known[self.line - 1 : self.end_line]]
        if not any(lines):
            return ""
        if self.column is None or self.end_column is None or self.is_store:
            return " ".join(line.strip() for line in lines)
        encoded = [line.encode() for line in lines]
        encoded[-1] = encoded[-1][: self.end_column]
        # a call in a chain over several lines begins at its own name: `.cos()`
        start = self.column - encoded[0][: self.column].endswith(b".")
        encoded[0] = encoded[0][start:]
        return " ".join(part.decode(errors="replace").strip() for part in encoded)

    def __str__(self) -> str:
        place = f"{shown_name(self.file)}:{self.line}"
        text = self.text
        return f"{place}: {text}" if text else place

    def __repr__(self) -> str:
        return f"<Source {self}>"
