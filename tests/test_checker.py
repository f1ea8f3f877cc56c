"""Wrong rules, planted: each must be caught by the checks that the table of operations drives."""

from __future__ import annotations

import contextlib
import itertools

import numpy as np
import pytest

from chainrule.autograd.gradcheck import GradcheckError
from chainrule.op import ELEMENTWISE, GENERAL, LINEAR, REGISTRY, VIEW, op
from chainrule.tensor import Tensor, wrap

from .op_checks import CHECKS
from .op_samples.makers import ANY, COMPLEX, FLOATING, distinct, floats, positive, row

counter = itertools.count()


@contextlib.contextmanager
def planted(**record):
    """An operation that is registered for the length of a block."""
    name = f"planted_{next(counter)}"
    try:
        yield op(name, **record).record
    finally:
        REGISTRY.pop(name, None)


def caught_by(record, sample) -> set[str]:
    """The names of the checks that fail."""
    found = set()
    for name, check in CHECKS.items():
        try:
            check(record, sample)
        except (AssertionError, GradcheckError):
            found.add(name)
        except (TypeError, ValueError, IndexError, RuntimeError, AttributeError):
            found.add(name)  # a formula that does not even run
    return found


SIN = {"kind": ELEMENTWISE, "floating": True, "forward": lambda xp, x: xp.sin(x)}
MUL = {"kind": ELEMENTWISE, "forward": lambda xp, x, y: x * y}
MM = {"kind": GENERAL, "forward": lambda xp, x, y: xp.matmul(x, y)}
ONE = row(floats(2, 3), reference=np.sin, dtypes=ANY)
TWO = row(floats(2, 3), floats(3), reference=np.multiply, dtypes=FLOATING + COMPLEX)
SAME = row(floats(2, 3), floats(2, 3), reference=np.multiply, dtypes=FLOATING + COMPLEX)
MATRICES = row(floats(2, 3), floats(3, 4), reference=np.matmul, dtypes=FLOATING + COMPLEX, empty=False)
cached = np.ones((2, 3))
calls = itertools.count(1)


def only_on_arrays(xp, g, x):
    """The right gradient on arrays, another on Tensors: wrong in second order only."""
    return g * xp.cos(x) if not isinstance(g, Tensor) else g * xp.cos(x).detach()


def wrong_with_graph(xp, g, x):
    return g * xp.cos(x) * (1.001 if isinstance(g, Tensor) else 1)


def nondeterministic(xp, g, x):
    return g * xp.cos(x) * (1 + 1e-9 * next(calls))


def saved_itself(xp, g, x):
    return x


def writes_into_gradient(xp, g, x):
    if not isinstance(g, Tensor) and g.ndim:
        g *= xp.cos(x)
        return g
    return g * xp.cos(x)


def writes_into_input(xp, x):
    result = xp.sin(x)
    if isinstance(x, np.ndarray) and x.ndim and x.flags.writeable:
        x += 1e-14
    return result


