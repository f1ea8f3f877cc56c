"""What a program does in vain: statements without effect, and layers that live for one call."""

from __future__ import annotations

import ast

from ..idle import idle_statements
from ..places import lies, place_at, statement_at
from ..reasons import Reason
from ..syntax import syntax_of
from .judge import Judge


def idle(judge: Judge) -> list[tuple[str, Reason]]:
    """Statements about gradients that do nothing, in the files that call backward or make what is trained."""
    positions = [*judge.witness.roots, *(leaf.position for leaf in judge.witness.histories.all_leaves)]
    files = dict.fromkeys(place_at(position).file for position in positions if position is not None)
    return [("gradients", reason) for file in files for reason in idle_statements(file)]


def made_in_forward(judge: Judge) -> list[tuple[str, Reason]]:
    """Parameters that a module makes anew in each call: they get gradients, and are gone before a step."""
    found = {}
    for leaf in judge.witness.histories.all_leaves:
        if leaf in judge.in_optimizer or not leaf.is_parameter or not leaf.deliveries or leaf.position is None:
            continue
        place = place_at(leaf.position)
        syntax = syntax_of(place.file)
        node: ast.AST | None = statement_at(leaf.position)
        while syntax is not None and node is not None and not isinstance(node, ast.FunctionDef):
            node = syntax.parents.get(node)
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            found[place.file, place.line] = (
                "parameters",
                Reason(
                    "made in forward",
                    f"what is trained is made anew in each call of forward, {lies(place)}: it gets a gradient once, and no step.",
                    "make layers and parameters once, in __init__: self.layer = …",
                    place,
                ),
            )
    return list(found.values())
