"""torch.utils.benchmark: timing statements, and comparing the times of several."""

from __future__ import annotations

import statistics
import textwrap
import timeit
from collections.abc import Callable, Iterable
from timeit import default_timer as timer
from typing import Any

__all__ = ["Compare", "Measurement", "Timer", "select_unit", "timer"]

_UNITS = (
    (1e-9, "ns", "nanoseconds"),
    (1e-6, "us", "microseconds"),
    (1e-3, "ms", "milliseconds"),
    (1.0, "s", "seconds"),
)
_UNSTEADY = 0.1  # quartiles that lie further apart than this part of the median are remarked on


def select_unit(t: float) -> tuple[str, float]:
    """(symbol, seconds) of the largest unit that leaves at least 1 of a duration in seconds."""
    for scale, symbol, _ in reversed(_UNITS):
        if t >= scale:
            return symbol, scale
    return _UNITS[0][1], _UNITS[0][0]


class Measurement:
    """Times of runs of a statement, in seconds: `raw_times` of blocks of `number_per_run` runs, `times` of one."""

    def __init__(
        self, number_per_run: int, raw_times: list[float], task_spec: Any, metadata: dict | None = None
    ) -> None:
        self.number_per_run, self.raw_times, self.task_spec = number_per_run, list(raw_times), task_spec
        self.metadata = metadata

    def __getattr__(self, name: str) -> Any:
        if name == "task_spec":
            raise AttributeError(name)
        return getattr(self.task_spec, name)

    @property
    def times(self) -> list[float]:
        """Seconds of one run, for each block."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The mean of `times`."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """The median of `times`."""
        return statistics.median(self.times)

    def _quartiles(self) -> tuple[float, float]:
        if len(self.times) < 2:
            return self.median, self.median
        first, _, third = statistics.quantiles(self.times, n=4, method="inclusive")
        return first, third

    @property
    def iqr(self) -> float:
        """The distance between the quartiles of `times`."""
        first, third = self._quartiles()
        return third - first

    @property
    def significant_figures(self) -> int:
        """How many digits of the median the spread leaves: a normal distribution of the same quartiles tells."""
        from math import floor, log10

        deviation = self.iqr / 1.35 / len(self.times) ** 0.5
        if not deviation:
            return 3
        return max(1, min(3, floor(log10(self.median / (2 * 1.645 * deviation)) + 1)))

    @property
    def has_warnings(self) -> bool:
        """Whether the times are unsteady."""
        return self.iqr > _UNSTEADY * self.median

    @property
    def title(self) -> str:
        """The label and sublabel, or the statement."""
        return self.task_spec.title

    def __repr__(self) -> str:
        unit, scale = select_unit(self.median)
        spec = self.task_spec
        lines = [f"<torch.utils.benchmark.utils.common.Measurement object at {id(self):#x}>", spec.title]
        if spec.description:
            lines.append(spec.description)
        if spec.setup and spec.setup != "pass":
            setup = textwrap.dedent(spec.setup).strip()
            lines.append(f"setup:\n{textwrap.indent(setup, '  ')}\n" if "\n" in setup else f"setup: {setup}")
        blocks = len(self.raw_times)
        if blocks > 1:
            lines.append(f"  Median: {self.median / scale:.2f} {unit}")
            if blocks > 3:
                first, third = self._quartiles()
                lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({first / scale:.2f} to {third / scale:.2f})")
        else:
            lines.append(f"  {self.median / scale:.2f} {unit}")
        per_block = "runs per measurement" if blocks > 1 else "runs "
        count = f"{blocks} measurement{'s' if blocks > 1 else ''}"
        threads = f"{spec.num_threads} thread{'s' if spec.num_threads > 1 else ''}"
        lines.append(f"  {count}, {self.number_per_run} {per_block}, {threads}")
        if self.has_warnings:
            lines.append(
                f"  WARNING: Interquartile range is {self.iqr / self.median * 100:.1f}% of the median measurement.\n"
                "           This could indicate system fluctuation."
            )
        return "\n".join(lines)


class _Task:
    """What is timed."""

    def __init__(self, stmt, setup, label, sub_label, description, env, num_threads) -> None:
        self.stmt, self.setup, self.label, self.sub_label = stmt, setup, label, sub_label
        self.description, self.env, self.num_threads = description, env, num_threads

    @property
    def title(self) -> str:
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt


class Timer:
    """Times a statement: `timeit` a number of runs, `blocked_autorange` as many as take a while.

    `globals` are the names that it knows, `label`, `sub_label` and `description` what `Compare` calls it.
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: str = "python",
    ) -> None:
        if str(language).lower() not in ("python", "py"):
            raise NotImplementedError("only statements in Python are timed")
        stmt, setup = textwrap.dedent(stmt).strip("\n"), textwrap.dedent(setup).strip("\n")
        import chainrule

        names = {"torch": chainrule, **(globals or {})}
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._task_spec = _Task(stmt, setup, label, sub_label, description, env, num_threads)

    def _times(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """One measurement of so many runs, after a few that do not count."""
        self._times(max(number // 100, 2))
        return Measurement(number, [self._times(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """NotImplementedError: see `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable | None = None) -> None:
        """NotImplementedError: see `blocked_autorange`."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block_size(self, min_run_time: float) -> int:
        """How many runs take long enough for the clock's own cost not to matter."""
        number = 1
        while True:
            taken = self._times(number)
            if taken > min_run_time / 1000 and taken > 1e-5:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Measurements of blocks of equal size, until they have taken `min_run_time` seconds."""
        number = self._block_size(min_run_time)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(self._times(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._task_spec)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """The same until the quartiles lie within `threshold` of the median, or `max_run_time` is over."""
        number = self._block_size(min_run_time)
        times: list[float] = []
        while sum(times) < max_run_time:
            times.append(self._times(number))
            if callback is not None:
                callback(number, times[-1])
            measured = Measurement(number, times, self._task_spec)
            if sum(times) >= min_run_time and len(times) > 3 and measured.iqr < threshold * measured.median:
                break
        return Measurement(number, times, self._task_spec)


class Compare:
    """A table of measurements: a row for each sublabel (and number of threads), a column for each description."""

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More measurements."""
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Without effect: all numbers have one decimal."""

    def colorize(self, rowwise: bool = False) -> None:
        """Without effect: the table has no colors."""

    def highlight_warnings(self) -> None:
        """Without effect: the table has no marks."""

    def __str__(self) -> str:
        labels = list(dict.fromkeys(m.label for m in self._results))
        return "\n".join(_table([m for m in self._results if m.label == label]) for label in labels)

    def print(self) -> None:
        """Prints the table."""
        print(self)


def _table(results: list[Measurement]) -> str:
    unit, scale = select_unit(min(m.median for m in results))
    columns = list(dict.fromkeys(m.description or "" for m in results))
    rows = list(dict.fromkeys((m.num_threads, m.sub_label or m.stmt) for m in results))
    medians = {(m.num_threads, m.sub_label or m.stmt, m.description or ""): m.median / scale for m in results}
    name_width = max([len(name) for _, name in rows] + [4])
    cells = [
        [f"{medians[row, name, c]:.1f}" if (row, name, c) in medians else "" for c in columns] for row, name in rows
    ]
    widths = [max(len(title), *(len(line[i]) for line in cells)) for i, title in enumerate(columns)]
    header = " " * (name_width + 6) + "".join(f"  |  {title:^{w}}" for title, w in zip(columns, widths, strict=True))
    label = f" {results[0].label} " if results[0].label else ""
    lines = [f"[{label:-^{max(len(header) - 2, len(label))}}]", header]
    threads = None
    for (count, name), line in zip(rows, cells, strict=True):
        if count != threads:
            lines.append(f"{count} threads: ".ljust(len(header), "-"))
            threads = count
        numbers = "".join(f"  |  {cell:>{w}}" for cell, w in zip(line, widths, strict=True))
        lines.append(f"      {name:<{name_width}}{numbers}")
    name = next(long for _, short, long in _UNITS if short == unit)
    return "\n".join([*lines, "", f"Times are in {name} ({unit}).", ""])
