"""Where values leave the graph: operations that go unrecorded, numbers and arrays, and new tensors made of them."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from ... import modes
from ...engine import Node, is_own
from ...modes import local
from ...overrides import TorchFunctionMode
from ...tensor import Tensor
from ..dataflow import CUTTING_METHODS, NO_VALUE, WITH_INDICES
from ..places import Position
from ..terms import SUMS
from .births import Births
from .histories import Histories, note
from .looking import by_package, like, observing, where
from .notes import Break, Flows
from .shapes import Widened, widened

MOST_NUMBERS = 20_000  # Python numbers whose origin is remembered
# functions of torch that make leaves
CREATING = ("zeros", "ones", "full", "empty", "rand", "randn", "linspace", "arange", "eye", "zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like")  # fmt: skip


# functions of torch that give integers, and do not all go through an operation
NOT_RECORDED = (
    "multinomial",
    "bernoulli",
    "poisson",
    "nonzero",
    "bincount",
    "histc",
    "searchsorted",
    "bucketize",
    "argsort",
    "one_hot",
)


class Exits:
    """Sees every operation of the program, and makes what replaces the ways out of the graph and back in."""

    def __init__(self, histories: Histories, births: Births, failures: list[Exception]) -> None:
        self.histories, self.births, self.failures = histories, births, failures
        self.inference_breaks: dict[Break, None] = {}
        self.widened: dict[Widened, None] = {}
        self._terms: dict[int, tuple[weakref.ref, Flows]] = {}

    @observing
    def operated(self, func: Any, args: tuple, result: Any) -> None:
        """An operation has run."""
        if self.histories.paused:
            return
        name = getattr(func, "__name__", "")
        self.births.look_for_birth(name, args, result)
        parts = [
            self.histories.flows_of(a)
            for a in args
            if a is not None and a.__class__ is not bool and a.__class__ is not int
        ]
        flows = self.histories.merged(parts)
        if not flows:
            return
        results = result if isinstance(result, (tuple, list)) else (result,)
        for number, one in enumerate(results):
            if not isinstance(one, Tensor):
                continue
            if one._requires_grad:
                if one._node is not None:
                    self.histories.record(one._node, flows)
                    square = widened(args, one) if name == "sub" else None
                    if square is not None:
                        self.widened[square] = None
                    if name in SUMS:
                        self._look_for_term(one._node, args)
                continue
            kind = self._kind(name, one, number)
            if kind is None:
                continue
            closed = self.histories.closed(flows, kind, where())
            if kind == "inference":
                self.inference_breaks.update((c, None) for c in closed.values() if c is not None)
            self.histories.keep(one, closed)
            target = _written_to(sys._getframe(2))
            if target is not None and not target._requires_grad:
                self.histories.keep(target, self.histories.merged([self.histories.tensor_flows(target), closed]))

    def _look_for_term(self, node: Node, args: tuple) -> None:
        """Notes what a node adds, if all its ways from leaves have ended."""
        for given in args:
            if isinstance(given, Tensor) and not given._requires_grad:
                flows = self.histories.flows_of(given)
                if flows and all(flows.values()):
                    note(self._terms, node, flows)

    def term_added_by(self, node: Node) -> Flows:
        """Where the histories ended of what a node adds, if they all did."""
        entry = self._terms.get(id(node))
        return entry[1] if entry is not None and entry[0]() is node else {}

    def _kind(self, name: str, result: Tensor, number: int) -> str | None:
        """Why an operation's result has no history; None: it has nothing of its inputs in it."""
        if not local.grad_enabled:
            return "inference" if local.inference else "no_grad"
        if name in CUTTING_METHODS:
            return CUTTING_METHODS[name]
        if name in NO_VALUE or name in ("isnan", "isinf", "isfinite"):
            return None
        kind = result._array.dtype.kind
        if kind in "iub":
            if name in WITH_INDICES or any(name.startswith(w) for w in WITH_INDICES):
                return "argmax"
            if kind == "b":
                return "comparison"
            return "integer"
        return None if name.endswith("_like") else "undifferentiable"

    def cutting(self, method: Callable, kind: str, whole: bool = False) -> Callable:
        """`whole`: what the method does inside is no concern of the program."""

        def cut(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            result = method(tensor, *args, **kwargs)
            if not isinstance(result, Tensor) or result._requires_grad or by_package(sys._getframe(1)):
                return result
            flows = self.histories.flows_of(tensor)
            if not flows:
                return result
            if whole or not self.histories.knows(result):
                closed = self.histories.closed(flows, kind, where())
                self.histories.keep(result, closed)
                self.histories.keep_array(result._array, closed)
            return result

        return like(cut, method)

    def choosing(self, method: Callable) -> Callable:
        def choose(tensor: Tensor, index: Any) -> Any:
            result = method(tensor, index)
            if index.__class__ is Tensor or index.__class__ is tuple:  # a tensor of one integer chooses as that integer
                flows = self.histories.closed(self.histories.flows_of(index), "index", where())
                if flows and not result._requires_grad and not self.histories.knows(result):
                    self.histories.keep(result, flows)
                elif flows and result._node is not None:
                    self.histories.keep(result._node, self.histories.merged([self.histories.flows_of(result), flows]))
            return result

        return like(choose, method)

    def filling(self, setter: Callable) -> Callable:
        """Of `.data`: what it is given has no history there."""

        def fill(tensor: Tensor, value: Any) -> None:
            setter(tensor, value)
            flows = self.histories.flows_of(value)
            if flows and not by_package(sys._getframe(1)):
                self.histories.keep(tensor, self.histories.closed(flows, "data", where()))

        return fill

    def escaping(self, method: Callable, kind: str) -> Callable:
        def escape(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            result = method(tensor, *args, **kwargs)
            flows = self.histories.tensor_flows(tensor)
            if not flows or by_package(sys._getframe(1)):
                return result
            position = where()
            flows = self.histories.closed(flows, kind, position)
            for leaf, cut in flows.items():
                if cut is not None and cut.position == position:
                    leaf.escapes.setdefault(position, cut)
                elif cut is not None:
                    leaf.escapes.setdefault(cut.position, cut)
            for one in _floats(result):
                if len(self.histories.numbers) > MOST_NUMBERS:
                    del self.histories.numbers[next(iter(self.histories.numbers))]
                self.histories.numbers[id(one)] = one, flows
            if isinstance(result, np.ndarray):
                self.histories.keep_array(result, flows)
            return result

        return like(escape, method)

    def making(self, function: Callable) -> Callable:
        def make(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            given = args[0] if args else kwargs.get("data")
            if isinstance(result, Tensor) and result is not given:
                flows = self.histories.flows_of(given)
                if flows:
                    self.histories.keep(result, self.histories.closed(flows, "remade", where()))
                if result._requires_grad and result._node is None:
                    self.histories.leaf_of(result)
            return result

        return like(make, function)

    def creating(self, function: Callable) -> Callable:
        def create(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if kwargs.get("requires_grad") and isinstance(result, Tensor):
                self.histories.leaf_of(result)
            return result

        return like(create, function)

    def making_parameter(self, function: Callable) -> Callable:
        def make(cls: type, *args: Any, **kwargs: Any) -> Any:
            result = function(cls, *args, **kwargs)
            if isinstance(result, Tensor) and not result._requires_grad:
                self.histories.freeze(result)
            elif isinstance(result, Tensor) and result._node is None:
                given = self.histories.flows_of(args[0]) if args else {}
                if given:
                    self.histories.keep(result, self.histories.closed(given, "parameter", where()))
                self.histories.leaf_of(result)
            return result

        return make

    def switching(self, function: Callable) -> Callable:
        def switch(enabled: bool) -> None:
            if enabled:
                local.off_at = local.off_kind = None
            elif (local.grad_enabled or getattr(local, "off_at", None) is None) and sys._getframe(
                1
            ).f_code.co_name != "__exit__":
                local.off_at, local.off_kind = _block_position(sys._getframe(1)), _kind_of_block(sys._getframe(1))
            function(enabled)

        return switch


class Operations(TorchFunctionMode):
    """Shows every operation of the program."""

    def __init__(self, exits: Exits) -> None:
        self.exits = exits

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.exits.operated(func, args, result)
        return result


def _floats(value: Any) -> Iterator[float]:
    if value.__class__ is float:
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _floats(one)


def _written_to(frame: FrameType | None) -> Tensor | None:
    """The tensor that an in-place operation is about to write an operation's result to."""
    for _ in range(16):
        if frame is None or not is_own(frame.f_code.co_filename):
            return None
        if frame.f_code.co_name in ("in_place", "in_place_anywhere"):
            return frame.f_locals.get("tensor")
        frame = frame.f_back
    return None


def _kind_of_block(frame: FrameType | None) -> str | None:
    """How a function of the package is called that switches recording off for what it computes."""
    while frame is not None and frame.f_code.co_filename == modes.__file__:
        frame = frame.f_back
    return (
        "sample"
        if frame is not None and is_own(frame.f_code.co_filename) and frame.f_code.co_name == "sample"
        else None
    )


def _block_position(frame: FrameType | None) -> Position | None:
    """Where the program has switched recording off: the `with`, the call, or the decorator."""
    while frame is not None and is_own(frame.f_code.co_filename):
        if frame.f_code.co_name in ("inside", "_wrap_generator", "generate") and "function" in frame.f_locals:
            code = getattr(frame.f_locals["function"], "__code__", None)
            if code is not None:
                return code, -1
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)
