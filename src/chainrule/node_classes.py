"""The node classes of operations: how what was saved becomes the arguments of the derivative's formulas."""

from __future__ import annotations

from . import graph_errors
from .backend import numpy as backend
from .engine import Freed, Node, SavedTensor, check_output_version, relink, saved_input_array
from .record import ELEMENTWISE, INPUT, NUMBERS, OUTPUT, PLAIN, Op, graph_xp, xp
from .tensor import Tensor

ndarray, scalar = backend.ndarray, backend.np.generic
SINGLE = backend.SINGLE
scalar_array = backend.scalar_array


HAND_WRITTEN = ("CopyBackwards",)  # what PyTorch's generator does not write bears its C++ namespace


def node_class(record: Op, name: str, number: int | None = None) -> type[Node]:
    """The class of an operation's nodes; `number`: of those where the input at that position is a Python number."""
    from .saved_attributes import saved_attributes

    body = {
        **saved_attributes(record),
        "__slots__": (),
        "op": record,
        "saves_tensors": _saves_tensors(record, number),
        "check_saved": _check_saved,
        "__module__": "builtins",  # as PyTorch prints it
    }
    if name in HAND_WRITTEN:
        body["name"] = lambda self: f"torch::autograd::{type(self).__name__}"
    if len(record.outputs) > 1:
        body["n_outputs"] = len(record.outputs)
    if record.outputs:
        body["is_plain"] = False
    if len(record.vjps) == len(record.inputs) == 1 and not record.variadic and not record.outputs:
        make = _backward_of_one
    elif _has_two_simple_formulas(record):
        make = _backward_of_two
    else:
        make = None
    body["backward"] = make(record, xp, False) if make else _backward_arrays
    body["backward_tensors"] = make(record, graph_xp, True) if make else _backward_tensors
    if record.outputs == ("*",):  # as many outputs as the call gave: each node has its own number
        body["__slots__"] = ("n_outputs",)
    return type(name, (Node,), body)


def _saves_tensors(record: Op, number: int | None) -> bool:
    """Whether a node keeps anything but numbers and shapes, which need not be freed."""
    if number is None:
        return any(kind != PLAIN for kind in record.saved_kinds)
    formulas = [positions for i, (_, positions) in enumerate(record.vjps) if i != number or len(record.vjps) == 1]
    return any(
        record.saved_kinds[p] != PLAIN and record.saved_names[p] != record.inputs[number]
        for positions in formulas
        for p in positions
        if p >= 0
    )


def _array_of(node, kind, name, entry):
    """A saved entry as the formulas take it: an array for a tensor, anything else as it is."""
    if kind == PLAIN or entry is None:
        return entry
    if kind == INPUT:
        if isinstance(entry, (Tensor, SavedTensor)):
            return saved_input_array(entry, node)
        if isinstance(entry, tuple):
            return tuple(saved_input_array(e, node) if isinstance(e, (Tensor, SavedTensor)) else e for e in entry)
        return entry
    if entry.__class__ is SavedTensor:
        return entry.value(node, (None, 0))._array
    if isinstance(entry, tuple):
        return tuple(_array_of(node, kind, i, e) for i, e in enumerate(entry))
    if node.meta is not None:
        check_output_version(entry, node, output_number(node.op, name))
    return entry


def _check_saved(node) -> None:
    if node.saved.__class__ is Freed:
        raise graph_errors.freed(node)
    record = node.op
    for kind, name, entry in zip(record.saved_kinds, record.saved_names, node.saved, strict=True):
        if entry.__class__ is Tensor:
            saved_input_array(entry, node)
        elif not (entry.__class__ is SavedTensor and entry.unpack_hook is not None):
            _array_of(node, kind, name, entry)


def output_number(record, name) -> int:
    return name if isinstance(name, int) else record.outputs.index(name) if name in record.outputs else 0


def _edge(node, index: int):
    numbers = None if node.meta is None else node.meta.numbers
    return node.edges[index], numbers[index] if numbers else 0


