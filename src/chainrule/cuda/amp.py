"""torch.cuda.amp: the deprecated names of `torch.amp` for a device that is not there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import amp, dtypes
from ..amp import DeprecatedGradScaler, deprecated

__all__ = ["GradScaler", "amp_definitely_not_available", "autocast", "custom_bwd", "custom_fwd"]


def amp_definitely_not_available() -> bool:
    """True: there is no such device."""
    return True


class autocast(amp.autocast):
    """``torch.amp.autocast("cuda", ...)``. Deprecated."""

    __module__ = "torch.cuda.amp.autocast_mode"

    def __init__(self, enabled: bool = True, dtype: dtypes.dtype = dtypes.float16, cache_enabled: bool = True) -> None:
        deprecated("torch.cuda.amp.autocast(args...)", "torch.amp.autocast('cuda', args...)")
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(DeprecatedGradScaler):
    """``torch.amp.GradScaler("cuda", ...)``. Deprecated."""

    __module__ = "torch.cuda.amp.grad_scaler"
    _device_type = "cuda"


def custom_fwd(fwd: Callable | None = None, **kwargs: Any) -> Callable:
    """``torch.amp.custom_fwd(device_type="cuda")``. Deprecated."""
    deprecated("torch.cuda.amp.custom_fwd(args...)", "torch.amp.custom_fwd(args..., device_type='cuda')")
    return functools.partial(amp.custom_fwd, device_type="cuda")(fwd=fwd, **kwargs)


def custom_bwd(bwd: Callable) -> Callable:
    """``torch.amp.custom_bwd(device_type="cuda")``. Deprecated."""
    deprecated("torch.cuda.amp.custom_bwd(args...)", "torch.amp.custom_bwd(args..., device_type='cuda')")
    return amp.custom_bwd(bwd, device_type="cuda")
