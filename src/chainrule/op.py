"""The record of an operation, and the functions made from it.

    sin = op("sin", kind=ELEMENTWISE, floating=True,
        forward=lambda xp, x: xp.sin(x),
        vjp=lambda xp, g, x: g * xp.cos(x))

`forward` takes arrays; parameters after a ``/`` are settings (``lambda xp, x, /, dim, keepdim:``), a starred parameter is a
list of inputs. `vjp` is one formula per input (a tuple), or one formula that returns a tuple. What is saved follows from
a formula's parameter names: an input's name saves that input, ``out`` (or an output's name) saves the output, ``x_shape``
and ``x_dtype`` save only the shape and dtype of ``x``, a setting's name passes the setting, ``needs`` tells which gradients are wanted.

`op()` returns the public function: a plain closure, with the record at ``.record``. The kind says how the rest is derived:

    ELEMENTWISE   broadcasts and promotes its inputs; jvp is the vjp's formula on the tangent. Formulas are written as for
                  a holomorphic function, without conjugates; on complex numbers conj(vjp(conj(g))) is run. What is not
                  holomorphic (abs, real, ...) says so and conjugates by itself.
    LINEAR        jvp is the forward on the tangent
    VIEW          linear, and the result shares its input's memory
    GENERAL       jvp by transposing the vjp, unless the record has one
"""

from __future__ import annotations

import operator
from functools import cached_property
from sys import _getframe
from typing import Any

from . import dtypes, graph_errors
from .backend import numpy as backend
from .engine import (
    USER_FILES,
    Freed,
    Node,
    NodeMeta,
    SavedTensor,
    check_output_version,
    next_sequence,
    relink,
    saved_input,
    saved_input_array,
    user_position,
)
from .modes import CAREFUL, RECORD, active_saved_hooks, is_quiet, local, silence
from .tensor import (
    IN_INFERENCE,
    IN_NO_GRAD,
    ONE_OF_MANY,
    ORDINARY,
    Extra,
    Tensor,
    View,
    memory,
    own_extra,
    refresh_view,
    version_counter,
    wrap,
)

ELEMENTWISE, LINEAR, VIEW, GENERAL = "elementwise", "linear", "view", "general"
INPUT, OUTPUT, PLAIN = range(3)

new = object.__new__
ndarray = backend.ndarray
scalar_array = backend.scalar_array
NUMBERS = (int, float, bool, complex)
CHANGES_DTYPE = {"view_as_real", "view_as_complex", "real", "imag", "view_dtype"}  # views that strides cannot describe
REGISTRY: dict[str, Op] = {}


class Namespace:
    """`xp` of the formulas: the backend's functions, and every operation by its name."""

    def __init__(self, functions: dict, operation) -> None:
        self.__dict__.update(functions)
        self._operation = operation

    def __getattr__(self, name: str):
        if name.startswith("__") or name not in REGISTRY:
            raise AttributeError(f"there is no array function and no operation named {name!r}")
        found = self._operation(REGISTRY[name])
        setattr(self, name, found)
        return found


def run_forward(record, arrays, settings):
    """The record's forward on arrays."""
    if record.variadic:
        return record.forward(xp, *arrays, **dict(zip(record.settings, settings, strict=True)))
    return record.forward(xp, *arrays, *settings)


def _on_arrays(record):
    forward = record.forward
    if record.variadic:
        n = len(record.settings)
        return lambda *arguments: run_forward(record, arguments[: len(arguments) - n], arguments[len(arguments) - n :])
    return lambda *arguments: forward(xp, *arguments)


xp = Namespace({k: v for k, v in vars(backend).items() if not k.startswith("_")}, _on_arrays)
graph_xp = Namespace({}, lambda record: record.apply)


# Forwards that only call one array function, or apply one operator, are replaced by it: a Python call less per operation.
_CALL = (lambda xp, x: xp.f(x)).__code__.co_code
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


