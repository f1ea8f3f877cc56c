"""`ledger`: who added what to which `.grad`, who took it away or changed it, when and from which lines."""

from __future__ import annotations

import os
import sys
import weakref
from types import FrameType
from typing import Any

import numpy as np

from ..engine import Node, is_own
from ..tensor import Tensor, wrap
from . import briefly
from .graph import operation
from .names import Scope, caller
from .source import Source
from .watching import Names, WatchedTask, Watcher, source_of


class Part:
    """What one recorded operation gave to a leaf's gradient; `source` is None for the caller of backward itself."""

    def __init__(self, operation: str, source: Source | None, amount: Tensor) -> None:
        self.operation = operation
        self.source = source
        self.text = "" if source is None else source.text  # read now: a later cell may have the same place
        self.amount = amount

    def __repr__(self) -> str:
        where = "" if self.source is None else f" at {briefly.place(self.source)}: {self.text}"
        return f"<{briefly.array(self.amount._array)} from {self.operation}{where}>"


class Entry:
    """One change of a `.grad`.

    `kind` is "backward", "cleared" (set to None), "assigned", "in place", or "changed": something happened between
    two entries, and no line is known. `before` and `after` are None where there was no gradient.
    """

    def __init__(
        self, name: str, kind: str, source: Source | None, before: Tensor | None, after: Tensor | None
    ) -> None:
        self.name = name
        self.kind = kind
        self.source = source  # the line that called backward, or that made the change
        self.text = "" if source is None else source.text
        self.before = before
        self.after = after
        self.call: int | None = None  # which backward call, counted from 1
        self.amount: Tensor | None = None  # what backward added, after hooks
        self.parts: list[Part] = []

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        where = "" if self.source is None else f" at {briefly.place(self.source)}"
        written = f"  {briefly.line(self.text)}" if self.text and self.kind != "backward" else ""
        after = "None" if self.after is None else briefly.array(self.after._array)
        if self.kind != "backward":
            kind = "changed, unseen" if self.kind == "changed" else self.kind
            return f"{self.name}.grad = {after}  {kind}{where}{written}"
        amount = briefly.array(self.amount._array)
        change = f"= {amount}" if self.before is None else f"+= {amount}, now {after}"
        return f"{self.name}.grad {change}  by backward {self.call}{where}"


class _State:
    """What a leaf's `.grad` was when the ledger last looked."""

    def __init__(self, leaf: Tensor, name: str) -> None:
        self.leaf = weakref.ref(leaf)
        self.name = name
        self.read(leaf)

    def read(self, leaf: Tensor) -> None:
        self.gradient = leaf._grad
        self.version = _version(leaf._grad)
        self.copy = None if leaf._grad is None else wrap(np.array(leaf._grad._array))

    def moved(self, leaf: Tensor, closely: bool) -> bool:
        """Whether it is another tensor, or was written to: in a way that counts as a version, or in any (`closely`)."""
        if leaf._grad is not self.gradient or _version(leaf._grad) != self.version:
            return True
        return closely and not _equal(leaf._grad, self.copy)


_UNCOUNTED = {"data", "numpy"}  # attributes of a function that may write to memory past the version counters


def _version(gradient: Tensor | None) -> int:
    return 0 if gradient is None or gradient._counter is None else gradient._counter.version


class _Backward:
    """A backward call under way."""

    def __init__(self, call: int, source: Source, names: Names) -> None:
        self.call = call
        self.source = source
        self.names = names
        self.parts: dict[Tensor, list[Part]] = {}


