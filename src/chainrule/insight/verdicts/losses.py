"""Losses that are given the wrong thing: probabilities for logits, or the other way round."""

from __future__ import annotations

from ...engine import Node
from ...tensor import Tensor
from ..places import lies, place_of
from ..reasons import Reason
from ..values import edges_of, reachable, record_of

_SAME_VALUES = ("view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "expand", "clone", "contiguous_copy", "to", "select", "slice", "alias", "copy", "cast")  # fmt: skip

_TAKING = ("log_softmax", "binary_cross_entropy_with_logits", "nll_loss")  # what can be given the wrong thing


def _maker(node: Node) -> Node | None:
    """The node behind the first input, past what only rearranges."""
    edge = next((e for e in edges_of(node) if e is not None), None)
    while edge is not None and not isinstance(edge[0], Tensor):
        record = record_of(edge[0])
        if record is None or not record.name.startswith(_SAME_VALUES):
            return edge[0]
        edge = next((e for e in edges_of(edge[0]) if e is not None), None)
    return None


def suspicious(loss: Tensor) -> Reason | None:
    """What a graph shows of a loss that is given the wrong thing: probabilities for logits, or the other way round."""
    for node in reachable(loss.grad_fn):
        record = record_of(node)
        maker = _maker(node) if record is not None and record.name.startswith(_TAKING) else None
        reason = None if maker is None else _misused(node, maker)
        if reason is not None:
            return reason
    return None


def _misused(node: Node, maker: Node) -> Reason | None:
    """Whether a loss was given what is not meant for it."""
    record, made = record_of(node), record_of(maker)
    if record is None or made is None:
        return None
    place, used = place_of(maker), place_of(node)
    if record.name == "log_softmax" and made.name == "softmax":
        return Reason(
            "softmax twice",
            f"the softmax {lies(place)} is taken a second time by the loss {lies(used)}: that flattens every gradient.",
            "give cross_entropy the logits, without softmax; or take nll_loss of log_softmax",
            place,
        )
    if record.name.startswith("binary_cross_entropy_with_logits") and made.name == "sigmoid":
        return Reason(
            "sigmoid twice",
            f"the sigmoid {lies(place)} is taken a second time by the loss {lies(used)}: that flattens every gradient.",
            "give binary_cross_entropy_with_logits the logits, without sigmoid",
            place,
        )
    if record.name.startswith("nll_loss") and made.name == "softmax":
        return Reason(
            "not logarithms",
            f"nll_loss {lies(used)} wants logarithms of probabilities, and gets the probabilities of the softmax {lies(place)}.",
            "use log_softmax, or cross_entropy of the logits",
            place,
        )
    return None
