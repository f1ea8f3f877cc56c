"""How things are timed: two pieces of work in turn, in one process, and medians.

Times of one machine drift by tens of percent within a minute; the ratio of two times taken one right after
the other does not. So the two take turns, every round gives one ratio, and the median of the ratios is the
result, with the quartiles as its noise.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

Work = Callable[[], Any]

MINIMUM_ROUNDS = 5
MAXIMUM_ROUNDS = 41


@dataclass(frozen=True)
class Comparison:
    """Seconds a run of each (medians), and the rounds' ratios reference/ours: median and quartiles."""

    ours: float
    reference: float
    ratio: float
    ratio_low: float
    ratio_high: float
    rounds: int


def summarise(ours: list[float], reference: list[float]) -> Comparison:
    ratios = [theirs / mine for mine, theirs in zip(ours, reference, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Comparison(statistics.median(ours), statistics.median(reference), ratio, low, high, len(ratios))


def seconds_of(work: Work, loops: int) -> float:
    repeats = range(loops)
    start = perf_counter()
    for _ in repeats:
        work()
    return perf_counter() - start


def loops_for(work: Work, seconds: float) -> int:
    """How many runs of `work` take about `seconds`; running it to find out is the warm-up, too."""
    loops = 1
    while (taken := seconds_of(work, loops)) < seconds / 4:
        loops *= 2
    return max(1, round(loops * seconds / taken))


def compare(ours: Work, reference: Work, sample: float = 0.02, total: float = 1.5) -> Comparison:
    """Times both in turn, in samples of about `sample` seconds, for `total` seconds or `MAXIMUM_ROUNDS`.

    The collector is off while a sample runs and runs between rounds, so neither pays for the other's garbage;
    who goes first changes from round to round, so neither always finds the cache the other left.
    """
    loops = {ours: loops_for(ours, sample), reference: loops_for(reference, sample)}
    times: dict[Work, list[float]] = {ours: [], reference: []}
    order = [ours, reference]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = perf_counter()
        for finished in range(MAXIMUM_ROUNDS):
            if finished >= MINIMUM_ROUNDS and perf_counter() - start > total:
                break
            gc.collect()
            for work in order:
                times[work].append(seconds_of(work, loops[work]) / loops[work])
            order.reverse()
    finally:
        if was_enabled:
            gc.enable()
    return summarise(times[ours], times[reference])


def compare_imports(ours: str, reference: str, base: str, rounds: int = 11) -> tuple[Comparison, float]:
    """Times `import ours` and `import reference` in new interpreters, less what a bare interpreter takes.

    Returns the comparison and the seconds `import ours` takes above `import base`.
    """
    statements = {name: f"import {name}" for name in (ours, reference, base)} | {"": "pass"}
    # An installed package has its bytecode; where none may be written, every import would time the compiler.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in statements}
    for attempt in range(rounds + 1):
        for name, statement in statements.items():
            start = perf_counter()
            subprocess.run([sys.executable, "-c", statement], env=environment, check=True)
            if attempt:  # the first one writes bytecode and fills the file system's cache
                times[name].append(perf_counter() - start)

    def less(name: str, other: str) -> list[float]:
        return [a - b for a, b in zip(times[name], times[other], strict=True)]

    return summarise(less(ours, ""), less(reference, "")), statistics.median(less(ours, base))
