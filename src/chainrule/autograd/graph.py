"""torch.autograd.graph: nodes as users see them, and hooks."""

from __future__ import annotations

import weakref

from ..engine import Node
from ..tensor import Tensor, accumulate_grad, own_extra

__all__ = ["AccumulateGrad", "Node"]


class AccumulateGrad(Node):
    """The end of an edge into a leaf: adds the gradient to `variable.grad`. Made when somebody looks at it."""

    __slots__ = ("variable",)

    def __init__(self, variable) -> None:
        self.variable = variable
        self.edges = ()
        self.saved = ()
        self.meta = None

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def call_prehooks(self, gradient):
        return gradient


def next_functions(node):
    """((node, output number), ...) of what made the inputs; (None, 0) for inputs that need no gradient."""
    numbers = None if node.meta is None else node.meta.numbers
    return tuple(
        (accumulate_grad(e) if isinstance(e, Tensor) else e, numbers[i] if numbers else 0)
        for i, e in enumerate(node.edges)
    )


Node.next_functions = property(next_functions)


def retain(tensor) -> None:
    """Registers a non-leaf that retains its gradient with its present node."""
    meta = tensor._grad_fn.own_meta()
    if meta.retained is None:
        meta.retained = {}
    meta.retained[tensor.output_nr] = weakref.ref(tensor)


def retain_grad(self) -> None:
    """Keeps this non-leaf's `.grad` during backward."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self._grad_fn is None or self.retains_grad:
        return
    own_extra(self).retains_grad = True
    retain(self)


Tensor.retain_grad = retain_grad
