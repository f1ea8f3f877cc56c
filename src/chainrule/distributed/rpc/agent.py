"""The worker: its name, its options, whether it is there."""

from __future__ import annotations

import enum
import os
from typing import Any

_NOT_INITIALIZED = "RPC has not been initialized. Call torch.distributed.rpc.init_rpc first."
_TIMEOUT = 60.0


class BackendType(enum.Enum):
    """The ways workers can talk; which one is asked for makes no difference."""

    TENSORPIPE = "TENSORPIPE"

    def __repr__(self) -> str:
        return f"BackendType.{self.name}"


class WorkerInfo:
    """A worker's `name` and `id`, which is its rank."""

    def __init__(self, name: str, id: int) -> None:
        self.name = name
        self.id = id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkerInfo) and (self.name, self.id) == (other.name, other.id)

    def __hash__(self) -> int:
        return hash((self.name, self.id))

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self.id}, name={self.name})"


class RpcBackendOptions:
    """Options, which are remembered: nothing is sent that could time out."""

    def __init__(self, rpc_timeout: float = _TIMEOUT, init_method: str = "env://") -> None:
        self.rpc_timeout = float(rpc_timeout)
        self.init_method = init_method


class TensorPipeRpcBackendOptions(RpcBackendOptions):
    """The same, with a number of threads; RuntimeError for devices other than the CPU."""

    def __init__(
        self,
        *,
        num_worker_threads: int = 16,
        rpc_timeout: float = _TIMEOUT,
        init_method: str = "env://",
        device_maps: dict | None = None,
        devices: list | None = None,
        **transports: Any,
    ) -> None:
        super().__init__(rpc_timeout, init_method)
        if device_maps or devices:
            self.set_device_map("", {})
        self.num_worker_threads = num_worker_threads
        self.device_maps: dict = {}
        self.devices: list = []

    def set_device_map(self, to: str, device_map: dict) -> None:
        """RuntimeError: there are no other devices."""
        raise RuntimeError("Cannot access accelerator device when none is available.")

    def set_devices(self, devices: list) -> None:
        """RuntimeError: there are no other devices."""
        self.set_device_map("", {})


class _Agent:
    worker: WorkerInfo | None = None
    timeout = _TIMEOUT


def is_available() -> bool:
    """True: for one worker."""
    return True


def init_rpc(
    name: str, backend: Any = None, rank: int = -1, world_size: int | None = None, rpc_backend_options: Any = None
) -> None:
    """Makes this process the worker of that name, the only one.

    The number of workers and the rank are the arguments, or the variables WORLD_SIZE and RANK of the environment, or 1 and 0.
    NotImplementedError for more than one worker; RuntimeError if there is one already.
    """
    if backend is not None and not isinstance(backend, BackendType):
        raise TypeError("Argument backend must be a member of BackendType")
    if _Agent.worker is not None:
        raise RuntimeError("RPC is already initialized")
    size = int(os.getenv("WORLD_SIZE", "1")) if world_size is None else world_size
    own = rank if rank >= 0 else int(os.getenv("RANK", "0"))
    if size != 1:
        raise NotImplementedError(
            f"chainrule runs in one process: {size} workers (WORLD_SIZE or world_size) cannot talk to each other"
        )
    if own != 0:
        raise ValueError(f"rank {own} of one worker, whose rank is 0")
    _Agent.worker = WorkerInfo(name, 0)
    _Agent.timeout = _TIMEOUT if rpc_backend_options is None else rpc_backend_options.rpc_timeout


def shutdown(graceful: bool = True, timeout: float = 0) -> None:
    """Ends the worker. RuntimeError if there is none."""
    own_info()
    _Agent.worker = None


def get_rpc_timeout() -> float:
    """The seconds after which a call would fail, if it took long to send: 60, or what the options say."""
    own_info()
    return _Agent.timeout


def own_info() -> WorkerInfo:
    """This worker. RuntimeError if there is none."""
    if _Agent.worker is None:
        raise RuntimeError(_NOT_INITIALIZED)
    return _Agent.worker


def get_worker_info(worker_name: str | None = None) -> WorkerInfo:
    """The worker of that name; this one if none is given. RuntimeError for any other."""
    own = own_info()
    if worker_name is not None and worker_name != own.name:
        raise RuntimeError(f"name:{own.name},rank:0 could not find destination name {worker_name}")
    return own


def find(to: Any) -> WorkerInfo:
    """The worker that a name, a rank or a WorkerInfo means. RuntimeError for any but this one, ValueError for what is none."""
    own = own_info()
    if isinstance(to, WorkerInfo):
        to = to.name
    if isinstance(to, str):
        return get_worker_info(to)
    if not isinstance(to, int):
        raise ValueError(f"Cannot get WorkerInfo from name {to}")
    if to != own.id:
        raise RuntimeError(f"name:{own.name},rank:0 could not find destination id {to}")
    return own
