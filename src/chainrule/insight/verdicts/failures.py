"""Why a program failed: errors of autograd and optimizers, and of using a gradient that is not there."""

from __future__ import annotations

import ast
import re
from types import FrameType
from typing import Any

from ...engine import Freed
from ...tensor import Tensor
from ..answers.question import call_in
from ..cuts import CUTS
from ..dataflow import Place
from ..holders import modules_of
from ..places import (
    Position,
    ancestors,
    attribute_line,
    backward_place,
    bindings,
    expression_at,
    lies,
    line_at,
    made_at,
    place_at,
    place_in,
    place_of,
)
from ..reasons import Reason, not_registered, not_scalar
from ..source import Source
from ..syntax import simple_name, syntax_of
from ..used_graphs import noted, of_overwriting, used_up
from ..values import reachable
from ..witness.notes import Break, Leaf, Root, parameters_of
from .judge import Judge, innermost
from .reads import no_gradient
from .unreached import cut_of_leaf, likely_escape, never_used, static_cut, turned_on_late
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
    name = _receiver_name(position)
    cuts: dict[Break, list[Leaf]] = {}
    for leaf, cut in flows.items():
        if cut is not None:
            cuts.setdefault(cut, []).append(leaf)
    start = f"{name} does not require grad, because"
    frozen = _frozen_since(judge, position, start)
    if frozen is not None:
        return frozen
    if cuts:
        cut = min(cuts, key=lambda c: (-len(cuts[c]), cuts[c][0].number))
        return _of_cut(judge, cut, cuts[cut], start)
    # what left the graph as numbers or arrays, on the way that the text shows
    escaped = {cut: leaf for leaf in witness.histories.all_leaves for cut in leaf.escapes.values()}
    lines = {line_at(cut.position): cut for cut in escaped}
    for written in judge.static_cuts(Root(position, call_in(frame))):
        known = lines.get((written.place.file, written.place.line))
        if known is not None:
            return _of_cut(judge, known, [escaped[known]], start)
    serious = [one for one in escaped if not only_shown(one.position)]
    if serious:
        return _of_cut(judge, serious[-1], [escaped[serious[-1]]], start)
    learning = [
        leaf for leaf in witness.histories.all_leaves if (held := leaf.tensor()) is not None and held._requires_grad
    ]
    trained = [p for step in witness.gradients.optimizers.values() for p in parameters_of(step.optimizer)]
    if witness.gradients.frozen and not (any(p._requires_grad for p in trained) if trained else learning):
        cause = place_at(list(witness.gradients.frozen)[-1])
        return Reason(
            "requires_grad_false",
            f"{start} nothing that it was computed from does: requires_grad was set to False {lies(cause)}.",
            "leave requires_grad=True for the parameters that are to be trained, such as those of the last layer",
            cause,
        )
    for root in roots:
        if isinstance(root, Tensor):
            late = _turned_on_late(judge, position, name, frame)
            if late is not None:
                return late
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
    wanted = _wanted(frame.f_code.co_filename)
    if wanted is None:
        return None
    return Reason(
        "no requires_grad",
        f"{name}.backward() fails: nothing that {name} was computed from requires grad, also not the tensor made "
        f"{lies(wanted)}.",
        "make it with requires_grad=True",
        wanted,
    )


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
            name = _receiver_name(position)
            start = f"{name} has no backward: it is no tensor but {'a ' + kind[1] if kind is not None else 'a number'}, because"
            return _of_cut(judge, known[0], [known[1]], start)
    return None


