"""The checks that every operation's row goes through: test_ops.py runs them, test_checker.py shows what they catch.

A check is a function of (record, row). It raises AssertionError or GradcheckError, and returns False where it has
nothing to check for this row.
"""

from __future__ import annotations

import itertools

import numpy as np

import chainrule as torch
from chainrule import dtypes
from chainrule.autograd import forward_ad
from chainrule.autograd.gradcheck import gradcheck, gradgradcheck
from chainrule.engine import Freed
from chainrule.func import vmap
from chainrule.op import ELEMENTWISE, VIEW, Op
from chainrule.tensor import Tensor, wrap

from .op_samples.makers import BOOL, COMPLEX, DOUBLE, HALF, INTEGER, SINGLE, Maker, Row

DTYPES = {
    HALF: ("float16", "bfloat16"),
    SINGLE: ("float32",),
    DOUBLE: ("float64",),
    COMPLEX: ("complex64", "complex128"),
    INTEGER: ("int64", "int32", "uint8"),
    BOOL: ("bool",),
}
PRECISION = {"float16": 2000, "bfloat16": 16000, "float32": 1, "complex64": 1}  # times a row's tolerance


# ---------------------------------------------------------------- calling a row


def arrays_of(row: Row, dtype: str = "float64", seed: int = 0, makers=None) -> list:
    """The row's inputs: arrays where it has makers, anything else as it is."""
    rng = np.random.default_rng(seed)
    return [m.make(rng, dtype) if isinstance(m, Maker) else m for m in (makers or row.inputs)]


def tensors_of(row: Row, arrays, requires_grad=True) -> list:
    """Tensors of copies of the arrays; those to differentiate by require grad."""
    wanted = differentiable(row) if requires_grad is True else requires_grad or ()
    made = []
    for i, array in enumerate(arrays):
        if isinstance(row.inputs[i], Maker):
            tensor = wrap(np.array(array, copy=True))
            if i in wanted and tensor.dtype.is_floating_point | tensor.dtype.is_complex:
                tensor.requires_grad_()
            made.append(tensor)
        else:
            made.append(array)
    return made


def differentiable(row: Row, record: Op | None = None) -> tuple[int, ...]:
    """Positions of the inputs to differentiate by."""
    if row.differentiable is not None:
        return row.differentiable
    return tuple(i for i, m in enumerate(row.inputs) if isinstance(m, Maker) and m.kind == "f")


def has_formula(record: Op, position: int) -> bool:
    """Whether the record has a gradient for this input."""
    if not record.differentiable:
        return False
    if len(record.vjps) == 1 or position >= len(record.vjps):
        return True
    return record.vjps[position][0] is not None


def run(record: Op, row: Row, tensors) -> tuple[Tensor, ...]:
    """The checked results of a call."""
    result = (row.call or record.apply)(*tensors, *row.settings)
    if row.check is not None:
        result = row.check(result)
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def gradients(record: Op, row: Row, tensors, seeds=None, create_graph=False):
    """(results, gradients of their weighted sum by the inputs that require grad)."""
    outputs = run(record, row, tensors)
    roots = [y for y in outputs if y.requires_grad]
    inputs = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
    if not roots or not inputs:
        return outputs, []
    if seeds is None:
        seeds = seeds_for(roots)
    found = torch.autograd.grad(roots, inputs, seeds, create_graph=create_graph, allow_unused=True)
    return outputs, list(found)


def seeds_for(outputs) -> list[Tensor]:
    """Gradients for the outputs: the same at every call."""
    rng = np.random.default_rng(7)
    seeds = []
    for y in outputs:
        values = rng.uniform(0.5, 1.5, y._array.shape)
        if y.is_complex():
            values = values + 1j * rng.uniform(0.5, 1.5, y._array.shape)
        seeds.append(wrap(np.asarray(values).astype(y._array.dtype)))
    return seeds


def close(got, expected, tolerance=1e-10, what="") -> None:
    """Both None, or arrays of one shape and nearly the same values (relative to the largest)."""
    if got is None or expected is None:
        assert got is expected, f"{what}: {got} is not {expected}"
        return
    got, expected = (x._array if isinstance(x, Tensor) else np.asarray(x) for x in (got, expected))
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    got, expected = (x.astype(np.complex128 if x.dtype.kind == "c" else np.float64) for x in (got, expected))
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max(initial=0)))
    assert np.allclose(got, expected, tolerance, tolerance * scale, equal_nan=True), (
        f"{what}: {got}, expected {expected}"
    )


