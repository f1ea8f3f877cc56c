"""The ONNX graph of a model's runs: nodes, constants, and sizes that follow from the inputs'."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..engine import user_position
from ..general import SINGLE, common_dtype, is_factor_in_single
from ..tensor import wrap
from .errors import OnnxExporterError, SymbolicValueError, UnsupportedOperatorError, at
from .runs import Call, Runs, Value, VariesError, Varying, merged, varies


class Graph:
    """Translates the calls of `runs`, one after the other, by a table of functions: {operation: function(step, *inputs,
    **settings)} (see translations.py)."""

    def __init__(self, runs: Runs, table: dict, reserved: Sequence[str], opset: int) -> None:
        import onnx

        self.onnx = onnx
        self.runs = runs
        self.opset = opset
        self.nodes: list[Any] = []
        self.arrays: dict[str, Any] = {}  # the initializers
        self.transposed: dict[str, str] = {}  # {result of a transposition: the matrix}
        self.reshaped: dict[str, str] = {}  # {result of a reshape: what was reshaped}
        self.names: dict[int, str] = {}  # of values, by their index
        self._taken: dict[str, int] = {}
        self._constants: dict[tuple, str] = {}
        self._sizes: dict[tuple, str] = {}  # {a size in all runs: the name of a vector with it}
        self._axes: dict[tuple, tuple[str, int]] = {}  # {a size in all runs: (a tensor, its axis of that size)}
        for name in reserved:
            self.fresh(name)
        for value in runs.inputs:
            self._define(value, self.fresh(str(value.name)))
        self.call: Call | None = None
        self._inputs: list[Value] = []  # of this call
        self._missing: dict[int, OnnxExporterError] = {}  # why a value, by its index, has no translation
        for index, call in enumerate(runs.calls):
            self.call = call
            try:
                self._translate(index, call, table)
            except OnnxExporterError as error:  # which matters if an output needs it
                self._missing.update((value.index, error) for value in call.outputs)
        self.call = None

    def _translate(self, index: int, call: Call, table: dict) -> None:
        function = table.get(call.record.name)
        step = Step(self, call, self.runs.inputs_of(index))
        self._inputs = [x for x in step.inputs if isinstance(x, Value)]
        inputs = step.operands()
        if function is None:
            raise at(
                call.position,
                f"the operation {call.record.name} has no translation to ONNX"
                + (", since it draws random numbers: model.eval() may leave it out" if _draws(call) else ""),
                UnsupportedOperatorError,
            )
        try:
            results = function(step, *inputs, **self.runs.settings(index))
        except VariesError as error:
            raise self.error(f"{call.record.name}: {error}") from None
        if call.record.factor_in_single and step.dtype != call.outputs[0].dtype:
            results = self.cast(results, call.outputs[0].dtype)
        for value, name in zip(call.outputs, results if isinstance(results, tuple) else (results,), strict=True):
            if name is None:
                self._missing[value.index] = self.error(f"{call.record.name}: this result has no translation to ONNX")
            else:
                self._define(value, name)

    def error(self, message: str) -> OnnxExporterError:
        """The error, at the line of the call that is being translated."""
        return at(user_position() if self.call is None else self.call.position, message, SymbolicValueError)

    # ---- names, nodes, constants

    def fresh(self, name: str) -> str:
        """A name that nothing has yet."""
        while name in self._taken:
            self._taken[name] += 1
            numbered = f"{name}_{self._taken[name]}"
            if numbered not in self._taken:
                name = numbered
        self._taken[name] = 0
        return name

    def node(
        self, kind: str, *inputs: str, outputs: int | None = None, name: str | None = None, **attributes: Any
    ) -> Any:
        """A node; the name of its output, or the list of their names if `outputs` says how many."""
        for attribute, value in attributes.items():
            if varies(value):
                raise VariesError(f"{attribute} depends on the size of a dynamic axis ({value})")
        given = {k: v for k, v in attributes.items() if v is not None}
        name = name or ("output" if self.call is None else self.call.record.name)
        names = [self.fresh(name) for _ in range(outputs or 1)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, name=f"node_{names[0]}", **given))
        return names[0] if outputs is None else names

    def constant(self, array: Any, name: str = "val") -> str:
        """An initializer; equal ones are one."""
        array = np.asarray(array)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            made = self.fresh(name)
            self.arrays[made] = array
            self._constants[key] = made
        return self._constants[key]

    def of(self, value: Value) -> str:
        """The name of a value, whose constant is made when it is first needed."""
        if value.index not in self.names:
            if value.array is None:
                raise self._missing[value.index]
            arrays = self.runs.arrays(value)
            if value.name is not None:
                name = value.name
                self.arrays[name] = value.array
            elif not varies(self.runs.shape(value)) and all(
                np.array_equal(arrays[0], a, equal_nan=True) for a in arrays
            ):
                name = self.constant(value.array)
            else:
                name = self._made(value, arrays)
            self._define(value, name)
        return self.names[value.index]

    def _made(self, value: Value, arrays: list) -> str:
        """A constant whose shape depends on dynamic axes: of equal elements, or evenly spaced."""
        flat = [array.reshape(-1) for array in arrays]
        if all((a == flat[0][0]).all() for a in flat):
            return self.node("Expand", self.constant(flat[0][0]), self.ints(self.runs.shape(value)))
        if flat[0].shape == arrays[0].shape:
            step = flat[0][1] - flat[0][0]
            if all(np.array_equal(a, a[0] + step * np.arange(len(a), dtype=a.dtype)) for a in flat):
                zero, one = self.constant(value.dtype.type(0)), self.constant(value.dtype.type(1))
                spaced = self.node("Range", zero, self.number(self.runs.shape(value)[0], value.dtype), one)
                start = self.number(merged([a[0] for a in flat]), value.dtype)
                return self.node("Add", self.node("Mul", spaced, self.constant(step)), start)
        raise self.error("a constant depends on the size of a dynamic axis in a way that cannot be exported to ONNX")

    def _define(self, value: Value, name: str) -> None:
        self.names[value.index] = name
        for axis, size in enumerate(self.runs.shape(value)):
            if isinstance(size, Varying):
                self._axes.setdefault(size.values, (name, axis))

    def rename(self, old: str, new: str) -> None:
        """Gives the result of a node another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new

    # ---- sizes

    def ints(self, sizes: Sequence) -> str:
        """A vector of integers, of which some may depend on dynamic axes."""
        if not any(map(varies, sizes)):
            return self.constant(np.array(sizes, np.int64))
        parts = [self._size(n.values) if isinstance(n, Varying) else self.constant(np.array([n])) for n in sizes]
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def number(self, value: Any, dtype: Any) -> str:
        """A number without dimensions."""
        if not isinstance(value, Varying):
            return self.constant(np.asarray(value).astype(dtype))
        if any(not float(v).is_integer() for v in value.values):
            raise VariesError(f"the number {value} depends on the size of a dynamic axis")
        size = self._size(tuple([int(v) for v in value.values]))
        return self.cast(self.node("Squeeze", size, self.constant(np.array([0]))), dtype)

    def cast(self, name: str, dtype: Any) -> str:
        """The value in another dtype."""
        return self.node("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def _size(self, values: tuple) -> str:
        """A vector of one integer that was `values` in the runs, from the sizes of what there is already."""
        if values not in self._sizes:
            self._sizes[values] = self._axis(values) if values in self._axes else self._derived(values)
        return self._sizes[values]

    def _axis(self, values: tuple) -> str:
        name, axis = self._axes[values]
        return self.node("Gather", self.node("Shape", name, name="size"), self.constant(np.array([axis])), name="size")

    def _derived(self, values: tuple) -> str:
        """The same by arithmetic: from one size, best of an input of this call, or from a product of two."""
        near = [size.values for x in self._inputs for size in self.runs.shape(x) if isinstance(size, Varying)]
        candidates = list(dict.fromkeys([*near, *self._axes]))
        for known in candidates:
            if all(v - k == values[0] - known[0] for v, k in zip(values, known)):
                return self._affine(known, 1, values[0] - known[0], 1)
        for known in candidates:
            if all(v * known[0] == k * values[0] for v, k in zip(values, known)):
                return self._affine(known, values[0], 0, known[0])
        steps = np.diff(values)
        for known in candidates:
            by = np.diff(known)
            if steps.any() and by.any() and (np.outer(steps, by) == np.outer(by, steps)).all():
                p, q = int(steps[by != 0][0]), int(by[by != 0][0])
                p, q = (p, q) if q > 0 else (-p, -q)
                return self._affine(known, p, values[0] * q - known[0] * p, q)
        for one in candidates:
            for two in candidates:
                product = tuple([a * b for a, b in zip(one, two)])
                if all(v * product[0] == p * values[0] for v, p in zip(values, product)):
                    self._sizes[product] = self.node("Mul", self._size(one), self._size(two), name="size")
                    return self._affine(product, values[0], 0, product[0])
        raise VariesError(f"the size {Varying(values)} does not follow from those of dynamic axes")

    def _affine(self, known: tuple, factor: int, more: int, divisor: int) -> str:
        """``(known * factor + more) / divisor``."""
        shared = math.gcd(factor, more, divisor)
        name = self._size(known)
        for kind, number, neutral in (("Mul", factor, shared), ("Add", more, 0), ("Div", divisor, shared)):
            if number != neutral:
                name = self.node(kind, name, self.constant(np.array([number // shared])), name="size")
        return name


def _draws(call: Call) -> bool:
    return "sample" in call.record.settings or "source" in call.record.settings


class Step:
    """One call that is being translated: its operands, and what is made of them."""

    def __init__(self, graph: Graph, call: Call, inputs: list) -> None:
        self.graph = graph
        self.call = call
        self.inputs = inputs
        record = call.record
        promoted = range(len(inputs)) if record.variadic and record.promote else record.promote
        self._promoted = [i for i in promoted if inputs[i] is not None]
        self.dtype = call.outputs[0].dtype if call.outputs else np.dtype(np.float32)
        if self._promoted:
            given = list(map(_stand_in, call.inputs))
            common = common_dtype([given[i] for i in self._promoted])
            if record.floating and common.category < dtypes.FLOATING:
                common = dtypes.get_default_dtype()
            self.dtype = SINGLE if is_factor_in_single(record, common, given) else common.numpy_dtype
        elif record.floating and isinstance(inputs[0], Value):
            self._promoted, kind = [0], inputs[0].dtype
            self.dtype = dtypes.get_default_dtype().numpy_dtype if kind.kind in "iub" else kind

    def operands(self) -> list:
        """The names of the inputs, in the dtype that the operation computes in; None for an input that there is not."""
        return [self._operand(i, x) for i, x in enumerate(self.inputs)]

    def _operand(self, i: int, x: Any) -> str | None:
        if x is None:
            return None
        if not isinstance(x, Value):
            return self.graph.number(x, self.dtype)
        name = self.graph.of(x)
        return self.graph.cast(name, self.dtype) if i in self._promoted and x.dtype != self.dtype else name

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> Any:
        """`Graph.node`."""
        return self.graph.node(kind, *inputs, **attributes)

    def number(self, value: Any) -> str:
        """A number in the dtype that the operation computes in."""
        return self.graph.number(value, self.dtype)

    def ints(self, *values: Any) -> str:
        """A vector of integers."""
        return self.graph.ints(values)

    def shape(self, i: int = 0) -> tuple:
        """The shape of an input."""
        return self.graph.runs.shape(self.inputs[i])

    def result_shape(self, i: int = 0) -> tuple:
        """The shape of a result."""
        return self.graph.runs.shape(self.call.outputs[i])

    def input_dtype(self, i: int = 0) -> Any:
        """The NumPy dtype of an input."""
        return self.inputs[i].dtype

    def result_dtype(self, i: int = 0) -> Any:
        """The NumPy dtype of a result."""
        return self.call.outputs[i].dtype

    def fixed(self, values: Any, what: str) -> Any:
        """The values, none of which may depend on a dynamic axis."""
        if varies(values):
            raise VariesError(f"{what} depends on the size of a dynamic axis ({values})")
        return values

    def refuse(self, why: str) -> OnnxExporterError:
        """The error for settings that have no translation."""
        return self.graph.error(f"{self.call.record.name}: {why}")


def _stand_in(x: Any) -> Any:
    """What an input counts as in promotion."""
    return wrap(np.broadcast_to(np.zeros((), x.dtype), x.shape)) if isinstance(x, Value) else x
