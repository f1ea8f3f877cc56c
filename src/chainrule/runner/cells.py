"""Reads a notebook file, of Jupyter's format 4 or IPython's 3 or 2: its code cells and the outputs recorded in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.runner import BadFile


class Output(NamedTuple):
    """One thing that a cell showed."""

    kind: str  # "stdout", "stderr", "value" (what Jupyter displays) or "error"
    text: str

    @classmethod
    def of_error(cls, name: str, message: str) -> Output:
        """The output that an exception leaves, of the class `name`."""
        return cls("error", f"{name}: {message}" if message else name)


@dataclass
class Cell:
    """A code cell, and what is recorded of it."""

    number: int  # as Jupyter counts when all cells are run in order from a new start
    source: str
    outputs: list[Output]
    may_raise: bool  # tagged so that an error in it does not stop the run
    was_run: bool  # False if the notebook tells that this one was not run when the others were

    @property
    def expects_error(self) -> bool:
        return self.may_raise or any(output.kind == "error" for output in self.outputs)


def read_cells(file: str, content: bytes) -> list[Cell]:
    """The code cells of the notebook in `file`, less the empty ones, which Jupyter does not run.

    Raises:
        BadFile: `content` is no JSON, no notebook, or a notebook of another language.
    """
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadFile(f"{file}: not a notebook: byte {error.start} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise BadFile(f"{file}:{error.lineno}:{error.colno}: not a notebook: broken JSON: {error.msg}") from None
    except RecursionError:
        raise BadFile(f"{file}: not a notebook: JSON nested too deep") from None
    try:
        language = language_of(notebook)
        if language not in ("python", "ipython"):
            raise BadFile(f"{file}: a notebook in the language {language}, not Python")
        cells = code_cells(notebook)
        # A notebook without counts was written by a program, or cleared: it does not tell which cells were run.
        counted = any(has_count(cell) for cell in cells)
        return [read_cell(number, cell, counted) for number, cell in enumerate(cells, start=1)]
    except Malformed as error:
        raise BadFile(f"{file}: not a notebook: {error}") from None


class Malformed(Exception):
    """The JSON has not the shape of a notebook."""


def part(holder: Any, key: str, kind: type, default: Any = None) -> Any:
    """`holder[key]`, which must be of class `kind`; `default`, unless it is None, where there is nothing of that name.

    Raises:
        Malformed: `holder` is no JSON object, or has no such thing.
    """
    if not isinstance(holder, dict):
        raise Malformed(f"{type(holder).__name__} where an object with {key!r} should be")
    value = holder.get(key)
    if value is None:
        value = default
    if not isinstance(value, kind):
        raise Malformed(f"no {key!r}" if value is None else f"{key!r} is no {kind.__name__}")
    return value


def text_part(holder: Any, *keys: str) -> str:
    """The text under the first of `keys` that is there, which may be kept as a list of lines."""
    key = next((key for key in keys if key in holder), keys[0])
    lines = part(holder, key, object, "")
    if isinstance(lines, str):
        return lines
    if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
        return "".join(lines)
    raise Malformed(f"{key!r} is no text")


def language_of(notebook: Any) -> str:
    metadata = part(notebook, "metadata", dict, {})
    kernel = part(metadata, "kernelspec", dict, {})
    language = part(metadata, "language_info", dict, {})
    return part(kernel, "language", str, part(language, "name", str, "python")).lower()


def code_cells(notebook: Any) -> list[Any]:
    sheets = part(notebook, "worksheets", list) if "worksheets" in notebook else [notebook]
    cells = [cell for sheet in sheets for cell in part(sheet, "cells", list)]
    return [
        cell for cell in cells if part(cell, "cell_type", str) == "code" and text_part(cell, "source", "input").strip()
    ]


def has_count(cell: Any) -> bool:
    return any(isinstance(cell.get(key), int) for key in ("execution_count", "prompt_number"))


def read_cell(number: int, cell: Any, counted: bool) -> Cell:
    tags = part(part(cell, "metadata", dict, {}), "tags", list, [])
    outputs = [read_output(output) for output in part(cell, "outputs", list, [])]
    return Cell(
        number,
        source=text_part(cell, "source", "input"),
        outputs=[output for output in outputs if output is not None],
        may_raise="raises-exception" in tags,
        was_run=bool(outputs) or has_count(cell) or not counted,
    )


def read_output(output: Any) -> Output | None:
    """The output, or None for one that has no form as text, such as a widget."""
    kind = part(output, "output_type", str)
    if kind == "stream":
        name = part(output, "name", str, part(output, "stream", str, "stdout"))
        return Output("stderr" if name == "stderr" else "stdout", text_part(output, "text"))
    if kind in ("error", "pyerr"):
        return Output.of_error(part(output, "ename", str), part(output, "evalue", str, ""))
    if "data" in output:
        output = part(output, "data", dict)
    keys = [key for key in ("text/plain", "text") if key in output]
    return Output("value", text_part(output, *keys)) if keys else None
