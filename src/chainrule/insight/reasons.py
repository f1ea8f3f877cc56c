"""`chainrule.why`: why a gradient is missing, zero, nan, accumulated or stale, in a sentence with the line and the remedy."""

from __future__ import annotations

import ast
import functools
import linecache
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from .. import graph_errors
from ..engine import Freed, Node, SavedTensor
from ..tensor import Tensor, gradient_edge
from .badnumbers import SECOND_WHERE, STEPS, ZEROS, Culprit, first_bad, first_zero, is_bad, may_stop, remedy_for, walk
from .dataflow import Cut, Origin, Place, Run, Value
from .explanation import shown_value
from .holders import modules_of, unregistered
from .names import Scope, caller, target_name
from .places import attribute_line, backward_place, place_in, return_of
from .source import Source, short_path
from .syntax import simple_name, syntax_of
from .values import Edge, Unknown, Values, edges_of, freed_at, operand_of, reachable, record_of, same

# {kind of cut: (what happens there, what to do)}
CUTS = {
    "detach": ("takes it out of the graph", "remove the detach(), or detach only what is to get no gradient"),
    "data": ("goes through .data, which hides it from autograd", "use the tensor itself instead of its .data"),
    "item": (
        "turns it into a Python number",
        "keep the tensor in the computation, and call .item() only to print or log",
    ),
    "number": (
        "turns it into a Python number",
        "use the torch function on the tensor, and float() only to print or log",
    ),
    "numpy": ("leaves torch for NumPy, where nothing is recorded", "use the torch function instead of NumPy's"),
    "remade": (
        "copies the numbers into a new tensor without history",
        "use the tensor itself; for a list of tensors torch.stack or torch.cat",
    ),
    "integer": ("casts it to an integer or bool type, which has no gradient", "keep it in floating point"),
    "argmax": ("takes positions, which have no gradient", "use the values: softmax as a smooth argmax, or gather"),
    "comparison": (
        "compares, and a comparison has no gradient",
        "use a smooth stand-in such as torch.sigmoid(x - threshold)",
    ),
    "index": (
        "uses it as an index, which has no gradient",
        "weight the choices, for instance with softmax, instead of choosing",
    ),
    "sample": (
        "draws at random, which has no gradient",
        "use the reparameterization: mean + std * noise, or rsample()",
    ),
    "no_grad": ("is computed where recording is switched off", "move it out of the block"),
    "requires_grad_false": ("switches its gradient off", "remove requires_grad_(False), or do it to a detached copy"),
    "late": (
        "makes it require grad only after it was used",
        "set requires_grad before the computation, or compute the loss again",
    ),
    "gradient": (
        "is a gradient, whose own computation was not recorded",
        "pass create_graph=True to grad() or backward()",
    ),
    "undifferentiable": ("has no gradient", "use an operation that has one"),
    "inference": (
        "is computed in inference mode, where nothing is recorded",
        "move it out of inference_mode",
    ),
    "update": (
        "gives its name to a new tensor, computed where nothing is recorded, that does not require grad",
        "update it in place under no_grad: w -= lr * w.grad, or w.copy_(…)",
    ),
    "checkpoint": (
        "computes it in a reentrant checkpoint, none of whose inputs requires grad",
        "pass use_reentrant=False to checkpoint, or give it an input that requires grad",
    ),
    "copied": ("makes a copy that is another tensor", "use the tensor itself, not the copy"),
    "parameter": ("makes a new leaf of it", "use the tensor itself; a Parameter starts a history of its own"),
}


@dataclass
class Reason:
    """Why a gradient is what it is: print it. `ok` if nothing is wrong.

    `cause` is one word or two ("detach", "not a leaf", "nan", ...), `source` the place in the program (`file`, `line`,
    `text`) or None, `remedy` what to do about it, `sentence` all of it in a sentence.
    """

    cause: str
    sentence: str
    remedy: str = ""
    source: Place | None = None

    @property
    def ok(self) -> bool:
        return self.cause == ""

    def __str__(self) -> str:
        return f"{self.sentence}\nRemedy: {self.remedy}." if self.remedy else self.sentence

    __repr__ = __str__


def why(x: Tensor, loss: Tensor | None = None) -> Reason:
    """Why is `x.grad` None, zero, nan, infinite, accumulated or stale, or why does ``loss.backward()`` fail?

    Looks at the recorded graph, the numbers in it, and the text of the calling program. Without `loss`, the last tensor
    on which the program called backward, if it can be found. Changes nothing: no hook runs, nothing is freed.

    Raises:
        TypeError: `x` or `loss` is not a Tensor.
    """
    for name, value in (("x", x), ("loss", loss)):
        if not isinstance(value, Tensor) and not (name == "loss" and value is None):
            raise TypeError(f"why(): {name} must be a Tensor, not {type(value).__name__}")
    return Diagnosis(x, loss, caller(2)).reason()


def call_in(frame: FrameType) -> tuple[str, Any, str, list[tuple[str, int]]]:
    """The call that a frame is making, as `Run` takes it: file, (line, column), function, and the calls that led there."""
    call = Source(frame.f_code, frame.f_lasti)
    stack: list[tuple[str, int]] = []
    outer = frame.f_back
    inner = frame
    while outer is not None and inner.f_code.co_name != "<module>":
        stack.insert(0, (outer.f_code.co_filename, outer.f_lineno))
        inner, outer = outer, outer.f_back
    return call.file, (call.line, call.column), frame.f_code.co_qualname, stack


def run_to(frame: FrameType) -> Run:
    """An abstract run of the program up to the call that a frame is making."""
    return Run(*call_in(frame))


def place_of(source: Source | Node) -> Place:
    """The place of a node or a source as a Place."""
    if isinstance(source, Node):
        source = Source(source.code, source.lasti)
    syntax = syntax_of(source.file)
    target = None if syntax is None else syntax.expression(source)
    if isinstance(getattr(target, "ctx", None), ast.Store):  # a write: it is the whole statement that does it
        return Place(source.file, source.line, linecache.getline(source.file, source.line).strip())
    return Place(source.file, source.line, source.text)


def lies(place: Place) -> str:
    """at FILE:LINE: `text`"""
    return f"at {short_path(place.file)}:{place.line}" + (f": `{place.text}`" if place.text else "")


def remedy_of_block(block: Place, remedy: str) -> str:
    """What to do about what switches recording off, a with block if nothing better is known."""
    if "checkpoint(" in block.text:
        return CUTS["checkpoint"][1]
    if "inference_mode" in block.text and not block.text.startswith("@"):
        return CUTS["inference"][1]
    if block.text.startswith("@"):
        return "take the decorator away, or call the function inside torch.enable_grad()"
    if "set_grad_enabled" in block.text and not block.text.startswith("with"):
        return "switch recording on again before it, with torch.set_grad_enabled(True), or use a with block, which does so itself"
    return remedy


