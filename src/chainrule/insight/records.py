"""`record_grads`: the gradient of every value that a block of the program makes, by variable name and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ..engine import Node, next_sequence
from ..tensor import Tensor, wrap
from . import briefly
from .graph import operation
from .names import Scope, caller, normalized
from .record_views import Histogram, columns, table
from .source import Source
from .watching import ByIdentity, Names, WatchedTask, Watcher, source_of

MOST_NAMES = 20  # told where one is asked for that is not there


class Entry:
    """One value made inside the block and its gradient."""

    def __init__(self, operation: str, source: Source | None, sequence: int) -> None:
        self.operation = operation  # empty for a leaf
        self.source = source  # None for a leaf
        self.text = "" if source is None else source.text  # read now: a later cell may have the same place
        self.sequence = sequence
        self.names: list[str] = []
        self.gradient: Tensor

    @property
    def name(self) -> str:
        """The variable's name; where there is none, the text of the expression."""
        if self.names:
            return self.names[0]
        return briefly.line(self.text) or self.operation or "leaf"

    @property
    def place(self) -> str:
        """`file.py:12`; empty for a leaf."""
        return "" if self.source is None else briefly.place(self.source)

    def __repr__(self) -> str:
        return f"<gradient of {self.name} {tuple(self.gradient.shape)} {self.place}>"


class Statistics(NamedTuple):
    """What is to be known of one gradient; the numbers leave nan and inf out."""

    name: str
    place: str
    shape: tuple[int, ...]
    norm: float
    mean: float
    std: float
    smallest: float
    largest: float
    zeros: int
    not_finite: int


