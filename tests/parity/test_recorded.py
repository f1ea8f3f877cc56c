"""The answers in tests/recorded are those of the PyTorch that is installed."""

from __future__ import annotations

import pytest

from ..recorded import ask, difference, files, read

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_answers_are_pytorchs(path):
    stale = {str(case): wrong for case in read(path) if (wrong := difference(ask(torch, case), case.answer))}
    assert stale == {}
