"""Why a gradient is None."""

from __future__ import annotations

import ast
import linecache
from typing import Any

from ... import graph_errors
from ...tensor import Tensor, gradient_edge
from ..badnumbers import Culprit
from ..cuts import CUTS, remedy_of_block
from ..dataflow import Cut, Origin, Place, Value
from ..holders import modules_of
from ..places import attribute_line, lies, place_in, place_of
from ..reasons import Reason, computed, holds_integers, made_by_update, made_of_nameless_leaf, never_required
from ..refusals import reason_carried
from ..source import Source
from ..syntax import simple_name, syntax_of, updates_itself
from ..values import freed_at, reachable
from .clearing import cleared_after_backward, cleared_reason
from .custom import of_custom_function
from .question import Question, cut_of, leads, origin_of


def why_none(asked: Question) -> Reason:
    x, name, loss = asked.x, asked.name, asked.loss
    if not x.requires_grad:
        return why_not_required(asked)
    if x.grad_fn is not None:
        return _why_not_a_leaf(asked)
    if loss is None:
        cut = _cut_in_text(asked)
        if cut is not None:
            return cut
        cleared = cleared_after_backward(asked)
        if cleared is not None:
            return cleared_reason(asked, "None", cleared)
        failed = reason_carried(graph_errors.latest)
        if failed is not None:
            return failed
        if asked.called("backward"):
            return Reason(
                "not used",
                f"{name}.grad is None: backward was called, but on nothing that a name still leads to.",
                "pass the loss: chainrule.why(x, loss)",
            )
        if asked.called("grad"):
            return _grad_instead(asked)
        return Reason(
            "no backward",
            f"{name}.grad is None because no backward has been called.",
            "call backward() on the loss; the gradients of its leaves are there afterwards",
        )
    if not asked.leads_to_x() and not asked.is_opaque():
        return why_unreached(asked)
    cleared = cleared_after_backward(asked)
    if cleared is not None:
        return cleared_reason(asked, "None", cleared)
    if asked.called("grad") and not asked.called("backward"):
        return _grad_instead(asked)
    failed = reason_carried(graph_errors.latest)
    if failed is not None and asked.called("backward") and all(freed_at(n) is None for n in reachable(loss.grad_fn)):
        return failed
    if not asked.called("backward") or all(freed_at(n) is None for n in reachable(loss.grad_fn) if n.saves_tensors):
        place = asked.loss_made()
        return Reason(
            "no backward",
            f"{name}.grad is None because {asked.loss_name}.backward() has not been called on the {asked.loss_name} made "
            f"{lies(place)}.",
            f"call {asked.loss_name}.backward()" + (" before each step" if asked.called("step") else ""),
            place,
        )
    for node in reachable(loss.grad_fn):
        custom = of_custom_function(asked, Culprit(node, None, False, []), "is None")
        if custom is not None and leads((node, 0), gradient_edge(x)):
            return custom
    if failed is not None:
        return failed
    return Reason(
        "inputs",
        f"{name}.grad is None although {asked.loss_name} depends on {name}: the backward was asked for other inputs, or "
        "the gradient was cleared.",
        "leave out inputs=, or add the tensor to it",
    )


def _cut_in_text(asked: Question) -> Reason | None:
    """The cut on the way to what the text called backward on last."""
    for event in reversed(asked.run.events):
        cut = cut_of(asked.origins, event.value.flows) if event.kind == "backward" else None
        if cut is not None:
            return cut_reason(asked, {asked.origins[0]: cut}, f"{asked.name}.grad is None because {{}}", None)
    return None


def _grad_instead(asked: Question) -> Reason:
    event = next(e for e in reversed(asked.run.events) if e.kind == "grad")
    return Reason(
        "autograd.grad",
        f"{asked.name}.grad is None because torch.autograd.grad, called {lies(event.place)}, returns gradients and stores none.",
        "use what grad() returns, or call backward()",
        event.place,
    )


