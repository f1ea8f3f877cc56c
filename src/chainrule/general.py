"""Calling an operation in full generality: numbers, promotion, broadcasting, views, several outputs, every mode."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .backend import numpy as backend
from .engine import SavedTensor, next_sequence, user_position
from .modes import CAREFUL, active_saved_hooks, is_quiet, local, silence
from .record import (
    CHANGES_DTYPE,
    ELEMENTWISE,
    FROM_DTYPE,
    FROM_INPUT,
    FROM_INPUTS,
    FROM_OUTPUT,
    FROM_OUTPUTS,
    FROM_SHAPE,
    FROM_SHAPES,
    NUMBERS,
    NUMBERS_AS_TENSORS,
    REGISTRY,
    VIEW,
    Op,
    run_forward,
)
from .tensor import (
    IN_INFERENCE,
    IN_NO_GRAD,
    ONE_OF_MANY,
    ORDINARY,
    PARTS_OF_OWN,
    Tensor,
    View,
    memory,
    own_extra,
    refresh_view,
    version_counter,
    wrap,
)

new = object.__new__
scalar_array = backend.scalar_array
SINGLE = backend.SINGLE


def must_be_tensor(function: str, argument: str, position: int, value) -> TypeError:
    kind = type(value)
    name = f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__
    return TypeError(f"{function}(): argument '{argument}' (position {position}) must be Tensor, not {name}")


def check_tensor(function: str, input) -> None:
    """TypeError for a first argument that is no tensor."""
    if not isinstance(input, Tensor):
        raise must_be_tensor(function, "input", 1, input)


def broadcast_error(*shapes) -> None:
    """Raises PyTorch's error if the shapes do not broadcast together."""
    ndim = max(map(len, shapes))
    for dim in range(ndim - 1, -1, -1):
        size = 1
        for shape in shapes:
            i = dim - ndim + len(shape)
            if i < 0 or shape[i] == 1 or shape[i] == size:
                continue
            if size == 1:
                size = shape[i]
                continue
            raise RuntimeError(
                f"The size of tensor a ({size}) must match the size of tensor b ({shape[i]}) at non-singleton "
                f"dimension {dim}"
            )


def by_its_own_rule(record: Op, inputs, settings, error: TypeError):
    """The result, where something that is no tensor has a `__torch_function__` for it; otherwise raises the error."""
    classes = [type(v) for v in inputs if not isinstance(v, Tensor) and hasattr(type(v), "__torch_function__")]
    for cls in classes:
        result = cls.__torch_function__(record.apply, tuple(classes), (*inputs, *settings), {})
        if result is not NotImplemented:
            return result
    raise error


def general(record: Op, inputs, settings=(), out=None):
    """Runs an operation, whatever it is."""
    return record.plain(inputs, settings) if out is None else run_carefully(record, inputs, settings, out)


def is_plain_view(tensor: Tensor) -> bool:
    """Whether a tensor with an Extra is a view like any other, whose grad_fn is true, and has nothing else that needs care."""
    extra = tensor._extra
    view = extra.view
    return (
        view is not None
        and view.creation == ORDINARY
        and view.replay is None
        and view.version == tensor._counter.version
        and view.base._requires_grad is tensor._requires_grad  # a base may have been made to since
        and not (extra.special or extra.output_number or extra.inference)
    )