class Diagnosis:
    """One question about one tensor."""

    seed: Any = None  # the gradient that backward was given, if it was

    def __init__(self, x: Tensor, loss: Tensor | None, frame: FrameType, asked: bool = True) -> None:
        """`asked`: the frame is at a call of `why` with this tensor, rather than anywhere."""
        self.x, self.frame = x, frame
        self.scope = Scope(frame)
        arguments = self.scope.argument_texts() if asked else []
        self.x_text: ast.expr | None
        self.loss_text: ast.expr | None
        self.x_text, self.loss_text = (
            (arguments[0], arguments[1] if len(arguments) > 1 else None) if arguments else (None, None)
        )
        self.name = simple_name(self.x_text) or self.scope.names.get(id(x)) or "x"
        self.guessed = loss is None
        self.loss: Any = self._last_loss() if loss is None else loss
        self.loss_name = (
            simple_name(self.loss_text)
            or (self.scope.names.get(id(self.loss)) if self.loss is not None else None)
            or "loss"
        )

    @functools.cached_property
    def run(self) -> Run:
        return run_to(self.frame)

    def _last_loss(self) -> Tensor | None:
        """The tensor on which the program called backward last, as far as a name still leads to it; rather one that was
        computed from x."""
        found = list(self._losses())
        own = (loss for loss in found if loss.requires_grad and _leads(loss, gradient_edge(self.x)))
        return next(own, found[0] if found else None) if self.x.requires_grad else next(iter(found), None)

    def _losses(self) -> Iterator[Tensor]:
        for event in reversed(self.run.events):
            if event.kind == "backward" and isinstance(event.call, ast.Call):
                receiver = event.call.func.value if isinstance(event.call.func, ast.Attribute) else None
                if receiver is not None and event.value.flows == {} and event.call.args:
                    receiver = event.call.args[0]
                name = simple_name(receiver)
                value = None if name is None else self.scope.look_up(name)
                if isinstance(value, Tensor):
                    yield value

    # ---- the order of questions

    def reason(self) -> Reason:
        x, loss = self.x, self.loss
        error = self._of_error(sys.exc_info()[1])
        if error is not None:
            return error
        if loss is not None:
            failing = self._why_backward_fails()
            if failing is not None:
                return failing
        if loss is not None and is_bad(loss._array):
            return self._why_bad()
        if x._grad is None:
            return self._why_none()
        if is_bad(x._grad._array):
            return self._why_bad()
        if loss is not None:
            wrong = self._why_another()
            if wrong is not None:
                return wrong
        if not np.any(x._grad._array):
            return self._why_zero()
        return self._all_is_well()

    def _of_error(self, error: BaseException | None) -> Reason | None:
        """What an error of autograd's knows: it is in its notes."""
        if not isinstance(error, RuntimeError):
            return None
        if "backward through the graph a second time" in str(error):
            used = noted(error, "the graph was freed by the backward")
            where = "" if used is None else f" by the backward {lies(used)}"
            return Reason(
                "second backward",
                f"backward failed because the graph was already used up{where}.",
                "compute it again before the second backward, or pass retain_graph=True to the first",
                used,
            )
        return of_overwriting(error)

    # ---- backward fails

    def _why_backward_fails(self) -> Reason | None:
        loss, name = self.loss, self.loss_name
        if not loss.requires_grad:
            return self._no_history()
        if loss.grad_fn is None:
            return None
        order = reachable(loss.grad_fn)
        for node in order:
            written = _overwritten(node)
            if written is not None and not self._came_after(written):
                return overwritten(place_of(node), written, f"{name}.backward()")
        freed = [n for n in order if freed_at(n) is not None]
        fresh = [n for n in order if freed_at(n) is None and n.saves_tensors]
        used = [n for n in freed if n.saved.newest is not None and n.saved.newest < order[0].sequence]
        if not used and freed and fresh and freed[0] is not order[0]:
            used = freed
        if not used:  # a backward of this loss stopped at a part that another had used up
            used = [n for n in freed if n.saved is not freed[0].saved]
        if used and self._is_run_backward():
            at = place_of(freed_at(used[0]))
            if not self._came_after(at):
                backwards = [e for e in self.run.events if e.kind == "backward"]
                own = [e for e in backwards if e.value.origin == self._origin_of_loss]
                return used_up(name, order, used[0], (own or backwards)[-1].place if backwards else at)
        if freed:
            twice = self._second_backward()
            if twice is not None:
                place = place_of(freed_at(freed[0]))
                return Reason(
                    "second backward",
                    f"The second {name}.backward() {lies(twice)} fails because the graph was used up {lies(place)}.",
                    "compute it again before the second backward, or pass retain_graph=True to the first",
                    twice,
                )
        elif loss._array.size != 1 and self.x._grad is None and not self._called("backward", with_arguments=True):
            place = place_of(loss.grad_fn)
            return Reason(
                "not a scalar",
                f"{name}.backward() fails because {name}, made {lies(place)}, has {loss._array.size} elements, and only a "
                "scalar has a gradient by itself.",
                "reduce it first, with sum() or mean(), or give backward the weights: backward(torch.ones_like(loss))",
                place,
            )
        return None

    def _came_after(self, other: Place) -> bool:
        """Whether a write, or what has used up a graph, comes only after the last backward of the loss, as a step does."""
        origin = self._origin_of_loss
        events = list(enumerate(self.run.events))
        ran = max((i for i, e in events if e.kind == "backward" and e.value.origin == origin), default=None)
        then = max((i for i, e in events if (e.place.file, e.place.line) == (other.file, other.line)), default=-1)
        return origin is not None and ran is not None and then > ran and self.x._grad is not None

    @functools.cached_property
    def _origin_of_loss(self) -> Origin | None:
        return _origin_of(self._static(self.loss_text, self.loss_name))

    def _loss_made(self) -> Place:
        """Where the loss got its name, rather than a place in what the program calls for many."""
        origin = self._origin_of_loss
        return place_of(self.loss.grad_fn) if origin is None else origin.place

    def _is_run_backward(self) -> bool:
        """Whether the program calls, or is to call, backward on the loss, rather than autograd.grad."""
        if self.x._grad is None:
            return True
        origin = self._origin_of_loss
        events = [e for e in self.run.events if e.kind == "backward"]
        return origin is None or any(e.value.origin == origin or _origin_of(e.value) == origin for e in events)

    def _second_backward(self) -> Place | None:
        """The line of a backward on a value whose graph an earlier one had used up."""
        before: dict[Origin, bool] = {}
        for event in self.run.events:
            if event.kind != "backward" or event.value.origin is None:
                continue
            if before.get(event.value.origin):
                return event.place
            retain = next((k.value for k in event.call.keywords if k.arg in ("retain_graph", "create_graph")), None)
            before[event.value.origin] = not (isinstance(retain, ast.Constant) and retain.value)
        return None

    def _called(self, kind: str, with_arguments: bool = False) -> bool:
        return any(e.kind == kind and (not with_arguments or e.call.args or e.call.keywords) for e in self.run.events)

    def _no_history(self) -> Reason:
        """Nothing behind the loss requires grad."""
        name = self.loss_name
        value = self._static(self.loss_text, name)
        cut = self._cut_between(value)
        if cut is not None:
            return self._cut_reason(cut, f"{name}.backward() fails: {name} does not require grad, because the history from {{}}", value)  # fmt: skip
        if not self.x.requires_grad:
            missing = self._why_not_required()
            if missing.cause != "no requires_grad":
                return missing
            frozen = self._frozen_at()
            if frozen is not None:
                return Reason(
                    "requires_grad_false",
                    f"{name}.backward() fails: nothing that {name} was computed from requires grad, since requires_grad was set to "
                    f"False {lies(frozen)}.",
                    "leave requires_grad=True for the parameters that are to be trained, such as those of the last layer",
                    frozen,
                )
            made = self._made()
            where = "" if made is None else f" ({self.name} was made {lies(made)})"
            return Reason(
                "no requires_grad",
                f"{name}.backward() fails because nothing that {name} was computed from requires grad{where}.",
                f"make it with requires_grad=True, or call {self.name}.requires_grad_() before the computation",
                made,
            )
        origin = _origin_of(value)
        made = None if origin is None else origin.place
        where = "" if made is None else f", made {lies(made)},"
        return Reason(
            "never used",
            f"{name}.backward() fails: {name}{where} was not computed from {self.name}, nor from anything else that requires "
            "grad.",
            f"compute {name} from the output of the model, or of whatever {self.name} is for",
            made,
        )

    def _frozen_at(self) -> Place | None:
        """The line that sets requires_grad to False, if the program has one."""
        file = self.frame.f_code.co_filename
        syntax = syntax_of(file)
        for node in ast.walk(syntax.tree) if syntax is not None else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
                if any(isinstance(t, ast.Attribute) and t.attr == "requires_grad" for t in node.targets):
                    return place_in(file, node.lineno)
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "requires_grad_"
            ):
                if node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value is False:
                    return place_in(file, node.lineno)
        return None

    def _learns(self, name: str) -> bool:
        """Whether a variable is a tensor that requires grad, or a module with one."""
        value = self.scope.look_up(name)
        if isinstance(value, Tensor):
            return value.requires_grad
        parameters = getattr(value, "parameters", None)
        return callable(parameters) and not isinstance(value, type) and any(p.requires_grad for p in parameters())

    # ---- x.grad is None

    def _why_none(self) -> Reason:
        x, name, loss = self.x, self.name, self.loss
        if not x.requires_grad:
            return self._why_not_required()
        if x.grad_fn is not None:
            return self._why_not_a_leaf()
        if loss is None:
            cut = self._cut_in_text()
            if cut is not None:
                return cut
            cleared = self._cleared_after_backward()
            if cleared is not None:
                return self._cleared("None", cleared)
            failed = self._of_error(graph_errors.latest)
            if failed is not None:
                return failed
            if self._called("backward"):
                return Reason(
                    "not used",
                    f"{name}.grad is None: backward was called, but on nothing that a name still leads to.",
                    "pass the loss: chainrule.why(x, loss)",
                )
            if self._called("grad"):
                return self._grad_instead()
            return Reason(
                "no backward",
                f"{name}.grad is None because no backward has been called.",
                "call backward() on the loss; the gradients of its leaves are there afterwards",
            )
        if not self._leads_to_x() and not self._is_opaque():
            return self._why_unreached()
        cleared = self._cleared_after_backward()
        if cleared is not None:
            return self._cleared("None", cleared)
        if self._called("grad") and not self._called("backward"):
            return self._grad_instead()
        if not self._called("backward") or all(freed_at(n) is None for n in reachable(loss.grad_fn) if n.saves_tensors):
            place = self._loss_made()
            return Reason(
                "no backward",
                f"{name}.grad is None because {self.loss_name}.backward() has not been called on the {self.loss_name} made "
                f"{lies(place)}.",
                f"call {self.loss_name}.backward()" + (" before the step" if self._called("step") else ""),
                place,
            )
        for node in reachable(loss.grad_fn):
            custom = self._custom(Culprit(node, None, False, []), "is None")
            if custom is not None and _edge_leads((node, 0), gradient_edge(x)):
                return custom
        return Reason(
            "inputs",
            f"{name}.grad is None although {self.loss_name} depends on {name}: the backward was asked for other inputs, or "
            "the gradient was cleared.",
            "leave out inputs=, or add the tensor to it",
        )

    def _cut_in_text(self) -> Reason | None:
        """The cut on the way to what the text called backward on last."""
        for event in reversed(self.run.events):
            cut = _cut_of(self._origins, event.value.flows) if event.kind == "backward" else None
            if cut is not None:
                return self._cut_reason({self._origins[0]: cut}, f"{self.name}.grad is None because {{}}", None)
        return None

    def _grad_instead(self) -> Reason:
        event = next(e for e in reversed(self.run.events) if e.kind == "grad")
        return Reason(
            "autograd.grad",
            f"{self.name}.grad is None because torch.autograd.grad, called {lies(event.place)}, returns gradients and stores none.",
            "use what grad() returns, or call backward()",
            event.place,
        )

    def _why_not_required(self) -> Reason:
        x, name = self.x, self.name
        made = self._made()
        where = "" if made is None else f" {lies(made)}"
        if x._array.dtype.kind in "iub":
            return Reason(
                "integer",
                f"{name}.grad is None because {name}, made{where}, holds {x.dtype}: only floating-point tensors have gradients.",
                "write its numbers with a decimal point, or give dtype=torch.float32",
                made,
            )
        value = self._static(self.x_text, name)
        if value is not None and value.origin is not None:
            cuts = [c for o, c in value.flows.items() if c is not None and o != value.origin]
            if cuts:
                cut = min(cuts, key=lambda c: c.place.line)
                if cut.kind == "no_grad" and _is_own_update(cut.place.text):
                    cut = Cut("update", cut.place)
                doing, remedy = CUTS[cut.kind]
                block = "" if cut.block is None else f" (in the block {lies(cut.block)})"
                return Reason(
                    cut.kind,
                    f"{name}.grad is None because {name} does not require grad: what is done {lies(cut.place)}{block} {doing}.",
                    remedy,
                    cut.place,
                )
        return Reason(
            "no requires_grad",
            f"{name}.grad is None because {name}, made{where}, does not require grad.",
            f"make it with requires_grad=True, or call {name}.requires_grad_() before the computation",
            made,
        )

    def _why_not_a_leaf(self) -> Reason:
        x, name = self.x, self.name
        place = place_of(x.grad_fn)
        retained = next((e for e in reversed(self.run.events) if e.kind == "retain_grad"), None)
        if x.retains_grad and retained is not None:
            last = max((i for i, e in enumerate(self.run.events) if e.kind == "backward"), default=-1)
            if last >= 0 and self.run.events.index(retained) > last:
                return Reason(
                    "late retain_grad",
                    f"{name}.grad is None because retain_grad() was called {lies(retained.place)}, after the backward.",
                    "call retain_grad() before backward()",
                    retained.place,
                )
            if last < 0:
                return Reason(
                    "no backward",
                    f"{name}.grad is None because no backward has been called since {name} was made {lies(place)}.",
                    "call backward() on the loss",
                    place,
                )
        if _is_own_update(linecache.getline(place.file, place.line)):
            return Reason(
                "not a leaf",
                f"{name}.grad is None because the update {lies(place)} makes a new tensor, which is computed and so is not a leaf.",
                f"update it in place under no_grad: with torch.no_grad(): {name} -= lr * {name}.grad",
                place,
            )
        leaf = self._leaf_inside()
        if leaf is not None:
            return Reason(
                "not a leaf",
                f"{name}.grad is None because {name} is not a leaf: {lies(place)[3:]} makes {name} out of the leaf, and the "
                "leaf itself has no name.",
                f"make the leaf last: {name} = (…).detach().requires_grad_(), or give requires_grad=True to the final tensor",
                place,
            )
        return Reason(
            "not a leaf",
            f"{name}.grad is None because {name} is not a leaf: it was computed {lies(place)}, and only leaves keep their gradient.",
            f"call {name}.retain_grad() before backward(), or look inside with chainrule.record_grads()",
            place,
        )

    def _leaf_inside(self) -> Tensor | None:
        """The only leaf behind x, if it was made in the same statement and no variable holds it."""
        order = reachable(self.x.grad_fn)
        leaves = {e for n in order for e in n.edges if isinstance(e, Tensor)}
        if len(leaves) != 1 or id(next(iter(leaves))) in self.scope.names:
            return None
        lines = {Source(n.code, n.lasti).line for n in order}
        return next(iter(leaves)) if len(lines) == 1 else None

    def _is_opaque(self) -> bool:
        """Whether a part of the graph is hidden in a checkpoint, which computes it again in backward."""
        from ..utils.checkpoint import CheckpointFunction

        return self.loss.grad_fn is not None and any(
            getattr(type(node), "_forward_cls", None) is CheckpointFunction for node in reachable(self.loss.grad_fn)
        )

    def _leads_to_x(self) -> bool:
        return _leads(self.loss, gradient_edge(self.x))

    def _why_unreached(self) -> Reason:
        """x requires grad, but nothing leads to it from the loss."""
        name, loss = self.name, self.loss_name
        loss_value, x_value = self._static(self.loss_text, loss), self._static(self.x_text, name)
        origin = _origin_of(x_value)
        if loss_value is not None and origin is not None:
            cut = _cut_of(self._origins, loss_value.flows)
            if cut is not None:
                return self._cut_reason({origin: cut}, f"{name}.grad is None because {{}}", loss_value)
            is_absent = not any(o in loss_value.flows for o in self._origins)
            earlier = [o for o in loss_value.flows if o.name == origin.name and o != origin]
            if is_absent and earlier:
                return Reason(
                    "rebound",
                    f"{name}.grad is None because {name} is another tensor than the one that {loss} was computed from: the "
                    f"name was given to a new one {lies(origin.place)}.",
                    f"compute {loss} again from the new {name}, or change the values in place: {name}.copy_(…) under no_grad",
                    origin.place,
                )
            own = [(o, c) for o, c in x_value.flows.items() if o != origin and o in loss_value.flows]
            made_by = next((c for o, c in own if c is not None), None)
            if is_absent and made_by is not None:
                return Reason(
                    "copied",
                    f"{name}.grad is None because {name}, made {lies(origin.place)}, is a copy that {loss} was not computed from.",
                    f"ask the tensor that {loss} was computed from for its gradient",
                    origin.place,
                )
            through = loss_value.origin
            if not is_absent and through is not None:
                return Reason(
                    "cut",
                    f"{name}.grad is None because its way to {loss} is cut in what is called {lies(through.place)}: the graph of "
                    f"{loss} does not lead to {name}.",
                    "look there for a detach(), .data, .item(), numpy or no_grad",
                    through.place,
                )
        edges = self._names_of_leaves()
        seen = f" Its graph leads to {', '.join(edges)}." if edges else ""
        made = self._made()
        return Reason(
            "never used",
            f"{name}.grad is None because {name}{'' if made is None else f', made {lies(made)},'} was not used to compute {loss}.{seen}",
            f"compute {loss} from {name}, or check that this is the tensor you mean",
            made,
        )

    def _names_of_leaves(self) -> list[str]:
        if self.loss.grad_fn is None:
            return []
        leaves = {e for n in reachable(self.loss.grad_fn) for e in n.edges if isinstance(e, Tensor)}
        return sorted(self.scope.names[id(t)] for t in leaves if id(t) in self.scope.names)

    def _cleared_after_backward(self) -> Place | None:
        events = [e for e in self.run.events if e.kind in ("backward", "zero_grad", "clear")]
        last = max((i for i, e in enumerate(events) if e.kind == "backward"), default=len(events))
        after = events[last + 1 :]
        own = [
            e for e in after if any(o in e.value.flows for o in self._origins)
        ]  # of this very tensor, rather than of another
        return (own or after)[-1].place if after else None

    def _cleared(self, state: str, place: Place) -> Reason:
        kinds = [e.kind for e in self.run.events if e.kind != "clear" or any(o in e.value.flows for o in self._origins)]
        last = max((i for i, kind in enumerate(kinds) if kind == "backward"), default=0)
        cleared = max((i for i, kind in enumerate(kinds) if kind in ("zero_grad", "clear")), default=0)
        if "step" in kinds[last:cleared]:
            return Reason(
                "",
                f"Nothing is wrong: {self.name}.grad is {state} because it was cleared {lies(place)}, after the update that used "
                "it.",
                source=place,
            )
        return Reason(
            "cleared",
            f"{self.name}.grad is {state} because it was cleared after the backward, {lies(place)}.",
            "clear gradients before backward: zero_grad(), backward(), step(), in this order",
            place,
        )

    # ---- the program's text

    def _static(self, expression: ast.expr | None, name: str) -> Value | None:
        """What the abstract run knows of a tensor."""
        scope = self.run.found
        if expression is not None:
            value = self.run.value(expression, scope) if not self.run.exhausted else None
            return value if value is not None and (value.flows or value.origin) else None
        return scope.get(name)

    @functools.cached_property
    def _origins(self) -> list[Origin]:
        """The origin of x, and those of what it is a part of: net.weight, net."""
        value = self._static(self.x_text, self.name)
        origin = _origin_of(value)
        if value is None or origin is None:
            return []
        wholes = [o for o in value.flows if o.serial == origin.serial and origin.name.startswith(f"{o.name}.")]
        return [origin, *sorted(wholes, key=lambda o: -len(o.name))]

    def _made(self) -> Place | None:
        """Where x was bound to its name."""
        origin = _origin_of(self._static(self.x_text, self.name))
        return None if origin is None else origin.place

    def _cut_between(self, value: Value | None) -> dict[Origin, Cut] | None:
        """The cut on the way to a value: that of x if there is one, else those of tensors that require grad."""
        if value is None:
            return None
        cut = _cut_of(self._origins, value.flows)
        if cut is not None:
            return {self._origins[0]: cut}
        cuts = {o: c for o, c in value.flows.items() if c is not None and self._learns(o.name)}
        return cuts or None

    def _cut_reason(self, cuts: dict[Origin, Cut], frame: str, value: Any) -> Reason:
        origin, cut = next(iter(cuts.items()))
        if cut.kind == "no_grad" and _is_own_update(cut.place.text):
            cut = Cut("update", cut.place)
        doing, remedy = CUTS[cut.kind]
        block = "" if cut.block is None else f" (recording is switched off {lies(cut.block)})"
        if cut.block is not None:
            remedy = remedy_of_block(cut.block, remedy)
        what = self.name if origin in self._origins else origin.name
        history = f"{what} is cut {lies(cut.place)}{block}: that {doing}"
        if "history from" not in frame:
            history = f"its way to {self.loss_name} is cut {lies(cut.place)}{block}: that {doing}"
        return Reason(cut.kind, frame.format(history) + ".", remedy, cut.place)

    # ---- numbers

    def _values(self) -> Values | None:
        if self.loss is None or self.loss.grad_fn is None:
            return None
        return Values(gradient_edge(self.loss), self.scope.tensors, self.scope.look_up, self.scope.modules)

    def _seed(self) -> np.ndarray:
        return np.ones_like(self.loss._array) if self.seed is None else self.seed

    def _why_bad(self) -> Reason:
        """x.grad has a nan or an infinity in it, or the loss has."""
        what, held = f"{self.name}.grad", self.x._grad
        if self.loss is not None and is_bad(self.loss._array):
            what, held = self.loss_name, self.loss
        kind = "nan" if any(t is not None and np.any(np.isnan(t._array)) for t in (held, self.x._grad)) else "inf"
        values: Any = self._values()
        culprit = None
        if values is not None:
            try:
                culprit = first_bad(values, gradient_edge(self.loss), gradient_edge(self.x), self._seed())
            except Unknown:
                culprit = None
        if culprit is None:
            return Reason(
                kind,
                f"{what} has {kind} in it, and the operation that made it is not in a graph that is still there.",
                "call why before the loss is computed anew, or run the program under torch.autograd.detect_anomaly()",
            )
        if culprit.constant is not None and culprit.node is not None:
            place = place_of(culprit.node)
            operand = (
                simple_name(operand_of(culprit.node, culprit.constant))
                or self._name_of(culprit.inputs[0])
                or "an input"
            )
            known = self.run.found.get(operand) if not self.run.exhausted else None
            made = place if known is None or known.origin is None else known.origin.place
            return Reason(
                kind,
                f"{what} has {kind} in it because {operand}, made {lies(made)}, holds {shown_value(culprit.inputs[0])} already, when it "
                f"is used {lies(place)}.",
                "clean the data first: leave such rows out, or torch.nan_to_num; look at what it was divided by",
                made,
            )
        if culprit.node is None:
            leaf = self.scope.names.get(id(culprit.leaf), "a leaf")
            return Reason(
                kind,
                f"{what} has {kind} in it because {leaf} holds {shown_value(culprit.leaf._array)} already.",
                remedy_for(culprit, values),
            )
        self.culprit = culprit.node
        place = place_of(culprit.node)
        inputs = _shown_inputs(culprit)
        if culprit.is_forward:
            likely = ", most likely" if culprit.likely else ""
            sentence = f"{what} has {kind} in it{likely} because the result of {_operation(culprit.node)} is not finite {lies(place)}{inputs}."
        else:
            sentence = (
                f"{what} has {kind} in it because the derivative of {_operation(culprit.node)} is not finite {lies(place)}"
                f"{inputs}."
            )
        remedy = remedy_for(culprit, values)
        if culprit.is_forward and not is_bad(self.loss._array):  # it does not reach the loss: something masks it
            remedy = f"{SECOND_WHERE}; or {remedy}"
        return Reason(kind, sentence, remedy, place)

    def _name_of(self, array: np.ndarray) -> str | None:
        """The name of the tensor that an array belongs to."""
        for tensor in self.scope.tensors:
            if isinstance(tensor._array, np.ndarray) and np.shares_memory(tensor._array, array):
                return self.scope.names[id(tensor)]
        return None

    def _why_zero(self) -> Reason:
        """Every element of x.grad is 0."""
        name = self.name
        values = self._values()
        if not self.x._grad._array.size:
            return self._all_is_well()
        if values is None:
            return Reason(
                "zero",
                f"{name}.grad is 0, and no graph is there that says why.",
                "pass the loss: chainrule.why(x, loss)",
            )
        cleared = self._cleared_after_backward()
        target = gradient_edge(self.x)
        try:
            again = walk(values, gradient_edge(self.loss), self._seed(), lambda *_: False, {target}).get(target)
            if again is not None and np.any(again) and cleared is not None:
                return self._cleared("0", cleared)
            if again is not None and np.any(again):
                hooked = self._hook_to_blame("is 0")
                if hooked is not None:
                    return hooked
            culprit = first_zero(
                values, gradient_edge(self.loss), target, self._seed(), lambda e: _edge_leads(e, target), near=True
            )
        except Unknown:
            return self._zero_by_exclusion(values, target, cleared)
        return self._custom(culprit) or self._zero_at(culprit) or self._stationary()

    def _zero_by_exclusion(self, values: Values, target: Edge, cleared: Place | None) -> Reason:
        """The same where numbers are not known any more."""
        if cleared is not None:
            return self._cleared("0", cleared)
        nodes, kind = may_stop(values, target, lambda e: _edge_leads(e, target))
        hooked = None if kind in (*STEPS, "dropout", "softmax of one") else self._hook_to_blame("is 0")
        if hooked is not None:
            return hooked
        if not nodes:
            return self._stationary()
        culprit = Culprit(nodes[0], None, False, [])
        record = record_of(nodes[0])
        is_softmax = record is not None and record.name in ("softmax", "log_softmax")
        known: Any = self._custom(culprit) or self._zero_at(culprit, kind or ("some softmax" if is_softmax else ""))
        if kind:
            return known
        others = [f"{_operation(node)} {lies(place_of(node))}" for node in nodes[1:3]]
        more = "" if not others else f" (or {' or '.join(others)})"
        sentence = f"{self.name}.grad is 0, most likely because {_operation(nodes[0])} passes no gradient on {lies(known.source)}{more}."
        return Reason("zero", sentence, f"{known.remedy}; to be certain, call why before the backward", known.source)

    def _hook_to_blame(self, is_what: str) -> Reason | None:
        """The hook that the program has put on the way to x, if there is only one."""
        hooks = list(self.x._extra.hooks.values()) if self.x._extra is not None and self.x._extra.hooks else []
        for node in reachable(self.loss.grad_fn):
            for held in (node.meta.tensor_hooks or {}).values() if node.meta is not None else ():
                hooks += held.values()
        if len(hooks) != 1:
            return None
        code = getattr(hooks[0], "__code__", None)
        place = None if code is None else return_of(code)
        where = "" if place is None else f" {lies(place)}"
        return Reason(
            "hook",
            f"{self.name}.grad {is_what} because the hook {getattr(hooks[0], '__name__', '')} returns such a gradient{where}.",
            "let the hook return the gradient that it wants to go on, or None to leave it as it is; or remove it",
            place,
        )

    def _custom(self, culprit: Culprit | None, state: str = "is 0") -> Reason | None:
        """The same for a custom Function: its backward is to blame."""
        kind = None if culprit is None else getattr(type(culprit.node), "_forward_cls", None)
        place = None if kind is None else backward_place(kind)
        if kind is None or place is None:
            return None
        if state == "is None":
            return returns_none(self.name, kind, place)
        return Reason(
            "backward",
            f"{self.name}.grad {state} because the backward of {kind.__name__} returns such a gradient {lies(place)}.",
            "correct the backward: it returns the derivative times the gradient that it is given; torch.autograd.gradcheck "
            "verifies it",
            place,
        )

    culprit: Any = None  # the node found to blame for numbers

    def zero_reason(self, values: Values, target: Edge, near: bool = False) -> Reason | None:
        """The operation that passes no gradient on to x; `near`: what is left of it is rounding error."""
        try:
            culprit = first_zero(
                values, gradient_edge(self.loss), target, self._seed(), lambda e: _edge_leads(e, target), near
            )
        except Unknown:
            return None
        return self._zero_at(culprit)

    def _stationary(self) -> Reason:
        place = place_of(self.loss.grad_fn)
        return Reason(
            "zero",
            f"{self.name}.grad is 0: what arrives along its paths from {self.loss_name}, made {lies(place)}, adds up to 0.",
            "this is a stationary point, or terms cancel: chainrule.explain(loss, x).shares() shows what each path gives",
            place,
        )

    def _zero_at(self, culprit: Culprit | None, known: str = "") -> Reason | None:
        """`known`: what is to be said of it, a key in ZEROS; "": what its inputs show."""
        if culprit is None or culprit.node is None:
            return None
        name, self.culprit = self.name, culprit.node
        record = record_of(culprit.node)
        if not known and record is not None:
            known = record.name
        if known in ("softmax", "log_softmax"):
            known = _kind_of_softmax(culprit) or known
        because, remedy = ZEROS.get(known, ("its derivative is 0 there", "look at its inputs with chainrule.explain"))
        place = place_of(culprit.node)
        return Reason(
            "zero",
            f"{name}.grad is 0 because {_operation(culprit.node)} passes no gradient on {lies(place)}: {because}.",
            remedy,
            place,
        )

    def _why_another(self) -> Reason | None:
        """x.grad is not the gradient of this loss: accumulated, stale, or changed by a hook."""
        if not self.x.requires_grad or not self._leads_to_x():
            if not self.x.requires_grad or self.x.grad_fn is not None or self.guessed or self._is_opaque():
                return None
            unreached = self._why_unreached()
            return Reason(
                "stale",
                f"{self.name}.grad is from an earlier backward; {unreached.sentence.replace('.grad is None because', ' gets none from this one:')}",
                unreached.remedy,
                unreached.source,
            )
        values = self._values()
        if values is None:
            return None
        target = gradient_edge(self.x)
        try:
            again = walk(values, gradient_edge(self.loss), self._seed(), lambda *_: False, {target}).get(target)
        except Unknown:
            return self._accumulated_in_text()
        have = np.asarray(self.x._grad._array)
        if again is None or have.shape != np.shape(again):
            return None
        again = np.asarray(again)
        if np.allclose(have, again, rtol=1e-3, atol=1e-7):
            return None
        if not np.any(have):
            return None
        if any(_hooked(n) for n in reachable(self.loss.grad_fn)) or (self.x._extra is not None and self.x._extra.hooks):
            return None  # a hook has the last word
        largest = np.unravel_index(np.argmax(np.abs(again)), again.shape) if again.size else ()
        ratio = float(np.real(have[largest] / again[largest])) if again.size and again[largest] != 0 else 0.0
        times = round(ratio)
        backwards = [e for e in self.run.events if e.kind == "backward"]
        if times >= 2 and np.allclose(have, times * again, rtol=1e-3, atol=1e-6):
            place = backwards[-1].place if backwards else place_of(self.loss.grad_fn)
            return Reason(
                "accumulated",
                f"{self.name}.grad is {times} times the gradient of {self.loss_name}: each backward, as the one {lies(place)}, "
                "adds to what is there.",
                f"clear it before each backward: {self._clearing()}",
                place,
            )
        ran = any(freed_at(n) is not None for n in reachable(self.loss.grad_fn))
        if not ran and not self.guessed and any(n.saves_tensors for n in reachable(self.loss.grad_fn)):
            place = self._loss_made()
            return Reason(
                "stale",
                f"{self.name}.grad is from an earlier backward: {self.loss_name}, made {lies(place)}, has not been run backward.",
                f"call {self.loss_name}.backward()",
                place,
            )
        accumulated = self._accumulated_in_text()
        if accumulated is not None:
            return accumulated
        if self._changed_since():
            return None
        last = max((i for i, e in enumerate(self.run.events) if e.kind in ("zero_grad", "clear")), default=-1)
        if sum(e.kind == "backward" for e in self.run.events[last + 1 :]) > 1:
            place = backwards[-1].place
            return Reason(
                "accumulated",
                f"{self.name}.grad is the sum of the gradients of several backward calls, the last {lies(place)}: nothing "
                "cleared it in between.",
                f"clear it before each backward: {self._clearing()}",
                place,
            )
        return None

    def _accumulated_in_text(self) -> Reason | None:
        """A backward that the program comes to again, after an update, without clearing gradients in between."""
        last: dict[ast.AST, int] = {}
        for number, event in enumerate(self.run.events):
            if event.kind != "backward":
                continue
            between = [e.kind for e in self.run.events[last.get(event.call, number) + 1 : number]]
            last[event.call] = number
            if not between or "zero_grad" in between or "clear" in between:
                continue
            if "step" in between:
                return Reason(
                    "accumulated",
                    f"{self.name}.grad accumulates: the backward {lies(event.place)} adds to what the last update has used "
                    "already, and nothing clears it in between.",
                    f"clear it before each backward: {self._clearing()}",
                    event.place,
                )
        return None

    def _changed_since(self) -> bool:
        """Whether the loss comes out differently now: a leaf has been updated, and gradients cannot be compared."""
        values = Values(gradient_edge(self.loss), (), self.scope.look_up)
        values.known.pop(gradient_edge(self.loss), None)
        try:
            again = values.value(gradient_edge(self.loss))
        except Unknown:
            return True
        return not np.allclose(again, self.loss._array, rtol=1e-4, atol=1e-6)

    def _all_is_well(self) -> Reason:
        idle = self._optimizer_without_x()
        if idle is not None:
            return idle
        return Reason("", f"Nothing is wrong: {self.name}.grad is there, finite and not zero.")

    def _optimizers(self) -> dict[str, list]:
        """{name: parameter groups} of the optimizers that the program's variables hold."""
        optimizers: dict[str, list] = {}
        for variables in (self.frame.f_locals, self.frame.f_globals):
            for name, value in list(variables.items()):
                groups = getattr(value, "__dict__", {}).get("param_groups")
                if isinstance(groups, list) and name not in optimizers:
                    optimizers[name] = groups
        return optimizers

    def _clearing(self) -> str:
        own = f"{self.name}.grad = None"
        return f"optimizer.zero_grad(), or {own}" if self._optimizers() else own

    def _optimizer_without_x(self) -> Reason | None:
        """An optimizer in the program that does not know x, where none does."""
        optimizers = self._optimizers()
        if not optimizers or self.x.grad_fn is not None:
            return None
        for groups in optimizers.values():
            if any(self.x is p for group in groups for p in group.get("params", ())):
                return None
        hidden = self._unregistered()
        if hidden is not None:
            return hidden
        name = next(iter(optimizers))
        value = self.run.found.get(name)
        place = None if value is None or value.origin is None else value.origin.place
        where = "" if place is None else f", made {lies(place)},"
        return Reason(
            "optimizer",
            f"{self.name}.grad is there, but {self.name} will not change: the optimizer {name}{where} was not given it.",
            f"pass it to the optimizer: add {self.name} to its parameters",
            place,
        )

    def _unregistered(self) -> Reason | None:
        """x is held by a module that does not know it for a parameter."""
        for module in modules_of(self.frame):
            for attribute, tensor in unregistered(module):
                if tensor is self.x:
                    return not_registered(self.name, tensor, type(module), attribute)
        return None


