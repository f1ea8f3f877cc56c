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
                  a holomorphic function, without conjugates; on complex numbers they are given the conjugates of the
                  saved values, which is conj(vjp(conj(g))) with PyTorch's signs of zero. What is not holomorphic
                  (abs, real, ...) says so and conjugates by itself.
    LINEAR        jvp is the forward on the tangent
    VIEW          linear, and the result shares its input's memory
    GENERAL       jvp by transposing the vjp, unless the record has one
"""

from __future__ import annotations

from .general import (
    attach_views,
    broadcast_error,
    check_tensor,
    common_dtype,
    general,
    input_edge,
    is_number,
    must_be_tensor,
    number_array,
    python_number,
    save_input,
)
from .node_classes import gradients, output_number, tensor_of
from .record import (
    ELEMENTWISE,
    GENERAL,
    INPUT,
    LINEAR,
    NUMBERS,
    OUTPUT,
    PLAIN,
    REGISTRY,
    VIEW,
    Op,
    graph_xp,
    parameters,
    plan,
    register,
    run_forward,
    xp,
)
from .short_calls import binary_function, general_function, plain_function, unary_function
from .tensor import Tensor

__all__ = [
    "ELEMENTWISE",
    "GENERAL",
    "INPUT",
    "LINEAR",
    "NUMBERS",
    "OUTPUT",
    "PLAIN",
    "REGISTRY",
    "VIEW",
    "Op",
    "attach_views",
    "broadcast_error",
    "check_tensor",
    "common_dtype",
    "general",
    "gradients",
    "graph_xp",
    "input_edge",
    "is_number",
    "method",
    "must_be_tensor",
    "number_array",
    "op",
    "output_number",
    "python_number",
    "run_forward",
    "save_input",
    "tensor_of",
    "xp",
]


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
    jumps: bool = False,
    node: str | None = None,
    number_nodes: dict[int, str] | None = None,
    numbers: bool | tuple[int, ...] = True,
    refuses: dict | None = None,
    check=None,
    factor_in_single: bool = False,
    saved_as: dict | None = None,
    public: str | None = None,
):
    """Registers an operation and returns its function.

    `outputs`: the names of several outputs.
    `promote`: which inputs are brought to a common dtype (ELEMENTWISE: all unless said; only ELEMENTWISE formulas may
    leave it to the engine to sum over broadcast dimensions).
    `floating`: integer inputs become the default floating dtype.
    `holomorphic`: formulas are those of a holomorphic function (ELEMENTWISE: yes unless said).
    `jumps`: the derivative has a branch cut on which the formula of a conjugate is not the conjugate, so that the gradient
    is conjugated before and after instead.
    `node`: the name of its node, where it is not the operation's name in camel case with ``Backward0``.
    `number_nodes`: its other name when the input at that position is a number.
    `numbers`: which promoted inputs may be Python numbers (all unless said).
    `factor_in_single`: beside a half-precision tensor the second of two inputs is taken in single precision if it is a
    number or has no dimensions: as a loss scale, it may be too large or too small for half precision.
    `refuses`: the exceptions for dtypes it has no meaning for, as {NumPy kind: (type, message)}, a ``{}`` in the message
    being the dtype's name.
    `check`: a function of the inputs that raises if they do not go together, called at least where they are of different
    dtypes or of a refused one.
    `saved_as`: PyTorch's names for what `_saved_…` attributes show.
    `public`: the function's name, where it is not the operation's.
    """
    record = Op()
    record.name = name
    record.kind = kind
    record.forward = forward
    record.jvp = jvp
    record.batch = batch
    record.outputs = outputs
    record.floating = floating
    record.holomorphic = kind == ELEMENTWISE if holomorphic is None else holomorphic
    record.jumps = jumps
    record.torch_names = saved_as or {}
    record.inputs, record.settings, record.variadic = parameters(forward)
    everything = promote is True or (kind == ELEMENTWISE and not promote)
    record.promote = tuple(range(len(record.inputs))) if everything else promote or ()
    record.numbers = record.promote if numbers is True else numbers or ()
    record.refuses = refuses or {}
    record.check = check
    record.factor_in_single = factor_in_single
    # the NumPy kinds of arrays that are to be converted or refused
    record.careful_kinds = ("iub" if floating else "") + "".join(record.refuses)
    record.differentiable = vjp is not None
    formulas = vjp if isinstance(vjp, tuple) else (vjp,) if vjp is not None else ()
    plan(record, formulas)
    record.node_name = node or "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Backward0"
    record.number_nodes = number_nodes or {}
    record.plain = plain_function(record)
    shown = public or name
    if kind == ELEMENTWISE and not record.settings and not outputs and len(record.inputs) == 1:
        apply = unary_function(record, shown)
    elif kind == ELEMENTWISE and not record.settings and not outputs and len(record.inputs) == 2:
        apply = binary_function(record, shown)
        record.operator = binary_function(record, shown, as_operator=True)
    else:
        apply = general_function(record)
    apply.__name__ = apply.__qualname__ = shown
    apply.record = record
    record.apply = apply
    register(record)
    return apply


def method(*names: str):
    """Makes a function a method of Tensor under these names (its own if none are given)."""

    def attach(function):
        for name in names or (function.__name__,):
            setattr(Tensor, name, function)
        return function

    return attach
