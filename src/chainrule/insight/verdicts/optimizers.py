"""Optimizers: steps that find no gradient, and parameters that they do not have."""

from __future__ import annotations

from collections.abc import Iterator

from ..cuts import remedy_of_update
from ..dataflow import Place
from ..places import Position, bindings, lies, made_at, place_at, place_in
from ..reasons import Reason, not_registered
from ..syntax import syntax_of
from ..witness.notes import Leaf, Step
from .judge import Judge
from .usage import is_guarded, loop_variables_rebound, own_update_with, read_name


def steps_without_gradient(judge: Judge) -> list[tuple[str, Reason]]:
    """Optimizers none of whose steps has found a gradient, or which go on when their parameters get none any more."""
    found = []
    for step in judge.witness.gradients.optimizers.values():
        frozen = _why_frozen(judge, step) if step.frozen and step.at is not None else None
        if frozen is not None:
            found.append(("optimizer", frozen))
        elif step.steps and step.empty == step.steps and step.at is not None:
            reason = _why_empty(judge, step, place_at(step.at))
            if reason is not None:
                found.append(("optimizer", reason))
    return found


def _why_empty(judge: Judge, step: Step, at: Place) -> Reason | None:
    witness = judge.witness
    start = f"the step {lies(at)} finds no gradients:"
    own = [leaf for leaf, one in judge.in_optimizer.items() if one is step]
    others = _served(judge, step)
    if others is not None and step.elsewhere_at is not None:
        made, backward = place_at(step.made), place_at(step.elsewhere_at)
        leaf = next(iter(step.elsewhere))
        return Reason(
            "optimizer",
            f"{start} the backward before it, {lies(backward)}, goes to {judge.label(leaf)} and the like, which the optimizer made "
            f"{lies(made)} does not have; the one made {lies(place_at(others.made))} has them.",
            "give each optimizer the parameters that its loss is to train, and call the step of the optimizer whose loss went "
            "backward",
            made,
        )
    if step.cleared_at is not None:
        cleared = place_at(step.cleared_at)
        return Reason(
            "cleared",
            f"{start} they were cleared {lies(cleared)}, after the backward and before the step.",
            "clear gradients before backward: zero_grad(), backward(), step(), in this order",
            cleared,
        )
    asked_for = any(leaf.asked for leaf in own) and not any(leaf.deliveries for leaf in own)
    if step.missing == step.steps and witness.last_gradients is not None and asked_for:
        asked = place_at(witness.last_gradients[1])
        return Reason(
            "autograd.grad",
            f"{start} torch.autograd.grad, called {lies(asked)}, returns them and stores none.",
            "give each parameter its own before the step, p.grad = g, or call loss.backward() instead",
            asked,
        )
    if step.unpreceded == step.steps and (witness.roots or judge.error is None):
        return Reason(
            "no backward",
            f"{start} no backward is called before it.",
            "call loss.backward() before each step, inside the loop or the closure",
            at,
        )
    if step.missing == step.steps and not judge.learning_outside() and any(leaf.deliveries for leaf in own):
        return Reason(
            "no backward",
            f"{start} the backward comes only after it.",
            "call loss.backward() before each step, inside the loop",
            at,
        )
    if step.zeroed_at is not None and any(leaf.nonzero for leaf in own):
        zeroed = place_at(step.zeroed_at)
        return Reason(
            "zeroed",
            f"the step {lies(at)} finds gradients that are all 0: backward gave others, and they were overwritten {lies(zeroed)}.",
            "leave the gradients as they are, or check what they are clipped to or multiplied by",
            zeroed,
        )
    if witness.roots and 1 < step.steps == step.missing and own and not any(l.deliveries or l.cuts for l in own):
        made = place_at(step.made)
        return Reason(
            "never used",
            f"{start} nothing that backward was called on was computed from the parameters of the optimizer made {lies(made)}, "
            f"{judge.label(own[0])} and the like.",
            "compute the loss from them, or give the optimizer the parameters that it is computed from",
            made,
        )
    return None


