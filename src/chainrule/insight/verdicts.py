"""What a witnessed run says about the gradients of a program: findings, each with its cause, line and remedy."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from ..engine import Node, is_own
from ..tensor import Tensor, gradient_edge, wrap
from .badnumbers import Culprit, is_bad, remedy_for
from .dataflow import Cut, Place, Run
from .explanation import shown_value
from .places import backward_place, place_in, return_of
from .reasons import CUTS, Diagnosis, Reason, lies, not_registered, place_of, remedy_of_block, returns_none
from .source import Source
from .syntax import simple_name, syntax_of
from .values import edges_of, reachable, record_of
from .witness import Break, Leaf, Position, Root, Step, Witness, parameters_of

GROWN = 1e3  # by this factor a loss has grown when numbers overflow: then the steps were too large


def place_at(position: Position) -> Place:
    """A position as a Place; of a function (offset -1), its first line, which is that of its first decorator."""
    code, lasti = position
    return place_in(code.co_filename, code.co_firstlineno) if lasti < 0 else place_of(Source(code, lasti))


def block_at(position: Position) -> Place:
    """The line that opens a block, without the block itself."""
    place = place_at(position)
    return place_in(place.file, place.line)


def line_at(position: Position) -> tuple[str, int]:
    place = place_at(position)
    return place.file, place.line


def expression_at(position: Position) -> Any:
    """The syntax of the expression at a position, and the file it is in."""
    source = Source(*position)
    syntax = syntax_of(source.file)
    return (None, None) if syntax is None else (syntax.expression(source), syntax)


def ancestors(position: Position) -> Iterator[ast.AST]:
    """The expression at a position, and what it stands in, innermost first."""
    node, syntax = expression_at(position)
    while node is not None:
        yield node
        node = syntax.parents.get(node)


# ---------------------------------------------------------------- while a backward call ends: numbers


def look_at_numbers(witness: Witness, root: Root, frame: FrameType, bad: bool, empty: list[Leaf], first: bool) -> None:
    """Notes why gradients are bad, or zero, and what is suspicious about the graph of a first backward call."""
    loss = witness.attempt[0][0]  # type: ignore[index]
    if first and not root.is_leaf:
        witness.reasons += suspicious(loss)
    if bad:
        witness.reasons.append(_why_bad(witness, root, loss, frame))
        return
    for leaf in empty:
        leaf.zero = _why_zero(witness, leaf, loss, frame)


def _diagnosis(witness: Witness, leaf: Leaf | None, loss: Tensor, frame: FrameType) -> Diagnosis:
    x = loss if leaf is None else leaf.tensor()
    asked = Diagnosis(x if x is not None else loss, loss, frame, asked=False)
    if leaf is not None:
        asked.name = leaf.name or "a leaf"
    call, _ = expression_at((frame.f_code, frame.f_lasti))
    receiver = call.func.value if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
    asked.loss_name = simple_name(receiver) or asked.loss_name
    asked.seed = witness.seed
    return asked


def _why_bad(witness: Witness, root: Root, loss: Tensor, frame: FrameType) -> tuple[str, Reason]:
    spoiled = [leaf for leaf, array in witness.given.items() if is_bad(array)]
    leaf = spoiled[0] if spoiled else None
    asked = _diagnosis(witness, leaf, loss, frame)
    loss_bad = is_bad(loss._array)
    name = asked.loss_name if loss_bad or leaf is None else f"{leaf.name or 'a leaf'}.grad"
    kind = "nan" if np.any(np.isnan(loss._array)) or any(np.any(np.isnan(witness.given[l])) for l in spoiled) else "inf"
    hooks = [hook for hook, made_bad in witness.zeroing if made_bad]
    grown = _divergence(witness, root)
    if grown is not None:
        return name, grown
    birth = witness.birth_of(loss) if loss_bad else None
    if birth is not None and birth.given is None:
        culprit = Culprit(birth.node, None, True, [i for i in birth.inputs if _is_value(i)])
        values = asked._values()
        place = place_at(birth.position)
        shown = _shown(culprit.inputs)
        remedy = remedy_for(culprit, values, birth.operation)
        return name, Reason(
            kind,
            f"{name} has {kind} in it because the result of {_public(birth.operation)} is not finite {lies(place)}{shown}.",
            remedy,
            place,
        )
    if birth is not None:
        return name, _bad_data(witness, birth, name, kind, asked)
    if not loss_bad and hooks:
        return name, _hook_reason(witness, hooks[0], name, f"has {kind} in it", kind)
    reason = asked._why_bad()
    custom = _custom_place(reason, asked)
    return name, custom or reason


def _is_value(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, float, int)) and not isinstance(value, bool)


def _shown(inputs: list) -> str:
    shown = [shown_value(np.asarray(i)) for i in inputs]
    return f", where its input is {' and '.join(shown)}" if shown else ""


def _public(operation: str) -> str:
    return operation.strip("_") or "an operation"


def _bad_data(witness: Witness, birth: Any, name: str, kind: str, asked: Diagnosis) -> Reason:
    """The bad numbers came in with a tensor."""
    place = place_at(birth.position)
    tensor = birth.given
    leaf = witness.leaves.get(id(tensor))
    what = (leaf.name if leaf is not None else None) or asked.scope.names.get(id(tensor)) or "its input"
    if leaf is not None and leaf.updates:
        update = place_at(leaf.update_at) if leaf.update_at is not None else place
        return Reason(
            "diverged",
            f"{name} has {kind} in it because {what} holds {shown_value(tensor._array)} since its update {lies(update)}.",
            "take smaller steps (a lower learning rate), or clip the gradient before the step",
            update,
        )
    made = made_at(what, birth.position) or place
    return Reason(
        kind,
        f"{name} has {kind} in it because {what}, made {lies(made)}, holds {shown_value(tensor._array)} already, when it is "
        f"used {lies(place)}.",
        "clean the data first: leave such rows out, or torch.nan_to_num",
        made,
    )


def _divergence(witness: Witness, root: Root) -> Reason | None:
    """Numbers that overflow after the loss has grown from step to step."""
    finite = [one for one in map(abs, root.losses) if np.isfinite(one)]
    updated = [leaf for leaf in witness.all_leaves if leaf.updates]
    swollen = [
        leaf for leaf in updated if (now := _largest(leaf)) is not None and not now < GROWN * max(leaf.largest, 1e-2)
    ]
    if len(finite) >= 3 and finite[-1] > GROWN * max(finite[0], 1e-3) and updated:
        grew = f"the loss grew from {finite[0]:.3g} to {finite[-1]:.3g} in {len(finite)} steps"
    elif swollen:
        leaf = swollen[0]
        grew = (
            f"{leaf.name or 'a parameter'} grew from {leaf.largest:.3g} to {_largest(leaf):.3g} in {leaf.updates} steps"
        )
    else:
        return None
    steps = [step for step in witness.optimizers.values() if step.at is not None]
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
        "too large.",
        "lower the learning rate, scale the inputs, or clip the gradient before the step",
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


def _why_zero(witness: Witness, leaf: Leaf, loss: Tensor, frame: FrameType) -> Reason | None:
    asked = _diagnosis(witness, leaf, loss, frame)
    exactly = not np.any(witness.given[leaf])
    hooks = [hook for hook, made_bad in witness.zeroing if not made_bad]
    values = asked._values()
    target = gradient_edge(asked.x)
    if values is None or not loss._array.size:
        return None
    if hooks and exactly:
        return _hook_reason(witness, hooks[0], f"{asked.name}.grad", "is 0", "zero")
    reason = asked.zero_reason(values, target, near=not exactly)
    if reason is None or reason.source is None or _is_natural(asked.culprit):
        return None
    return _custom_place(reason, asked) or reason


def _is_natural(node: Node) -> bool:
    """Whether a slope of 0 is simply what the numbers give: a product with a variable that is 0, a square at 0."""
    record = record_of(node)
    if record is None:
        return False
    if record.name in ("pow_number", "abs", "select", "index"):
        return True
    leaves = [e[0] for e in edges_of(node) if e is not None and isinstance(e[0], Tensor)]
    return record.name == "mul" and any(leaf._array.size == 1 and not np.any(leaf._array) for leaf in leaves)


def _hook_reason(witness: Witness, hook: Any, what: str, is_what: str, kind: str) -> Reason:
    registered = witness.hook_places.get(id(hook))
    code = getattr(hook, "__code__", None)
    place = None if code is None or is_own(code.co_filename) else return_of(code)
    place = place or (None if registered is None else place_at(registered))
    where = "" if place is None else f" {lies(place)}"
    since = "" if registered is None else f", registered {lies(place_at(registered))},"
    name = getattr(hook, "__name__", "a hook")
    return Reason(
        "hook",
        f"{what} {is_what} because the hook {name}{since} returns such a gradient{where}.",
        "let the hook return the gradient that it wants to go on, or None to leave it as it is; or remove it",
        place,
    )


def _custom_place(reason: Reason, asked: Diagnosis) -> Reason | None:
    """A finding about a custom Function's node, told of the Function's backward."""
    state = "is 0" if reason.cause == "zero" else f"has {reason.cause} in it"
    return None if asked.culprit is None else asked._custom(Culprit(asked.culprit, None, False, []), state)


_SAME_VALUES = ("view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "expand", "clone", "contiguous_copy", "to", "select", "slice", "alias", "copy", "cast")  # fmt: skip


def _maker(node: Node) -> Node | None:
    """The node behind the first input, past what only rearranges."""
    edge = next((e for e in edges_of(node) if e is not None), None)
    while edge is not None and not isinstance(edge[0], Tensor):
        record = record_of(edge[0])
        if record is None or not record.name.startswith(_SAME_VALUES):
            return edge[0]
        edge = next((e for e in edges_of(edge[0]) if e is not None), None)
    return None


def suspicious(loss: Tensor) -> list[tuple[str, Reason]]:
    """What a graph shows of losses that are given the wrong thing: probabilities for logits, or the other way round."""
    found = []
    for node in reachable(loss.grad_fn):
        record = record_of(node)
        if record is None:
            continue
        maker = _maker(node)
        made = None if maker is None else record_of(maker)
        if made is None or maker is None:
            continue
        if record.name == "log_softmax" and made.name == "softmax":
            place, again = place_of(maker), place_of(node)
            found.append(
                Reason(
                    "softmax twice",
                    f"the softmax {lies(place)} is taken a second time by the loss {lies(again)}: that flattens every "
                    "gradient.",
                    "give cross_entropy the logits, without softmax; or take nll_loss of log_softmax",
                    place,
                )
            )
        elif record.name.startswith("binary_cross_entropy_with_logits") and made.name == "sigmoid":
            place, again = place_of(maker), place_of(node)
            found.append(
                Reason(
                    "sigmoid twice",
                    f"the sigmoid {lies(place)} is taken a second time by the loss {lies(again)}: that flattens every "
                    "gradient.",
                    "give binary_cross_entropy_with_logits the logits, without sigmoid",
                    place,
                )
            )
        elif record.name.startswith("nll_loss") and made.name == "softmax":
            place = place_of(maker)
            found.append(
                Reason(
                    "not logarithms",
                    f"nll_loss {lies(place_of(node))} wants logarithms of probabilities, and gets the probabilities of the "
                    f"softmax {lies(place)}.",
                    "use log_softmax, or cross_entropy of the logits",
                    place,
                )
            )
    return [("loss", reason) for reason in found[:1]]


# ---------------------------------------------------------------- custom Functions

MOST_CHECKED = 64  # elements of an input that differences are taken of


def disagreement(kind: Any, arguments: tuple) -> str | None:
    """How a Function's backward differs from the slope of its forward; None where it agrees, or may differ on purpose.

    On purpose are: straight-through and surrogate gradients (where the forward has no slope), and a gradient that is
    reversed, scaled or clipped on its way through an identity.
    """
    from ..modes import enable_grad

    places = [i for i, a in enumerate(arguments) if isinstance(a, Tensor) and a._requires_grad]
    if not places or any(arguments[i]._array.size > MOST_CHECKED for i in places):
        return None

    def run(values: dict[int, np.ndarray]) -> Any:
        given = list(arguments)
        for i, value in values.items():
            given[i] = wrap(np.array(value, np.float64)).requires_grad_()
        with enable_grad():
            result = kind.apply(*given)
        return given, result

    try:
        start = {i: np.asarray(arguments[i]._array, np.float64) for i in places}
        given, result = run(start)
        if not isinstance(result, Tensor) or result._node is None or result._array.dtype != np.float64:
            return None
        weights = np.cos(np.arange(result._array.size) + 1.0).reshape(result._array.shape)
        slopes = run_backward(result, [given[i] for i in places], weights)
        again = run_backward(run(start)[1], None, 2 * weights)
        for i, slope, twice in zip(places, slopes, again):
            value = start[i]
            if any(np.shares_memory(result._array, given[i]._array) for i in places) or np.array_equal(
                result._array, value
            ):
                return None  # an identity: what its backward does is the reason that it is there
            differences = np.zeros_like(value)
            for index in np.ndindex(value.shape):
                step = 1e-6 * max(1.0, abs(float(value[index])))
                sides = []
                for sign in (1, -1):
                    moved = value.copy()
                    moved[index] += sign * step
                    sides.append(float((run({**start, i: moved})[1]._array * weights).sum()))
                differences[index] = (sides[0] - sides[1]) / (2 * step)
            if not np.all(np.isfinite(differences)):
                return None
            has_slope = np.abs(differences) > 1e-9
            if slope is None:
                return None
            wrong = has_slope & ~np.isclose(slope, differences, rtol=1e-2, atol=1e-4)
            if np.any(wrong):
                if twice is not None and not np.allclose(twice, 2 * slope, rtol=1e-3, atol=1e-6):
                    return "it does not multiply by the gradient that it is given"
                index = tuple(int(n[0]) for n in np.nonzero(wrong))
                return f"it gives {slope[index]:.4g} where the slope of forward is {differences[index]:.4g}"
    except Exception:
        return None  # the Function does not run on its own, or not on doubles: that says nothing about its backward
    return None


def run_backward(result: Tensor, inputs: Any, weights: np.ndarray) -> list:
    """The gradients of a Function's result, weighted, as arrays."""
    from ..autograd import grad

    if inputs is None:
        inputs = [edge for edge in result._node.edges if isinstance(edge, Tensor)]
    found = grad(result, inputs, wrap(weights), allow_unused=True)
    return [None if one is None else np.asarray(one._array) for one in found]


