"""Every registered operation against its row in tests/op_samples: values, derivatives, dtypes, shapes and memory."""

from __future__ import annotations

import pytest

from chainrule.op import REGISTRY

from .op_checks import CHECKS
from .op_samples import ROWS

CASES = [
    pytest.param(name, row, id=name if len(rows) == 1 else f"{name}-{i}")
    for name, rows in ROWS.items()
    for i, row in enumerate(rows)
    if name in REGISTRY
]


def test_rows_and_registry_have_the_same_operations():
    assert sorted(set(REGISTRY) - set(ROWS)) == [], "operations without a row"
    assert sorted(set(ROWS) - set(REGISTRY)) == [], "rows without an operation"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("name", "row"), CASES)
def test_op(name, row, check):
    CHECKS[check](REGISTRY[name], row)
