"""torch.distributed.rpc for one worker, which calls itself.

What is called runs at once, in the thread that calls, on copies of its arguments, as if they had been sent; other workers are
refused.
"""

from .agent import (
    BackendType,
    RpcBackendOptions,
    TensorPipeRpcBackendOptions,
    WorkerInfo,
    get_rpc_timeout,
    get_worker_info,
    init_rpc,
    is_available,
    shutdown,
)
from .calls import remote, rpc_async, rpc_sync
from .references import RRef

__all__ = [
    "BackendType", "RRef", "RpcBackendOptions", "TensorPipeRpcBackendOptions", "WorkerInfo", "functions",
    "get_rpc_timeout", "get_worker_info", "init_rpc", "is_available", "remote", "rpc_async", "rpc_sync", "shutdown",
]  # fmt: skip

from . import functions

PyRRef = RRef
