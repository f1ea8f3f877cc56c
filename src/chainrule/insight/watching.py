"""Seeing backward run: a backward call that tells watchers what arrives, what runs, which hooks fire, what is added.

Watchers are a thread's own. Where there are none, backward calls are the engine's ordinary ones and cost what they
always cost.
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..engine import Node, _Task, is_own
from ..modes import local
from ..tensor import Tensor, wrap
from .names import Scope, target_name
from .source import Source
from .syntax import simple_name
from .values import Edge, edges_of, operand_of, record_of


def function_of(hook: Any) -> Any:
    """What a hook calls in the end: inside a partial, a decorator, a method, or a hook bound to its module."""
    while not isinstance(hook, type):
        for name in ("hook", "func", "__func__", "__wrapped__"):
            inner = getattr(hook, name, None)
            if callable(inner):
                hook = inner
                break
        else:
            break
    return hook


class Watcher:
    """Sees the backward calls of its thread between `watch` and `stop`; subclasses say what they want to see."""

    def watch(self) -> None:
        local.watchers = (*local.watchers, weakref.ref(self))
        local.task_class = WatchedTask

    def stop(self) -> None:
        local.watchers = tuple(w for w in local.watchers if w() is not self and w() is not None)
        if not local.watchers:
            local.task_class = _Task

    def hears(self, node: Node) -> bool:
        """Whether `ran` is to be told of a node."""
        return True

    def started(self, task: WatchedTask) -> None:
        """A backward call begins; `task.order` has the nodes that it reaches."""

    def arrived(self, node: Node, gradients: list[Tensor | None]) -> None:
        """The gradients of a node's outputs are complete; told again after the hooks of the output tensors."""

    def runs(self, node: Node, gradients: list[Tensor | None]) -> None:
        """A node is about to run."""

    def ran(self, node: Node, results: list[Tensor | None]) -> None:
        """A node has computed the gradients of its inputs."""

    def hook_fired(self, hook: Callable, arguments: tuple, result: Any) -> None:
        """A hook of the user's was called; `result` is the error, if it raised one."""

    def contributed(self, leaf: Tensor, node: Node | None, gradient: Tensor) -> None:
        """A part of a leaf's gradient has come from a node; None: from the caller of backward."""

    def delivered(self, leaf: Tensor, before: Tensor | None, gradient: Tensor) -> None:
        """`gradient` was added to a leaf's `.grad`, which was `before` (a copy)."""

    def finished(self, task: WatchedTask) -> None:
        """The backward call ends, perhaps by an error."""


class WatchedTask(_Task):
    """One backward call that tells watchers what happens. Every node takes the engine's careful path."""

    running: Node | None = None
    error: BaseException | None = None
    final: Any = None  # the gradient of the leaf at hand, after its hooks
    of_arrivals: Sequence[Watcher] = ()  # those that want to hear of them
    of_runs: Sequence[Watcher] = ()
    of_results: Sequence[Watcher] = ()
    of_contributions: Sequence[Watcher] = ()
    untold: tuple[Tensor, Tensor | None] | None = None  # that leaf and its `.grad` before, until watchers are told

    def __init__(self, *arguments: Any) -> None:
        self.watchers: list[Watcher] = []
        super().__init__(*arguments)
        self.watchers = [found for found in (w() for w in local.watchers) if found is not None]
        self.of_arrivals, self.of_runs, self.of_results, self.of_contributions = (
            [w for w in self.watchers if getattr(type(w), event) is not getattr(Watcher, event)]
            for event in ("arrived", "runs", "ran", "contributed")
        )
        self.position = arguments[-1]

    def run(self) -> None:
        if not self.watchers:
            local.watchers, local.task_class = (), _Task
            super().run()
            return
        for watcher in self.watchers:
            watcher.started(self)
            for leaf in self.pending:
                if leaf in self.buffers:  # a root that is itself a leaf
                    watcher.contributed(leaf, None, self._tensor(self.buffers[leaf]))
        try:
            for leaf in [leaf for leaf, edges in self.pending.items() if not edges]:
                self._deliver(leaf)
            for node in self.order:
                self.running = node
                self._step(node)
            for callback in self.callbacks:
                callback()
        except BaseException as error:
            self.error = error
            raise
        finally:
            for watcher in self.watchers:
                watcher.finished(self)

    def _step(self, node: Node) -> None:
        first = self.buffers.pop(node, None)
        if self.of_arrivals:
            gradients = [first, *(self.buffers.get((node, i)) for i in range(1, node.n_outputs))]
            shown = [self._tensor(g) for g in gradients]
            del gradients
            if any(g is not None for g in shown):
                for watcher in self.of_arrivals:
                    watcher.arrived(node, shown)
        arrived = [first]
        first = None
        self._run_careful(node, arrived)

    def _run_tensor_hooks(self, node: Node, gradient: Any) -> Any:
        gradient = super()._run_tensor_hooks(node, gradient)
        if self.of_arrivals:
            shown = self._tensors(node, gradient)
            for watcher in self.of_arrivals:
                watcher.arrived(node, shown)
        return gradient

    def _results(self, node: Node, gradient: Any, needs: Any) -> Any:
        if self.of_runs:
            shown = self._tensors(node, gradient)
            for watcher in self.of_runs:
                watcher.runs(node, shown)
        results = super()._results(node, gradient, needs)
        told = [watcher for watcher in self.of_results if watcher.hears(node)]
        if not told:
            return results
        passed: list[Tensor | None] = [None] * len(node.edges) if results is None else [
            None if need is None else self._tensor(r) for r, need in zip(results, needs, strict=False)
        ]  # fmt: skip
        for watcher in told:
            watcher.ran(node, passed)
        return results

    def call_hook(self, hook: Callable, *arguments: Any) -> Any:
        if self.untold is not None and (arguments[0] is self.untold[0] or isinstance(arguments[0], tuple)):
            self._tell_delivered()  # such a hook runs after the addition
        result: Any = None
        try:
            result = super().call_hook(hook, *arguments)
        except BaseException as error:
            result = error
            raise
        finally:
            # the library's own hooks call the user's in turn, each of which comes by here
            code = getattr(function_of(hook), "__code__", None)
            if code is None or not is_own(code.co_filename):
                for watcher in self.watchers:
                    watcher.hook_fired(hook, arguments, result)
        return result

    def _add(self, node: Any, number: int, gradient: Any) -> None:
        if isinstance(node, Tensor):
            for watcher in self.of_contributions:
                watcher.contributed(node, self.running, self._tensor(gradient))
        super()._add(node, number, gradient)

    def _deliver_through(self, call: Callable, hooks: Any, gradient: Any) -> Any:
        self.final = super()._deliver_through(call, hooks, gradient)
        return self.final

    def _deliver(self, leaf: Tensor) -> None:
        self.final = self.buffers.get(leaf)
        if self.accumulate and (self.wanted is None or (leaf, 0) in self.wanted) and leaf._requires_grad:
            have = leaf._grad
            self.untold = leaf, None if have is None else wrap(np.array(have._array))
        super()._deliver(leaf)
        self._tell_delivered()
        self.final = None

    def _tell_delivered(self) -> None:
        if self.untold is None:
            return
        (leaf, before), self.untold = self.untold, None
        if self.final is None:
            return
        added = wrap(np.array(self._tensor(self.final)._array))
        for watcher in self.watchers:
            watcher.delivered(leaf, before, added)