def complex_too(row: Row) -> tuple[str, ...]:
    return ("float64", "complex128") if COMPLEX in row.dtypes else ("float64",)


def has_gradient(record: Op, row: Row) -> bool:
    return record.differentiable and not row.random and bool(differentiable(row))


# ---------------------------------------------------------------- values


def check_forward(record: Op, row: Row):
    """The result is the reference's; floating results keep the inputs' dtype."""
    for dtype in complex_too(row):
        arrays = arrays_of(row, dtype)
        outputs = run(record, row, tensors_of(row, arrays, False))
        assert all(isinstance(y, Tensor) for y in outputs)
        if row.random or row.reference is None:
            continue
        with np.errstate(all="ignore"):
            expected = row.reference(*arrays, *row.settings)
        close(outputs[0], expected, 1e-10, f"forward in {dtype}")


def check_forward_keeps_inputs(record: Op, row: Row):
    """The forward writes into none of its inputs."""
    arrays = arrays_of(row)
    tensors = tensors_of(row, arrays, False)
    run(record, row, tensors)
    for x, a in zip(tensors, arrays, strict=True):
        if isinstance(a, np.ndarray):
            assert np.array_equal(x._array, a, equal_nan=a.dtype.kind in "fc"), "the forward wrote into an input"


def check_view(record: Op, row: Row):
    """A view shares its input's memory, and its version counter."""
    if record.kind != VIEW or row.call is not None:
        return False
    tensors = tensors_of(row, arrays_of(row), False)
    for y in run(record, row, tensors):
        assert np.shares_memory(y._array, tensors[0]._array) or not y._array.size, "a view that has memory of its own"
        tensors[0].add_(1)
        assert y._version == tensors[0]._version


def check_dtypes(record: Op, row: Row):
    """Other dtypes give what float64 gives on the same numbers, in their own dtype; so do gradients."""
    for letter in row.dtypes:
        for dtype in DTYPES[letter]:
            arrays = arrays_of(row, dtype)
            tensors = tensors_of(row, arrays)
            outputs, found = gradients(record, row, tensors)
            inputs = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
            for x, g in zip(inputs, found):
                if g is not None:
                    assert g.dtype is x.dtype, f"gradient of dtype {g.dtype} for an input of {x.dtype}"
                    assert g.shape == x.shape
            if row.random:
                continue
            if letter in (INTEGER, BOOL):
                if row.reference is not None:
                    if outputs[0].is_floating_point():
                        arrays = [a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arrays]
                    with np.errstate(all="ignore"):
                        expected = row.reference(*arrays, *row.settings)
                    close(outputs[0], expected, 1e-5, f"forward in {dtype}")
                continue
            precise = "complex128" if letter == COMPLEX else "float64"
            wide = [
                a.astype(precise) if isinstance(m, Maker) and m.kind == "f" else a for a, m in zip(arrays, row.inputs)
            ]
            exact, exact_gradients = gradients(record, row, tensors_of(row, wide))
            tolerance = row.tolerance * PRECISION.get(dtype, 1e-4)
            for y, e in zip(outputs, exact, strict=True):
                close(y, e, tolerance, f"forward in {dtype}")
                if e.dtype in (dtypes.float64, dtypes.complex128) and dtype in PRECISION:
                    kept = y.dtype is not e.dtype or dtypes.float64 in row.settings
                    assert kept, f"{dtype} inputs gave {y.dtype}"
            for g, e in zip(found, exact_gradients, strict=True):
                close(g, e, 8 * tolerance, f"gradient in {dtype}")


def check_empty(record: Op, row: Row):
    """Inputs without elements are fine, and have gradients without elements."""
    if not row.empty or not any(isinstance(m, Maker) and m.shape for m in row.inputs):
        return False
    most = max(len(m.shape) for m in row.inputs if isinstance(m, Maker))
    makers = [m.empty() if isinstance(m, Maker) and len(m.shape) == most else m for m in row.inputs]
    for dtype in complex_too(row):
        tensors = tensors_of(row, arrays_of(row, dtype, makers=makers))
        _, found = gradients(record, row, tensors)
        inputs = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
        for x, g in zip(inputs, found):
            assert g is None or g.shape == x.shape


