"""torch.distributed.autograd: graphs lie in one process. Every function raises NotImplementedError."""

from ..unavailable import unavailable

__all__ = ["backward", "context", "get_gradients"]

_REASON = "chainrule runs in one process"
backward = unavailable("distributed.autograd.backward", _REASON)
context = unavailable("distributed.autograd.context", _REASON)
get_gradients = unavailable("distributed.autograd.get_gradients", _REASON)
