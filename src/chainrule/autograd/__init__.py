"""torch.autograd: backward, grad, and what surrounds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import graph_errors
from ..backend import numpy as backend
from ..engine import SavedTensor, run_backward
from ..modes import _force_original_view_tracking, is_multithreading_enabled, is_view_replay_enabled, local
from ..tensor import Tensor, wrap
from ..warning import warn, warn_once
from . import anomaly_mode, function, grad_mode, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function, NestedIOFunction
from .grad_mode import (
    _unsafe_preserve_version_counter,
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from .graph import GradientEdge, as_edge
from .variable import Variable

__all__ = [
    "Function",
    "NestedIOFunction",
    "SavedTensor",
    "Variable",
    "_force_original_view_tracking",
    "_unsafe_preserve_version_counter",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_multithreading_enabled",
    "is_view_replay_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


_LAZY = {
    "_functions": None,
    "forward_ad": None,
    "functional": None,
    "profiler": None,
    "profiler_util": None,
    "gradcheck": "gradcheck",
    "gradgradcheck": "gradcheck",
}


def __getattr__(name: str):
    """Imports on first use what few programs need: {name: the module it is in, or None for a module itself}."""
    import importlib

    if name == "torch":
        return importlib.import_module(__package__.rpartition(".")[0])
    if name not in _LAZY:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}: chainrule has no torch.autograd.{name} (yet)"
        )

    module = importlib.import_module(f"{__name__}.{_LAZY[name] or name}")
    if _LAZY[name] == "gradcheck":  # the module's own name is that of one of its functions
        globals().update(gradcheck=module.gradcheck, gradgradcheck=module.gradgradcheck)
    return globals()[name]


def _as_tuple(values) -> tuple:
    return (values,) if isinstance(values, (Tensor, GradientEdge)) else tuple(values)


def _root_gradients(outputs, gradients, is_grads_batched: bool = False) -> list:
    """A gradient for each output: the given one, checked, or one where the output is a scalar."""
    if len(gradients) < len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    made: list[Tensor | None] = []
    for i, (output, gradient) in enumerate(zip(outputs, gradients)):
        if isinstance(gradient, Tensor):
            known = output if isinstance(output, Tensor) else output.node._input_metadata[output.output_nr]
            if known is not None:
                gradient = _checked_gradient(i, known, gradient, is_grads_batched)
            made.append(gradient)
        elif gradient is not None:
            raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
        elif isinstance(output, Tensor) and not output.requires_grad:
            made.append(None)
        else:
            made.append(_one_for(output))
    return made


def _one_for(output: Tensor | GradientEdge) -> Tensor:
    if isinstance(output, Tensor):
        array = output._array
        if array.size == 1 and array.dtype.kind in "fV" and not (local.levels or local.inference):
            return wrap(backend.ones_like(array) if array.ndim else array.dtype.type(1))
    from ..ops.creation import ones

    if not isinstance(output, (Tensor, GradientEdge)):
        raise graph_errors.no_tensor()
    info = output if isinstance(output, Tensor) else output.node._input_metadata[output.output_nr]
    if info is None or info.shape.numel() != 1:
        raise graph_errors.explained(RuntimeError("grad can be implicitly created only for scalar outputs"), output)
    if not info.dtype.is_floating_point:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {info.dtype}")
    return ones(info.shape, dtype=info.dtype)


def _checked_gradient(i: int, output: Any, gradient: Tensor, is_grads_batched: bool) -> Tensor:
    shape = gradient.shape[1:] if is_grads_batched else gradient.shape
    if shape != output.shape:
        mismatch = f"grad_output[{i}] has a shape of {shape} and output[{i}] has a shape of {output.shape}."
        if is_grads_batched:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                "dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding "
                f"output, but a mismatch was detected: {mismatch} If you only want some tensors in `grad_output` to "
                "be considered batched, consider using vmap."
            )
        raise RuntimeError(f"Mismatch in shape: {mismatch}")
    if output.dtype.is_complex != gradient.is_complex():
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{i}] has a dtype of {gradient.dtype} and output[{i}] has a dtype of {output.dtype}."
        )
    return gradient if gradient.dtype is output.dtype else gradient.to(output.dtype)


def _roots(outputs) -> list:
    edges = []
    for i, output in enumerate(outputs):
        edge = as_edge(output)
        if edge[0] is None:
            raise graph_errors.no_history(i)
        edges.append(edge)
    return edges


def _input_edges(inputs, function: str, retain: bool = False) -> list:
    """The edges of the inputs of a backward call; with `retain` each input is made to keep its gradient."""
    if not inputs:
        raise RuntimeError(f"`inputs` argument to `{function}()` cannot be empty.")
    for x in inputs:
        if not isinstance(x, (Tensor, GradientEdge)):
            raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(x).__name__}")
    edges = []
    for x in inputs:
        edge = as_edge(x)
        if edge[0] is None and isinstance(x, Tensor) and x.requires_grad:
            edge = x, 0  # a view made in no_grad: it requires grad as its base does, though nothing leads to it
        if retain and isinstance(x, Tensor):
            x.retain_grad()
        edges.append(edge)
    return edges


def backward(
    tensors: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge] | None = None,
) -> None:
    """Accumulates into the leaves' `.grad` the gradients of `tensors`, each weighted by its `grad_tensors`.

    `retain_graph` keeps what was saved, for another backward; `create_graph` records the gradients' own computation;
    with `inputs`, only these tensors' `.grad` is computed.
    """
    if grad_variables is not None:
        warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only "
                "use `grad_tensors`."
            )
        grad_tensors = grad_variables
    _backward(tensors, grad_tensors, retain_graph, create_graph, inputs)


def _backward(tensors, grad_tensors, retain_graph, create_graph, inputs) -> None:
    if local.level_stack:
        from ..batching import check_backward

        check_backward()
    outputs = _as_tuple(tensors)
    gradients: Sequence = (None,) * len(outputs) if grad_tensors is None else _as_tuple(grad_tensors)
    gradients = _root_gradients(outputs, gradients)
    roots = _roots(outputs)
    edges = None
    if inputs is not None:
        inputs = _as_tuple(inputs)
        edges = _input_edges(inputs, "backward", retain=True)
    if create_graph:
        warn_once(_CYCLE)
    run_backward(
        roots,
        gradients,
        retain_graph=create_graph if retain_graph is None else retain_graph,
        create_graph=create_graph,
        inputs=edges,
        accumulate=True,
    )


_CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
    "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
    "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
    "the cycle and avoid the leak."
)


def grad(
    outputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs`, weighted by `grad_outputs`, with respect to `inputs`, as a tuple; no `.grad` changes.

    An input that was not used is an error, unless `allow_unused` (its gradient is None) or `materialize_grads` (zeros).
    With `is_grads_batched`, the first dimension of each grad_output counts gradients, and so does that of the results.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
        )
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    gradients: Sequence = (None,) * len(outputs) if grad_outputs is None else _as_tuple(grad_outputs)
    gradients = _root_gradients(outputs, gradients, is_grads_batched)
    roots = _roots(outputs)
    edges = _input_edges(inputs, "grad")
    for number, (node, _) in enumerate(edges):
        if node is None:
            raise graph_errors.explained(
                RuntimeError("One of the differentiated Tensors does not require grad"), outputs[0], inputs[number]
            )
    retain_graph = create_graph if retain_graph is None else retain_graph
    unused_allowed = bool(allow_unused or materialize_grads)

    def run(*weights: Tensor | None) -> tuple[Tensor | None, ...]:
        if local.levels:
            from ..batching import lowered

            weights = tuple(lowered(w, y) for w, y in zip(weights, outputs))
        found = run_backward(
            roots, weights, retain_graph=retain_graph, create_graph=create_graph, inputs=edges, accumulate=False
        )
        unused = () if unused_allowed else [i for i, g in enumerate(found) if g is None]
        if unused:
            raise graph_errors.unused(unused[0], outputs[0], inputs[unused[0]])
        if local.levels:
            from ..batching import raised

            found = [raised(g, x) for g, x in zip(found, inputs)]
        return tuple(found)

    if is_grads_batched:
        from ..transforms import vmap_with_none

        results = vmap_with_none(run, gradients)
    else:
        results = run(*gradients)
    if materialize_grads:
        results = tuple(_zeros_for(x, create_graph) if r is None else r for x, r in zip(inputs, results))
    return results


def _zeros_for(value: Tensor | GradientEdge, requires_grad: bool) -> Tensor:
    from ..ops.creation import zeros_like

    if isinstance(value, GradientEdge):
        raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
    return zeros_like(value, requires_grad=requires_grad)


def _tensor_backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None) -> None:
    """Accumulates into the leaves' `.grad` the gradient of this tensor; see torch.autograd.backward."""
    _backward(self, gradient, retain_graph, create_graph, inputs)


_tensor_backward.__name__, _tensor_backward.__qualname__ = "backward", "Tensor.backward"
Tensor.backward = _tensor_backward
