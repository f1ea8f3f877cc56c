"""The functions that users call: each operation's own, with the common cases spelled out, for speed.

What recording an operation costs is paid here. Whatever is out of the ordinary goes to `general`.
"""

from __future__ import annotations

import operator
from sys import _getframe

from .backend import numpy as backend
from .engine import USER_FILES, NodeMeta, is_own, next_sequence, path_to_user, saved_input
from .general import (
    broadcast_error,
    by_its_own_rule,
    general,
    is_number,
    is_plain_view,
    link_outputs,
    must_be_tensor,
    run_carefully,
)
from .modes import CAREFUL, RECORD, is_quiet, local, silence
from .node_classes import saves_only_numbers
from .record import (
    CHANGES_DTYPE,
    ELEMENTWISE,
    FROM_DTYPE,
    FROM_INPUT,
    FROM_OUTPUT,
    FROM_OUTPUTS,
    FROM_SETTING,
    FROM_SHAPE,
    FROM_SHAPES,
    INPUT,
    OUTPUT,
    VIEW,
    Op,
    run_forward,
    xp,
)
from .tensor import ORDINARY, Extra, Tensor, View, memory, version_counter, wrap

new = object.__new__
ndarray = backend.ndarray
scalar_array = backend.scalar_array
# Forwards that only call one array function, or apply one operator, are replaced by it: a Python call less per operation.
# (not named `xp`: calls on a name that a module imports are compiled in another way)
_CALL = (lambda namespace, x: namespace.f(x)).__code__.co_code
_OPERATORS = {
    (lambda xp, x, y: x + y).__code__.co_code: operator.add,
    (lambda xp, x, y: x - y).__code__.co_code: operator.sub,
    (lambda xp, x, y: x * y).__code__.co_code: operator.mul,
    (lambda xp, x, y: x / y).__code__.co_code: operator.truediv,
}


def kernel_of(forward):
    """A forward as a function of arrays alone, without `xp`."""
    code = forward.__code__
    if code.co_code == _CALL and not code.co_freevars:
        return getattr(xp, code.co_names[0])
    if code.co_code in _OPERATORS:
        return _OPERATORS[code.co_code]
    return lambda *arrays: forward(xp, *arrays)


def unary_function(record: Op, shown: str):
    """The function of an elementwise operation on one tensor: the recording of it is spelled out, for speed."""
    kernel, node_class, kinds = kernel_of(record.forward), None, record.saved_kinds
    own_path, user_code = (), None  # the way to the user's function that called last
    careful_kinds = record.careful_kinds
    save_input, save_output = kinds == (INPUT,), kinds == (OUTPUT,)
    straight = record.differentiable and (save_input or save_output or not kinds)
    # what requires grad is floating or complex: integers need no look where it is only they that need care
    careful_inexact = "".join(kind for kind in careful_kinds if kind in "fcV")

    def apply(input, *, out=None):
        nonlocal node_class, own_path, user_code
        try:
            extra = input._extra
        except AttributeError:
            return by_its_own_rule(record, (input,), (), must_be_tensor(shown, "input", 1, input))
        if extra is not None or out is not None:
            return general(record, (input,), (), out)
        if not is_quiet():
            silence()
        array = input._array
        mode = local.mode
        if (
            straight
            and mode == RECORD
            and input._requires_grad
            and not (careful_inexact and array.dtype.kind in careful_inexact)
        ):
            result = kernel(array)
            if node_class is None:
                node_class = record.node_class
            node = node_class()
            node.edges = (input._node or input,)
            if save_output:
                node.saved = (result,)
            elif save_input:
                node.saved = (input,) if input._counter is None else (saved_input(input),)
            else:
                node.saved = ()
            node.sequence = next_sequence()
            node.meta = None
            frame = _getframe(1)
            node.code = code = frame.f_code
            node.lasti = frame.f_lasti
            if code is not user_code:
                if code.co_filename in USER_FILES:
                    user_code = code
                else:
                    own_path, node.code, node.lasti = path_to_user(frame, own_path)
            tensor = new(Tensor)
            tensor._array = result
            tensor._requires_grad = True
            tensor._node = node
            tensor._grad = tensor._counter = tensor._extra = None
            return tensor
        if mode == CAREFUL or (mode and input._requires_grad) or (careful_kinds and array.dtype.kind in careful_kinds):
            return general(record, (input,))
        result = kernel(array)
        tensor = new(Tensor)
        tensor._array = result
        tensor._requires_grad = False
        tensor._node = tensor._grad = tensor._counter = tensor._extra = None
        return tensor

    return apply