class ledger(Watcher):
    """Notes every change of a leaf's `.grad` inside the block.

        with chainrule.ledger() as l:
            ...
        print(l)
        l["w"]  # the entries of one leaf

    Of an addition by backward it has the call, the amount and the lines that it came from. From a leaf's first addition
    on it also notes the line that cleared, assigned or wrote to the gradient: `zero_grad`, `clip_grad_norm_`,
    ``w.grad = …``. For that it follows the lines of this thread as a debugger does; while a debugger or a coverage tool
    does so already, such changes are noted at the next backward, without their line.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.calls = 0
        self._running: list[_Backward] = []  # one inside the other
        self._states: dict[int, _State] = {}  # {id of a leaf: …}
        self._lines: _Lines | None = None

    def __enter__(self) -> ledger:
        self.watch()
        self._lines = _Lines(self)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        if self._lines is not None:
            self._lines.end()
            self._lines = None

    # ---- what backward tells

    def started(self, task: WatchedTask) -> None:
        if self._lines is not None and self._lines.active:
            self.look(*task.position)  # what the same line has done before it called backward
        self.calls += 1
        self._running.append(_Backward(self.calls, Source(*task.position), Names(task.order, Scope(caller()))))

    def contributed(self, leaf: Tensor, node: Node | None, gradient: Tensor) -> None:
        amount = wrap(np.array(gradient._array))
        part = (
            Part("backward's own gradient", None, amount)
            if node is None
            else Part(operation(node), source_of(node), amount)
        )
        self._running[-1].parts.setdefault(leaf, []).append(part)

    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        running = self._running[-1]
        state = self._states.get(id(leaf))
        if state is None or state.leaf() is not leaf:
            state = self._states[id(leaf)] = _State(leaf, running.names.of((leaf, 0)) or "leaf")
        elif not _equal(before, state.copy):
            self.entries.append(Entry(state.name, "changed", None, state.copy, before))
        state.read(leaf)
        entry = Entry(state.name, "backward", running.source, before, state.copy)
        entry.amount = gradient
        entry.call = running.call
        entry.parts = running.parts.pop(leaf, [])
        self.entries.append(entry)

    def finished(self, task: WatchedTask) -> None:
        self._running.pop()

    # ---- what lines of the program did

    def look(self, code: Any, lasti: int) -> None:
        """Notes the changes that the program's last line made."""
        closely = not _UNCOUNTED.isdisjoint(code.co_names)
        for state in list(self._states.values()):
            leaf = state.leaf()
            if leaf is None or not state.moved(leaf, closely):
                continue
            before, was = state.copy, state.gradient
            state.read(leaf)
            kind = "cleared" if leaf._grad is None else "in place" if leaf._grad is was else "assigned"
            source = Source(code, lasti)
            source.column = source.end_column = None  # the whole line
            self.entries.append(Entry(state.name, kind, source, before, state.copy))

    # ---- what the user asks

    def __getitem__(self, name: str) -> list[Entry]:
        found = [entry for entry in self.entries if entry.name == name]
        if not found:
            known = ", ".join(dict.fromkeys(entry.name for entry in self.entries)) or "none"
            raise KeyError(f"nothing was added to the .grad of {name!r}; leaves with entries: {known}")
        return found

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Any:
        return iter(self.entries)

    def __str__(self) -> str:
        """Every change, in order, and under each addition what it was made of."""
        lines = []
        for entry in self.entries:
            lines.append(str(entry))
            for part in entry.parts:
                where = "" if part.source is None else f"  {briefly.place(part.source)}  {briefly.line(part.text)}"
                lines.append(f"    {briefly.array(part.amount._array)} from {part.operation}{where}")
        return "\n".join(lines) or "nothing was added to any .grad"

    def __repr__(self) -> str:
        return str(self)


class _Lines:
    """Follows the program's lines in this thread, and has the ledger look after each."""

    def __init__(self, owner: ledger) -> None:
        self.owner = owner
        self.before = sys.gettrace()
        # a ledger inside another one hands lines on; what else may trace is left alone
        self.outer = getattr(self.before, "__self__", None)
        self.active = self.before is None or isinstance(self.outer, _Lines)
        if not self.active:
            return
        self.frames: list[tuple[FrameType, Any]] = []
        frame: FrameType | None = caller()
        self.last: tuple[Any, int] = frame.f_code, frame.f_lasti
        while frame is not None:
            if _is_program(frame):
                self.frames.append((frame, frame.f_trace))
                frame.f_trace = self.called
            frame = frame.f_back
        sys.settrace(self.called)

    def called(self, frame: FrameType, event: str, argument: Any) -> Any:
        """What Python calls at each line of the program, and where functions begin and end."""
        if not _is_program(frame):
            return None
        self.passed(frame, event)
        return self.called

    def passed(self, frame: FrameType, event: str) -> None:
        if isinstance(self.outer, _Lines):
            self.outer.passed(frame, event)
        self.owner.look(*self.last)
        outer = frame.f_back if event == "return" else None
        at = outer if outer is not None and _is_program(outer) else frame
        self.last = at.f_code, at.f_lasti

    def end(self) -> None:
        if not self.active:
            return
        if getattr(sys.gettrace(), "__self__", None) is self:
            sys.settrace(self.before)
        self.owner.look(*self.last)
        for frame, trace in self.frames:
            frame.f_trace = trace


def _is_program(frame: FrameType) -> bool:
    """Whether a frame belongs to the program, and not to a library or to Python itself."""
    file = frame.f_code.co_filename
    return not (is_own(file) or "site-packages" in file or file.startswith((_PYTHON, "<frozen")))


_PYTHON = os.path.dirname(os.__file__)


def _equal(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a._array.shape == b._array.shape and np.array_equal(
        a._array, b._array, equal_nan=a._array.dtype.kind in "fc"
    )
