"""Why a gradient is what it is: the answer, and the sentences that `why` and `chainrule why FILE` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..engine import is_own
from ..tensor import Tensor
from .cuts import remedy_of_update
from .dataflow import Place
from .holders import Hidden
from .places import attribute_line, lies, return_of


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


def returns_none(name: str, function: type, place: Place) -> Reason:
    return Reason(
        "backward",
        f"{name}.grad is None because the backward of {function.__name__} returns None {lies(place)}.",
        "return the derivative times the gradient that backward is given, one for each input of forward",
        place,
    )


def holds_integers(name: str, tensor: Tensor, made: Place | None) -> Reason:
    where = "" if made is None else f", made {lies(made)},"
    return Reason(
        "integer",
        f"{name}.grad is None because {name}{where} holds {tensor.dtype}: only floating-point tensors have gradients.",
        "write its numbers with a decimal point, or give dtype=torch.float32",
        made,
    )


def never_required(name: str, made: Place | None) -> Reason:
    where = "" if made is None else f", made {lies(made)},"
    return Reason(
        "no requires_grad",
        f"{name}.grad is None because {name}{where} does not require grad.",
        f"make it with requires_grad=True, or call {name}.requires_grad_() before the computation",
        made,
    )


def made_by_update(name: str, place: Place) -> Reason:
    return Reason(
        "not a leaf",
        f"{name}.grad is None because the update {lies(place)} makes a new tensor, which is computed and so is not a leaf.",
        remedy_of_update(name),
        place,
    )


def made_of_nameless_leaf(name: str, place: Place) -> Reason:
    return Reason(
        "not a leaf",
        f"{name}.grad is None because {name} is not a leaf: {lies(place)[3:]} makes {name} out of the leaf, and the leaf itself "
        "has no name.",
        f"make the leaf last: {name} = (…).detach().requires_grad_(), or give requires_grad=True to the final tensor",
        place,
    )


def computed(name: str, place: Place) -> Reason:
    return Reason(
        "not a leaf",
        f"{name}.grad is None because {name} is not a leaf: it was computed {lies(place)}, and only leaves keep their gradient.",
        f"call {name}.retain_grad() before backward(), or look inside with chainrule.record_grads(); if {name} is to be trained, "
        f"make it the leaf: {name} = (…).detach().requires_grad_()",
        place,
    )


def not_scalar(name: str, size: int, made: Place | None, place: Place) -> Reason:
    where = "" if made is None else f", made {lies(made)},"
    return Reason(
        "not a scalar",
        f"{name}.backward() fails because {name}{where} has {size} elements, and only a scalar has a gradient by itself.",
        "reduce it first, with sum() or mean(), or give backward the weights: backward(torch.ones_like(loss))",
        made or place,
    )


def hook_returns(what: str, state: str, hook: Any, registered: Place | None = None) -> Reason:
    """A hook makes the gradient what it is."""
    code = getattr(hook, "__code__", None)
    place = None if code is None or is_own(code.co_filename) else return_of(code)
    place = place or registered
    where = "" if place is None else f" {lies(place)}"
    since = "" if registered is None else f", registered {lies(registered)},"
    return Reason(
        "hook",
        f"{what} {state} because the hook {getattr(hook, '__name__', '')}{since} returns such a gradient{where}.",
        "let the hook return the gradient that it wants to go on, or None to leave it as it is; or remove it",
        place,
    )


def not_registered(name: str, hidden: Hidden) -> Reason:
    module, attribute, held = hidden
    place = attribute_line(module, attribute)
    where = "" if place is None else f" {lies(place)}"
    what, remedy = {
        "plain": ("it is a plain tensor", f"make it a parameter: self.{attribute} = torch.nn.Parameter(…)"),
        "contained": (
            "it is kept in a plain list or dict, where a module does not look",
            "use torch.nn.ModuleList, ModuleDict or ParameterList, which register what they hold",
        ),
        "computed": (
            f"self.{attribute} is computed from it, and only what is a Parameter itself is registered",
            f"put the whole expression inside, self.{attribute} = torch.nn.Parameter(…), or keep the Parameter and compute in "
            "forward",
        ),
    }[held]
    return Reason(
        "not registered",
        f"{name} gets a gradient but never changes: {what}{where}, so that {module.__name__}.parameters() does not have it.",
        remedy,
        place,
    )