class ByIdentity:
    """Values kept for nodes and leaves as long as these live: tensors have no equality that a dictionary could use."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref, Any]] = {}

    def get(self, one: Any) -> Any:
        found = self._entries.get(id(one))
        return found[1] if found is not None and found[0]() is one else None

    def set(self, one: Any, value: Any) -> None:
        self._entries[id(one)] = weakref.ref(one), value


# ---------------------------------------------------------------- names


class Names:
    """The program's own names of the values in a graph, each as often as the program uses it."""

    def __init__(self, order: Iterable[Node], scope: Scope) -> None:
        self.scope = scope
        self.held = {(t._node, t.output_nr): scope.names[id(t)] for t in scope.tensors if t._node is not None}
        self.leaves: dict[int, str] = {}
        self._written: dict[int, dict[str, None]] = {}  # {id of a leaf: what expressions call it}
        self._targets: dict[tuple, str | None] = {}
        recorded: dict[tuple, list[Node]] = {}
        for node in order:  # from outputs to inputs
            recorded.setdefault((node.code, node.lasti), []).append(node)
            for place, edge in enumerate(edges_of(node)):
                if edge is not None and isinstance(edge[0], Tensor):
                    written = _written(node, place)
                    if written:
                        self._written.setdefault(id(edge[0]), {})[written] = None
                    if self.leaves.get(id(edge[0]), "leaf") == "leaf":
                        self.leaves[id(edge[0])] = scope.names.get(id(edge[0])) or written or "leaf"
        self._whole = {node for nodes in recorded.values() for node in _last_of_rounds(nodes)}

    def assigned(self, edge: Edge) -> str | None:
        """The variable that a node's output was assigned to, if that was the whole expression."""
        node, number = edge
        if node not in self._whole:
            return None
        key = node.code, node.lasti, number
        if key not in self._targets:
            self._targets[key] = target_name(node, number)
        return self._targets[key]

    def of_leaf(self, leaf: Tensor) -> list[str]:
        """The names of a leaf: its variable's, and those that name an attribute, such as `self.weight` in a module."""
        found = self.scope.names.get(id(leaf))
        written = self._written.get(id(leaf), {})
        return list(dict.fromkeys([found, *(name for name in written if "." in name)] if found else written))

    def of(self, edge: Edge) -> str | None:
        """The best name of a value; None if the program has none for it."""
        if isinstance(edge[0], Tensor):
            return self.leaves.get(id(edge[0])) or self.scope.names.get(id(edge[0]), "leaf")
        return self.assigned(edge) or self.held.get(edge)


def _last_of_rounds(nodes: list[Node]) -> list[Node]:
    """Of the nodes that one expression recorded, from the last to the first, those that made its value.

    A composite or a module records several nodes, of which the last is the value; a loop comes by several times, and
    then the operations repeat."""
    kinds = [record_of(node) or type(node) for node in nodes]
    for period in range(1, len(nodes) // 2 + 1):
        if len(nodes) % period == 0 and kinds == kinds[:period] * (len(nodes) // period):
            return nodes[::period]
    return nodes[:1]


def _written(node: Node, place: int) -> str | None:
    expression: ast.expr | None = operand_of(node, place)
    return simple_name(expression)


def source_of(node: Node) -> Source:
    """Where a node was recorded."""
    return Source(node.code, node.lasti)
