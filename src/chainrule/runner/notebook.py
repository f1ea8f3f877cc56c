"""Runs a notebook's cells in order, as Jupyter would after a restart, and shows as text what Jupyter would show."""

from __future__ import annotations
import __future__

import ast
import builtins
import functools
import inspect
import linecache
import operator
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from chainrule.runner import COMPILE_ERRORS, ipython, process, syntax_error
from chainrule.runner.cells import Cell, Output, read_cells
from chainrule.runner.magics import Python, python_of
from chainrule.runner.pretty import pretty
from chainrule.runner.recorder import Recorder

FUTURES = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


class Notebook:
    """A notebook, its cells compiled."""

    def __init__(self, file: str, content: bytes) -> None:
        """Reads and compiles `content`, which is that of `file`.

        Raises:
            BadFile: it is no notebook, or a cell has a syntax error that the notebook does not expect.
        """
        self.file = file
        self.failure: BaseException | None = None  # what ended the run
        self.cells: list[CompiledCell] = []
        futures = 0
        for cell in read_cells(file, content):
            compiled = CompiledCell(cell, f"{file}[cell {cell.number}]", futures)
            if compiled.error is not None and not cell.expects_error:
                raise syntax_error(compiled.filename, compiled.error)
            futures = compiled.futures
            self.cells.append(compiled)

    @property
    def sources(self) -> list[tuple[str, bytes | str]]:
        """The program's text, as (name, text) of each part that shares its namespace."""
        return [(cell.filename, cell.python.source) for cell in self.cells if cell.error is None]

    def run(
        self, arguments: Sequence[str], after_cell: Callable[[CompiledCell, list[Output]], None] | None = None
    ) -> int:
        """Runs the cells in this process, in the notebook's directory, and returns the exit status.

        An error ends the run with status 1, unless its cell expects one. `after_cell` is called with each cell that was
        run and what it showed.

        Raises:
            KeyboardInterrupt: it was interrupted, and has been reported; nothing but ending the process is left to do.
        """
        process.draw_without_display()
        directory = os.path.dirname(os.path.realpath(self.file))
        main = process.take_over(os.path.abspath(self.file), directory, arguments)
        os.chdir(directory)
        session = Session(main.__dict__)
        try:
            for cell in self.cells:
                error = session.run(cell)
                if after_cell is not None:
                    after_cell(cell, session.outputs)
                if isinstance(error, KeyboardInterrupt):
                    process.stop_by_interrupt(error)
                if error is not None and not cell.expects_error:
                    self.failure = error
                    return process.exit_code(error) if isinstance(error, SystemExit) else 1
            return 0
        finally:
            session.close()


class CompiledCell:
    """A cell's code, in parts of which the last shows the value of the cell's last expression."""

    def __init__(self, cell: Cell, filename: str, futures: int) -> None:
        """Compiles `cell`, in which the features of `from __future__` hold that are in `futures`."""
        self.cell = cell
        self.filename = filename
        self.futures = futures
        self.parts: list[CodeType] = []
        self.error: BaseException | None = None
        self.compile_parts(Python(cell.source))
        if isinstance(self.error, SyntaxError):
            self.compile_parts(python_of(cell.source))

    @property
    def expects_error(self) -> bool:
        return self.cell.expects_error

    def compile_parts(self, python: Python) -> None:
        self.python = python
        try:
            self.parts, self.error = self.parts_of(python.source), None
        except COMPILE_ERRORS as error:
            self.error = error

    def parts_of(self, source: str) -> list[CodeType]:
        tree = self.compile(source, "exec", ast.PyCF_ONLY_AST)
        statements = tree.body
        if not statements or not isinstance(statements[-1], ast.Expr) or ends_in_semicolon(source, statements[-1]):
            return [self.compile(tree, "exec")]
        last = ast.Interactive([statements.pop()])
        return [self.compile(tree, "exec"), self.compile(last, "single")]

    def compile(self, source: str | ast.Module | ast.Interactive, mode: str, flags: int = 0) -> Any:
        flags |= self.futures | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, self.filename, mode, flags, dont_inherit=True)
        if isinstance(code, CodeType):
            self.futures |= code.co_flags & FUTURES
        return code


def ends_in_semicolon(source: str, last: ast.stmt) -> bool:
    """Whether a semicolon follows the last statement of `source`."""
    assert last.end_lineno is not None and last.end_col_offset is not None
    line = source.encode().splitlines()[last.end_lineno - 1]
    return line[last.end_col_offset :].lstrip().startswith(b";")


