"""torch._dynamo: the names of it that programs use. Nothing is compiled (see compiler.py)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .compiler import OptimizedModule, allow_in_graph, compile, disable, list_backends, reset

__all__ = ["OptimizedModule", "allow_in_graph", "disable", "graph_break", "list_backends", "optimize", "reset"]

config = SimpleNamespace()  # settings are accepted, and without effect


def optimize(backend: Any = "inductor", **settings: Any) -> Any:
    """A decorator: `torch.compile`."""
    return lambda model: compile(model)


def graph_break(msg: str = "") -> None:
    """Without effect: there is no graph to break."""


def mark_dynamic(tensor: Any, index: Any, **settings: Any) -> None:
    """Without effect: every dimension may change."""


def is_compiling() -> bool:
    """False: nothing is compiled."""
    return False
