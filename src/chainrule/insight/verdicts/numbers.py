"""Why gradients are bad or zero, asked while a backward call ends and the numbers are there."""

from __future__ import annotations

import ast
from itertools import pairwise
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import Node
from ...tensor import Tensor, gradient_edge, version_counter
from ..answers.custom import of_custom_function
from ..answers.numbers import why_bad, zero_reason
from ..answers.question import Question
from ..badnumbers import MASKED_ROW, Culprit, is_bad, remedy_for
from ..dataflow import Place
from ..explanation import shown_value
from ..names import target_name
from ..places import backward_place, lies, made_at, place_at, place_in, place_of
from ..reasons import Reason, hook_returns, returns_none
from ..refusals import receiver_name
from ..syntax import simple_name, syntax_of
from ..values import Edge, Unknown, Values, edges_of, leading_to, record_of, same
from ..witness.notes import Birth, Leaf, Root
from .constants import constant_flows, constant_term
from .losses import suspicious

if TYPE_CHECKING:
    from ..witness import Witness
    from .judge import Judge


GROWN = 1e3  # by this factor a loss has grown when numbers overflow: then the steps were too large


def look_at_numbers(witness: Witness, root: Root, frame: FrameType, bad: bool, empty: list[Leaf], first: bool) -> None:
    """Notes why gradients are bad, or zero, and what is suspicious about the graph of a first backward call."""
    loss = witness.attempt[0][0]  # type: ignore[index]
    if first and not root.is_leaf:
        root.constant_terms = constant_flows(witness, loss)
        found = suspicious(loss), constant_term(witness, loss, frame)
        witness.reasons += [("loss", reason) for reason in found if reason is not None]
    if bad:
        witness.reasons.append(_why_bad_here(witness, root, loss, frame))
        return
    for leaf in empty:
        leaf.zero = _why_zero_here(witness, leaf, loss, frame)


def _question(witness: Witness, leaf: Leaf | None, loss: Tensor, frame: FrameType) -> Question:
    x = loss if leaf is None else leaf.tensor()
    asked = Question(x if x is not None else loss, loss, frame, asked=False)
    if leaf is not None:
        asked.name = leaf.name or "a leaf"
    name = receiver_name((frame.f_code, frame.f_lasti))
    asked.loss_name = asked.loss_name if name == "the result" else name
    asked.seed = witness.seed
    return asked


def _why_bad_here(witness: Witness, root: Root, loss: Tensor, frame: FrameType) -> tuple[str, Reason]:
    spoiled = [leaf for leaf, array in witness.gradients.given.items() if is_bad(array)]
    leaf = spoiled[0] if spoiled else None
    asked = _question(witness, leaf, loss, frame)
    loss_bad = is_bad(loss._array)
    name = asked.loss_name if loss_bad or leaf is None else f"{leaf.name or 'a leaf'}.grad"
    kind = (
        "nan"
        if np.any(np.isnan(loss._array)) or any(np.any(np.isnan(witness.gradients.given[l])) for l in spoiled)
        else "inf"
    )
    hooks = [hook for hook, made_bad in witness.zeroing if made_bad]
    grown = divergence(witness, [root])
    if grown is not None:
        return name, grown
    birth = witness.births.birth_of(loss) if loss_bad else None
    if birth is not None:
        return name, of_birth(witness, birth, name, kind, asked.scope.names, asked.values())
    if not loss_bad and hooks:
        return name, _hook_reason(witness, hooks[0], name, f"has {kind} in it")
    reason = why_bad(asked)
    custom = _custom_place(reason, asked)
    return name, custom or reason


def of_birth(
    witness: Witness, birth: Birth, name: str, kind: str, names: dict[int, str], values: Values | None = None
) -> Reason:
    """What has bad numbers in it since an operation made them, or a tensor brought them; `names`: {id of a tensor: its name}"""
    if birth.given is not None:
        return _bad_data(witness, birth, name, kind, names)
    culprit = Culprit(birth.node, None, True, [i for i in birth.inputs if _is_value(i)])
    place = place_at(birth.position)
    return Reason(
        kind,
        f"{name} has {kind} in it because the result of {_public(birth.operation)} is not finite {lies(place)}"
        f"{_shown(culprit.inputs[:1] if 'softmax' in birth.operation else culprit.inputs)}.",  # without its dim
        remedy_for(culprit, values, birth.operation),
        place,
    )


def not_gone_back_from(judge: Judge) -> list[tuple[str, Reason]]:
    """A loss that is not finite, and that no backward came from: the program stopped itself there."""
    witness, names = judge.witness, judge.scope.names
    for tensor in judge.scope.tensors:
        if tensor._node is None or tensor._array.size != 1 or not is_bad(tensor._array):
            continue
        birth, name = witness.births.birth_of(tensor), names[id(tensor)]
        if birth is not None:
            kind = "nan" if np.any(np.isnan(tensor._array)) else "inf"
            reason = divergence(witness, list(witness.roots.values())) or of_birth(witness, birth, name, kind, names)
            return [(name, reason)]
    return []


