"""torch.futures: values that are there later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")


class Future(Generic[T]):
    """A value, or an error, that somebody sets once; `devices` may say where it is."""

    __module__ = "torch"

    def __init__(self, *, devices: Any = None) -> None:
        self._changed = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable] = []

    def done(self) -> bool:
        """Whether there is a value or an error."""
        return self._done

    def wait(self) -> T:
        """The value, once it is there; an error is raised."""
        with self._changed:
            self._changed.wait_for(self.done)
        return self.value()

    def value(self) -> T:
        """The value, which must be there; an error is raised. RuntimeError if neither is."""
        if not self._done:
            raise RuntimeError("the Future has no value yet: wait() waits for it")
        if self._error is not None:
            raise self._error
        return self._value

    def set_result(self, result: T) -> None:
        """Sets the value. RuntimeError if there is one, or an error."""
        self._complete(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Sets the error that `wait` and `value` raise."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._complete(None, result)

    def _complete(self, value: Any, error: BaseException | None) -> None:
        with self._changed:
            if self._done:
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future can only be marked "
                    "completed once."
                )
            self._value, self._error, self._done = value, error, True
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback(self)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future:
        """A Future of ``callback(self)``, which is called as soon as this one is done."""
        result: Future = Future()

        def run(future: Future) -> None:
            try:
                value = callback(future)
            except Exception as error:
                failure = RuntimeError(
                    f"Got the following error when running the callback: {type(error).__name__}: {error}"
                )
                failure.__cause__ = error
                result.set_exception(failure)
            else:
                result.set_result(value)

        self._when_done(run)
        return result

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Calls ``callback(self)`` as soon as this one is done; what it returns, and an error in it, is not looked at."""

        def run(future: Future) -> None:
            try:
                callback(future)
            except Exception as error:
                import sys

                print(
                    f"Got the following error when running the callback: {type(error).__name__}: {error}",
                    file=sys.stderr,
                )

        self._when_done(run)

    def _when_done(self, callback: Callable) -> None:
        with self._changed:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback(self)


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A Future of the list, which is done when all are; an error of one of them is its error."""
    collected: Future[list[Future]] = Future()
    remaining = len(futures)
    lock = threading.Lock()

    def finished(_: Future | None) -> None:
        nonlocal remaining
        with lock:
            remaining -= 1
            if remaining > 0:
                return
        error = next((future._error for future in futures if future._error is not None), None)
        collected._complete(futures, error)

    for future in futures:
        future._when_done(finished)
    if not futures:
        finished(None)
    return collected


def wait_all(futures: list[Future]) -> list:
    """The values of all, once they are there."""
    return [future.wait() for future in collect_all(futures).wait()]