def check_scalar(record: Op, row: Row):
    """0-d inputs: values, gradients and second gradients."""
    if not (record.kind == ELEMENTWISE if row.scalar is None else row.scalar):
        return False
    if not all(m.kind == "f" for m in row.inputs if isinstance(m, Maker)):
        return False
    makers = [m.scalar() if isinstance(m, Maker) else m for m in row.inputs]
    for dtype in complex_too(row):
        arrays = arrays_of(row, dtype, makers=makers)
        for as_scalar in (False, True):
            tensors = tensors_of(row, arrays)
            if as_scalar:
                for x in tensors:
                    if isinstance(x, Tensor):
                        x._array = x._array[()]
            outputs = run(record, row, tensors)
            if row.reference is not None:
                with np.errstate(all="ignore"):
                    close(outputs[0], row.reference(*arrays, *row.settings), 1e-10, "0-d forward")
            _gradients_agree(record, row, tensors)


# ---------------------------------------------------------------- derivatives


def _function(record: Op, row: Row):
    return lambda *tensors: run(record, row, tensors)


def _gradients_agree(record: Op, row: Row, tensors, second=True) -> None:
    if not has_gradient(record, row) or not any(y.requires_grad for y in run(record, row, tensors)):
        return
    function = _function(record, row)
    gradcheck(function, tensors, check_undefined_grad=False, check_grad_dtypes=True)
    if second and row.second:
        gradgradcheck(function, tensors, check_undefined_grad=False, check_grad_dtypes=True)


def check_gradient(record: Op, row: Row):
    """First derivatives against finite differences, and undefined gradients."""
    if not has_gradient(record, row):
        return False
    for dtype in complex_too(row):
        tensors = tensors_of(row, arrays_of(row, dtype))
        gradcheck(_function(record, row), tensors, check_grad_dtypes=True)


def check_independence(record: Op, row: Row):
    """Where the record has no gradient, the result does not depend on the input."""
    if row.random or not record.differentiable:
        return False
    blind = [i for i in differentiable(row) if not has_formula(record, i)]
    arrays = arrays_of(row)
    for i in blind:
        outputs = run(record, row, tensors_of(row, arrays, False))
        moved = [a + 1e-3 if k == i else a for k, a in enumerate(arrays)]
        for y, z in zip(outputs, run(record, row, tensors_of(row, moved, False)), strict=True):
            assert np.array_equal(y._array, z._array), f"input {i} matters, but has no gradient"


def check_second(record: Op, row: Row):
    """Second derivatives against finite differences; gradients on Tensors are those on arrays."""
    if not has_gradient(record, row):
        return False
    for dtype in complex_too(row):
        arrays = arrays_of(row, dtype)
        _, on_arrays = gradients(record, row, tensors_of(row, arrays))
        _, on_tensors = gradients(record, row, tensors_of(row, arrays), create_graph=True)
        for a, t in zip(on_arrays, on_tensors, strict=True):
            close(t, a, 1e-12, f"gradient with create_graph in {dtype}")
            assert a is None or t.dtype is a.dtype
        if row.second:
            gradgradcheck(
                _function(record, row), tensors_of(row, arrays), check_undefined_grad=False, check_grad_dtypes=True
            )


def check_jvp(record: Op, row: Row):
    """Forward mode against finite differences, and <u, jvp(v)> = <vjp(u), v>."""
    if not has_gradient(record, row) or not row.jvp:
        return False
    for dtype in complex_too(row):
        arrays = arrays_of(row, dtype)
        tensors = tensors_of(row, arrays)
        gradcheck(
            _function(record, row),
            tensors,
            check_forward_ad=True,
            check_backward_ad=False,
            check_undefined_grad=False,
            check_grad_dtypes=True,
        )
        outputs, found = gradients(record, row, tensors)
        roots = [k for k, y in enumerate(outputs) if y.requires_grad]
        seeds = seeds_for([outputs[k] for k in roots])
        rng = np.random.default_rng(3)
        tangents = {}
        for i, x in enumerate(tensors):
            if isinstance(x, Tensor) and x.requires_grad:
                values = rng.uniform(-1, 1, x._array.shape)
                if x.is_complex():
                    values = values + 1j * rng.uniform(-1, 1, x._array.shape)
                tangents[i] = np.asarray(values).astype(x._array.dtype)
        with forward_ad.dual_level():
            duals = [
                forward_ad.make_dual(x.detach(), wrap(tangents[i])) if i in tangents else x
                for i, x in enumerate(tensors)
            ]
            moved = run(record, row, duals)
            moved = [forward_ad.unpack_dual(moved[k]).tangent for k in roots]
        for t, k in zip(moved, roots):
            assert t is not None, "a result of dual numbers has no tangent"
            assert t.dtype is outputs[k].dtype, f"tangent of dtype {t.dtype}"
        forward = sum(np.vdot(u._array, t._array).real for u, t in zip(seeds, moved))
        backward = sum(
            np.vdot(g._array, v).real for g, v in zip(found, tangents.values(), strict=True) if g is not None
        )
        close(forward, backward, 1e-9, "<u, jvp(v)> against <vjp(u), v>")