def why_not_required(asked: Question) -> Reason:
    x, name = asked.x, asked.name
    if x._array.dtype.kind in "iub":
        return holds_integers(name, x, asked.made())
    value = asked.static(asked.x_text, name)
    if value is not None and value.origin is not None:
        cuts = [c for o, c in value.flows.items() if c is not None and o != value.origin]
        if cuts:
            cut = min(cuts, key=lambda c: c.place.line)
            if cut.kind == "no_grad" and is_own_update(cut.place.text):
                cut = Cut("update", cut.place)
            doing, remedy = CUTS[cut.kind]
            block = "" if cut.block is None else f" (in the block {lies(cut.block)})"
            return Reason(
                cut.kind,
                f"{name}.grad is None because {name} does not require grad: what is done {lies(cut.place)}{block} {doing}.",
                remedy,
                cut.place,
            )
    frozen = None if type(x) is Tensor else frozen_at(asked)
    if frozen is not None:
        return Reason(
            "requires_grad_false",
            f"{name}.grad is None because {name} does not require grad: that was switched off {lies(frozen)}.",
            "leave requires_grad=True for the parameters that are to be trained",
            frozen,
        )
    for module in modules_of(asked.frame):
        for held, value in [*vars(module).items(), *module._parameters.items()]:
            if value is x:
                reason = never_required(name, attribute_line(type(module), held) or asked.made())
                reason.remedy = (
                    "leave out requires_grad=False to train it; a loop over the parameters can skip it: if p.requires_grad"
                    if held in module._parameters
                    else f"make it a parameter: self.{held} = torch.nn.Parameter(…)"
                )
                return reason
    return never_required(name, asked.made())


def _why_not_a_leaf(asked: Question) -> Reason:
    x, name = asked.x, asked.name
    place = place_of(x.grad_fn)
    retained = next((e for e in reversed(asked.run.events) if e.kind == "retain_grad"), None)
    if x.retains_grad and retained is not None:
        last = max((i for i, e in enumerate(asked.run.events) if e.kind == "backward"), default=-1)
        if last >= 0 and asked.run.events.index(retained) > last:
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
    if is_own_update(linecache.getline(place.file, place.line)):
        return made_by_update(name, place)
    if _leaf_inside(asked) is not None:
        return made_of_nameless_leaf(name, place)
    return computed(name, place)


def _leaf_inside(asked: Question) -> Tensor | None:
    """The only leaf behind x, if it was made in the same statement and no variable holds it."""
    order = reachable(asked.x.grad_fn)
    leaves = {e for n in order for e in n.edges if isinstance(e, Tensor)}
    if len(leaves) != 1 or id(next(iter(leaves))) in asked.scope.names:
        return None
    lines = {Source(n.code, n.lasti).line for n in order}
    return next(iter(leaves)) if len(lines) == 1 else None


def why_unreached(asked: Question) -> Reason:
    """x requires grad, but nothing leads to it from the loss."""
    name, loss = asked.name, asked.loss_name
    loss_value, x_value = asked.static(asked.loss_text, loss), asked.static(asked.x_text, name)
    origin = origin_of(x_value)
    if loss_value is not None and origin is not None:
        cut = cut_of(asked.origins, loss_value.flows)
        if cut is not None:
            return cut_reason(asked, {origin: cut}, f"{name}.grad is None because {{}}", loss_value)
        is_absent = not any(o in loss_value.flows for o in asked.origins)
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
        terms = () if is_absent else reversed(asked.run.terms)
        cut = next((c for _, term in terms if (c := cut_of(asked.origins, term.flows))), None)
        if cut is not None:  # on the way of one term; another leads to what x is a part of
            return cut_reason(asked, {origin: cut}, f"{name}.grad is None because {{}}", loss_value)
        through = loss_value.origin
        if not is_absent and through is not None:
            return Reason(
                "cut",
                f"{name}.grad is None because its way to {loss} is cut in what is called {lies(through.place)}: the graph of "
                f"{loss} does not lead to {name}.",
                "look there for a detach(), .data, .item(), numpy or no_grad",
                through.place,
            )
    step = _step_between(asked)
    if step is not None:
        return Reason(
            "step",
            f"{name}.grad is None because {loss} comes from {name} only by way of the step {lies(step)}, and what an optimizer "
            "does to its parameters is not recorded.",
            "write that update as a computation: w = w - lr * torch.autograd.grad(inner_loss, w, create_graph=True)[0], and "
            f"compute {loss} from w (torch.func.functional_call runs a module with other parameters)",
            step,
        )
    edges = _names_of_leaves(asked)
    seen = f" Its graph leads to {', '.join(edges)}." if edges else ""
    made = asked.made()
    return Reason(
        "never used",
        f"{name}.grad is None because {name}{'' if made is None else f', made {lies(made)},'} was not used to compute {loss}.{seen}",
        f"compute {loss} from {name}, or check that this is the tensor you mean",
        made,
    )