def returns_none(name: str, function: type, place: Place) -> Reason:
    return Reason(
        "backward",
        f"{name}.grad is None because the backward of {function.__name__} returns None {lies(place)}.",
        "return the derivative times the gradient that backward is given, one for each input of forward",
        place,
    )


def not_registered(name: str, tensor: Tensor | None, module: type, attribute: str) -> Reason:
    place = attribute_line(module, attribute)
    where = "" if place is None else f" {lies(place)}"
    if type(tensor) is Tensor:
        what, remedy = "is a plain tensor", f"make it a parameter: self.{attribute} = torch.nn.Parameter(…)"
    else:
        what = "is kept in a plain list or dict, where a module does not look"
        remedy = "use torch.nn.ModuleList, ModuleDict or ParameterList, which register what they hold"
    return Reason(
        "not registered",
        f"{name} gets a gradient but never changes: it {what}{where}, so that {module.__name__}.parameters() does not have it.",
        remedy,
        place,
    )


def _origin_of(value: Value | None) -> Origin | None:
    if value is None:
        return None
    if value.origin is not None:
        return value.origin
    return max(value.flows, key=lambda o: o.serial, default=None)


def _is_own_update(line: str) -> bool:
    """Whether a line is an update such as `w = w - lr * w.grad`, which should have been in place."""
    try:
        (statement,) = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return False
    if not isinstance(statement, ast.Assign):
        return False
    name = simple_name(statement.targets[0])
    used = {simple_name(n) for n in ast.walk(statement.value) if isinstance(n, (ast.Name, ast.Attribute))}
    return name is not None and {name, f"{name}.grad"} <= used


