"""torch.jit, where nothing is compiled: scripts and traces are the Python functions and modules that they were made of.

It is what PyTorch does with ``PYTORCH_JIT=0``. Saved modules are pickled, so that loading one needs its class.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Final

from .nn.modules.module import Module

__all__ = [
    "Attribute", "Error", "Final", "ScriptFunction", "ScriptModule", "annotate", "export", "fork", "freeze", "ignore",
    "interface", "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference", "save", "script",
    "script_if_tracing", "script_method", "set_fusion_strategy", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

_isinstance = isinstance


class ScriptModule(Module):
    """A module; `script_method` marks its methods."""

    def save(self, f: Any, **extra: Any) -> None:
        """`torch.jit.save`."""
        save(self, f)


class ScriptFunction:
    """The type of compiled functions, of which there are none: `script` and `trace` return functions."""


class Error(RuntimeError):
    """The type of errors inside compiled functions."""


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """The function, class or module itself. A module also gets a method `save`, if it has none."""
    return _savable(obj)


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: dict | None = None,
    _store_inputs: bool = True,
) -> Any:
    """The function or module itself, after one run on the examples: what depends on values goes on to do so."""
    if example_inputs is not None:
        inputs = example_inputs if _isinstance(example_inputs, (tuple, list)) else (example_inputs,)
        func(*inputs)
    elif example_kwarg_inputs is not None:
        func(**example_kwarg_inputs)
    else:
        raise RuntimeError("example_kwarg_inputs should be a dict")
    return _savable(func)


def trace_module(mod: Module, inputs: dict, *settings: Any, **more: Any) -> Module:
    """The module itself, after one run of each of the methods that `inputs` names."""
    for name, examples in inputs.items():
        getattr(mod, name)(*(examples if _isinstance(examples, (tuple, list)) else (examples,)))
    return _savable(mod)


def _savable(obj: Any) -> Any:
    """A module with a method `save`, which modules that PyTorch compiles have; anything else as it is."""
    if _isinstance(obj, Module) and not hasattr(obj, "save"):
        obj.__dict__["save"] = functools.partial(save, obj)
    return obj


def save(m: Module, f: Any, _extra_files: dict | None = None) -> None:
    """Pickles a module into a file, by `torch.save`."""
    from .serialization import save as write

    added = m.__dict__.pop("save", None)
    try:
        write(m, f)
    finally:
        if added is not None:
            m.__dict__["save"] = added


def load(f: Any, map_location: Any = None, _extra_files: dict | None = None, _restore_shapes: bool = False) -> Any:
    """A module that `save` wrote. ValueError where there is no such file.

    It is unpickled, which can run any code: load only what you trust.
    """
    from .serialization import load as read

    if _isinstance(f, (str, os.PathLike)):
        if not os.path.exists(f):
            raise ValueError(f"The provided filename {f} does not exist")
        if os.path.isdir(f):
            raise ValueError(f"The provided filename {f} is a directory")
    return _savable(read(f, map_location, weights_only=False))


def _unchanged(fn: Any, *settings: Any, **more: Any) -> Any:
    """The function, class or module itself."""
    return fn


export = interface = script_if_tracing = script_method = optimize_for_inference = _unchanged


def ignore(drop: Any = False, **settings: Any) -> Any:
    """The function itself; called with settings, a decorator."""
    return drop if callable(drop) else _unchanged


def unused(fn: Callable) -> Callable:
    """The function itself."""
    return fn


def freeze(mod: Module, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Module:
    """The module itself. ValueError if it is in training mode."""
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before "
            "freezing."
        )
    return mod


def is_scripting() -> bool:
    """False: nothing is compiled."""
    return False


def is_tracing() -> bool:
    """False: nothing is traced."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value."""
    return the_value


def Attribute(value: Any, type: Any) -> Any:
    """The value."""
    return value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether the object is of a type; of ``List[int]`` and the like, whether it is a list."""
    from typing import get_origin

    types = target_type if _isinstance(target_type, tuple) else (target_type,)
    return any(_isinstance(obj, get_origin(one) or one) for one in types)


def fork(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """Runs the function at once; `wait` gives its result."""
    return _Done(func(*args, **kwargs))


class _Done:
    def __init__(self, result: Any) -> None:
        self.result = result

    def wait(self) -> Any:
        """The result."""
        return self.result


def wait(future: _Done) -> Any:
    """The result of `fork`."""
    return future.wait()


def set_fusion_strategy(strategy: list) -> list:
    """Without effect: nothing is fused."""
    return strategy
