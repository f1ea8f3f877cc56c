"""What happens to gradients while a program runs: where histories end, and what backward calls, clearing, steps and reads
of `.grad` do to each leaf, in their order. `chainrule why FILE` runs the program with a witness and asks it afterwards.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from .. import modes
from ..engine import Node, is_own, user_position
from ..modes import local
from ..overrides import TorchFunctionMode
from ..tensor import Tensor, gradient_edge, version_counter, wrap
from .badnumbers import is_bad
from .dataflow import CUTTING_METHODS, NO_VALUE, WITH_INDICES
from .holders import modules_of, unregistered, variables_of
from .names import Scope, caller
from .values import reachable
from .watching import WatchedTask, Watcher

Position = tuple[CodeType, int]  # a code object and an instruction offset in it
Call = tuple[str, tuple[int, int] | None, str, list[tuple[str, int]]]  # what an abstract run up to a call is made from
MOST_CLOSED = 2000  # leaves that one value remembers to be cut off from
MOST_NUMBERS = 20_000  # Python numbers whose origin is remembered
MOST_HASHED = 1 << 16  # elements of a leaf that are looked at to see whether it was changed
MOST_LEAVES_ASKED = 8  # whose numbers are traced in one backward call


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


ON_PURPOSE = ("masked_fill", "masked_fill_tensor", "fill", "full_like", "where")  # these are told to put -inf somewhere


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
        self.mixed: Position | None = None  # where a gradient was added to one that an update had used
        self.accumulated: tuple[Position, Position | None] | None = None  # that, and the update that used the sum
        self.sums: list[Sum] = []
        self.contribution: Any = None  # a hash of the last gradient
        self.delivered_before: Position | None = None
        self.retained = self.in_graph = False
        self.update_at: Position | None = None
        self.cleared_last: Position | None = None
        self.cleared_at: Position | None = None  # before an update used it
        self.zero: Any = None  # why the gradient is 0, a Reason

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


class Step:
    """One optimizer, and how its steps went."""

    def __init__(self, optimizer: Any, position: Position) -> None:
        self.optimizer = optimizer
        self.made = position
        self.at: Position | None = None  # where step() was called last
        self.steps = 0
        self.empty = 0  # steps without any gradient but zeros
        self.missing = 0  # steps without any gradient
        self.cleared_at: Position | None = None
        self.parameters: list[Tensor] = []


def digest(tensor: Tensor) -> Any:
    """Something that changes when the tensor's elements do."""
    array = np.asarray(tensor._array)
    if array.size > MOST_HASHED:
        array = array.ravel()[:: array.size // MOST_HASHED]
    return hash(array.tobytes())


class _Operations(TorchFunctionMode):
    """Shows a witness every operation of the program."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.witness.operated(func, args, result)
        return result


def observing(method: Callable) -> Callable:
    """A method that looks on: if it fails, the program goes on, and the failure is told at the end."""

    @functools.wraps(method)
    def look(self: Witness, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as failure:
            self.failures.append(failure)

    return look


class Witness(Watcher):
    """Watches a program between `start` and `stop`, in all of its threads."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []  # of its own
        self.leaves: dict[int, Leaf] = {}  # {id of a tensor that is alive: its leaf}
        self.all_leaves: list[Leaf] = []
        self.roots: dict[Position, Root] = {}
        self.optimizers: dict[int, Step] = {}
        self.attempt: tuple[list[Any], Flows, Position] | None = None  # the last backward call
        self.reads_of_results: dict[
            Position, tuple[weakref.ref, Position | None]
        ] = {}  # None read from what is no leaf
        self.reasons: list[Any] = []  # found while numbers were there
        self.functions_without_gradient: dict[type, None] = {}
        self.hook_places: dict[int, Position] = {}
        self.last_gradients: tuple[tuple, Position] | None = None  # what autograd.grad returned last, and where
        self.calls: dict[type, Any] = {}  # of each custom Function, its first call
        self._flows: dict[int, tuple[weakref.ref, Flows]] = {}
        self._numbers: dict[int, tuple[float, Flows]] = {}
        self._arrays: dict[int, tuple[weakref.ref, Flows]] = {}
        self._undo: list[tuple[Any, str, Any]] = []
        self._tick = 0
        self._saved: list[tuple[Node, Any]] = []
        self.given: dict[Leaf, Any] = {}
        self.seed: Any = None
        self.given_at: Position | None = None  # where backward was called last
        self._births: dict[int, tuple[weakref.ref, Birth]] = {}
        self._bad = self._busy = False
        self.frozen: dict[Position, list[str]] = {}  # where requires_grad was set to False
        self.turned_on: dict[Position, weakref.ref] = {}  # where it was set to True
        self.last_none: tuple[Tensor, Read] | None = None
        self.inference_breaks: dict[Break, None] = {}
        self.hidden: dict[Leaf, tuple[type, str]] = {}  # leaves that modules hold without knowing: class and attribute
        self.top_modules: dict[str, weakref.ref] = {}
        self.zeroing: list[tuple[Callable, bool]] = []  # hooks that made a gradient zero, or bad

    # ---- starting and stopping

    def start(self) -> None:
        import chainrule
        from chainrule import autograd
        from chainrule.autograd import function
        from chainrule.nn.modules.module import Module
        from chainrule.nn.parameter import Parameter
        from chainrule.optim.optimizer import (
            Optimizer,
            register_optimizer_step_post_hook,
            register_optimizer_step_pre_hook,
        )

        self.operations = _Operations(self)
        self.watch()
        for name, value in (
            ("watchers", (weakref.ref(self),)),
            ("task_class", WatchedTask),
            ("function_modes", (self.operations,)),
            ("mode", modes.CAREFUL),
        ):  # the class's values are those that new threads begin with
            self._replace(type(local), name, value)
        local.function_modes = (*local.function_modes, self.operations)
        local.refresh()
        for name, kind in (("item", "item"), ("tolist", "item"), ("numpy", "numpy"), ("__array__", "numpy"), ("__float__", "number"), ("__int__", "number")):  # fmt: skip
            self._replace(Tensor, name, self._escaping(getattr(Tensor, name), kind))
        for name, kind in (("detach", "detach"), ("new_tensor", "remade")):
            self._replace(Tensor, name, self._cutting(getattr(Tensor, name), kind))
        data: Any = Tensor.data
        self._replace(Tensor, "data", property(self._cutting(data.fget, "data"), data.fset, data.fdel, data.__doc__))
        gradient: Any = Tensor.grad
        self._replace(Tensor, "grad", property(self._reading(gradient.fget), self._setting(gradient.fset), gradient.fdel, gradient.__doc__))  # fmt: skip
        for name in ("tensor", "as_tensor", "from_numpy", "asarray"):
            self._replace(chainrule, name, self._making(getattr(chainrule, name)))
        for name in _NOT_RECORDED:
            for owner in (chainrule, Tensor):
                if hasattr(owner, name):
                    self._replace(
                        owner, name, self._cutting(getattr(owner, name), CUTTING_METHODS.get(name, "integer"))
                    )
        self._replace(modes, "_set_grad_enabled", self._switching(modes._set_grad_enabled))
        for name in ("zero_", "fill_"):
            self._replace(Tensor, name, self._zeroing_in_place(getattr(Tensor, name)))
        flag: Any = Tensor.requires_grad
        self._replace(Tensor, "requires_grad", property(flag.fget, self._flagging(flag.fset), flag.fdel, flag.__doc__))
        self._replace(Tensor, "requires_grad_", self._flagging(Tensor.requires_grad_))
        self._replace(Tensor, "backward", self._attempting(Tensor.backward))
        self._replace(Tensor, "register_hook", self._registering(Tensor.register_hook))
        for name in ("backward", "grad"):
            self._replace(autograd, name, self._attempting(getattr(autograd, name)))
        self._replace(Parameter, "__new__", staticmethod(self._making_parameter(Parameter.__new__)))
        self._replace(function, "run_function", self._running(function.run_function))
        self._replace(Optimizer, "zero_grad", self._clearing(Optimizer.zero_grad))
        self._replace(Module, "zero_grad", self._clearing(Module.zero_grad))
        self._replace(Optimizer, "__init__", self._optimizing(Optimizer.__init__))
        self._handles = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]

    def stop(self) -> None:
        super().stop()
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()
        local.function_modes = tuple(m for m in local.function_modes if m is not self.operations)
        local.refresh()
        for handle in self._handles:
            handle.remove()
        for leaf in self.all_leaves:
            self._look_for_change(leaf)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._undo.append((owner, name, owner.__dict__[name] if name in owner.__dict__ else getattr(owner, name)))
        setattr(owner, name, value)

    # ---- flows: which leaves a value comes from, and whether its history still goes there

    def leaf_of(self, tensor: Tensor) -> Leaf:
        found = self.leaves.get(id(tensor))
        if found is not None and found.tensor() is tensor:
            return found
        leaf = Leaf(tensor, where(), len(self.all_leaves))
        leaf.digest = digest(tensor)
        self.leaves[id(tensor)] = leaf
        self.all_leaves.append(leaf)
        return leaf

    def flows_of(self, value: Any) -> Flows:
        """The flows of a tensor, of an array that shares a tensor's memory, or of a number that came out of one."""
        if isinstance(value, Tensor):
            return self._tensor_flows(value)
        if value.__class__ is float:
            known = self._numbers.get(id(value))
            return known[1] if known is not None and known[0] is value else {}
        if isinstance(value, np.ndarray):
            return self._array_flows(value)
        if isinstance(value, (list, tuple)):
            return self._merged([self.flows_of(v) for v in value])
        return {}

    def _tensor_flows(self, tensor: Tensor) -> Flows:
        if not tensor._requires_grad or tensor._node is None:
            entry = self._flows.get(id(tensor))
            known = entry[1] if entry is not None and entry[0]() is tensor else self._array_flows(tensor._array)
            return {**known, self.leaf_of(tensor): None} if tensor._requires_grad else known
        node = tensor._node
        entry = self._flows.get(id(node))
        if entry is not None and entry[0]() is node:
            return entry[1]
        flows: Flows = {}  # made where no witness looks, as by a custom Function
        for one in reachable(node):
            for edge in one.edges:
                if isinstance(edge, Tensor):
                    flows[self.leaf_of(edge)] = None
        self._keep(node, flows)
        return flows

    def _array_flows(self, array: Any) -> Flows:
        """The flows of whatever else shares an array's memory."""
        for one in _bases(array):
            entry = self._arrays.get(id(one))
            if entry is not None and entry[0]() is one:
                return entry[1]
        return {}

    def _keep_array(self, array: Any, flows: Flows) -> None:
        bases = list(_bases(array))
        if bases:
            _note(self._arrays, bases[-1], flows)

    def _keep(self, key: Any, flows: Flows) -> None:
        _note(self._flows, key, flows)

    @staticmethod
    def _merged(parts: Iterable[Flows]) -> Flows:
        parts = [part for i, part in enumerate(parts) if part]
        if len(parts) == 1 or (parts and all(part is parts[0] for part in parts)):
            return parts[0]
        merged: Flows = {}
        for part in parts:
            for leaf, cut in part.items():
                if cut is None or leaf not in merged:
                    merged[leaf] = cut
        if len(merged) > MOST_CLOSED:
            merged = dict(list(merged.items())[-MOST_CLOSED:])
        return merged

    @staticmethod
    def _closed(flows: Flows, kind: str, position: Position) -> Flows:
        """The flows with every way that was open ended here."""
        if all(flows.values()):
            return flows
        off_at = getattr(local, "off_at", None) if kind in ("no_grad", "inference") else None
        cut = Break(kind, position, off_at)
        return {leaf: known or cut for leaf, known in flows.items()}

    @observing
    def operated(self, func: Any, args: tuple, result: Any) -> None:
        """An operation has run."""
        if self._busy:
            return
        name = getattr(func, "__name__", "")
        self._look_for_birth(name, args, result)
        parts = [self.flows_of(a) for a in args if a is not None and a.__class__ is not bool and a.__class__ is not int]
        flows = self._merged(parts)
        if not flows:
            return
        results = result if isinstance(result, (tuple, list)) else (result,)
        for number, one in enumerate(results):
            if not isinstance(one, Tensor):
                continue
            if one._requires_grad:
                if one._node is not None:
                    self._keep(one._node, flows)
                continue
            kind = self._kind(name, one, number)
            if kind is None:
                continue
            closed = self._closed(flows, kind, where())
            if kind == "inference":
                self.inference_breaks.update((c, None) for c in closed.values() if c is not None)
            self._keep(one, closed)
            target = _written_to(sys._getframe(2))
            if target is not None and not target._requires_grad:
                self._keep(target, self._merged([self._tensor_flows(target), closed]))

    def _look_for_birth(self, name: str, args: tuple, result: Any) -> None:
        """Notes the operation if it made bad numbers of good ones, or which it was that made those it was given."""
        for one in result if isinstance(result, (tuple, list)) else (result,):
            if not isinstance(one, Tensor) or not is_bad(one._array):
                continue
            birth = None
            for given in args:
                if isinstance(given, Tensor) and is_bad(given._array):
                    birth = self.birth_of(given) or Birth("", where(), [given._array], given)
                    if birth.operation not in ON_PURPOSE:
                        break
                    birth = None
            if birth is None:
                arrays = [np.array(a._array) if isinstance(a, Tensor) and a._array.size <= 1000 else getattr(a, "_array", a) for a in args]  # fmt: skip
                birth = Birth(name, where(), arrays, None, one._node)
            key = one if one._node is None else one._node
            _note(self._births, key, birth)

    def birth_of(self, tensor: Tensor) -> Birth | None:
        """Where a tensor's bad numbers come from."""
        key = tensor if tensor._node is None else tensor._node
        entry = self._births.get(id(key))
        return entry[1] if entry is not None and entry[0]() is key else None

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

    # ---- ways out of the graph, and back in

    def _cutting(self, method: Callable, kind: str) -> Callable:
        def cut(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            result = method(tensor, *args, **kwargs)
            flows = self.flows_of(tensor)
            if flows and isinstance(result, Tensor) and not result._requires_grad and id(result) not in self._flows:
                closed = self._closed(flows, kind, where())
                self._keep(result, closed)
                self._keep_array(result._array, closed)
            return result

        return _like(cut, method)

    def _escaping(self, method: Callable, kind: str) -> Callable:
        def escape(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            result = method(tensor, *args, **kwargs)
            flows = self._tensor_flows(tensor)
            if not flows or _by_package(sys._getframe(1)):
                return result
            position = where()
            flows = self._closed(flows, kind, position)
            for leaf, cut in flows.items():
                if cut is not None and cut.position == position:
                    leaf.escapes.setdefault(position, cut)
                elif cut is not None:
                    leaf.escapes.setdefault(cut.position, cut)
            for one in _floats(result):
                if len(self._numbers) > MOST_NUMBERS:
                    del self._numbers[next(iter(self._numbers))]
                self._numbers[id(one)] = one, flows
            if isinstance(result, np.ndarray):
                self._keep_array(result, flows)
            return result

        return _like(escape, method)

    def _making(self, function: Callable) -> Callable:
        def make(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            given = args[0] if args else kwargs.get("data")
            if isinstance(result, Tensor) and result is not given:
                flows = self.flows_of(given)
                if flows:
                    self._keep(result, self._closed(flows, "remade", where()))
                if result._requires_grad and result._node is None:
                    self.leaf_of(result)
            return result

        return _like(make, function)

    def _making_parameter(self, function: Callable) -> Callable:
        def make(cls: type, *args: Any, **kwargs: Any) -> Any:
            result = function(cls, *args, **kwargs)
            if isinstance(result, Tensor) and result._requires_grad and result._node is None:
                given = self.flows_of(args[0]) if args else {}
                if given:
                    self._keep(result, self._closed(given, "parameter", where()))
                self.leaf_of(result)
            return result

        return make

    def _switching(self, function: Callable) -> Callable:
        def switch(enabled: bool) -> None:
            if enabled:
                local.off_at = None
            elif sys._getframe(1).f_code.co_name != "__exit__":
                local.off_at = _block_position(sys._getframe(1))
            function(enabled)

        return switch

    # ---- backward

    def _attempting(self, function: Callable) -> Callable:
        def attempt(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
            flows = self._merged([self.flows_of(root) for root in roots if isinstance(root, Tensor)])
            self.attempt = roots, flows, where()
            result = function(outputs, *args, **kwargs)
            if function.__name__ == "grad":
                self.last_gradients = result, where()
                closed = self._closed(flows, "gradient", where())
                for one in result:
                    if one is not None and not one._requires_grad:
                        self._keep(one, closed)
            return result

        return _like(attempt, function)

    @observing
    def started(self, task: WatchedTask) -> None:
        if task.depth:
            return
        for leaf in task.pending:
            known = self.leaf_of(leaf)
            known.in_graph = True
            self._look_for_change(known)
        self._saved = [(node, node.saved) for node in task.order]
        node, number = task.roots[0]
        seed = task.buffers.get((node, number) if number else node)
        self.seed = None if seed is None else np.array(getattr(seed, "_array", seed))
        self.zeroing = []
        self.given = {}

    @observing
    def hook_fired(self, hook: Callable, arguments: tuple, result: Any) -> None:
        given = arguments[0] if arguments else None
        if isinstance(given, (tuple, list)):
            given = next((g for g in given if isinstance(g, Tensor)), None)
        if isinstance(result, (tuple, list)):
            result = next((r for r in result if isinstance(r, Tensor)), None)
        if isinstance(given, Tensor) and isinstance(result, Tensor) and given._array.size:
            if np.any(given._array) and not np.any(result._array):
                self.zeroing.append((hook, False))
            elif is_bad(result._array) and not is_bad(given._array):
                self.zeroing.append((hook, True))

    @observing
    def ran(self, node: Node, results: list[Tensor | None]) -> None:
        kind = getattr(type(node), "_forward_cls", None)
        if kind is not None:
            needs = [e for e in node.edges if e is not None]
            if needs and all(r is None for r, e in zip(results, node.edges) if e is not None):
                self.functions_without_gradient[kind] = None

    @observing
    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        self._tick += 1
        one = self.leaf_of(leaf)
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
        one.fresh, one.used = True, False
        one.cleared_at = None

    @observing
    def finished(self, task: WatchedTask) -> None:
        if task.depth or task.error is not None:
            return
        frame = caller()
        position = task.position
        root = self.roots.get(position)
        if root is None:
            root = self.roots[position] = Root(position, _call_of(frame))
        root.count += 1
        if root.count <= 2 or any(leaf.name is None for leaf in self.given):
            self.name_leaves(frame)
        node = task.roots[0][0]
        root.is_leaf = isinstance(node, Tensor)
        root.made = None if root.is_leaf else (node.code, node.lasti)
        flows = self.attempt[1] if self.attempt is not None else {}
        reached = {self.leaf_of(leaf) for leaf in task.pending}
        for leaf, cut in flows.items():
            if cut is not None and leaf not in reached and len(leaf.cuts) < 20:
                leaf.cuts[cut] = None
        root.flows = flows
        if not task.accumulate:
            for leaf in reached:
                leaf.asked += 1
        loss = self._root_value(task)
        if loss is not None and loss.size == 1:
            root.losses.append(float(np.real(loss.reshape(-1)[0])))
            if len(root.losses) > 10_000:
                del root.losses[1:5000]
        self._look_at_numbers(task, root, loss, frame)
        self._saved = []

    def _root_value(self, task: WatchedTask) -> Any:
        roots = self.attempt[0] if self.attempt is not None else []
        for one in roots:
            if isinstance(one, Tensor) and gradient_edge(one)[0] is task.roots[0][0]:
                return np.asarray(one._array)
        return None

    def _look_at_numbers(self, task: WatchedTask, root: Root, loss: Any, frame: FrameType) -> None:
        """Asks why gradients are zero or bad, while the numbers that they came from are there."""
        from . import verdicts

        arrived = self.given
        bad = (loss is not None and is_bad(loss)) or any(is_bad(a) for a in arrived.values())
        if self._bad and bad:
            return
        empty = [leaf for leaf, array in arrived.items() if array.size and not np.any(np.abs(array) > 1e-6)]
        empty = [leaf for leaf in empty if leaf.zero is None and leaf.deliveries == 1][:MOST_LEAVES_ASKED]
        first = root.count == 1
        if not (bad or empty or first) or self.attempt is None or not isinstance(self.attempt[0][0], Tensor):
            return
        freed = [(node, node.saved) for node, _ in self._saved]
        for node, saved in self._saved:
            node.saved = saved
        self._busy = True
        try:
            verdicts.look_at_numbers(self, root, frame, bad, empty, first)
        finally:
            self._busy = False
            for node, saved in freed:
                node.saved = saved
        self._bad = self._bad or bad

    def name_leaves(self, frame: FrameType | None) -> None:
        """Gives the leaves the names that the program has for them now; without a frame, in its main module."""
        scope = Scope(frame, None if frame is not None else vars(sys.modules["__main__"]))
        for number, name in scope.names.items():
            leaf = self.leaves.get(number)
            if leaf is not None and leaf.tensor() is not None and leaf.name is None:
                leaf.name = name
        for tensor in scope.tensors:
            if tensor._requires_grad and tensor._node is None:
                leaf = self.leaf_of(tensor)
                leaf.name = leaf.name or scope.names[id(tensor)]
        for leaf in self.all_leaves:
            if leaf.name is None:
                leaf.name = _name_in_containers(leaf.tensor(), frame)
        self.look_into_modules(frame)

    def look_into_modules(self, frame: FrameType | None) -> None:
        """Finds leaves that modules of the program hold without having registered them."""
        from ..nn.modules.module import Module

        for name, value in variables_of(frame):
            if isinstance(value, Module):
                self.top_modules.setdefault(name, weakref.ref(value))
        for module in modules_of(frame):
            for attribute, tensor in unregistered(module):
                self.hidden.setdefault(self.leaf_of(tensor), (type(module), attribute))

    # ---- what happens to `.grad`

    def _reading(self, getter: Callable) -> Callable:
        def read(tensor: Tensor) -> Any:
            frame = sys._getframe(1)
            if is_own(frame.f_code.co_filename):
                return getter(tensor)
            result = tensor._grad if tensor._grad is not None else _warned(getter, tensor)
            self._tick += 1
            one = Read((frame.f_code, frame.f_lasti), self._tick, result is None)
            if result is None:
                self.last_none = tensor, one
            elif not result._requires_grad and tensor._requires_grad and id(result) not in self._flows:
                source = Break("gradient", self.given_at or one.position)
                self._keep(result, dict.fromkeys(self._tensor_flows(tensor), source))
            if tensor._requires_grad and tensor._node is None:
                reads = self.leaf_of(tensor).reads
                reads.append(one)
                del reads[:-100]
            elif result is None:
                made = None if tensor._node is None else (tensor._node.code, tensor._node.lasti)
                self.reads_of_results[one.position] = weakref.ref(tensor), made
            return result

        return read

    def _setting(self, setter: Callable) -> Callable:
        def assign(tensor: Tensor, value: Any) -> None:
            setter(tensor, value)
            if id(tensor) in self.leaves and (value is None or not np.any(value._array)):
                self._cleared(self.leaf_of(tensor), where())

        return assign

    def _clearing(self, function: Callable) -> Callable:
        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            position = where()
            tensors = owner.parameters() if hasattr(owner, "parameters") else parameters_of(owner)
            known = [self.leaf_of(t) for t in tensors if t._requires_grad and t._node is None]
            result = function(owner, *args, **kwargs)
            for leaf in known:
                self._cleared(leaf, position)
            return result

        return _like(zero_grad, function)

    def _zeroing_in_place(self, method: Callable) -> Callable:
        def zero(tensor: Tensor, *args: Any) -> Any:
            result = method(tensor, *args)
            if self._busy or np.any(tensor._array) or _by_package(sys._getframe(1)):
                return result
            ends = {id(base) for base in _bases(tensor._array)} if isinstance(tensor._array, np.ndarray) else set()
            for leaf in list(self.leaves.values()):
                held = leaf.tensor()
                if held is None or held._grad is None:
                    continue
                if held._grad is tensor or (isinstance(held._grad._array, np.ndarray) and any(id(base) in ends for base in _bases(held._grad._array))):  # fmt: skip
                    self._cleared(leaf, where())
            return result

        return _like(zero, method)

    def _flagging(self, setter: Callable) -> Callable:
        def flag(tensor: Tensor, requires_grad: bool = True) -> Any:
            before = tensor._requires_grad
            result = setter(tensor, requires_grad)
            if not _by_package(sys._getframe(1)) and tensor._node is None and before != tensor._requires_grad:
                if tensor._requires_grad:
                    self.turned_on[where()] = weakref.ref(tensor)
                    self.leaf_of(tensor)
                else:
                    self.frozen.setdefault(where(), [])
            return result

        return _like(flag, setter)

    @observing
    def _cleared(self, leaf: Leaf, position: Position) -> None:
        self._look_for_change(leaf)
        self._tick += 1
        leaf.clears += 1
        leaf.cleared_last = position
        if leaf.fresh:
            leaf.cleared_at = position
        leaf.fresh = leaf.used = False
        leaf.mixed = None

    @observing
    def _look_for_change(self, leaf: Leaf) -> None:
        """Notes that a leaf has been given other elements since it was last looked at."""
        tensor = leaf.tensor()
        if tensor is None:
            return
        now = digest(tensor)
        if now == leaf.digest:
            return
        leaf.digest = now
        if leaf.deliveries:  # it was not only being filled
            writes = None if tensor._counter is None else version_counter(tensor).writes
            self._updated(leaf, None if not writes else writes[max(writes)])

    def _updated(self, leaf: Leaf, position: Position | None) -> None:
        self._tick += 1
        leaf.updates += 1
        leaf.last_change = self._tick
        leaf.update_at = position
        if leaf.mixed is not None and leaf.accumulated is None and leaf.fresh:
            leaf.accumulated = leaf.mixed, position
        if leaf.fresh:
            leaf.used, leaf.fresh = True, False

    # ---- optimizers

    def _optimizing(self, function: Callable) -> Callable:
        def initialize(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            position = where()
            function(optimizer, *args, **kwargs)
            self.optimizers[id(optimizer)] = Step(optimizer, position)
            for tensor in parameters_of(optimizer):
                if tensor._requires_grad and tensor._node is None:
                    self.leaf_of(tensor)

        return _like(initialize, function)

    @observing
    def _before_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        known = self.optimizers.get(id(optimizer))
        if known is None or args or kwargs.get("closure") is not None:
            return
        known.at = where()
        known.steps += 1
        tensors = list(parameters_of(optimizer))
        if any(t._grad is not None and np.any(t._grad._array) for t in tensors):
            return
        known.empty += 1
        known.missing += all(t._grad is None for t in tensors)
        for tensor in tensors:
            leaf = self.leaves.get(id(tensor))
            if leaf is not None and leaf.cleared_at is not None and known.cleared_at is None:
                known.cleared_at = leaf.cleared_at

    @observing
    def _after_step(self, optimizer: Any, args: tuple, kwargs: dict) -> None:
        for tensor in parameters_of(optimizer):
            leaf = self.leaves.get(id(tensor))
            if leaf is not None and tensor._grad is not None:
                now = digest(tensor)
                if now != leaf.digest:
                    leaf.digest = now
                    self._updated(leaf, where())

    # ---- custom Functions and hooks

    def _running(self, run: Callable) -> Callable:
        def run_function(cls: type, args: tuple, *rest: Any) -> Any:
            known = None
            if cls not in self.calls and not any(rest) and not is_own(_file_of(cls)):
                known = tuple(wrap(np.array(a._array)).requires_grad_(a.requires_grad) if isinstance(a, Tensor) and a._array.dtype.kind == "f" else a for a in args)  # fmt: skip
            result = run(cls, args, *rest)
            if known is not None and not self._busy:
                self.calls[cls] = known
            return result

        return run_function

    def _registering(self, function: Callable) -> Callable:
        def register(tensor: Tensor, hook: Callable) -> Any:
            self.hook_places[id(hook)] = where()
            return function(tensor, hook)

        return _like(register, function)


# functions of torch that give integers, and do not all go through an operation
_NOT_RECORDED = (
    "multinomial",
    "bernoulli",
    "poisson",
    "nonzero",
    "bincount",
    "histc",
    "searchsorted",
    "bucketize",
    "argsort",
)


def _like(function: Callable, original: Callable) -> Callable:
    """Gives a replacement the name that programs see."""
    for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
        if hasattr(original, attribute):
            setattr(function, attribute, getattr(original, attribute))
    return function


def _note(table: dict[int, Any], key: Any, value: Any) -> None:
    """Keeps a value for an object, by its identity, as long as it lives."""
    number = id(key)
    table[number] = weakref.ref(key, lambda _: table.pop(number, None)), value


def _file_of(cls: type) -> str:
    method = getattr(cls, "backward", None)
    code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
    return "" if code is None else code.co_filename


def _by_package(frame: FrameType) -> bool:
    """Whether the package itself made the call."""
    return is_own(frame.f_code.co_filename)


def _warned(getter: Callable, tensor: Tensor) -> Any:
    return getter(tensor)


def where() -> Position:
    """Where the program is: in code that it has made from a string, the line that runs that."""
    code, lasti = user_position()
    if not code.co_filename.startswith("<string"):
        return code, lasti
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (is_own(frame.f_code.co_filename) or frame.f_code.co_filename.startswith("<string")):
        frame = frame.f_back
    return (code, lasti) if frame is None else (frame.f_code, frame.f_lasti)


def parameters_of(optimizer: Any) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _bases(array: np.ndarray) -> Iterator[np.ndarray]:
    one: Any = array
    while isinstance(one, np.ndarray):
        yield one
        one = one.base


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


def _block_position(frame: FrameType | None) -> Position | None:
    """Where the program has switched recording off: the `with`, the call, or the decorator."""
    while frame is not None and is_own(frame.f_code.co_filename):
        if frame.f_code.co_name in ("inside", "_wrap_generator", "generate") and "function" in frame.f_locals:
            code = getattr(frame.f_locals["function"], "__code__", None)
            if code is not None:
                return code, -1
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def _call_of(frame: FrameType) -> Call:
    from .reasons import call_in

    return call_in(frame)


def _name_in_containers(tensor: Tensor | None, frame: FrameType | None) -> str | None:
    """The name of a tensor that a list or dictionary of the program holds."""
    for name, value in variables_of(frame) if tensor is not None else ():
        entries: Iterable = ()
        if isinstance(value, dict):
            entries = list(value.items())
        elif isinstance(value, (list, tuple)):
            entries = enumerate(value[:1000])
        for key, one in entries:
            if one is tensor and not name.startswith("_"):
                return f"{name}[{key!r}]"
    return None