def run_carefully(record: Op, inputs, settings, out=None):
    """Runs an operation in full generality: numbers, promotion, views, modes, tangents, batches, several outputs."""
    special = needs_grad = normal = False
    mode = local.mode
    for i, value in enumerate(inputs):
        if isinstance(value, Tensor):
            extra = value._extra
            if extra is None:
                normal = True
            else:
                if extra.view is not None and local.levels and not extra.special:
                    _inherit(value)
                if extra.special:
                    special = True
                if not extra.inference:
                    normal = True
                if extra.view is not None and record.differentiable and value.requires_grad and local.grad_enabled:
                    refresh_view(value)
                    needs_grad = True  # though nothing may lead to its base: see attach_views
            if value._requires_grad:
                needs_grad = True
        elif value is None and not (record.kind == ELEMENTWISE and len(record.inputs) == 2):
            continue  # an optional input
        elif not (i in record.numbers and isinstance(value, NUMBERS)):
            if i in record.numbers and isinstance(value, backend.np.generic):
                return general(record, [python_number(v) for v in inputs], settings, out)
            name = record.inputs[i] if i < len(record.inputs) else record.variadic
            error = must_be_tensor(record.name, {"x": "input", "y": "other"}.get(name, name), i + 1, value)
            return by_its_own_rule(record, inputs, settings, error)
    if special or (mode == CAREFUL and local.function_modes):
        from .transforms import apply_special

        return apply_special(record, inputs, settings, out)
    if mode == CAREFUL and local.autocast is not None and out is None:
        from .amp import cast_inputs

        inputs = cast_inputs(record, inputs)
    if not is_quiet():
        silence()
    if record.check is not None:
        record.check(*inputs)
    if needs_grad and not normal:
        normal = record.name in NUMBERS_AS_TENSORS and any(isinstance(value, NUMBERS) for value in inputs)
    arrays = _arrays(record, inputs)
    try:
        if mode == CAREFUL and local.kernels is not None:
            results = local.kernels.run(record, inputs, arrays, settings)
        else:
            results = run_forward(record, arrays, settings)
    except ValueError:
        if len(record.promote) > 1:
            broadcast_error(*[a.shape for a in arrays if hasattr(a, "shape")])
        raise
    if record.factor_in_single and arrays[0].dtype is not arrays[1].dtype:
        results = results.astype(arrays[0].dtype)
    many = record.outputs != ()
    if needs_grad and normal and record.differentiable and local.grad_enabled:
        wrapped = _recorded(record, inputs, settings, arrays, results)
    elif many:
        wrapped = tuple([wrap(backend.result_array(result)) for result in results])
    else:
        wrapped = wrap(backend.result_array(results))
    of_inference = local.inference
    if record.kind == VIEW:
        of_inference = inputs[0].is_inference()
        if not of_inference:
            attach_views(record, inputs[0], wrapped, settings, many)
    if of_inference:
        for tensor in wrapped if many else (wrapped,):
            own_extra(tensor).inference = True
    if out is not None:
        from .inplace import write_out

        return write_out(record, out, wrapped, inputs)
    return wrapped


def is_number(value) -> bool:
    return isinstance(value, (*NUMBERS, backend.np.generic))


def python_number(value):
    """A NumPy scalar as a Python number: its dtype has no say in promotion. (A NumPy bool counts as a float.)"""
    if isinstance(value, backend.np.bool_):
        return float(value)
    return value.item() if isinstance(value, backend.np.generic) else value


def _arrays(record: Op, inputs):
    """The arrays of the inputs, promoted where the record says so; numbers become 0-d arrays of the common dtype."""
    if record.kind == VIEW:
        return (memory(inputs[0]),)
    promote = record.promote
    if record.variadic and promote:
        promote = range(len(inputs))
    if not promote:
        arrays = [value._array if isinstance(value, Tensor) else value for value in inputs]
        if record.floating and arrays[0].dtype.kind in "iub":
            arrays[0] = arrays[0].astype(dtypes.get_default_dtype().numpy_dtype)
        if record.refuses and arrays[0].dtype.kind in record.refuses:
            raise _refusal(record, arrays[0].dtype)
        return arrays
    common = None
    first: Any = None
    for i in promote:
        value = inputs[i]
        kind = value._array.dtype if isinstance(value, Tensor) else None
        if kind is None or (first is not None and kind is not first):
            common = common_dtype([inputs[i] for i in promote])
            break
        first = kind
    if common is None:
        arrays = [value._array if isinstance(value, Tensor) else value for value in inputs]
        if not record.floating or first.kind not in "iub":
            if first.kind in record.refuses:
                raise _refusal(record, first)
            return arrays
        common = dtypes.from_numpy_dtype(first)
    if record.floating and common.category < dtypes.FLOATING:
        common = dtypes.get_default_dtype()
    target = common.numpy_dtype
    if target.kind in record.refuses:
        raise _refusal(record, target)
    in_single = is_factor_in_single(record, common, inputs)
    arrays = []
    for i, value in enumerate(inputs):
        is_tensor = isinstance(value, Tensor)
        array = value._array if is_tensor else value
        if array is None or i not in promote:
            arrays.append(array)
            continue
        wanted = SINGLE if in_single and i == 1 else target
        if not is_tensor:
            array = number_array(value, wanted)
        arrays.append(array if array.dtype is wanted else array.astype(wanted))
    return arrays


