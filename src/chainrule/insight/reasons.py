"""Why a gradient is what it is: the answer, and the sentences that `why` and `chainrule why FILE` share."""

from __future__ import annotations

from dataclasses import dataclass

from .dataflow import Place
from .holders import Hidden
from .places import attribute_line, lies


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