def check_broadcasting(record: Op, row: Row):
    """An elementwise operation on shapes that broadcast gives what it gives on the broadcast inputs."""
    places = [i for i, m in enumerate(row.inputs) if isinstance(m, Maker)]
    if record.kind != ELEMENTWISE or len(places) < 2:
        return False
    arrays = arrays_of(row)
    whole = np.broadcast_shapes(*[arrays[i].shape for i in places])
    full = [np.broadcast_to(a, whole).copy() if i in places else a for i, a in enumerate(arrays)]
    for place in places:
        for cut in ((), (1,) * len(whole), whole[1:], (whole[0],) + (1,) * (len(whole) - 1)):
            some = list(full)
            index = (0,) * (len(whole) - len(cut)) + tuple(slice(0, n) for n in cut)
            some[place] = np.array(full[place][index])
            spread = list(some)
            spread[place] = np.broadcast_to(some[place], whole).copy()
            tensors = tensors_of(row, some)
            outputs, found = gradients(record, row, tensors)
            expected, whole_gradients = gradients(record, row, tensors_of(row, spread))
            for y, e in zip(outputs, expected, strict=True):
                close(y, e, 1e-12, f"broadcast from {cut}")
            inputs = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
            for x, g, e in zip(inputs, found, whole_gradients):
                if e is not None:
                    close(g, summed(e._array, x._array.shape), 1e-12, f"gradient of a broadcast from {cut}")


def summed(array, shape):
    """`array` summed over the dimensions along which `shape` was broadcast."""
    extra = array.ndim - len(shape)
    array = array.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and array.shape[i] != 1)
    return array.sum(axis=axes, keepdims=True)


def check_batch(record: Op, row: Row):
    """Under vmap, an operation gives what it gives sample by sample: each input batched alone, and all together."""
    places = [i for i, m in enumerate(row.inputs) if isinstance(m, Maker)]
    if row.random or not places:
        return False
    samples = [arrays_of(row, seed=seed) for seed in range(3)]
    for chosen in [*((p,) for p in places), tuple(places)] if len(places) > 1 else [tuple(places)]:
        each = [
            run(
                record,
                row,
                tensors_of(row, [a if i in chosen else b for i, (a, b) in enumerate(zip(s, samples[0]))], False),
            )
            for s in samples
        ]
        if len({tuple(y.shape for y in ys) for ys in each}) > 1:
            return False  # the result's shape depends on the data
        stacked = [np.stack([s[i] for s in samples]) if i in chosen else a for i, a in enumerate(samples[0])]
        tensors = tensors_of(row, stacked, False)
        in_dims = tuple(0 if i in chosen else None for i in range(len(tensors)))
        together = vmap(lambda *x: run(record, row, x), in_dims=in_dims)(*tensors)
        for k, y in enumerate(together):
            close(y, np.stack([ys[k]._array for ys in each]), 1e-10, f"batched inputs {chosen}")


# ---------------------------------------------------------------- memory


def _transposed(array):
    return np.asfortranarray(array)


