"""The terms of a loss, and what is said of one that is a constant though it was computed from what is trained."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Node
from ..tensor import Tensor
from .cuts import BY_ACCIDENT, CUTS
from .dataflow import Place
from .places import lies
from .reasons import Reason
from .values import record_of

SUMS = ("add", "sub", "rsub")
_FACTORS = ("mul", "div", "neg", "mean", "sum")  # whose result is a multiple of a sum's
CONSTANT_BY_ACCIDENT = (*BY_ACCIDENT, "argmax", "comparison", "integer")


def sums_behind(loss: Tensor) -> Iterator[Node]:
    """The operations that add up the terms of a loss, the last first."""
    nodes: list[Node] = [] if loss._node is None else [loss._node]
    seen = set(nodes)
    for node in nodes:
        record = record_of(node)
        if record is None or record.name not in (*SUMS, *_FACTORS):
            continue
        if record.name in SUMS:
            yield node
        for edge in node.edges:
            if edge is not None and not isinstance(edge, Tensor) and edge not in seen:
                seen.add(edge)
                nodes.append(edge)


def constant_term(added: Place, kind: str, place: Place) -> Reason:
    """A term whose history ends at a place, by one of CUTS."""
    doing, remedy = CUTS[kind]
    return Reason(
        kind,
        f"a term of the loss, added {lies(added)}, changes no gradient: its history ends {lies(place)}: that {doing}.",
        remedy,
        place,
    )
