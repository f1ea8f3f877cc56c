"""torch.func: functions of functions, derivatives and vmap."""

from __future__ import annotations

from .derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from .mapping import debug_unwrap, functionalize, vmap
from .modules import functional_call, replace_all_batch_norm_modules_, stack_module_state
from .rearrangement import rearrange

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