def _strided(array):
    wide = np.zeros((*array.shape[:-1], array.shape[-1] * 2), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def _expanded(array):
    return np.broadcast_to(array[:1], array.shape)


def check_layouts(record: Op, row: Row):
    """Inputs that do not lie in memory in row-major order give what their contiguous copies give."""
    places = [i for i, m in enumerate(row.inputs) if isinstance(m, Maker) and m.shape]
    if not row.layouts or row.random or not places:
        return False
    arrays = arrays_of(row)
    for layout, place in itertools.product((_transposed, _strided, _expanded), places):
        if layout is _expanded and row.inputs[place].kind != "f":
            continue
        laid = [layout(a) if i == place else a for i, a in enumerate(arrays)]
        if layout is _expanded and not row.inputs[place].repeatable:
            continue
        tensors = tensors_of(row, laid)
        straight = tensors_of(row, laid)
        kept = tensors[place].requires_grad
        tensors[place] = wrap(laid[place]).requires_grad_(kept)
        outputs, found = gradients(record, row, tensors)
        expected, expected_gradients = gradients(record, row, straight)
        for y, e in zip(outputs, expected, strict=True):
            close(y, e, 1e-12, f"input {place} {layout.__name__}")
        for g, e in zip(found, expected_gradients, strict=True):
            close(g, e, 1e-12, f"gradient, input {place} {layout.__name__}")


def check_in_place(record: Op, row: Row):
    """The in-place twin gives the out-of-place result and gradients, in the tensor's own memory."""
    name = row.in_place
    if name is None:
        shown = record.apply.__name__
        name = shown + "_" if hasattr(Tensor, shown + "_") else False
    if not name or not isinstance(row.inputs[0], Maker):
        return False
    tensors = tensors_of(row, arrays_of(row))
    expected = run(record, row, tensors)[0]
    if expected.shape != tensors[0].shape or expected.dtype is not tensors[0].dtype:
        return False
    for wanted in (differentiable(row), ()):
        tensors = tensors_of(row, arrays_of(row), wanted)
        expected, expected_gradients = gradients(record, row, tensors)

        def twin(first, *rest):
            target = first.clone()
            version, memory = target._version, target._array
            result = getattr(target, name)(*rest)
            assert result is target, f"{name} returned another tensor"
            assert target._version > version, f"{name} did not count its write"
            assert np.shares_memory(target._array, memory) or target._array.ndim == 0
            return result

        changed = Row(row.inputs, row.settings, call=twin)
        got, found = gradients(record, changed, tensors)
        close(got[0], expected[0], 1e-12, name)
        for g, e in zip(found, expected_gradients, strict=True):
            close(g, e, 1e-12, f"gradient of {name}")


def check_needs(record: Op, row: Row):
    """Asked for the gradient by one input, the formula gives that one, and the same as when asked for all."""
    wanted = [i for i in differentiable(row) if has_formula(record, i)]
    if not has_gradient(record, row) or len(wanted) < 2:
        return False
    arrays = arrays_of(row)
    tensors = tensors_of(row, arrays, wanted)
    _, all_gradients = gradients(record, row, tensors)
    for i, expected in zip(wanted, all_gradients, strict=True):
        alone = tensors_of(row, arrays, (i,))
        _, (found,) = gradients(record, row, alone)
        close(found, expected, 1e-12, f"gradient by input {i} alone")
        together = tensors_of(row, arrays, wanted)
        roots = [y for y in run(record, row, together) if y.requires_grad]
        (found,) = torch.autograd.grad(roots, together[i], seeds_for(roots), allow_unused=True)
        close(found, expected, 1e-12, f"gradient by input {i}, asked for alone")


def check_aliasing(record: Op, row: Row):
    """A formula returns fresh arrays, the incoming gradient or views of it: never saved memory or the user's."""
    if not has_gradient(record, row):
        return False
    tensors = tensors_of(row, arrays_of(row))
    outputs = run(record, row, tensors)
    before = [np.array(x._array, copy=True) for x in (*tensors, *outputs) if isinstance(x, Tensor)]
    nodes = {id(y.grad_fn): y.grad_fn for y in outputs if y.requires_grad and y.grad_fn is not None}
    for node in nodes.values():
        if getattr(node, "op", None) is not record:
            continue
        mine = {y.output_nr: y for y in outputs if y.grad_fn is node}
        seeds = {n: np.array(s._array, copy=True) for (n, s) in zip(mine, seeds_for(list(mine.values())), strict=True)}
        gradient = seeds[0] if node.n_outputs == 1 else [seeds.get(n) for n in range(node.n_outputs)]
        kept = [np.copy(s) for s in seeds.values()]
        first = node.backward(gradient, tuple(node.edges))
        assert node.saved.__class__ is not Freed
        for result in first or ():
            if not isinstance(result, np.ndarray):
                continue
            for x in (*tensors, *outputs):
                if isinstance(x, Tensor) and isinstance(x._array, np.ndarray):
                    assert not np.shares_memory(result, x._array), "a gradient is the memory of an input or output"
            for array in saved_arrays(node.saved):
                assert not np.shares_memory(result, array), "a gradient is memory the node has saved"
        for s, k in zip(seeds.values(), kept, strict=True):
            assert np.array_equal(s, k), "the formula wrote into the incoming gradient"
    after = [x._array for x in (*tensors, *outputs) if isinstance(x, Tensor)]
    for a, b in zip(after, before, strict=True):
        assert np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"), "the formula wrote into an input or output"


def saved_arrays(saved):
    """Every array among a node's saved values."""
    for entry in saved if isinstance(saved, (tuple, list)) else ():
        value = getattr(entry, "tensor", None)
        value = entry if value is None else value
        value = getattr(value, "_array", value)
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from saved_arrays(value)


CHECKS = {name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")}