def _step_between(asked: Question) -> Place | None:
    """The step that changes what the loss was computed from by what another loss, which x was part of, gave it."""
    if asked.loss.grad_fn is None:
        return None
    leaves = {id(e) for n in reachable(asked.loss.grad_fn) for e in n.edges if isinstance(e, Tensor)}
    events = asked.run.events
    for number, event in enumerate(events):
        if event.kind != "backward" or not any(event.value.flows.get(o, o) is None for o in asked.origins):
            continue
        step = next((e for e in events[number + 1 :] if e.kind == "step"), None)
        call = None if step is None else step.call
        owner = (
            simple_name(call.func.value)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            else None
        )
        groups = asked.optimizers().get(owner or "", ())
        if step is not None and any(id(p) in leaves for group in groups for p in group["params"]):
            return step.place
    return None


def _names_of_leaves(asked: Question) -> list[str]:
    if asked.loss.grad_fn is None:
        return []
    leaves = {e for n in reachable(asked.loss.grad_fn) for e in n.edges if isinstance(e, Tensor)}
    return sorted(asked.scope.names[id(t)] for t in leaves if id(t) in asked.scope.names)


def cut_between(asked: Question, value: Value | None) -> dict[Origin, Cut] | None:
    """The cut on the way to a value: that of x if there is one, else those of tensors that require grad."""
    if value is None:
        return None
    cut = cut_of(asked.origins, value.flows)
    if cut is not None:
        return {asked.origins[0]: cut}
    cuts = {o: c for o, c in value.flows.items() if c is not None and asked.learns(o.name)}
    return cuts or None


def cut_reason(asked: Question, cuts: dict[Origin, Cut], frame: str, value: Any) -> Reason:
    origin, cut = next(iter(cuts.items()))
    if cut.kind == "no_grad" and is_own_update(cut.place.text):
        cut = Cut("update", cut.place)
    doing, remedy = CUTS[cut.kind]
    block = "" if cut.block is None else f" (recording is switched off {lies(cut.block)})"
    if cut.block is not None:
        remedy = remedy_of_block(cut.block, remedy)
    what = asked.name if origin in asked.origins else origin.name
    history = f"{what} is cut {lies(cut.place)}{block}: that {doing}"
    if "history from" not in frame:
        history = f"its way to {asked.loss_name} is cut {lies(cut.place)}{block}: that {doing}"
    return Reason(cut.kind, frame.format(history) + ".", remedy, cut.place)


def is_own_update(line: str) -> bool:
    """Whether the text of a line is such an update."""
    try:
        (statement,) = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return False
    return updates_itself(statement)


def frozen_at(asked: Question) -> Place | None:
    """The line that sets requires_grad to False, if the program has one."""
    file = asked.frame.f_code.co_filename
    syntax = syntax_of(file)
    for node in ast.walk(syntax.tree) if syntax is not None else ():
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value is False:
            if any(isinstance(t, ast.Attribute) and t.attr == "requires_grad" for t in node.targets):
                return place_in(file, node.lineno)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_":
            if node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value is False:
                return place_in(file, node.lineno)
    return None
