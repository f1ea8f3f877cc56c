"""`.grad` read where it is not there, though nothing failed."""

from __future__ import annotations

from ...tensor import Tensor
from ..cuts import CUTS
from ..places import Position, block_at, lies, made_at, place_at
from ..reasons import Reason, computed, holds_integers, made_by_update, made_of_nameless_leaf, never_required
from ..source import Source
from ..values import reachable
from .judge import Judge
from .usage import is_guarded, is_own_update_at, read_name


def reads(judge: Judge) -> list[tuple[str, Reason]]:
    """Gradients that the program reads and that are not there, though nothing failed."""
    witness = judge.witness
    found: list[tuple[str, Reason]] = []
    if not witness.roots:
        return []
    for position, (reference, made) in witness.gradients.reads_of_results.items():
        tensor = reference()
        if is_guarded(position):
            continue
        if made is None:
            if tensor is None or tensor._requires_grad:
                continue
            if not witness.histories.flows_of(tensor) and any(
                not r.was_none for leaf in witness.histories.all_leaves for r in leaf.reads
            ):
                continue  # data, next to tensors that do have gradients: it is shown on purpose
        reason = no_gradient(judge, tensor, position, made)
        if reason is not None:
            found.append((read_name(position), reason))
    for leaf in witness.histories.all_leaves:
        if leaf.deliveries and leaf.reads and all(r.was_none for r in leaf.reads) and leaf not in judge.in_optimizer:
            last = leaf.reads[-1]
            if is_guarded(last.position) or leaf.cleared_last is not None:
                continue
            place = place_at(last.position)
            found.append(
                (
                    judge.label(leaf),
                    Reason(
                        "read too early",
                        f"{judge.label(leaf)}.grad is None when it is read {lies(place)}: the backward comes later.",
                        "read .grad after backward()",
                        place,
                    ),
                )
            )
    return found


def no_gradient(judge: Judge, tensor: Tensor | None, position: Position, made: Position | None) -> Reason | None:
    """Why a tensor that is no leaf, or requires no grad, has no gradient."""
    name = read_name(position)
    read = place_at(position)
    if made is not None:
        place = place_at(made)
        if is_own_update_at(made, name):
            return made_by_update(name, place)
        return (made_of_nameless_leaf if _made_of_a_nameless_leaf(made, tensor) else computed)(name, place)
    if tensor is None:
        return None
    flows = judge.witness.histories.flows_of(tensor)
    cuts = [cut for cut in flows.values() if cut is not None]
    if cuts:
        cut = cuts[0]
        doing, remedy = CUTS[cut.kind]
        place = place_at(cut.position)
        if cut.kind == "no_grad" and is_own_update_at(cut.position, name):
            doing, remedy = CUTS["update"]
        elif cut.block is not None and cut.kind in ("no_grad", "inference"):
            place = block_at(cut.block)
        return Reason(
            cut.kind if doing is not CUTS["update"][0] else "update",
            f"{name}.grad is None because {name} does not require grad: what is done {lies(place)} {doing}.",
            remedy,
            place,
        )
    held = judge.scope.names.get(id(tensor))
    # in a loop over several, it has two names
    others = [other for other, one in judge.scope.typed.items() if one == held]
    made_place = next((m for m in (made_at(one, position) for one in (name, held, *others)) if m is not None), read)
    if tensor._array.dtype.kind in "iub":
        return holds_integers(name, tensor, made_place)
    return never_required(name, made_place)


def _made_of_a_nameless_leaf(made: Position, tensor: Tensor | None) -> bool:
    if tensor is None or tensor._node is None:
        return False
    order = reachable(tensor._node)
    leaves = {id(e) for n in order for e in n.edges if isinstance(e, Tensor)}
    lines = {Source(n.code, n.lasti).line for n in order}
    text = place_at(made).text
    return len(leaves) == 1 and len(lines) == 1 and "requires_grad" in text
