"""What holds the tensors of a running program: the variables of its frames, and its modules."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from ..engine import is_own
from ..tensor import Tensor

CO_OPTIMIZED = 0x1  # as in `inspect`: of the code of functions
MOST_FRAMES = 20
MOST_OPERATIONS = 20  # by which what a module computes once, as it is made, may be away from a leaf


def locals_of(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame, which is left as it was.

    Up to Python 3.12 the frame of a function keeps the dictionary that it gives out, and with it what its variables held
    then, until the function ends. It is emptied again, unless somebody else has it, or Python writes it back for a debugger or
    a profiler."""
    given = frame.f_locals
    if sys.version_info >= (3, 13) or not frame.f_code.co_flags & CO_OPTIMIZED:
        return given
    variables = dict(given)
    written_back = sys.gettrace() is not None or sys.getprofile() is not None
    if not written_back and sys.getrefcount(given) == 3:  # the frame's, this function's, and the argument itself
        given.clear()
    return variables


def variables_of(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """The variables of a frame and of its callers."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        if not is_own(frame.f_code.co_filename):
            yield from list(locals_of(frame).items())
            yield from list(frame.f_globals.items())
        frame = frame.f_back


def modules_held(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """The modules that the variables of a frame and of its callers hold, or the attributes of their objects, such as a
    trainer's model, by their names."""
    from ..nn.modules.module import Module

    for name, value in variables_of(frame):
        if isinstance(value, Module):
            yield name, value
        elif hasattr(value, "__dict__") and not isinstance(value, (type, ModuleType)):
            for attribute, one in list(vars(value).items()):
                if isinstance(one, Module):
                    yield f"{name}.{attribute}", one


def modules_of(frame: FrameType | None) -> list[Any]:
    """The modules that a frame and its callers hold, and those in them."""
    found = {id(m): m for _, value in modules_held(frame) for m in value.modules()}
    return list(found.values())


class Hidden(NamedTuple):
    """How a module holds a leaf that it does not know for its parameter."""

    module: type
    attribute: str
    held: str  # "plain": as a tensor that is no Parameter; "contained": in a list or dict; "computed": in what is made of it


def unregistered(module: Any, known: set[int]) -> Iterator[tuple[Tensor, Hidden]]:
    """The leaves that a module holds without knowing them for its parameters; `known`: the ids of those that some module
    knows, which may also be behind what is computed."""
    from ..nn.modules.module import Module

    for attribute, held in list(vars(module).items()):
        if attribute in ("_parameters", "_buffers", "_modules"):
            continue
        entries: list[Any] = [held]
        if isinstance(held, dict):
            entries = list(held.values())
        elif isinstance(held, (list, tuple)):
            entries = list(held)
        for entry in entries:
            for tensor in entry.parameters() if isinstance(entry, Module) else [entry]:
                if not isinstance(tensor, Tensor) or not tensor._requires_grad:
                    continue
                if tensor._node is None:
                    kind = "plain" if type(tensor) is Tensor else "contained"
                    yield tensor, Hidden(type(module), attribute, kind)
                    continue
                for leaf in _leaves_behind(tensor):
                    if type(leaf) is not Tensor and id(leaf) not in known:
                        yield leaf, Hidden(type(module), attribute, "computed")


def parameters_known(modules: Iterable[Any]) -> set[int]:
    """The ids of the parameters that modules have registered."""
    return {id(p) for module in modules for p in module._parameters.values() if p is not None}


def _leaves_behind(tensor: Tensor) -> list[Tensor]:
    """The leaves that a tensor was computed from, if that took few operations."""
    nodes, found = [tensor._node], []
    for node in nodes:
        if len(nodes) > MOST_OPERATIONS:
            return []
        for edge in node.edges:
            if isinstance(edge, Tensor):
                found.append(edge)
            elif edge is not None and edge not in nodes:
                nodes.append(edge)
    return found