def _frozen_since(judge: Judge, position: Position, start: str) -> Reason | None:
    """The same backward has worked before, and what it went to has been frozen since."""
    earlier, frozen = judge.witness.roots.get(position), judge.witness.gradients.frozen
    if earlier is None or not frozen:
        return None
    reached = [leaf for leaf, cut in earlier.flows.items() if cut is None]
    if not any((held := leaf.tensor()) is not None and not held._requires_grad for leaf in reached):
        return None
    cause = place_at(list(frozen)[-1])
    return Reason(
        "requires_grad_false",
        f"{start} requires_grad of what the same backward went to before, such as {judge.label(reached[0])}, was set to False "
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
    lines = {line_at(p) for p in judge.witness.gradients.turned_on}
    for cut in judge.static_cuts(Root(position, call_in(frame))):
        if cut.kind == "late" and (cut.place.file, cut.place.line) in lines:
            doing, remedy = CUTS["late"]
            return Reason(
                "late", f"{name} does not require grad: what is done {lies(cut.place)} {doing}.", remedy, cut.place
            )
    return None


def _receiver_name(position: Position) -> str:
    """What backward, or grad, was called on, as the program calls it."""
    _, syntax = expression_at(position)
    call = next((node for node in ancestors(position) if isinstance(node, ast.Call)), None)
    if call is None:
        return "the result"
    if isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
        name = simple_name(call.func.value)
        if name is not None and name not in syntax.modules and not name.endswith("autograd"):
            return name
    return (simple_name(call.args[0]) if call.args else None) or "the result"


def _wanted(file: str) -> Place | None:
    """Where the program makes the tensor whose `.grad` it uses."""
    syntax = syntax_of(file)
    if syntax is None:
        return None
    for node in ast.walk(syntax.tree):
        if isinstance(node, ast.Attribute) and node.attr == "grad":
            name = simple_name(node.value)
            lines = [] if name is None else sorted(bindings(syntax, name))
            if lines:
                return place_in(file, lines[0])
    return None


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
    return used_up(_receiver_name(position), order, shared, place)


def _is_at(node: Any, place: Place) -> bool:
    source = Source(node.code, node.lasti)
    return (source.file, source.line, source.text) == place


def _value_overwritten(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """A value that backward needs was overwritten."""
    return of_overwriting(error)


def _leaf_written(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason:
    return Reason(
        "in-place",
        f"a leaf that requires grad is overwritten {lies(place)}, while recording is on.",
        "update it under no_grad: with torch.no_grad(): w -= lr * w.grad; to compute with a changed copy, clone() it first",
        place,
    )


def _not_scalar(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    witness = judge.witness
    if witness.attempt is None:
        return None
    roots, _, position = witness.attempt
    name = _receiver_name(position)
    size = roots[0]._array.size if isinstance(roots[0], Tensor) else 0
    made = None
    if isinstance(roots[0], Tensor) and roots[0]._node is not None:
        made = place_of(roots[0]._node)
    return not_scalar(name, size, made, made_at(name, position) or place)


def _unused(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """autograd.grad asks for the gradient of what the result was not computed from."""
    witness = judge.witness
    if witness.attempt is None:
        return None
    _, flows, position = witness.attempt
    call, _ = expression_at(position)
    inputs = call.args[1] if isinstance(call, ast.Call) and len(call.args) > 1 else None
    index = re.search(r"index (\d+)", str(error))
    chosen = inputs
    if isinstance(inputs, (ast.List, ast.Tuple)) and index is not None and int(index[1]) < len(inputs.elts):
        chosen = inputs.elts[int(index[1])]
    name = simple_name(chosen) or "an input"
    for leaf, cut in flows.items():
        if cut is not None and (leaf.name == name or leaf.tensor() is _value(frame, name)):
            return _of_cut(judge, cut, [leaf], f"the gradient of {name} is missing, because")
    made = made_at(name, position) or place
    return Reason(
        "never used",
        f"the gradient of {name} is asked for {lies(place)}, but {name}, made {lies(made)}, was not used to compute the result.",
        f"compute the result from {name}, or pass allow_unused=True if that is meant",
        made,
    )


def _value(frame: FrameType, name: str) -> Any:
    return frame.f_locals.get(name, frame.f_globals.get(name))


def _no_parameters(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason:
    judge.witness.look_into_modules(frame)
    for hidden in judge.witness.hidden.values():
        reason = not_registered("", hidden)
        if reason.source is not None:
            sentence = f"the optimizer made {lies(place)} gets no parameters:{reason.sentence.partition(':')[2]}"
            return Reason(reason.cause, sentence, reason.remedy, reason.source)
    for module in modules_of(frame):
        for attribute, value in vars(module).items():
            where = attribute_line(type(module), attribute) if isinstance(value, Tensor) else None
            if where is not None:
                return Reason(
                    "not registered",
                    f"the optimizer made {lies(place)} gets no parameters: {type(module).__name__} keeps a plain tensor "
                    f"{lies(where)}, which is no parameter.",
                    f"make it a parameter: self.{attribute} = torch.nn.Parameter(…)",
                    where,
                )
    return Reason(
        "optimizer",
        f"the optimizer made {lies(place)} gets no parameters: what it is given is empty (a generator that was used up, or a "
        "module without parameters).",
        "give it model.parameters() anew, or a list of the tensors",
        place,
    )


def _non_leaf_parameter(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason:
    made = place
    for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, Tensor) and one._node is not None and not one.retains_grad:
                made = place_of(one._node)
                break
    return Reason(
        "not a leaf",
        f"the optimizer made {lies(place)} is given a tensor that is not a leaf: it is computed {lies(made)}.",
        "make the leaf last: w = (…).detach().requires_grad_(), or give requires_grad=True to the final tensor",
        made,
    )


def _numpy_refused(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason:
    return Reason(
        "numpy",
        f"what is done {lies(place)} leaves torch for NumPy with a tensor that requires grad.",
        "use the torch function instead of NumPy's where the gradient matters; x.detach().numpy() to look or to plot",
        place,
    )


def _integer_leaf(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason:
    return Reason(
        "integer",
        f"what is made {lies(place)} holds integers: only floating-point tensors have gradients.",
        "write its numbers with a decimal point, or give dtype=torch.float32",
        place,
    )


def _wrong_function(judge: Judge, error: BaseException, frame: FrameType, place: Place) -> Reason | None:
    """A custom Function's backward gives gradients of the wrong number or shape."""
    kind = re.search(r"(\w+)Backward", str(error))
    for one in judge.witness.calls:
        if kind is not None and one.__name__ == kind[1]:
            where = backward_place(one)
            if where is not None:
                return Reason(
                    "backward",
                    f"the backward of {one.__name__} gives the wrong gradients {lies(where)}: {error}.",
                    "return one gradient for each input of forward, of that input's shape; None for what has no gradient",
                    where,
                )
    return None


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


_KNOWN: list[tuple[str, Any]] = [
    ("object has no attribute 'backward'", _no_tensor),
    ("does not require grad and does not have a grad_fn", _no_history),
    ("backward through the graph a second time", _second),
    ("modified by an inplace operation", _value_overwritten),
    ("a leaf Variable that requires grad", _leaf_written),
    ("a view of a leaf Variable that requires grad", _leaf_written),
    ("implicitly created only for scalar outputs", _not_scalar),
    ("appears to not have been used in the graph", _unused),
    ("One of the differentiated Tensors does not require grad", _unused),
    ("optimizer got an empty parameter list", _no_parameters),
    ("can't optimize a non-leaf Tensor", _non_leaf_parameter),
    ("Can't call numpy() on Tensor that requires grad", _numpy_refused),
    ("floating point and complex dtype can require gradients", _integer_leaf),
    ("floating point dtype can require gradients", _integer_leaf),
    ("returned an incorrect number of gradients", _wrong_function),
    ("returned an invalid gradient at index", _wrong_function),
    ("Inference tensors cannot be saved for backward", _inference_saved),
    ("Inplace update to inference tensor", _inference_saved),
]
