"""`trace`: prints backward as it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from ..engine import Node
from ..tensor import Tensor
from . import briefly
from .graph import operation
from .names import Scope, caller
from .source import Source
from .values import edges_of
from .watching import Names, WatchedTask, Watcher, function_of, source_of


class trace(Watcher):
    """Prints each backward inside the block while it runs: nodes, their lines, gradients in and out, hooks as they fire.

        with chainrule.trace():
            loss.backward()

    What was printed stays in `text`. `file` is where it goes, standard output unless told otherwise. Backward calls of
    other threads are not shown; one inside another, as in a checkpoint, is indented. Large tensors are told by their
    shape and range.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = file
        self.lines: list[str] = []
        self._names: list[Names] = []
        self._counts: list[int] = []

    def __enter__(self) -> trace:
        self.watch()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def text(self) -> str:
        """All that was printed."""
        return "".join(line + "\n" for line in self.lines)

    def __str__(self) -> str:
        return self.text.rstrip("\n")

    def _print(self, line: str) -> None:
        line = "  " * 2 * (len(self._names) - 1) + line
        self.lines.append(line)
        print(line, file=self.file or sys.stdout)

    # ---- what backward tells

    def started(self, task: WatchedTask) -> None:
        names = Names(task.order, Scope(caller()))
        self._names.append(names)
        self._counts.append(0)
        roots = ", ".join(self._label((node, number)) for node, number in task.roots)
        self._print(f"backward of {roots}, called at {briefly.place(Source(*task.position))}")

    def _label(self, edge: tuple) -> str:
        node, number = edge
        name = self._names[-1].of(edge)
        if isinstance(node, Tensor):
            return name or "leaf"
        output = f" (output {number})" if node.n_outputs > 1 else ""
        return (f"{name} = {operation(node)}" if name else operation(node)) + output

    def runs(self, node: Node, gradients: list[Tensor | None]) -> None:
        self._counts[-1] += 1
        source = source_of(node)
        text = briefly.line(source.text)
        self._print(
            f"{self._counts[-1]:3}. {self._label((node, 0))}  {briefly.place(source)}" + (f"  {text}" if text else "")
        )
        for number, gradient in enumerate(gradients):
            which = f" {number}" if len(gradients) > 1 else ""
            self._print(f"       in{which}   {_shown(gradient)}")

    def ran(self, node: Node, results: list[Tensor | None]) -> None:
        for edge, result in zip(edges_of(node), results):
            if edge is not None and result is not None:
                self._print(f"       out  {_shown(result)}  to {self._label(edge)}")

    def hook_fired(self, hook: Callable, arguments: tuple, result: Any) -> None:
        of_leaf = isinstance(arguments[0], Tensor) and arguments[0].requires_grad and arguments[0].is_leaf
        shown = self._label((arguments[0], 0)) if of_leaf else ", ".join(map(_argument, arguments))
        if isinstance(result, BaseException):
            changed = f" raised {type(result).__name__}"
        else:
            changed = "" if result is None else f" returned {_argument(result)}"
        self._print(f"       hook {hook_name(hook)}: {shown}{changed}")

    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        name = self._label((leaf, 0))
        if before is None:
            self._print(f"       {name}.grad = {_shown(gradient)}")
        else:
            self._print(f"       {name}.grad += {_shown(gradient)}, now {_shown(leaf._grad)}")

    def finished(self, task: WatchedTask) -> None:
        error = task.error
        if error is not None:
            self._print(f"       stopped by {type(error).__name__}: {str(error).partition(chr(10))[0]}")
        self._names.pop()
        self._counts.pop()


def hook_name(hook: Callable) -> str:
    """A hook's name and, where it is Python code, its line."""
    function = function_of(hook)
    name = getattr(function, "__qualname__", type(hook).__name__).rpartition("<locals>.")[2]
    code = getattr(function, "__code__", None)
    return name if code is None else f"{name} ({briefly.file_name(code.co_filename)}:{code.co_firstlineno})"


def _shown(value: Tensor | None) -> str:
    if value is None:
        return "None"
    text = briefly.array(value.detach()._array)
    return text if value._array.size <= briefly.MOST_ELEMENTS else f"{tuple(value.shape)} {text}"


def _argument(value: Any) -> str:
    if isinstance(value, tuple | list):
        shown = ", ".join(map(_argument, value))
        return f"[{shown}]" if isinstance(value, list) else f"({shown}{',' if len(value) == 1 else ''})"
    if hasattr(value, "_modules"):
        return type(value).__name__
    return _shown(value) if value is None or isinstance(value, Tensor) else repr(value)
