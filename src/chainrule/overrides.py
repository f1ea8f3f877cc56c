"""torch.overrides: operations that ask the classes of their inputs, or a mode, how to run (`__torch_function__`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from .modes import local
from .op import Op, general
from .tensor import Tensor, wrap_as

__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "wrap_torch_function",
]


def _torch_function(cls: type, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
    """Runs `func` as on plain tensors; its results belong to the class."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with _overrides_off():
        return _converted(func(*args, **(kwargs or {})), cls)


Tensor.__torch_function__ = classmethod(_torch_function)


def _converted(result: Any, cls: type) -> Any:
    if isinstance(result, (tuple, list)):
        return type(result)([_converted(r, cls) for r in result])
    if cls is Tensor or not isinstance(result, Tensor) or isinstance(result, cls):
        return result
    made = wrap_as(cls, result._array)
    made._requires_grad, made._node, made._counter = result._requires_grad, result._node, result._counter
    if result._extra is not None:
        special = made._extra is not None and made._extra.special
        made._extra = result._extra
        made._extra.special = made._extra.special or special
    return made


class _overrides_off:
    """Inside, operations do not ask the classes of their inputs."""

    def __enter__(self) -> None:
        self.previous, local.overrides = local.overrides, False

    def __exit__(self, *exc: object) -> None:
        local.overrides = self.previous


class TorchFunctionMode:
    """Inside ``with mode:``, every operation calls ``mode.__torch_function__(func, types, args, kwargs)`` instead."""

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError

    def __enter__(self) -> TorchFunctionMode:
        local.function_modes = (*local.function_modes, self)
        local.refresh()
        return self

    def __exit__(self, *exc: object) -> None:
        local.function_modes = local.function_modes[:-1]
        local.refresh()


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments has rules of its own, or a mode is on."""
    return bool(local.function_modes) or any(map(_has_rules, relevant_args))


def has_torch_function_unary(arg: Any) -> bool:
    """`has_torch_function` of one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of the arguments."""
    return has_torch_function(args)


def _has_rules(value: Any) -> bool:
    return type(value)._special if isinstance(value, Tensor) else hasattr(type(value), "__torch_function__")


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """What the innermost mode, or else the classes of the arguments, make of a call of `public_api`: for a function that
    is to be open to them, as ``if has_torch_function(relevant): return handle_torch_function(...)``.

    TypeError where none of them has an answer.
    """
    relevant = tuple(relevant_args)
    if local.function_modes:
        types = tuple(_in_order(value for value in relevant if is_tensor_like(value)))
        result = _by_mode(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    classes = tuple(_in_order(value for value in relevant if is_tensor_like(value)))
    for cls in classes:
        rules: Any = cls
        result = rules.__torch_function__(public_api, classes, args, kwargs)
        if result is not NotImplemented:
            return result
    raise TypeError(
        f"no implementation found for '{public_api.__module__}.{public_api.__name__}' on types that implement "
        f"__torch_function__: {list(classes)}"
    )


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """A decorator that opens a function to modes and to classes with rules of their own; `dispatcher`, called with its
    arguments, returns those that may have them."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor, or passes for one."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def _classes(values: Any) -> list[type]:
    """The classes of tensors with rules of their own."""
    return _in_order(value for value in values if isinstance(value, Tensor) and type(value)._special)


def _in_order(values: Iterable[Any]) -> list[type]:
    """The classes of the values, subclasses before their bases, otherwise in order."""
    found: list[type] = []
    for value in values:
        cls = type(value)
        if cls not in found:
            place = next((i for i, other in enumerate(found) if issubclass(cls, other)), len(found))
            found.insert(place, cls)
    return found


def _by_mode(func: Callable, types: tuple, args: tuple, kwargs: dict) -> Any:
    """What the innermost mode makes of a call; inside, that mode is off."""
    modes = local.function_modes
    local.function_modes = modes[:-1]
    local.refresh()
    try:
        return modes[-1].__torch_function__(func, types, args, kwargs)
    finally:
        local.function_modes = modes
        local.refresh()


def _taking_out(record: Op, number: int) -> Callable:
    """An operation of so many inputs that the package calls with an `out`, as modes and classes are given it."""

    @functools.wraps(record.apply)
    def function(*args: Any, out: Any = None) -> Any:
        return general(record, args[:number], args[number:], out)

    return function


def apply_override(record: Op, inputs: Any, settings: Any, out: Any) -> Any:
    """Runs an operation by the innermost mode, or by the rules of its inputs' classes, or plainly."""
    func, args, kwargs = record.apply, (*inputs, *settings), {} if out is None else {"out": out}
    if kwargs and "out" not in (func.__kwdefaults__ or {}):
        func = _taking_out(record, len(inputs))
    classes: list[Any] = _classes(inputs)
    if local.function_modes:
        return _by_mode(func, tuple(classes), args, kwargs)
    if classes and local.overrides:
        for cls in classes:
            result = cls.__torch_function__(func, tuple(classes), args, kwargs)
            if result is not NotImplemented:
                return result
        raise TypeError(
            f"no implementation found for 'torch.{func.__name__}' on types that implement __torch_function__: {classes}"
        )
    flagged = [x._extra for x in inputs if isinstance(x, Tensor) and x._extra is not None and x._extra.special]
    for extra in flagged:
        extra.special = False
    try:
        return general(record, inputs, settings, out)
    finally:
        for x in inputs:
            if isinstance(x, Tensor) and type(x)._special:
                x._extra.special = True
