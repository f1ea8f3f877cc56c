"""Replacing one pattern of operations by another, everywhere in a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..nn.modules.module import Module
from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule
from .node import Node

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """Where a pattern was found: its last node in the graph, and the graph's node for each of the pattern's."""

    anchor: Node
    nodes_map: dict[Node, Node]


def _graph_of(given: Any) -> Graph:
    if isinstance(given, GraphModule):
        return given.graph
    return given if isinstance(given, Graph) else symbolic_trace(given).graph


def replace_pattern(
    gm: GraphModule, pattern: Callable | GraphModule, replacement: Callable | GraphModule
) -> list[Match]:
    """Replaces what looks like `pattern` by `replacement`, and recompiles; where, without overlaps.

    The inputs of the two correspond in order. A match may not have inner results that others use.
    """
    wanted, new = _graph_of(pattern), _graph_of(replacement)
    (end,) = wanted.find_nodes(op="output")
    last = end.args[0]
    if not isinstance(last, Node):
        raise NotImplementedError("a pattern returns the value of one operation")
    matches: list[Match] = []
    taken: set[Node] = set()
    for node in list(gm.graph.nodes):
        found: dict[Node, Node] = {}
        if not _matches(last, node, found):
            continue
        inside = {found[n] for n in found if n.op != "placeholder"}
        if not inside & taken and _closed(found, last):
            taken |= inside
            matches.append(Match(node, found))
    inputs = wanted.find_nodes(op="placeholder")
    for match in matches:
        values: dict[Any, Any] = dict(
            zip(new.find_nodes(op="placeholder"), [match.nodes_map.get(n) for n in inputs], strict=True)
        )
        with gm.graph.inserting_before(match.anchor):
            result = gm.graph.graph_copy(new, values)
        match.anchor.replace_all_uses_with(result)
        for node in reversed(gm.graph.nodes):
            if node in taken and not node.users:
                gm.graph.erase_node(node)
    gm.recompile()
    if isinstance(replacement, Module):
        for name, module in replacement.named_children():
            if not hasattr(gm, name):
                gm.add_submodule(name, module)
    return matches


def _matches(pattern: Any, node: Any, found: dict[Node, Node]) -> bool:
    """Whether a node computes what the pattern's does, from inputs that match too."""
    if not isinstance(pattern, Node):
        if isinstance(pattern, (tuple, list)):
            return (
                isinstance(node, (tuple, list))
                and len(pattern) == len(node)
                and all(_matches(p, n, found) for p, n in zip(pattern, node, strict=True))
            )
        if isinstance(pattern, dict):
            return isinstance(node, dict) and pattern.keys() == node.keys() and all(
                _matches(pattern[key], node[key], found) for key in pattern
            )  # fmt: skip
        return type(pattern) is type(node) and pattern == node
    if pattern in found:
        return found[pattern] is node
    if pattern.op == "placeholder":
        found[pattern] = node
        return True
    if not isinstance(node, Node) or (pattern.op, pattern.target) != (node.op, node.target):
        return False
    found[pattern] = node
    return _matches(pattern.args, node.args, found) and _matches(pattern.kwargs, node.kwargs, found)


def _closed(found: dict[Node, Node], last: Node) -> bool:
    """Whether nothing outside uses what is inside, but for the result."""
    inside = {node for pattern, node in found.items() if pattern.op != "placeholder"}
    return all(
        set(node.users) <= inside
        for pattern, node in found.items()
        if pattern.op != "placeholder" and pattern is not last
    )
