"""torch.library: operators that the user defines, with their own derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import dtypes
from .autograd.function import Function
from .inplace import bump_version
from .modes import local, no_grad
from .size import device
from .tensor import Tensor

__all__ = [
    "CustomOpDef", "custom_op", "infer_schema", "register_autograd", "register_fake", "register_kernel", "register_vmap",
]  # fmt: skip

_OPERATORS: dict[str, CustomOpDef] = {}


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Sequence | None = None,
):
    """Makes an operator ``namespace::name`` of a function with type annotations; without `fn`, a decorator.

    The function sees no graph; `register_autograd` gives the operator a derivative. `mutates_args` names the tensors
    that it writes to. The operator is also ``torch.ops.namespace.name``. ValueError for a name without a namespace
    and for annotations that schemas have no words for.
    """

    def made(function: Callable) -> CustomOpDef:
        namespace, separator, short = name.partition("::")
        if not separator:
            raise ValueError("not enough values to unpack (expected 2, got 1)")
        mutated = mutates_args if isinstance(mutates_args, str) else frozenset(mutates_args)
        signature = infer_schema(function, mutates_args=mutated) if schema is None else schema
        operator = CustomOpDef(namespace, short, signature, function, mutated)
        if device_types is not None:
            operator.kernel_devices = (device_types,) if isinstance(device_types, str) else tuple(device_types)
        _OPERATORS[name] = operator
        return operator

    return made if fn is None else made(fn)


class CustomOpDef:
    """An operator made by `custom_op`."""

    def __init__(self, namespace: str, name: str, schema: str, fn: Callable, mutated) -> None:
        from inspect import signature

        self._namespace, self._name, self._schema = namespace, name, schema
        self._qualname = f"{namespace}::{name}"
        self.kernel_devices: tuple[str, ...] = ()
        self._kernels: dict[str, Callable] = {}
        self._init_fn = fn
        self.__name__ = name
        self._mutated = mutated
        self._signature = signature(fn)
        self._backward: Callable | None = None
        self._setup: Callable | None = None
        self._vmap: Callable | None = None
        self._fake: Callable | None = None
        self._function = _function_of(self)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """The derivative: ``setup_context(ctx, inputs, output)`` keeps what ``backward(ctx, *gradients)`` needs.

        backward returns a gradient (or None) for each input; for a list of tensors, a list. RuntimeError for an
        operator that writes to its inputs.
        """
        if self._mutated:
            raise RuntimeError(
                f"Cannot register autograd formula for non-functional operator {self!r} with schema "
                f"{self._qualname}{self._schema}. Please create a functional operator and register an autograd formula "
                "for that."
            )
        self._backward, self._setup = backward, setup_context

    def register_fake(self, fn: Callable, /) -> Callable:
        """Takes note of a function that makes results of the right shape; nothing here needs one."""
        self._fake = fn
        return fn

    def register_kernel(self, device_types, fn: Callable | None = None, /):
        """Another implementation for a type of device, of which there is one: the CPU."""

        def register(function: Callable) -> Callable:
            kinds = (device_types,) if isinstance(device_types, str) or device_types is None else device_types
            for kind in kinds:
                self._kernels["cpu" if kind is None else device(kind).type] = function
            return function

        return register if fn is None else register(fn)

    def register_vmap(self, fn: Callable | None = None, /):
        """The rule under vmap: ``fn(info, in_dims, *args)`` returns the results and their batch dimensions."""

        def register(function: Callable) -> Callable:
            self._vmap = function
            self._function = _function_of(self)
            return function

        return register if fn is None else register(fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = self._bound(args, kwargs)
        if self._mutated:
            return self._overwrite(values)
        flat, places = _flattened(values)
        return self._function.apply(places, *flat)

    def _bound(self, args: tuple, kwargs: dict) -> list:
        """All arguments in order, with defaults; RuntimeError if they do not fit."""
        declaration = f"{self._qualname}{self._schema}"
        parameters = self._signature.parameters
        if len(args) > len(parameters):
            raise RuntimeError(
                f"{self._qualname}() expected at most {len(parameters)} argument(s) but received {len(args)} "
                f"argument(s). Declaration: {declaration}"
            )
        for name, parameter in list(parameters.items())[len(args) :]:
            if parameter.default is parameter.empty and name not in kwargs:
                raise RuntimeError(
                    f"{self._qualname}() is missing value for argument '{name}'. Declaration: {declaration}"
                )
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        for position, (name, value) in enumerate(bound.arguments.items()):
            if parameters[name].annotation in (Tensor, "Tensor", "torch.Tensor") and not isinstance(value, Tensor):
                raise RuntimeError(
                    f"{self._qualname}() Expected a value of type 'Tensor' for argument '{name}' but instead found type "
                    f"'{type(value).__name__}'.\nPosition: {position}\nValue: {value}\nDeclaration: {declaration}\n"
                    f"Cast error details: Unable to cast {value} to Tensor"
                )
        return list(bound.arguments.values())

    def _run(self, values: Sequence) -> Any:
        """The implementation itself, which records nothing."""
        positional = [
            value
            for value, parameter in zip(values, self._signature.parameters.values(), strict=True)
            if parameter.kind is not parameter.KEYWORD_ONLY
        ]
        named = {
            name: value
            for value, (name, parameter) in zip(values, self._signature.parameters.items(), strict=True)
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        with no_grad():
            return self._kernels.get("cpu", self._init_fn)(*positional, **named)

    def _overwrite(self, values: Sequence) -> Any:
        """Runs an operator that writes to its inputs, and lets autograd know."""
        for name, value in zip(self._signature.parameters, values, strict=True):
            if (self._mutated == "unknown" or name in self._mutated) and isinstance(value, Tensor):
                if value.requires_grad and local.grad_enabled:
                    raise RuntimeError(
                        f"{self._qualname}() writes to '{name}', which requires grad; chainrule cannot differentiate that."
                    )
                bump_version(value)
        return self._run(values)


def _flattened(values: Sequence) -> tuple[list, tuple]:
    """The values with lists of tensors spread out, and for each value the length of its list, or None."""
    flat: list = []
    places: list = []
    for value in values:
        if isinstance(value, (list, tuple)) and value and all(isinstance(v, Tensor) for v in value):
            flat += value
            places.append((type(value), len(value)))
        else:
            flat.append(value)
            places.append(None)
    return flat, tuple(places)


def _gathered(flat: Sequence, places: tuple) -> list:
    """The inverse of `_flattened`."""
    values: list = []
    i = 0
    for place in places:
        if place is None:
            values.append(flat[i])
            i += 1
        else:
            kind, length = place
            values.append(kind(flat[i : i + length]))
            i += length
    return values


def _function_of(operator: CustomOpDef) -> type[Function]:
    """The Function that runs an operator, with a node of PyTorch's name for it."""

    def forward(places, *flat):
        values = _gathered(flat, places)
        result = operator._run(values)
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        if any(out is value for out in outputs for value in flat if isinstance(out, Tensor)):
            raise RuntimeError(
                f"{operator._qualname}: The output of this custom operator (1) must not also be an input to this custom "
                "operator and (2) may not alias any inputs to this custom operator or other returns. The most common way "
                "to trigger this error is if we have y = custom_op(x) and y and x are the same Tensor. Please instead "
                "return a clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the custom "
                "operator to not return y."
            )
        return tuple(result) if isinstance(result, list) else result

    def setup_context(ctx, inputs, output):
        places, *flat = inputs
        ctx.places = places
        if operator._setup is not None:
            operator._setup(ctx=ctx, inputs=tuple(_gathered(flat, places)), output=output)

    def backward(ctx, *gradients):
        if operator._backward is None:
            raise RuntimeError(
                f"Trying to backward through {operator._namespace}.{operator._name}.default but no autograd formula was "
                "registered. Please use register_autograd to add one."
            )
        results = operator._backward(ctx, *gradients)
        results = results if isinstance(results, tuple) else (results,)
        flat: list = []
        for place, result in zip(ctx.places, results, strict=True):
            if place is None:
                flat.append(result)
            else:
                flat += [None] * place[1] if result is None else list(result)
        return (None, *flat)

    def vmap(info, in_dims, places, *flat):
        return operator._vmap(info, tuple(_gathered(in_dims[1:], places)), *_gathered(flat, places))

    methods: dict[str, Any] = {
        "forward": staticmethod(forward),
        "setup_context": staticmethod(setup_context),
        "backward": staticmethod(backward),
    }
    if operator._vmap is not None:
        methods["vmap"] = staticmethod(vmap)
    return type(f"GeneratedBackwardFor_{operator._namespace}_{operator._name}_default", (Function,), methods)


