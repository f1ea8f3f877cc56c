"""torch.cpu.amp: the deprecated names of `torch.amp` for the CPU."""

from __future__ import annotations

from .. import amp, dtypes
from ..amp import DeprecatedGradScaler, deprecated

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """``torch.amp.autocast("cpu", ...)``. Deprecated."""

    __module__ = "torch.cpu.amp.autocast_mode"

    def __init__(self, enabled: bool = True, dtype: dtypes.dtype = dtypes.bfloat16, cache_enabled: bool = True) -> None:
        deprecated("torch.cpu.amp.autocast(args...)", "torch.amp.autocast('cpu', args...)")
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(DeprecatedGradScaler):
    """``torch.amp.GradScaler("cpu", ...)``. Deprecated."""

    __module__ = "torch.cpu.amp.grad_scaler"
    _device_type = "cpu"
