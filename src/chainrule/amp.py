"""torch.amp: regions in which matrix products are computed in half precision, and losses in single precision.

Only the CPU is there, so `autocast` for another device does nothing. The operations below have their single-precision
inputs cast on the way in (recorded, so that gradients come back in single precision); all others run in the dtype of what
they are given, and refuse half precision where they do outside. A leaf that requires grad is cast once in a region, so
that its gradients add up in half precision, as PyTorch's do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import dtypes
from .grad_scaler import GradScaler
from .modes import local
from .record import Op
from .size import check_device, device
from .tensor import Tensor
from .warning import warn

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

# The names of the operations, as they are registered.
IN_HALF = frozenset(
    {
        "addbmm", "addmm", "baddbmm", "bmm", "convolution", "dot", "linear", "matmul", "matvec", "mm", "mv", "prelu",
        "scaled_dot_product_attention", "vecmat",
    }
)  # fmt: skip
IN_SINGLE = frozenset(
    {
        "binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "mse_loss",
        "multi_margin_loss", "nll_loss", "nll_loss_2d", "polar", "prod", "prod_dim", "smooth_l1_loss",
        "soft_margin_loss", "trace", "view_as_complex",
    }
)  # fmt: skip


def cast_inputs(record: Op, inputs):
    """The inputs of an operation in the dtypes that the region asks for."""
    if record.name in IN_HALF:
        target = local.autocast
    elif record.name in IN_SINGLE:
        target = dtypes.float32
    else:
        return inputs
    return tuple([_cast(x, target) for x in inputs])


def _cast(value: Any, dtype: dtypes.dtype) -> Any:
    """A tensor of single or half precision in `dtype`; everything else as it is."""
    if isinstance(value, Tensor) and value.dtype in (dtypes.float32, dtypes.float16, dtypes.bfloat16):
        if value.dtype is dtype:
            return value
        cache = local.autocast_cache
        if cache is None or dtype is dtypes.float32 or not (value._requires_grad and value.is_leaf):
            return value.to(dtype)
        key = (id(value), value._version, dtype)
        if key in cache:
            return cache[key][1]
        cast = value.to(dtype)
        if local.grad_enabled:
            cache[key] = value, cast
        return cast
    return value


def _cast_all(value: Any, dtype: dtypes.dtype) -> Any:
    """The same for all tensors in tuples, lists and dicts."""
    if isinstance(value, dict):
        return {_cast_all(k, dtype): _cast_all(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_cast_all(v, dtype) for v in value])
    return _cast(value, dtype)


class casting_to:
    """For the length of a block, products are computed in `dtype`; None: in the dtype of what is multiplied."""

    def __init__(self, dtype: dtypes.dtype | None, cached: bool = True) -> None:
        self.dtype = dtype
        self.cached = cached

    def __enter__(self) -> None:
        self.previous = local.autocast, local.autocast_cache
        if not self.cached:
            local.autocast_cache = None
        elif local.autocast_cache is None:
            local.autocast_cache = {}
        _set(self.dtype)

    def __exit__(self, *exc: object) -> None:
        dtype, local.autocast_cache = self.previous
        _set(dtype)


def _set(dtype: dtypes.dtype | None) -> None:
    local.autocast = dtype
    local.refresh()


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows the device; it has an effect on the CPU only."""
    device(device_type)
    return device_type != "meta"


class autocast:
    """Inside, or in a decorated function, products of single-precision matrices are computed in `dtype`.

    `dtype` is bfloat16 (as it is at first) or float16. ``enabled=False`` ends the effect of an outer region.
    Without `cache_enabled`, leaves are cast at each use. ValueError for a `device_type` that is no string, RuntimeError for an unknown one.
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtypes.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if enabled and device_type == "cuda":
            warn("CUDA is not available or torch_xla is imported. Disabling autocast.")
            enabled = False
        if enabled and device_type == "cpu" and self.fast_dtype not in (dtypes.bfloat16, dtypes.float16):
            warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only "
                "supports dtypes of torch.bfloat16, torch.float16 currently."
            )
            enabled = False
        self._enabled = enabled
        self._cache_enabled = cache_enabled is not False
        self._open: list[casting_to] = []

    def __enter__(self) -> autocast:
        if self.device == "cpu":
            region = casting_to(self.fast_dtype if self._enabled else None, self._cache_enabled)
            region.__enter__()
            self._open.append(region)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.device == "cpu":
            self._open.pop().__exit__()

    def __call__(self, func: Callable) -> Callable:
        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether a region is open for the device; without an argument for "cuda", and so False."""
    device(device_type)
    return device_type == "cpu" and local.autocast is not None


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Opens or closes a region for the rest of the thread."""
    check_device(device_type)
    _set(get_autocast_dtype(device_type) if enabled else None)


def get_autocast_dtype(device_type: str) -> dtypes.dtype:
    """The dtype of regions that do not name one."""
    device(device_type)
    if device_type != "cpu":
        return dtypes.float16
    return local.autocast or local.autocast_dtype or dtypes.bfloat16


def set_autocast_dtype(device_type: str, dtype: dtypes.dtype) -> None:
    """Sets the dtype of regions that do not name one."""
    check_device(device_type)
    local.autocast_dtype = dtype
    if local.autocast is not None:
        _set(dtype)


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: dtypes.dtype | None = None) -> Callable:
    """Decorates the `forward` of a Function for use in regions.

    With `cast_inputs`, its floating-point arguments are cast to that and it runs outside the region; without, it runs as
    it is called, and so will a `backward` decorated by `custom_bwd`.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx, enabled = args[0], is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = enabled and cast_inputs is None
        if not enabled or cast_inputs is None:
            return fwd(*args, **kwargs)
        with casting_to(None):
            return fwd(*_cast_all(args, cast_inputs), **_cast_all(kwargs, cast_inputs))

    return decorated


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorates the `backward` of a Function whose forward has `custom_fwd`, to run in the same kind of region."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(*args, **kwargs)

    return decorated


def deprecated(old: str, new: str) -> None:
    """Warns that a name of torch.cuda.amp or torch.cpu.amp has another."""
    warn(f"`{old}` is deprecated. Please use `{new}` instead.", FutureWarning)


class DeprecatedGradScaler(GradScaler):
    """What torch.cuda.amp and torch.cpu.amp have of it: the device is theirs."""

    _device_type = ""

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        kind = self._device_type
        deprecated(f"torch.{kind}.amp.GradScaler(args...)", f"torch.amp.GradScaler('{kind}', args...)")
        super().__init__(kind, init_scale, growth_factor, backoff_factor, growth_interval, enabled)


autocast.__module__ = "torch.amp.autocast_mode"