def binary_function(record: Op, shown: str, as_operator: bool = False):
    """The function of an elementwise operation on two tensors, or a tensor and a number: spelled out, for speed.

    `as_operator`, it answers NotImplemented to an operand it cannot use, so that Python asks the other side."""
    kernel, node_class, scalar_node_class = kernel_of(record.forward), None, None
    own_path, user_code = (), None  # the way to the user's function that called last
    kinds, names = record.saved_kinds, record.saved_names
    x = record.inputs[0]
    differentiable = record.differentiable
    straight = (
        differentiable
        and len(record.vjps) == 2
        and all(f is not None for f, _ in record.vjps)
        and all(k == INPUT for k in kinds)
    )
    # which inputs each formula wants: an input is saved only if the other formula will run
    wants = [[names[p] for p in positions] for _, positions in record.vjps] if straight else [[], []]
    saves_nothing, product = not kinds, _is_product(names, wants, x)
    x_first = product and names[0] == x
    save = _saver(names, wants, x) if straight else None
    careful_kinds = record.careful_kinds
    takes_numbers = 1 in record.numbers and not (differentiable and not saves_only_numbers(record))

    def apply(input, other, *, out=None):
        nonlocal node_class, scalar_node_class, own_path, user_code
        other_class = other.__class__
        if other_class is float or other_class is int:
            try:
                array = input._array
            except AttributeError:
                raise must_be_tensor(shown, "input", 1, input) from None
            mode = local.mode
            if (
                input._extra is not None
                or out is not None
                or mode == CAREFUL
                or array.dtype.char not in "fdFD"
                or not takes_numbers
                or array.dtype.kind in careful_kinds
            ):
                return general(record, (input, other), (), out)
            if not is_quiet():
                silence()
            result = kernel(array, scalar_array(array.dtype, other) if array.__class__ is ndarray else other)
            tensor = new(Tensor)
            tensor._array = result
            tensor._grad = tensor._counter = tensor._extra = None
            if not (mode and input._requires_grad and differentiable):
                tensor._requires_grad = False
                tensor._node = None
                return tensor
            if scalar_node_class is None:
                scalar_node_class = record.scalar_node_class
            node = scalar_node_class()
            node.meta = None
            node.edges = (input._node or input, None)
            node.saved = (other,)
        else:
            try:
                # the other first: what is no tensor has none
                if other._extra is not None or input._extra is not None or out is not None:
                    return general(record, (input, other), (), out)
                a = input._array
                b = other._array
            except AttributeError:
                if as_operator and not isinstance(input, Tensor):
                    raise must_be_tensor(shown, "input", 1, input) from None
                if as_operator and not is_number(other):
                    return NotImplemented
                return general(record, (input, other), (), out)
            mode = local.mode
            if mode == CAREFUL or a.dtype is not b.dtype or (careful_kinds and a.dtype.kind in careful_kinds):
                return general(record, (input, other))
            if not is_quiet():
                silence()
            x_needs = input._requires_grad
            y_needs = other._requires_grad
            if not (mode and (x_needs or y_needs) and differentiable):
                result = kernel(a, b) if a.shape == b.shape else broadcasting(kernel, a, b)
                tensor = new(Tensor)
                tensor._array = result
                tensor._requires_grad = False
                tensor._node = tensor._grad = tensor._counter = tensor._extra = None
                return tensor
            if not straight:
                return general(record, (input, other))
            if a.shape == b.shape:
                result = kernel(a, b)
                meta = None
            else:
                result = broadcasting(kernel, a, b)
                meta = NodeMeta()
                meta.targets = ((a.shape, a.dtype), (b.shape, b.dtype))
            tensor = new(Tensor)
            tensor._array = result
            tensor._grad = tensor._counter = tensor._extra = None
            if node_class is None:
                node_class = record.node_class
            node = node_class()
            node.meta = meta
            node.edges = (
                (input._node or input) if x_needs else None,
                (other._node or other) if y_needs else None,
            )
            if saves_nothing:
                node.saved = ()
            elif product:
                x_saved = (input if input._counter is None else saved_input(input)) if y_needs else None
                y_saved = (other if other._counter is None else saved_input(other)) if x_needs else None
                node.saved = (x_saved, y_saved) if x_first else (y_saved, x_saved)
            else:
                node.saved = save(input, other, x_needs, y_needs)
        node.sequence = next_sequence()
        frame = _getframe(1)
        node.code = code = frame.f_code
        node.lasti = frame.f_lasti
        if code is not user_code:
            if code.co_filename in USER_FILES:
                user_code = code
            else:
                own_path, node.code, node.lasti = path_to_user(frame, own_path)
        tensor._requires_grad = True
        tensor._node = node
        return tensor

    return apply


