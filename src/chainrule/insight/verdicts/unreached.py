"""Leaves that no gradient came to: cut off, turned on too late, or never used."""

from __future__ import annotations

import ast

from ..cuts import CUTS, remedy_of_block
from ..dataflow import Place
from ..places import ancestors, backward_place, block_at, lies, line_at, made_at, place_at
from ..reasons import Reason, returns_none
from ..syntax import syntax_of, updates_itself
from ..witness.notes import Break, Leaf
from .judge import Judge, top_of
from .optimizers import wrong_parameters
from .usage import is_guarded, only_shown


def unreached(judge: Judge) -> list[tuple[str, Reason]]:
    witness = judge.witness
    if not witness.roots and witness.attempt is None:
        return []
    reached_tops = {top_of(leaf) for leaf in witness.histories.all_leaves if leaf.deliveries and leaf.name}
    forced = any(root.is_leaf for root in witness.roots.values())
    found = []
    for leaf in witness.histories.all_leaves:
        in_optimizer = leaf in judge.in_optimizer and judge.in_optimizer[leaf].steps > 0
        if leaf.deliveries or (leaf.asked and not (in_optimizer and leaf.cuts and judge.is_starved(leaf))):
            continue
        read = any(r.was_none and not is_guarded(r.position) for r in leaf.reads) and bool(witness.roots)
        sibling = (
            not witness.gradients.optimizers
            and leaf.name is not None
            and leaf.is_parameter
            and top_of(leaf) in reached_tops
        )
        if leaf.cuts and (in_optimizer or read or forced or sibling or not leaf.is_parameter):
            found.append((leaf, cut_of_leaf(judge, leaf, next(iter(leaf.cuts)))))
            continue
        late = turned_on_late(judge, leaf)
        if late is not None:
            found.append((leaf, late))
            continue
        none = _none_returned(judge, leaf)
        if none is not None:
            found.append((leaf, none))
            continue
        cut = static_cut(judge, leaf)
        if cut is not None and (in_optimizer or read or forced or sibling or not leaf.is_parameter):
            found.append((leaf, cut_of_leaf(judge, leaf, cut)))
        elif in_optimizer or read:
            escape = likely_escape(judge, leaf)
            if escape is not None:
                found.append((leaf, cut_of_leaf(judge, leaf, escape)))
            elif read or judge.learning_outside() or not _is_used_somewhere(leaf):
                found.append((leaf, never_used(judge, leaf, in_optimizer)))
    return judge.grouped(found)


def _none_returned(judge: Judge, leaf: Leaf) -> Reason | None:
    """A custom Function on the way to the leaf that returns no gradient."""
    for kind in judge.witness.functions_without_gradient if leaf.in_graph else ():
        place = backward_place(kind)
        if place is not None:
            return returns_none(judge.label(leaf), kind, place)
    return None


def cut_of_leaf(judge: Judge, leaf: Leaf, cut: Break) -> Reason:
    place = place_at(cut.position)
    what = judge.label(leaf)
    if cut.kind in ("no_grad", "inference") and any(map(updates_itself, ancestors(cut.position))):
        doing, remedy = CUTS["update"]
        return Reason("update", f"{what}.grad is None because the assignment {lies(place)} {doing}.", remedy, place)
    doing, remedy = CUTS[cut.kind]
    block = None if cut.block is None else block_at(cut.block)
    if block is not None and cut.kind in ("no_grad", "inference"):
        return Reason(
            cut.kind,
            f"{what}.grad is None because its way to the loss is cut {lies(block)}: there recording is switched off, and "
            f"what is computed {lies(place)} has no history.",
            remedy_of_block(block, remedy),
            block,
        )
    return Reason(
        cut.kind,
        f"{what}.grad is None because its way to the loss is cut {lies(place)}: that {doing}.",
        remedy,
        place,
    )


def turned_on_late(judge: Judge, leaf: Leaf) -> Reason | None:
    """The leaf was told to require grad only after it had been used."""
    for position, reference in judge.witness.gradients.turned_on.items():
        if reference() is leaf.tensor() is not None or (leaf.position == position):
            place = place_at(position)
            for root in judge.witness.roots.values():
                for cut in judge.static_cuts(root):
                    if cut.kind == "late" and (cut.place.file, cut.place.line) == (place.file, place.line):
                        return _late_reason(judge.label(leaf), place)
    return None


def _late_reason(name: str, place: Place) -> Reason:
    doing, remedy = CUTS["late"]
    return Reason(
        "late",
        f"{name}.grad is None because its way to the loss is cut {lies(place)}: that {doing}.",
        remedy,
        place,
    )


def static_cut(judge: Judge, leaf: Leaf) -> Break | None:
    """Where the leaf left the graph on its way to a loss: seen in the run, and found on the way in the text."""
    if not leaf.escapes:
        return None
    lines = {line_at(position): cut for position, cut in leaf.escapes.items()}
    for root in judge.witness.roots.values():
        for cut in judge.static_cuts(root):
            if (cut.place.file, cut.place.line) in lines:
                return lines[cut.place.file, cut.place.line]
    if judge.witness.attempt is not None and not judge.witness.roots:
        return None
    return None


def likely_escape(judge: Judge, leaf: Leaf) -> Break | None:
    """A way out of the graph that was not only for printing."""
    serious = [cut for position, cut in leaf.escapes.items() if not only_shown(position)]
    return serious[0] if serious else None


def never_used(judge: Judge, leaf: Leaf, in_optimizer: bool) -> Reason:
    name = judge.label(leaf)
    made = made_at(leaf.name, leaf.position) or place_at(leaf.position)
    if in_optimizer:
        step = judge.in_optimizer[leaf]
        others = judge.learning_outside()
        if others:
            return wrong_parameters(judge, step, others)
    return Reason(
        "never used",
        f"{name}.grad is None because {name}, made {lies(made)}, was not used to compute what backward was called on.",
        f"compute the loss from {name}, or check that this is the tensor you mean",
        made,
    )


def _is_used_somewhere(leaf: Leaf) -> bool:
    """Whether the program's text uses the attribute of a module that holds a leaf, though this run did not."""
    parts = [part.partition("[")[0] for part in (leaf.name or "").split(".")[1:-1]]
    syntax = syntax_of(place_at(leaf.position).file)
    if not parts or syntax is None:
        return True
    used = {n.attr for n in ast.walk(syntax.tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    texts = {n.value for n in ast.walk(syntax.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return (
        parts[0] in used
        or any(name.startswith(("getattr", "setattr")) for name in texts)
        or any(
            isinstance(n, ast.Call) and getattr(n.func, "id", "") in ("getattr", "setattr")
            for n in ast.walk(syntax.tree)
        )
    )
