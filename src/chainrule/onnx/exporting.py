"""`export`: what is asked for, and the file."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..nn.modules.module import Module
from ..tensor import Tensor, wrap
from ..utils._pytree import tree_flatten
from ..warning import warn
from .errors import OnnxExporterError, SymbolicValueError
from .runs import Runs, Varying, warn_of_multiples

_DEFAULT_OPSET = 20
_LOWEST_OPSET = 18  # that of the operators in translations.py


class TrainingMode(enum.Enum):
    """Whether a model is exported as for evaluation, as it is, or as for training."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class _State:
    exporting = False


def is_in_onnx_export() -> bool:
    """Whether a model is being exported."""
    return _State.exporting


class ONNXProgram:
    """An exported model: `model_proto` is the message that `onnx` knows; calling it runs it by onnxruntime."""

    __module__ = "torch.onnx"

    def __init__(self, model_proto: Any, parameters: Sequence[str] = ()) -> None:
        self.model_proto = model_proto
        self._parameters = set(parameters)
        self._session: Any = None

    def __repr__(self) -> str:
        import onnx

        return f"ONNXProgram(\n{onnx.printer.to_text(self.model_proto)}\n)"

    def save(
        self,
        destination: Any,
        *,
        include_initializers: bool = True,
        keep_initializers_as_inputs: bool = False,
        external_data: bool | None = None,
    ) -> None:
        """Writes the file; `external_data`: its constants beside it, in a file of the name with ``.data`` after it.

        Without `include_initializers` the parameters become inputs; with `keep_initializers_as_inputs`, inputs that have a default.
        """
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self.model_proto)
        if not include_initializers or keep_initializers_as_inputs:
            _parameters_as_inputs(onnx, model, self._parameters, include_initializers)
        if hasattr(destination, "write"):
            destination.write(model.SerializeToString())
            return
        aside = external_data if external_data is not None else model.ByteSize() > onnx.checker.MAXIMUM_PROTOBUF
        location = os.path.basename(os.fspath(destination)) + ".data"
        onnx.save_model(
            model, destination, save_as_external_data=aside, location=location if aside else None, size_threshold=0
        )

    def optimize(self) -> None:
        """Changes nothing: the graph has no more than it needs."""

    def initialize_inference_session(self, initializer: Callable | None = None) -> None:
        """Prepares onnxruntime, or whatever `initializer` makes of the serialized model."""
        if initializer is None:
            import onnxruntime

            def initializer(model: bytes) -> Any:
                return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

        self._session = initializer(self.model_proto.SerializeToString())

    def release(self) -> None:
        """Lets go of what `initialize_inference_session` prepared."""
        self._session = None

    def __call__(self, *args: Any, **kwargs: Any) -> list[Tensor]:
        """The outputs, as onnxruntime computes them."""
        if self._session is None:
            self.initialize_inference_session()
        return [wrap(np.asarray(array)) for array in self._session.run(None, self._feeds(args, kwargs))]

    def call_reference(self, *args: Any, **kwargs: Any) -> list[Tensor]:
        """The outputs, as onnx's reference implementation computes them."""
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(self.model_proto)
        return [wrap(np.asarray(array)) for array in evaluator.run(None, self._feeds(args, kwargs))]

    def _feeds(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
        names = [given.name for given in self.model_proto.graph.input]
        return {name: x.detach().numpy() for name, x in zip(names, tensors, strict=True)}


def export(
    model: Any,
    args: Any = (),
    f: Any = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamo: bool = True,
    external_data: bool = False,
    dynamic_shapes: Any = None,
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    dynamic_axes: Mapping[str, Any] | None = None,
    training: Any = TrainingMode.EVAL,
    do_constant_folding: bool = True,
    **settings: Any,
) -> ONNXProgram | None:
    """Writes a module (or function), as it runs on the example `args` and `kwargs`, as an ONNX file `f`, a path or an open file.

    The ONNXProgram; None with ``dynamo=False``, which also puts the module into evaluation mode meanwhile. Sizes are those of
    the example but for the axes in `dynamic_axes` ({name: {axis: name} or [axis, ...]}) or `dynamic_shapes` (by argument:
    {axis: name or Dim}). What depends on values of the inputs, such as a branch, raises OnnxExporterError, as does an
    operation without a translation, which the message names with the line of the program. `opset_version` is 20 unless given;
    for one below 18 onnx converts the model if it can. Needs the library onnx (ModuleNotFoundError).
    """
    _check_library(dynamo)
    args, kwargs = _arguments(args, kwargs)
    if not dynamo and dynamic_shapes:
        raise ValueError("The exporter only supports dynamic shapes through parameter dynamic_axes when dynamo=False.")
    if dynamo and isinstance(model, Module) and model.training:
        warn(
            "Exporting a model while it is in training mode. Please ensure that this is intended, as it may lead to "
            "different behavior during inference. Calling model.eval() before export is recommended."
        )
    if hasattr(model, "example_inputs"):  # an ExportedProgram
        if not args and not kwargs:
            args, kwargs = model.example_inputs
        model = model.module()
    names = _input_names(model, args, kwargs, input_names)
    axes = _axes(names, args, kwargs, dynamic_axes, dynamic_shapes, model)
    parameters = [*model.named_parameters(), *model.named_buffers()] if isinstance(model, Module) else []
    with _exporting(model, TrainingMode.PRESERVE if dynamo else training):
        what = (parameters, output_names or (), dynamic_axes or {}, opset_version or _DEFAULT_OPSET)
        try:
            proto = _proto(Runs(model, args, kwargs, names, parameters, axes), axes, *what)
        except SymbolicValueError as error:
            if not any(axes):
                raise
            try:
                proto = _proto(Runs(model, args, kwargs, names, parameters, axes, only_multiples=True), axes, *what)
            except OnnxExporterError:
                raise error from None
            warn_of_multiples(error)
    program = ONNXProgram(proto, [name for name, _ in parameters])
    if verbose:
        print(program)
    if f is not None:
        program.save(
            f,
            include_initializers=export_params,
            keep_initializers_as_inputs=keep_initializers_as_inputs,
            external_data=external_data or None,
        )
    return program if dynamo else None


def _check_library(dynamo: bool) -> None:
    """Raises PyTorch's errors where the library onnx is missing."""
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        if not dynamo:
            raise OnnxExporterError("Module onnx is not installed!") from error
        raise ModuleNotFoundError(
            "torch.onnx.export needs the library onnx: pip install onnx, or chainrule[onnx]", name="onnx"
        ) from error


# ---------------------------------------------------------------- what is asked for


def _arguments(args: Any, kwargs: dict | None) -> tuple[tuple, dict]:
    args = (args,) if isinstance(args, Tensor) or not isinstance(args, (tuple, list)) else tuple(args)
    if kwargs is None and args and isinstance(args[-1], dict):
        return args[:-1], args[-1]
    return args, kwargs or {}


def _parameter_names(model: Any, args: tuple, kwargs: dict) -> list[str]:
    """The names of the arguments, as the model's forward has them."""
    from inspect import Parameter, signature

    function = model.forward if isinstance(model, Module) else model
    names = []
    parameters = list(signature(function).parameters.values())
    for i in range(len(args)):
        kind = parameters[min(i, len(parameters) - 1)]
        variadic = kind.kind is Parameter.VAR_POSITIONAL
        names.append(f"{kind.name}_{i - len(parameters) + 1}" if variadic else kind.name)
    return [*names, *kwargs]


def _input_names(model: Any, args: tuple, kwargs: dict, given: Sequence[str] | None) -> list[str]:
    """A name for each tensor of the example."""
    names = []
    for name, value in zip(_parameter_names(model, args, kwargs), (*args, *kwargs.values())):
        tensors = [leaf for leaf in tree_flatten(value)[0] if isinstance(leaf, Tensor)]
        names += [name] if isinstance(value, Tensor) else [f"{name}_{i}" for i in range(len(tensors))]
    given = list(given or ())[: len(names)]
    return given + names[len(given) :]


def _axes(
    names: list[str], args: tuple, kwargs: dict, by_name: Any, by_argument: Any, model: Any
) -> list[dict[int, str]]:
    """The dynamic axes of each tensor of the example, with their names."""
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
    if by_argument is not None:
        if isinstance(by_argument, Mapping):
            arguments = _parameter_names(model, args, kwargs)
            known = dict(zip(names, tensors)) if not set(by_argument) <= set(arguments) else {}
            values = [by_argument.get(name) for name in (known or arguments)]
            forms = list(known.values()) if known else [*args, *kwargs.values()]
        else:
            values, forms = list(by_argument), [*args, *kwargs.values()]
        found = [x for form, value in zip(forms, values, strict=True) for x in _axes_of(form, value)]
    else:
        found = [(by_name or {}).get(name) for name in names]
    axes: list[dict[int, str]] = []
    for name, tensor, some in zip(names, tensors, found, strict=True):
        axes.append({})
        for axis, label in _items(some):
            if not -tensor.ndim <= axis < tensor.ndim:
                raise ValueError(f"{name} has no axis {axis}: it has {tensor.ndim} dimensions")
            axes[-1][axis % tensor.ndim] = str(getattr(label, "__name__", label) or f"{name}_dynamic_axes_{axis}")
    return axes


def _axes_of(form: Any, value: Any) -> list:
    """What `dynamic_shapes` says of each tensor of an argument."""
    if isinstance(form, Tensor):
        return [value]
    if isinstance(form, (tuple, list)):
        return [x for i, part in enumerate(form) for x in _axes_of(part, None if value is None else value[i])]
    if isinstance(form, dict):
        return [x for key, part in form.items() for x in _axes_of(part, None if value is None else value.get(key))]
    return []


def _items(some: Any) -> list[tuple[int, Any]]:
    """(axis, name or Dim, None for no name) of what was given for one tensor."""
    from ..export import Dim

    if some is None:
        return []
    if isinstance(some, Mapping):
        pairs = list(some.items())
    elif all(type(entry) is int for entry in some):
        return [(axis, None) for axis in some]
    else:
        pairs = list(enumerate(some))
    unnamed = {Dim.AUTO, Dim.DYNAMIC}
    return [
        (axis, None if label in unnamed else label)
        for axis, label in pairs
        if label is not None and label is not Dim.STATIC
    ]


@contextmanager
def _exporting(model: Any, training: Any) -> Iterator[None]:
    """Inside, the model is in the mode it is exported in, and `is_in_onnx_export` says True."""
    modes = [(module, module.training) for module in model.modules()] if isinstance(model, Module) else []
    wanted = getattr(training, "name", str(training))
    if modes and wanted != "PRESERVE":
        model.train(wanted == "TRAINING")
    _State.exporting = True
    try:
        yield
    finally:
        _State.exporting = False
        for module, mode in modes:
            module.training = mode


# ---------------------------------------------------------------- the message


def _proto(runs: Runs, axes: list, parameters: list, output_names: Sequence[str], dynamic_axes: Any, opset: int) -> Any:
    import onnx

    from .. import __version__
    from .graph import Graph
    from .translations import TABLE

    helper = onnx.helper
    reserved = [name for name, _ in parameters] + [name for name in output_names if name not in runs.names]
    graph = Graph(runs, TABLE, reserved, max(opset, _LOWEST_OPSET))
    outputs = _named_outputs(graph, runs, output_names)
    labels = {value.index: some for value, some in zip(runs.inputs, axes, strict=True)}
    symbols: dict[tuple, str] = {}
    for value in runs.inputs:
        for axis, size in enumerate(runs.shape(value)):
            if isinstance(size, Varying):
                symbols.setdefault(size.values, labels[value.index][axis])

    def described(value: Any, name: str) -> Any:
        given = dict(_items(dynamic_axes.get(name)))
        shape = [
            labels.get(value.index, {}).get(axis) or symbols.get(size.values) or given.get(axis) or f"{name}_dim_{axis}"
            if isinstance(size, Varying)
            else size
            for axis, size in enumerate(runs.shape(value))
        ]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), shape)

    nodes, used = _live(graph.nodes, outputs)
    made = helper.make_graph(
        nodes,
        "main_graph",
        [described(value, graph.names[value.index]) for value in runs.inputs],
        [described(value, name) for value, name in zip(runs.outputs, outputs, strict=True)],
        [onnx.numpy_helper.from_array(np.asarray(x), name) for name, x in graph.arrays.items() if name in used],
    )
    opsets = [helper.make_opsetid("", max(opset, _LOWEST_OPSET))]
    version = helper.find_min_ir_version_for(opsets)
    model = helper.make_model(
        made, opset_imports=opsets, ir_version=version, producer_name="chainrule", producer_version=__version__
    )
    if opset < _LOWEST_OPSET:
        model = _converted(onnx, model, opset)
    onnx.checker.check_model(model)
    return model