def is_factor_in_single(record: Op, common: dtypes.dtype, inputs) -> bool:
    """Whether an operation computed in half precision takes its second input in single precision (see `op`)."""
    if not record.factor_in_single or common not in dtypes.HALF:
        return False
    return not (isinstance(inputs[1], Tensor) and inputs[1]._array.ndim)


def _refusal(record: Op, numpy_dtype) -> Exception:
    exception, message = record.refuses[numpy_dtype.kind]
    return exception(message.replace("{}", dtypes.scalar_name(dtypes.from_numpy_dtype(numpy_dtype))))


def number_array(value, target):
    """A Python or NumPy number as a 0-d array of dtype `target`, wrapping integers as PyTorch's casts do."""
    if target.kind in "iu" and not isinstance(value, (float, complex)):
        value = int(value)
        bits = 8 * target.itemsize
        value &= (1 << bits) - 1
        if target.kind == "i" and value >= 1 << (bits - 1):
            value -= 1 << bits
    return scalar_array(target, value) if target.kind != "b" else backend.np.array(bool(value))


def common_dtype(operands) -> dtypes.dtype:
    """The dtype PyTorch computes in for these tensors and numbers."""
    return dtypes.result_dtype(
        [
            (value.dtype, 2 if value._array.ndim else 1) if isinstance(value, Tensor) else (dtypes.of_number(value), 0)
            for value in operands
            if value is not None
        ]
    )


def _recorded(record: Op, inputs, settings, arrays, results):
    """The results as tensors, with a node that records the call."""
    node_class = record.node_class
    for i, other in record.number_node_classes.items():
        if not isinstance(inputs[i], Tensor):
            node_class = other
    node: Any = new(node_class)
    edges, numbers = zip(*[input_edge(value) for value in inputs], strict=True)
    node.edges = edges
    node.sequence = next_sequence()
    node.code, node.lasti = user_position(4)
    node.meta = None
    if any(numbers):
        node.own_meta().numbers = numbers
    if record.promote and not _gradients_fit(record, inputs, edges, arrays, results):
        node.own_meta().targets = tuple(
            (value._array.shape, value._array.dtype) if edge is not None else None
            for value, edge in zip(inputs, edges, strict=True)
        )
    if record.outputs == ("*",):
        node.n_outputs = len(results)
    tensors = tuple([wrap(backend.result_array(result)) for result in (results if record.outputs else (results,))])
    link_outputs(node, tensors)
    wrapped = tensors if record.outputs else tensors[0]
    node.saved = tuple(_saved_values(record, inputs, settings, arrays, edges, wrapped))
    if local.anomaly is not None:
        local.anomaly.remember(node)
    return wrapped


def link_outputs(node, tensors) -> None:
    """Makes a node that of the results which can have gradients."""
    for number, tensor in enumerate(tensors):
        if tensor._array.dtype.kind in "fcV":
            tensor._node = node
            tensor._requires_grad = True
            if number:
                own_extra(tensor).output_number = number


def _gradients_fit(record: Op, inputs, edges, arrays, results) -> bool:
    """Whether the formulas' gradients are of their inputs' shapes and dtypes without being summed or cast."""
    first = results if not record.outputs else results[0] if results else arrays[0]
    shape = first.shape if record.kind == ELEMENTWISE else None
    dtype = first.dtype
    for i, value in enumerate(inputs):
        array = value._array if isinstance(value, Tensor) else arrays[i]
        # dtypes of all inputs: a formula that meets this one may give the other a gradient too wide
        if array is not None and array.dtype is not dtype and (record.variadic or i in record.promote):
            return False
        if shape is not None and edges[i] is not None and array.shape != shape:
            return False
    return True


