"""torch.autograd.functional: products with Jacobians and Hessians, and the matrices themselves, of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..modes import enable_grad, is_grad_enabled, set_grad_enabled
from ..tensor import Tensor, wrap
from ..transforms import carries

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Tensor, ...]

_INDEPENDENT = {
    "back": "The output of the user-provided function is independent of input {}. This is not allowed in strict mode.",
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double "
        "backward trick to compute forward mode gradients. This is not allowed in strict mode."
    ),
    "double_back": (
        "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode."
    ),
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian. This is not "
        "allowed in strict mode as it prevents from using the double backward trick to replace forward mode AD."
    ),
    "graph": (
        "The {} of the user-provided function is independent of input {}. This is not allowed in strict mode when "
        "create_graph=True."
    ),
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
        "differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided function. This is not "
        "allowed in strict mode."
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} "
        "is independent of the input. This is not allowed in strict mode. You should ensure that your function is "
        "twice differentiable and that the jacobian depends on the inputs (this would be violated by a linear "
        "function for example)."
    ),
    "hessian": (
        "The hessian of the user-provided function with respect to input {} is independent of the input. This is not "
        "allowed in strict mode. You should ensure that your function is thrice differentiable and that the hessian "
        "depends on the inputs."
    ),
    "entry": (
        "Output {} of the user-provided function is independent of input {}. This is not allowed in strict mode."
    ),
}


def _tensors(values, what: str, function: str) -> tuple[bool, Tensors]:
    """(whether a tuple was given, the values as a tuple); TypeError on anything but tensors."""
    is_tuple = isinstance(values, tuple)
    found = values if is_tuple else (values,)
    for i, value in enumerate(found):
        if not isinstance(value, Tensor):
            where = f"value at index {i}" if is_tuple else f"given {what}"
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the {where} has "
                f"type {type(value)}."
            )
    return is_tuple, found


def _call(func: Callable, inputs: Tensors, function: str) -> tuple[bool, Tensors]:
    return _tensors(func(*inputs), "outputs of the user-provided function", function)


def _fresh(inputs: Tensors, create_graph: bool, need_graph: bool = True) -> Tensors:
    """The inputs as tensors to differentiate by: parts of the caller's graph only with `create_graph`."""
    made = []
    for x in inputs:
        if create_graph and need_graph and (x.requires_grad or carries(x)):
            made.append(x.view_as(x))
        elif create_graph and not need_graph:
            made.append(x)
        else:
            made.append(x.detach().requires_grad_(need_graph))
    return tuple(made)


def _result(values: Any, is_tuple: bool, create_graph: bool):
    """What the caller gets: detached unless a graph is wanted, in the form in which it gave or returned tensors."""
    if isinstance(values[0], tuple):
        values = tuple(_result(v, True, create_graph) for v in values)
    elif not create_graph:
        values = tuple(v.detach() for v in values)
    return values if is_tuple else values[0]


def _direction(v, like: Tensors, is_tuple: bool, function: str) -> Tensors:
    """The vector `v`, as a tuple of tensors with the sizes of `like`."""
    _, found = _tensors(v, "v", function)
    found = _fresh(found, create_graph=True, need_graph=False)
    if len(found) != len(like):
        if is_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(found)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(found, like)):
        if a.shape != b.shape:
            prefix = f"Entry {i} in " if is_tuple else ""
            raise RuntimeError(f"{prefix}v has invalid size: should be {b.shape} but got {a.shape}.")
    return found


def _needs_single_input(inputs: Tensors) -> None:
    if len(inputs) != 1 or inputs[0].numel() != 1:
        raise RuntimeError(
            "The vector v can only be None if the input to the user-provided function is a single Tensor with a single "
            "element."
        )


def _check_recorded(values, kind: str, strict: bool) -> None:
    """In strict mode every value must have been computed from the inputs."""
    if not strict:
        return
    for i, value in enumerate(values):
        if value is None:
            raise RuntimeError(_INDEPENDENT["back"].format(i))
        if not value.requires_grad:
            raise RuntimeError(_INDEPENDENT[kind].format(i))


