"""What happens to gradients while a program runs: where histories end, and what backward calls, clearing, steps and reads
of `.grad` do to each leaf, in their order. `chainrule why FILE` runs the program with a witness and asks it afterwards.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import numpy as np

from ... import modes
from ...engine import Node, is_own
from ...modes import local
from ...tensor import Tensor, gradient_edge, wrap
from ..answers.question import call_in
from ..badnumbers import is_bad
from ..dataflow import CUTTING_METHODS
from ..holders import Hidden, modules_held, modules_of, parameters_known, unregistered, variables_of
from ..names import Scope, caller
from ..places import Position
from ..watching import WatchedTask, Watcher
from .births import Births
from .exits import CREATING, NOT_RECORDED, Exits, Operations
from .gradients import Gradients
from .histories import Histories
from .looking import by_package, like, observing, where
from .notes import Flows, Leaf, Owner, Root

MOST_LEAVES_ASKED = 8  # whose numbers are traced in one backward call


class Witness(Watcher):
    """Watches a program between `start` and `stop`, in all of its threads."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []  # of its own
        self.histories = Histories()
        self.births = Births()
        self.exits = Exits(self.histories, self.births, self.failures)
        self.gradients = Gradients(self.histories, self.failures)
        self.roots: dict[Position, Root] = {}
        self.attempt: tuple[list[Any], Flows, Position] | None = None  # the last backward call
        self.reasons: list[Any] = []  # found while numbers were there
        self.functions_without_gradient: dict[type, None] = {}
        self.warned: dict[str, Position] = {}  # what the library has warned of
        self.hook_places: dict[int, Position] = {}
        self.last_gradients: tuple[tuple, Position] | None = None  # what autograd.grad returned last, and where
        self.calls: dict[type, Any] = {}  # of each custom Function, its first call
        self.seed: Any = None
        self.hidden: dict[Leaf, Hidden] = {}  # leaves that modules hold without knowing
        self.zeroing: list[tuple[Callable, bool]] = []  # hooks that made a gradient zero, or bad
        self._undo: list[tuple[Any, str, Any]] = []
        self._saved: list[tuple[Node, Any]] = []
        self._bad = False

    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        self.gradients.delivered(leaf, before, gradient)

    def start(self) -> None:
        import chainrule
        from chainrule import autograd
        from chainrule.autograd import function
        from chainrule.nn import functional, utils
        from chainrule.nn.modules.module import Module
        from chainrule.nn.parameter import Parameter
        from chainrule.nn.utils import clip_grad
        from chainrule.optim.lr_scheduler import LRScheduler
        from chainrule.optim.optimizer import (
            Optimizer,
            register_optimizer_step_post_hook,
            register_optimizer_step_pre_hook,
        )

        self.operations = Operations(self.exits)
        before = local.function_modes
        self.watch()
        for name, value in (
            ("watchers", (weakref.ref(self),)),
            ("task_class", WatchedTask),
            ("function_modes", (self.operations,)),
            ("mode", modes.CAREFUL),
        ):  # the class's values are those that new threads begin with
            self._replace(type(local), name, value)
        local.function_modes = (*before, self.operations)
        local.refresh()
        for name, kind in (("item", "item"), ("tolist", "item"), ("numpy", "numpy"), ("__array__", "numpy"), ("__float__", "number"), ("__int__", "number")):  # fmt: skip
            self._replace(Tensor, name, self.exits.escaping(getattr(Tensor, name), kind))
        for name, kind in (("detach", "detach"), ("new_tensor", "remade")):
            self._replace(Tensor, name, self.exits.cutting(getattr(Tensor, name), kind))
        data: Any = Tensor.data
        self._replace(
            Tensor,
            "data",
            property(self.exits.cutting(data.fget, "data"), self.exits.filling(data.fset), data.fdel, data.__doc__),
        )
        gradient: Any = Tensor.grad
        self._replace(Tensor, "grad", property(self.gradients.reading(gradient.fget), self.gradients.setting(gradient.fset), gradient.fdel, gradient.__doc__))  # fmt: skip
        self._replace(Tensor, "__getitem__", self.exits.choosing(Tensor.__getitem__))
        for name in ("tensor", "as_tensor", "from_numpy", "asarray"):
            self._replace(chainrule, name, self.exits.making(getattr(chainrule, name)))
        for name in CREATING:
            self._replace(chainrule, name, self.exits.creating(getattr(chainrule, name)))
        for name in NOT_RECORDED:
            for owner in (chainrule, Tensor, functional):
                if hasattr(owner, name):
                    self._replace(
                        owner,
                        name,
                        self.exits.cutting(getattr(owner, name), CUTTING_METHODS.get(name, "integer"), whole=True),
                    )
        self._replace(modes, "_set_grad_enabled", self.exits.switching(modes._set_grad_enabled))
        for name in ("zero_", "fill_"):
            self._replace(Tensor, name, self.gradients.zeroing_in_place(getattr(Tensor, name)))
        flag: Any = Tensor.requires_grad
        self._replace(
            Tensor, "requires_grad", property(flag.fget, self.gradients.flagging(flag.fset), flag.fdel, flag.__doc__)
        )
        self._replace(Tensor, "requires_grad_", self.gradients.flagging(Tensor.requires_grad_))
        self._replace(Tensor, "backward", self._attempting(Tensor.backward))
        self._replace(Tensor, "register_hook", self._registering(Tensor.register_hook))
        for name in ("backward", "grad"):
            self._replace(autograd, name, self._attempting(getattr(autograd, name)))
        self._replace(Parameter, "__new__", staticmethod(self.exits.making_parameter(Parameter.__new__)))
        self._replace(function, "run_function", self._running(function.run_function))
        self._replace(Optimizer, "zero_grad", self.gradients.clearing(Optimizer.zero_grad))
        self._replace(Module, "zero_grad", self.gradients.clearing(Module.zero_grad))
        for owner in (utils, clip_grad):
            for name in ("clip_grad_norm_", "clip_grad_value_", "clip_grad_norm"):
                self._replace(owner, name, self.gradients.clipping(getattr(owner, name)))
        self._replace(warnings, "warn", self._warning(warnings.warn))
        self._replace(Optimizer, "__init__", self.gradients.optimizing(Optimizer.__init__))
        self._replace(LRScheduler, "__init__", self.gradients.scheduling(LRScheduler.__init__))
        self._handles = [
            register_optimizer_step_pre_hook(self.gradients.before_step),
            register_optimizer_step_post_hook(self.gradients.after_step),
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
        for leaf in self.histories.all_leaves:
            self.gradients.look_for_change(leaf)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._undo.append((owner, name, owner.__dict__[name] if name in owner.__dict__ else getattr(owner, name)))
        setattr(owner, name, value)

    def _attempting(self, function: Callable) -> Callable:
        def attempt(outputs: Any, *args: Any, **kwargs: Any) -> Any:
            roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
            flows = self.histories.merged([self.histories.flows_of(root) for root in roots if isinstance(root, Tensor)])
            self.attempt = roots, flows, where()
            result = function(outputs, *args, **kwargs)
            if function.__name__ == "grad":
                self.last_gradients = result, where()
                closed = self.histories.closed(flows, "slope" if kwargs.get("create_graph") else "gradient", where())
                for one in result:
                    if one is not None and not one._requires_grad:
                        self.histories.keep(one, closed)
            return result

        return like(attempt, function)

    @observing
    def started(self, task: WatchedTask) -> None:
        if task.depth:
            return
        for leaf in task.pending:
            known = self.histories.leaf_of(leaf)
            known.in_graph = True
            self.gradients.look_for_change(known)
        self._saved = [(node, node.saved) for node in task.order]
        node, number = task.roots[0]
        seed = task.buffers.get((node, number) if number else node)
        self.seed = None if seed is None else np.array(getattr(seed, "_array", seed))
        self.zeroing = []
        self.gradients.given = {}

    @observing
    def hook_fired(self, hook: Callable, arguments: tuple, result: Any) -> None:
        given = (
            arguments[-1] if len(arguments) == 2 else arguments[1] if len(arguments) > 2 else (arguments or (None,))[0]
        )
        if isinstance(given, (tuple, list)):
            given = next((g for g in given if isinstance(g, Tensor)), None)
        if isinstance(result, (tuple, list)):
            result = next((r for r in result if isinstance(r, Tensor)), None)
        if isinstance(given, Tensor) and isinstance(result, Tensor) and given._array.size:
            if np.any(given._array) and not np.any(result._array):
                self.zeroing.append((hook, False))
            elif is_bad(result._array) and not is_bad(given._array):
                self.zeroing.append((hook, True))

    def hears(self, node: Node) -> bool:
        return hasattr(type(node), "_forward_cls")

    @observing
    def ran(self, node: Node, results: list[Tensor | None]) -> None:
        needs = [e for e in node.edges if e is not None]
        if needs and all(r is None for r, e in zip(results, node.edges) if e is not None):
            self.functions_without_gradient[type(node)._forward_cls] = None

    @observing
    def finished(self, task: WatchedTask) -> None:
        if task.depth or task.error is not None:
            return
        frame = caller()
        position = task.position
        root = self.roots.get(position)
        if root is None:
            root = self.roots[position] = Root(position, call_in(frame))
        root.count += 1
        self.gradients.backwards += task.accumulate
        if root.count <= 2 or any(leaf.name is None for leaf in self.gradients.given):
            self.name_leaves(frame)
        node = task.roots[0][0]
        root.is_leaf = isinstance(node, Tensor)
        root.made = None if root.is_leaf else (node.code, node.lasti)
        flows = self.attempt[1] if self.attempt is not None else {}
        reached = {self.histories.leaf_of(leaf) for leaf in task.pending}
        for leaf, cut in flows.items():
            if cut is not None and leaf not in reached and len(leaf.cuts) < 20 and cut.kind != "requires_grad_false":
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
        from ..verdicts import numbers

        arrived = self.gradients.given
        bad = (loss is not None and is_bad(loss)) or any(is_bad(a) for a in arrived.values())
        if self._bad and bad:
            return
        new = [(leaf, array) for leaf, array in arrived.items() if leaf.deliveries == 1 and leaf.zero is None]
        empty = [leaf for leaf, array in new if array.size and not np.any(np.abs(array) > 1e-6)][:MOST_LEAVES_ASKED]
        first = root.count == 1
        if not (bad or empty or first) or self.attempt is None or not isinstance(self.attempt[0][0], Tensor):
            return
        freed = [(node, node.saved) for node, _ in self._saved]
        for node, saved in self._saved:
            node.saved = saved
        self.histories.paused = True
        try:
            numbers.look_at_numbers(self, root, frame, bad, empty, first)
        finally:
            self.histories.paused = False
            for node, saved in freed:
                node.saved = saved
        self._bad = self._bad or bad

    def name_leaves(self, frame: FrameType | None) -> None:
        """Gives the leaves the names that the program has for them now; without a frame, in its main module."""
        scope = Scope(frame, None if frame is not None else vars(sys.modules["__main__"]))
        for number, name in scope.names.items():
            leaf = self.histories.leaves.get(number)
            if leaf is not None and leaf.tensor() is not None and leaf.name is None:
                leaf.name = name
        for tensor in scope.tensors:
            if tensor._requires_grad and tensor._node is None:
                leaf = self.histories.leaf_of(tensor)
                leaf.name = leaf.name or scope.names[id(tensor)]
        for leaf in self.histories.all_leaves:
            if leaf.name is None:
                leaf.name = _name_in_containers(leaf.tensor(), frame)
        self.look_into_modules(frame)

    def look_into_modules(self, frame: FrameType | None) -> None:
        """Finds the largest module that has each leaf, and leaves that modules hold without having registered them."""
        for name, module in modules_held(frame):
            parameters = list(module.parameters())
            for parameter in parameters:
                leaf = self.histories.leaves.get(id(parameter))
                if leaf is not None and (leaf.owner is None or leaf.owner.size < len(parameters)):
                    leaf.owner = Owner(name, id(module), len(parameters), module.training)
        modules = modules_of(frame)
        known = parameters_known(modules)
        for module in modules:
            for tensor, hidden in unregistered(module, known):
                self.hidden.setdefault(self.histories.leaf_of(tensor), hidden)

    def _running(self, run: Callable) -> Callable:
        def run_function(cls: type, args: tuple, *rest: Any) -> Any:
            known = None
            if cls not in self.calls and not any(rest) and not is_own(_file_of(cls)):
                known = tuple(wrap(np.array(a._array)).requires_grad_(a.requires_grad) if isinstance(a, Tensor) and a._array.dtype.kind == "f" else a for a in args)  # fmt: skip
            result = run(cls, args, *rest)
            if known is not None and not self.histories.paused:
                self.calls[cls] = known
            return result

        return run_function

    def _warning(self, warn: Callable) -> Callable:
        def tell(message: Any, *args: Any, **kwargs: Any) -> None:
            if by_package(sys._getframe(1)):
                self.warned.setdefault(str(message), where())
                kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            warn(message, *args, **kwargs)

        return like(tell, warn)

    def _registering(self, function: Callable) -> Callable:
        def register(tensor: Tensor, hook: Callable) -> Any:
            self.hook_places[id(hook)] = where()
            return function(tensor, hook)

        return like(register, function)


def _file_of(cls: type) -> str:
    method = getattr(cls, "backward", None)
    code = getattr(getattr(method, "__wrapped__", method), "__code__", None)
    return "" if code is None else code.co_filename


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
