"""chainrule: PyTorch's autograd in plain Python on NumPy.

``import chainrule as torch``, and a program whose subject is gradients runs unmodified. The namespace is torch's: every
module of operations names its public functions in its `__all__`, and they meet here. Modules that not every program needs
(``torch.nn``, ``torch.linalg``, ...) are imported when they are first used.
"""

from __future__ import annotations

from . import importing as _importing

# isort: split

import math as _math

from . import autograd, dtypes, ops, random, size
from .autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from .dtypes import (
    bfloat16,
    bool_ as bool,
    can_cast,
    cdouble,
    cfloat,
    chalf,
    complex32,
    complex64,
    complex128,
    double,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    float_ as float,
    get_default_dtype,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    int_ as int,
    long,
    promote_types,
    result_type,
    set_default_dtype,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .legacy import *
from .modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .ops.activations import *
from .ops.bitwise import *
from .ops.comparison import *
from .ops.complexes import *
from .ops.contractions import *
from .ops.conversion import *
from .ops.creation import *
from .ops.cumulative import *
from .ops.elementwise import *
from .ops.filling import *
from .ops.indexing import *
from .ops.joining import *
from .ops.matrices import *
from .ops.norms import *
from .ops.products import *
from .ops.random import *
from .ops.rearranging import *
from .ops.reduction import *
from .ops.scatter import *
from .ops.shape import *
from .ops.softmax import *
from .ops.sorting import *
from .ops.special import *
from .ops.spectral import *
from .ops.statistics import *
from .ops.windows import *
from .printing import set_printoptions
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .serialization import *
from .size import (
    Size,
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    jagged,
    layout,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from .storage import *
from .switches import *
from .tensor import Tensor, get_device, is_inference, is_tensor
from .warning import is_warn_always_enabled, set_warn_always

# isort: split
from .backend import tensors as _tensors  # the formulas' names on Tensors, now that all operations are there

__version__ = "0.1.0"

e, pi, tau, inf, nan, newaxis = _math.e, _math.pi, 2 * _math.pi, _math.inf, _math.nan, None

_LAZY = {
    "_C", "_dynamo", "_inductor", "_logging", "_utils", "_vmap_internals", "accelerator", "amp", "backends",
    "compiler", "cpu", "cuda", "distributed", "distributions", "export", "fft", "func", "functional", "futures", "fx",
    "hub", "insight", "jit", "library", "linalg", "masked", "mps", "multiprocessing", "nested", "nn", "onnx", "optim",
    "overrides", "profiler", "return_types", "serialization", "signal", "sparse", "special", "testing",
    "torch_version", "types", "utils", "version", "xpu",
}  # fmt: skip

_LAZY_NAMES = {
    "vmap": "func", "Future": "futures", "explain": "insight", "why": "insight", "draw": "insight", "ledger": "insight",
    "record_grads": "insight", "autocast": "amp", "compile": "compiler",
    "get_autocast_dtype": "amp", "is_autocast_enabled": "amp", "set_autocast_dtype": "amp",
    "set_autocast_enabled": "amp",
}  # fmt: skip  # and where they are
_FUNCTIONAL = (
    "adaptive_avg_pool1d", "alpha_dropout", "avg_pool1d", "bilinear", "channel_shuffle", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "dropout", "feature_alpha_dropout",
    "group_norm", "layer_norm", "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "pairwise_distance",
    "pixel_shuffle", "pixel_unshuffle", "rms_norm",
)  # fmt: skip
_LAZY_NAMES |= dict.fromkeys(_FUNCTIONAL, "nn.functional")
_LAZY_NAMES |= dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), "ops.grids")
_LAZY_NAMES["constant_pad_nd"] = "ops.padding"
_SPARSE = (
    "dsmm", "hspmm", "saddmm", "smm", "sparse_compressed_tensor", "sparse_coo_tensor", "sparse_csc_tensor",
    "sparse_csr_tensor", "spmm", "sspaddmm",
)  # fmt: skip
_LAZY_NAMES |= dict.fromkeys(_SPARSE, "sparse.functions")


def __getattr__(name: str):
    """Imports a module on its first use; for a name that chainrule lacks, says that it is chainrule's lack."""
    import importlib

    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    if name in _LAZY:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: chainrule does not have torch.{name} (yet)")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *_LAZY_NAMES})


_Module = type(ops)
__all__ = sorted(
    name
    for name, value in globals().items()
    if not name.startswith("_") and not isinstance(value, _Module) and name != "annotations"
)

_importing.done()