def _grad(outputs, inputs: Tensors, gradients=None, create_graph: bool = False, retain_graph=None, batched=False):
    """Gradients by `inputs`, None where there are none; outputs that do not require grad are left out."""
    from . import grad

    if gradients is None:
        gradients = (None,) * len(outputs)
    kept = [(y, g) for y, g in zip(outputs, gradients, strict=True) if y is not None and y.requires_grad]
    if not kept:
        return (None,) * len(inputs)
    return grad(
        [y for y, _ in kept],
        inputs,
        [g for _, g in kept],
        allow_unused=True,
        create_graph=create_graph,
        retain_graph=retain_graph,
        is_grads_batched=batched,
    )


def _zeros_for_none(gradients, like, strict: bool, create_graph: bool, stage: str) -> Tensors:
    """Zeros in place of missing gradients; RuntimeError in strict mode."""
    found = []
    for i, (g, x) in enumerate(zip(gradients, like, strict=True)):
        if g is None:
            if strict:
                raise RuntimeError(_INDEPENDENT[stage].format(i))
            g = _zeros(x)
        elif strict and create_graph and not g.requires_grad:
            what = "hessian" if stage.startswith("double") else "jacobian"
            raise RuntimeError(_INDEPENDENT["graph"].format(what, i))
        found.append(g)
    return tuple(found)


def _zeros(like: Tensor) -> Tensor:
    from ..ops.creation import zeros_like

    return zeros_like(like)