def input_edge(value):
    if not isinstance(value, Tensor) or not value._requires_grad:
        return None, 0
    node = value._node
    if node is None:
        return value, 0
    return node, 0 if value._extra is None else value._extra.output_number


def _saved_values(record: Op, inputs, settings, arrays, edges, wrapped):
    """What the node keeps, in the order of `saved_names`; an input that no wanted formula uses is left out."""
    hooks, saved_for = active_saved_hooks(), record.saved_for
    for place, (source, index) in enumerate(record.saved_from):
        if saved_for is not None and not [i for i in saved_for[place] if edges[i] is not None]:
            yield None
        elif source == FROM_INPUT:
            value = inputs[index]
            if isinstance(value, NUMBERS) and index in record.promote:
                yield wrap(arrays[index])  # of the dtype the operation was computed in; not for hooks
            else:
                yield save_input(value, hooks)
        elif source == FROM_INPUTS:
            yield tuple(save_input(value, hooks) for value in inputs[index:])
        elif source == FROM_OUTPUT:
            yield _save_output(wrapped[index] if record.outputs else wrapped, index, hooks)
        elif source == FROM_OUTPUTS:
            yield tuple(_save_output(tensor, i, hooks) for i, tensor in enumerate(wrapped))
        elif source == FROM_SHAPE:
            yield inputs[index]._array.shape if isinstance(inputs[index], Tensor) else ()
        elif source == FROM_SHAPES:
            yield tuple(value._array.shape for value in inputs[index:])
        elif source == FROM_DTYPE:
            yield inputs[index].dtype
        else:
            yield settings[index]


def _inherit(view: Tensor) -> None:
    base = view._extra.view.base._extra
    if base is not None and base.special:
        from .transforms import inherit

        inherit(view)


def _inside_func() -> bool:
    """Whether torch.func is at work, under which inference tensors from outside are used like any other."""
    if not local.level_stack:
        return False
    from .transforms import inside_func

    return inside_func()


def save_input(value, hooks):
    if not isinstance(value, Tensor):
        return value
    if value._extra is not None and value._extra.inference and not _inside_func():
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use "
            "it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
        )
    if hooks is None:
        counter = value._counter
        if counter is None or not counter.version:
            return value
    return SavedTensor(value, hooks=hooks)


def _save_output(tensor, number, hooks):
    if hooks is None:
        return tensor._array
    return SavedTensor(tensor, is_output=True, number=number, hooks=hooks)


def attach_views(record: Op, source: Tensor, wrapped, settings, many: bool) -> None:
    """Makes results share their input's version counter and remember the base they look at.

    A view made in no_grad or inference mode has no node, yet requires grad if its base does, as PyTorch has it."""
    counter = version_counter(source)
    extra = source._extra
    parent = None if extra is None else extra.view
    base = source if parent is None else parent.base
    if local.inference:
        creation = IN_INFERENCE
    elif not local.grad_enabled:
        creation = IN_NO_GRAD
    elif many:
        creation = ONE_OF_MANY
    else:
        creation = ORDINARY
    if parent is not None and (creation == ORDINARY or parent.creation == IN_INFERENCE):
        creation = parent.creation
    for number, tensor in enumerate(wrapped if many else (wrapped,)):
        replay = None
        if record.name in CHANGES_DTYPE:
            before = () if parent is None else parent.replay or (strides_step(source, base),)
            replay = (*before, (record, settings, number))
        elif parent is not None and parent.replay is not None:
            replay = (*parent.replay, strides_step(tensor, source))
        tensor._counter = counter
        own_extra(tensor).view = view = View(base, creation, counter.version, replay)
        if parent is not None and parent.tangents:
            view.tangents = PARTS_OF_OWN


def strides_step(view: Tensor, source: Tensor):
    """A replay step that leads from `source` to a view of its memory by strides, whatever made the view."""
    from .inplace import strides_within

    return REGISTRY["as_strided"], strides_within(view, source), 0
