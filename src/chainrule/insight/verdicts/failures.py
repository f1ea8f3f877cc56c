"""Why a program failed: errors of autograd and optimizers, and of using a gradient that is not there."""

from __future__ import annotations

import ast
import re
from types import FrameType
from typing import Any

from ...engine import Freed
from ...tensor import Tensor
from ..answers.question import call_in
from ..badnumbers import is_bad
from ..cuts import CUTS
from ..dataflow import Place
from ..places import (
    Position,
    ancestors,
    bindings,
    expression_at,
    lies,
    line_at,
    made_at,
    place_at,
    place_in,
    place_of,
)
from ..reasons import Reason, made_by_update
from ..refusals import reason_carried, receiver_name
from ..source import Source
from ..syntax import simple_name, syntax_of
from ..used_graphs import is_computed_again, noted, used_up
from ..values import freed_at, reachable
from ..witness.notes import Break, Leaf, Root, parameters_of
from .carried import carried, carried_reason
from .judge import Judge, innermost
from .numbers import divergence, of_birth
from .reads import no_gradient
from .unreached import cut_of_leaf, likely_escape, name_when_made, never_used, static_cut, turned_on_late
from .usage import only_shown, read_name


def reason_of(judge: Judge, error: BaseException) -> Reason:
    """What ended the program, with the line to blame and the remedy where one is known."""
    where = innermost(error)
    message = str(error)
    place = None
    if where is not None:
        frame, lasti = where
        place = place_of(Source(frame.f_code, lasti))
        for words, explain in _KNOWN:
            if words in message:
                reason = explain(judge, error, frame, place)
                if reason is not None:
                    return reason
        known = reason_carried(error)
        if known is not None:
            return known
        if isinstance(error, (TypeError, AttributeError)) and "NoneType" in message:
            reason = _none_used(judge, frame, place)
            if reason is not None:
                return reason
    notes = [one for one in getattr(error, "__notes__", []) if isinstance(one, str)]
    return Reason("error", "\n".join([f"{message or type(error).__name__}", *notes]), source=place)


