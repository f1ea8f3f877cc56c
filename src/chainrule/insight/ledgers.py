"""`ledger`: who added what to which `.grad`, when and from which lines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Node
from ..tensor import Tensor, wrap
from . import briefly
from .graph import operation
from .names import Scope, caller
from .source import Source
from .watching import ByIdentity, Names, WatchedTask, Watcher, source_of


class Part:
    """What one recorded operation gave to a leaf's gradient; `source` is None for the caller of backward itself."""

    def __init__(self, operation: str, source: Source | None, amount: Tensor) -> None:
        self.operation = operation
        self.source = source
        self.amount = amount

    def __repr__(self) -> str:
        where = "" if self.source is None else f" at {self.source}"
        return f"<{briefly.array(self.amount._array)} from {self.operation}{where}>"


class Entry:
    """One addition to a `.grad`."""

    def __init__(self, name: str, call: int, backward: Source, before: Tensor | None, amount: Tensor) -> None:
        self.name = name
        self.call = call  # which backward call, counted from 1
        self.backward = backward  # where it was called
        self.before = before  # None: there was no gradient
        self.amount = amount  # what was added, after hooks
        self.parts: list[Part] = []
        self.after: Tensor
        self.was_reset = False  # the gradient was changed by something else since the last entry

    def __repr__(self) -> str:
        return f"<{self.name}.grad {'=' if self.before is None else '+='} {briefly.array(self.amount._array)}>"


class ledger(Watcher):
    """Notes every addition to a leaf's `.grad` inside the block: the backward call, the amount, the lines it came from.

    with chainrule.ledger() as l:
        ...
    print(l)
    l["w"]  # the entries of one leaf
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.calls = 0
        self._parts: dict[Tensor, list] = {}
        self._delivered: list[tuple[Tensor, Entry]] = []
        self._last = ByIdentity()  # of a leaf: its last entry

    def __enter__(self) -> ledger:
        self.watch()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # ---- what backward tells

    def started(self, task: WatchedTask) -> None:
        self.calls += 1
        self._backward = Source(*task.position)
        self._parts, self._delivered = {}, []

    def contributed(self, leaf: Tensor, node: Node | None, gradient: Tensor) -> None:
        amount = wrap(np.array(gradient._array))
        part = (
            Part("backward's own gradient", None, amount)
            if node is None
            else Part(operation(node), source_of(node), amount)
        )
        self._parts.setdefault(leaf, []).append(part)

    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        entry = Entry("", self.calls, self._backward, before, gradient)
        entry.after = wrap(np.array(leaf._grad._array))
        entry.parts = self._parts.pop(leaf, [])
        last = self._last.get(leaf)
        entry.was_reset = last is not None and (before is None or not _equal(before, last.after))
        self._last.set(leaf, entry)
        self._delivered.append((leaf, entry))

    def finished(self, task: WatchedTask) -> None:
        names = Names(task.order, Scope(caller()))
        for leaf, entry in self._delivered:
            entry.name = names.of((leaf, 0)) or "leaf"
            self.entries.append(entry)
        self._delivered = []

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
        """Every addition, in order."""
        lines = []
        for entry in self.entries:
            sign = "=" if entry.before is None else "+="
            now = "" if entry.before is None else f", now {briefly.array(entry.after._array)}"
            reset = "  (reset since the entry before)" if entry.was_reset else ""
            lines.append(
                f"{entry.name}.grad {sign} {briefly.array(entry.amount._array)}{now}  by backward {entry.call} at "
                f"{briefly.place(entry.backward)}{reset}"
            )
            for part in entry.parts:
                where = "" if part.source is None else f"  {briefly.place(part.source)}  {part.source.text}"
                lines.append(f"    {briefly.array(part.amount._array)} from {part.operation}{where}")
        return "\n".join(lines) or "nothing was added to any .grad"

    def __repr__(self) -> str:
        return str(self)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a._array.shape == b._array.shape and np.array_equal(
        a._array, b._array, equal_nan=a._array.dtype.kind in "fc"
    )