def _is_product(names, wants, x: str) -> bool:
    """Whether the gradient of each of two inputs wants exactly the other."""
    return len(names) == 2 and [len(w) for w in wants] == [1, 1] and wants[1] == [x] != wants[0]


def _saver(names, wants, x: str):
    """What a node of two inputs saves, as a function of (input, other, whether input and other need a gradient).

    An input is saved if a formula that will run wants it (`wants`: the names for each formula); None stands for the others."""
    if not names:
        return lambda input, other, x_needs, y_needs: ()
    if _is_product(names, wants, x):
        x_first = names[0] == x

        def save(input, other, x_needs, y_needs):
            x_saved = (input if input._counter is None else saved_input(input)) if y_needs else None
            y_saved = (other if other._counter is None else saved_input(other)) if x_needs else None
            return (x_saved, y_saved) if x_first else (y_saved, x_saved)

    else:
        is_x = [name == x for name in names]
        for_x, for_y = ([name in w for name in names] for w in wants)

        def save(input, other, x_needs, y_needs):
            return tuple(
                [
                    saved_input(input if is_x[i] else other)
                    if (x_needs and for_x[i]) or (y_needs and for_y[i])
                    else None
                    for i in range(len(is_x))
                ]
            )

    return save


def nearest_user(record: Op) -> int:
    """How far above an operation's function a user's frame can stand: this package's own operations (but for the elementwise) are
    called by functions that read their arguments."""
    return 2 if is_own(record.forward.__code__.co_filename) else 1


def general_function(record: Op):
    """The function of any other operation: ``apply(*inputs, *settings)``."""
    call, n, settings = record.plain, len(record.inputs), len(record.settings)
    if record.variadic:

        def apply(*arguments):
            cut = len(arguments) - settings
            return call(arguments[:cut], arguments[cut:])

        return apply
    if n == 1 and not record.outputs and record.differentiable and record.name not in CHANGES_DTYPE:
        return _one_with_settings(record)
    if n == 2 and not record.outputs and not record.promote and not settings and record.differentiable:
        return _two_unlike(record)

    def apply(*arguments):  # type: ignore[no-redef]
        return call(arguments[:n], arguments[n:])

    return apply


RESULTS = (ndarray, backend.np.generic)


def _one_with_settings(record: Op):
    """The function of an operation on one tensor with settings: ``apply(input, *settings)``."""
    forward, node_class = record.forward, None
    own_path, user_code = (), None  # the way to the user's function that called last
    depth = nearest_user(record)
    careful_kinds = record.careful_kinds
    is_view, differentiable = record.kind == VIEW, record.differentiable
    plan = record.saved_from

    def apply(input, *settings):
        nonlocal node_class, own_path, user_code
        mode = local.mode
        extra = input._extra
        if (
            (extra is not None and not is_plain_view(input))
            or mode == CAREFUL
            or (is_view and not mode)
            or (careful_kinds and input._array.dtype.kind in careful_kinds)
        ):
            return run_carefully(record, (input,), settings)
        if not is_quiet():
            silence()
        array = input._array
        if is_view and array.__class__ is not ndarray:
            array = memory(input)
        result = forward(xp, array, *settings)
        if not isinstance(result, RESULTS):
            result = backend.result_array(result)
        tensor = new(Tensor)
        tensor._array = result
        tensor._grad = tensor._counter = tensor._extra = None
        if is_view:
            counter = tensor._counter = input._counter or version_counter(input)
            base = input if extra is None else extra.view.base
            extra = tensor._extra = Extra()
            extra.view = View(base, ORDINARY, counter.version)
        if not (mode and input._requires_grad and differentiable and result.dtype.kind in "fcV"):
            tensor._requires_grad = False
            tensor._node = None
            return tensor
        if node_class is None:
            node_class = record.node_class
        node = node_class()
        node.edges = (input._node or input,)
        saved = []
        for source, position in plan:
            if source == FROM_SETTING:
                saved.append(settings[position])
            elif source == FROM_INPUT:
                saved.append(saved_input(input))
            elif source == FROM_OUTPUT:
                saved.append(result)
            elif source == FROM_SHAPE:
                saved.append(array.shape)
            else:
                saved.append(input.dtype)
        node.saved = tuple(saved)
        node.sequence = next_sequence()
        frame = _getframe(depth)
        for code in own_path:
            if frame.f_code is not code:
                break
            frame = frame.f_back or frame
        node.code = code = frame.f_code
        node.lasti = frame.f_lasti
        if code is not user_code:
            if code.co_filename in USER_FILES:
                user_code = code
            else:
                own_path, node.code, node.lasti = path_to_user(_getframe(depth), own_path)
        node.meta = None
        tensor._requires_grad = True
        tensor._node = node
        return tensor

    return apply