def _is_value(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, float, int)) and not isinstance(value, bool)


def _shown(inputs: list) -> str:
    shown = [shown_value(np.asarray(i)) for i in inputs]
    return f", where its input is {' and '.join(shown)}" if shown else ""


def _public(operation: str) -> str:
    return operation.strip("_") or "an operation"


def _bad_data(witness: Witness, birth: Birth, name: str, kind: str, names: dict[int, str]) -> Reason:
    """The bad numbers came in with a tensor."""
    place = place_at(birth.position)
    tensor: Any = birth.given
    leaf = witness.histories.leaves.get(id(tensor))
    what = (leaf.name if leaf is not None else None) or names.get(id(tensor)) or "its input"
    if leaf is not None and leaf.updates:
        update = place_at(leaf.update_at) if leaf.update_at is not None else place
        return Reason(
            "diverged",
            f"{name} has {kind} in it because {what} holds {shown_value(tensor._array)} since its update {lies(update)}.",
            "take smaller steps (a lower learning rate), or clip the gradient before the step",
            update,
        )
    made = made_at(what, birth.position) or place
    if "softmax" in birth.operation and not np.any(np.isnan(tensor._array)):
        return Reason(
            kind,
            f"{name} has {kind} in it because the result of {_public(birth.operation)} is not finite {lies(place)}: a whole row of "
            f"{what} is -inf.",
            MASKED_ROW,
            place,
        )
    return Reason(
        kind,
        f"{name} has {kind} in it because {what}, made {lies(made)}, holds {shown_value(tensor._array)} already, when it is "
        f"used {lies(place)}.",
        "clean the data first: leave such rows out, or torch.nan_to_num"
        if leaf is None
        else "fill it with numbers before it is used: torch.zeros, or torch.nn.init (torch.empty leaves in it what was there)",
        made,
    )


def divergence(witness: Witness, roots: list[Root]) -> Reason | None:
    """Numbers that overflow after the loss has grown from step to step."""
    finite = [one for root in roots[:1] for one in map(abs, root.losses) if np.isfinite(one)]
    updated = [leaf for leaf in witness.histories.all_leaves if leaf.updates]
    swollen = [
        leaf for leaf in updated if (now := _largest(leaf)) is not None and not now < GROWN * max(leaf.largest, 1)
    ]
    rises = len(finite) >= 5 and all(a < b for a, b in pairwise(finite)) and finite[-1] > 10 * finite[0]
    if len(finite) >= 3 and (rises or finite[-1] > GROWN * max(finite[0], 1e-3)) and updated:
        grew = f"the loss grew from {finite[0]:.3g} to {finite[-1]:.3g} in {len(finite)} steps"
    elif swollen:
        leaf = swollen[0]
        grew = (
            f"{leaf.name or 'a parameter'} grew from {leaf.largest:.3g} to {_largest(leaf):.3g} in {leaf.updates} steps"
        )
    else:
        return None
    steps = [step for step in witness.gradients.optimizers.values() if step.at is not None]
    if steps:
        made = place_at(steps[0].made)
        rate = steps[0].optimizer.param_groups[0].get("lr")
        return Reason(
            "diverged",
            f"the training diverges: {grew}, until the numbers overflow: its steps are too large for the learning rate "
            f"{rate:g} of the optimizer made {lies(made)}.",
            "lower the learning rate, scale the inputs, or clip the gradient before the step",
            made,
        )
    where = updated[0].update_at
    update = place_at(where) if where is not None else _update_line(witness, updated[0])
    return Reason(
        "diverged",
        f"the training diverges: {grew}, until the numbers overflow: the steps{'' if update is None else f' {lies(update)}'} are "
        "too large, or go up the slope.",
        "lower the learning rate, scale the inputs, or clip the gradient before the step; and subtract the gradient where the loss "
        "is to fall",
        update,
    )


def _largest(leaf: Leaf) -> float | None:
    tensor = leaf.tensor()
    return None if tensor is None or not tensor._array.size else float(np.max(np.abs(tensor._array)))


def _update_line(witness: Witness, leaf: Leaf) -> Place | None:
    """The statement that changes a leaf through its .data, which leaves no trace: `w.data -= …`."""
    file = place_at(leaf.position).file
    syntax = syntax_of(file)
    if syntax is None or leaf.name is None:
        return None
    for node in ast.walk(syntax.tree):
        if isinstance(node, (ast.AugAssign, ast.Assign)):
            target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
            if simple_name(target) in (f"{leaf.name}.data", leaf.name) and isinstance(node, ast.AugAssign):
                return place_in(file, node.lineno)
    return None


def _none_returned(witness: Witness, leaf: Leaf) -> Reason | None:
    """A custom Function that returns None for what another takes for zeros."""
    for kind in witness.functions_without_gradient:
        place = backward_place(kind)
        if place is not None:
            reason = returns_none(leaf.name or "a leaf", kind, place)
            reason.sentence = reason.sentence.replace(".grad is None", ".grad is 0", 1)
            return reason
    return None


