"""Leaves that no gradient came to: cut off, turned on too late, or never used."""

from __future__ import annotations

import ast

from ..cuts import BY_ACCIDENT, CUTS, remedy_of_block
from ..dataflow import Place
from ..places import Position, ancestors, backward_place, block_at, lies, line_at, made_at, place_at
from ..reasons import Reason, returns_none
from ..syntax import simple_name, syntax_of, updates_itself, values_used
from ..witness.notes import Break, Leaf
from .judge import Judge, top_of
from .optimizers import wrong_parameters
from .usage import is_guarded, only_shown, unread_target


def unreached(judge: Judge) -> list[tuple[str, Reason]]:
    witness = judge.witness
    if not witness.roots and witness.attempt is None:
        return []
    reached_tops = {top_of(leaf) for leaf in witness.histories.all_leaves if leaf.deliveries and leaf.name}
    forced = any(root.is_leaf for root in witness.roots.values())
    found = []
    for leaf in witness.histories.all_leaves:
        in_optimizer = leaf in judge.in_optimizer and judge.in_optimizer[leaf].steps > 0
        if (
            leaf.frozen_at is not None
            or leaf.deliveries
            or (leaf.asked and not (in_optimizer and leaf.cuts and judge.is_starved(leaf)))
        ):
            continue
        read = any(r.was_none and not is_guarded(r.position) for r in leaf.reads) and bool(witness.roots)
        sibling = (
            not witness.gradients.optimizers
            and leaf.name is not None
            and leaf.is_parameter
            and top_of(leaf) in reached_tops
        )
        if in_optimizer and not any(cut.kind in BY_ACCIDENT for cut in leaf.cuts):
            unused = _computed_in_vain(judge, leaf)
            if unused is not None:
                found.append((leaf, unused))
                continue
        if leaf.cuts and (in_optimizer or read or forced or sibling or not leaf.is_parameter):
            found.append((leaf, cut_of_leaf(judge, leaf, _cut_to_blame(judge, leaf))))
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


def _cut_to_blame(judge: Judge, leaf: Leaf) -> Break:
    """Of the places where a leaf's ways end, the one that matters: in a term of a loss that changes nothing, else on the way
    to the backward that its optimizer's steps come after."""
    roots = judge.witness.roots
    for root in roots.values():
        for flows in root.constant_terms:
            cut = flows.get(leaf)
            if cut is not None:
                return cut
    step = judge.in_optimizer.get(leaf)
    for position in () if step is None else step.after:
        cut = roots[position].flows.get(leaf) if position in roots else None
        if cut is not None and cut in leaf.cuts:
            return cut
    return next(iter(leaf.cuts))


def _computed_in_vain(judge: Judge, leaf: Leaf) -> Reason | None:
    """What the leaf was used for last is given to a variable that nothing reads."""
    for position, flows in reversed(judge.witness.histories.recorded.items()):
        name = unread_target(position) if flows.get(leaf, flows) is None else None
        if name is not None:
            label, place = judge.label(leaf), place_at(position)
            return Reason(
                "never used",
                f"{label}.grad is None because {name}, computed {lies(place)}, is not used for what backward was called on.",
                f"compute the loss from {name}",
                place,
            )
    return None


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
    kind = cut.kind
    if kind in ("detach", "data"):
        if _gives_own_name(cut.position, what):
            doing, remedy = CUTS["update"]
            return Reason("update", f"{what}.grad is None because the assignment {lies(place)} {doing}.", remedy, place)
        kind = _left_by(cut.position) or kind
    doing, remedy = CUTS[kind]
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
        kind,
        f"{what}.grad is None because its way to the loss is cut {lies(place)}: that {doing}.",
        remedy,
        place,
    )


def _gives_own_name(position: Position, name: str) -> bool:
    """Whether a value is computed from a tensor to be given its name, as in `w = (w - lr * w.grad).detach()`."""
    statement = next((one for one in ancestors(position) if isinstance(one, ast.stmt)), None)
    if not isinstance(statement, ast.Assign) or simple_name(statement.targets[0]) != name:
        return False
    return name in values_used(statement.value)[0]


def _left_by(position: Position) -> str | None:
    """How what is detached leaves torch in the same expression, if it does: `x.detach().numpy()`."""
    ways = {"numpy": "numpy", "item": "item", "tolist": "item"}
    for node in ancestors(position):
        if isinstance(node, ast.Attribute) and node.attr in ways:
            return ways[node.attr]
        if not isinstance(node, (ast.Attribute, ast.Call)):
            return None
    return None


def turned_on_late(judge: Judge, leaf: Leaf) -> Reason | None:
    """The leaf was told to require grad only after it had been used."""
    if leaf.turned_on_at is None:
        return None
    place = place_at(leaf.turned_on_at)
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
    """Whether the program's text uses the attributes of its modules that hold a leaf, though this run did not."""
    if leaf.name is not None and "." not in leaf.name:
        return False  # a variable or an element of one, which was given to an optimizer by itself
    syntax = syntax_of(place_at(leaf.position).file)
    parts = [part.partition("[")[0] for part in (leaf.name or "").split(".")[1:-1]]
    if not parts or syntax is None:
        return True
    attributes = [n for n in ast.walk(syntax.tree) if isinstance(n, ast.Attribute)]
    used = {n.attr for n in attributes if isinstance(n.ctx, ast.Load)}
    own = {n.attr for n in attributes if isinstance(n.ctx, ast.Store)}  # the others are those of the library's modules
    by_name = ("getattr", "setattr")
    texts = {n.value for n in ast.walk(syntax.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    called = {getattr(n.func, "id", "") for n in ast.walk(syntax.tree) if isinstance(n, ast.Call)}
    return (
        used.issuperset(own.intersection(parts))
        or any(text.startswith(by_name) for text in texts)
        or not called.isdisjoint(by_name)
    )