def tensor_of(node, kind, name, entry):
    """A saved entry as a Tensor in its place in the graph."""
    record = node.op
    if kind == PLAIN or entry is None:
        return entry
    if kind == INPUT:
        if name == record.variadic:
            first = len(record.inputs)
            return tuple(
                e.value(node, _edge(node, first + i)) if e.__class__ is SavedTensor else _plain_input(node, e)
                for i, e in enumerate(entry)
            )
        if entry.__class__ is SavedTensor:
            return entry.value(node, _edge(node, record.inputs.index(name)))
        return _plain_input(node, entry)
    if isinstance(entry, tuple):
        return tuple(tensor_of(node, kind, i, e) for i, e in enumerate(entry))
    number = output_number(record, name)
    if entry.__class__ is SavedTensor:
        return entry.value(node, (node, number))
    check_output_version(entry, node, number)
    dtype_kind = entry.dtype.kind
    return relink(entry, (None if dtype_kind in "iub" else node, number))


def _plain_input(node, entry):
    if isinstance(entry, Tensor):
        saved_input_array(entry, node)  # for its check of the version
    return entry


def _saved_input_tensor(entry, node, index: int = 0):
    """A saved input in its place in the graph."""
    if entry.__class__ is SavedTensor:
        return entry.value(node, _edge(node, index))
    counter = entry._counter
    if counter is not None and counter.version:
        raise graph_errors.modified_in_place(node, entry, counter, 0, False)
    return entry


def _saved_input_array(entry, node, index: int = 0):
    return saved_input_array(entry, node)


def _array_kind(gradient) -> str:
    return gradient.dtype.kind


def _tensor_kind(gradient) -> str:
    return gradient._array.dtype.kind


def _backward_of_one(record: Op, namespace, on_tensors: bool):
    """backward() of an operation with one input and one output: the common case, without loops where possible."""
    formula, positions = record.vjps[0]
    kinds, names, holomorphic = record.saved_kinds, record.saved_names, record.holomorphic
    fetch_input = _saved_input_tensor if on_tensors else _saved_input_array
    fetch_output = tensor_of if on_tensors else _array_of
    kind_of = _tensor_kind if on_tensors else _array_kind
    general_backward = _backward_tensors if on_tensors else _backward_arrays
    if not positions:

        def backward(self, gradient, needs):
            return (formula(namespace, gradient),)

    elif positions == (0,) and kinds in ((INPUT,), (OUTPUT,)) and not on_tensors:
        output = kinds == (OUTPUT,)

        def backward(self, gradient, needs):
            try:
                (value,) = self.saved
            except TypeError:  # what stands in the place of freed values has no elements
                raise graph_errors.freed(self) from None
            if not output:
                value = saved_input_array(value, self)
            elif value.__class__ is SavedTensor or self.meta is not None:
                value = _array_of(self, OUTPUT, "out", value)
            dtype = gradient.dtype
            if dtype is not SINGLE and holomorphic and dtype.kind == "c":  # the first test is for speed alone
                return gradients(record, xp, gradient, (value,), needs)
            return (formula(xp, gradient, value),)

    else:
        steps = [(p, kinds[p], names[p]) if p >= 0 else (p, PLAIN, "needs") for p in positions]

        def backward(self, gradient, needs):
            saved = self.saved
            if saved.__class__ is Freed:
                raise graph_errors.freed(self)
            if holomorphic and kind_of(gradient) == "c":
                return general_backward(self, gradient, needs)
            values = []
            for position, kind, name in steps:
                if kind == PLAIN:
                    values.append(saved[position] if position >= 0 else needs)
                elif kind == INPUT:
                    values.append(fetch_input(saved[position], self))
                else:
                    values.append(fetch_output(self, kind, name, saved[position]))
            return (formula(namespace, gradient, *values),)

    return backward


def _backward_of_two(record: Op, namespace, on_tensors: bool):
    """backward() of an operation with two inputs whose formulas want no more than one saved input each."""
    (x_formula, x_positions), (y_formula, y_positions) = record.vjps
    x_position = x_positions[0] if x_positions else None
    y_position = y_positions[0] if y_positions else None
    x_index, y_index = (
        0 if p is None else record.inputs.index(record.saved_names[p]) for p in (x_position, y_position)
    )
    holomorphic = record.holomorphic and bool(record.saved_names)
    fetch = _saved_input_tensor if on_tensors else _saved_input_array
    kind_of = _tensor_kind if on_tensors else _array_kind
    general_backward = _backward_tensors if on_tensors else _backward_arrays

    def backward(self, gradient, needs):
        saved = self.saved
        if saved.__class__ is Freed:
            raise graph_errors.freed(self)
        if holomorphic and kind_of(gradient) == "c":
            return general_backward(self, gradient, needs)
        x_gradient = y_gradient = None
        if needs[0] is not None:
            if x_position is None:
                x_gradient = x_formula(namespace, gradient)
            else:
                entry = saved[x_position]
                value = entry if isinstance(entry, NUMBERS) else fetch(entry, self, x_index)
                x_gradient = x_formula(namespace, gradient, value)
        if needs[1] is not None:
            if y_position is None:
                y_gradient = y_formula(namespace, gradient)
            else:
                entry = saved[y_position]
                value = entry if isinstance(entry, NUMBERS) else fetch(entry, self, y_index)
                y_gradient = y_formula(namespace, gradient, value)
        return x_gradient, y_gradient

    return backward


