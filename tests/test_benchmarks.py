"""The benchmarks' rows run on chainrule, and what is reported of them is right. No test looks at a time."""

from __future__ import annotations

import ast
import inspect
from itertools import count

import pytest

import chainrule
import chainrule.short_calls
from benchmarks.__main__ import as_text, change, duration
from benchmarks.positions import WithoutLines
from benchmarks.rows import ROWS
from benchmarks.timing import compare, loops_for, summarise

SMALL_ROWS = [row for row in ROWS if row.group == "autograd"]


def test_rows_have_names_of_their_own():
    names = [row.name for row in ROWS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("row", SMALL_ROWS, ids=lambda row: row.name)
def test_a_row_gives_the_same_each_time(row):
    work = row.prepare(chainrule)

    def numbers():
        result = work()
        return [each.tolist() for each in (result if isinstance(result, list) else [result])]

    assert numbers() == numbers()


def test_the_ratio_is_of_times_taken_together():
    # The machine was half as fast in the second round; the ratio is the same.
    result = summarise(ours=[1.0, 2.0, 1.0], reference=[3.0, 6.0, 3.0])
    assert (result.ratio, result.ratio_low, result.ratio_high) == (3.0, 3.0, 3.0)
    assert (result.ours, result.reference, result.rounds) == (1.0, 3.0, 3)


def test_both_run_as_often_as_was_measured(monkeypatch):
    clock = count()
    monkeypatch.setattr("benchmarks.timing.perf_counter", lambda: next(clock) * 0.001)
    ran = {"ours": 0, "reference": 0}

    def ours():
        ran["ours"] += 1

    def reference():
        ran["reference"] += 1

    assert loops_for(ours, seconds=0.004) == 4
    ran["ours"] = 0
    result = compare(ours, reference, sample=0.001, total=0.04)
    # One run of each to find the number of loops, then one a round.
    assert ran == {"ours": result.rounds + 1, "reference": result.rounds + 1}
    assert result.ratio == pytest.approx(1.0)


def result_of(ratio: float, spread: float = 0.1, **more) -> dict:
    return {
        "row": "some row",
        "threads": "1",
        "at_least": None,
        "ours": 2e-6,
        "reference": 2e-6 * ratio,
        "ratio": ratio,
        "ratio_low": ratio - spread,
        "ratio_high": ratio + spread,
    } | more


def test_a_row_below_what_is_wanted_is_marked():
    assert "< 1.5" in as_text(result_of(1.4, at_least=1.5), None)
    assert "<" not in as_text(result_of(1.6, at_least=1.5), None)


def test_a_change_within_the_spread_is_noise():
    assert change(result_of(1.5), result_of(1.4)) == "1.40 (+7%, noise)"
    assert change(result_of(1.0), result_of(2.0)) == "2.00 (-50%)"


def test_the_cost_of_lines_is_measured_against_calls_that_do_not_look_for_them():
    source = inspect.getsource(chainrule.short_calls)
    without = WithoutLines()
    left = ast.unparse(without.visit(ast.parse(source)))
    assert without.left_out == source.count("= _getframe(") > 0
    assert "frame." not in left and "node.code" not in left and "node.lasti" not in left
    assert left.count("node.sequence = next_sequence()") == source.count("node.sequence = next_sequence()")


def test_a_skipped_row_says_why():
    skipped = {"row": "some row", "threads": "1", "at_least": 1.5, "skipped": "AttributeError: no such thing"}
    assert "AttributeError: no such thing" in as_text(skipped, None)
    assert "AttributeError: no such thing" in as_text(skipped, result_of(1.0))
    assert "AttributeError" not in as_text(result_of(1.0), skipped)


@pytest.mark.parametrize(
    ("seconds", "text"), [(1.5, "1.50 s"), (0.0025, "2.50 ms"), (1e-6, "1.00 µs"), (4e-8, "0.04 µs")]
)
def test_durations_have_a_unit_that_fits(seconds, text):
    assert duration(seconds) == text
