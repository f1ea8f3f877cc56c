"""torch.autograd.gradcheck: derivatives compared with finite differences.

Every check is of a real function of real numbers. A complex output counts as two, its real and its imaginary part; a
complex input is moved along both axes, and its gradient is ``d/dx + i d/dy``, as backward defines it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .. import dtypes
from ..engine import run_backward
from ..size import strided
from ..tensor import Tensor, gradient_edge, memory, wrap

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is not what it should be."""


def gradcheck(
    func: Callable,
    inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the derivatives of `func` at `inputs` agree with central differences of step `eps`.

    Those inputs that require grad are differentiated by; they should be float64 or complex128. `fast_mode` compares the
    derivative along one random direction instead of the whole Jacobian. Of sparse inputs all elements are moved, or, if
    `masked`, those that they have. True, or GradcheckError (False without
    `raise_exception`); errors that `func` itself raises are passed on.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_batched_grad and not check_backward_ad:
        raise AssertionError("Setting check_batched_grad=True requires check_backward_ad to be True")
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError("Setting check_batched_forward_grad=True requires check_forward_ad to be True")
    inputs = as_tuple(inputs)
    if any(isinstance(x, Tensor) and x.layout is not strided for x in inputs):
        from ..sparse.checking import dense_problem

        func, inputs = dense_problem(func, inputs, bool(masked))
    check = _Check(func, inputs, eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode)
    try:
        check.inputs_suit()
        if not check.outputs:
            check.nothing_depends()
            return True
        if check_backward_ad:
            check.backward()
        if check_forward_ad:
            check.forward()
            if check_undefined_grad:
                check.forward_undefined()
            if check_batched_forward_grad:
                check.forward_batched()
        if check_backward_ad:
            if check_batched_grad:
                check.backward_batched()
            check.zero_gradients()
            if check_undefined_grad:
                check.undefined_gradients()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs,
    grad_outputs=None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradient: the second derivatives of `func`, by `inputs` and by `grad_outputs`.

    `grad_outputs` are random where they are not given; `gen_non_contig_grad_outputs` makes them non-contiguous.
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    if check_undefined_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_undefined_grad=True requires check_rev_over_rev to be True")
    if check_batched_grad and not check_rev_over_rev:
        raise AssertionError("Setting check_batched_grad=True requires check_rev_over_rev to be True")
    inputs = as_tuple(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        grad_outputs = tuple(
            _random_gradient(rng, y, gen_non_contig_grad_outputs) for y in _differentiable(func(*inputs))
        )
    else:
        grad_outputs = as_tuple(grad_outputs)
    count = len(inputs)

    def gradient(*arguments):
        from . import grad

        for x, original in zip(arguments, inputs):  # dual numbers come without requires_grad
            if isinstance(x, Tensor) and original.requires_grad:
                x.requires_grad_()
        outputs = _differentiable(func(*arguments[:count]))
        chosen = tuple(x for x in arguments[:count] if isinstance(x, Tensor) and x.requires_grad)
        found = grad(outputs, chosen, arguments[count:], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradient,
        inputs + grad_outputs,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


def as_tuple(values) -> tuple:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _differentiable(outputs) -> tuple[Tensor, ...]:
    return tuple(y for y in as_tuple(outputs) if y.requires_grad)


def _random_gradient(rng, output: Tensor, non_contiguous: bool) -> Tensor:
    """A gradient for `output` that requires grad itself."""
    shape = output._array.shape
    values = rng.uniform(-1, 1, shape)
    if output._array.dtype.kind == "c":
        values = values + 1j * rng.uniform(-1, 1, shape)
    dtype = output._array.dtype if output._array.dtype.itemsize > 4 else np.dtype(np.float64)
    values = np.asarray(values, dtype)
    if non_contiguous and values.ndim:
        values = np.stack([values, values], axis=-1)[..., 0]
    return wrap(values).requires_grad_()


class _Check:
    """One call of gradcheck. `inputs` and `outputs` are {position: tensor} of those that are differentiated."""

    def __init__(self, func, arguments, eps, atol, rtol, nondet_tol, check_dtypes, fast) -> None:
        self.func, self.arguments = func, arguments
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.check_dtypes, self.fast = check_dtypes, fast
        self.rng = np.random.default_rng(0)
        self.inputs = {i: x for i, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad}
        self.outputs: dict[int, Tensor] = {}

    def call(self) -> tuple[Tensor, ...]:
        """The differentiable outputs of another run of the function."""
        return _differentiable(self.func(*self.arguments))

    def inputs_suit(self) -> None:
        """Refuses inputs that cannot be checked, and runs the function for the first time."""
        for i, x in self.inputs.items():
            if x.dtype not in (dtypes.float64, dtypes.complex128):
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check "
                    "will likely fail if all the inputs are not of double precision floating point or complex. ",
                    stacklevel=3,
                )
            if any(s == 0 and n > 1 for s, n in zip(memory(x).strides, memory(x).shape, strict=True)):
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                    "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                    ".contiguous on the input before passing it to gradcheck."
                )
        if not self.inputs:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them have "
                "requires_grad=True."
            )
        first = as_tuple(self.func(*self.arguments))
        self.places = [p for p, y in enumerate(first) if y.requires_grad]
        self.outputs = {o: first[p] for o, p in enumerate(self.places)}

    # ---- numbers

    def values(self, differentiable: bool = True) -> list[np.ndarray]:
        """Copies of the outputs' elements, flattened, from another run."""
        found = as_tuple(self.func(*self.arguments))
        chosen = _differentiable(found) if differentiable else [y for y in found if isinstance(y, Tensor)]
        return [np.array(y._array, copy=True).reshape(-1) for y in chosen]

    def difference(self, x: Tensor, step, differentiable: bool = True) -> list[np.ndarray]:
        """The outputs' derivatives along `step` (an array of x's shape) by a central difference.

        The elements are changed where they lie, unnoticed by version counters: the function may hold `x` itself."""
        array = memory(x)
        before = array.copy()
        try:
            array[...] = before + self.eps * step
            above = self.values(differentiable)
            array[...] = before - self.eps * step
            below = self.values(differentiable)
        finally:
            array[...] = before
        return [
            (a.astype(_wide(a.dtype)) - b.astype(_wide(b.dtype))) / (2 * self.eps)
            for a, b in zip(above, below, strict=True)
        ]

    def steps(self, x: Tensor):
        """((axis, index of the element, array with the unit in that place), ...); axis 1 is the imaginary one."""
        shape, dtype = x._array.shape, x._array.dtype
        for axis in (0, 1) if dtype.kind == "c" else (0,):
            for k in range(x._array.size):
                step = np.zeros(shape, dtype)
                step.reshape(-1)[k] = 1j if axis else 1
                yield axis, k, step

    def numerical(self, x: Tensor) -> list[list[np.ndarray]]:
        """For each axis of x, for each output: its Jacobian (elements of x, elements of the output)."""
        columns: list[list[list[np.ndarray]]] = [[], []]
        for axis, _, step in self.steps(x):
            columns[axis].append(self.difference(x, step))
        return [
            [np.stack([c[o] for c in column]) if column else _nothing(x, y) for o, y in self.outputs.items()]
            for column in (columns if x._array.dtype.kind == "c" else columns[:1])
        ]

    def gradient(self, output: Tensor, weights: np.ndarray) -> list[Tensor | None]:
        """The gradients of all inputs for a gradient of one output, with the graph kept."""
        edges = [gradient_edge(x) for x in self.inputs.values()]
        return run_backward(
            [gradient_edge(output)],
            [wrap(weights)],
            retain_graph=True,
            create_graph=False,
            inputs=edges,
            accumulate=False,
        )

    def row(self, output: Tensor, weights: np.ndarray) -> list[np.ndarray]:
        """The same as flat arrays, computed twice and examined."""
        first, second = self.gradient(output, weights), self.gradient(output, weights)
        rows = []
        for x, g, h in zip(self.inputs.values(), first, second, strict=True):
            if g is None:
                rows.append(np.zeros(x._array.size, x._array.dtype))
                continue
            if g._array.shape != x._array.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            if self.check_dtypes and g._array.dtype != x._array.dtype:
                raise GradcheckError("Gradient has dtype mismatch")
            if (h is None or np.max(np.abs(g._array - h._array), initial=0) > self.nondet_tol) and not (
                h is not None and np.array_equal(g._array, h._array, equal_nan=True)
            ):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    "gives different values, although analytical gradient matches numerical gradient."
                    f"The tolerance for nondeterminism was {self.nondet_tol}."
                )
            rows.append(np.asarray(g._array).reshape(-1))
        return rows

    # ---- reverse mode

    def backward(self) -> None:
        """Gradients against differences: of the imaginary parts of complex outputs first, then of the real parts."""
        if self.fast:
            self.backward_fast()
            return
        numerical = {i: self.numerical(x) for i, x in self.inputs.items()}
        for imaginary in (True, False):
            for o, output in self.outputs.items():
                is_complex = output._array.dtype.kind == "c"
                if imaginary and not is_complex:
                    continue
                rows = self.rows(output, imaginary)
                for position, (i, x) in enumerate(self.inputs.items()):
                    analytical = np.stack([r[position] for r in rows], axis=1) if rows else _nothing(x, output)
                    expected = _part(numerical[i], o, imaginary, output)
                    if not np.allclose(analytical, expected, self.rtol, self.atol, equal_nan=True):
                        raise GradcheckError(
                            _mismatch("outputs", is_complex, imaginary, o, position, expected, analytical)
                        )

    def rows(self, output: Tensor, imaginary: bool) -> list[list[np.ndarray]]:
        """The gradients of all inputs, flat, for the unit gradient of each element of an output."""
        rows = []
        for k in range(output._array.size):
            weights = np.zeros(output._array.shape, output._array.dtype)
            weights.reshape(-1)[k] = 1j if imaginary else 1
            rows.append(self.row(output, weights))
        return rows

    def backward_fast(self) -> None:
        """The derivative of one random combination of each output along one random direction of each input."""
        for imaginary in (True, False):
            for o, output in self.outputs.items():
                is_complex = output._array.dtype.kind == "c"
                if imaginary and not is_complex:
                    continue
                weights = self.rng.uniform(0.1, 1, output._array.shape)
                seed = np.asarray(weights * (1j if imaginary else 1)).astype(output._array.dtype)
                rows = self.row(output, seed)
                for position, (x, gradient) in enumerate(zip(self.inputs.values(), rows, strict=True)):
                    direction = self.direction(x)
                    moved = self.difference(x, direction)[o]
                    expected = float((weights.reshape(-1) * (moved.imag if imaginary else moved.real)).sum())
                    analytical = float((gradient.conj() * direction.reshape(-1)).real.sum())
                    allowed = self.atol * float(weights.sum()) * float(_size(direction).sum())
                    if not np.allclose(analytical, expected, self.rtol, allowed, equal_nan=True):
                        matrix = np.stack([r[position] for r in self.rows(output, imaginary)], axis=1)
                        raise GradcheckError(
                            _mismatch("outputs", is_complex, imaginary, o, position, expected, analytical)
                            + self.matrices(_part(self.numerical(x), o, imaginary, output), matrix)
                        )

    def matrices(self, numerical: np.ndarray, analytical: np.ndarray) -> str:
        """What is said of the whole Jacobians where a derivative along a direction was wrong."""
        text = _FAST.format(wrap(numerical), wrap(analytical), np.max(np.abs(numerical - analytical)))
        close = np.allclose(analytical, numerical, self.rtol, self.atol, equal_nan=True)
        return text + _FAST_ONLY if close else text

    def direction(self, x: Tensor) -> np.ndarray:
        """A random direction, of length 1, in the space of x."""
        shape = x._array.shape
        values = self.rng.uniform(0.1, 1, shape)
        if x._array.dtype.kind == "c":
            values = values + 1j * self.rng.uniform(0.1, 1, shape)
        length = np.sqrt((np.abs(values) ** 2).sum()) if values.size else 1.0
        return np.asarray(values / length).astype(x._array.dtype)

    def nothing_depends(self) -> None:
        """No output is differentiable: then none may move when an input does."""
        for x in self.inputs.values():
            steps = [self.direction(x)] if self.fast else [step for _, _, step in self.steps(x)]
            for step in steps:
                for moved in self.difference(x, step, differentiable=False):
                    if np.any(moved != 0):
                        raise GradcheckError("Numerical gradient for function expected to be zero")

    def zero_gradients(self) -> None:
        """A gradient of zeros must give zeros, of the inputs' types and sizes."""
        outputs = self.call()
        edges = [gradient_edge(x) for x in self.inputs.values()]
        zeros = [wrap(np.zeros(y._array.shape, y._array.dtype)) for y in outputs]
        found = run_backward(
            [gradient_edge(y) for y in outputs],
            zeros,
            retain_graph=True,
            create_graph=False,
            inputs=edges,
            accumulate=False,
        )
        for x, g in zip(self.inputs.values(), found, strict=True):
            if g is None:
                continue
            if np.any(g._array != 0):
                raise GradcheckError("backward not multiplied by grad_output")
            if g._array.dtype != x._array.dtype:
                raise GradcheckError("grad is incorrect type")
            if g._array.shape != x._array.shape:
                raise GradcheckError("grad is incorrect size")

    def undefined_gradients(self) -> None:
        """Backward must cope with outputs that have no gradient, and then give none, or zeros."""
        count = len(self.outputs)
        for missing in [None, *range(count)] if count > 1 else [None]:
            outputs = self.call()
            gradients = [
                None if missing in (None, k) else wrap(np.zeros(y._array.shape, y._array.dtype))
                for k, y in enumerate(outputs)
            ]
            edges = [gradient_edge(x) for x in self.inputs.values()]
            try:
                found = run_backward(
                    [gradient_edge(y) for y in outputs],
                    gradients,
                    retain_graph=True,
                    create_graph=False,
                    inputs=edges,
                    accumulate=False,
                )
            except RuntimeError as error:
                _warn_undefined()
                raise GradcheckError(_UNDEFINED_FAILS) from error
            if any(g is not None and np.any(g._array != 0) for g in found):
                _warn_undefined()
                raise GradcheckError(_UNDEFINED_WRONG)

    def backward_batched(self) -> None:
        """Backward of two gradients at once (vmap) against one after the other."""
        from . import grad

        inputs = tuple(self.inputs.values())
        for o, output in enumerate(self.call()):
            gradients = [_random_gradient(self.rng, output, False).detach() for _ in range(2)]
            stacked = wrap(np.stack([g._array for g in gradients]))
            one_by_one = [grad(output, inputs, g, retain_graph=True, allow_unused=True) for g in gradients]
            try:
                batched = grad(output, inputs, stacked, retain_graph=True, allow_unused=True, is_grads_batched=True)
            except RuntimeError as error:
                raise GradcheckError(f"While computing batched gradients, got: {error}\n\n{_BATCHED}") from error
            for i, got in enumerate(batched):
                parts: list[Any] = [g[i] for g in one_by_one]
                if got is None and parts[0] is None:
                    continue
                expected = np.stack([p._array for p in parts])
                if got is None or not np.allclose(got._array, expected, self.rtol, self.atol, equal_nan=True):
                    raise GradcheckError(
                        f"For output {o} and input {i}:\n\n{_BATCHED}\n\nGot:\n{got}\n\nExpected:\n{wrap(expected)}\n"
                    )

    # ---- forward mode

    def tangents_out(self, tangents: dict[int, Tensor | None]) -> list[np.ndarray]:
        """The outputs' tangents, flat. Every checked input has a tangent: the given one, else zeros; for None, none."""
        from . import forward_ad

        with forward_ad.dual_level():
            outputs = as_tuple(self.func(*self.duals(tangents)))
            found = []
            for o, expected in self.outputs.items():
                primal, moved = forward_ad.unpack_dual(outputs[self.places[o]])
                if moved is None:
                    found.append(np.zeros(expected._array.size, expected._array.dtype))
                    continue
                if self.check_dtypes and moved._array.dtype != primal._array.dtype:
                    raise GradcheckError("Forward AD gradient has dtype mismatch.")
                found.append(np.array(moved._array, copy=True).reshape(-1))
        return found

    def duals(self, tangents: dict[int, Tensor | None]) -> list[Any]:
        """The arguments as dual numbers at the open level; none of them requires grad."""
        from . import forward_ad

        arguments: list[Any] = list(self.arguments)
        for i, x in self.inputs.items():
            tangent = tangents[i] if i in tangents else wrap(np.zeros(x._array.shape, x._array.dtype))
            arguments[i] = x.detach() if tangent is None else forward_ad.make_dual(x.detach(), tangent)
        return arguments

    def forward(self) -> None:
        """Tangents against differences: of the imaginary axis of complex inputs first, then of the real one."""
        for number, (i, x) in enumerate(self.inputs.items()):
            is_complex = x._array.dtype.kind == "c"
            if self.fast:
                self.forward_fast(number, i, x)
                continue
            numerical = self.numerical(x)
            analytical: list[list[list[np.ndarray]]] = [[], []]
            for axis, _, step in self.steps(x):
                analytical[axis].append(self.tangents_out({i: wrap(step)}))
            for axis in (1, 0) if is_complex else (0,):
                for o, output in self.outputs.items():
                    found = [moved[o] for moved in analytical[axis]]
                    got = np.stack(found) if found else _nothing(x, output)
                    if not np.allclose(got, numerical[axis][o], self.rtol, self.atol, equal_nan=True):
                        raise GradcheckError(
                            _mismatch("inputs", is_complex, axis == 1, o, number, numerical[axis][o], got)
                        )

    def forward_fast(self, number: int, i: int, x: Tensor) -> None:
        is_complex = x._array.dtype.kind == "c"
        direction = self.direction(x)
        expected = self.difference(x, direction)
        found = self.tangents_out({i: wrap(direction)})
        for o in self.outputs:
            weights = self.rng.uniform(0.1, 1, expected[o].shape)
            allowed = self.atol * float(weights.sum()) * float(_size(direction).sum())
            a, n = (weights * found[o]).sum(), (weights * expected[o]).sum()
            if not np.allclose(a, n, self.rtol, allowed, equal_nan=True):
                columns = [self.tangents_out({i: wrap(step)})[o] for axis, _, step in self.steps(x) if axis == 0]
                raise GradcheckError(
                    _mismatch("inputs", is_complex, False, o, number, expected[o], found[o])
                    + self.matrices(self.numerical(x)[0][o], np.stack(columns))
                )

    def forward_undefined(self) -> None:
        """An input without a tangent must do what one with a tangent of zeros does."""
        for number, (i, x) in enumerate(self.inputs.items()):
            others: dict[int, Tensor | None] = {k: wrap(self.direction(y)) for k, y in self.inputs.items() if k != i}
            zeros = self.tangents_out(others | {i: wrap(np.zeros(x._array.shape, x._array.dtype))})
            absent = self.tangents_out(others | {i: None})
            for o, (a, b) in enumerate(zip(zeros, absent, strict=True)):
                if not np.array_equal(a, b, equal_nan=True):
                    raise GradcheckError(
                        f"Mismatch in tangent values for output with index: {o} when input: {number} has an undefined "
                        f"tangent value.  Got: {b} but expected: {a}"
                    )

    def forward_batched(self) -> None:
        """Two tangents at once (vmap) against one after the other."""
        from ..transforms import vmap_with_none

        for number, (i, x) in enumerate(self.inputs.items()):
            tangents = [wrap(self.direction(x)) for _ in range(2)]
            expected = [self.tangents_out({i: t}) for t in tangents]
            stacked = wrap(np.stack([t._array for t in tangents]))

            def moved(tangent, i=i):
                from . import forward_ad

                with forward_ad.dual_level():
                    outputs = as_tuple(self.func(*self.duals({i: tangent})))
                    parts = []
                    for place in self.places:
                        primal, part = forward_ad.unpack_dual(outputs[place])
                        parts.append(primal * 0 if part is None else part)
                    return parts

            try:
                got = vmap_with_none(moved, [stacked])
            except RuntimeError as error:
                raise GradcheckError(f"While computing batched gradients, got: {error}\n\n{_BATCHED}") from error
            for o, part in enumerate(got):
                wanted = np.stack([e[o] for e in expected])
                if not np.allclose(
                    np.asarray(part._array).reshape(2, -1), wanted, self.rtol, self.atol, equal_nan=True
                ):
                    raise GradcheckError(
                        f"For output {o} and input "
                        f"{number}:\n\n{_BATCHED}\n\nGot:\n{part}\n\nExpected:\n{wrap(wanted)}\n"
                    )


