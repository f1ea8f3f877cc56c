"""torch.cuda where there is none: questions are answered, seeding is accepted, and whatever needs a device raises."""

from __future__ import annotations

from ..legacy import TYPES

__all__ = [
    "current_device", "device", "device_count", "empty_cache", "get_arch_list", "get_device_capability",
    "get_device_name", "get_device_properties", "init", "is_available", "is_bf16_supported", "is_initialized",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved", "memory_allocated",
    "memory_reserved", "seed", "seed_all", "set_device", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: chainrule computes on the CPU."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def get_arch_list() -> list[str]:
    """No architectures."""
    return []


def _nothing(*arguments, **named) -> None:
    """Accepted, and without effect where there is no device."""


def _zero_bytes(device=None) -> int:
    """0: no device memory is in use."""
    return 0


def _needs_device(*arguments, **named):
    """AssertionError: there is no CUDA device."""
    raise AssertionError("Torch not compiled with CUDA enabled")


manual_seed = manual_seed_all = seed = seed_all = empty_cache = _nothing
memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = _zero_bytes
init = synchronize = current_device = set_device = get_device_name = get_device_capability = _needs_device
get_device_properties = current_stream = get_rng_state = set_rng_state = initial_seed = ipc_collect = _needs_device
mem_get_info = reset_peak_memory_stats = memory_summary = _needs_device


class memory:
    """torch.cuda.memory: what uses a device's memory. There is none."""

    memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = staticmethod(_zero_bytes)
    empty_cache = staticmethod(_nothing)
    _record_memory_history = _dump_snapshot = _snapshot = staticmethod(_needs_device)


class device:
    """A context in which a CUDA device would be the current one; entering it raises."""

    __module__ = "torch.cuda"

    def __init__(self, device) -> None:
        self.idx = device

    def __enter__(self):
        raise RuntimeError("PyTorch was compiled without CUDA support")

    def __exit__(self, *exc) -> None:
        return None


class Event:
    """RuntimeError: events need a device."""

    def __new__(cls, *arguments, **named):
        raise RuntimeError("Tried to instantiate dummy base class Event")


class Stream:
    """RuntimeError: streams need a device."""

    def __new__(cls, *arguments, **named):
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class _MissingType(type):
    """The type of `torch.cuda.FloatTensor` and its siblings: no tensor is one, and none can be made."""

    def __instancecheck__(cls, instance) -> bool:
        return False

    def __call__(cls, *arguments, **named):
        raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.")


def __getattr__(name: str):
    if name == "amp":
        from importlib import import_module  # `from . import amp` would ask for the attribute again

        return import_module(".amp", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: chainrule has no CUDA device")


for _name in TYPES:
    globals()[_name] = _MissingType(_name, (), {"__module__": "torch.cuda", "is_cuda": True})
