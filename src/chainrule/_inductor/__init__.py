"""torch._inductor: nothing is compiled. A package holds the module itself, and running it runs its Python code."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..export import ExportedProgram, load as load_program, save as save_program
from ..modes import no_grad
from ..unavailable import unavailable
from . import config

__all__ = [
    "aot_compile",
    "aoti_compile_and_package",
    "aoti_load_package",
    "compile",
    "list_mode_options",
    "list_options",
]

aot_compile = unavailable(
    "_inductor.aot_compile",
    "nothing is compiled, so there is no shared library; aoti_compile_and_package packages the module",
)


def aoti_compile_and_package(
    exported_program: ExportedProgram,
    _deprecated_unused_args: Any = None,
    _deprecated_unused_kwargs: Any = None,
    *,
    package_path: Any = None,
    inductor_configs: dict[str, Any] | None = None,
) -> Any:
    """Pickles the program into a file whose name ends in ``.pt2``, a temporary one unless given; its path (or the open file).

    ValueError for what is no ExportedProgram; AssertionError for another name.
    """
    if not isinstance(exported_program, ExportedProgram):
        raise ValueError("Only ExportedProgram is supported")
    if package_path is None:
        import tempfile

        handle, package_path = tempfile.mkstemp(suffix=".pt2")
        os.close(handle)
    elif not hasattr(package_path, "write"):
        if not isinstance(package_path, (str, os.PathLike)) or not os.fspath(package_path).endswith(".pt2"):
            raise AssertionError(
                f"Expect package path to be a file ending in .pt2, is None, or is a buffer. Instead got {package_path}"
            )
        package_path = os.fspath(package_path)
    save_program(exported_program, package_path)
    return package_path


class AOTICompiledModel:
    """What `aoti_load_package` returns: called, it runs the module, without recording anything."""

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with no_grad():
            return self._program.module()(*args, **kwargs)

    def get_metadata(self) -> dict[str, str]:
        """The device."""
        return {"AOTI_DEVICE_KEY": "cpu"}

    def get_constant_fqns(self) -> list[str]:
        """The names of the parameters and buffers."""
        return list(self._program.state_dict)

    def load_constants(self, constants_map: dict, *, check_full_update: bool, user_managed: bool = False) -> None:
        """Replaces parameters and buffers; ValueError if `check_full_update` and not all are there."""
        missing = set(self._program.state_dict) - set(constants_map)
        unknown = set(constants_map) - set(self._program.state_dict)
        if (check_full_update and missing) or unknown:
            raise ValueError(f"constants that are missing: {sorted(missing)}, that there are not: {sorted(unknown)}")
        self._program.module().load_state_dict(constants_map, strict=False)


def aoti_load_package(path: Any, run_single_threaded: bool = False, device_index: int = -1) -> AOTICompiledModel:
    """What `aoti_compile_and_package` wrote; it is unpickled, which can run any code."""
    return AOTICompiledModel(load_program(path))


def compile(gm: Callable, example_inputs: Any = None, options: dict[str, Any] | None = None) -> Callable:
    """The module or function itself."""
    return gm


def list_mode_options(mode: str | None = None, dynamic: bool | None = None) -> dict[str, Any]:
    """The modes of `torch.compile`, none of which sets anything; the settings of one: none."""
    modes = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
    return {name: {} for name in modes} if mode is None else {}


def list_options() -> list[str]:
    """The settings that have been made."""
    return config.settings()