class Session:
    """Runs cells one after another in one namespace, and keeps what the latest of them showed."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        """Becomes this process's standard output, standard error and display hook, for cells with this namespace."""
        self.namespace = namespace
        self.outputs: list[Output] = []
        self.sources = [""]
        self.values: dict[int, object] = {}
        self.latest_values: list[object] = ["", "", ""]
        namespace.update(In=self.sources, Out=self.values, _="", __="", ___="")
        self.loop: Any = None  # an asyncio.Runner, once a cell has used `await`
        self.stdout = Recorder(sys.stdout, functools.partial(self.record, "stdout"))
        self.stderr = Recorder(sys.stderr, functools.partial(self.record, "stderr"))
        sys.stdout, sys.stderr = self.stdout, self.stderr
        sys.displayhook = self.show_result
        builtins.display = self.display  # type: ignore[attr-defined]
        ipython.stand_in(self.display)

    def run(self, cell: CompiledCell) -> BaseException | None:
        """Runs `cell`, and returns what it raised, having shown that too."""
        source = cell.cell.source
        self.outputs = []
        self.sources.append(source)
        lines = [f"{line}\n" for line in source.split("\n")]
        linecache.cache[cell.filename] = (len(source), None, lines, cell.filename)
        # Each cell is a new place to warn from, although its lines have the numbers of other cells' lines.
        self.namespace.pop("__warningregistry__", None)
        for line, note in cell.python.notes:
            self.tell(f"chainrule: {cell.filename}:{line}: {note}\n")
        self.stdout.muted = self.stderr.muted = not cell.python.shows_output
        try:
            if cell.error is not None:
                raise cell.error
            self.execute(cell.parts)
            self.stdout.end_line()
            self.stdout.flush()
        except BaseException as error:
            if not isinstance(error, SystemExit):
                process.hide_runner(error, cell.filename)
                self.tell("".join(traceback.format_exception(error)))
            self.outputs.append(Output.of_error(type(error).__name__, str(error)))
            return error
        finally:
            self.stdout.muted = self.stderr.muted = False
        return None

    def execute(self, parts: list[CodeType]) -> None:
        """Runs the parts of a cell, in an event loop that all cells share if one of them awaits something."""
        if not any(part.co_flags & inspect.CO_COROUTINE for part in parts):
            for part in parts:
                exec(part, self.namespace)
            return
        if self.loop is None:
            import asyncio

            self.loop = asyncio.Runner()
        self.loop.run(self.execute_in_loop(parts))

    async def execute_in_loop(self, parts: list[CodeType]) -> None:
        for part in parts:
            result = eval(part, self.namespace)
            if part.co_flags & inspect.CO_COROUTINE:
                await result

    def close(self) -> None:
        """Ends the tasks that the cells left waiting."""
        if self.loop is not None:
            self.loop.close()

    def tell(self, text: str) -> None:
        """Writes what is not part of the output of a cell."""
        try:
            self.stdout.end_line()
            self.stdout.flush()
        except OSError:  # nobody reads the output any more, which is no reason not to tell
            pass
        self.stderr.stream.write(text)
        self.stderr.flush()

    def record(self, kind: str, text: str) -> None:
        if self.outputs and self.outputs[-1].kind == kind != "value":
            text = self.outputs.pop().text + text
        self.outputs.append(Output(kind, text))

    def show_result(self, value: object) -> None:
        """Shows the value of a cell's last expression, and names it `_`: the display hook."""
        if value is None:
            return
        self.display(value)
        if value is self.values:
            return
        names = ("_", "__", "___")
        kept = all(
            self.namespace.get(name, latest) is latest for name, latest in zip(names, self.latest_values, strict=True)
        )
        self.latest_values = [value, *self.latest_values[:2]]
        if kept:  # or else the program uses such a name itself
            self.namespace.update(zip(names, self.latest_values, strict=True))
        number = len(self.sources) - 1
        self.namespace[f"_{number}"] = self.values[number] = value

    def display(self, *values: Any, raw: bool = False, **options: object) -> None:
        """Shows values as Jupyter's `display` does, but as text only. With `raw`, each is a dict by MIME type."""
        for value in values:
            if raw:
                text = value.get("text/plain")
            elif callable(getattr(type(value), "_ipython_display_", None)):
                value._ipython_display_()
                continue
            else:
                text = pretty(value)
            if text is not None and not self.stdout.muted:
                self.stdout.end_line()
                self.stdout.stream.write(f"{text}\n")
                self.record("value", text)