WRONG = {
    "right": (SIN | {"vjp": lambda xp, g, x: g * xp.cos(x)}, ONE, set()),
    "right of two": (MUL | {"vjp": (lambda xp, g, y: g * y, lambda xp, g, x: g * x)}, TWO, set()),
    "right of matrices": (
        MM | {"vjp": (lambda xp, g, y: xp.matmul(g, xp.conj(y.T)), lambda xp, g, x: xp.matmul(xp.conj(x.T), g))},
        MATRICES,
        set(),
    ),
    "wrong forward": (
        SIN | {"forward": lambda xp, x: xp.sin(x) + 1e-6, "vjp": lambda xp, g, x: g * xp.cos(x)},
        ONE,
        {"forward"},
    ),
    "wrong sign": (SIN | {"vjp": lambda xp, g, x: -g * xp.cos(x)}, ONE, {"gradient", "jvp"}),
    "wrong factor": (SIN | {"vjp": lambda xp, g, x: g * xp.cos(x) * 1.01}, ONE, {"gradient", "jvp"}),
    "wrong in small part": (SIN | {"vjp": lambda xp, g, x: g * (xp.cos(x) + 1e-3)}, ONE, {"gradient"}),
    "wrong function": (SIN | {"vjp": lambda xp, g, x: g * xp.sin(x)}, ONE, {"gradient", "jvp"}),
    "not multiplied by g": (SIN | {"vjp": lambda xp, g, x: xp.cos(x)}, ONE, {"gradient"}),
    "conjugate too many": (SIN | {"vjp": lambda xp, g, x: g * xp.conj(xp.cos(x))}, ONE, {"gradient"}),
    "missing conjugate": (
        MM | {"vjp": (lambda xp, g, y: xp.matmul(g, y.T), lambda xp, g, x: xp.matmul(x.T, g))},
        MATRICES,
        {"gradient"},
    ),
    "inputs exchanged": (
        MUL | {"vjp": (lambda xp, g, x: g * x, lambda xp, g, y: g * y)},
        SAME,
        {"gradient", "jvp"},
    ),
    "broadcast summed by the formula": (
        MUL | {"vjp": (lambda xp, g, y: xp.sum(g * y, (0,), True), lambda xp, g, x: g * x)},
        SAME,
        {"gradient"},
    ),
    "an input's gradient forgotten": (
        MUL | {"vjp": (lambda xp, g, y: g * y, None)},
        SAME,
        {"independence"},
    ),
    "one input only when both are asked for": (
        MUL | {"vjp": lambda xp, g, x, y, needs: (g * y, g * x if needs[0] is not None else xp.zeros_like(g))},
        SAME,
        {"needs"},
    ),
    "wrong second derivative": (SIN | {"vjp": only_on_arrays}, ONE, {"second"}),
    "wrong with create_graph": (SIN | {"vjp": wrong_with_graph}, ONE, {"second"}),
    "wrong jvp": (
        MM
        | {
            "vjp": (lambda xp, g, y: xp.matmul(g, xp.conj(y.T)), lambda xp, g, x: xp.matmul(xp.conj(x.T), g)),
            "jvp": lambda xp, t_x, t_y, x, y: xp.matmul(t_x, y) - xp.matmul(x, t_y),
        },
        MATRICES,
        {"jvp"},
    ),
    "jvp of one input forgotten": (
        MM
        | {
            "vjp": (lambda xp, g, y: xp.matmul(g, xp.conj(y.T)), lambda xp, g, x: xp.matmul(xp.conj(x.T), g)),
            "jvp": lambda xp, t_x, y: xp.matmul(t_x, y),
        },
        MATRICES,
        {"jvp"},
    ),
    "called linear and is not": (
        {"kind": LINEAR, "forward": lambda xp, x: x * x, "vjp": lambda xp, g, x: 2 * g * xp.conj(x)},
        row(floats(2, 3)),
        {"jvp"},
    ),
    "wrong shape": (
        {
            "kind": LINEAR,
            "forward": lambda xp, x, /, dim, keepdim: xp.sum(x, dim, keepdim),
            "vjp": lambda xp, g, x_shape, dim, keepdim: xp.sum(xp.expand_reduced(g, x_shape, dim, keepdim), (0,), True),
        },
        row(floats(2, 3), settings=((1,), False)),
        {"gradient"},
    ),
    "wrong dtype": (
        SIN | {"vjp": lambda xp, g, x: xp.cast(g * xp.cos(x), _double())},
        row(floats(2, 3), dtypes="fd"),
        {"dtypes"},
    ),
    "holomorphic and is not": (
        {"kind": ELEMENTWISE, "forward": lambda xp, x: xp.conj(x), "vjp": lambda xp, g: g},
        row(floats(2, 3), dtypes=FLOATING + COMPLEX),
        {"gradient"},
    ),
    "nondeterministic": (SIN | {"vjp": nondeterministic}, ONE, {"gradient"}),
    "returns what is saved": (SIN | {"vjp": saved_itself}, ONE, {"aliasing"}),
    "writes into the gradient": (SIN | {"vjp": writes_into_gradient}, ONE, {"aliasing"}),
    "writes into its input": (
        SIN | {"forward": writes_into_input, "vjp": lambda xp, g, x: g * xp.cos(x)},
        ONE,
        {"forward_keeps_inputs"},
    ),
    "returns a cached array": (
        {"kind": LINEAR, "forward": lambda xp, x: xp.copy(x), "vjp": lambda xp, g: cached if g is not None else g},
        row(floats(2, 3)),
        {"gradient"},
    ),
    "assumes row-major memory": (
        SIN | {"forward": lambda xp, x: xp.sin(_as_it_lies(x)), "vjp": lambda xp, g, x: g * xp.cos(x)},
        ONE,
        {"layouts"},
    ),
    "fails without elements": (
        {
            "kind": ELEMENTWISE,
            "forward": lambda xp, x: x - x.flat[0] * 0 if not isinstance(x, np.generic) else x,
            "vjp": lambda xp, g: g,
        },
        row(floats(2, 3)),
        {"empty"},
    ),
    "view that copies": (
        {"kind": VIEW, "forward": lambda xp, x: xp.copy(x), "vjp": lambda xp, g: g},
        row(floats(2, 3)),
        {"view"},
    ),
    "half precision lost": (
        SIN
        | {"forward": lambda xp, x: xp.sin(x.astype("float16").astype(x.dtype)), "vjp": lambda xp, g, x: g * xp.cos(x)},
        row(floats(2, 3), reference=np.sin),
        {"forward"},
    ),
    "derivative of the wrong branch": (
        {"kind": ELEMENTWISE, "forward": lambda xp, x: xp.abs(x), "vjp": lambda xp, g: g},
        row(floats(2, 3)),
        {"gradient"},
    ),
    "reduction divided by a wrong count": (
        {
            "kind": LINEAR,
            "forward": lambda xp, x, /, dim, keepdim: xp.mean(x, dim, keepdim),
            "vjp": lambda xp, g, x_shape, dim, keepdim: xp.expand_reduced(g, x_shape, dim, keepdim) / x_shape[0],
        },
        row(floats(2, 3), settings=((1,), False)),
        {"gradient"},
    ),
    "ties": (
        {
            "kind": GENERAL,
            "forward": lambda xp, x: xp.sin(x),
            "vjp": lambda xp, g, x, out: g * xp.sqrt(1 - out * out),  # the cosine's sign is lost
        },
        row(floats(2, 3, low=1.8, high=2.5)),
        {"gradient", "jvp"},
    ),
    "log of a wrong base": (
        {
            "kind": ELEMENTWISE,
            "floating": True,
            "forward": lambda xp, x: xp.log(x) / 0.6931471805599453,
            "vjp": lambda xp, g, x: g / x,
        },
        row(positive(2, 3), reference=np.log2),
        {"gradient"},
    ),
    "wrong batching rule": (
        SIN
        | {
            "vjp": lambda xp, g, x: g * xp.cos(x),
            "batch": lambda record, values, batched, settings, size: record.apply(values[0]) * 1.5,
        },
        ONE,
        {"batch"},
    ),
    "something else on 0-d inputs": (
        SIN
        | {
            "forward": lambda xp, x: xp.sin(x) if x.ndim else xp.sin(x) * 1.5,
            "vjp": lambda xp, g, x: g * xp.cos(x),
        },
        ONE,
        {"scalar"},
    ),
    "something else when shapes differ": (
        MUL
        | {
            "forward": lambda xp, x, y: x * y * (1 if x.shape == y.shape else 2),
            "vjp": (lambda xp, g, y: g * y, lambda xp, g, x: g * x),
        },
        SAME,
        {"broadcasting"},
    ),
    "permutes its gradient": (
        {
            "kind": GENERAL,
            "forward": lambda xp, x: xp.copy(x[::-1]),
            "vjp": lambda xp, g: g,
        },
        row(distinct(3, 2)),
        {"gradient"},
    ),
}


