"""torch.export: a module with example inputs, without a graph of operations that could be lowered."""

from __future__ import annotations

from typing import Any

from .nn.modules.module import Module

__all__ = ["Dim", "ExportedProgram", "export", "load", "save"]


class Dim:
    """A name for a dimension whose size may change. Every size may, here."""

    AUTO, DYNAMIC, STATIC = "AUTO", "DYNAMIC", "STATIC"

    def __init__(self, name: str, *, min: int | None = None, max: int | None = None) -> None:
        self.__name__, self.min, self.max = name, min, max


class ExportedProgram:
    """What `export` returns: `module()` runs, `graph_module` is its trace by torch.fx."""

    def __init__(self, module: Module, example_inputs: tuple) -> None:
        self._module = module
        self.example_inputs = example_inputs

    def module(self) -> Module:
        """The module."""
        return self._module

    @property
    def graph_module(self) -> Any:
        """The module as torch.fx traces it."""
        from .fx import symbolic_trace

        return symbolic_trace(self._module)

    @property
    def graph(self) -> Any:
        """The graph that torch.fx records."""
        return self.graph_module.graph

    @property
    def state_dict(self) -> dict:
        """The module's parameters and buffers."""
        return self._module.state_dict()

    def parameters(self) -> Any:
        """The module's parameters."""
        return self._module.parameters()

    def named_parameters(self) -> Any:
        """The module's parameters with their names."""
        return self._module.named_parameters()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Unable to call ExportedProgram directly. You should use `exported_program.module()` instead."
        )


def export(
    mod: Module,
    args: tuple,
    kwargs: dict | None = None,
    *,
    dynamic_shapes: Any = None,
    strict: bool = False,
    preserve_module_call_signature: tuple = (),
    **settings: Any,
) -> ExportedProgram:
    """The module after one run on the examples. TypeError for what is no module."""
    if not isinstance(mod, Module):
        raise ValueError(f"Expected `mod` to be an instance of `torch.nn.Module`, got {type(mod)}.")
    mod(*args, **(kwargs or {}))
    return ExportedProgram(mod, (args, kwargs or {}))


def save(ep: ExportedProgram, f: Any, **settings: Any) -> None:
    """Pickles the module and the examples into a file."""
    from .serialization import save as write

    write((ep._module, ep.example_inputs), f)


def load(f: Any, **settings: Any) -> ExportedProgram:
    """What `save` wrote; it is unpickled, which can run any code."""
    from .serialization import load as read

    return ExportedProgram(*read(f, weights_only=False))
