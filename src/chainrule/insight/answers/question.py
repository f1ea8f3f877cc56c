"""One question about one tensor: what is asked, and what the program's text says about it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np

from ...tensor import Tensor, gradient_edge
from ..dataflow import Cut, Event, Origin, Place, Run, Value
from ..names import Scope, value_called
from ..places import place_of
from ..source import Source
from ..syntax import simple_name
from ..values import Edge, Values, edges_of, reachable, same


def call_in(frame: FrameType, lasti: int | None = None) -> tuple[str, Any, str, list[tuple[str, int]]]:
    """The call that a frame is making, or was making at an instruction, as `Run` takes it: file, (line, column), function, and
    the calls that led there."""
    call = Source(frame.f_code, frame.f_lasti if lasti is None else lasti)
    stack: list[tuple[str, int]] = []
    outer = frame.f_back
    inner = frame
    while outer is not None and inner.f_code.co_name != "<module>":
        stack.insert(0, (outer.f_code.co_filename, outer.f_lineno))
        inner, outer = outer, outer.f_back
    return call.file, (call.line, call.column), frame.f_code.co_qualname, stack


def run_to(frame: FrameType) -> Run:
    """An abstract run of the program up to the call that a frame is making."""
    return Run(*call_in(frame))


def origin_of(value: Value | None) -> Origin | None:
    if value is None:
        return None
    if value.origin is not None:
        return value.origin
    return max(value.flows, key=lambda o: o.serial, default=None)


def cut_of(origins: list[Origin], flows: dict[Origin, Cut | None]) -> Cut | None:
    """The cut on the way from the first of some origins that a value comes from."""
    return next((flows[one] for one in origins if one in flows), None)


def learns(value: Any) -> bool:
    """Whether what a variable holds is a tensor that requires grad, or a module with one."""
    if isinstance(value, Tensor):
        return value.requires_grad
    parameters = getattr(value, "parameters", None)
    return callable(parameters) and not isinstance(value, type) and any(p.requires_grad for p in parameters())


def _leads(loss: Tensor, target: Edge) -> bool:
    edge = gradient_edge(loss)
    return leads(edge, target)


def leads(edge: Edge, target: Edge) -> bool:
    if same(edge, target):
        return True
    if isinstance(edge[0], Tensor) or edge[0] is None:
        return False
    return any(one is not None and same(one, target) for node in reachable(edge[0]) for one in edges_of(node))


class Question:
    """One question about one tensor: what is asked, the names of it, and what the program's text says about them."""

    seed: Any = None  # the gradient that backward was given, if it was
    culprit: Any = None  # the node found to blame for numbers

    def __init__(self, x: Tensor, loss: Tensor | None, frame: FrameType, asked: bool = True) -> None:
        """`asked`: the frame is at a call of `why` with this tensor, rather than anywhere."""
        self.x, self.frame = x, frame
        self.scope = Scope(frame)
        arguments = self.scope.argument_texts() if asked else []
        self.x_text: ast.expr | None
        self.loss_text: ast.expr | None
        self.x_text, self.loss_text = (
            (arguments[0], arguments[1] if len(arguments) > 1 else None) if arguments else (None, None)
        )
        self.name = simple_name(self.x_text) or self.scope.names.get(id(x)) or "x"
        self.guessed = loss is None
        self.loss: Any = self._last_loss() if loss is None else loss
        self.loss_name = (
            simple_name(self.loss_text)
            or (self.scope.names.get(id(self.loss)) if self.loss is not None else None)
            or "loss"
        )

    @functools.cached_property
    def run(self) -> Run:
        return run_to(self.frame)

    def _last_loss(self) -> Tensor | None:
        """The tensor on which the program called backward last, as far as a name still leads to it; rather one that was
        computed from x."""
        found = list(self._losses())
        own = (loss for loss in found if loss.requires_grad and _leads(loss, gradient_edge(self.x)))
        return next(own, found[0] if found else None) if self.x.requires_grad else next(iter(found), None)

    def _losses(self) -> Iterator[Tensor]:
        for event in reversed(self.run.events):
            if event.kind == "backward" and isinstance(event.call, ast.Call):
                receiver = event.call.func.value if isinstance(event.call.func, ast.Attribute) else None
                if receiver is not None and event.value.flows == {} and event.call.args:
                    receiver = event.call.args[0]
                name = simple_name(receiver)
                value = None if name is None else self.scope.look_up(name)
                if isinstance(value, Tensor):
                    yield value

    @functools.cached_property
    def origin_of_loss(self) -> Origin | None:
        return origin_of(self.static(self.loss_text, self.loss_name))

    def loss_made(self) -> Place:
        """Where the loss got its name, rather than a place in what the program calls for many."""
        origin = self.origin_of_loss
        return place_of(self.loss.grad_fn) if origin is None else origin.place

    def static(self, expression: ast.expr | None, name: str) -> Value | None:
        """What the abstract run knows of a tensor."""
        scope = self.run.found
        if expression is not None:
            value = self.run.value(expression, scope) if not self.run.exhausted else None
            return value if value is not None and (value.flows or value.origin) else None
        return scope.get(name)

    @functools.cached_property
    def origins(self) -> list[Origin]:
        """The origin of x, and those of what it is a part of: net.weight, net."""
        value = self.static(self.x_text, self.name)
        origin = origin_of(value)
        if value is None or origin is None:
            return []
        wholes = [o for o in value.flows if o.serial == origin.serial and origin.name.startswith(f"{o.name}.")]
        return [origin, *sorted(wholes, key=lambda o: -len(o.name))]

    def made(self) -> Place | None:
        """Where x was bound to its name."""
        origin = origin_of(self.static(self.x_text, self.name))
        return None if origin is None else origin.place

    def called(self, kind: str, with_arguments: bool = False) -> bool:
        return any(e.kind == kind and (not with_arguments or e.call.args or e.call.keywords) for e in self.run.events)

    def learns(self, name: str) -> bool:
        """Whether a variable is a tensor that requires grad, or a module with one."""
        return learns(self.scope.look_up(name))

    def leads_to_x(self) -> bool:
        return _leads(self.loss, gradient_edge(self.x))

    def is_computed_anew(self) -> bool:
        """Whether the loss is written out in the question, as z[1] or f(x), so that nothing was called on it."""
        return self.loss_text is not None and not isinstance(self.loss_text, (ast.Name, ast.Attribute))

    def is_opaque(self) -> bool:
        """Whether a part of the graph is hidden in a checkpoint, which computes it again in backward."""
        from ...utils.checkpoint import CheckpointFunction

        return self.loss.grad_fn is not None and any(
            getattr(type(node), "_forward_cls", None) is CheckpointFunction for node in reachable(self.loss.grad_fn)
        )

    def optimizers(self) -> dict[str, list]:
        """{name: parameter groups} of the optimizers that the program's variables hold."""
        optimizers: dict[str, list] = {}
        for variables in (self.frame.f_locals, self.frame.f_globals):
            for name, value in list(variables.items()):
                groups = getattr(value, "__dict__", {}).get("param_groups")
                if isinstance(groups, list) and name not in optimizers:
                    optimizers[name] = groups
        return optimizers

    def made_by(self, name: str | None) -> Place | None:
        """Where a variable was bound."""
        value = self.run.found.get(name) if name is not None else None
        return None if value is None or value.origin is None else value.origin.place

    def is_concerned(self, event: Event) -> bool:
        """Whether a zero_grad or a step is about x: not if it is of an optimizer or module that does not have it."""
        owner = (
            event.call.func.value
            if isinstance(event.call, ast.Call) and isinstance(event.call.func, ast.Attribute)
            else None
        )
        name = simple_name(owner)
        held = None if name is None else value_called(name, {**self.frame.f_globals, **self.frame.f_locals})
        if hasattr(held, "param_groups"):
            owners = [
                groups for groups in self.optimizers().values() if any(self.x is p for g in groups for p in g["params"])
            ]
            return not owners or any(held.param_groups is groups for groups in owners)
        if callable(getattr(held, "parameters", None)) and not isinstance(held, type):
            return any(self.x is p for p in held.parameters())
        return True

    def clearing(self) -> str:
        own = f"{self.name}.grad = None"
        return f"optimizer.zero_grad(), or {own}" if self.optimizers() else own

    def values(self) -> Values | None:
        if self.loss is None or self.loss.grad_fn is None:
            return None
        return Values(gradient_edge(self.loss), self.scope.tensors, self.scope.look_up, self.scope.modules)

    def seed_array(self) -> np.ndarray:
        return np.ones_like(self.loss._array) if self.seed is None else self.seed
