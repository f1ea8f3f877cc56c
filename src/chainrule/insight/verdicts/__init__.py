"""What a witnessed run says about the gradients of a program: findings, each with its cause, line and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reasons import Reason
from .accumulation import accumulated
from .failures import reason_of
from .functions import wrong_backwards
from .idle import idle, made_in_forward
from .judge import Judge
from .numbers import not_gone_back_from
from .optimizers import (
    left_out,
    replaced,
    steps_of_no_size,
    steps_without_gradient,
    unused_gradients,
    updated_beside,
)
from .reads import reads
from .unreached import unreached
from .warned import clipped_in_vain, warned

if TYPE_CHECKING:
    from ..witness import Witness


_NUMBERS = ("nan", "inf", "diverged", "backward", "hook")


def findings(witness: Witness, error: BaseException | None, name: str | None = None) -> list[tuple[str, Reason]]:
    """What went wrong in a run, most likely first; of one variable only, if it is named."""
    judge = Judge(witness, error)
    found = _all(judge)
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


def _all(judge: Judge) -> list[tuple[str, Reason]]:
    found: list[tuple[str, Reason]] = []
    numbers = [r for r in judge.witness.reasons if r[1].cause in _NUMBERS][:1] or not_gone_back_from(judge)
    if judge.error is not None:
        failed = (type(judge.error).__name__, reason_of(judge, judge.error))
        found.append(failed)
        if failed[1].cause == "error":  # bad numbers may be what it was about, or a gradient that did not come
            found, numbers = [*numbers, *found], []
            if "NoneType" in str(judge.error):
                found = [*unreached(judge), *found]
    found += numbers
    found += idle(judge)
    found += unreached(judge)
    found += made_in_forward(judge)
    found += steps_without_gradient(judge)
    found += replaced(judge)
    found += left_out(judge)
    found += unused_gradients(judge)
    found += accumulated(judge)
    found += updated_beside(judge)
    found += steps_of_no_size(judge)
    found += clipped_in_vain(judge)
    found += wrong_backwards(judge)
    found += zeros(judge)
    found += reads(judge)
    found += [r for r in judge.witness.reasons if r[1].cause not in _NUMBERS]
    found += warned(judge)
    return found


def zeros(judge: Judge) -> list[tuple[str, Reason]]:
    """Gradients that are 0, of leaves that are trained, or looked at; where nothing is trained, of all."""
    return judge.grouped(
        (leaf, leaf.zero)
        for leaf in judge.witness.histories.all_leaves
        if leaf.zero is not None
        and not leaf.nonzero
        and (leaf.is_parameter or leaf.reads or leaf in judge.in_optimizer or not judge.in_optimizer)
    )
