"""The measuring process, `python -m benchmarks.measure THREADS REGEX`: prints a line of JSON a row.

`python -m benchmarks` starts it, once for each number of threads, with the environment that sets that number.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict

import numpy as np
import torch

import chainrule

from .rows import ROWS
from .timing import compare, compare_imports

IMPORT_ROW = "import, above a bare interpreter"


def main(threads: str, pattern: str) -> None:
    if threads == "1":
        torch.set_num_threads(1)

    def report(row: str, **fields) -> None:
        print(json.dumps({"row": row, "threads": threads} | fields), flush=True)

    for row in ROWS:
        if not re.search(pattern, row.name):
            continue
        about = {"group": row.group, "at_least": row.at_least}
        try:
            ours = row.prepare(chainrule)
            ours()
        except Exception as error:  # an operation that is missing or wrong costs its rows, not the whole run
            report(row.name, **about, skipped=f"{type(error).__name__}: {error}".splitlines()[0])
            continue
        reference = row.prepare(torch)
        check_equal(row.name, ours(), reference())
        report(row.name, **about, **asdict(compare(ours, reference)))
    if re.search(pattern, IMPORT_ROW):
        comparison, above_numpy = compare_imports("chainrule", "torch", base="numpy")
        report(IMPORT_ROW, group="import", at_least=None, **asdict(comparison), above_numpy=above_numpy)


def check_equal(row: str, ours, reference) -> None:
    """Both must have computed the same thing, or the times say nothing."""
    pairs = zip(ours, reference, strict=True) if isinstance(ours, list) else [(ours, reference)]
    for mine, theirs in pairs:
        mine, theirs = mine.detach().numpy(), theirs.detach().numpy()
        # Sums of a million float32 numbers in another order differ by this much of the largest.
        tolerance = 1e-4 * max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=tolerance, err_msg=row)


if __name__ == "__main__":
    main(*sys.argv[1:])
