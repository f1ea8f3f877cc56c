"""A model run several times: what is the same in all runs is a constant, what is not follows from the dynamic axes.

One run cannot tell a number in the program from the size of an axis, or from a value that a tensor happened to have. So
the model runs with each dynamic axis at several sizes, and once with other values: its calls must be the same ones, and its
constants too where only values differ. What differs with the sizes is expressed by sizes of tensors (see graph.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..modes import no_grad
from ..random import get_rng_state, manual_seed, set_rng_state
from ..tensor import Tensor, wrap
from ..utils._pytree import tree_flatten, tree_unflatten
from ..warning import warn
from .errors import OnnxExporterError, at
from .recording import Call, Recording, Value


class VariesError(Exception):
    """Something would have to be a constant, and depends on a dynamic axis."""


class Varying:
    """A size, number or array that is another one in each run."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence) -> None:
        self.values = tuple(values)

    def _is_no_number(self, *others: Any) -> Any:
        raise VariesError(f"a setting depends on the size of a dynamic axis ({self})")

    __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __add__ = __radd__ = __sub__ = __rsub__ = _is_no_number
    __mul__ = __rmul__ = __mod__ = __rmod__ = __floordiv__ = __index__ = __float__ = _is_no_number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Varying) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def __repr__(self) -> str:
        return " or ".join(map(str, self.values))


class Runs:
    """The runs of a model on an example, all with the same `calls`.

    `axes` has {axis: name} of the dynamic axes of each of the example's tensors; axes of one name have one size. The sizes are
    any, or, if the model does not do the same at any (or with `only_multiples`), multiples of the example's.
    """

    def __init__(
        self,
        model: Callable,
        args: tuple,
        kwargs: dict,
        names: Sequence[str],
        parameters: Sequence[tuple[str, Tensor]],
        axes: Sequence[dict[int, str]],
        only_multiples: bool = False,
    ) -> None:
        self.model = model
        self.leaves, self.form = tree_flatten((args, kwargs))
        self.names = names
        self.parameters = parameters
        self.examples = [leaf._array for leaf in self.leaves if isinstance(leaf, Tensor)]
        self.recordings = self._with_sizes(axes, only_multiples) if any(axes) else [self._run(self.examples)]
        self._check_values()
        self.calls = self.recordings[0].calls
        self.inputs = self.recordings[0].inputs
        self.outputs = self.recordings[0].outputs

    # ---- running

    def _run(self, arrays: Sequence) -> Recording:
        """What the model does with copies of the arrays."""
        state = get_rng_state()
        tensors = [wrap(np.array(array)) for array in arrays]
        remaining = iter(tensors)
        leaves = [next(remaining) if isinstance(leaf, Tensor) else leaf for leaf in self.leaves]
        args, kwargs = tree_unflatten(leaves, self.form)
        recording = Recording(list(zip(self.names, tensors, strict=True)), self.parameters)
        try:
            with no_grad(), recording:
                results = tree_flatten(self.model(*args, **kwargs))[0]
                recording.outputs = [recording.value_of(result) for result in results if isinstance(result, Tensor)]
        finally:
            set_rng_state(state)
        return recording

    def _with_sizes(self, axes: Sequence[dict[int, str]], only_multiples: bool) -> list[Recording]:
        """Runs in which the dynamic axes have different sizes."""
        problem: Exception | None = None
        for tied in (False, True):
            for sizes in (_multiplied,) if only_multiples else (_added, _multiplied):
                shapes = _shapes(self.examples, axes, sizes, tied)
                try:
                    found = [self._run(list(map(_resized, self.examples, each))) for each in shapes]
                    for other in found[1:]:
                        _check_same(found[0], other)
                except Exception as error:
                    problem = problem or error
                else:
                    if isinstance(problem, OnnxExporterError):
                        warn_of_multiples(problem)
                    return found
        if isinstance(problem, OnnxExporterError):
            raise problem
        raise OnnxExporterError(
            "the model does not run where the dynamic axes have other sizes than in the example: "
            f"{type(problem).__name__}: {problem}"
        ) from problem

    def _check_values(self) -> None:
        """Runs the model on other values, and with other random numbers, and compares the constants."""
        first = self.recordings[0]
        examples = [_resized(x, value.shape) for x, value in zip(self.examples, first.inputs)]
        state = get_rng_state()
        manual_seed(int.from_bytes(state._array.tobytes()[:4], "little") + 1)
        problem: Exception | None = None
        try:
            for change in (0.75, -1.25):
                try:
                    other = self._run([_other_values(x, change) for x in examples])
                except Exception as error:
                    problem = error
                    continue
                _check_same(first, other)
                _check_constants(first, other)
                problem = None
        finally:
            set_rng_state(state)
        if problem is not None:
            warn(
                f"the model refuses other values than the example's ({type(problem).__name__}: {problem}): where what it does "
                "depends on them, the exported model is right for these alone"
            )

    # ---- what is the same in all runs, and what is not

    def settings(self, index: int) -> dict[str, Any]:
        """The settings of a call by their names."""
        calls = [recording.calls[index] for recording in self.recordings]
        return {name: merged([call.settings[i] for call in calls]) for i, name in enumerate(calls[0].record.settings)}

    def inputs_of(self, index: int) -> list:
        """The inputs of a call: values, numbers and None."""
        calls = [recording.calls[index] for recording in self.recordings]
        return [
            x if isinstance(x, Value) else merged([c.inputs[i] for c in calls]) for i, x in enumerate(calls[0].inputs)
        ]

    def shape(self, value: Value) -> tuple:
        """The shape of a value."""
        return merged([recording.values[value.index].shape for recording in self.recordings])

    def arrays(self, value: Value) -> list:
        """The elements of a constant in each run."""
        return [recording.values[value.index].array for recording in self.recordings]