class record_grads(Watcher, Mapping):
    """Keeps the gradient of every value that was made inside the block, when a backward runs through it.

        with chainrule.record_grads() as g:
            z = x * y
            loss = (z + 1).sum()
            loss.backward()
        g["z"]

    A value is found by the variable's name or by its line's number: the one made last, where there were several
    (`all` gives them all). Otherwise it is a mapping from names to gradients. Gradients are what `retain_grad()` would
    have kept: after the hooks of the tensor, and summed over backward calls. Leaves that the gradient reached are there,
    too, parameters as ``g["model[0].weight"]`` or, as a state_dict would call them, ``g["model.0.weight"]``; where a
    leaf's `.grad` was cleared between two backward calls, it has a gradient of each. The backward may also run after the
    block; then the first one that runs through it is what counts. Backward calls of other threads are not seen. Gradients
    are copies and keep no graph alive, except those of ``create_graph=True``, which have one of their own. Entered again,
    it starts anew.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.end: int | None = None
        self._known = ByIdentity()  # of a node or leaf: {output number: Entry}
        self._arrived: dict[Any, list] = {}
        self._added: set[Tensor] = set()  # leaves that had a gradient already, which this one was added to
        self._typed: dict[str, str] = {}  # {another name, such as net.0.weight: net[0].weight}

    def __enter__(self) -> record_grads:
        self.__init__()  # type: ignore[misc]
        self.start = next_sequence()
        self.watch()
        return self

    def __exit__(self, *exc: object) -> None:
        self.end = next_sequence()
        if self.entries or exc[0] is not None:
            self.stop()

    # ---- what backward tells

    def started(self, task: WatchedTask) -> None:
        self._arrived = {}
        self._added = set()

    def arrived(self, node: Node, gradients: list[Tensor | None]) -> None:
        if node.sequence > self.start and (self.end is None or node.sequence < self.end):
            self._arrived[node] = [None if g is None else _kept(g) for g in gradients]

    def contributed(self, leaf: Tensor, node: Node | None, gradient: Tensor) -> None:
        if self.end is None or node in self._arrived:
            have = self._arrived.get(leaf)
            self._arrived[leaf] = [_kept(gradient) if have is None else have[0] + gradient]

    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        if before is not None and before._array.any():
            self._added.add(leaf)

    def finished(self, task: WatchedTask) -> None:
        arrived, self._arrived = self._arrived, {}
        added, self._added = self._added, set()
        if not arrived:
            return
        scope = Scope(caller())
        self._typed |= scope.typed
        names = Names(task.order, scope)
        for one, gradients in arrived.items():
            for number, gradient in enumerate(gradients):
                if gradient is not None:
                    self._enter(one, number, gradient, names, one in added)
        self.entries.sort(key=lambda entry: entry.sequence)
        if self.end is not None:
            self.stop()

    def _enter(self, one: Any, number: int, gradient: Tensor, names: Names, added: bool) -> None:
        known = self._known.get(one)
        if known is None:
            known = {}
            self._known.set(one, known)
        earlier = known.get(number)
        if earlier is not None and (added or isinstance(one, Node)):
            earlier.gradient = earlier.gradient + gradient
            return
        if isinstance(one, Tensor):
            # what is used first stands first
            entry = Entry("", None, -1 - len(self.entries) if earlier is None else earlier.sequence)
            entry.names = names.of_leaf(one)
        else:
            entry = Entry(operation(one), source_of(one), one.sequence)
            found = (names.assigned((one, number)), names.held.get((one, number)))
            entry.names = list(dict.fromkeys(name for name in found if name))
        entry.gradient = gradient
        known[number] = entry
        self.entries.append(entry)

    # ---- what the user asks

    def all(self, name: str | int) -> list[Tensor]:
        """Every gradient under a variable's name or in a line, in the order in which the values were made."""
        return [entry.gradient for entry in self._found(name)]

    def _found(self, name: str | int) -> list[Entry]:
        if isinstance(name, str):
            known = {one for entry in self.entries for one in entry.names}
            written = normalized(name)
            wanted = written if written in known else self._typed.get(written)
            return [entry for entry in self.entries if wanted in entry.names]
        return [e for e in self.entries if e.source is not None and e.source.line <= name <= e.source.end_line]

    def __getitem__(self, name: str | int) -> Tensor:
        found = self._found(name)
        if found:
            return found[-1].gradient
        if not self.entries:
            raise KeyError(f"{name!r}: no backward has run through what was made in the block")
        near = get_close_matches(str(name), self, MOST_NAMES) or list(self)[:MOST_NAMES]
        more = ", …" if len(near) < len(self) else ""
        raise KeyError(f"no gradient was recorded for {name!r}; there are {', '.join(near)}{more}")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str | int) and bool(self._found(name))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for entry in self.entries for name in entry.names))

    def __len__(self) -> int:
        return len({name for entry in self.entries for name in entry.names})

    def statistics(self) -> list[Statistics]:
        """Norm, mean, spread and range of each gradient, in the order in which the values were made."""
        return [_statistics(entry) for entry in self.entries]

    def histogram(self, name: str | int | None = None, bins: int = 10) -> Histogram:
        """How the elements of one value's gradients (of all, without a name) are spread; nan and inf are left out."""
        chosen = self.entries if name is None else self._found(name)
        if name is not None and not chosen:
            self[name]  # raises
        elements = [np.ravel(_real(entry.gradient)) for entry in chosen]
        joined = np.concatenate(elements) if elements else np.zeros(0)
        return Histogram(*np.histogram(joined[np.isfinite(joined)], bins))

    def table(self) -> str:
        """All gradients as text: name, operation, line, shape, norm and range."""
        return columns(self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("value", "operation", "line", "shape", "norm", "gradient")]
        for entry in self.entries:
            array = np.asarray(entry.gradient.detach()._array)
            norm = float(np.sqrt((_real(entry.gradient) ** 2).sum()))
            numbers = briefly.number(norm), briefly.array(array)
            rows.append((entry.name, entry.operation or "leaf", entry.place, str(tuple(array.shape)), *numbers))
        return rows

    def __repr__(self) -> str:
        return self.table() if self.entries else _NOTHING

    def _repr_html_(self) -> str:
        if not self.entries:
            return f"<p>{escape(_NOTHING)}</p>"
        return table(self._rows(), [_real(entry.gradient) for entry in self.entries])


_NOTHING = "<record_grads: no backward has run through the block>"


def _kept(gradient: Tensor) -> Tensor:
    """The gradient for keeps: a copy, unless its own computation is recorded."""
    return gradient if gradient._requires_grad else wrap(np.array(gradient._array))


def _real(gradient: Tensor) -> np.ndarray:
    array = np.asarray(gradient._array)
    return np.abs(array) if array.dtype.kind == "c" else array.astype(np.float64)


def _statistics(entry: Entry) -> Statistics:
    array = _real(entry.gradient)
    finite = array[np.isfinite(array)]
    some = finite.size > 0
    return Statistics(
        entry.name,
        entry.place,
        tuple(array.shape),
        norm=float(np.sqrt((finite**2).sum())),
        mean=float(finite.mean()) if some else float("nan"),
        std=float(finite.std()) if some else float("nan"),
        smallest=float(finite.min()) if some else float("nan"),
        largest=float(finite.max()) if some else float("nan"),
        zeros=int((array == 0).sum()),
        not_finite=int(array.size - finite.size),
    )