def _cut_of(origins: list[Origin], flows: dict[Origin, Cut | None]) -> Cut | None:
    """The cut on the way from the first of some origins that a value comes from."""
    return next((flows[one] for one in origins if one in flows), None)


def _leads(loss: Tensor, target: Edge) -> bool:
    edge = gradient_edge(loss)
    return _edge_leads(edge, target)


def _edge_leads(edge: Edge, target: Edge) -> bool:
    if same(edge, target):
        return True
    if isinstance(edge[0], Tensor) or edge[0] is None:
        return False
    return any(one is not None and same(one, target) for node in reachable(edge[0]) for one in edges_of(node))


def _hooked(node: Node) -> bool:
    return node.meta is not None and bool(node.meta.tensor_hooks or node.meta.hooks or node.meta.prehooks)


def _overwritten(node: Node) -> Place | None:
    """Where something that the node saved has been written to since; None if it still is what it was."""
    record = record_of(node)
    if node.saved.__class__ is Freed or record is None or type(node) is record.scalar_node_class:
        return None
    for entry in node.saved:
        if isinstance(entry, SavedTensor):
            counter = entry.counter if entry.is_output else (None if entry.tensor is None else entry.tensor._counter)
            version = entry.version if entry.unpack_hook is None else None
        elif isinstance(entry, Tensor):
            counter, version = entry._counter, 0
        else:
            continue
        if counter is not None and version is not None and counter.version != version:
            return _write(counter, version)
    counters = None if node.meta is None else node.meta.output_counters
    if counters and "out" in record.saved_names:
        for counter in counters.values():
            entry = node.saved[record.saved_names.index("out")]
            if not isinstance(entry, SavedTensor) and counter.version:
                return _write(counter, 0)
    return None