def vjp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(outputs of `func`, ``v`` times its Jacobian at `inputs`).

    `v` has the sizes of the outputs, and may be left out for a single output of one element. With `create_graph` the
    results can be differentiated. `strict`: RuntimeError where an output does not depend on an input, rather than
    zeros.
    """
    with enable_grad():
        tuple_in, inputs = _tensors(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        tuple_out, outputs = _call(func, inputs, "vjp")
        _check_recorded(outputs, "outputs", strict)
        if v is not None:
            v = _direction(v, outputs, tuple_out, "vjp")
        elif len(outputs) != 1 or outputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the user-provided function returns a single Tensor with a single "
                "element."
            )
    with set_grad_enabled(create_graph or is_grad_enabled()):
        gradients = _grad(outputs, inputs, v, create_graph=create_graph)
        product = _zeros_for_none(gradients, inputs, strict, create_graph, "back")
    return _result(outputs, tuple_out, create_graph), _result(product, tuple_in, create_graph)


def jvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(outputs of `func`, its Jacobian at `inputs` times ``v``), by differentiating backward by its gradient.

    `v` has the sizes of the inputs, and may be left out for a single input of one element. Options as in `vjp`.
    """
    with enable_grad():
        tuple_in, inputs = _tensors(inputs, "inputs", "jvp")
        inputs = _fresh(inputs, create_graph)
        if v is not None:
            v = _direction(v, inputs, tuple_in, "jvp")
        else:
            _needs_single_input(inputs)
        tuple_out, outputs = _call(func, inputs, "jvp")
        _check_recorded(outputs, "outputs", strict)
        probes = tuple(_zeros(y).requires_grad_() for y in outputs)
        pulled = _grad(outputs, inputs, probes, create_graph=True)
        _check_recorded(pulled, "grad_inputs", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        moved = _grad(pulled, probes, v, create_graph=create_graph)
        product = _zeros_for_none(moved, outputs, strict, create_graph, "back_trick")
    return _result(outputs, tuple_out, create_graph), _result(product, tuple_out, create_graph)


def _construct_standard_basis_for(tensors: Tensors, tensor_numels: tuple[int, ...]) -> Tensors:
    """All unit vectors in the space of all the tensors together: for each tensor, its part of them as a matrix's rows."""
    total, made, start = sum(tensor_numels), [], 0
    for x, count in zip(tensors, tensor_numels, strict=True):
        made.append(wrap(np.eye(total, count, -start, dtype=x._array.dtype)))
        start += count
    return tuple(made)


def _unit_vectors(tensors: Tensors) -> Tensors:
    """The same with rows of the tensors' shapes."""
    sizes = tuple(x.numel() for x in tensors)
    parts = _construct_standard_basis_for(tensors, sizes)
    return tuple(
        part.reshape((-1, *x.shape) if x.numel() else (0, *x.shape)) for part, x in zip(parts, tensors, strict=True)
    )


def _jacobian_forward(func: Callable, inputs, strict: bool, vectorize: bool):
    """The Jacobian column by column, all columns at once: vmap over forward mode."""
    from ..batching import vmap_with_none
    from . import forward_ad

    if strict:
        raise RuntimeError(
            'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported '
            'together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    tuple_in, inputs = _tensors(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for "
            "`vectorize=True`."
        )
    form: list = []

    def columns(position: int):
        def column(tangent):
            with forward_ad.dual_level():
                duals = [x.detach() for x in inputs]
                duals[position] = forward_ad.make_dual(duals[position], tangent)
                tuple_out, outputs = _call(func, tuple(duals), "jacobian")
                form[:] = [tuple_out]
                parts = []
                for y in outputs:
                    primal, moved = forward_ad.unpack_dual(y)
                    parts.append(_zeros(primal) if moved is None else moved)
                return tuple(parts)

        return vmap_with_none(column, _unit_vectors((inputs[position],)))

    by_input = [columns(i) for i in range(len(inputs))]
    rows = tuple(
        tuple(part.movedim(0, -1).reshape((*part.shape[1:], *x.shape)) for part, x in zip(parts, inputs, strict=True))
        for parts in zip(*by_input, strict=True)
    )
    rows = tuple(row if tuple_in else row[0] for row in rows)
    return rows if form[0] else rows[0]


def jacobian(
    func: Callable,
    inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
):
    """The Jacobian of `func`: entry [i][j] (without i or j for a single tensor) has the shape of output i,
    followed by that of input j.

    `vectorize` computes all rows at once (vmap), or with ``strategy="forward-mode"`` all columns. Options as in `vjp`.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
                'supported together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        return _jacobian_forward(func, inputs, strict, vectorize)
    with enable_grad():
        tuple_in, inputs = _tensors(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        tuple_out, outputs = _call(func, inputs, "jacobian")
        _check_recorded(outputs, "outputs", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
                "Please either set `strict=False` or `vectorize=False`."
            )
        if vectorize:
            rows = _rows_at_once(outputs, inputs, create_graph)
        else:
            rows = tuple(_rows(i, y, inputs, create_graph, strict) for i, y in enumerate(outputs))
    rows = tuple(_result(row, tuple_in, create_graph) for row in rows)
    return rows if tuple_out else rows[0]


def _rows_at_once(outputs: Tensors, inputs: Tensors, create_graph: bool) -> tuple[Tensors, ...]:
    """The Jacobians of all outputs by all inputs, by one backward of all unit vectors at once."""
    found = _grad(outputs, inputs, _unit_vectors(outputs), create_graph=create_graph, retain_graph=True, batched=True)
    rows, start = [], 0
    for y in outputs:
        stop = start + y.numel()
        rows.append(
            tuple(
                wrap(np.zeros((*y.shape, *x.shape), x._array.dtype))
                if g is None
                else g[start:stop].reshape((*y.shape, *x.shape))
                for g, x in zip(found, inputs, strict=True)
            )
        )
        start = stop
    return tuple(rows)


def _rows(number: int, output: Tensor, inputs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    """The Jacobian of one output by each input, one backward for each element."""
    from ..ops.joining import stack

    columns: list[list[Tensor]] = [[] for _ in inputs]
    flat = output.reshape(-1)
    for k in range(output.numel()):
        found = _grad((flat[k],), inputs, retain_graph=True, create_graph=create_graph)
        for i, (g, x) in enumerate(zip(found, inputs, strict=True)):
            if g is None:
                if strict:
                    raise RuntimeError(_INDEPENDENT["entry"].format(number, i))
                g = _zeros(x)
            elif strict and create_graph and not g.requires_grad:
                raise RuntimeError(_INDEPENDENT["graph"].format("jacobian", i))
            columns[i].append(g)
    return tuple(
        stack(column).reshape((*output.shape, *x.shape))
        if column
        else wrap(np.zeros((*output.shape, *x.shape), x._array.dtype))
        for column, x in zip(columns, inputs, strict=True)
    )


def _single(func: Callable, inputs: Tensors, function: str, strict: bool) -> Tensors:
    """The outputs of a function that must return one tensor of one element."""
    is_tuple, outputs = _call(func, inputs, function)
    _check_recorded(outputs, "outputs", strict)
    if is_tuple:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(f"The Tensor returned by the function given to {function} should contain a single element")
    return outputs


def hessian(
    func: Callable,
    inputs,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
):
    """The Hessian at `inputs` of a `func` that returns one element: entry [i][j] has the shapes of inputs i and j.

    Options as in `jacobian`, which is used twice; `outer_jacobian_strategy` is the second one's strategy.
    """
    from ..func.derivatives import fresh

    tuple_in, inputs = _tensors(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def single(*arguments):
        return _single(func, arguments, "hessian", strict)[0].reshape(())

    def gradient(*arguments):
        if outer_jacobian_strategy == "forward-mode":
            arguments = tuple(map(fresh, arguments))  # dual numbers, in a batch
        found = jacobian(single, arguments, create_graph=True)
        _check_recorded(found, "jacobian", strict)
        return found

    rows = jacobian(
        gradient,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )
    return rows if tuple_in else rows[0][0]


def _gradient_and_direction(function: str, func: Callable, inputs, v, create_graph: bool, strict: bool):
    """What a product with a Hessian starts from: (whether the inputs are a tuple, the inputs, v, the output, its gradient),
    recorded."""
    tuple_in, inputs = _tensors(inputs, "inputs", function)
    inputs = _fresh(inputs, create_graph)
    if v is not None:
        v = _direction(v, inputs, tuple_in, function)
    else:
        _needs_single_input(inputs)
    outputs = _single(func, inputs, function, strict)
    gradient = _grad(outputs, inputs, create_graph=True)
    _check_recorded(gradient, "jacobian", strict)
    return tuple_in, inputs, v, outputs, gradient


def vhp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(output of `func`, ``v`` times its Hessian at `inputs`), for a `func` of one element. Options as in `jvp`."""
    with enable_grad():
        tuple_in, inputs, v, outputs, gradient = _gradient_and_direction("vhp", func, inputs, v, create_graph, strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _grad(gradient, inputs, v, create_graph=create_graph)
        product = _zeros_for_none(found, inputs, strict, create_graph, "double_back")
    return _result(outputs, False, create_graph), _result(product, tuple_in, create_graph)


def hvp(func: Callable, inputs, v=None, create_graph: bool = False, strict: bool = False):
    """(output of `func`, its Hessian at `inputs` times ``v``), for a `func` of one element. Options as in `jvp`.

    The same numbers as `vhp`, at more cost: the Hessian is symmetric.
    """
    with enable_grad():
        tuple_in, inputs, v, outputs, gradient = _gradient_and_direction("hvp", func, inputs, v, create_graph, strict)
        probes = tuple(_zeros(x).requires_grad_() for x in inputs)
        pulled = _grad(gradient, inputs, probes, create_graph=True)
        _check_recorded(pulled, "hessian", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _grad(pulled, probes, v, create_graph=create_graph)
        product = _zeros_for_none(found, inputs, strict, create_graph, "double_back_trick")
    return _result(outputs, False, create_graph), _result(product, tuple_in, create_graph)