class Op:
    """Everything chainrule knows about one operation."""

    apply: Any
    batch: Any
    check: Any
    differentiable: bool
    floating: Any
    forward: Any
    holomorphic: Any
    inputs: tuple[str, ...]
    jvp: Any
    kind: str
    name: str
    node_name: str
    number_nodes: dict[int, str]
    numbers: Any
    operator: Any
    outputs: tuple[str, ...]
    promote: Any
    refuses: Any
    saved_kinds: tuple[int, ...]
    saved_names: tuple[str, ...]
    settings: tuple[str, ...]
    torch_names: Any
    variadic: Any
    vjps: Any


    def __repr__(self) -> str:
        return f"<op {self.name}>"

    # Classes of nodes are made when the operation is first recorded: a program uses few of the operations.

    @cached_property
    def node_class(self) -> type[Node]:
        """The class of the nodes that record this operation."""
        return _node_class(self, self.node_name)

    @cached_property
    def number_node_classes(self) -> dict[int, type[Node]]:
        """{position: the class instead, when the input at that position is a number}."""
        return {i: _node_class(self, name) for i, name in self.number_nodes.items()}

    @cached_property
    def scalar_node_class(self) -> type[Node] | None:
        """The class of the nodes of ``tensor op number`` that need save only the number; None if they need more."""
        return _scalar_node_class(self, self.number_nodes.get(1, self.node_name)) if _saves_only_numbers(self) else None


