"""Losses that are given the wrong thing: probabilities for logits, or the other way round, or the wrong dimension."""

from __future__ import annotations

from typing import Any

from ...engine import Node
from ...tensor import Tensor, gradient_edge
from ..places import lies, place_of
from ..reasons import Reason
from ..values import Unknown, Values, edges_of, reachable, record_of

_SAME_VALUES = ("view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "expand", "clone", "contiguous_copy", "to", "select", "slice", "alias", "copy", "cast", "cat", "stack", "index")  # fmt: skip

# {(what takes it, what made it): (cause, what is wrong, what to do)}
_MISUSES = {
    ("log_softmax", "softmax"): (
        "softmax twice",
        "the softmax {made} is taken a second time by the loss {used}: that flattens every gradient",
        "give cross_entropy the logits, without softmax; or take nll_loss of log_softmax",
    ),
    ("binary_cross_entropy_with_logits", "sigmoid"): (
        "sigmoid twice",
        "the sigmoid {made} is taken a second time by the loss {used}: that flattens every gradient",
        "give binary_cross_entropy_with_logits the logits, without sigmoid",
    ),
    ("nll_loss", "softmax"): (
        "not logarithms",
        "nll_loss {used} wants logarithms of probabilities, and gets the probabilities of the softmax {made}",
        "use log_softmax, or cross_entropy of the logits",
    ),
}


def suspicious(loss: Tensor) -> Reason | None:
    """What a graph shows of a loss that is given the wrong thing."""
    values = Values(gradient_edge(loss))
    for node in reachable(loss.grad_fn):
        record = record_of(node)
        for taking in {taking for taking, _ in _MISUSES} if record is not None else ():
            maker = _maker(node) if record.name.startswith(taking) else None
            reason = None if maker is None else _misused(taking, node, maker) or _along_the_batch(taking, node, values)
            if reason is not None:
                return reason
    return None


def _maker(node: Node) -> Node | None:
    """The node behind the first input, past what only rearranges."""
    edge = next((e for e in edges_of(node) if e is not None), None)
    while edge is not None and not isinstance(edge[0], Tensor):
        record = record_of(edge[0])
        if record is None or not record.name.startswith(_SAME_VALUES):
            return edge[0]
        edge = next((e for e in edges_of(edge[0]) if e is not None), None)
    return None


def _misused(taking: str, node: Node, maker: Node) -> Reason | None:
    """Whether a loss was given what is not meant for it."""
    made: Any = record_of(maker)
    known = None if made is None else _MISUSES.get((taking, made.name))
    if known is None:
        return None
    cause, wrong, remedy = known
    place = place_of(maker)
    return Reason(cause, wrong.format(made=lies(place), used=lies(place_of(node))) + ".", remedy, place)


def _along_the_batch(taking: str, node: Node, values: Values) -> Reason | None:
    """Whether nll_loss is given a log_softmax that was taken over the batch, and not over the classes."""
    edge = edges_of(node)[0]
    record = None if edge is None else record_of(edge[0])
    if taking != "nll_loss" or edge is None or record is None or record.name != "log_softmax":
        return None
    try:
        shape, dim = values.shape(edge), values.setting(edge[0], "dim")
    except Unknown:
        return None
    if len(shape) < 2 or dim % len(shape) == 1:
        return None
    place = place_of(edge[0])
    return Reason(
        "dimension",
        f"the log_softmax {lies(place)} is taken over dimension {dim}, and the classes that nll_loss {lies(place_of(node))} chooses "
        "from are in dimension 1.",
        "take it over the classes: dim=1",
        place,
    )
