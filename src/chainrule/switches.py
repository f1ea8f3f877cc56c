"""Process-wide switches of PyTorch's that chainrule accepts: they can be set and asked for, and change no result."""

from __future__ import annotations

from .size import CPU, check_device, device

__all__ = [
    "are_deterministic_algorithms_enabled", "get_default_device", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads",
    "is_deterministic_algorithms_warn_only_enabled", "set_default_device", "set_deterministic_debug_mode",
    "set_float32_matmul_precision", "set_num_interop_threads", "set_num_threads", "use_deterministic_algorithms",
]  # fmt: skip


class _Switches:
    precision = "highest"
    deterministic = False
    warn_only = False
    threads: int | None = None
    interop_threads: int | None = None


def get_default_device() -> device:
    """The CPU."""
    return CPU


def set_default_device(device) -> None:
    """Accepts the CPU (or None); other devices raise, as using them would."""
    check_device(device)


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was given. Products are always computed in full precision."""
    return _Switches.precision


def set_float32_matmul_precision(precision: str) -> None:
    """Remembers "highest", "high" or "medium"."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"float32_matmul_precision: {precision!r} is none of 'highest', 'high' and 'medium'")
    _Switches.precision = precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remembers the switch. chainrule's operations are deterministic."""
    _Switches.deterministic, _Switches.warn_only = bool(mode), bool(mode and warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was given."""
    return _Switches.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was given as `warn_only`."""
    return _Switches.warn_only


def set_deterministic_debug_mode(debug_mode) -> None:
    """`use_deterministic_algorithms` by level: 0 or "default", 1 or "warn", 2 or "error"."""
    level = {"default": 0, "warn": 1, "error": 2}.get(debug_mode, debug_mode)
    if level not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """The level that `set_deterministic_debug_mode` was given."""
    return 0 if not _Switches.deterministic else 1 if _Switches.warn_only else 2


def get_num_threads() -> int:
    """What `set_num_threads` was given, else the number of processors."""
    if _Switches.threads is None:
        import os

        _Switches.threads = os.cpu_count() or 1
    return _Switches.threads


def set_num_threads(num: int) -> None:
    """Remembers the number. How many threads a product takes is up to NumPy's BLAS (see OMP_NUM_THREADS)."""
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    _Switches.threads = num


def get_num_interop_threads() -> int:
    """What `set_num_interop_threads` was given, else the number of processors."""
    return _Switches.interop_threads or get_num_threads()


def set_num_interop_threads(num: int) -> None:
    """Remembers the number."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _Switches.interop_threads = num
