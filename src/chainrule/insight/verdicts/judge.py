"""One run, and what its findings are made from."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from ...engine import is_own
from ..dataflow import Cut, Run
from ..names import Scope
from ..places import Position, ancestors, lies, place_at
from ..reasons import Reason
from ..witness.notes import Leaf, Owner, Root, parameters_of

if TYPE_CHECKING:
    from ..witness import Witness


class Judge:
    """One run, and what its findings are made from."""

    def __init__(self, witness: Witness, error: BaseException | None) -> None:
        self.witness, self.error = witness, error
        where = None if error is None else innermost(error)
        frame = None if where is None else where[0]
        witness.name_leaves(frame)
        self.scope = Scope(frame, None if frame is not None else vars(sys.modules["__main__"]))
        self.in_optimizer = {
            witness.histories.leaves[id(t)]: step
            for step in witness.gradients.optimizers.values()
            for t in parameters_of(step.optimizer)
            if id(t) in witness.histories.leaves and witness.histories.leaves[id(t)].tensor() is t
        }
        self._runs: dict[Position, Run] = {}
        self.who: dict[int, list[str]] = {}  # {id of a reason: all the names it is about}

    def concerns(self, name: str, reason: Reason, asked: str) -> bool:
        names = self.who.get(id(reason), [name])
        return any(one == asked or one.startswith((f"{asked}.", f"{asked}[")) for one in names)

    def label(self, leaf: Leaf) -> str:
        if leaf.name is not None:
            return leaf.name
        hidden = self.witness.hidden.get(leaf)
        if hidden is not None:
            return f"{hidden.module.__name__}.{hidden.attribute}"
        return f"a {'parameter' if leaf.is_parameter else 'leaf'} of {lies(place_at(leaf.position))[3:]}"

    def grouped(self, reasons: Iterable[tuple[Leaf, Reason]]) -> list[tuple[str, Reason]]:
        """One finding for all leaves with the same cause."""
        groups: dict[tuple, tuple[list[Leaf], Reason]] = {}
        for leaf, reason in reasons:
            place = reason.source
            key = reason.cause, None if place is None else (place.file, place.line)
            groups.setdefault(key, ([], reason))[0].append(leaf)
        found = []
        for leaves, reason in groups.values():
            names = [self.label(leaf) for leaf in leaves]
            self.who[id(reason)] = names
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            found.append((names[0] + more, reason))
        return found

    def static_cuts(self, root: Root) -> list[Cut]:
        """The cuts that the program's text has on its way to what backward was called on."""
        run = self._runs.get(root.position)
        if run is None:
            run = self._runs[root.position] = Run(*root.call)
        call: Any = next((node for node in ancestors(root.position) if isinstance(node, ast.Call)), None)
        if run.exhausted or call is None:
            return []
        receiver: Any = call.func.value if isinstance(call.func, ast.Attribute) else None
        expressions = [*call.args[:1]]
        if receiver is not None:
            expressions.insert(0, receiver)
        flows = [run.value(one, run.found).flows for one in expressions]
        return [cut for one in flows for cut in one.values() if cut is not None]

    def learning_outside(self) -> list[Leaf]:
        """Leaves that get gradients, that no optimizer has, and that nothing changes."""
        return [
            leaf
            for leaf in self.witness.histories.all_leaves
            if leaf.nonzero
            and not leaf.updates
            and leaf not in self.in_optimizer
            and leaf.deliveries > leaf.clears // 2
        ]

    def is_starved(self, leaf: Leaf) -> bool:
        """Whether the optimizer that has a leaf finds no gradient in any of its steps."""
        step = self.in_optimizer[leaf]
        return step.missing == step.steps

    def trained_in_part(self, owner: Owner) -> bool:
        """Whether an optimizer has some of a module's parameters: then it was chosen to leave the others out."""
        return any(leaf.owner is not None and leaf.owner.number == owner.number for leaf in self.in_optimizer)


def top_of(leaf: Leaf) -> str:
    """The variable that a leaf's name begins with: model, of model[0].weight."""
    return (leaf.name or "").partition(".")[0].partition("[")[0]


def innermost(error: BaseException) -> tuple[FrameType, int] | None:
    """The innermost frame of the program itself in which an error passed, and its instruction."""
    traceback: TracebackType | None = error.__traceback__
    found = None
    prefixes = (sys.prefix, sys.base_prefix)
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not is_own(file) and not (
            file.startswith(prefixes) or "site-packages" in file or file.startswith("<frozen")
        ):
            found = traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next
    return found
