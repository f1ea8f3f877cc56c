"""One row for every registered operation: how to call it and on what. tests/test_ops.py checks each row.

A module per family (elementwise.py, shape.py, ...) has a dictionary ``ROWS``: {registered name: row or list
of rows}. All of them together must have exactly the keys of ``chainrule.op.REGISTRY``.

    ROWS = {
        "sin": row(floats(2, 3), reference=np.sin, dtypes=ANY),
        "log": row(positive(2, 3), reference=np.log, dtypes=FLOATING + COMPLEX + INTEGER),
        "add": row(floats(2, 1), floats(3), reference=np.add, dtypes=ANY),  # shapes that broadcast
        "sum_dim": row(floats(2, 3, 4), settings=((0, 2), True)),           # positional, in the record's order
        "gather": row(floats(3, 4), integers(3, 2), settings=(1,)),         # integers take no gradient
        "cat": row(floats(2, 3), floats(1, 3), settings=(0,)),              # a list of inputs is spelled out
        "cummax": row(distinct(2, 5), settings=(1,), call=torch.cummax),
        "svd": row(floats(3, 3), check=lambda out: out.S),                  # what of the result to check
        "pow": [row(positive(2, 3), floats(2, 3)), row(floats(2), given([2.0, 3.0]), differentiable=(0,))],
    }

Inputs are makers (see makers.py), drawn anew from a seeded generator for each check; what is not a maker is
passed as it is. `row` takes:

    settings        the arguments after the inputs, as the record (or `call`) takes them
    call            the function to call with (*inputs, *settings); default: the record's function
    check           a function of the call's result that picks what is differentiated and compared
                    (default: all of it)
    reference       a function of NumPy arrays, (*arrays, *settings), with the value of the (first) result
    dtypes          the dtypes that inputs made by `floats` and its siblings may have, letters of ANY (default
                    FLOATING); with COMPLEX, gradients are checked on complex inputs as well
    differentiable  positions of the inputs to differentiate by; default: every `floats` input with a formula
    second          False: there is no second derivative to check
    jvp             False: there is no forward mode to check
    in_place        the in-place method's name; default: the operation's name with an underscore, if Tensor has
                    that method; False: none
    empty           False: makes no sense on inputs without elements (their first dimension becomes 0)
    scalar          True: is also called on 0-d inputs (default: elementwise operations are)
    layouts         False: is not called on transposed, strided and expanded inputs
    random          True: the result is random; only its shape and dtype are checked
    tolerance       of forward values in float32 against float64 (default 1e-5; half types: 2000 times that)
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .makers import Row

FAMILIES = [m.name for m in iter_modules(__path__) if m.name != "makers"]


def _collect() -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for family in FAMILIES:
        for name, entry in import_module(f"{__name__}.{family}").ROWS.items():
            if name in rows:
                raise ValueError(f"{name} has rows in two families")
            rows[name] = entry if isinstance(entry, list) else [entry]
    return rows


ROWS = _collect()
