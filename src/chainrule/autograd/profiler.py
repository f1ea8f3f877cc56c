"""torch.autograd.profiler: what operations a block runs, how often, and how long they take.

While a profile is on, each operation's computation runs through it, and backward tells it of its nodes; while none is, nothing
is asked of anybody. Times are of the thread that profiles.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

from ..insight.watching import Watcher
from ..modes import local
from ..ops.aten import overload_of
from ..record import run_forward
from ..tensor import Tensor
from .profiler_util import EventList, FunctionEvent, FunctionEventAvg

__all__ = ["profile", "record_function"]


class Recorder(Watcher):
    """Records events of its thread between `start` and `stop`."""

    def __init__(self, record_shapes: bool = False) -> None:
        self.record_shapes = record_shapes
        self.events: list[FunctionEvent] = []
        self._open: list[FunctionEvent] = []

    def start(self) -> None:
        self.began = time.perf_counter_ns()
        self.thread = threading.get_native_id()
        self._below, local.kernels = local.kernels, self
        local.refresh()
        _recorders.stack = (*_recorders.stack, self)
        self.watch()

    def stop(self) -> None:
        super().stop()
        local.kernels = self._below
        local.refresh()
        _recorders.stack = tuple(recorder for recorder in _recorders.stack if recorder is not self)

    def _now(self) -> float:
        return (time.perf_counter_ns() - self.began) / 1e3

    def begin(self, name: str, shapes: list, user: bool = False) -> FunctionEvent:
        """A new event inside the one that is open."""
        parent = self._open[-1] if self._open else None
        event = FunctionEvent(len(self.events) + 1, name, self.thread, self._now(), parent, shapes, user)
        self.events.append(event)
        self._open.append(event)
        return event

    def end(self, event: FunctionEvent) -> None:
        """It ends, and with it whatever is still open inside."""
        now = self._now()
        while event in self._open:
            self._open.pop().time_range.end = now

    def run(self, record: Any, inputs: Any, arrays: Any, settings: Any) -> Any:
        """An operation's computation."""
        shapes = [list(x.shape) if isinstance(x, Tensor) else [] for x in inputs] if self.record_shapes else []
        event = self.begin(f"aten::{overload_of(record).name}", shapes)
        try:
            if self._below is not None:
                return self._below.run(record, inputs, arrays, settings)
            return run_forward(record, arrays, settings)
        finally:
            self.end(event)

    def runs(self, node: Any, gradients: list) -> None:
        shapes = [[] if g is None else list(g.shape) for g in gradients] if self.record_shapes else []
        self.begin(f"autograd::engine::evaluate_function: {type(node).__name__}", shapes)

    def ran(self, node: Any, results: list) -> None:
        name = f"autograd::engine::evaluate_function: {type(node).__name__}"
        found = next((event for event in reversed(self._open) if event.name == name), None)
        if found is not None:
            self.end(found)

    def finished(self, task: Any) -> None:
        """An error may have left a node open."""
        for event in self._open:
            if event.name.startswith("autograd::engine::"):
                self.end(event)
                break


class _Recorders(threading.local):
    stack: tuple[Recorder, ...] = ()  # those at work in this thread, innermost last


_recorders = _Recorders()


class profile:
    """A context manager that records what runs inside: `key_averages`, `table`, `export_chrome_trace`, `function_events`."""

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        **settings: Any,
    ) -> None:
        self.enabled = enabled
        self.function_events: EventList | None = None
        self._recorder = Recorder(record_shapes)
        self.entered = False

    def __enter__(self) -> profile:
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self.entered = True
        if self.enabled:
            self._recorder.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            self._recorder.stop()
            self.function_events = EventList(self._recorder.events)

    def _events(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def table(self, sort_by: str | None = None, row_limit: int = 100, **settings: Any) -> str:
        """`EventList.table` of all events."""
        return self._events().table(sort_by=sort_by, row_limit=row_limit, **settings)

    def key_averages(self, group_by_input_shape: bool = False, **settings: Any) -> EventList:
        """`EventList.key_averages` of all events."""
        return self._events().key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """`EventList.total_average` of all events."""
        return self._events().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events together."""
        return self._events().self_cpu_time_total

    def export_chrome_trace(self, path: str) -> None:
        """`EventList.export_chrome_trace` of all events."""
        self._events().export_chrome_trace(path, self._recorder.began / 1e3)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else self.table()

    __repr__ = __str__


class record_function:
    """A context manager and a decorator: what runs inside is an event of this name, if a profile is on."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._events: list = []

    def __enter__(self) -> record_function:
        self._events = [(recorder, recorder.begin(self.name, [], user=True)) for recorder in _recorders.stack]
        return self

    def __exit__(self, *exc: object) -> None:
        for recorder, event in self._events:
            recorder.end(event)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return inside