def _why_frozen(judge: Judge, step: Step) -> Reason | None:
    """The optimizer's parameters were told not to require grad."""
    others = judge.learning_outside()
    own = [leaf for leaf, one in judge.in_optimizer.items() if one is step and leaf.frozen_at is not None]
    if not own:
        return None
    if others:
        return wrong_parameters(judge, step, others)
    at, frozen = place_at(step.at), place_at(own[-1].frozen_at)  # type: ignore[arg-type]
    return Reason(
        "requires_grad_false",
        f"the step {lies(at)} finds no gradients: requires_grad of all that it is to change, such as {judge.label(own[-1])}, was set "
        f"to False {lies(frozen)}.",
        "leave requires_grad=True for what is to be trained, or set it to True again before it is",
        frozen,
    )


def _served(judge: Judge, step: Step) -> Step | None:
    """The other optimizer to which the gradients before each of an optimizer's empty steps belong."""
    owners = [judge.in_optimizer.get(leaf) for leaf in step.elsewhere]
    return (
        owners[0] if owners and owners[0] is not None and all(one is owners[0] is not step for one in owners) else None
    )


def updated_beside(judge: Judge) -> list[tuple[str, Reason]]:
    """Leaves that `p = p - lr * p.grad` leaves as they were: it gives the name to a new tensor."""
    found = []
    for leaf in judge.witness.histories.all_leaves:
        if leaf.updates or leaf.deliveries + leaf.asked < 2 or leaf in judge.in_optimizer:
            continue
        for name, place in _updates_beside(judge, leaf):
            doing = (
                f"the assignment {lies(place)} gives the name {name} to a new tensor, and leaves the old one as it was"
            )
            remedy = remedy_of_update(name)
            found.append((leaf, Reason("update", f"{judge.label(leaf)} never changes: {doing}.", remedy, place)))
            break
    return judge.grouped(found)


def _updates_beside(judge: Judge, leaf: Leaf) -> Iterator[tuple[str, Place]]:
    """Assignments that may be meant to change a leaf: those that use its `.grad`, or rebind the variable of a loop."""
    for read in leaf.reads:
        update = own_update_with(read.position)
        if update is not None:
            yield read_name(read.position), place_in(place_at(read.position).file, update.lineno)
    if leaf.asked:
        for file in {place_at(position).file for position in judge.witness.roots}:
            for name, line in loop_variables_rebound(file):
                yield name, place_in(file, line)


def replaced(judge: Judge) -> list[tuple[str, Reason]]:
    """Parameters that the program has given their names anew, after an optimizer was built from the old ones."""
    found = []
    outside = judge.learning_outside()
    for step in judge.witness.gradients.optimizers.values():
        if not step.missing or step.missing == step.steps:
            continue
        for leaf, one in judge.in_optimizer.items():
            newer = [o for o in outside if o.shape == leaf.shape and o.number > leaf.number and _same_name(o, leaf)]
            if one is step and leaf.deliveries and newer:
                found.append((newer[-1], _stops_learning(judge, step, newer)))
                break
    return judge.grouped(found)


def _stops_learning(judge: Judge, step: Step, newer: list[Leaf]) -> Reason:
    """`newer`: leaves that have the name now that a leaf of the optimizer had."""
    made, name = place_at(step.made), judge.label(newer[-1])
    owner = name.rpartition(".")[0]
    syntax = syntax_of(made.file)
    lines = sorted(line for line in bindings(syntax, owner) if line > made.line) if owner and syntax is not None else []
    if lines:  # a module was made anew
        place = place_in(made.file, lines[0])
        return Reason(
            "rebound",
            f"{name} stops learning: {owner} is made anew {lies(place)}, and the optimizer made {lies(made)} does not have the new "
            "parameters.",
            "build the optimizer after the last change to the model; load_state_dict changes a model in place",
            place,
        )
    place = place_at(newer[0].position)
    return Reason(
        "rebound",
        f"{name} stops learning: it is given to a new tensor {lies(place)}, which the optimizer made {lies(made)} does not have.",
        f"change it in place under no_grad: with torch.no_grad(): {name}.copy_(…), or {name}.clamp_(…)",
        place,
    )