def _no_history(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    witness = judge.witness
    if witness.attempt is None:
        return None
    roots, flows, position = witness.attempt
    name = receiver_name(position)
    cuts: dict[Break, list[Leaf]] = {}
    frozen: list[Leaf] = []
    for leaf, cut in flows.items():
        if cut is not None and cut.kind == "requires_grad_false":
            frozen.append(leaf)
        elif cut is not None:
            cuts.setdefault(cut, []).append(leaf)
    start = f"{name} does not require grad, because"
    carried = reason_carried(error)
    if carried is not None and carried.cause == "in backward":
        return carried
    since = _frozen_since(judge, position, start)
    if since is not None:
        return since
    if all(leaf.deliveries for leaves in cuts.values() for leaf in leaves):  # they have learned before
        plain = _never_required(judge, start)
        if plain is not None:
            return plain
    if cuts:
        cut = min(cuts, key=lambda c: _suspicion(judge, cuts[c]))
        return _of_cut(judge, cut, cuts[cut], start)
    # what left the graph as numbers or arrays, on the way that the text shows
    escaped = {cut: leaf for leaf in witness.histories.all_leaves for cut in leaf.escapes.values()}
    lines = {line_at(cut.position): cut for cut in escaped}
    for written in judge.static_cuts(Root(position, call_in(frame))):
        known = lines.get((written.place.file, written.place.line))
        if known is not None:
            return _of_cut(judge, known, [escaped[known]], start)
    plain = _never_required(judge, start)
    if plain is not None:
        return plain
    if frozen:
        cause = place_at(frozen[-1].frozen_at)  # type: ignore[arg-type]
        return Reason(
            "requires_grad_false",
            f"{start} nothing that it was computed from does: {judge.label(frozen[-1])} and the like were made not to "
            f"{lies(cause)}.",
            "leave requires_grad=True for the parameters that are to be trained, such as those of the last layer",
            cause,
        )
    serious = [one for one in escaped if not only_shown(one.position)]
    if serious:
        return _of_cut(judge, serious[-1], [escaped[serious[-1]]], start)
    learning = [
        leaf for leaf in witness.histories.all_leaves if (held := leaf.tensor()) is not None and held._requires_grad
    ]
    for root in roots:
        if isinstance(root, Tensor):
            late = _turned_on_late(judge, position, name, frame)
            if late is not None:
                return late
    met = judge.witness.histories.all_leaves  # without any there is nothing that could have been cut off
    if met and carried is not None and carried.cause != "no requires_grad":  # what the text alone shows
        return Reason(carried.cause, f"{start} {carried.sentence}", carried.remedy, carried.source)
    if learning:
        names = ", ".join(dict.fromkeys(judge.label(leaf) for leaf in learning[:3]))
        made = made_at(name, position) or place
        return Reason(
            "never used",
            f"{name}.backward() fails: {name}, made {lies(made)}, was not computed from anything that requires grad ({names} "
            "and the like).",
            f"compute {name} from the output of the model",
            made,
        )
    asked = None if met else _asked_input(position)
    wanted = _wanted(frame.f_code.co_filename) or (made_at(asked, position) if asked is not None else None)
    if wanted is None:
        return None
    return Reason(
        "no requires_grad",
        f"{name}.backward() fails: nothing that {name} was computed from requires grad, also not the tensor made "
        f"{lies(wanted)}.",
        "make it with requires_grad=True",
        wanted,
    )


def _suspicion(judge: Judge, leaves: list[Leaf]) -> tuple:
    """Less for a cut that is more likely to blame: of leaves that never got a gradient, that are to be trained, of many."""
    return (
        all(leaf.deliveries for leaf in leaves),
        judge.in_optimizer.keys().isdisjoint(leaves),
        -len(leaves),
        leaves[0].number,
    )


def _never_required(judge: Judge, start: str) -> Reason | None:
    """An optimizer was given a tensor that never required grad."""
    for step in judge.witness.gradients.optimizers.values():
        for tensor in parameters_of(step.optimizer):
            name = judge.scope.names.get(id(tensor))
            known = judge.witness.histories.leaves.get(id(tensor))
            made = (
                made_at(name, step.made) if name is not None and not tensor._requires_grad and known is None else None
            )
            if made is not None:
                return Reason(
                    "no requires_grad",
                    f"{start} {name}, made {lies(made)} and given to an optimizer, does not.",
                    f"make it with requires_grad=True, or call {name}.requires_grad_() before the computation",
                    made,
                )
    return None


def _no_tensor(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """Backward is called on a Python number or an array."""
    where = innermost(error)
    assert where is not None
    position = where[0].f_code, where[1]
    escaped = {
        line_at(cut.position): (cut, leaf)
        for leaf in judge.witness.histories.all_leaves
        for cut in leaf.escapes.values()
    }
    for written in judge.static_cuts(Root(position, call_in(*where))):
        known = escaped.get((written.place.file, written.place.line))
        if known is not None:
            kind = re.search(r"'(\w+)' object", str(error))
            name = receiver_name(position)
            start = f"{name} has no backward: it is no tensor but {'a ' + kind[1] if kind is not None else 'a number'}, because"
            return _of_cut(judge, known[0], [known[1]], start)
    return None


def _frozen_since(judge: Judge, position: Position, start: str) -> Reason | None:
    """The same backward has worked before, and what it went to has been frozen since."""
    earlier = judge.witness.roots.get(position)
    reached = [] if earlier is None else [leaf for leaf, cut in earlier.flows.items() if cut is None and leaf.frozen_at]
    if not reached:
        return None
    cause = place_at(reached[-1].frozen_at)  # type: ignore[arg-type]
    return Reason(
        "requires_grad_false",
        f"{start} requires_grad of what the same backward went to before, such as {judge.label(reached[-1])}, was set to False "
        f"{lies(cause)}.",
        "set requires_grad to True again before it is trained again, or leave it and detach() what is not to be trained",
        cause,
    )


def _of_cut(judge: Judge, cut: Break, leaves: list[Leaf], start: str) -> Reason:
    """A cut behind which nothing is left."""
    reason = cut_of_leaf(judge, leaves[0], cut)
    _, _, rest = reason.sentence.partition(" because ")
    rest = rest.replace("its way to the loss", f"the history from {judge.label(leaves[0])}", 1)
    more = "" if len(leaves) == 1 else f" ({len(leaves) - 1} other tensors lose theirs there, too.)"
    return Reason(reason.cause, f"{start} {rest}{more}", reason.remedy, reason.source)


def _turned_on_late(judge: Judge, position: Position, name: str, frame: FrameType) -> Reason | None:
    """A tensor was told to require grad after the loss had been computed from it."""
    leaves = judge.witness.histories.all_leaves
    lines = {line_at(leaf.turned_on_at) for leaf in leaves if leaf.turned_on_at is not None}
    for cut in judge.static_cuts(Root(position, call_in(frame))):
        if cut.kind == "late" and (cut.place.file, cut.place.line) in lines:
            doing, remedy = CUTS["late"]
            return Reason(
                "late", f"{name} does not require grad: what is done {lies(cut.place)} {doing}.", remedy, cut.place
            )
    return None


def _wanted(file: str) -> Place | None:
    """Where the program makes the tensor whose `.grad` it uses."""
    syntax = syntax_of(file)
    if syntax is None:
        return None
    for node in ast.walk(syntax.tree):
        if isinstance(node, ast.Attribute) and node.attr == "grad":
            for name in _elements(syntax.tree, simple_name(node.value)):
                lines = sorted(bindings(syntax, name))
                if lines:
                    return place_in(file, lines[0])
    return None


def _elements(tree: ast.AST, name: str | None) -> list[str]:
    """A variable; of one that a loop gives the elements of a list that is written there, these."""
    loops = (one for one in ast.walk(tree) if isinstance(one, (ast.For, ast.comprehension)))
    over = next((one.iter for one in loops if simple_name(one.target) == name), None)
    elements = over.elts if isinstance(over, (ast.List, ast.Tuple)) else []
    return [known for known in (name, *map(simple_name, elements)) if known is not None]


def _second(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """A second backward: through the same result, or through a part that two results share."""
    witness = judge.witness
    if witness.attempt is None or not isinstance(witness.attempt[0][0], Tensor):
        return None
    roots, _, position = witness.attempt
    loss = roots[0]
    if loss._node is None:
        return None
    order = reachable(loss._node)
    needed = noted(error, "and it was needed again")
    gone = [n for n in order if n.saved.__class__ is Freed and needed is not None and _is_at(n, needed)]
    if not gone:
        return None
    # the first that backward came to, after what it has freed itself
    shared = next((n for n in gone if n.saved.newest != order[0].sequence), gone[0])
    name, at = receiver_name(position), place_of(freed_at(shared))
    is_same = (at.file, at.line) == (place.file, place.line)
    known = carried(frame, position[1]) if is_same and is_computed_again(order, shared) else None
    if known is not None and any(known.name == name_when_made(leaf) for leaf in judge.in_optimizer):
        return made_by_update(known.name, known.place)
    if known is not None:
        failing = f"{name}.backward() {lies(place)} fails the second time, as the round before has used up its graph"
        return carried_reason("second backward", failing, known)
    bound = made_at(name, position) if is_same else None
    newest = shared.saved.newest
    if bound is not None and newest is not None and order[0].sequence <= newest:
        return Reason(
            "second backward",
            f"{name}.backward() {lies(place)} fails the second time because {name}, made {lies(bound)}, is computed only once, and its "
            "graph was used up in the first round.",
            "compute it again in each round, inside the loop, or pass retain_graph=True to backward",
            bound,
        )
    return used_up(name, order, shared, place)


def _changed_by_a_step(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """A backward that was there before goes back past the step that followed it."""
    told, attempt = reason_carried(error), judge.witness.attempt
    if told is None or told.source is None or ".step(" not in told.source.text or attempt is None:
        return None
    known = carried(frame, attempt[2][1]) if attempt[2] in judge.witness.roots else None
    if known is None:
        return None
    failing = f"backward fails as it goes through the rounds before, past the step {lies(told.source)}, which changed parameters"
    return carried_reason("in-place", failing, known)


def _is_at(node: Any, place: Place) -> bool:
    source = Source(node.code, node.lasti)
    return (source.file, source.line, source.text) == place


def _unused(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """autograd.grad asks for the gradient of what the run has cut off from the result."""
    witness = judge.witness
    if witness.attempt is None:
        return None
    _, flows, position = witness.attempt
    name = _asked_input(position)
    wanted = None if name is None else _value(frame, name)
    for leaf, cut in flows.items():
        if cut is not None and name is not None and (leaf.name == name or leaf.tensor() is wanted is not None):
            return _of_cut(judge, cut, [leaf], f"the gradient of {name} is missing, because")
    return None


def _asked_input(position: Position) -> str | None:
    """What autograd.grad is asked the gradient of, as the program calls it."""
    call, _ = expression_at(position)
    return simple_name(call.args[1]) if isinstance(call, ast.Call) and len(call.args) > 1 else None


def _value(frame: FrameType, name: str) -> Any:
    return frame.f_locals.get(name, frame.f_globals.get(name))


def _inference_saved(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    cuts = list(judge.witness.exits.inference_breaks)
    made = place if not cuts else place_at(cuts[-1].block or cuts[-1].position)
    return Reason(
        "inference",
        f"what is computed {lies(place)} needs a tensor that was made in inference mode {lies(made)}, which autograd cannot use.",
        "use no_grad instead of inference_mode, clone() the tensor outside, or move the computation out of it",
        made,
    )


def _none_used(judge: Judge, frame: FrameType, place: Place) -> Reason | None:
    """The program failed on a None; perhaps it was a `.grad`."""
    witness = judge.witness
    if witness.gradients.last_none is None:
        return _unused_result(judge, frame, place)
    tensor, read = witness.gradients.last_none
    file, line = line_at(read.position)
    same_line = (file, line) == (place.file, place.line)
    if not same_line and not _assigned_from(read.position, frame, place):
        return _unused_result(judge, frame, place)
    if tensor._node is not None or not tensor._requires_grad:
        made = None if tensor._node is None else (tensor._node.code, tensor._node.lasti)
        return no_gradient(judge, tensor, read.position, made)
    leaf = witness.histories.leaf_of(tensor)
    name = read_name(read.position) if leaf.name is None else leaf.name
    if leaf.cleared_last is not None and leaf.deliveries:
        cleared = place_at(leaf.cleared_last)
        return Reason(
            "cleared",
            f"{name}.grad is None when it is used {lies(place)}: it was cleared {lies(cleared)}, after the backward.",
            "clear gradients before backward, or after they were used; or zero them in place: w.grad.zero_()",
            cleared,
        )
    if not witness.roots or leaf.deliveries or not _before_all(witness, read):
        early = place_at(read.position)
        if leaf.deliveries or not witness.roots:
            return Reason(
                "no backward" if not leaf.deliveries else "read too early",
                f"{name}.grad is None when it is read {lies(early)}: no backward has been called before.",
                "call backward() on the loss first, and read .grad afterwards",
                early,
            )
    if leaf.cuts:
        return cut_of_leaf(judge, leaf, next(iter(leaf.cuts)))
    late = turned_on_late(judge, leaf)
    if late is not None:
        return late
    rebound = _rebound(judge, leaf, name)
    if rebound is not None:
        return rebound
    escape = static_cut(judge, leaf) or likely_escape(judge, leaf)
    if escape is not None:
        return cut_of_leaf(judge, leaf, escape)
    return never_used(judge, leaf, False)


def _unused_result(judge: Judge, frame: FrameType, place: Place) -> Reason | None:
    """autograd.grad returned a None, as allow_unused lets it, and the program went on with that."""
    last = judge.witness.last_gradients
    if last is None or None not in last[0]:
        return None
    call, _ = expression_at(last[1])
    number = last[0].index(None)
    inputs = call.args[1] if isinstance(call, ast.Call) and len(call.args) > 1 else None
    chosen = inputs.elts[number] if isinstance(inputs, (ast.List, ast.Tuple)) and number < len(inputs.elts) else inputs
    name = simple_name(chosen) or "an input"
    asked = place_at(last[1])
    made = made_at(name, last[1]) or asked
    return Reason(
        "never used",
        f"the gradient of {name} that grad() returns {lies(asked)} is None: {name}, made {lies(made)}, was not used to compute the "
        "result, and allow_unused=True says nothing about it.",
        f"compute the result from {name}, leave it out, or pass materialize_grads=True for zeros",
        asked,
    )


def _rebound(judge: Judge, leaf: Leaf, name: str) -> Reason | None:
    """The name was given to a new leaf after the loss had been computed from the old one."""
    older = [
        one for one in judge.witness.histories.all_leaves if one is not leaf and one.name == name and one.deliveries
    ]
    if not older:
        return None
    place = place_at(leaf.position)
    return Reason(
        "rebound",
        f"{name}.grad is None because {name} is another tensor than the one that backward went to: the name was given to a new "
        f"one {lies(place)}.",
        f"change the values in place: with torch.no_grad(): {name} -= lr * {name}.grad, or {name}.copy_(…)",
        place,
    )


def _before_all(witness: Any, read: Any) -> bool:
    return bool(witness.roots)


def _assigned_from(position: Position, frame: FrameType, place: Place) -> bool:
    """Whether the line that failed uses a variable that took its value from the `.grad` read at a position."""
    targets: set[str] = set()
    for node in ancestors(position):
        if isinstance(node, ast.Assign):
            targets = {simple_name(t) or "" for t in node.targets}
            for target in node.targets:
                if isinstance(target, (ast.Tuple, ast.List)):
                    targets |= {simple_name(t) or "" for t in target.elts}
        elif isinstance(node, ast.NamedExpr):
            targets = {node.target.id}
    return any(target and re.search(rf"\b{re.escape(target)}\b", place.text) for target in targets) or (
        any(target and target in frame.f_locals and frame.f_locals[target] is None for target in targets)
    )


def _out_of_range(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """A function refuses numbers: they are nan, or they are no probabilities."""
    if any(reason.cause in ("nan", "inf", "diverged") for _, reason in judge.witness.reasons):
        return None  # that came first
    for name, value in frame.f_locals.items():
        birth = judge.witness.births.birth_of(value) if isinstance(value, Tensor) and is_bad(value._array) else None
        if birth is not None and re.search(rf"\b{name}\b", place.text):
            reason = of_birth(judge.witness, birth, name, "nan", judge.scope.names)
            reason.sentence = f"what is done {lies(place)} is refused: {reason.sentence}"
            return reason
    grown = divergence(judge.witness, list(judge.witness.roots.values()))
    if grown is not None:
        return grown
    if "between 0 and 1" not in str(error):
        return None
    return Reason(
        "not probabilities",
        f"the loss {lies(place)} wants probabilities, and gets numbers outside of 0 and 1.",
        "give it torch.sigmoid of the outputs, or use binary_cross_entropy_with_logits (BCEWithLogitsLoss), which takes them as "
        "they are",
        place,
    )


_KNOWN: list[tuple[str, Any]] = [
    ("found invalid values", _out_of_range),
    ("should be between 0 and 1", _out_of_range),
    ("probability tensor contains either", _out_of_range),
    ("because the input is not positive-definite", _out_of_range),
    ("object has no attribute 'backward'", _no_tensor),
    ("does not require grad and does not have a grad_fn", _no_history),
    ("backward through the graph a second time", _second),
    ("modified by an inplace operation", _changed_by_a_step),
    ("appears to not have been used in the graph", _unused),
    ("One of the differentiated Tensors does not require grad", _unused),
    ("Inference tensors cannot be saved for backward", _inference_saved),
    ("Inplace update to inference tensor", _inference_saved),
]
