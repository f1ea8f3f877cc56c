"""The record of an operation, and `xp`: what its formulas call.

A formula is written once against `xp` and runs twice: on arrays, where `xp` is the backend, and on Tensors, where `xp` is
chainrule's own operations, when a derivative is itself recorded.
"""

from __future__ import annotations

from functools import cached_property
from types import ModuleType
from typing import Any

from .backend import numpy as backend
from .engine import Node

ELEMENTWISE, LINEAR, VIEW, GENERAL = "elementwise", "linear", "view", "general"
INPUT, OUTPUT, PLAIN = range(3)
# Where a saved value comes from: (one of these, the position of the input, output or setting). The plural: from all inputs
# from that position on (those of a starred parameter), or from all outputs.
FROM_INPUT, FROM_INPUTS, FROM_OUTPUT, FROM_OUTPUTS, FROM_SHAPE, FROM_SHAPES, FROM_DTYPE, FROM_SETTING = range(8)
NUMBERS = (int, float, bool, complex)
CHANGES_DTYPE = {"view_as_real", "view_as_complex", "real", "imag", "view_dtype"}  # views that strides cannot describe
NUMBERS_AS_TENSORS = {  # PyTorch makes a tensor of a number that these are given, and runs them on two tensors
    "add", "sub", "mul", "div", "rsub", "add_scaled", "sub_scaled", "rsub_scaled", "div_floor", "div_trunc", "remainder",
    "fmod", "copysign", "xlogy",
}  # fmt: skip
REGISTRY: dict[str, Op] = {}


def run_forward(record, arrays, settings):
    """The record's forward on arrays."""
    if record.variadic:
        return record.forward(xp, *arrays, **dict(zip(record.settings, settings, strict=True)))
    return record.forward(xp, *arrays, *settings)


# Modules, since Python reads their attributes the fastest. What the backend does not have are operations.
xp, graph_xp = ModuleType("xp"), ModuleType("graph_xp")
vars(xp).update({name: value for name, value in vars(backend).items() if not name.startswith("_")})


def register(record: Op) -> None:
    """Puts an operation into the registry, and at the disposal of formulas."""
    if record.name in REGISTRY:
        raise ValueError(f"operation {record.name} is registered twice")
    REGISTRY[record.name] = record
    vars(xp).setdefault(record.name, _on_arrays(record))
    vars(graph_xp).setdefault(record.name, record.apply)


def _on_arrays(record: Op):
    forward = record.forward
    if record.variadic:
        n = len(record.settings)
        return lambda *arguments: run_forward(record, arguments[: len(arguments) - n], arguments[len(arguments) - n :])
    return lambda *arguments: forward(xp, *arguments)


class Op:
    """Everything chainrule knows about one operation."""

    apply: Any
    batch: Any
    careful_kinds: str
    check: Any
    differentiable: bool
    factor_in_single: bool
    floating: Any
    forward: Any
    holomorphic: Any
    inputs: tuple[str, ...]
    jumps: Any
    jvp: Any
    kind: str
    name: str
    node_name: str
    number_nodes: dict[int, str]
    numbers: Any
    operator: Any
    outputs: tuple[str, ...]
    plain: Any
    promote: Any
    refuses: Any
    saved_for: tuple[tuple[int, ...], ...] | None
    saved_from: tuple[tuple[int, int], ...]
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
        from .node_classes import node_class

        return node_class(self, self.node_name)

    @cached_property
    def number_node_classes(self) -> dict[int, type[Node]]:
        """{position: the class instead, when the input at that position is a number}."""
        from .node_classes import node_class

        return {i: node_class(self, name, number=i) for i, name in self.number_nodes.items()}

    @cached_property
    def scalar_node_class(self) -> type[Node] | None:
        """The class of the nodes of ``tensor op number`` that need save only the number; None if they need more."""
        from .node_classes import scalar_node_class

        return scalar_node_class(self, self.number_nodes.get(1, self.node_name))


def parameters(function):
    """(names before the slash, names after it, the starred name or None) of a formula, without its `xp`."""
    code = function.__code__
    names = code.co_varnames
    positional = names[: code.co_argcount]
    only = code.co_posonlyargcount or code.co_argcount
    settings = positional[only:] + names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    star = names[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & 0x04 else None
    return positional[1:only], settings, star


def plan(record: Op, formulas) -> None:
    """Decides from the formulas' parameter names what nodes save: `saved_names`, `saved_kinds`, `saved_from`, `vjps`.

    `saved_for` tells which inputs' formulas use each saved value; it is None where one formula serves all inputs."""
    names: list[str] = []
    kinds: list[int] = []
    vjps: list[tuple[Any, tuple[int, ...]]] = []
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
            elif parameter in record.settings or parameter.removesuffix("_shape").removesuffix("_dtype") in input_names:
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
    record.saved_from = tuple([_source(record, name, kind) for name, kind in zip(names, kinds)])
    record.saved_for = None
    if len(vjps) == len(record.inputs) > 1 and not record.variadic:
        record.saved_for = tuple(
            [tuple([i for i, (_, used) in enumerate(vjps) if position in used]) for position in range(len(names))]
        )


def _source(record: Op, name: str, kind: int) -> tuple[int, int]:
    if kind == INPUT:
        return (FROM_INPUTS, len(record.inputs)) if name == record.variadic else (FROM_INPUT, record.inputs.index(name))
    if kind == OUTPUT:
        if name in record.outputs:
            return FROM_OUTPUT, record.outputs.index(name)
        return (FROM_OUTPUTS if record.outputs else FROM_OUTPUT), 0
    if name in record.settings:
        return FROM_SETTING, record.settings.index(name)
    if name.endswith("_dtype"):
        return FROM_DTYPE, record.inputs.index(name.removesuffix("_dtype"))
    source = name.removesuffix("_shape")
    return (FROM_SHAPES, len(record.inputs)) if source == record.variadic else (FROM_SHAPE, record.inputs.index(source))
