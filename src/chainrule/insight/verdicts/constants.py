"""Terms of a loss that are constants, though they were computed from what is trained: they change no gradient."""

from __future__ import annotations

import ast
from types import FrameType
from typing import TYPE_CHECKING

from ...engine import Node
from ...tensor import Tensor
from ..cuts import CUTS
from ..names import value_called
from ..places import Position, ancestors, lies, line_at, made_at, place_at
from ..reasons import Reason
from ..syntax import simple_name
from ..values import operand_of, record_of
from ..witness.exits import SUMS
from ..witness.notes import Break

if TYPE_CHECKING:
    from ..witness import Witness

_FACTORS = ("mul", "div", "neg", "mean", "sum")  # whose result is a multiple of a sum's
# detach() and no_grad are how a constant is made on purpose
_BY_ACCIDENT = ("gradient", "item", "number", "numpy", "remade", "data")


def constant_term(witness: Witness, loss: Tensor, frame: FrameType) -> Reason | None:
    """The first term of a loss that was computed from leaves and has lost its way to them."""
    nodes: list[Node] = [] if loss._node is None else [loss._node]
    seen = set(nodes)
    for node in nodes:
        record = record_of(node)
        if record is None or record.name not in (*SUMS, *_FACTORS):
            continue
        if record.name in SUMS:
            cut = witness.exits.term_added_by(node) or _number_added_by(witness, node, frame)
            if cut is not None and cut.kind in _BY_ACCIDENT:
                return _reason(cut, (node.code, node.lasti))
        for edge in node.edges:
            if edge is not None and not isinstance(edge, Tensor) and edge not in seen:
                seen.add(edge)
                nodes.append(edge)
    return None


def _reason(cut: Break, position: Position) -> Reason:
    doing, remedy = CUTS[cut.kind]
    place, added = place_at(cut.position), place_at(position)
    return Reason(
        cut.kind,
        f"a term of the loss, added {lies(added)}, changes no gradient: its history ends {lies(place)}: that {doing}.",
        remedy,
        place,
    )


def _number_added_by(witness: Witness, node: Node, frame: FrameType) -> Break | None:
    """Where a Python number that is added left the graph, if that is in the same expression, or where its name was bound."""
    numbers = [operand_of(node, i) for i, edge in enumerate(node.edges) if edge is None]
    inside = {one for number in numbers if number is not None for one in ast.walk(number)}
    if not inside or all(isinstance(one, ast.Constant) for one in inside):
        return None
    escapes = {line_at(p): cut for leaf in witness.histories.all_leaves for p, cut in leaf.escapes.items()}
    for cut in escapes.values():
        if next(ancestors(cut.position), None) in inside:
            return cut
    for one in inside:
        name = simple_name(one) if isinstance(one, (ast.Name, ast.Attribute)) else None
        if name is not None and isinstance(value_called(name, {**frame.f_globals, **frame.f_locals}), float):
            bound = made_at(name, (node.code, node.lasti))
            if bound is not None and (bound.file, bound.line) in escapes:
                return escapes[bound.file, bound.line]
    return None
