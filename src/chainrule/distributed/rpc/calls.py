"""Calls of functions on a worker."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from ...futures import Future
from ...modes import local, set_grad_enabled
from ...tensor import Tensor
from .agent import find, own_info
from .references import RRef

_FROM_OPTIONS = -1.0  # a timeout that the backend's options say


class _Sender(pickle.Pickler):
    """Pickles what is sent; tensors and references to values go beside the bytes."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.beside: list = []

    def persistent_id(self, obj: Any) -> int | None:
        if type(obj) is Tensor:
            self.beside.append(_sent(obj))
        elif isinstance(obj, RRef):
            self.beside.append(obj)
        else:
            return None
        return len(self.beside) - 1


class _Receiver(pickle.Unpickler):
    def __init__(self, file: Any, beside: list) -> None:
        super().__init__(file)
        self.beside = beside

    def persistent_load(self, pid: int) -> Any:
        return self.beside[pid]


def _sent(tensor: Tensor) -> Tensor:
    """A copy. Inside a context of torch.distributed.autograd gradients go back through it."""
    from ..autograd import current_context

    if tensor.requires_grad and local.grad_enabled and current_context() is not None:
        return tensor.clone()
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _send(value: Any) -> Any:
    """What arrives where `value` is sent to."""
    file = io.BytesIO()
    sender = _Sender(file)
    sender.dump(value)
    file.seek(0)
    return _Receiver(file, sender.beside).load()


def _run(func: Callable, args: tuple, kwargs: dict) -> Any:
    """The result on the worker, which has no part in what the caller has switched off. Errors say where they were raised."""
    with set_grad_enabled(True):
        try:
            result = func(*args, **kwargs)
            return result.wait() if getattr(func, "_runs_asynchronously", False) else result
        except Exception as error:
            raise _told(error) from error


def _told(error: Exception) -> Exception:
    message = f"On {own_info()}:\n{error!r}"
    try:
        return type(error)(message)
    except Exception:  # of a class that takes other arguments
        return RuntimeError(message)


def _sent_call(to: Any, func: Any, args: Any, kwargs: Any) -> tuple:
    """What arrives at the worker `to` of a call. TypeError for what cannot be called; errors of pickle."""
    own_info()
    if not callable(func):
        raise TypeError("function should be callable.")
    find(to)
    return _send((func, tuple(args or ()), dict(kwargs or {})))


def _outcome(call: Callable) -> Future:
    """A Future of what `call` returns or raises, which is done."""
    future: Future = Future()
    try:
        result = call()
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    return future


def rpc_async(
    to: Any, func: Callable, args: Any = None, kwargs: dict | None = None, timeout: float = _FROM_OPTIONS
) -> Future:
    """A Future of ``func(*args, **kwargs)`` on the worker `to` (a name, a rank or a WorkerInfo), which is this one.

    It has run when this returns; the result is a copy, as if it had been sent back.
    """
    call = _sent_call(to, func, args, kwargs)
    return _outcome(lambda: _send(_run(*call)))


def rpc_sync(
    to: Any, func: Callable, args: Any = None, kwargs: dict | None = None, timeout: float = _FROM_OPTIONS
) -> Any:
    """``func(*args, **kwargs)`` on the worker `to`. See `rpc_async`."""
    return rpc_async(to, func, args, kwargs, timeout).wait()


def remote(
    to: Any, func: Callable, args: Any = None, kwargs: dict | None = None, timeout: float = _FROM_OPTIONS
) -> RRef:
    """A reference to ``func(*args, **kwargs)``, which stays on the worker `to`. Asking for it raises what the function raised."""
    call = _sent_call(to, func, args, kwargs)
    return RRef._of(_outcome(lambda: _run(*call)))
