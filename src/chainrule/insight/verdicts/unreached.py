"""Leaves that no gradient came to: cut off, turned on too late, or never used."""

from __future__ import annotations

import ast

from ..cuts import BY_ACCIDENT, CUTS, ON_PURPOSE, remedy_of_block
from ..dataflow import Place
from ..places import Position, ancestors, backward_place, block_at, lies, line_at, made_at, place_at, statement_at
from ..reasons import Reason, returns_none
from ..syntax import simple_name, syntax_of, values_used
from ..witness.notes import Break, Leaf
from .judge import Judge, top_of
from .optimizers import wrong_parameters
from .usage import is_guarded, only_shown, unread_target


def unreached(judge: Judge) -> list[tuple[str, Reason]]:
    witness = judge.witness
    if not witness.roots and witness.attempt is None:
        return []
    leaves = witness.histories.all_leaves
    tops = {top_of(leaf) for leaf in leaves if leaf.deliveries and leaf.name}
    # leaves that are made again and again at one place have served if one of them has
    served = {leaf.turned_on_at for leaf in leaves if leaf.asked or leaf.deliveries}
    return judge.grouped(
        (leaf, reason) for leaf in leaves if (reason := _why_unreached(judge, leaf, tops, served)) is not None
    )


def _why_unreached(judge: Judge, leaf: Leaf, tops: set[str], served: set[Position | None]) -> Reason | None:
    """`tops`: variables that a gradient came to, or to a part of; `served`: where leaves are made that did get one."""
    witness = judge.witness
    in_optimizer = leaf in judge.in_optimizer and judge.in_optimizer[leaf].steps > 0
    if leaf.frozen_at is not None or leaf.deliveries:
        return None
    if leaf.asked and not (in_optimizer and leaf.cuts and judge.is_starved(leaf)):
        return None
    read = any(r.was_none and not is_guarded(r.position) for r in leaf.reads) and bool(witness.roots)
    wanted = in_optimizer or read
    if not wanted and (leaf in witness.hidden or (leaf.turned_on_at is not None and leaf.turned_on_at in served)):
        return None
    sibling = not witness.gradients.optimizers and leaf.name is not None and leaf.is_parameter and top_of(leaf) in tops
    expected = wanted or sibling or not leaf.is_parameter or any(root.is_leaf for root in witness.roots.values())
    cut = _cut_to_blame(judge, leaf) if leaf.cuts else None
    if in_optimizer and judge.in_optimizer[leaf].unpreceded == judge.in_optimizer[leaf].steps:
        return None  # there has been no backward
    if in_optimizer and (cut is None or cut.kind in ON_PURPOSE):
        unused = _computed_in_vain(judge, leaf)
        if unused is not None:
            return unused
    if cut is not None and cut.kind == "parameter" and leaf.name is None and not wanted:
        return None  # a Parameter was made of it at once: that is what the program has
    if cut is not None and expected:
        return cut_of_leaf(judge, leaf, cut)
    reason = turned_on_late(judge, leaf) or _none_returned(judge, leaf)
    if reason is not None:
        return reason
    cut = static_cut(judge, leaf)
    if cut is not None and expected:
        return cut_of_leaf(judge, leaf, cut)
    escape = likely_escape(judge, leaf) if wanted else None
    if escape is not None:
        return cut_of_leaf(judge, leaf, escape)
    if read or (in_optimizer and (judge.learning_outside() or not _is_used_somewhere(leaf))):
        return never_used(judge, leaf, in_optimizer)
    return _used_in_vain(judge, leaf) if in_optimizer else None


def _cut_to_blame(judge: Judge, leaf: Leaf) -> Break:
    """Of the places where a leaf's ways end, the one that matters: in a term of a loss that changes nothing, else on the way
    to the backward that its optimizer's steps come after."""
    roots = judge.witness.roots
    told = [r.source for _, r in judge.witness.reasons if r.cause in BY_ACCIDENT and r.source is not None]
    for position, cut in leaf.escapes.items():
        if line_at(position) in [(place.file, place.line) for place in told]:
            return cut
    for root in roots.values():
        for flows in root.constant_terms:
            ended = flows.get(leaf)
            if ended is not None:
                return ended
    step = judge.in_optimizer.get(leaf)
    for position in () if step is None else step.after:
        ended = roots[position].flows.get(leaf) if position in roots else None
        if ended is not None and ended in leaf.cuts:
            return ended
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


def _used_in_vain(judge: Judge, leaf: Leaf) -> Reason | None:
    """What was computed from the leaf last never comes to a loss."""
    for position, flows in reversed(judge.witness.histories.recorded.items()):
        if flows.get(leaf, flows) is None:
            name, place = judge.label(leaf), place_at(position)
            return Reason(
                "never used",
                f"{name}.grad is None because what is computed from it last, {lies(place)}, is not used for what backward was called "
                "on.",
                "compute the loss from it, too, or leave its parameters out of the optimizer",
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
    kind = cut.kind
    if kind in ON_PURPOSE:
        if _is_update(cut.position, {what, name_when_made(leaf)}):
            doing, remedy = CUTS["update"]
            return Reason("update", f"{what}.grad is None because the assignment {lies(place)} {doing}.", remedy, place)
    if kind in ("detach", "data"):
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


def name_when_made(leaf: Leaf) -> str | None:
    """The variable that a leaf was given to at first."""
    made = statement_at(leaf.position)
    return simple_name(made.targets[0]) if isinstance(made, ast.Assign) else None


def _is_update(position: Position, names: set[str | None]) -> bool:
    """Whether a value is computed from a leaf to take its place: as in `w = w - lr * w.grad`, which should have been in place,
    in `w = w.detach().clamp(0, 1)`, or `params[k] = p - …` in a loop over params."""
    statement = statement_at(position)
    if not isinstance(statement, ast.Assign):
        return False
    target = statement.targets[0]
    name, (values, gradients) = simple_name(target), values_used(statement.value)
    if isinstance(target, ast.Subscript):
        loops = (one for one in ancestors(position) if isinstance(one, ast.For))
        return any(simple_name(target.value) in values_used(loop.iter)[0] for loop in loops)
    return name in values and (bool(gradients) or name in names)


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
    parts = [part.partition("[")[0] for part in (leaf.name or "").split(".")[1:]]
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