def _why_zero_here(witness: Witness, leaf: Leaf, loss: Tensor, frame: FrameType) -> Reason | None:
    asked = _question(witness, leaf, loss, frame)
    exactly = not np.any(witness.gradients.given[leaf])
    hooks = [hook for hook, made_bad in witness.zeroing if not made_bad]
    values = asked.values()
    target = gradient_edge(asked.x)
    if values is None or not loss._array.size:
        return None
    if hooks and exactly:
        return _hook_reason(witness, hooks[0], f"{asked.name}.grad", "is 0")
    reason = zero_reason(asked, values, target, near=not exactly)
    if exactly and (reason is None or reason.source is None):
        return _none_returned(witness, leaf)
    if reason is None or reason.source is None or _is_natural(asked.culprit, target):
        return None
    factor = _zero_factor(asked, values)
    if factor is not None and _moves(witness, factor):
        return None
    return _custom_place(reason, asked) or (reason if factor is None else _of_zero_factor(witness, reason, factor))


_PRODUCTS = ("mul", "mm", "mv", "dot", "bmm", "matmul", "addmm")


def _zero_factor(asked: Question, values: Values) -> Edge | None:
    """Where the other factor of a product got to be 0: a leaf, or an operation with inputs that were not."""
    record, target = record_of(asked.culprit), gradient_edge(asked.x)
    if record is None or record.name not in _PRODUCTS:
        return None
    leads = leading_to(target, values.order)
    edges = _multiplied(asked.culprit)
    edge = next((e for e in sorted(edges, key=leads) if _is_zero(values, e)), None)
    if edge is None or leads(edge):
        return None
    while isinstance(edge[0], Node):
        behind = _multiplied(edge[0])
        zero = [e for e in behind if _is_zero(values, e)]
        is_product = getattr(record_of(edge[0]), "name", "") in _PRODUCTS
        if not zero or (not is_product and zero != behind):
            break
        edge = zero[-1]
    return edge


def _moves(witness: Witness, factor: Edge) -> bool:
    """Whether a factor of 0 gets a gradient itself: the next step changes it, and then the other one learns, too."""
    if not isinstance(factor[0], Tensor):
        return False
    gradient = witness.gradients.given.get(witness.histories.leaf_of(factor[0]))
    return gradient is not None and bool(np.any(gradient))


def _of_zero_factor(witness: Witness, reason: Reason, edge: Edge) -> Reason:
    """The same, told of where the other factor got to be 0."""
    if isinstance(edge[0], Tensor):
        leaf = witness.histories.leaf_of(edge[0])
        writes = None if edge[0]._counter is None else version_counter(edge[0]).writes
        place = place_at(writes[max(writes)]) if writes else place_at(leaf.position)
        what = leaf.name or "a leaf"
        remedy = "initialize it with random numbers, small if need be: with two factors of 0 none of them ever learns"
    else:
        place, what = place_of(edge[0]), target_name(edge[0]) or "it"
        remedy = "look at where that 0 comes from: a mask, a weight, an initialization with zeros"
    sentence = f"{reason.sentence.rpartition(': ')[0]}: the other factor, {what}, is all 0 since {lies(place)[3:]}."
    return Reason(reason.cause, sentence, remedy, place)


def _multiplied(node: Node) -> list[Edge]:
    """The inputs of a node, without what addmm only adds."""
    added = getattr(record_of(node), "name", "") == "addmm"
    return [edge for edge in edges_of(node)[added:] if edge is not None]


def _is_zero(values: Values, edge: Edge) -> bool:
    try:
        return not np.any(values.value(edge))
    except Unknown:
        return False


def _is_natural(node: Node, target: Edge) -> bool:
    """Whether a slope of 0 is simply what the numbers give: a product with a variable that is 0, a square at 0, or a sum of
    slopes that cancel."""
    record = record_of(node)
    if record is None:
        return False
    if record.name in ("add", "sub", "rsub") or (
        record.name == "addmm" and same(next(edge for edge in edges_of(node) if edge is not None), target)
    ):
        return True
    if record.name in ("pow_number", "abs", "select", "index"):
        return True
    leaves = [e[0] for e in edges_of(node) if e is not None and isinstance(e[0], Tensor)]
    return record.name == "mul" and any(leaf._array.size == 1 and not np.any(leaf._array) for leaf in leaves)


def _hook_reason(witness: Witness, hook: Any, what: str, is_what: str) -> Reason:
    registered = witness.hook_places.get(id(hook))
    return hook_returns(what, is_what, hook, None if registered is None else place_at(registered))


def _custom_place(reason: Reason, asked: Question) -> Reason | None:
    """A finding about a custom Function's node, told of the Function's backward."""
    state = "is 0" if reason.cause == "zero" else f"has {reason.cause} in it"
    return None if asked.culprit is None else of_custom_function(asked, Culprit(asked.culprit, None, False, []), state)