def _write(counter: Any, version: int) -> Place:
    write = counter.writes and counter.writes.get(version + 1)
    return Place("<unknown>", 0, "") if not write else place_of(Source(*write))


def _kind_of_softmax(culprit: Culprit) -> str:
    """Which of its ways to pass nothing on a softmax has taken: see ZEROS; "": it is saturated."""
    given = culprit.inputs[0] if culprit.inputs else None
    if given is None or not np.size(given):
        return ""
    if (1 in np.shape(given) and np.shape(given)[-1] == 1) or np.size(given) == 1:
        return "softmax of one"
    sizes = np.ptp(np.asarray(given), axis=-1)
    return "softmax of all" if np.any(sizes < 20) else ""


def _operation(node: Node) -> str:
    record = record_of(node)
    return node.name() if record is None else getattr(record.apply, "__name__", record.name)


def _shown_inputs(culprit: Culprit) -> str:
    shown = [shown_value(i) for i in culprit.inputs if i is not None]
    return f", where its input is {' and '.join(shown)}" if shown else ""


# ---------------------------------------------------------------- values that are overwritten, graphs that are used up


def noted(error: BaseException, words: str) -> Place | None:
    """The place that a note of an error tells of in these words."""
    for note in getattr(error, "__notes__", []):
        if isinstance(note, str) and note.startswith(words):
            met = re.search(r"\n  (.*?):(\d+)(?:: (.*))?$", note, re.S)
            if met:
                return Place(met[1], int(met[2]), met[3] or "")
    return None


