"""Terms of a loss that are constants, though they were computed from what is trained: they change no gradient."""

from __future__ import annotations

import ast
from types import FrameType
from typing import TYPE_CHECKING

from ...engine import Node
from ...tensor import Tensor
from .. import terms
from ..names import value_called
from ..places import ancestors, line_at, made_at, place_at, place_of
from ..reasons import Reason
from ..syntax import simple_name
from ..terms import CONSTANT_BY_ACCIDENT, sums_behind
from ..values import operand_of
from ..witness.notes import Break, Flows

if TYPE_CHECKING:
    from ..witness import Witness


def constant_term(witness: Witness, loss: Tensor, frame: FrameType) -> Reason | None:
    """The first term of a loss that was computed from leaves and has lost its way to them."""
    for node in sums_behind(loss):
        cut = next(iter(witness.exits.term_added_by(node).values()), None) or _number_added_by(witness, node, frame)
        if cut is not None and cut.kind in CONSTANT_BY_ACCIDENT:
            return terms.constant_term(place_of(node), cut.kind, place_at(cut.position))
    return None


def constant_flows(witness: Witness, loss: Tensor) -> list[Flows]:
    """From where the terms of a loss come that have lost their ways, be it on purpose."""
    return [flows for node in sums_behind(loss) if (flows := witness.exits.term_added_by(node))]


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
        value = None if name is None else value_called(name, {**frame.f_globals, **frame.f_locals})
        if name is not None and (value is None or isinstance(value, float)):  # None: of a function that has ended
            bound = made_at(name, (node.code, node.lasti))
            if bound is not None and (bound.file, bound.line) in escapes:
                return escapes[bound.file, bound.line]
    return None