def _converted(onnx: Any, model: Any, opset: int) -> Any:
    """The model in an older opset; unchanged, with a warning, if onnx cannot convert it."""
    try:
        found = onnx.version_converter.convert_version(model, opset)
        onnx.checker.check_model(found)
    except Exception as error:  # of many types, some of them the C++ library's
        warn(f"the model stays in opset {_LOWEST_OPSET}: onnx cannot convert it to opset {opset} ({error})")
        return model
    return found


def _named_outputs(graph: Any, runs: Runs, given: Sequence[str]) -> list[str]:
    """The names of the outputs: those that were given, else those of what computes them."""
    names: list[str] = []
    found = [graph.of(value) for value in runs.outputs]
    computed = {name for node in graph.nodes for name in node.output}
    for i, name in enumerate(found):
        wanted = given[i] if i < len(given) else None
        if name not in computed or found.count(name) > 1:
            name = graph.node("Identity", name)
        if wanted is not None and wanted != name:
            graph.rename(name, wanted)
            name = wanted
        names.append(name)
    return names


def _live(nodes: list, outputs: Sequence[str]) -> tuple[list, set[str]]:
    """The nodes that the outputs need, and all names that are used."""
    used = set(outputs)
    kept = []
    for node in reversed(nodes):
        if used.intersection(node.output):
            used.update(node.input)
            kept.append(node)
    return kept[::-1], used


def _parameters_as_inputs(onnx: Any, model: Any, parameters: set[str], keep: bool) -> None:
    """Makes inputs of the parameters, which they are the defaults of if they are kept."""
    graph = model.graph
    for constant in [constant for constant in graph.initializer if constant.name in parameters]:
        graph.input.append(onnx.helper.make_tensor_value_info(constant.name, constant.data_type, list(constant.dims)))
        if not keep:
            graph.initializer.remove(constant)