def of_overwriting(error: BaseException) -> Reason | None:
    """What an error knows of a value that was overwritten."""
    written = noted(error, "and it was overwritten here")
    return None if written is None else overwritten(noted(error, "the value was saved for backward here"), written)


def overwritten(saved: Place | None, written: Place, name: str = "backward") -> Reason:
    """Backward fails as a value saved for it at one place was overwritten at another."""
    where = "" if saved is None else f", saved {lies(saved)},"
    if ".step(" in written.text:
        return Reason(
            "in-place",
            f"{name} fails because a parameter that it needs{where} was changed by the step {lies(written)}.",
            "call every backward before the first step, or compute the loss again after it",
            written,
        )
    return Reason(
        "in-place",
        f"{name} fails because a value that it needs{where} was overwritten {lies(written)}.",
        "write the result to a new tensor (x = x + 1 instead of x += 1, without inplace=True), or clone() before writing",
        written,
    )


def used_up(name: str, order: list[Node], shared: Node, place: Place) -> Reason:
    """Why the backward of `name` at `place`, through the nodes in `order`, fails at one that another has used up."""
    at = place_of(freed_at(shared))
    passed = order[: order.index(shared)]
    is_same = (at.file, at.line) == (place.file, place.line)  # the same backward, in a loop
    if not is_same and not any(node.saves_tensors for node in passed) and shared.saved.newest == order[0].sequence:
        return Reason(
            "second backward",
            f"the second {name}.backward() {lies(place)} fails because the graph was used up by the first, {lies(at)}.",
            "compute it again before the second backward, or pass retain_graph=True to the first",
            place,
        )
    made = place_of(shared)
    name_of = target_name(shared)
    what = f"what is computed {lies(made)}" if name_of is None else f"{name_of}, computed {lies(made)},"
    if is_same and _is_carried(made, place):
        return Reason(
            "second backward",
            f"{name}.backward() {lies(place)} fails the second time because {what} is kept from one "
            "round of the loop to the next, and its graph was used up in the round before.",
            "cut it off between rounds: " + ("detach() it" if name_of is None else f"{name_of} = {name_of}.detach()"),
            made,
        )
    if is_same:
        return Reason(
            "second backward",
            f"{name}.backward() {lies(place)} fails the second time because {what} is computed only once, "
            "and its graph was used up in the first round.",
            "compute it again in each round, inside the loop, detach() it, or pass retain_graph=True to backward",
            made,
        )
    return Reason(
        "second backward",
        f"{name}.backward() {lies(place)} fails because it shares {what} with what the backward {lies(at)} has used up.",
        "pass retain_graph=True to the first backward, add the losses and call backward once, or detach() what is shared",
        at,
    )