def warn_of_multiples(error: OnnxExporterError) -> None:
    """Says why a model is exported as it runs on multiples of the example's sizes."""
    warn(
        "the exported model is right where the sizes of dynamic axes are multiples of the example's. For any sizes it could "
        f"not be exported: {error}"
    )


def merged(values: list) -> Any:
    """What a setting is in all runs; a Varying, or a tuple with one, where it is not the same."""
    first = values[0]
    if isinstance(first, (tuple, list)) and all(isinstance(v, type(first)) and len(v) == len(first) for v in values):
        return tuple([merged([v[i] for v in values]) for i in range(len(first))])
    return first if all(_equal(first, v) for v in values[1:]) else Varying(values)


def varies(value: Any) -> bool:
    """Whether there is a Varying in it."""
    return any(map(varies, value)) if isinstance(value, tuple) else isinstance(value, Varying)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if a is None or b is None or isinstance(a, (int, float, complex, str, tuple, np.ndarray, np.generic)):
        return type(a) is type(b) and (a == b or a != a)
    return True  # dtypes, and what draws random numbers


# In each run, what is added to the size of an axis, or what it is multiplied by; for the first axis, the second, ...:
# irregular numbers, so that no size is by chance a multiple of another axis', or one more or less.
_MORE = ((0, 1, 3, 6), (0, 4, 1, 10), (0, 7, 9, 2), (0, 2, 12, 5), (0, 9, 4, 1), (0, 3, 8, 13))
_TIMES = ((1, 2, 4), (1, 3, 2), (1, 4, 3), (1, 2, 3), (1, 4, 2), (1, 3, 4))


def _added(size: int, number: int) -> list[int]:
    return [max(size, 2) + more for more in _MORE[number % len(_MORE)]]


def _multiplied(size: int, number: int) -> list[int]:
    return [size * times + (size == 1) for times in _TIMES[number % len(_TIMES)]]


def _shapes(examples: Sequence, axes: Sequence[dict[int, str]], sizes: Callable, tied: bool) -> list[list[tuple]]:
    """The shapes of the inputs in each run. A size of 1 is never tried: it might be broadcast."""
    names = list(dict.fromkeys(name for some in axes for name in some.values()))
    shapes: list[list[tuple]] = [[] for _ in sizes(1, 0)]
    for x, some in zip(examples, axes, strict=True):
        in_runs = [
            sizes(n, 0 if tied else names.index(some[d])) if d in some else [n] * len(shapes)
            for d, n in enumerate(x.shape)
        ]
        for run, each in enumerate(shapes):
            each.append(tuple([n[run] for n in in_runs]))
    return shapes


def _resized(array: Any, shape: tuple) -> Any:
    """The array with its elements repeated along each axis as often as need be."""
    for axis, (have, want) in enumerate(zip(array.shape, shape, strict=True)):
        if have != want:
            array = array.take(np.arange(want) % have, axis)
    return array


def _other_values(array: Any, factor: float) -> Any:
    """Other elements, which an index or a mask may have just as well."""
    moved = np.roll(array.reshape(-1), 1).reshape(array.shape)
    return (moved * factor).astype(array.dtype) if array.dtype.kind in "fcV" else moved


def _check_same(first: Recording, other: Recording) -> None:
    """OnnxExporterError if two runs did not make the same calls."""
    for one, two in zip(first.calls, other.calls):
        if one.record is not two.record or list(map(_form, one.inputs)) != list(map(_form, two.inputs)):
            raise at(one.position, "what the model does depends on the sizes or the values of its inputs")
    if len(first.calls) != len(other.calls) or list(map(_form, first.outputs)) != list(map(_form, other.outputs)):
        longer = max(first.calls, other.calls, key=len)
        raise at(longer[-1].position, "how much the model does depends on the sizes or the values of its inputs")


def _form(value: Any) -> Any:
    return value.index if isinstance(value, Value) else type(value)


def _check_constants(first: Recording, other: Recording) -> None:
    """OnnxExporterError if constants or settings differ between runs on different values."""
    for one, two in zip(first.calls, other.calls, strict=True):
        same = all(not varies(merged([a, b])) for a, b in zip(one.settings, two.settings, strict=True))
        for a, b in zip(one.inputs, two.inputs, strict=True):
            if isinstance(a, Value):
                same = same and (a.array is None or _equal(a.array, other.values[a.index].array))
            else:
                same = same and _equal(a, b)
        if not same:
            raise at(
                one.position,
                "a number or a constant of the model depends on the values of its inputs, or on random numbers: as a "
                "part of the exported model it would always be the same",
            )


__all__ = ["Call", "Runs", "Value", "VariesError", "Varying", "merged", "varies", "warn_of_multiples"]
