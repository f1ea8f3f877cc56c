"""Derivatives by sparse tensors checked with finite differences: the same function of dense tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor, wrap
from .compressed import in_layout
from .tensor import dense, from_values, is_sparse, to_sparse

_OUTPUT = (
    "Sparse output is not supported at gradcheck yet. Please call to_dense(masked_grad=...) on the output of fn for "
    "gradcheck."
)


def dense_problem(func: Callable, inputs: tuple, masked: bool, convert_outputs: bool = False) -> tuple[Callable, tuple]:
    """(a function of dense tensors, these tensors) with the derivatives that `func` has at sparse inputs: by the values
    of the elements they have (`masked`), or by all elements.

    ValueError from the function where `func` returns a sparse tensor, unless outputs are converted too."""
    moved = [is_sparse(x) and x.requires_grad for x in inputs]
    arguments = [_dense_part(x, masked) if at else x for x, at in zip(inputs, moved, strict=True)]

    def of_dense(*args: Any) -> Any:
        given = [_sparse_again(a, x, masked) if at else a for a, x, at in zip(args, inputs, moved, strict=True)]
        found = func(*given)
        outputs = found if isinstance(found, (tuple, list)) else (found,)
        if not any(map(is_sparse, outputs)):
            return found
        if not convert_outputs:
            raise ValueError(_OUTPUT)
        return tuple([dense(y, masked) if is_sparse(y) else y for y in outputs])

    return of_dense, tuple(arguments)


def _dense_part(x: Any, masked: bool) -> Tensor:
    part = wrap(x._array.values.copy()) if masked else dense(x.detach())
    return part.requires_grad_()


def _sparse_again(part: Tensor, x: Any, masked: bool) -> Any:
    if masked:
        made = from_values(x._array.indices, part, x._array.shape, x._array.coalesced)
    else:
        made = to_sparse(part, x._array.sparse_dim)
    return in_layout(made, x.layout)


def as_sparse_gradcheck(gradcheck: Callable) -> Callable:
    """`gradcheck` for functions that return sparse tensors, too; see `torch.autograd.gradcheck` for `masked`."""

    def check(func: Callable, inputs: Any, **settings: Any) -> bool:
        inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        func, inputs = dense_problem(func, inputs, bool(settings.pop("masked", False)), convert_outputs=True)
        return gradcheck(func, inputs, **settings)

    return check