# ---------------------------------------------------------------- by name


def _operator(op: str | CustomOpDef) -> CustomOpDef:
    if isinstance(op, CustomOpDef):
        return op
    if op not in _OPERATORS:
        raise RuntimeError(f"{op}: there is no operator of this name that was made by torch.library.custom_op")
    return _OPERATORS[op]


def register_autograd(op, backward: Callable, /, *, setup_context: Callable | None = None, lib=None) -> None:
    """`CustomOpDef.register_autograd`, for an operator or its name."""
    _operator(op).register_autograd(backward, setup_context=setup_context)


def register_fake(op, func: Callable | None = None, /, *, lib=None, _stacklevel: int = 1, allow_override: bool = False):
    """`CustomOpDef.register_fake`, for an operator or its name; without `func`, a decorator."""
    operator = _operator(op)
    return operator.register_fake if func is None else operator.register_fake(func)


def register_kernel(op, device_types, func: Callable | None = None, /, *, lib=None):
    """`CustomOpDef.register_kernel`, for an operator or its name."""
    return _operator(op).register_kernel(device_types, func)


def register_vmap(op, func: Callable | None = None, /, *, lib=None):
    """`CustomOpDef.register_vmap`, for an operator or its name."""
    return _operator(op).register_vmap(func)


class Overloads:
    """``torch.ops.namespace.name``: the operator, whose only overload is `default`."""

    def __init__(self, operator: CustomOpDef, overload: str = "") -> None:
        self._operator = operator
        self._overload = overload

    @property
    def default(self) -> Overloads:
        return Overloads(self._operator, ".default")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operator(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{self._operator._namespace}.{self._operator._name}{self._overload}"

    __str__ = __repr__


class OpNamespace:
    """``torch.ops.namespace``: the operators of a namespace."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Overloads:
        operator = _OPERATORS.get(f"{self._name}::{name}")
        if operator is None:
            raise AttributeError(f"'_OpNamespace' '{self._name}' object has no attribute '{name}'")
        return Overloads(operator)


# ---------------------------------------------------------------- schemas

_WORDS: dict[Any, str] = {
    Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", dtypes.dtype: "ScalarType",
    device: "Device",
}  # fmt: skip


def infer_schema(prototype_function: Callable, /, *, mutates_args, op_name: str | None = None) -> str:
    """The schema of an operator, from the annotations of a function; ValueError where there is no word for one."""
    from inspect import signature

    found = signature(prototype_function)
    shown = str(found).replace("chainrule.", "torch.").replace("torch.tensor.Tensor", "torch.Tensor")

    def error(what: str) -> ValueError:
        return ValueError(f"infer_schema(func): {what} Got func with signature {shown})")

    unknown = set() if isinstance(mutates_args, str) else set(mutates_args) - set(found.parameters)
    if unknown:
        raise error(
            f"{unknown} in mutates_args were not found in the custom op's signature. mutates_args should contain the "
            "names of all args that the custom op mutates, or just the string 'unknown' if you don't know."
        )
    hints = _hints(prototype_function)
    words = []
    keyword_only = False
    for name, parameter in found.parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise error("We do not support positional-only args, varargs, or varkwargs.")
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            words.append("*")
        if parameter.annotation is parameter.empty:
            raise error(f"Parameter {name} must have a type annotation.")
        word = _word(hints.get(name, parameter.annotation))
        if word is None:
            raise error(f"Parameter {name} has unsupported type {parameter.annotation}.")
        if mutates_args == "unknown" or name in mutates_args:
            if not word.startswith("Tensor"):
                if mutates_args != "unknown":
                    raise error(
                        f"Parameter {name} is in mutable_args but only Tensors or collections of Tensors can be mutated"
                    )
            else:
                word = f"Tensor(a{len([w for w in words if w != '*'])}!){word.removeprefix('Tensor')}"
        if parameter.default is not parameter.empty:
            word = f"{word} {name}={_default(parameter.default, name, error)}"
        else:
            word = f"{word} {name}"
        words.append(word)
    if found.return_annotation is found.empty:
        raise error("No return type annotation was provided. Please add one.")
    result = _return_word(hints.get("return", found.return_annotation))
    if result is None:
        raise error(f"Return has unsupported type {found.return_annotation}.")
    return f"{op_name or ''}({', '.join(words)}) -> {result}"


def _hints(function: Callable) -> dict:
    """Annotations, where they were written as text too; `torch` and `Tensor` in it are known."""
    from typing import get_type_hints

    import chainrule

    try:
        return get_type_hints(function, localns={"torch": chainrule, "Tensor": Tensor})
    except (NameError, AttributeError, TypeError):  # text that names what is not there: judged as it stands
        return {}


def _word(annotation: Any) -> str | None:
    """A schema's word for a type; None if it has none."""
    from types import NoneType, UnionType
    from typing import Union, get_args, get_origin

    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        rest = tuple(part for part in parts if part is not NoneType)
        if set(rest) == {int, float, bool} or set(rest) == {int, float, bool, complex}:
            inner: str | None = "Scalar"
        else:
            inner = _word(rest[0]) if len(rest) == 1 else None
        return None if inner is None else inner + "?" * (len(rest) < len(parts))
    if origin in (list, Sequence) and len(parts) == 1:
        inner = _word(parts[0])
        return None if inner is None or inner.endswith("[]") else inner + "[]"
    return None


def _return_word(annotation: Any) -> str | None:
    from types import NoneType
    from typing import get_args, get_origin

    if annotation is None or annotation is NoneType:
        return "()"
    if get_origin(annotation) is tuple:
        words = [_word(part) for part in get_args(annotation)]
        return None if None in words or not words else f"({', '.join(map(str, words))})"
    word = _word(annotation)
    return word if word in ("Tensor", "Tensor[]", "SymInt", "float", "bool", "Scalar") else None


def _default(value: Any, name: str, error: Callable) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if value is None or isinstance(value, (int, float, bool)):
        return str(value)
    if isinstance(value, dtypes.dtype):
        return str(value).removeprefix("torch.")
    raise error(
        f"Parameter {name} has an unsupported default value type {type(value)}. Please file an issue on GitHub so we can "
        "prioritize this."
    )
