"""torch.autograd: backward, grad, and what surrounds them."""

from __future__ import annotations

from ..engine import run_backward
from ..modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..tensor import Tensor, gradient_edge, wrap
from . import graph

__all__ = [
    "Variable",
    "backward",
    "enable_grad",
    "grad",
    "graph",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]


def _as_tuple(values):
    return (values,) if isinstance(values, Tensor) or not isinstance(values, (tuple, list)) else tuple(values)


def _root_gradients(outputs, gradients, is_grads_batched: bool = False):
    """A gradient for each output: the given one, checked, or one where the output is a scalar."""
    made = []
    for i, (output, gradient) in enumerate(zip(outputs, gradients, strict=True)):
        if isinstance(gradient, Tensor):
            if gradient.shape != output.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {gradient.shape} and output[{i}] has a shape of "
                    f"{output.shape}."
                )
            made.append(gradient)
        elif gradient is None:
            if output.requires_grad:
                if output.numel() != 1:
                    raise RuntimeError("grad can be implicitly created only for scalar outputs")
                from ..ops.creation import ones_like

                made.append(ones_like(output))
            else:
                made.append(None)
        else:
            raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
    return made


def _roots(outputs):
    edges = []
    for i, output in enumerate(outputs):
        edge = gradient_edge(output)
        if edge[0] is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        edges.append(edge)
    return edges


def backward(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None
):
    """Accumulates into the leaves' `.grad` the gradients of `tensors`."""
    tensors = _as_tuple(tensors)
    gradients = (None,) * len(tensors) if grad_tensors is None else _as_tuple(grad_tensors)
    gradients = _root_gradients(tensors, gradients)
    if retain_graph is None:
        retain_graph = create_graph
    edges = None if inputs is None else [gradient_edge(x) for x in _as_tuple(inputs)]
    run_backward(
        _roots(tensors),
        gradients,
        retain_graph=retain_graph,
        create_graph=create_graph,
        inputs=edges,
        accumulate=True,
    )


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, allow_unused=None,
    is_grads_batched=False, materialize_grads=False,
):  # fmt: skip
    """The gradients of `outputs` with respect to `inputs`, as a tuple."""
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    gradients = (None,) * len(outputs) if grad_outputs is None else _as_tuple(grad_outputs)
    gradients = _root_gradients(outputs, gradients)
    if retain_graph is None:
        retain_graph = create_graph
    for x in inputs:
        if not x.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    edges = [gradient_edge(x) for x in inputs]
    found = run_backward(
        _roots(outputs),
        gradients,
        retain_graph=retain_graph,
        create_graph=create_graph,
        inputs=edges,
        accumulate=False,
    )
    for i, g in enumerate(found):
        if g is None and not allow_unused and not materialize_grads:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
    return tuple(found)


def Variable(data, requires_grad: bool = False, volatile: bool = False):
    """The old name of a tensor that takes part in autograd."""
    result = wrap(data._array)
    result._requires_grad = requires_grad
    return result


def _tensor_backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    """Accumulates into the leaves' `.grad` the gradient of this tensor; see torch.autograd.backward."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


Tensor.backward = _tensor_backward
