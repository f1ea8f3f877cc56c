"""Rows of ops/elementwise.py and ops/comparison.py."""

import numpy as np

from .makers import ANY, BOOL, COMPLEX, FLOATING, INTEGER, REAL, floats, positive, row, whole

ROWS = {
    "sin": row(floats(2, 3), reference=np.sin, dtypes=ANY),
    "cos": row(floats(2, 3), reference=np.cos, dtypes=ANY),
    "tan": row(floats(2, 3, low=-1.2, high=1.2), reference=np.tan, dtypes=ANY),
    "exp": row(floats(2, 3), reference=np.exp, dtypes=ANY),
    "log": row(positive(2, 3), reference=np.log, dtypes=ANY),
    "tanh": row(floats(2, 3, low=-1.2, high=1.2), reference=np.tanh, dtypes=ANY),
    "sqrt": row(positive(2, 3), reference=np.sqrt, dtypes=ANY),
    "neg": row(floats(2, 3), reference=np.negative, dtypes=FLOATING + COMPLEX + INTEGER),
    "reciprocal": row(positive(2, 3), reference=lambda x: 1 / x, dtypes=ANY),
    "sigmoid": row(floats(2, 3), reference=lambda x: 1 / (1 + np.exp(-x)), dtypes=ANY),
    "relu": row(floats(2, 3), reference=lambda x: np.maximum(x, 0), dtypes=FLOATING + INTEGER),
    "conj_physical": row(floats(2, 3), reference=np.conj, dtypes=ANY),
    "mul": row(floats(2, 3), floats(3), reference=np.multiply, dtypes=ANY),
    "add": row(floats(2, 1), floats(3), reference=np.add, dtypes=ANY),
    "sub": row(floats(2, 3), floats(2, 1), reference=np.subtract, dtypes=FLOATING + COMPLEX + INTEGER),
    "div": row(floats(2, 3), positive(3), reference=np.true_divide, dtypes=ANY),
    "rsub": row(floats(2, 3), floats(3), reference=lambda x, y: y - x, dtypes=FLOATING + COMPLEX + INTEGER),
    "pow": row(positive(2, 3), positive(3), reference=np.power, dtypes=FLOATING + COMPLEX + INTEGER),
    "pow_number": [
        row(positive(2, 3), settings=(2.5,), reference=np.power, dtypes=FLOATING + COMPLEX),
        row(floats(2, 3), settings=(3,), reference=np.power, dtypes=FLOATING + COMPLEX + INTEGER),
        row(floats(2, 3), settings=(0,), reference=np.power, dtypes=FLOATING + COMPLEX + INTEGER),
    ],
    "pow_of_number": row(1.7, floats(3), reference=np.power, dtypes=FLOATING + COMPLEX),
    **{
        name: row(whole(2, 3), whole(3), reference=reference, dtypes=dtypes)
        for name, reference, dtypes in (
            ("eq", np.equal, ANY),
            ("ne", np.not_equal, ANY),
            ("lt", np.less, REAL),
            ("le", np.less_equal, REAL),
            ("gt", np.greater, REAL),
            ("ge", np.greater_equal, FLOATING + INTEGER + BOOL),
        )
    },
}
