"""A standard stream that keeps what a program writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TextIO


class Recorder:
    """Passes text on to `stream`, and to `record`; everything else that a stream can do is left to `stream`."""

    def __init__(self, stream: TextIO, record: Callable[[str], None]) -> None:
        self.stream = stream
        self.record = record
        self.muted = False  # what is written is lost
        self.in_line = False  # the line that the next text goes to has text already

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def isatty(self) -> bool:
        """False, as in Jupyter, so that what is written does not depend on where it is read."""
        return False

    def write(self, text: str) -> int:
        if self.muted:
            return len(text)
        written = self.stream.write(text)
        if text:
            self.in_line = not text.endswith("\n")
            self.record(text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def end_line(self) -> None:
        """Ends a line that has text, for the reader: this is no output of the program."""
        if self.in_line:
            self.stream.write("\n")
            self.in_line = False
