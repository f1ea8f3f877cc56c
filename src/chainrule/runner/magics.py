"""What a notebook cell holds beside Python: `%magic` and `!shell` lines, `%%magic` cells, and `name?` questions.

They are IPython's, not the program's, and are left out; the Python that `%time` and its like only watch stays. Every
line keeps its number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

CELL_MAGIC = re.compile(r"%%\s*(?P<name>\w+)")
LINE_MAGIC = re.compile(
    r"""(?P<indent>\s*)
    (?: %\s*(?P<name>[A-Za-z_]\w*)\s*(?P<rest>.*)   # %name rest
    | [!?].*                                        # !command, ?name
    | [\w.*%]+\s*\?{1,2}\s*$                        # name?, name??
    | (?:[\w.,*\s]|\[[^\]]*\])+=\s*(?:%[A-Za-z_]|!).*   # target = %name rest, target = !command
    )""",
    re.VERBOSE,
)


# Magics that show nothing, or nothing but timings.
SILENT = ("autoreload", "capture", "config", "load_ext", "matplotlib", "reload_ext", "time", "timeit")


class Python(NamedTuple):
    """The Python of a cell."""

    source: str
    notes: Sequence[tuple[int, str]] = ()  # what was left out: the line's number, from 1, and what is said of it
    shows_output: bool = True
    shows_all: bool = True  # False: what was left out would have shown something, too


def python_of(source: str) -> Python:
    """The Python in `source`, the text of a cell that is not Python as it stands."""
    lines = source.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    found = CELL_MAGIC.match(lines[first])
    if found is None:
        return without_line_magics(dedented(lines))
    magic = lines[first].strip()
    if found["name"] not in ("time", "prun", "capture"):
        note = f"skipped the cell under {magic}"
        return Python("", [(first + 1, note)], shows_all=found["name"] in SILENT)
    shows_output = found["name"] != "capture"
    note = f"skipped {magic}, not the cell under it" + ("" if shows_output else ", whose output is not shown")
    lines[first] = ""
    rest = without_line_magics(lines)
    return rest._replace(notes=[(first + 1, note), *rest.notes], shows_output=shows_output)


def dedented(lines: list[str]) -> list[str]:
    """Lines less the indentation of the first, which IPython forgives."""
    first = next((line for line in lines if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    return [line.removeprefix(indent) for line in lines]


def without_line_magics(lines: list[str]) -> Python:
    notes: list[tuple[int, str]] = []
    kept: list[str] = []
    shows_all = True
    place = Place()
    skips_next = False
    for number, line in enumerate(lines, start=1):
        if skips_next:
            skips_next = line.endswith("\\")
            kept.append("")
            continue
        found = LINE_MAGIC.match(line) if place.starts_statement else None
        if found is None:
            kept.append(line)
        elif found["name"] == "time" and found["rest"]:
            notes.append((number, "skipped %time, not its statement"))
            kept.append(found["indent"] + found["rest"])
        else:
            notes.append((number, f"skipped {line.strip()}"))
            kept.append(found["indent"] + "pass")
            shows_all = shows_all and found["name"] in SILENT
            skips_next = line.endswith("\\")
        place.move_over(kept[-1])
    return Python("\n".join(kept), notes, shows_all=shows_all)


TOKEN = re.compile(r"(?P<quote>'''|\"\"\"|'|\")|(?P<open>[\[({])|(?P<close>[\])}])|(?P<comment>\#.*)|\\?.")


class Place:
    """Where in Python text a line ends: between statements, or in a bracket, in a string, behind a backslash."""

    def __init__(self) -> None:
        self.depth = 0
        self.quote = ""
        self.backslash = False

    @property
    def starts_statement(self) -> bool:
        return not (self.depth or self.quote or self.backslash)

    def move_over(self, line: str) -> None:
        self.backslash = line.endswith("\\")
        position = 0
        while position < len(line):
            if self.quote:
                rest_of_string = re.compile(r"(?:\\.|[^\\])*?" + self.quote).match(line, position)
                if rest_of_string is None:
                    break
                position, self.quote = rest_of_string.end(), ""
                continue
            token = TOKEN.match(line, position)
            assert token is not None  # its last alternative takes any character
            position = token.end()
            self.quote = token["quote"] or ""
            self.depth += bool(token["open"]) - bool(token["close"])
            if token["comment"]:
                self.backslash = False
        if len(self.quote) == 1 and not self.backslash:
            self.quote = ""  # an error, but Python, too, sees the string end here