def _two_unlike(record: Op):
    """The function of an operation on two tensors that neither broadcasts nor promotes, such as a matrix product."""
    forward, node_class, names = record.forward, None, record.saved_names
    own_path, user_code = (), None  # the way to the user's function that called last
    depth = nearest_user(record)
    x, y = record.inputs
    wants = [[record.saved_names[p] for p in positions] for _, positions in record.vjps]
    straight = (
        len(record.vjps) == 2
        and all(f is not None for f, _ in record.vjps)
        and all(name in (x, y) for name in record.saved_names)
    )

    save = _saver(names, wants, x) if straight else None

    def apply(input, other):
        nonlocal node_class, own_path, user_code
        mode = local.mode
        if (
            not straight
            or mode == CAREFUL
            or (input._extra is not None and not is_plain_view(input))
            or (other._extra is not None and not is_plain_view(other))
        ):
            return general(record, (input, other))
        if not is_quiet():
            silence()
        result = forward(xp, input._array, other._array)
        if not isinstance(result, RESULTS):
            result = backend.result_array(result)
        tensor = new(Tensor)
        tensor._array = result
        tensor._grad = tensor._counter = tensor._extra = None
        if not (mode and (input._requires_grad or other._requires_grad)):
            tensor._requires_grad = False
            tensor._node = None
            return tensor
        if node_class is None:
            node_class = record.node_class
        node = node_class()
        edges = node.edges = (
            (input._node or input) if input._requires_grad else None,
            (other._node or other) if other._requires_grad else None,
        )
        node.saved = save(input, other, edges[0] is not None, edges[1] is not None)
        node.sequence = next_sequence()
        frame = _getframe(depth)
        for code in own_path:
            if frame.f_code is not code:
                break
            frame = frame.f_back or frame
        node.code = code = frame.f_code
        node.lasti = frame.f_lasti
        if code is not user_code:
            if code.co_filename in USER_FILES:
                user_code = code
            else:
                own_path, node.code, node.lasti = path_to_user(_getframe(depth), own_path)
        node.meta = None
        tensor._requires_grad = True
        tensor._node = node
        return tensor

    return apply


