"""What holds the tensors of a running program: the variables of its frames, and its modules."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

from ..engine import is_own
from ..tensor import Tensor

MOST_FRAMES = 20


def variables_of(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """The variables of a frame and of its callers."""
    for _ in range(MOST_FRAMES):
        if frame is None:
            return
        if not is_own(frame.f_code.co_filename):
            yield from list(frame.f_locals.items())
            yield from list(frame.f_globals.items())
        frame = frame.f_back


def modules_of(frame: FrameType | None) -> list[Any]:
    """The modules that the variables of a frame and of its callers hold, and those in them."""
    from ..nn.modules.module import Module

    found = {id(m): m for _, value in variables_of(frame) if isinstance(value, Module) for m in value.modules()}
    return list(found.values())


def unregistered(module: Any) -> Iterator[tuple[str, Tensor]]:
    """The leaves that a module holds without knowing them for its parameters: (attribute, tensor)."""
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
                if isinstance(tensor, Tensor) and tensor._requires_grad and tensor._node is None:
                    yield attribute, tensor