# ---------------------------------------------------------------- after the run


def made_at(name: str | None, before: Position) -> Place | None:
    """The last statement that bound a name in the text before a position, else the first anywhere in its file."""
    place = place_at(before)
    syntax = syntax_of(place.file)
    if syntax is None or not name:
        return None
    lines = sorted(_bindings(syntax, name))
    earlier = [line for line in lines if line <= place.line]
    chosen = earlier[-1] if earlier else (lines[0] if lines else None)
    return None if chosen is None else place_in(place.file, chosen)


def _bindings(syntax: Any, name: str) -> Iterator[int]:
    last = name.rpartition(".")[2]
    for node in ast.walk(syntax.tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        for target in targets:
            for one in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                text = simple_name(one)
                if text is not None and (text == name or text == f"self.{last}"):
                    yield node.lineno


def findings(witness: Witness, error: BaseException | None, name: str | None = None) -> list[tuple[str, Reason]]:
    """What went wrong in a run, most likely first; of one variable only, if it is named."""
    judge = Judge(witness, error)
    found = judge.all()
    if name is not None:
        found = [(n, r) for n, r in found if n.split(" ")[0] in (name, f"{name}.grad") or judge.concerns(n, r, name)]
    told: set = set()
    unique = []
    for who, reason in found:
        source = reason.source
        key = reason.cause, (source.file, source.line) if source is not None else who
        if key not in told:
            told.add(key)
            unique.append((who, reason))
    return unique


def _read_name(position: Position) -> str:
    """The name of what a `.grad` is read of at a position."""
    node, _ = expression_at(position)
    return simple_name(node.value) or "it" if isinstance(node, ast.Attribute) else "it"


class Judge:
    """One run, and what there is to say about it."""

    def __init__(self, witness: Witness, error: BaseException | None) -> None:
        self.witness, self.error = witness, error
        where = None if error is None else innermost(error)
        witness.name_leaves(None if where is None else where[0])
        self.in_optimizer = {
            witness.leaves[id(t)]: step
            for step in witness.optimizers.values()
            for t in parameters_of(step.optimizer)
            if id(t) in witness.leaves and witness.leaves[id(t)].tensor() is t
        }
        self._runs: dict[Position, Run] = {}
        self.who: dict[int, list[str]] = {}  # {id of a reason: all the names it is about}

    def concerns(self, name: str, reason: Reason, asked: str) -> bool:
        names = self.who.get(id(reason), [name])
        return any(one == asked or one.startswith((f"{asked}.", f"{asked}[")) for one in names)

    def all(self) -> list[tuple[str, Reason]]:
        found: list[tuple[str, Reason]] = []
        if self.error is not None:
            found += self.of_error()
        found += (
            self.witness.reasons[:1] if self.witness.reasons and self.witness.reasons[0][1].cause in _NUMBERS else []
        )
        found += [r for r in self.witness.reasons if r[1].cause in _NUMBERS][:1]
        found += self.unreached()
        found += self.steps_without_gradient()
        found += self.accumulated()
        found += self.replaced()
        found += self.updated_beside()
        found += self.of_optimizers()
        found += self.wrong_backwards()
        found += self.zeros()
        found += self.reads()
        found += [r for r in self.witness.reasons if r[1].cause not in _NUMBERS]
        return found

    # ---- leaves that no gradient came to

    def label(self, leaf: Leaf) -> str:
        if leaf.name is not None:
            return leaf.name
        hidden = self.witness.hidden.get(leaf)
        if hidden is not None:
            return f"{hidden[0].__name__}.{hidden[1]}"
        return f"a {'parameter' if leaf.is_parameter else 'leaf'} of {lies(place_at(leaf.position))[3:]}"

    def _grouped(self, reasons: Iterable[tuple[Leaf, Reason]]) -> list[tuple[str, Reason]]:
        """One finding for all leaves with the same cause."""
        groups: dict[tuple, tuple[list[Leaf], Reason]] = {}
        for leaf, reason in reasons:
            place = reason.source
            key = reason.cause, None if place is None else (place.file, place.line)
            groups.setdefault(key, ([], reason))[0].append(leaf)
        found = []
        for leaves, reason in groups.values():
            names = [self.label(leaf) for leaf in leaves]
            self.who[id(reason)] = names
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            found.append((names[0] + more, reason))
        return found

    def unreached(self) -> list[tuple[str, Reason]]:
        witness = self.witness
        if not witness.roots and witness.attempt is None:
            return []
        reached_tops = {_top(leaf) for leaf in witness.all_leaves if leaf.deliveries and leaf.name}
        forced = any(root.is_leaf for root in witness.roots.values())
        found = []
        for leaf in witness.all_leaves:
            if leaf.deliveries or leaf.asked:
                continue
            in_optimizer = leaf in self.in_optimizer and self.in_optimizer[leaf].steps > 0
            read = any(r.was_none and not _guarded(r.position) for r in leaf.reads) and bool(witness.roots)
            sibling = (
                not witness.optimizers and leaf.name is not None and leaf.is_parameter and _top(leaf) in reached_tops
            )
            if leaf.cuts and (in_optimizer or read or forced or sibling or not leaf.is_parameter):
                found.append((leaf, self.cut_reason(leaf, next(iter(leaf.cuts)))))
                continue
            late = self.late(leaf)
            if late is not None:
                found.append((leaf, late))
                continue
            none = self._none_returned(leaf)
            if none is not None:
                found.append((leaf, none))
                continue
            cut = self.static_cut(leaf)
            if cut is not None and (in_optimizer or read or forced or sibling or not leaf.is_parameter):
                found.append((leaf, self.cut_reason(leaf, cut)))
            elif in_optimizer or read:
                escape = self.likely_escape(leaf)
                if escape is not None:
                    found.append((leaf, self.cut_reason(leaf, escape)))
                elif read or self._learning_outside() or not _is_used_somewhere(leaf):
                    found.append((leaf, self.never_used(leaf, in_optimizer)))
        return self._grouped(found)

    def _none_returned(self, leaf: Leaf) -> Reason | None:
        """A custom Function on the way to the leaf that returns no gradient."""
        for kind in self.witness.functions_without_gradient if leaf.in_graph else ():
            place = backward_place(kind)
            if place is not None:
                return returns_none(self.label(leaf), kind, place)
        return None

    def wrong_backwards(self) -> list[tuple[str, Reason]]:
        """Custom Functions whose backward is not the derivative of their forward, where that cannot be meant."""
        found = []
        for kind, arguments in self.witness.calls.items():
            place = backward_place(kind)
            told = None if place is None else disagreement(kind, arguments)
            if told is not None and place is not None:
                found.append(
                    (
                        kind.__name__,
                        Reason(
                            "backward",
                            f"the backward of {kind.__name__}, which returns {lies(place)}, is wrong: {told}.",
                            "return the derivative times the gradient that backward is given; torch.autograd.gradcheck verifies it",
                            place,
                        ),
                    )
                )
        return found

    def cut_reason(self, leaf: Leaf, cut: Break) -> Reason:
        place = place_at(cut.position)
        what = self.label(leaf)
        if cut.kind in ("no_grad", "inference") and self._is_update(leaf, cut):
            doing, remedy = CUTS["update"]
            return Reason("update", f"{what}.grad is None because the assignment {lies(place)} {doing}.", remedy, place)
        doing, remedy = CUTS[cut.kind]
        block = None if cut.block is None else block_at(cut.block)
        if block is not None and cut.kind in ("no_grad", "inference"):
            return Reason(
                cut.kind,
                f"{what}.grad is None because its way to the loss is cut {lies(block)}: there recording is switched off, and "
                f"what is computed {lies(place)} has no history.",
                remedy_of_block(block, remedy),
                block,
            )
        return Reason(
            cut.kind,
            f"{what}.grad is None because its way to the loss is cut {lies(place)}: that {doing}.",
            remedy,
            place,
        )

    def _is_update(self, leaf: Leaf, cut: Break) -> bool:
        """Whether the cut is an assignment `w = w - lr * w.grad`, outside of recording."""
        for node in ancestors(cut.position):
            if isinstance(node, ast.Assign):
                uses = any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in ast.walk(node.value))
                names = {simple_name(n) for n in ast.walk(node.value) if isinstance(n, (ast.Name, ast.Attribute))}
                return uses and simple_name(node.targets[0]) in names
        return False

    def late(self, leaf: Leaf) -> Reason | None:
        """The leaf was told to require grad only after it had been used."""
        for position, reference in self.witness.turned_on.items():
            if reference() is leaf.tensor() is not None or (leaf.position == position):
                place = place_at(position)
                for root in self.witness.roots.values():
                    for cut in self.static_cuts(root):
                        if cut.kind == "late" and (cut.place.file, cut.place.line) == (place.file, place.line):
                            return self._late_reason(self.label(leaf), place)
        return None

    @staticmethod
    def _late_reason(name: str, place: Place) -> Reason:
        doing, remedy = CUTS["late"]
        return Reason(
            "late",
            f"{name}.grad is None because its way to the loss is cut {lies(place)}: that {doing}.",
            remedy,
            place,
        )

    def static_cuts(self, root: Root) -> list[Cut]:
        """The cuts that the program's text has on its way to what backward was called on."""
        run = self._runs.get(root.position)
        if run is None:
            run = self._runs[root.position] = Run(*root.call)
        call, _ = expression_at(root.position)
        if run.exhausted or not isinstance(call, ast.Call):
            return []
        receiver: Any = call.func.value if isinstance(call.func, ast.Attribute) else None
        expressions = [*call.args[:1]]
        if receiver is not None:
            expressions.insert(0, receiver)
        flows = [run.value(one, run.found).flows for one in expressions]
        return [cut for one in flows for cut in one.values() if cut is not None]

    def static_cut(self, leaf: Leaf) -> Break | None:
        """Where the leaf left the graph on its way to a loss: seen in the run, and found on the way in the text."""
        if not leaf.escapes:
            return None
        lines = {line_at(position): cut for position, cut in leaf.escapes.items()}
        for root in self.witness.roots.values():
            for cut in self.static_cuts(root):
                if (cut.place.file, cut.place.line) in lines:
                    return lines[cut.place.file, cut.place.line]
        if self.witness.attempt is not None and not self.witness.roots:
            return None
        return None

    def likely_escape(self, leaf: Leaf) -> Break | None:
        """A way out of the graph that was not only for printing."""
        serious = [cut for position, cut in leaf.escapes.items() if not _only_shown(position)]
        return serious[0] if serious else None

    def never_used(self, leaf: Leaf, in_optimizer: bool) -> Reason:
        name = self.label(leaf)
        made = made_at(leaf.name, leaf.position) or place_at(leaf.position)
        if in_optimizer:
            step = self.in_optimizer[leaf]
            others = self._learning_outside()
            if others:
                return self._wrong_parameters(step, others)
        return Reason(
            "never used",
            f"{name}.grad is None because {name}, made {lies(made)}, was not used to compute what backward was called on.",
            f"compute the loss from {name}, or check that this is the tensor you mean",
            made,
        )

    # ---- optimizers

    def _learning_outside(self) -> list[Leaf]:
        """Leaves that get gradients, that no optimizer has, and that nothing changes."""
        return [
            leaf
            for leaf in self.witness.all_leaves
            if leaf.nonzero
            and not leaf.updates
            and leaf not in self.in_optimizer
            and leaf.deliveries > leaf.clears // 2
        ]

    def updated_beside(self) -> list[tuple[str, Reason]]:
        """Leaves that `p = p - lr * p.grad` leaves as they were: it gives the name to a new tensor."""
        found = []
        for leaf in self.witness.all_leaves:
            if leaf.updates or leaf.deliveries < 2 or leaf in self.in_optimizer:
                continue
            for read in leaf.reads:
                name = _read_name(read.position)
                if _is_own_update(read.position, name) and any(
                    isinstance(n, ast.Assign) for n in ancestors(read.position)
                ):
                    place = place_at(read.position)
                    place = place_in(place.file, place.line)
                    doing = f"the assignment {lies(place)} gives the name {name} to a new tensor, and leaves the old one as it was"
                    remedy = f"update it in place under no_grad: with torch.no_grad(): {name} -= lr * {name}.grad"
                    found.append((leaf, Reason("update", f"{self.label(leaf)} never changes: {doing}.", remedy, place)))
                    break
        return self._grouped(found)

    def replaced(self) -> list[tuple[str, Reason]]:
        """Parameters that the program has given their names anew, after an optimizer was built from the old ones."""
        found = []
        outside = self._learning_outside()
        for step in self.witness.optimizers.values():
            if not step.missing or step.missing == step.steps:
                continue
            for leaf, one in self.in_optimizer.items():
                newer = [o for o in outside if o.shape == leaf.shape and o.number > leaf.number and _same_name(o, leaf)]
                if one is step and leaf.deliveries and newer:
                    place, made = place_at(newer[0].position), place_at(step.made)
                    name = self.label(newer[-1])
                    found.append(
                        (
                            newer[-1],
                            Reason(
                                "rebound",
                                f"{name} stops learning: it is given to a new tensor {lies(place)}, which the optimizer made "
                                f"{lies(made)} does not have.",
                                f"change it in place under no_grad: with torch.no_grad(): {name}.copy_(…), or {name}.clamp_(…)",
                                place,
                            ),
                        )
                    )
                    break
        return self._grouped(found)

    def _wrong_parameters(self, step: Step, others: list[Leaf]) -> Reason:
        made = place_at(step.made)
        names = ", ".join(dict.fromkeys(self.label(leaf) for leaf in others[:3]))
        replaced = self._replaced_at(others[0])
        since = "" if replaced is None or replaced == made else f" (assigned {lies(replaced)})"
        return Reason(
            "optimizer",
            f"the optimizer made {lies(made)} has parameters that the loss does not use, and those that it does use, {names}"
            f"{since}, are not among them.",
            "build the optimizer after the last change to the model, from the parameters of the model that is trained",
            made,
        )

    def _replaced_at(self, leaf: Leaf) -> Place | None:
        owner = (leaf.name or "").rpartition(".")[0]
        return made_at(owner, leaf.position) if owner else None

    def of_optimizers(self) -> list[tuple[str, Reason]]:
        witness = self.witness
        stepped = [step for step in witness.optimizers.values() if step.steps > 1]
        if not stepped:
            return []
        found: list[tuple[Leaf, Reason]] = []
        outside = self._learning_outside()
        for leaf in outside:
            hidden = witness.hidden.get(leaf)
            if hidden is not None:
                found.append((leaf, not_registered(self.label(leaf), leaf.tensor(), *hidden)))
        if found:
            return self._grouped(found)
        for leaf in outside:
            if leaf.deliveries < 2 or any(not _guarded(r.position) for r in leaf.reads):
                continue
            top = _top(leaf)
            module = witness.top_modules.get(top)
            alive: Any = None if module is None else module()
            if leaf.is_parameter:
                if alive is None or not getattr(alive, "training", False) or self._trained_in_part(top):
                    continue
            idle = [step for step in stepped if step.missing == step.steps]  # it was built from the wrong ones
            made = place_at((idle or stepped)[-1].made)
            name = self.label(leaf)
            found.append(
                (
                    leaf,
                    Reason(
                        "optimizer",
                        f"{name}.grad is there, but {name} will not change: the optimizer made {lies(made)} was not given it.",
                        f"pass it to the optimizer: add {name if not leaf.is_parameter else top + '.parameters()'} to its parameters",
                        made,
                    ),
                )
            )
        return self._grouped(found)

    def _trained_in_part(self, top: str) -> bool:
        """Whether an optimizer has some of a module's parameters: then it was chosen to leave the others out."""
        return any(_top(leaf) == top for leaf in self.in_optimizer)

    def steps_without_gradient(self) -> list[tuple[str, Reason]]:
        found = []
        for step in self.witness.optimizers.values():
            if not step.steps or step.empty < step.steps or step.at is None:
                continue
            at = place_at(step.at)
            if step.cleared_at is not None:
                cleared = place_at(step.cleared_at)
                found.append(
                    (
                        "optimizer",
                        Reason(
                            "cleared",
                            f"the step {lies(at)} finds no gradients: they were cleared {lies(cleared)}, after the backward "
                            "and before the step.",
                            "clear gradients before backward: zero_grad(), backward(), step(), in this order",
                            cleared,
                        ),
                    )
                )
            elif (
                step.missing == step.steps
                and not self._learning_outside()
                and any(leaf.deliveries for leaf, one in self.in_optimizer.items() if one is step)
            ):
                found.append(
                    (
                        "optimizer",
                        Reason(
                            "no backward",
                            f"the step {lies(at)} finds no gradients: the backward comes only after it.",
                            "call loss.backward() before each step, inside the loop",
                            at,
                        ),
                    )
                )
            elif not self.witness.roots and self.error is None:
                found.append(
                    (
                        "optimizer",
                        Reason(
                            "no backward",
                            f"the step {lies(at)} finds no gradients: no backward has been called.",
                            "call loss.backward() before the step",
                            at,
                        ),
                    )
                )
        return found

    def accumulated(self) -> list[tuple[str, Reason]]:
        found = []
        for leaf in self.witness.all_leaves:
            name = self.label(leaf)
            clear = "optimizer.zero_grad()" if leaf in self.in_optimizer else f"{name}.grad = None"
            if leaf.accumulated is not None:
                position, update = leaf.accumulated
                place = place_at(position)
                used = "" if update is None else f" {lies(place_at(update))}"
                found.append(
                    (
                        leaf,
                        Reason(
                            "accumulated",
                            f"{name}.grad accumulates: the backward {lies(place)} adds to a gradient that the update{used} "
                            "has used already, and nothing clears it in between.",
                            f"clear it before each backward: {clear}",
                            place,
                        ),
                    )
                )
                continue
            if leaf.clears or leaf.updates or self.witness.optimizers:
                continue
            sums = [s for s in leaf.sums if not s.retained]
            between = [s for s in sums if any(not r.was_none and r.tick < s.tick for r in leaf.reads) and any(r.tick > s.tick for r in leaf.reads)]  # fmt: skip
            repeated = [s for s in sums if s.repeats and s.position == s.before]
            if between or repeated:
                place = place_at((between or repeated)[-1].position)
                found.append(
                    (
                        leaf,
                        Reason(
                            "accumulated",
                            f"{name}.grad is the sum of the gradients of several backward calls, the last {lies(place)}: each "
                            "adds to what is there, and nothing cleared it in between.",
                            f"clear it before each backward: {clear}",
                            place,
                        ),
                    )
                )
        return self._grouped(found)

    # ---- zero, and read where it is not

    def zeros(self) -> list[tuple[str, Reason]]:
        return self._grouped(
            (leaf, leaf.zero)
            for leaf in self.witness.all_leaves
            if leaf.zero is not None and (not leaf.nonzero or leaf.zero.cause == "vanishing")
        )

    def reads(self) -> list[tuple[str, Reason]]:
        """Gradients that the program reads and that are not there, though nothing failed."""
        witness = self.witness
        found: list[tuple[str, Reason]] = []
        if not witness.roots:
            return []
        for position, (reference, made) in witness.reads_of_results.items():
            tensor = reference()
            if _guarded(position):
                continue
            if made is None:
                if tensor is None or tensor._requires_grad:
                    continue
                if not witness.flows_of(tensor) and any(
                    not r.was_none for leaf in witness.all_leaves for r in leaf.reads
                ):
                    continue  # data, next to tensors that do have gradients: it is shown on purpose
            reason = self.no_gradient(tensor, position, made)
            if reason is not None:
                found.append((_read_name(position), reason))
        for leaf in witness.all_leaves:
            if leaf.deliveries and leaf.reads and all(r.was_none for r in leaf.reads) and leaf not in self.in_optimizer:
                last = leaf.reads[-1]
                if _guarded(last.position) or leaf.cleared_last is not None:
                    continue
                place = place_at(last.position)
                found.append(
                    (
                        self.label(leaf),
                        Reason(
                            "read too early",
                            f"{self.label(leaf)}.grad is None when it is read {lies(place)}: the backward comes later.",
                            "read .grad after backward()",
                            place,
                        ),
                    )
                )
        return found

    def no_gradient(self, tensor: Tensor | None, position: Position, made: Position | None) -> Reason | None:
        """Why a tensor that is no leaf, or requires no grad, has no gradient."""
        name = _read_name(position)
        read = place_at(position)
        if made is not None:
            place = place_at(made)
            if _is_own_update(made, name):
                return Reason(
                    "not a leaf",
                    f"{name}.grad is None when it is read {lies(read)}: the update {lies(place)} makes a new tensor, "
                    "which is computed and so is not a leaf.",
                    f"update it in place under no_grad: with torch.no_grad(): {name} -= lr * {name}.grad",
                    place,
                )
            inside = _made_of_a_nameless_leaf(made, tensor)
            if inside:
                return Reason(
                    "not a leaf",
                    f"{name}.grad is None because {name} is not a leaf: it is computed {lies(place)}, from a leaf that has no "
                    "name.",
                    f"make the leaf last: {name} = (…).detach().requires_grad_(), or give requires_grad=True to the final tensor",
                    place,
                )
            return Reason(
                "not a leaf",
                f"{name}.grad is None because {name} is not a leaf: it was computed {lies(place)}, and only leaves keep their "
                "gradient.",
                f"call {name}.retain_grad() before backward(), or look inside with chainrule.record_grads(); if {name} is to be "
                f"trained, make it the leaf: {name} = (…).detach().requires_grad_()",
                place,
            )
        if tensor is None:
            return None
        flows = self.witness.flows_of(tensor)
        cuts = [cut for cut in flows.values() if cut is not None]
        if cuts:
            cut = cuts[0]
            doing, remedy = CUTS[cut.kind]
            place = place_at(cut.position)
            if cut.kind == "no_grad" and _is_own_update(cut.position, name):
                doing, remedy = CUTS["update"]
            elif cut.block is not None and cut.kind in ("no_grad", "inference"):
                place = block_at(cut.block)
            return Reason(
                cut.kind if doing is not CUTS["update"][0] else "update",
                f"{name}.grad is None because {name} does not require grad: what is done {lies(place)} {doing}.",
                remedy,
                place,
            )
        made_place = made_at(name, position) or read
        if tensor._array.dtype.kind in "iub":
            return Reason(
                "integer",
                f"{name}.grad is None because {name}, made {lies(made_place)}, holds {tensor.dtype}: only floating-point "
                "tensors have gradients.",
                "write its numbers with a decimal point, or give dtype=torch.float32",
                made_place,
            )
        return Reason(
            "no requires_grad",
            f"{name}.grad is None because {name}, made {lies(made_place)}, does not require grad.",
            f"make it with requires_grad=True, or call {name}.requires_grad_() before the computation",
            made_place,
        )

    name_read = staticmethod(_read_name)

    # ---- a program that failed

    def of_error(self) -> list[tuple[str, Reason]]:
        from .failures import reason_of

        assert self.error is not None
        reason = reason_of(self, self.error)
        return [(type(self.error).__name__, reason)]


