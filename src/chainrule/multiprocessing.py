"""torch.multiprocessing: Python's multiprocessing, and `spawn`. Tensors are copied from process to process."""

from __future__ import annotations

import multiprocessing as _multiprocessing
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [
    *_multiprocessing.__all__, "ProcessContext", "ProcessException", "ProcessExitedException",
    "ProcessRaisedException", "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy",
    "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip


def get_all_sharing_strategies() -> set[str]:
    """The ways in which tensors could be shared; they are copied."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` set."""
    return _sharing[0]


_sharing = ["file_descriptor"]


def set_sharing_strategy(new_strategy: str) -> None:
    """Takes note of it; tensors are copied all the same."""
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError
    _sharing[0] = new_strategy


class ProcessException(Exception):
    """A process that `spawn` started has failed."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """It raised an exception, whose traceback is in the message."""


class ProcessExitedException(ProcessException):
    """It was killed, or exited with a code."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(fn: Callable, i: int, args: tuple, errors: Any) -> None:
    """What a started process does."""
    import sys
    import traceback

    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.put(traceback.format_exc())
        sys.exit(1)


class ProcessContext:
    """The processes that `spawn` started with ``join=False``."""

    def __init__(self, processes: list, error_queues: list) -> None:
        self.processes = processes
        self.error_queues = error_queues

    def pids(self) -> list[int]:
        """Their ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits until one fails or all have ended; whether all have. The others are ended when one fails."""
        import multiprocessing.connection
        import signal

        waiting = {process.sentinel: i for i, process in enumerate(self.processes) if process.exitcode is None}
        if waiting:
            multiprocessing.connection.wait(list(waiting), timeout)
        failed = next((i for i, process in enumerate(self.processes) if process.exitcode), None)
        if failed is None:
            return all(process.exitcode == 0 for process in self.processes)
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join()
        process = self.processes[failed]
        if not self.error_queues[failed].empty():
            text = self.error_queues[failed].get()
            raise ProcessRaisedException(
                f"\n\n-- Process {failed} terminated with the following error:\n{text}", failed, process.pid
            )
        code = process.exitcode
        if code < 0:
            name = signal.Signals(-code).name
            raise ProcessExitedException(
                f"process {failed} terminated with signal {name}", failed, process.pid, code, name
            )
        raise ProcessExitedException(f"process {failed} terminated with exit code {code}", failed, process.pid, code)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs ``fn(i, *args)`` in `nprocs` processes, i from 0; waits for them, or returns the `ProcessContext`.

    ProcessRaisedException or ProcessExitedException if one fails while it waits.
    """
    context: Any = _multiprocessing.get_context(start_method)
    processes, queues = [], []
    for i in range(nprocs):
        errors = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, i, args, errors), daemon=daemon)
        process.start()
        processes.append(process)
        queues.append(errors)
    started = ProcessContext(processes, queues)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes` with new interpreters: `fn` must be importable, and `args` picklable."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
