"""What a model computes on an example: every call of an operation, with its inputs, settings and results.

In-place writes are recorded as what they amount to: after one, the tensor, and whatever shares its memory, stands for
another value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import user_position
from ..inplace import write_out
from ..modes import local
from ..overrides import TorchFunctionMode
from ..record import REGISTRY, VIEW, Op, run_forward
from ..tensor import Tensor, memory
from .errors import OnnxExporterError, at


class Value:
    """What a tensor held at some time. `name` is that of an input or parameter; `array` the elements, unless an operation
    computed them."""

    __slots__ = ("array", "dtype", "index", "name", "shape")

    def __init__(self, index: int, array: Any, name: str | None = None, known: bool = False) -> None:
        self.index = index
        self.shape: tuple[int, ...] = array.shape
        self.dtype = array.dtype
        self.name = name
        self.array = array if known else None


class Call:
    """One call of an operation. `inputs` are values, numbers and None."""

    __slots__ = ("inputs", "outputs", "position", "record", "settings")

    def __init__(self, record: Op, inputs: tuple, settings: tuple, outputs: list[Value], position: tuple) -> None:
        self.record = record
        self.inputs = inputs
        self.settings = settings
        self.outputs = outputs
        self.position = position


class _Known:
    """A tensor: its value when its memory had been written to `version` times, and for a view what it looks at."""

    __slots__ = ("call", "number", "parent", "tensor", "value", "version")

    def __init__(self, tensor: Tensor, value: Value) -> None:
        self.tensor = tensor
        self.value = value
        self.version = _version(tensor)
        self.parent: _Known | None = None
        self.call: Call | None = None
        self.number = 0


class Recording(TorchFunctionMode):
    """Inside, operations on tensors are recorded in `calls`; `values` are all that they take and give."""

    def __init__(self, inputs: Sequence[tuple[str, Tensor]], parameters: Sequence[tuple[str, Tensor]]) -> None:
        self.calls: list[Call] = []
        self.values: list[Value] = []
        self.outputs: list[Value] = []
        self._known: dict[int, _Known] = {}
        self._by_memory: dict[tuple, _Known] = {}
        self._computed: dict[int, tuple[Any, Value]] = {}  # by the identity of the array, which stays alive
        self._masks: list[tuple[Any, Value]] = []  # arrays of bools, and their values
        self._overwritten: list[tuple[Tensor, Any]] = []
        self.inputs = [self._register(tensor, self._value(tensor._array, name)).value for name, tensor in inputs]
        for name, tensor in parameters:
            self._register(tensor, self._value(tensor._array, name, known=True))

    def __enter__(self) -> Recording:
        if local.saved_copies is not None:
            raise OnnxExporterError("a model cannot be exported inside allow_mutation_on_saved_tensors")
        local.saved_copies = self
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        local.saved_copies = None
        for tensor, before in reversed(self._overwritten):  # a model is exported, not trained
            memory(tensor)[...] = before

    def __torch_function__(self, func: Any, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        if local.autocast is not None:
            raise at(user_position(), "a model cannot be exported with torch.autocast at work")
        record = func.record
        count = len(args) - len(record.settings)
        inputs, settings = args[:count], args[count:]
        sources = [self._find(x) if isinstance(x, Tensor) else x for x in inputs]
        values = tuple([self._current(x) if isinstance(x, _Known) else x for x in sources])
        if record.name == "index_put" and not settings[1]:
            mask = self._mask_of(inputs, settings[0])
            if mask is not None:
                result = func(*args)
                value = self._run("where", (mask, values[1], values[0]), (), result._array)
                self._register(result, value)
                self._computed[id(result._array)] = result._array, value
                return result
        result = func(*args)
        tensors = result if record.outputs else (result,)
        call = self._add(record, values, settings, [tensor._array for tensor in tensors])
        for number, (tensor, value) in enumerate(zip(tensors, call.outputs, strict=True)):
            known = self._register(tensor, value)
            if record.kind == VIEW:
                known.parent, known.call, known.number = sources[0], call, number
            self._computed[id(tensor._array)] = tensor._array, value
        if kwargs:
            return write_out(record, kwargs["out"], result, inputs)
        return result

    def _mask_of(self, inputs: tuple, dims: tuple[int, ...]) -> Value | None:
        """The mask whose True places index tensors are, where one number is written to them; in a shape that broadcasts.

        Indexing finds the places of a mask by NumPy. (If they are those of a mask by chance, runs on other values differ.)
        """
        x, y, *indices = inputs
        if y.numel() != 1 or dims != tuple(range(dims[0], dims[0] + len(dims))):
            return None
        shape = tuple([x._array.shape[d] for d in dims])
        for array, value in reversed(self._masks):
            if array.shape == shape and all(np.array_equal(i._array, n) for i, n in zip(indices, np.nonzero(array))):
                rest = x._array.ndim - dims[-1] - 1
                return self._run("view", (value,), ((*shape, *[1] * rest),)) if rest else value
        return None

    def value_of(self, tensor: Tensor) -> Value:
        """What a tensor holds now."""
        return self._current(self._find(tensor))

    def before_write(self, tensor: Tensor, source: Any) -> None:
        """Records that the elements of `source` are about to be written into a tensor's memory."""
        found = self._computed.get(id(source))  # of the result that is about to be copied
        value = self._value(np.array(source), known=True) if found is None else found[1]
        if value.dtype != tensor._array.dtype:
            value = self._run("cast", (value,), (tensor.dtype,))
        known = self._find(tensor)
        while known.parent is not None:
            value = self._written(known, self._current(known.parent), value)
            known = known.parent
        if known.value.array is not None:
            self._overwritten.append((known.tensor, np.array(known.tensor._array)))
        known.value, known.version = value, _version(tensor) + 1

    def _written(self, view: _Known, whole: Value, part: Value) -> Value:
        """`whole` after `part` was written to a view of it."""
        call: Any = view.call
        name, settings = call.record.name, call.settings
        if name == "select":
            return self._run("select_scatter", (whole, part), settings)
        if name == "slice":
            return self._run("slice_scatter", (whole, part), settings)
        if name == "diagonal":
            return self._run("diagonal_scatter", (whole, part), settings)
        if name == "unbind":
            return self._run("select_scatter", (whole, part), (settings[0], view.number))
        if name in ("split", "split_with_sizes"):
            sizes, dim = settings
            start = sum(sizes[: view.number])
            return self._run("slice_scatter", (whole, part), (dim, start, start + sizes[view.number], 1))
        if name in ("transpose", "t"):
            return self._run(name, (part,), settings)
        if name == "permute":
            return self._run("permute", (part,), (tuple(int(d) for d in np.argsort(settings[0])),))
        if name in ("view", "unsqueeze", "squeeze", "squeeze_dim", "squeeze_dims", "alias"):
            return self._run("view", (part,), (whole.shape,))
        raise at(user_position(), f"a write through a view made by {name} cannot be exported to ONNX")

    # ---- values

    def _value(self, array: Any, name: str | None = None, known: bool = False) -> Value:
        value = Value(len(self.values), array, name, known)
        self.values.append(value)
        return value

    def _add(self, record: Op, inputs: tuple, settings: tuple, arrays: list) -> Call:
        call = Call(record, inputs, settings, [self._value(array) for array in arrays], user_position())
        self.calls.append(call)
        return call

    def _run(self, name: str, inputs: tuple, settings: tuple, found: Any = None) -> Value:
        """The value of a call that nobody made: its elements are in nobody's tensor, but its shape and dtype are known."""
        record = REGISTRY[name]
        if found is not None:
            return self._add(record, inputs, settings, [found]).outputs[0]
        x = np.broadcast_to(np.zeros((), inputs[0].dtype), inputs[0].shape)
        if name == "cast":
            found = np.broadcast_to(np.zeros((), settings[0].numpy_dtype), x.shape)
        elif record.kind == VIEW:
            found = run_forward(record, (x,), settings)
        else:
            found = x
        return self._add(record, inputs, settings, [found]).outputs[0]

    def _register(self, tensor: Tensor, value: Value) -> _Known:
        known = self._known[id(tensor)] = _Known(tensor, value)
        if value.dtype.kind == "b":
            self._masks.append((tensor._array, value))
        key = _memory(tensor)
        if key is not None:
            self._by_memory.setdefault(key, known)
        return known

    def _find(self, tensor: Tensor) -> _Known:
        known = self._known.get(id(tensor))
        if known is None or known.tensor is not tensor:
            key = _memory(tensor)
            known = None if key is None else self._by_memory.get(key)
            if known is None:
                known = self._register(tensor, self._value(np.array(tensor._array), known=True))
        return known

    def _current(self, known: _Known) -> Value:
        version = _version(known.tensor)
        if version != known.version:
            if known.parent is None or known.call is None:
                raise at(user_position(), "a tensor was written to in a way that cannot be exported to ONNX")
            whole = self._current(known.parent)
            record, settings = known.call.record, known.call.settings
            known.value = self._replayed(record, whole, settings, known)
            known.version = version
        return known.value

    def _replayed(self, record: Op, whole: Value, settings: tuple, known: _Known) -> Value:
        if not record.outputs:
            return self._run(record.name, (whole,), settings)
        call: Any = known.call
        arrays = [np.broadcast_to(np.zeros((), value.dtype), value.shape) for value in call.outputs]
        return self._add(record, (whole,), settings, arrays).outputs[known.number]


def _version(tensor: Tensor) -> int:
    return 0 if tensor._counter is None else tensor._counter.version


def _memory(tensor: Tensor) -> tuple | None:
    """Where a tensor's elements are and how they lie there; None for a number of its own."""
    array = memory(tensor)
    return (array.ctypes.data, array.shape, array.strides, array.dtype) if array.size else None
