"""References to values on a worker."""

from __future__ import annotations

from itertools import count
from typing import Any

from ...futures import Future
from ...tensor import Tensor
from .agent import WorkerInfo, _Agent, own_info

_numbers = count()


class RRef:
    """A reference to a value that a worker owns: this one."""

    __module__ = "torch.distributed.rpc"

    def __init__(self, value: Any, type_hint: Any = None) -> None:
        if _Agent.worker is None:
            raise RuntimeError(
                "Current RPC agent is not set! Did you initialize the RPC framework (e.g. by calling `rpc.init_rpc`)?"
            )
        self._future: Future = Future()
        self._future.set_result(value)
        self._number = next(_numbers)

    @classmethod
    def _of(cls, future: Future) -> RRef:
        """A reference to what a call returned."""
        made = cls(None)
        made._future = future
        return made

    def local_value(self) -> Any:
        """The value itself, not a copy."""
        return self._future.wait()

    def to_here(self, timeout: float = -1.0) -> Any:
        """The value; of another worker's it would be a copy."""
        return self._future.wait()

    def owner(self) -> WorkerInfo:
        """The worker that has the value."""
        return own_info()

    def owner_name(self) -> str:
        """Its name."""
        return own_info().name

    def is_owner(self) -> bool:
        """True."""
        return True

    def confirmed_by_owner(self) -> bool:
        """True."""
        return True

    def _get_type(self, timeout: float = -1.0, blocking: bool = True) -> Any:
        return type(self.local_value())

    def rpc_sync(self, timeout: float = -1.0) -> Any:
        """What calls the value's methods: ``rref.rpc_sync().method(*args)`` is the result."""
        from .calls import rpc_sync

        return _Methods(self, rpc_sync)

    def rpc_async(self, timeout: float = -1.0) -> Any:
        """The same with a Future of the result."""
        from .calls import rpc_async

        return _Methods(self, rpc_async)

    def remote(self, timeout: float = -1.0) -> Any:
        """The same with a reference to the result."""
        from .calls import remote

        return _Methods(self, remote)

    def backward(self, dist_autograd_ctx_id: int = -1, retain_graph: bool = False) -> None:
        """Backward of the value, a tensor: into leaves' `.grad`, or into a context of torch.distributed.autograd."""
        value = self.local_value()
        if not isinstance(value, Tensor):
            raise RuntimeError("RRef should contain a tensor for .backward()")
        if dist_autograd_ctx_id == -1:
            value.backward(retain_graph=retain_graph)
        else:
            from ..autograd import backward

            backward(dist_autograd_ctx_id, [value], retain_graph)

    def __repr__(self) -> str:
        return f"OwnerRRef(GloballyUniqueId(created_on=0, local_id={self._number}))"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("Can not pickle rref in python pickler, rref can only be pickled when using RPC")


class _Methods:
    """Calls methods of a reference's value by one of `rpc_sync`, `rpc_async` and `remote`."""

    def __init__(self, rref: RRef, call: Any) -> None:
        self._rref, self._call = rref, call

    def __getattr__(self, name: str) -> Any:
        getattr(self._rref._get_type(), name)  # AttributeError if there is none

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._call(self._rref.owner(), _call_method, args=(self._rref, name, args, kwargs))

        return method


def _call_method(rref: RRef, name: str, args: tuple, kwargs: dict) -> Any:
    method = getattr(rref.local_value(), name)
    result = method(*args, **kwargs)
    return result.wait() if getattr(method, "_runs_asynchronously", False) else result