def _has_two_simple_formulas(record: Op) -> bool:
    return (
        len(record.inputs) == len(record.vjps) == 2
        and not record.outputs
        and not record.variadic
        and all(f is not None and len(positions) <= 1 and -1 not in positions for f, positions in record.vjps)
        and all(kind == INPUT for kind in record.saved_kinds)
    )


def _backward_of_any(fetch, namespace):
    """backward() of any operation; `fetch` makes of what was saved what the formulas take."""

    def backward(self, gradient, needs):
        record = self.op
        saved = self.saved
        if saved.__class__ is Freed:
            raise graph_errors.freed(self)
        values = [fetch(self, k, n, e) for k, n, e in zip(record.saved_kinds, record.saved_names, saved, strict=True)]
        return gradients(record, namespace, gradient, values, needs)

    return backward


_backward_arrays, _backward_tensors = _backward_of_any(_array_of, xp), _backward_of_any(tensor_of, graph_xp)


def gradients(record: Op, namespace, gradient, values, needs):
    if record.holomorphic and not isinstance(gradient, (list, tuple)) and _is_complex(gradient):
        if record.jumps:
            conj = namespace.conj
            results = _real_gradients(record, namespace, conj(gradient), values, needs)
            return [None if r is None else conj(r) for r in results]
        values = [_conjugated(namespace, value) for value in values]
    return _real_gradients(record, namespace, gradient, values, needs)


def _conjugated(namespace, value):
    """The conjugate of a saved value, of all values in a tuple."""
    if isinstance(value, tuple):
        return tuple([_conjugated(namespace, v) for v in value])
    if isinstance(value, (Tensor, ndarray, scalar)):
        return namespace.conj(value)
    return value.conjugate() if isinstance(value, complex) else value


def _is_complex(value) -> bool:
    return (value._array if isinstance(value, Tensor) else value).dtype.kind == "c"


def _real_gradients(record: Op, namespace, gradient, values, needs):
    vjps = record.vjps
    if len(vjps) == 1 and (len(needs) > 1 or record.variadic):
        formula, positions = vjps[0]
        return formula(namespace, gradient, *[needs if p < 0 else values[p] for p in positions])
    return [
        formula(namespace, gradient, *[needs if p < 0 else values[p] for p in positions])
        if need is not None and formula is not None
        else None
        for (formula, positions), need in zip(vjps, needs, strict=True)
    ]


def saves_only_numbers(record: Op) -> bool:
    """Whether the gradient for the first of two inputs needs nothing but, perhaps, the second."""
    if record.kind != ELEMENTWISE or len(record.inputs) != 2 or len(record.vjps) != 2 or record.vjps[0][0] is None:
        return False
    return all(record.saved_names[p] == record.inputs[1] for p in record.vjps[0][1])


def scalar_node_class(record: Op, name: str) -> type[Node] | None:
    """The node of a binary operation whose second operand is a Python number, if there would be nothing in it to free."""
    if not saves_only_numbers(record):
        return None
    formula, wanted = record.vjps[0]

    def backward(self, gradient, needs):
        if wanted:
            number = self.saved[0]
            if gradient.__class__ is ndarray:
                number = scalar_array(gradient.dtype, number)
            result = formula(xp, gradient, number)
        else:
            result = formula(xp, gradient)
        return result, None

    def backward_tensors(self, gradient, needs):
        return formula(graph_xp, gradient, *self.saved[: len(wanted)]), None

    from .saved_attributes import saved_attributes

    body = {
        **saved_attributes(record, number_only=True),
        "__slots__": (),
        "op": record,
        "saves_tensors": False,
        "backward": backward,
        "backward_tensors": backward_tensors,
        "__module__": "builtins",  # as PyTorch prints it
    }
    return type(name, (Node,), body)