def parameters(function):
    """(names before the slash, names after it, the starred name or None) of a formula, without its `xp`."""
    code = function.__code__
    names = code.co_varnames
    positional = names[: code.co_argcount]
    only = code.co_posonlyargcount or code.co_argcount
    settings = positional[only:] + names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    star = names[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & 0x04 else None
    return positional[1:only], settings, star


def op(
    name: str,
    *,
    forward,
    vjp=None,
    kind: str = GENERAL,
    jvp=None,
    batch=None,
    outputs: tuple[str, ...] = (),
    promote: bool | tuple[int, ...] = False,
    floating: bool = False,
    holomorphic: bool | None = None,
    node: str | None = None,
    number_nodes: dict[int, str] | None = None,
    numbers: bool | tuple[int, ...] = True,
    refuses: dict | None = None,
    check=None,
    saved_as: dict | None = None,
    public: str | None = None,
):
    """Registers an operation and returns its function.

    `outputs` names several outputs; `promote`: which inputs are brought to a common dtype (ELEMENTWISE: all unless said);
    `floating`: integer inputs become the default floating dtype; `node`: the name of its node, where it is not the
    operation's name in camel case with ``Backward0``; `number_nodes`: its other name when the input at that position is a
    number; `numbers`: which promoted inputs may be Python numbers (all unless said); `refuses`: the exceptions for dtypes it has no
    meaning for, as {NumPy kind: (type, message)}, a ``{}`` in the message being the dtype's name; `check`: a function of
    the inputs, called where they are of different dtypes or of a refused one, that raises if they do not go together;
    `saved_as`: PyTorch's names for what `_saved_…` attributes show.
    """
    if name in REGISTRY:
        raise ValueError(f"operation {name} is registered twice")
    record = Op()
    record.name = name
    record.kind = kind
    record.forward = forward
    record.jvp = jvp
    record.batch = batch
    record.outputs = outputs
    record.floating = floating
    record.holomorphic = kind == ELEMENTWISE if holomorphic is None else holomorphic
    record.torch_names = saved_as or {}
    record.inputs, record.settings, record.variadic = parameters(forward)
    everything = promote is True or (kind == ELEMENTWISE and not promote)
    record.promote = tuple(range(len(record.inputs))) if everything else promote or ()
    record.numbers = record.promote if numbers is True else numbers or ()
    record.refuses = refuses or {}
    record.check = check
    record.differentiable = vjp is not None
    formulas = vjp if isinstance(vjp, tuple) else (vjp,) if vjp is not None else ()
    _plan(record, formulas)
    record.node_name = node or "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"
    record.number_nodes = number_nodes or {}
    shown = public or name
    if kind == ELEMENTWISE and not record.settings and not outputs and len(record.inputs) == 1:
        apply = _unary(record, shown)
    elif kind == ELEMENTWISE and not record.settings and not outputs and len(record.inputs) == 2:
        apply = _binary(record, shown)
        record.operator = _binary(record, shown, as_operator=True)
    else:
        apply = _general_function(record, shown)
    apply.__name__ = apply.__qualname__ = shown
    apply.record = record
    record.apply = apply
    REGISTRY[name] = record
    return apply


# ---------------------------------------------------------------- what a node saves, and its backward


def _plan(record: Op, formulas) -> None:
    """Decides from the formulas' parameter names what nodes save: `saved_names`, `saved_kinds`, `vjps`."""
    names: list[str] = []
    kinds: list[int] = []
    vjps = []
    input_names = record.inputs + ((record.variadic,) if record.variadic else ())
    for formula in formulas:
        if formula is None:  # no gradient for this input
            vjps.append((None, ()))
            continue
        wanted, more, _ = parameters(formula)
        positions = []
        for parameter in (*wanted, *more)[1:]:  # after g
            if parameter == "needs":
                positions.append(-1)
                continue
            if parameter in input_names:
                kind = INPUT
            elif parameter == "out" or parameter in record.outputs:
                kind = OUTPUT
            elif parameter in record.settings or parameter.removesuffix("_shape") in input_names:
                kind = PLAIN
            elif parameter.removesuffix("_dtype") in input_names:
                kind = PLAIN
            else:
                raise TypeError(f"vjp of {record.name}: unknown parameter {parameter!r}")
            if parameter not in names:
                names.append(parameter)
                kinds.append(kind)
            positions.append(names.index(parameter))
        vjps.append((formula, tuple(positions)))
    record.saved_names = tuple(names)
    record.saved_kinds = tuple(kinds)
    record.vjps = tuple(vjps)


def _node_class(record: Op, name: str) -> type[Node]:
    body = {
        "__slots__": (),
        "op": record,
        "saves_tensors": any(kind != PLAIN for kind in record.saved_kinds),
        "__module__": "builtins",  # as PyTorch prints it
    }
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
        check_output_version(entry, node, _output_number(node.op, name))
    return entry


def _output_number(record, name) -> int:
    return name if isinstance(name, int) else record.outputs.index(name) if name in record.outputs else 0


def _edge(node, index: int):
    numbers = None if node.meta is None else node.meta.numbers
    return node.edges[index], numbers[index] if numbers else 0


def _tensor_of(node, kind, name, entry):
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
        return tuple(_tensor_of(node, kind, i, e) for i, e in enumerate(entry))
    number = _output_number(record, name)
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
    fetch_output = _tensor_of if on_tensors else _array_of
    kind_of = _tensor_kind if on_tensors else _array_kind
    if not positions:

        def backward(self, gradient, needs):
            return (formula(namespace, gradient),)

    elif positions == (0,) and kinds in ((INPUT,), (OUTPUT,)) and not on_tensors:
        output = kinds == (OUTPUT,)

        def backward(self, gradient, needs):
            saved = self.saved
            if saved.__class__ is Freed:
                raise graph_errors.freed(self)
            value = saved[0]
            if not output:
                value = saved_input_array(value, self)
            elif self.meta is not None or value.__class__ is SavedTensor:
                value = _array_of(self, OUTPUT, "out", value)
            if holomorphic and gradient.dtype.kind == "c":
                return (xp.conj(formula(xp, xp.conj(gradient), value)),)
            return (formula(xp, gradient, value),)

    else:
        steps = [(p, kinds[p], names[p]) if p >= 0 else (p, PLAIN, "needs") for p in positions]

        def backward(self, gradient, needs):
            saved = self.saved
            if saved.__class__ is Freed:
                raise graph_errors.freed(self)
            values = []
            for position, kind, name in steps:
                if kind == PLAIN:
                    values.append(saved[position] if position >= 0 else needs)
                elif kind == INPUT:
                    values.append(fetch_input(saved[position], self))
                else:
                    values.append(fetch_output(self, kind, name, saved[position]))
            if holomorphic and kind_of(gradient) == "c":
                return (namespace.conj(formula(namespace, namespace.conj(gradient), *values)),)
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


def _backward_arrays(self, gradient, needs):
    record = self.op
    saved = self.saved
    if saved.__class__ is Freed:
        raise graph_errors.freed(self)
    values = [_array_of(self, k, n, e) for k, n, e in zip(record.saved_kinds, record.saved_names, saved, strict=True)]
    return _gradients(record, xp, gradient, values, needs)


def _backward_tensors(self, gradient, needs):
    record = self.op
    saved = self.saved
    if saved.__class__ is Freed:
        raise graph_errors.freed(self)
    values = [_tensor_of(self, k, n, e) for k, n, e in zip(record.saved_kinds, record.saved_names, saved, strict=True)]
    return _gradients(record, graph_xp, gradient, values, needs)


def _gradients(record: Op, namespace, gradient, values, needs):
    if record.holomorphic and not isinstance(gradient, (list, tuple)) and _is_complex(gradient):
        conj = namespace.conj
        results = _real_gradients(record, namespace, conj(gradient), values, needs)
        return [None if r is None else conj(r) for r in results]
    return _real_gradients(record, namespace, gradient, values, needs)


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


def _saves_only_numbers(record: Op) -> bool:
    """Whether the gradient for the first of two inputs needs nothing but, perhaps, the second."""
    if record.kind != ELEMENTWISE or len(record.inputs) != 2 or len(record.vjps) != 2 or record.vjps[0][0] is None:
        return False
    return all(record.saved_names[p] == record.inputs[1] for p in record.vjps[0][1])


def _scalar_node_class(record: Op, name: str) -> type[Node]:
    """The node of a binary operation whose second operand is a Python number: there is nothing in it to free."""
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

    body = {
        "__slots__": (),
        "op": record,
        "saves_tensors": False,
        "backward": backward,
        "backward_tensors": backward_tensors,
        "__module__": "builtins",  # as PyTorch prints it
    }
    return type(name, (Node,), body)


# ---------------------------------------------------------------- the functions users call


def must_be_tensor(function: str, argument: str, position: int, value) -> TypeError:
    kind = type(value)
    name = f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__
    return TypeError(f"{function}(): argument '{argument}' (position {position}) must be Tensor, not {name}")


def _careful_kinds(record: Op) -> str:
    """The NumPy kinds that the fast paths leave to the general path: those to be converted or refused."""
    return ("iub" if record.floating else "") + "".join(record.refuses)


def _unary(record: Op, shown: str):
    """The function of an elementwise operation on one tensor: the recording of it is spelled out, for speed."""
    kernel, node_class, kinds = kernel_of(record.forward), None, record.saved_kinds
    careful_kinds = _careful_kinds(record)
    save_input, save_output = kinds == (INPUT,), kinds == (OUTPUT,)
    straight = record.differentiable and (save_input or save_output or not kinds)
    # what requires grad is floating or complex: integers need no look where it is only they that need care
    careful_inexact = "".join(kind for kind in careful_kinds if kind in "fcV")

    def apply(input, *, out=None):
        nonlocal node_class
        try:
            extra = input._extra
        except AttributeError:
            raise must_be_tensor(shown, "input", 1, input) from None
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
            node = new(node_class)
            node.edges = (input._grad_fn or input,)
            if save_output:
                node.saved = (result,)
            elif save_input:
                node.saved = (input,) if input._counter is None else (saved_input(input),)
            else:
                node.saved = ()
            node.sequence = next_sequence()
            node.meta = None
            frame = _getframe(1)
            code = frame.f_code
            if code.co_filename in USER_FILES:
                node.code = code
                node.lasti = frame.f_lasti
            else:
                node.code, node.lasti = user_position(2)
            tensor = new(Tensor)
            tensor._array = result
            tensor._requires_grad = True
            tensor._grad_fn = node
            tensor._grad = tensor._counter = tensor._extra = None
            return tensor
        if mode == CAREFUL or (mode and input._requires_grad) or (careful_kinds and array.dtype.kind in careful_kinds):
            return general(record, (input,))
        result = kernel(array)
        tensor = new(Tensor)
        tensor._array = result
        tensor._requires_grad = False
        tensor._grad_fn = tensor._grad = tensor._counter = tensor._extra = None
        return tensor

    return apply


def _binary(record: Op, shown: str, as_operator: bool = False):
    """The function of an elementwise operation on two tensors, or a tensor and a number: spelled out, for speed.

    `as_operator`, it answers NotImplemented to an operand it cannot use, so that Python asks the other side."""
    kernel, node_class, scalar_node_class = kernel_of(record.forward), None, None
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
    saves_nothing, saves_both = not kinds, len(kinds) == 2
    x_first = saves_both and names[0] == x
    careful_kinds = _careful_kinds(record)
    takes_numbers = 1 in record.numbers and not (differentiable and not _saves_only_numbers(record))

    def apply(input, other, *, out=None):
        nonlocal node_class, scalar_node_class
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
                or array.dtype.kind not in "fc"
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
                tensor._grad_fn = None
                return tensor
            if scalar_node_class is None:
                scalar_node_class = record.scalar_node_class
            node = new(scalar_node_class)
            node.meta = None
            node.edges = (input._grad_fn or input, None)
            node.saved = (other,)
        else:
            try:
                if input._extra is not None or other._extra is not None or out is not None:
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
                tensor._grad_fn = tensor._grad = tensor._counter = tensor._extra = None
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
            node = new(node_class)
            node.meta = meta
            if x_needs and y_needs:
                node.edges = (input._grad_fn or input, other._grad_fn or other)
                if saves_nothing:
                    node.saved = ()
                elif saves_both:
                    x_saved = input if input._counter is None else saved_input(input)
                    y_saved = other if other._counter is None else saved_input(other)
                    node.saved = (x_saved, y_saved) if x_first else (y_saved, x_saved)
                else:
                    node.saved = _save_needed(names, wants, x, input, other, (True, True))
            else:
                node.edges = (
                    (input._grad_fn or input) if x_needs else None,
                    (other._grad_fn or other) if y_needs else None,
                )
                node.saved = () if saves_nothing else _save_needed(names, wants, x, input, other, (x_needs, y_needs))
        node.sequence = next_sequence()
        frame = _getframe(1)
        code = frame.f_code
        if code.co_filename in USER_FILES:
            node.code = code
            node.lasti = frame.f_lasti
        else:
            node.code, node.lasti = user_position(2)
        tensor._requires_grad = True
        tensor._grad_fn = node
        return tensor

    return apply


def _save_needed(names, wants, x: str, input, other, needs):
    """The saved inputs of a two-input operation: those that a formula which will run wants, None for the others."""
    saved = []
    for name in names:
        if (needs[0] and name in wants[0]) or (needs[1] and name in wants[1]):
            saved.append(saved_input(input if name == x else other))
        else:
            saved.append(None)
    return tuple(saved)


def _general_function(record: Op, shown: str):
    n = len(record.inputs)
    if record.variadic:

        def apply(*arguments):
            """(*inputs, *settings): the last arguments are the settings."""
            cut = len(arguments) - len(record.settings)
            return general(record, arguments[:cut], arguments[cut:])

        return apply
    if n == 1 and not record.outputs and record.differentiable and record.name not in CHANGES_DTYPE:
        return _one_with_settings(record)
    if n == 2 and not record.outputs and not record.promote and not record.settings and record.differentiable:
        return _two_unlike(record)

    def apply(*arguments):
        return general(record, arguments[:n], arguments[n:])

    return apply


def _one_with_settings(record: Op):
    """The function of an operation on one tensor with settings: ``apply(input, *settings)``."""
    forward, node_class = record.forward, None
    careful_kinds = _careful_kinds(record)
    is_view, differentiable = record.kind == VIEW, record.differentiable
    plan = [_saved_source(record, name) for name in record.saved_names]

    def apply(input, *settings):
        nonlocal node_class
        mode = local.mode
        if (
            input._extra is not None
            or mode == CAREFUL
            or (is_view and not mode)
            or (careful_kinds and input._array.dtype.kind in careful_kinds)
        ):
            return general(record, (input,), settings)
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
            extra = tensor._extra = Extra()
            extra.view = View(input, ORDINARY, counter.version)
        if not (mode and input._requires_grad and differentiable and result.dtype.kind in "fcV"):
            tensor._requires_grad = False
            tensor._grad_fn = None
            return tensor
        if node_class is None:
            node_class = record.node_class
        node = new(node_class)
        node.edges = (input._grad_fn or input,)
        saved = []
        for source in plan:
            if source >= 0:
                saved.append(settings[source])
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
        node.code, node.lasti = user_position(2)
        node.meta = None
        tensor._requires_grad = True
        tensor._grad_fn = node
        return tensor

    return apply


def _two_unlike(record: Op):
    """The function of an operation on two tensors that neither broadcasts nor promotes, such as a matrix product."""
    forward, node_class, names = record.forward, None, record.saved_names
    x, y = record.inputs
    wants = [[record.saved_names[p] for p in positions] for _, positions in record.vjps]
    straight = (
        len(record.vjps) == 2
        and all(f is not None for f, _ in record.vjps)
        and all(name in (x, y) for name in record.saved_names)
    )

    def apply(input, other):
        nonlocal node_class
        mode = local.mode
        if not straight or input._extra is not None or other._extra is not None or mode == CAREFUL:
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
            tensor._grad_fn = None
            return tensor
        if node_class is None:
            node_class = record.node_class
        node = new(node_class)
        edges = node.edges = (
            (input._grad_fn or input) if input._requires_grad else None,
            (other._grad_fn or other) if other._requires_grad else None,
        )
        node.saved = _save_needed(names, wants, x, input, other, (edges[0] is not None, edges[1] is not None))
        node.sequence = next_sequence()
        node.code, node.lasti = user_position(2)
        node.meta = None
        tensor._requires_grad = True
        tensor._grad_fn = node
        return tensor

    return apply


FROM_INPUT, FROM_OUTPUT, FROM_SHAPE, FROM_DTYPE = -1, -2, -3, -4
RESULTS = (ndarray, backend.np.generic)


def _saved_source(record: Op, name: str) -> int:
    """Where a saved value of a one-input operation comes from: a setting's position or one of the constants above."""
    if name in record.settings:
        return record.settings.index(name)
    if name == record.inputs[0]:
        return FROM_INPUT
    if name == "out":
        return FROM_OUTPUT
    return FROM_SHAPE if name.endswith("_shape") else FROM_DTYPE


def broadcasting(kernel, a, b):
    """Runs a binary kernel on arrays of different shapes, with PyTorch's error where they do not broadcast."""
    try:
        return kernel(a, b)
    except ValueError:
        broadcast_error(a.shape, b.shape)
        raise


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


# ---------------------------------------------------------------- the general path


def general(record: Op, inputs, settings=(), out=None):
    """Runs an operation in full generality: numbers, promotion, views, modes, tangents, batches, several outputs."""
    special = needs_grad = False
    mode = local.mode
    for i, value in enumerate(inputs):
        if isinstance(value, Tensor):
            extra = value._extra
            if extra is not None:
                if extra.special:
                    special = True
                if extra.view is not None and value.requires_grad and local.grad_enabled:
                    refresh_view(value)
                    needs_grad = True  # though nothing may lead to its base: see attach_views
            if value._requires_grad:
                needs_grad = True
        elif value is not None and not (i in record.numbers and isinstance(value, NUMBERS)):
            if i in record.numbers and isinstance(value, backend.np.generic):
                return general(record, [python_number(v) for v in inputs], settings, out)
            name = record.inputs[i] if i < len(record.inputs) else record.variadic
            raise must_be_tensor(record.name, {"x": "input", "y": "other"}.get(name, name), i + 1, value)
    if special or (mode == CAREFUL and local.function_modes):
        from .transforms import apply_special

        return apply_special(record, inputs, settings, out)
    if not is_quiet():
        silence()
    if record.check is not None:
        record.check(*inputs)
    arrays = _arrays(record, inputs)
    try:
        results = run_forward(record, arrays, settings)
    except ValueError:
        if len(record.promote) > 1:
            broadcast_error(*[a.shape for a in arrays if hasattr(a, "shape")])
        raise
    many = record.outputs != ()
    if not (needs_grad and record.differentiable and local.grad_enabled):
        wrapped = (
            tuple([wrap(backend.result_array(r)) for r in results]) if many else wrap(backend.result_array(results))
        )
    else:
        wrapped = record_call(record, inputs, settings, arrays, results, many)
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
    first = None
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
    arrays = []
    for i, value in enumerate(inputs):
        if isinstance(value, Tensor):
            array = value._array
            arrays.append(array.astype(target) if i in promote and array.dtype is not target else array)
        elif value is None or i not in promote:
            arrays.append(value)
        else:
            arrays.append(number_array(value, target))
    return arrays


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


def record_call(record: Op, inputs, settings, arrays, results, many):
    """Makes the node of a call and wraps its results with it."""
    node_class = record.node_class
    for i, other in record.number_node_classes.items():
        if not isinstance(inputs[i], Tensor):
            node_class = other
    node = new(node_class)
    edges, numbers, mismatch = [], [], False
    first = results[0] if many else results
    for value, array in zip(inputs, arrays, strict=True):
        edge, number = _input_edge(value)
        edges.append(edge)
        numbers.append(number)
        if record.promote and isinstance(value, Tensor) and value._array.dtype is not first.dtype:
            mismatch = True  # for all inputs: a formula that meets this one may give the other a gradient too wide
        elif edge is not None and record.promote and array.shape != first.shape:
            mismatch = True
    node.edges = tuple(edges)
    node.sequence = next_sequence()
    node.code, node.lasti = user_position(3)
    node.meta = None
    if any(numbers):
        node.own_meta().numbers = tuple(numbers)
    if mismatch or (record.promote and record.kind != ELEMENTWISE):
        node.own_meta().targets = tuple(
            (value._array.shape, value._array.dtype) if edge is not None else None
            for value, edge in zip(inputs, edges, strict=True)
        )
    if many:
        count = len(results)
        if record.outputs == ("*",):
            node.n_outputs = count
        tensors = []
        for number, result in enumerate(results):
            result = backend.result_array(result)
            tensor = wrap(result)
            if result.dtype.kind in "fcV":
                tensor._grad_fn = node
                tensor._requires_grad = True
                if number:
                    own_extra(tensor).output_number = number
            tensors.append(tensor)
        node.saved = _saved_values(record, node, inputs, arrays, settings, tensors)
        wrapped = tuple(tensors)
    else:
        result = backend.result_array(results)
        wrapped = wrap(result)
        if result.dtype.kind in "fcV":
            wrapped._grad_fn = node
            wrapped._requires_grad = True
        node.saved = _saved_values(record, node, inputs, arrays, settings, wrapped)
    if local.anomaly is not None:
        local.anomaly.remember(node)
    return wrapped


def _input_edge(value):
    if not isinstance(value, Tensor) or not value._requires_grad:
        return None, 0
    node = value._grad_fn
    if node is None:
        return value, 0
    return node, 0 if value._extra is None else value._extra.output_number


def _saved_values(record: Op, node, inputs, arrays, settings, tensors):
    """What the node keeps, in the order of `saved_names`; an input that no wanted formula uses is left out."""
    names = record.saved_names
    if not names:
        return ()
    used = None
    if len(record.vjps) == len(node.edges) > 1:
        used = set()
        for (_, positions), edge in zip(record.vjps, node.edges, strict=True):
            if edge is not None:
                used.update(positions)
    hooks = active_saved_hooks()
    values = []
    for position, (name, kind) in enumerate(zip(names, record.saved_kinds, strict=True)):
        if used is not None and position not in used:
            values.append(None)
        elif kind == INPUT:
            if name == record.variadic:
                values.append(tuple(_save_input(v, hooks) for v in inputs[len(record.inputs) :]))
            else:
                index = record.inputs.index(name)
                value = inputs[index]
                if isinstance(value, NUMBERS) and index in record.promote:
                    values.append(wrap(arrays[index]))  # of the dtype the operation was computed in; not for hooks
                else:
                    values.append(_save_input(value, hooks))
        elif kind == OUTPUT:
            if record.outputs and name == "out":
                values.append(tuple(_save_output(t, i, hooks) for i, t in enumerate(tensors)))
            else:
                number = _output_number(record, name)
                values.append(_save_output(tensors[number] if record.outputs else tensors, number, hooks))
        elif name in record.settings:
            values.append(settings[record.settings.index(name)])
        elif name.endswith("_dtype"):
            values.append(inputs[record.inputs.index(name.removesuffix("_dtype"))].dtype)
        else:
            source = name.removesuffix("_shape")
            if source == record.variadic:
                values.append(tuple(v._array.shape for v in inputs[len(record.inputs) :]))
            else:
                value = inputs[record.inputs.index(source)]
                values.append(value._array.shape if isinstance(value, Tensor) else ())
    return tuple(values)


def _save_input(value, hooks):
    if not isinstance(value, Tensor):
        return value
    if hooks is None:
        if value._extra is not None and value._extra.inference:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
                "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use "
                "it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
            )
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
    if parent is not None and parent.creation != ORDINARY and creation == ORDINARY:
        creation = parent.creation
    for number, tensor in enumerate(wrapped if many else (wrapped,)):
        replay = None
        if record.name in CHANGES_DTYPE or (parent is not None and parent.replay is not None):
            replay = (
                (*(parent.replay or parent_steps(source)), (record, settings, number))
                if parent
                else ((record, settings, number),)
            )
        tensor._counter = counter
        own_extra(tensor).view = View(base, creation, counter.version, replay)


def parent_steps(source: Tensor):
    """A view of the base by strides, as a first replay step for a view that strides cannot describe."""
    from .inplace import strides_from_base

    return ((REGISTRY["as_strided"], strides_from_base(source), 0),)


# ---------------------------------------------------------------- attaching functions to the namespace and to Tensor


def method(*names: str):
    """Makes a function a method of Tensor under these names (its own if none are given)."""

    def attach(function):
        for name in names or (function.__name__,):
            setattr(Tensor, name, function)
        return function

    return attach
