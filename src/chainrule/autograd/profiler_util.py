"""What a profile has recorded: events, their averages by name, and the tables of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]

_COLUMN = 12  # characters
_GAP = "  "
# older names of columns; there is no device, so whatever is asked of one is 0
_ALIASES = {
    "cuda_time": "device_time",
    "cuda_time_total": "device_time_total",
    "self_cuda_time_total": "self_device_time_total",
}


def format_time(microseconds: float, unit: str | None = None) -> str:
    """A duration in microseconds with the largest unit that fits, or in `unit` ("us", "ms", "s")."""
    if unit == "s" or (unit is None and microseconds >= 1e6):
        return f"{microseconds / 1e6:.3f}s"
    if unit == "ms" or (unit is None and microseconds >= 1e3):
        return f"{microseconds / 1e3:.3f}ms"
    return f"{microseconds:.3f}us"


class Interval:
    """When something ran, in microseconds since the profile began."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """Its length."""
        return self.end - self.start


class _Times:
    """What events and averages have in common."""

    key: str
    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time = device_time_total = self_device_time_total = 0.0
    cpu_memory_usage = self_cpu_memory_usage = device_memory_usage = self_device_memory_usage = flops = 0

    @property
    def cpu_time(self) -> float:
        """The mean time of a call, in microseconds."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        return format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        return format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return format_time(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One call of an operation, one node of a backward, or one block of `record_function`."""

    count = 1

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start: float,
        parent: FunctionEvent | None,
        input_shapes: list,
        user: bool,
    ) -> None:
        self.id, self.name, self.key, self.thread = id, name, name, thread
        self.time_range = Interval(start, start)
        self.cpu_parent = parent
        self.cpu_children: list[FunctionEvent] = []
        self.input_shapes = input_shapes
        self.is_user_annotation = user
        if parent is not None:
            parent.cpu_children.append(self)

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """Microseconds from its beginning to its end."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """The same without what ran inside."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} start_us={self.time_range.start} "
            f"end_us={self.time_range.end} cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes}>"
        )


class FunctionEventAvg(_Times):
    """All events of one name (and shapes, if these are told apart)."""

    def __init__(self, key: str, input_shapes: list, user: bool) -> None:
        self.key, self.input_shapes, self.is_user_annotation = key, input_shapes, user
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0

    def add(self, event: Any) -> FunctionEventAvg:
        """Counts another event, or the events of another average."""
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        return self

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} cpu_time={self.cpu_time_str} "
            f"input_shapes={self.input_shapes}>"
        )


class EventList(list):
    """Events, or their averages."""

    def __init__(self, events: Iterable = (), by_shape: bool = False) -> None:
        super().__init__(events)
        self._by_shape = by_shape

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        """The microseconds of all of them, each counted once."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shape: bool = False, **settings: Any) -> EventList:
        """Averages by name, and by the shapes of the inputs if asked for."""
        found: dict[tuple, FunctionEventAvg] = {}
        for event in self:
            key = "ProfilerStep*" if event.key.startswith("ProfilerStep#") else event.key
            shapes = event.input_shapes if group_by_input_shape else []
            place = (key, str(shapes))
            if place not in found:
                found[place] = FunctionEventAvg(key, shapes, event.is_user_annotation)
            found[place].add(event)
        return EventList(found.values(), by_shape=group_by_input_shape)

    def total_average(self) -> FunctionEventAvg:
        """The average of all."""
        total = FunctionEventAvg("Total", [], False)
        for event in self:
            total.add(event)
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int | None = 55,
        max_shapes_column_width: int | None = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """A table, of the largest `sort_by` first: ``"self_cpu_time_total"``, ``"cpu_time_total"``, ``"count"``, ...

        AttributeError for a column that there is not.
        """
        if not self:
            return ""
        rows: list[Any] = list(self)
        if sort_by is not None:
            name = _ALIASES.get(sort_by, sort_by)
            rows.sort(key=lambda event: getattr(event, name), reverse=True)
        if top_level_events_only:
            rows = [event for event in rows if getattr(event, "cpu_parent", None) is None]
        width = _width([event.key for event in rows], max_name_column_width)
        columns: list[tuple[str, int, Callable[[Any], str]]] = [("Name", width, lambda event: event.key)]
        total = self.self_cpu_time_total

        def percent(value: float) -> str:
            return f"{100 * value / total:.2f}%" if total else "NaN"

        columns += [
            ("Self CPU %", _COLUMN, lambda event: percent(event.self_cpu_time_total)),
            ("Self CPU", _COLUMN, lambda event: format_time(event.self_cpu_time_total, time_unit)),
            ("CPU total %", _COLUMN, lambda event: percent(event.cpu_time_total)),
            ("CPU total", _COLUMN, lambda event: format_time(event.cpu_time_total, time_unit)),
            ("CPU time avg", _COLUMN, lambda event: format_time(event.cpu_time, time_unit)),
            ("# of Calls", _COLUMN, lambda event: str(event.count)),
        ]
        if self._by_shape:
            width = _width([str(event.input_shapes) for event in rows], max_shapes_column_width)
            columns.append(("Input Shapes", width, lambda event: str(event.input_shapes)))
        line = "".join("-" * width + _GAP for _, width, _ in columns)
        texts = [line, "".join(title.rjust(width) + _GAP for title, width, _ in columns), line]
        if header is not None:
            texts = ["=" * len(line), header, *texts]
        for event in rows[: row_limit if row_limit >= 0 else None]:
            texts.append("".join(_shortened(cell(event), width).rjust(width) + _GAP for _, width, cell in columns))
        texts += [line, f"Self CPU time total: {format_time(total, time_unit)}", ""]
        return "\n".join(texts)

    def export_chrome_trace(self, path: str, start: float = 0.0) -> None:
        """Writes the events as chrome://tracing and Perfetto show them, compressed if `path` ends in ``.gz``."""
        import gzip
        import json
        import os

        process = os.getpid()
        events = [
            {
                "ph": "X",
                "cat": "user_annotation" if event.is_user_annotation else "cpu_op",
                "name": event.name,
                "pid": process,
                "tid": event.thread,
                "ts": start + event.time_range.start,
                "dur": event.cpu_time_total,
                "args": {"External id": event.id, "Input Dims": event.input_shapes},
            }
            for event in self
        ]
        trace = {"schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": events, "traceName": str(path)}
        text = json.dumps(trace).encode()
        with open(path, "wb") as file:
            file.write(gzip.compress(text) if str(path).endswith(".gz") else text)


def _width(texts: list[str], most: int | None) -> int:
    width = max(map(len, texts)) + 4
    return width if most is None else min(width, most)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."
