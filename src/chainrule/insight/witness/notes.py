"""What a witness notes of a run: leaves, backward calls, optimizers, and what became of them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ...engine import Node
from ...tensor import Tensor
from ..places import Position

Call = tuple[str, tuple[int, int] | None, str, list[tuple[str, int]]]  # what an abstract run up to a call is made from
MOST_HASHED = 1 << 16  # elements of a leaf that are looked at to see whether it was changed


class Break(NamedTuple):
    """Where a history ended: an operation that went unrecorded, or a way out of the graph."""

    kind: str
    position: Position
    block: Position | None = None  # what switched recording off


Flows = dict["Leaf", "Break | None"]  # None: the history goes through


class Read(NamedTuple):
    """A `.grad` that the program read."""

    position: Position
    tick: int
    was_none: bool


class Sum(NamedTuple):
    """A gradient that was added to what was there."""

    tick: int
    position: Position
    before: Position | None  # where the last one came from
    repeats: bool  # whether it is the same as the last one
    retained: bool  # whether the graph was retained: it was meant to be gone through again


class Birth(NamedTuple):
    """An operation whose result was bad though its inputs were not, or that was given bad ones from outside."""

    operation: str  # "": the numbers came with a tensor that no operation made
    position: Position
    inputs: list
    given: Tensor | None = None  # that tensor
    node: Node | None = None


class Owner(NamedTuple):
    """The largest module of the program that has a leaf."""

    name: str
    number: int  # its id
    size: int  # the number of its parameters
    is_training: bool


class Leaf:
    """What happened to one leaf that requires grad."""

    def __init__(self, tensor: Tensor, position: Position, number: int) -> None:
        self.tensor = weakref.ref(tensor)
        self.position = position  # where it was first met
        self.number = number
        self.name: str | None = None
        self.shape = tensor._array.shape
        self.is_parameter = hasattr(tensor, "_mark") or type(tensor) is not Tensor
        self.escapes: dict[Position, Break] = {}  # into Python numbers and NumPy
        self.cuts: dict[Break, None] = {}  # on its way to what backward was called on
        self.absent_from: dict[Position, None] = {}  # backward calls on what has nothing of it
        self.deliveries = 0  # by backward
        self.nonzero = 0
        self.asked = 0  # autograd.grad gave a gradient for it
        self.clears = 0
        self.updates = 0
        self.reads: list[Read] = []
        self.delivered_at: Position | None = None
        self.digest: Any = None
        self.largest = 0.0  # magnitude of an element, when the first gradient came
        self.last_change = 0  # when the value was last seen to differ
        self.fresh = self.used = False  # whether a gradient is there that no update has used, or one has
        self.unstepped = False  # whether a gradient has come since the last step of its optimizer
        self.mixed: Position | None = None  # where a gradient was added to one that an update had used
        self.accumulated: tuple[Position, Position | None] | None = None  # that, and the update that used the sum
        self.sums: list[Sum] = []
        self.contribution: Any = None  # a hash of the last gradient
        self.delivered_before: Position | None = None
        self.retained = self.in_graph = False
        self.update_at: Position | None = None
        self.cleared_last: Position | None = None
        self.cleared_at: Position | None = None  # before an update used it
        self.owner: Owner | None = None
        self.zero: Any = None  # why the gradient is 0, a Reason
        self.frozen_at: Position | None = None  # where requires_grad was set to False, or never was True
        self.turned_on_at: Position | None = None  # where it was set to True

    def __repr__(self) -> str:
        return f"<leaf {self.name}>"


class Root:
    """What backward (or autograd.grad) was called on at one place of the program."""

    def __init__(self, position: Position, call: Call) -> None:
        self.position = position
        self.call = call
        self.count = 0
        self.losses: list[float] = []
        self.is_leaf = False
        self.retained = False
        self.flows: Flows = {}
        self.made: Position | None = None
        self.constant_terms: list[Flows] = []  # of its terms that have a gradient for nothing


class Step:
    """One optimizer, and how its steps went."""

    def __init__(self, optimizer: Any, position: Position) -> None:
        self.optimizer = optimizer
        self.made = position
        self.at: Position | None = None  # where step() was called last
        self.steps = 0
        self.empty = 0  # steps without any gradient but zeros
        self.missing = 0  # steps without any gradient
        self.zeroed_at: Position | None = None  # what wrote the gradients last, where they are all 0
        self.elsewhere: dict[Leaf, None] = {}  # what the backward before an empty step gave gradients to
        self.elsewhere_at: Position | None = None
        self.still = 0  # steps with a learning rate of 0
        self.frozen = 0  # steps while none of the parameters required grad
        self.unpreceded = 0  # steps before which no backward was called since the one before
        self.backwards = 0  # how many there had been at the last step
        self.after: dict[Position, None] = {}  # the backward calls that were the last before a step
        self.cleared_at: Position | None = None
        self.parameters: list[Tensor] = []


class Clip:
    """How often gradients were clipped at one place, and how often that came too late, or too early."""

    def __init__(self) -> None:
        self.calls = self.late = self.early = 0


def digest(tensor: Tensor) -> Any:
    """Something that changes when the tensor's elements do."""
    array = np.asarray(tensor._array)
    if array.size > MOST_HASHED:
        array = array.ravel()[:: array.size // MOST_HASHED]
    return hash(array.tobytes())


def parameters_of(optimizer: Any) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]
