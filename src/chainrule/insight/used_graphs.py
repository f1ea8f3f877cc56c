"""Why backward fails on a graph that is used up, or on a value that was overwritten."""

from __future__ import annotations

import ast
import re
from typing import Any

from ..engine import Freed, Node, SavedTensor
from ..tensor import Tensor
from .dataflow import Place
from .names import target_name
from .places import lies, place_of
from .reasons import Reason
from .source import Source
from .syntax import syntax_of
from .values import freed_at, record_of


def noted(error: BaseException, words: str) -> Place | None:
    """The place that a note of an error tells of in these words."""
    for note in getattr(error, "__notes__", []):
        if isinstance(note, str) and note.startswith(words):
            met = re.search(r"\n  (.*?):(\d+)(?:: (.*))?$", note, re.S)
            if met:
                return Place(met[1], int(met[2]), met[3] or "")
    return None


def overwritten(saved: Place | None, written: Place, name: str = "backward") -> Reason:
    """Backward fails as a value saved for it at one place was overwritten at another."""
    where = "" if saved is None else f", saved {lies(saved)},"
    if ".step(" in written.text:
        return Reason(
            "in-place",
            f"{name} fails because a parameter that it needs{where} was changed by the step {lies(written)}.",
            "call every backward before the first step, or compute the loss again after it",
            written,
        )
    return Reason(
        "in-place",
        f"{name} fails because a value that it needs{where} was overwritten {lies(written)}.",
        "write the result to a new tensor (x = x + 1 instead of x += 1, without inplace=True), or clone() before writing",
        written,
    )


def overwritten_since(node: Node) -> Place | None:
    """Where something that the node saved has been written to since; None if it still is what it was."""
    record = record_of(node)
    if node.saved.__class__ is Freed or record is None or type(node) is record.scalar_node_class:
        return None
    for entry in node.saved:
        if isinstance(entry, SavedTensor):
            counter = entry.counter if entry.is_output else (None if entry.tensor is None else entry.tensor._counter)
            version = entry.version if entry.unpack_hook is None else None
        elif isinstance(entry, Tensor):
            counter, version = entry._counter, 0
        else:
            continue
        if counter is not None and version is not None and counter.version != version:
            return _write(counter, version)
    counters = None if node.meta is None else node.meta.output_counters
    if counters and "out" in record.saved_names:
        for counter in counters.values():
            entry = node.saved[record.saved_names.index("out")]
            if not isinstance(entry, SavedTensor) and counter.version:
                return _write(counter, 0)
    return None


def _write(counter: Any, version: int) -> Place:
    write = counter.write_after(version)
    return Place("<unknown>", 0, "") if not write else place_of(Source(*write))


def used_up(name: str, order: list[Node], shared: Node, place: Place) -> Reason:
    """Why the backward of `name` at `place`, through the nodes in `order`, fails at one that another has used up."""
    at = place_of(freed_at(shared))
    passed = order[: order.index(shared)]
    if _is_line(at, place):  # what the round before has left behind is used by this one
        left = _frontier(order, shared)
        return _of_round_before(name, left, place, left is not order[0] and is_computed_again(order, shared))
    if not any(node.saves_tensors for node in passed) and shared.saved.newest == order[0].sequence:
        return Reason(
            "second backward",
            f"the second {name}.backward() {lies(place)} fails because the graph was used up by the first, {lies(at)}.",
            "compute it again before the second backward, or pass retain_graph=True to the first",
            place,
        )
    return Reason(
        "second backward",
        f"{name}.backward() {lies(place)} fails because it shares {_called(shared)[0]} with what the backward {lies(at)} has "
        "used up.",
        "pass retain_graph=True to the first backward, add the losses and call backward once, or detach() what is shared",
        at,
    )


def met_again(name: str, node: Node, place: Place) -> Reason:
    """The same where only the node is known that backward came to."""
    at = place_of(freed_at(node))
    if _is_line(at, place):
        return _of_round_before(name, node, place, True)
    return Reason(
        "second backward",
        f"{name}.backward() {lies(place)} fails because it needs {_called(node)[0]} once more, and the backward {lies(at)} has "
        "used that up.",
        "compute it again before the second backward, or pass retain_graph=True to the first; losses that share it can be added, "
        "for one backward",
        at,
    )


def _is_line(one: Place, other: Place) -> bool:
    return (one.file, one.line) == (other.file, other.line)


def _called(node: Node) -> tuple[str, str | None]:
    """What is computed by a node, and its name if it has one."""
    made, name = place_of(node), target_name(node)
    return (f"what is computed {lies(made)}" if name is None else f"{name}, computed {lies(made)},"), name


def _of_round_before(name: str, node: Node, place: Place, may_be_carried: bool) -> Reason:
    """The same backward, in a loop, comes to what it has used up itself."""
    made, (what, name_of) = place_of(node), _called(node)
    if may_be_carried and _is_carried(made, place):
        return Reason(
            "second backward",
            f"{name}.backward() {lies(place)} fails the second time because {what} is kept from one "
            "round of the loop to the next, and its graph was used up in the round before.",
            "cut it off between rounds: " + ("detach() it" if name_of is None else f"{name_of} = {name_of}.detach()"),
            made,
        )
    return Reason(
        "second backward",
        f"{name}.backward() {lies(place)} fails the second time because {what} is computed only once, "
        "and its graph was used up in the first round.",
        "compute it again in each round, inside the loop, detach() it, or pass retain_graph=True to backward",
        made,
    )


def _frontier(order: list[Node], shared: Node) -> Node:
    """The first node that was there when the backward before went through `shared`, of those that lead to it."""
    newest = shared.saved.newest
    if newest is None:
        return shared
    leading = {shared}  # to it, and itself
    for node in reversed(order):
        if any(edge in leading for edge in node.edges):
            leading.add(node)
    return next((node for node in order if node.sequence <= newest and node in leading), shared)


def is_computed_again(order: list[Node], shared: Node) -> bool:
    """Whether what a backward has used up is computed anew in each round, where the round before has left it behind."""
    node, newest = _frontier(order, shared), shared.saved.newest
    return newest is None or any(
        one.sequence > newest and (one.code, one.lasti) == (node.code, node.lasti) for one in order
    )


def _is_carried(made: Place, backward: Place) -> bool:
    """Whether a value is made in the loop, or in what the loop calls, rather than before it."""
    syntax = syntax_of(made.file)
    if syntax is None or made.file != backward.file:
        return True
    loops = [
        (one.lineno, one.end_lineno or one.lineno)
        for one in ast.walk(syntax.tree)
        if isinstance(one, (ast.For, ast.While)) and one.lineno <= backward.line <= (one.end_lineno or one.lineno)
    ]
    if not loops:
        return True
    if any(first <= made.line <= last for first, last in loops):
        return True
    functions = [
        (one.lineno, one.end_lineno or one.lineno)
        for one in ast.walk(syntax.tree)
        if isinstance(one, (ast.FunctionDef, ast.Lambda))
    ]
    holding = [f for f in functions if f[0] <= made.line <= f[1]]
    return any(not (f[0] <= backward.line <= f[1]) for f in holding)