def plain_function(record: Op):
    """Runs an operation on plain tensors that go together: ``call(inputs, settings)``, what a call means in most cases.

    Plain are tensors without tangents, batch dimensions and other specialties, in an ordinary mode, whose dtypes are those
    that the operation is computed in. Anything else takes the careful way."""
    if record.kind == VIEW:
        return lambda inputs, settings=(): run_carefully(record, inputs, settings)
    elementwise = record.kind == ELEMENTWISE
    forward, variadic, differentiable = record.forward, record.variadic, record.differentiable
    several, number_nodes, careful_kinds, check = (
        record.outputs,
        record.number_nodes,
        record.careful_kinds,
        record.check,
    )
    promote, numbers, node_class = record.promote, record.numbers, None
    own_path, user_code = (), None  # the way to the user's function that called last
    everybody = -1  # a saved value that any input's gradient wants
    masks = [sum([1 << i for i in used]) for used in record.saved_for or ()] or [everybody] * len(record.saved_from)
    plan = [(*source, mask) for source, mask in zip(record.saved_from, masks, strict=True)]

    def call(inputs, settings=()):
        nonlocal node_class, own_path, user_code
        mode = local.mode
        if mode == CAREFUL:
            return run_carefully(record, inputs, settings)
        arrays = []
        scalars = None  # the positions of numbers
        needs, bit = 0, 1  # bit i of `needs`: input i wants a gradient
        for value in inputs:
            if isinstance(value, Tensor):
                if value._extra is not None and not is_plain_view(value):
                    return run_carefully(record, inputs, settings)
                arrays.append(value._array)
                if value._requires_grad:
                    needs |= bit
            elif number_nodes:
                return run_carefully(record, inputs, settings)
            elif value is None:
                arrays.append(None)
            elif (value.__class__ is float or value.__class__ is int) and len(arrays) in numbers:
                scalars = (*(scalars or ()), len(arrays))
                arrays.append(value)
            else:
                return run_carefully(record, inputs, settings)
            bit += bit
        common = None
        if promote:
            for i in range(len(arrays)) if variadic else promote:
                array = arrays[i]
                if scalars is not None and i in scalars:
                    continue
                if array is None or not (common is None or array.dtype is common):
                    return run_carefully(record, inputs, settings)
                common = array.dtype
            if scalars is not None:
                if common is None or common.char not in "fdFD":  # a number may be wider
                    return run_carefully(record, inputs, settings)
                for i in scalars:
                    arrays[i] = scalar_array(common, arrays[i])
        if careful_kinds and (common or arrays[0].dtype).kind in careful_kinds:
            return run_carefully(record, inputs, settings)
        if not is_quiet():
            silence()
        if check is not None:
            check(*inputs)
        try:
            result = run_forward(record, arrays, settings) if variadic else forward(xp, *arrays, *settings)
        except ValueError:
            if len(promote) > 1:
                broadcast_error(*[a.shape for a in arrays if a is not None])
            raise
        if several:
            result = [backend.result_array(r) for r in result]
            tensor = tuple([wrap(r) for r in result])
            recorded = needs and mode and differentiable
        else:
            if not isinstance(result, RESULTS):
                result = backend.result_array(result)
            tensor = new(Tensor)
            tensor._array = result
            tensor._requires_grad = False
            tensor._node = tensor._grad = tensor._counter = tensor._extra = None
            recorded = needs and mode and differentiable and result.dtype.kind in "fcV"
        if not recorded:
            return tensor
        if node_class is None:
            node_class = record.node_class
        node = node_class()
        edges, bit = [], 1
        for value in inputs:
            edges.append((value._node or value) if needs & bit else None)
            bit += bit
        node.edges = tuple(edges)
        node.meta = None
        if promote:
            first = result if not several else result[0] if result else arrays[0]
            shape, fits = first.shape, first.dtype is common
            if elementwise and fits:
                for array in arrays:
                    if array is not None and array.shape != shape:
                        fits = False
            if not fits:
                node.meta = NodeMeta()
                node.meta.targets = tuple(
                    [None if e is None else (a.shape, a.dtype) for e, a in zip(node.edges, arrays, strict=True)]
                )
        saved = []
        for origin, position, mask in plan:
            if not needs & mask:
                saved.append(None)
            elif origin == FROM_INPUT:
                value = inputs[position]
                if isinstance(value, Tensor):
                    saved.append(value if value._counter is None else saved_input(value))
                else:  # a number, of the dtype the operation was computed in
                    saved.append(None if value is None else wrap(arrays[position]))
            elif origin == FROM_SETTING:
                saved.append(settings[position])
            elif origin == FROM_OUTPUT:
                saved.append(result[position] if several else result)
            elif origin == FROM_SHAPE:
                saved.append(arrays[position].shape if isinstance(inputs[position], Tensor) else ())
            elif origin == FROM_DTYPE:
                saved.append(inputs[position].dtype)
            elif origin == FROM_OUTPUTS:
                saved.append(tuple(result))
            elif origin == FROM_SHAPES:
                saved.append(tuple([a.shape for a in arrays[position:]]))
            else:
                saved.append(tuple([saved_input(value) for value in inputs[position:]]))
        node.saved = tuple(saved)
        node.sequence = next_sequence()
        frame = _getframe(2)
        for code in own_path:
            if frame.f_code is not code:
                break
            frame = frame.f_back or frame
        node.code = code = frame.f_code
        node.lasti = frame.f_lasti
        if code is not user_code:
            if code.co_filename in USER_FILES:
                user_code = code
            else:
                own_path, node.code, node.lasti = path_to_user(_getframe(2), own_path)
        if not several:
            tensor._requires_grad = True
            tensor._node = node
            return tensor
        if several == ("*",):
            node.n_outputs = len(tensor)
        link_outputs(node, tensor)
        return tensor

    return call


def broadcasting(kernel, a, b):
    """Runs a binary kernel on arrays of different shapes, with PyTorch's error where they do not broadcast."""
    try:
        return kernel(a, b)
    except ValueError:
        broadcast_error(a.shape, b.shape)
        raise