def _is_carried(made: Place, backward: Place) -> bool:
    """Whether a value is made in the loop, or in what the loop calls, rather than before it."""
    syntax = syntax_of(made.file)
    if syntax is None or made.file != backward.file:
        return True
    loops = [
        (one.lineno, one.end_lineno or one.lineno)
        for one in ast.walk(syntax.tree)
        if isinstance(one, (ast.For, ast.While)) and one.lineno <= backward.line <= (one.end_lineno or one.lineno)
    ]
    if not loops:
        return True
    if any(first <= made.line <= last for first, last in loops):
        return True
    functions = [
        (one.lineno, one.end_lineno or one.lineno)
        for one in ast.walk(syntax.tree)
        if isinstance(one, (ast.FunctionDef, ast.Lambda))
    ]
    holding = [f for f in functions if f[0] <= made.line <= f[1]]
    return any(not (f[0] <= backward.line <= f[1]) for f in holding)


LONGEST_FILE = 4000  # lines


def history_note() -> str | None:
    """Where the history was cut of what the caller called backward or grad on, which does not require grad."""
    frame = caller(2)
    position = Source(frame.f_code, frame.f_lasti)
    if len(linecache.getlines(position.file)) > LONGEST_FILE:
        return None  # to read it would take longer than an error may
    syntax = syntax_of(position.file)
    call = None if syntax is None else syntax.expression(position)
    if not isinstance(call, ast.Call):
        return None
    run = run_to(frame)
    try:
        return _history_of(run, call, syntax, Scope(frame))
    finally:
        run.forget()


def _history_of(run: Run, call: ast.Call, syntax, scope: Scope) -> str | None:
    given: Any = call.args or [None]
    receiver = call.func.value if isinstance(call.func, ast.Attribute) and not call.args else given[0]
    if (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "backward"
        and simple_name(call.func.value) not in syntax.modules
    ):
        receiver = call.func.value
    if receiver is None or run.exhausted:
        return None
    value = run.value(receiver, run.found)
    cuts = [
        (o, c)
        for o, c in value.flows.items()
        if c is not None and (getattr(scope.look_up(o.name), "requires_grad", False) or c.kind in ("no_grad", "late"))
    ]
    if cuts:
        origin, cut = cuts[0]
        doing, remedy = CUTS[cut.kind]
        block = "" if cut.block is None else f" (recording is switched off {lies(cut.block)})"
        if cut.block is not None:
            remedy = remedy_of_block(cut.block, remedy)
        return f"the history from {origin.name} was cut {lies(cut.place)}{block}: that {doing}\nremedy: {remedy}"
    made = _origin_of(value)
    where = "" if made is None else f", computed {lies(made.place)},"
    return (
        f"nothing that it{where} was computed from requires grad\n"
        "remedy: make the tensors that are to get gradients with requires_grad=True"
    )
