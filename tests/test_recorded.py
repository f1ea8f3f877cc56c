"""chainrule's answers to the questions of tests/recorded are those that PyTorch gave."""

from __future__ import annotations

import pytest

import chainrule as torch

from .recorded import ask, difference, files, read

CASES = [case for path in files() for case in read(path)]


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_answer(case):
    wrong = difference(ask(torch, case), case.answer)
    assert wrong is None, f"{case.expression}: {wrong}"


def test_differences_are_found():
    assert difference(["float32", [2], [1.0, 2.0]], ["float32", [2], [1.0, 2.0000001]]) is None
    assert difference(["float32", [1], [70.0]], ["float32", [1], [float("inf")]])
    for found in (["float64", [2], [1.0, 2.0]], ["float32", [2], [1.0, 2.1]], {"is": "None"}):
        assert difference(found, ["float32", [2], [1.0, 2.0]])
    assert difference({"error": ["TypeError", "a"]}, {"error": ["TypeError", None]}) is None
    assert difference({"error": ["TypeError", "a"]}, {"error": ["TypeError", "b"]})
    assert difference({"tuple": [{"is": "1"}]}, {"tuple": [{"is": "1"}, {"is": "2"}]})