def _wide(dtype):
    """float64, or complex128 for complex numbers."""
    return np.complex128 if dtype.kind == "c" else np.float64


def _part(columns: list[list[np.ndarray]], o: int, imaginary: bool, output: Tensor) -> np.ndarray:
    """A numerical Jacobian of the real or imaginary part of output `o`, in the precision of the output."""
    parts = [axis[o].imag if imaginary else axis[o].real for axis in columns]
    whole = parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]
    single = output._array.dtype in (np.float32, np.complex64)
    return whole.astype(np.complex64 if len(parts) == 2 else np.float32) if single else whole


def _nothing(x: Tensor, y: Tensor) -> np.ndarray:
    return np.zeros((x._array.size, y._array.size))


def _size(direction: np.ndarray) -> np.ndarray:
    return np.abs(direction.real) + np.abs(direction.imag)


def _mismatch(which: str, is_complex: bool, imaginary: bool, output: int, position: int, numerical, analytical) -> str:
    prefix = (
        f"While considering the {'imaginary' if imaginary else 'real'} part of complex {which} only, "
        if is_complex
        else ""
    )
    mode = "computed with forward mode " if which == "inputs" else ""
    return (
        f"{prefix}Jacobian {mode}mismatch for output {output} with respect to input {position},\n"
        f"numerical:{wrap(np.asarray(numerical))}\nanalytical:{wrap(np.asarray(analytical))}\n"
    )


