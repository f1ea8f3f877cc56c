"""What happens to the `.grad` of each leaf: it is delivered, read, cleared, and used by an update."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine import is_own
from ...modes import local
from ...tensor import Tensor, version_counter
from ..places import Position
from .histories import Histories, bases_of
from .looking import by_package, like, observing, where
from .notes import MOST_HASHED, Break, Clip, Leaf, Read, Step, Sum, digest, parameters_of


class Gradients:
    """Gradients and optimizers, and what replaces the accesses to them."""

    def __init__(self, histories: Histories, failures: list[Exception]) -> None:
        self.histories, self.failures = histories, failures
        self.optimizers: dict[int, Step] = {}
        self.reads_of_results: dict[Position, tuple[weakref.ref, Position | None]] = {}  # None read of what is no leaf
        self.last_none: tuple[Tensor, Read] | None = None
        self.schedulers: list[tuple[Any, Position]] = []  # the optimizer of each, and where it was made
        self.given: dict[Leaf, Any] = {}  # by the backward call at hand
        self.given_at: Position | None = None  # where backward was called last
        self.clips: dict[Position, Clip] = {}
        self.backwards = 0  # calls that have ended
        self._tick = 0

    @observing
    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        self._tick += 1
        one = self.histories.leaf_of(leaf)
        one.deliveries += 1
        if one.deliveries == 1 and leaf._array.size:
            one.largest = float(np.max(np.abs(leaf._array)))
        one.delivered_at = self.given_at = position = local.position or where()
        array = gradient._array
        self.given[one] = array
        if array.size and np.any(array):
            one.nonzero += 1
        content = hash(np.asarray(array).tobytes()) if array.size <= MOST_HASHED else None
        if before is not None and np.any(before._array):
            retained = local.task is not None and local.task.freed is None
            repeats = content is not None and content == one.contribution
            one.sums.append(Sum(self._tick, position, one.delivered_before, repeats, retained or one.retained))
            del one.sums[:-20]
            if one.used:
                one.mixed = position
        else:
            one.mixed = None
        one.contribution, one.delivered_before = content, position
        one.retained = local.task is not None and local.task.freed is None
        one.fresh = one.unstepped = True
        one.used = False
        one.cleared_at = None

    def reading(self, getter: Callable) -> Callable:
        def read(tensor: Tensor) -> Any:
            frame = sys._getframe(1)
            if is_own(frame.f_code.co_filename):
                return getter(tensor)
            result = tensor._grad if tensor._grad is not None else getter(tensor)
            self._tick += 1
            one = Read((frame.f_code, frame.f_lasti), self._tick, result is None)
            if result is None:
                self.last_none = tensor, one
            elif not result._requires_grad and tensor._requires_grad and not self.histories.knows(result):
                source = Break("gradient", self.given_at or one.position)
                self.histories.keep(result, dict.fromkeys(self.histories.tensor_flows(tensor), source))
            if tensor._requires_grad and tensor._node is None:
                reads = self.histories.leaf_of(tensor).reads
                reads.append(one)
                del reads[:-100]
            elif result is None:
                made = None if tensor._node is None else (tensor._node.code, tensor._node.lasti)
                self.reads_of_results[one.position] = weakref.ref(tensor), made
            return result

        return read

    def setting(self, setter: Callable) -> Callable:
        def assign(tensor: Tensor, value: Any) -> None:
            setter(tensor, value)
            if id(tensor) in self.histories.leaves and (value is None or not np.any(value._array)):
                self._cleared(self.histories.leaf_of(tensor), where())

        return assign

    def clearing(self, function: Callable) -> Callable:
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            position = where()
            tensors = owner.parameters() if hasattr(owner, "parameters") else parameters_of(owner)
            known = [self.histories.leaf_of(t) for t in tensors if t._requires_grad and t._node is None]
            result = function(owner, *args, **kwargs)
            for leaf in known:
                self._cleared(leaf, position)
            return result

        return like(zero_grad, function)

    def zeroing_in_place(self, method: Callable) -> Callable:
        def zero(tensor: Tensor, *args: Any) -> Any:
            result = method(tensor, *args)
            if self.histories.paused or np.any(tensor._array) or by_package(sys._getframe(1)):
                return result
            ends = {id(base) for base in bases_of(tensor._array)} if isinstance(tensor._array, np.ndarray) else set()
            for leaf in list(self.histories.leaves.values()):
                held = leaf.tensor()
                if held is None or held._grad is None:
                    continue
                if held._grad is tensor or (isinstance(held._grad._array, np.ndarray) and any(id(base) in ends for base in bases_of(held._grad._array))):  # fmt: skip
                    self._cleared(leaf, where())
            return result

        return like(zero, method)

    def flagging(self, setter: Callable) -> Callable:
        def flag(tensor: Tensor, requires_grad: bool = True) -> Any:
            before = tensor._requires_grad
            result = setter(tensor, requires_grad)
            if tensor._node is None and before != tensor._requires_grad:
                if before:
                    self.histories.freeze(tensor)
                elif not before and not by_package(sys._getframe(1)):
                    leaf = self.histories.leaf_of(tensor)
                    leaf.turned_on_at, leaf.frozen_at = where(), None
            return result

        return like(flag, setter)

    @observing
    def _cleared(self, leaf: Leaf, position: Position) -> None:
        self.look_for_change(leaf)
        self._tick += 1
        leaf.clears += 1
        leaf.cleared_last = position
        if leaf.fresh or leaf.unstepped:
            leaf.cleared_at = position
        leaf.fresh = leaf.used = False
        leaf.mixed = None

    @observing
    def look_for_change(self, leaf: Leaf) -> None:
        """Notes that a leaf has been given other elements since it was last looked at."""
        tensor = leaf.tensor()
        if tensor is None:
            return
        now = digest(tensor)
        if now == leaf.digest:
            return
        leaf.digest = now
        if leaf.deliveries or leaf.asked:  # it was not only being filled
            writes = None if tensor._counter is None else version_counter(tensor).writes
            self._updated(leaf, None if not writes else writes[max(writes)])

    def _updated(self, leaf: Leaf, position: Position | None) -> None:
        self._tick += 1
        leaf.updates += 1
        leaf.last_change = self._tick
        leaf.update_at = position
        if leaf.mixed is not None and leaf.accumulated is None and leaf.fresh:
            leaf.accumulated = leaf.delivered_at or leaf.mixed, position
        if leaf.fresh:
            leaf.used, leaf.fresh = True, False

    def optimizing(self, function: Callable) -> Callable:
        def initialize(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            position = where()
            function(optimizer, *args, **kwargs)
            known = self.optimizers[id(optimizer)] = Step(optimizer, position)
            known.backwards = self.backwards
            for tensor in parameters_of(optimizer):
                if tensor._requires_grad and tensor._node is None:
                    self.histories.leaf_of(tensor)

        return like(initialize, function)

    def clipping(self, function: Callable) -> Callable:
        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            self._clipped(tensors, where())
            return function(tensors, *args, **kwargs)

        return like(clip, function)

    @observing
    def _clipped(self, tensors: list[Tensor], position: Position) -> None:
        leaves = [self.histories.leaf_of(t) for t in tensors if t._requires_grad]
        for leaf in leaves:
            self.look_for_change(leaf)
        seen = self.clips.setdefault(position, Clip())
        seen.calls += 1
        if not any(leaf.fresh for leaf in leaves):
            seen.late += any(leaf.used for leaf in leaves)
            seen.early += not any(leaf.used for leaf in leaves)

    def scheduling(self, function: Callable) -> Callable:
        def initialize(scheduler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> None:
            self.schedulers.append((optimizer, where()))
            function(scheduler, optimizer, *args, **kwargs)

        return like(initialize, function)

    @observing
    def before_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        known = self.optimizers.get(id(optimizer))
        if known is None or args or kwargs.get("closure") is not None:
            return
        known.at = where()
        known.steps += 1
        self._count_backwards(known)
        known.still += all(group.get("lr") == 0 for group in optimizer.param_groups)
        tensors = list(parameters_of(optimizer))
        known.frozen += not any(t._requires_grad for t in tensors)
        if self.given_at is not None:
            known.after[self.given_at] = None
        if any(t._grad is not None and np.any(t._grad._array) for t in tensors):
            return
        known.empty += 1
        known.missing += all(t._grad is None for t in tensors)
        for counter in (t._grad._counter for t in tensors if t._grad is not None):
            if counter is not None and counter.writes:
                known.zeroed_at = counter.writes[max(counter.writes)]
        own = {id(t) for t in tensors}
        if self.given and not any(id(leaf.tensor()) in own for leaf in self.given):
            known.elsewhere, known.elsewhere_at = dict.fromkeys(self.given), self.given_at
        for tensor in tensors:
            leaf = self.histories.leaves.get(id(tensor))
            if leaf is not None and leaf.cleared_at is not None and known.cleared_at is None:
                known.cleared_at = leaf.cleared_at

    def _count_backwards(self, known: Step) -> None:
        known.unpreceded += self.backwards == known.backwards
        known.backwards = self.backwards

    @observing
    def after_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        known = self.optimizers.get(id(optimizer))
        if known is not None and (args or kwargs.get("closure") is not None):
            known.at = where()
            known.steps += 1
            self._count_backwards(known)
            nothing = all(t._grad is None for t in parameters_of(optimizer))
            known.empty += nothing
            known.missing += nothing
        for tensor in parameters_of(optimizer):
            leaf = self.histories.leaves.get(id(tensor))
            if leaf is not None:
                leaf.unstepped = False
            if leaf is not None and tensor._grad is not None:
                now = digest(tensor)
                if now != leaf.digest:
                    leaf.digest = now
                    self._updated(leaf, where())
