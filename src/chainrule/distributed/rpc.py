"""torch.distributed.rpc: processes do not call each other. Every function raises NotImplementedError."""

from ..unavailable import unavailable

__all__ = [
    "RRef", "TensorPipeRpcBackendOptions", "init_rpc", "remote", "rpc_async", "rpc_sync", "shutdown",
]  # fmt: skip

_REASON = "chainrule runs in one process"
RRef = unavailable("distributed.rpc.RRef", _REASON)
TensorPipeRpcBackendOptions = unavailable("distributed.rpc.TensorPipeRpcBackendOptions", _REASON)
init_rpc = unavailable("distributed.rpc.init_rpc", _REASON)
remote = unavailable("distributed.rpc.remote", _REASON)
rpc_async = unavailable("distributed.rpc.rpc_async", _REASON)
rpc_sync = unavailable("distributed.rpc.rpc_sync", _REASON)
shutdown = unavailable("distributed.rpc.shutdown", _REASON)
