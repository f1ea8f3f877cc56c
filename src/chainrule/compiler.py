"""torch.compile and torch.compiler, where nothing is compiled: models run as they are written.

What is compiled in PyTorch computes the same as what is not; so a program that compiles its models runs here, and prints what
it would print with ``TORCH_COMPILE_DISABLE=1``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .nn.modules.module import Module

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable",
    "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip


class OptimizedModule(Module):
    """A module that runs another one, `_orig_mod`: what `torch.compile` makes of a module."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._modules["_orig_mod"] = module
        self.training = module.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the module."""
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training" or "_modules" not in self.__dict__ or "_orig_mod" not in self._modules:
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __len__(self) -> int:
        return len(self._orig_mod)

    def __getitem__(self, index: Any) -> Any:
        return self._orig_mod[index]


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable = "inductor",
    mode: str | None = None,
    options: dict | None = None,
    disable: bool = False,
    **more: Any,
) -> Any:
    """A callable that computes what `model` does: a module comes as an `OptimizedModule`, a function as a function.

    Without `model`, a decorator. Nothing is compiled, whatever the settings. RuntimeError for `mode` and `options` together.
    """
    if model is None:
        return lambda given: compile(
            given, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if mode is not None and options is not None:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if isinstance(model, Module):
        return OptimizedModule(model)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if isinstance(model, type):
        return model

    @functools.wraps(model)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        return model(*args, **kwargs)

    return compiled


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself; without one, a decorator that returns it."""
    return fn if fn is not None else lambda given: given


def allow_in_graph(fn: Any) -> Any:
    """The function itself."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def is_compiling() -> bool:
    """False: nothing is compiled."""
    return False


def is_dynamo_compiling() -> bool:
    """False: nothing is compiled."""
    return False


def is_exporting() -> bool:
    """False: nothing is exported."""
    return False


def reset() -> None:
    """Nothing is kept that would have to be forgotten."""


def list_backends(exclude_tags: tuple = ()) -> list[str]:
    """No backends."""
    return []


def cudagraph_mark_step_begin() -> None:
    """Without effect: there are no CUDA graphs."""


class set_stance:
    """Accepted, and without effect; a context manager and a decorator."""

    def __init__(self, stance: str = "default", **settings: Any) -> None:
        self.stance = stance

    def __call__(self, fn: Callable) -> Callable:
        return fn

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None