def wrong_parameters(judge: Judge, step: Step, others: list[Leaf]) -> Reason:
    made = place_at(step.made)
    names = ", ".join(dict.fromkeys(judge.label(leaf) for leaf in others[:3]))
    replaced = _replaced_at(judge, others[0])
    since = "" if replaced is None or replaced == made else f" (assigned {lies(replaced)})"
    return Reason(
        "optimizer",
        f"the optimizer made {lies(made)} has parameters that the loss does not use, and those that it does use, {names}"
        f"{since}, are not among them.",
        "build the optimizer after the last change to the model, from the parameters of the model that is trained",
        made,
    )


def _replaced_at(judge: Judge, leaf: Leaf) -> Place | None:
    owner = (leaf.name or "").rpartition(".")[0]
    return made_at(owner, leaf.position) if owner else None


def left_out(judge: Judge) -> list[tuple[str, Reason]]:
    witness = judge.witness
    stepped = [step for step in witness.gradients.optimizers.values() if step.steps > 1]
    if not stepped:
        return []
    found: list[tuple[Leaf, Reason]] = []
    outside = judge.learning_outside()
    for leaf in outside:
        hidden = witness.hidden.get(leaf)
        if hidden is not None:
            found.append((leaf, not_registered(judge.label(leaf), hidden)))
    if found:
        return judge.grouped(found)
    for leaf in outside:
        if leaf.deliveries < 2 or leaf.asked or any(not is_guarded(r.position) for r in leaf.reads):
            continue
        owner = leaf.owner
        if leaf.turned_on_at is None and owner is not None and (not owner.is_training or judge.trained_in_part(owner)):
            continue
        # the one that steps after the backward that goes to it, or that was built from the wrong ones
        idle = [step for step in stepped if step.missing == step.steps]
        after = [step for step in stepped if leaf.delivered_at in step.after]
        made = place_at((idle or after or stepped)[-1].made)
        name = judge.label(leaf)
        found.append(
            (
                leaf,
                Reason(
                    "optimizer",
                    f"{name}.grad is there, but {name} will not change: the optimizer made {lies(made)} was not given it.",
                    f"pass it to the optimizer: add {name if owner is None else owner.name + '.parameters()'} to its parameters",
                    made,
                ),
            )
        )
    return judge.grouped(found)


def _same_name(one: Leaf, other: Leaf) -> bool:
    return one.name == other.name or one.name is None or other.name is None


def unused_gradients(judge: Judge) -> list[tuple[str, Reason]]:
    """Gradients that come and are cleared, again and again, while the optimizer never takes a step."""
    found = []
    for leaf, step in judge.in_optimizer.items():
        if step.steps or leaf.updates or leaf.nonzero < 3 or leaf.clears < 2 or leaf.delivered_at is None:
            continue
        if any(not is_guarded(r.position) for r in leaf.reads):
            continue
        place, made = place_at(leaf.delivered_at), place_at(step.made)
        found.append(
            (
                leaf,
                Reason(
                    "no step",
                    f"{judge.label(leaf)} never changes: nothing uses the gradients of the backward {lies(place)}, as step() of the "
                    f"optimizer made {lies(made)} is never called.",
                    "call optimizer.step() after each backward (a scheduler's step() only sets the learning rate)",
                    place,
                ),
            )
        )
    return judge.grouped(found)


def steps_of_no_size(judge: Judge) -> list[tuple[str, Reason]]:
    """Optimizers whose learning rate is 0 in most of their steps."""
    found = []
    made_at_a_place: dict[Position, list[Step]] = {}
    for step in judge.witness.gradients.optimizers.values():
        made_at_a_place.setdefault(step.made, []).append(step)
    for position, some in made_at_a_place.items():
        steps, still, empty = (sum(getattr(one, name) for one in some) for name in ("steps", "still", "empty"))
        if steps < 2 or still * 2 <= steps or steps == empty:
            continue
        made = place_at(position)
        schedulers = [at for one, at in judge.witness.gradients.schedulers if any(one is s.optimizer for s in some)]
        cause = place_at(schedulers[-1]) if schedulers else made
        since = f", since the scheduler made {lies(cause)} sets it" if schedulers else ""
        found.append(
            (
                "optimizer",
                Reason(
                    "learning rate",
                    f"the optimizer made {lies(made)} changes nothing: its learning rate is 0 in {still} of its {steps} steps"
                    f"{since}.",
                    "give it a learning rate above 0, and look at what a scheduler multiplies it by: // rounds down to 0",
                    cause,
                ),
            )
        )
    return found
