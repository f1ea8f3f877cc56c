"""Where in the user's program a node was recorded, decoded from a code object and an instruction offset."""

from __future__ import annotations

import linecache
import sys
from itertools import islice


def short_path(file: str) -> str:
    """A file's path as one would type it: from the current directory, if the file is inside it."""
    import os

    cell = _cell_of(file)
    if cell is not None:
        return cell
    if not os.path.isabs(file):
        return file
    try:
        relative = os.path.relpath(file)
    except (OSError, ValueError):  # the current directory is gone, or on another drive
        return file
    return file if relative.startswith(os.pardir) else relative


def _cell_of(file: str) -> str | None:
    """`In[3]`, for the name that IPython gives the text of a cell."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    number = None if running is None else getattr(running.compile, "_filename_map", {}).get(file)
    return None if number is None else f"In[{number}]"


class Source:
    """A place in a program: `file`, `line`, `end_line`, `column`, `end_column` (None where unknown), and its `text`."""

    __slots__ = ("column", "end_column", "end_line", "file", "function", "line")

    def __init__(self, code, lasti: int) -> None:
        self.file = code.co_filename
        self.function = code.co_qualname
        # one entry for each two-byte instruction unit
        positions = next(islice(code.co_positions(), lasti // 2, None), (None,) * 4)
        line, end_line, column, end_column = positions
        self.line = code.co_firstlineno if line is None else line
        self.end_line = self.line if end_line is None else end_line
        self.column = column
        self.end_column = end_column

    @property
    def text(self) -> str:
        """The expression itself where columns are known, else the whole line; empty where the source cannot be read."""
        lines = [linecache.getline(self.file, n).rstrip("\n") for n in range(self.line, self.end_line + 1)]
        if not any(lines):
            return ""
        if self.column is None or self.end_column is None:
            return lines[0].strip()
        # columns count bytes of UTF-8
        encoded = [line.encode() for line in lines]
        encoded[-1] = encoded[-1][: self.end_column]
        # a call in a chain over several lines begins at its own name: `.cos()`
        start = self.column - encoded[0][: self.column].endswith(b".")
        encoded[0] = encoded[0][start:]
        return " ".join(part.decode(errors="replace").strip() for part in encoded)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        text = self.text
        return f"{place}: {text}" if text else place

    def __repr__(self) -> str:
        return f"<Source {self}>"
