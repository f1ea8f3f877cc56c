"""torch.profiler: profiles of some steps of a training, by a schedule (see autograd/profiler.py)."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable
from typing import Any

from .autograd.profiler import Recorder, record_function
from .autograd.profiler_util import EventList

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What can be profiled: of these, the CPU is there."""

    CPU, XPU, MTIA, CUDA, HPU, PrivateUse1 = range(6)

    def __repr__(self) -> str:
        return f"<ProfilerActivity.{self.name}: {self.value}>"


class ProfilerAction(enum.Enum):
    """What a profile does in a step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = range(4)


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """The CPU."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What to do in each step: after `skip_first` steps, again and again (or `repeat` times) wait, warm up, record.

    With `skip_first_wait` the first round does not wait. AssertionError for negative numbers, or nothing to record.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        turn, place = divmod(step, wait + warmup + active)
        if (repeat and turn >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == wait + warmup + active - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False, **settings: Any
) -> Callable[[profile], None]:
    """For `on_trace_ready`: writes each trace into a file of its own in a directory, as `export_chrome_trace` does."""
    import socket
    import time

    name = worker_name or f"{socket.gethostname()}_{os.getpid()}"

    def handler(profiled: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        file = f"{name}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        profiled.export_chrome_trace(os.path.join(dir_name, file))

    return handler


class profile:
    """A context manager that records what runs inside, or only in the steps that `schedule` says.

    With a schedule, `step` tells that a step is done, and `on_trace_ready` is called with the profile when the recorded
    steps of a round are.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        **settings: Any,
    ) -> None:
        self.activities = set(activities) if activities else supported_activities()
        self.record_steps = schedule is not None
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.record_shapes = record_shapes
        self.step_num = 0
        self.current_action = self.schedule(0)
        self._recorder: Recorder | None = None
        self._recorded: Recorder | None = None  # the last trace
        self._step: Any = None

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins with step 0."""
        if self.current_action in _RECORDING:
            self._start_trace()
        self._begin_step()

    def stop(self) -> None:
        """Ends; a trace that is being recorded is ready."""
        self._end_step()
        if self._recorder is not None:
            self._stop_trace()
            self._ready()

    def step(self) -> None:
        """The next step begins."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._stop_trace()
            self._ready()
        elif self.current_action not in _RECORDING and self._recorder is not None:
            self._stop_trace()
        if self.current_action in _RECORDING and self._recorder is None:
            self._start_trace()
        self._begin_step()

    def _begin_step(self) -> None:
        if self.record_steps:
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.__exit__(None, None, None)
            self._step = None

    def _start_trace(self) -> None:
        self._recorder = Recorder(self.record_shapes)
        self._recorder.start()

    def _stop_trace(self) -> None:
        if self._recorder is not None:
            self._recorder.stop()
            self._recorded, self._recorder = self._recorder, None

    def _ready(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def events(self) -> EventList:
        """The events of the last trace. AssertionError before there is one."""
        if self._recorded is None:
            raise AssertionError("nothing was recorded yet")
        return EventList(self._recorded.events)

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, **settings: Any) -> EventList:
        """Averages of the last trace by name (and shapes): see `EventList.table`."""
        return self.events().key_averages(group_by_input_shape)

    def export_chrome_trace(self, path: str) -> None:
        """Writes the last trace for chrome://tracing or Perfetto."""
        events = self.events()
        assert self._recorded is not None
        events.export_chrome_trace(path, self._recorded.began / 1e3)