def _double():
    from chainrule import dtypes

    return dtypes.float64


def _as_it_lies(x):
    """The elements in the order of memory, which is a mistake."""
    if not isinstance(x, np.ndarray) or not x.ndim or x.flags.c_contiguous:
        return x
    if x.flags.f_contiguous:
        return x.T.reshape(x.shape)
    return x


@pytest.mark.parametrize("plant", WRONG)
def test_caught(plant):
    definition, sample, expected = WRONG[plant]
    with planted(**definition) as record:
        caught = caught_by(record, sample)
    if not expected:
        assert caught == set(), "a right rule is refused"
    assert expected <= caught, f"{plant}: caught by {sorted(caught)} only"


def test_in_place_twin_that_differs(monkeypatch):
    def wrong(self):
        self.copy_(wrap(np.asarray(np.sin(self._array) * 1.001)))
        return self

    monkeypatch.setattr(Tensor, "wrong_sin_", wrong, raising=False)
    sample = row(floats(2, 3), in_place="wrong_sin_")
    with planted(**SIN, vjp=lambda xp, g, x: g * xp.cos(x)) as record, pytest.raises(AssertionError):
        CHECKS["in_place"](record, sample)


def test_unknown_parameter_of_a_formula_is_refused_at_registration():
    with pytest.raises(TypeError, match="unknown parameter"), planted(**SIN, vjp=lambda xp, g, z: g):
        pass


def test_every_check_catches_something():
    """No check is there that never fails."""
    caught = set().union(*(expected for _, _, expected in WRONG.values())) | {"in_place"}
    assert set(CHECKS) == caught