_NUMBERS = ("nan", "inf", "diverged", "backward", "hook")


def _top(leaf: Leaf) -> str:
    """The variable that a leaf's name begins with: model, of model[0].weight."""
    return (leaf.name or "").partition(".")[0].partition("[")[0]


def _is_used_somewhere(leaf: Leaf) -> bool:
    """Whether the program's text uses the attribute of a module that holds a leaf, though this run did not."""
    parts = [part.partition("[")[0] for part in (leaf.name or "").split(".")[1:-1]]
    syntax = syntax_of(place_at(leaf.position).file)
    if not parts or syntax is None:
        return True
    used = {n.attr for n in ast.walk(syntax.tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    texts = {n.value for n in ast.walk(syntax.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return (
        parts[0] in used
        or any(name.startswith(("getattr", "setattr")) for name in texts)
        or any(
            isinstance(n, ast.Call) and getattr(n.func, "id", "") in ("getattr", "setattr")
            for n in ast.walk(syntax.tree)
        )
    )


def _same_name(one: Leaf, other: Leaf) -> bool:
    return one.name == other.name or one.name is None or other.name is None


def _only_shown(position: Position) -> bool:
    """Whether the value at a position is only printed, formatted, or kept in a log."""
    for node in ancestors(position):
        if isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
            return True
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("print", "format", "write", "info", "debug", "add_scalar", "log", "set_postfix", "update", "set_description"):  # fmt: skip
                return True
        if isinstance(node, (ast.If, ast.While, ast.Compare)):
            return True
        if isinstance(node, ast.stmt):
            return False
    return False


def _guarded(position: Position) -> bool:
    """Whether a `.grad` is read to ask whether it is there."""
    inner: ast.AST | None = None
    for node in ancestors(position):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)) for op in node.ops
        ):
            if any(isinstance(c, ast.Constant) and c.value is None for c in (node.left, *node.comparators)):
                return True
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and inner is node.test:
            return True
        if isinstance(node, (ast.BoolOp, ast.Assert)) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return True
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("hasattr", "getattr", "isinstance", "bool"):
            return True
        if isinstance(node, ast.stmt):
            return False
        inner = node
    return False


def _is_own_update(made: Position, name: str) -> bool:
    """Whether a value is made as in `w = w - lr * w.grad`, an update that should have been in place."""
    for node in ancestors(made):
        if isinstance(node, ast.stmt):
            break
        used = {simple_name(n) for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}
        if any(text is not None and f"{text}.grad" in used for text in used):
            return True
        above = next(islice(ancestors(made), 1, 2), None)
        if isinstance(above, ast.Assign) and simple_name(above.targets[0]) == name and name in used:
            return True
    return False


def _made_of_a_nameless_leaf(made: Position, tensor: Tensor | None) -> bool:
    if tensor is None or tensor._node is None:
        return False
    order = reachable(tensor._node)
    leaves = {id(e) for n in order for e in n.edges if isinstance(e, Tensor)}
    lines = {Source(n.code, n.lasti).line for n in order}
    text = place_at(made).text
    return len(leaves) == 1 and len(lines) == 1 and "requires_grad" in text


def innermost(error: BaseException) -> tuple[FrameType, int] | None:
    """The innermost frame of the program itself in which an error passed, and its instruction."""
    traceback: TracebackType | None = error.__traceback__
    found = None
    prefixes = (sys.prefix, sys.base_prefix)
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not is_own(file) and not (
            file.startswith(prefixes) or "site-packages" in file or file.startswith("<frozen")
        ):
            found = traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next
    return found