def _warn_undefined() -> None:
    warnings.warn(
        "Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may "
        "break "
        "existing callers of this function. If this is true for you, you can call this function with "
        '"check_undefined_grad=False" to disable the feature',
        stacklevel=5,
    )


_FAST = (
    "\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast mode. See: "
    "https://github.com/pytorch/pytorch/issues/53876 for more background \nabout fast mode. Below, we recompute "
    "numerical and analytical jacobians in slow mode:\n\nNumerical:\n {}\nAnalytical:\n{}\n\nThe max per-element "
    "difference (slow mode) is: {}.\n"
)
_FAST_ONLY = (
    "\nFast gradcheck failed but element-wise differences are small. This means that the\ntest might've passed in "
    "slow_mode!\n"
)
_BATCHED = "The gradients computed in a batch (by vmap over backward) are not those computed one by one."
_UNDEFINED_FAILS = "Expected backward function to handle undefined output grads"
_UNDEFINED_WRONG = "Expected all input grads to be undefined or zero when all output grads are undefined or zero."


class _Callable(ModuleType):
    """This module: a call of it is a call of `gradcheck`.

    ``torch.autograd.gradcheck`` is the function; an import of the module under another name binds the module there."""

    __call__ = staticmethod(gradcheck)


sys.modules[__name__].__class__ = _Callable
