"""torch.backends: the switches of libraries that chainrule does not use; they can be set, and change nothing."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]


class _Backend(ModuleType):
    """A library's switches as attributes, and whether it is there: a module of this package that has no file."""

    def __init__(self, name: str, **switches) -> None:
        super().__init__(f"torch.backends.{name}")
        self.__dict__.update(switches)
        sys.modules[f"{__name__}.{name}"] = self

    def is_available(self) -> bool:
        """False: chainrule does not use it."""
        return False

    is_built = is_available

    def version(self) -> None:
        """None: there is no such library."""
        return None

    @contextmanager
    def flags(self, **switches):
        """Sets switches for the length of a `with` block."""
        before = {name: getattr(self, name, None) for name in switches}
        self.__dict__.update(switches)
        try:
            yield
        finally:
            self.__dict__.update(before)

    def __repr__(self) -> str:
        return f"<module '{self.__name__}'>"


cudnn = _Backend("cudnn", enabled=True, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True)
cuda = _Backend("cuda", matmul=_Backend("cuda.matmul", allow_tf32=False))
mps = _Backend("mps")
mkl = _Backend("mkl")
mkldnn = _Backend("mkldnn", enabled=True)
openmp = _Backend("openmp")
cpu = _Backend("cpu")
