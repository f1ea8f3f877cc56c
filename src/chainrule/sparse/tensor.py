"""Sparse tensors of PyTorch's COO layout: indices and values in the place of an array, and their nodes in the graph.

What is differentiated is the whole tensor, as in PyTorch: a gradient is a sparse tensor too (or a dense one), with indices
of its own. Two operations lead to the dense world and back, `values` and `from_values`; most others are composed of
dense operations between these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..engine import Freed, Node, SavedTensor, graph_errors, next_sequence, user_position
from ..inplace import write_out
from ..modes import active_saved_hooks, is_quiet, local, silence
from ..op import input_edge, save_input
from ..ops.publishing import NO_FALLBACK
from ..overrides import _converted
from ..size import layout as Layout, sparse_coo, strided
from ..tensor import Tensor, memory, own_extra, refresh_view, wrap, wrap_as
from ..transforms import batch_level, tangent_level
from .arrays import SparseArray, as_gradient, at_indices, flat_index, found_in, not_run

if TYPE_CHECKING:
    from typing import TypeGuard

RULES: dict[str, Any] = {}  # {the name of an operation's record: what it is on sparse tensors}


def rule(*names: str):
    """Makes a function what these operations do where an input is sparse; it takes the inputs, then the settings."""

    def attach(function):
        for name in names:
            RULES[name] = function
        return function

    return attach


_slot: Any = vars(Tensor)["_array"]


class SparseTensor(Tensor):
    """A tensor given by the indices and values of its elements that are not zero."""

    __module__ = "torch"
    is_sparse = True

    @property
    def _array(self) -> SparseArray:
        return _slot.__get__(self)

    @_array.setter
    def _array(self, array) -> None:
        if not isinstance(array, SparseArray):  # what is written for dense tensors has got here
            raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")
        _slot.__set__(self, array)

    @property
    def layout(self) -> Layout:
        return sparse_coo

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = func.record.name
        found = RULES.get(name)
        if found is None:
            against_number = name in _COMPARISONS and not all(isinstance(x, Tensor) for x in args)
            raise not_run(f"{name}.Scalar" if against_number else _SHOWN.get(name, name))
        if not is_quiet():
            silence()
        result = found(func, *map(seen, args))
        return write_out(func.record, kwargs["out"], result, args) if kwargs else result


_COMPARISONS = ("eq", "ge", "gt", "le", "lt", "ne")
_SHOWN = {name: f"{name}.Tensor" for name in _COMPARISONS} | {"isclose": "eq.Tensor", "mean": "mean.dim"}
SparseTensor.__name__ = SparseTensor.__qualname__ = "Tensor"  # in PyTorch it is no class of its own


CLASSES: dict[type[SparseArray], type[SparseTensor]] = {SparseArray: SparseTensor}


def sparse(array: SparseArray) -> Any:
    """A sparse tensor of indices and values, without history."""
    tensor = wrap_as(CLASSES[type(array)], array)
    if local.inference:
        own_extra(tensor).inference = True
    return tensor


def seen(value):
    """A tensor as one of the class that its data belong to: gradients come as plain tensors of whatever there is."""
    if type(value) is Tensor and isinstance(value._array, SparseArray):
        return _converted(value, CLASSES[type(value._array)])
    return value


def is_sparse(value) -> TypeGuard[SparseTensor]:
    """Whether it is a sparse tensor."""
    return isinstance(value, Tensor) and isinstance(value._array, SparseArray)


# ---------------------------------------------------------------- nodes


class SparseNode(Node):
    """A recorded operation on sparse tensors. `formula` makes the inputs' gradients, Tensors all, of the output's and of
    what was saved."""

    __slots__ = ("formula", "kinds")
    __module__ = "builtins"
    kinds: tuple  # (dtype, layout) of the inputs, which their gradients have as well, unless they are dense

    on_tensors_only = True

    @property
    def saves_tensors(self) -> bool:  # type: ignore[override]
        return self.saved != ()

    def backward(self, gradient, needs):
        results = self.backward_tensors(None if gradient is None else _tensor(gradient), needs)
        return [None if r is None else _array(r) for r in results]

    def backward_tensors(self, gradient, needs):
        if self.saved.__class__ is Freed:
            raise graph_errors.freed(self)
        if gradient is None:
            return [None] * len(self.edges)
        results = self.formula(seen(gradient), needs, *[self._unpacked(entry) for entry in self.saved])
        return [
            None if result is None or edge is None else fitted(result, *kind)
            for result, edge, kind in zip(results, self.edges, self.kinds, strict=True)
        ]

    def _unpacked(self, entry):
        if entry.__class__ is SavedTensor:
            return seen(entry.value(self, entry.edge or (None, 0)))
        if isinstance(entry, Tensor) and entry._counter is not None and entry._counter.version:
            raise graph_errors.modified_in_place(self, entry, entry._counter, 0, False)
        return entry


def _tensor(array) -> Tensor:
    return sparse(array) if isinstance(array, SparseArray) else wrap(array)


def _array(tensor: Tensor):
    array = tensor._array
    return as_gradient(array) if isinstance(array, SparseArray) else array


def fitted(gradient: Any, dtype, layout) -> Tensor:
    """A gradient in the dtype of what it belongs to (of a complex one for a real tensor, the real part), and a sparse one
    in the layout."""
    if gradient._array.dtype is not dtype:
        if dtype.kind != "c" and gradient._array.dtype.kind == "c":
            gradient = gradient.real
        gradient = gradient.to(dtypes.from_numpy_dtype(dtype))
    if is_sparse(gradient) and layout is not strided and gradient.layout is not layout:
        from .compressed import in_layout

        gradient = in_layout(gradient, layout)
    return gradient


_classes: dict[str, type[SparseNode]] = {}


def node_class(name: str) -> type[SparseNode]:
    """The class of nodes of this name."""
    if name not in _classes:
        _classes[name] = type(name, (SparseNode,), {"__slots__": (), "__module__": "builtins"})
    return _classes[name]


def recorded(name: str, array, inputs, formula, *saved) -> Any:
    """A tensor of `array`, an operation's result, with a node of that name where an input requires grad.

    ``formula(gradient, needs, *saved)`` returns a gradient (or None) for each input."""
    if local.levels:
        _refuse_levels(name, inputs)
    result = _tensor(array)
    needs = [isinstance(x, Tensor) and x.requires_grad for x in inputs]
    if not (local.grad_enabled and any(needs) and array.dtype.kind in "fcV"):
        return result
    for x in inputs:
        if isinstance(x, Tensor) and x._extra is not None and x._extra.view is not None:
            refresh_view(x)
    node: Any = object.__new__(node_class(name))
    node.edges, numbers = zip(*map(input_edge, inputs), strict=True)
    node.kinds = tuple([(x._array.dtype, x.layout) if isinstance(x, Tensor) else None for x in inputs])
    node.formula = formula
    hooks = active_saved_hooks()
    node.saved = tuple([save_input(value, hooks) for value in saved])
    node.sequence = next_sequence()
    node.code, node.lasti = user_position(2)
    node.meta = None
    if any(numbers):
        node.own_meta().numbers = numbers
    if local.anomaly is not None:
        local.anomaly.remember(node)
    result._node = node
    result._requires_grad = True
    return result


def _refuse_levels(name: str, inputs) -> None:
    """Raises for inputs that are batches of vmap's, or have tangents: sparse tensors do not carry these."""
    name = "_".join(part.lower() for part in re.findall("[A-Z][a-z]*", name.partition("Backward")[0]))
    if any(map(batch_level, inputs)):
        raise RuntimeError(NO_FALLBACK.format(name))
    if any(map(tangent_level, inputs)):
        raise NotImplementedError(
            f"Trying to use forward AD with {name} that does not support it because it has not been implemented yet."
        )


def named(tensor: Any, name: str) -> Any:
    """A tensor whose node has another name: that of the operation which was composed."""
    if tensor._node is not None:
        tensor._node.__class__ = node_class(name)
    return tensor


# ---------------------------------------------------------------- between sparse and dense


def coalesced(x: Any) -> Any:
    """The tensor with sorted indices, each of which occurs once; itself if it is so already."""
    if x._array.coalesced:
        return x
    return recorded("CoalesceBackward0", x._array.coalesce(), (x,), lambda g, needs: (g,))


def values_of(x: Any) -> Tensor:
    """The values of a coalesced tensor, differentiably; they share its memory."""
    array = x._array
    return recorded(
        "ValuesBackward0",
        array.values,
        (x,),
        lambda g, needs: (from_values(array.indices, g, array.shape, True),),
    )


def from_values(
    indices: np.ndarray,
    values: Tensor,
    shape,
    coalesced: bool = False,
    name: str = "SparseCooTensorWithDimsAndTensorsBackward0",
) -> Any:
    """A sparse tensor of values, differentiably; it shares their memory. The gradient of a value is what stands at its
    indices."""
    array = SparseArray(indices, memory(values), shape, coalesced)
    return recorded(name, array, (values,), lambda g, needs: (entries_at(g, indices),))


def entries_at(x: Tensor, indices: np.ndarray) -> Tensor:
    """The parts of a sparse or dense tensor at sparse indices, differentiably; zeros where a sparse one has nothing."""
    count, width = indices.shape[1], len(indices)
    if is_sparse(x):
        if x._array.sparse_dim == width:
            x = coalesced(x)
            found, at = found_in(x._array, flat_index(indices, x._array.shape))
            if not x._array.nnz:
                return wrap(np.zeros((count, *x._array.dense_shape), x._array.dtype))
            picked = values_of(x)[wrap(at)]
            if found.all():
                return picked
            return picked.masked_fill(wrap(~found.reshape(-1, *[1] * (picked.ndim - 1))), 0)
        return entries_at(dense(x), indices)
    if not width:
        return x.unsqueeze(0).expand(count, *x.shape)
    return x[tuple([wrap(row) for row in indices])]


def dense(x: Any, masked_grad: bool = True) -> Tensor:
    """The dense tensor. Its gradient goes to the entries that the sparse one has, unless not `masked_grad`."""

    def formula(g, needs, x):
        if is_sparse(g):
            return (g,)
        return (masked(g, x) if masked_grad else to_sparse(g, x._array.sparse_dim),)

    return recorded("ToDenseBackward0", x._array.dense(), (x,), formula, x)


def masked(x: Tensor, mask: SparseTensor) -> Any:
    """The entries of `x`, sparse or dense, where `mask` has some."""
    array = mask._array.coalesce()
    return from_values(array.indices, entries_at(x, array.indices), array.shape, True, "SparseMaskBackward0")


def to_sparse(x: Tensor, sparse_dim: int | None = None) -> Any:
    """A dense tensor as a sparse one, of those parts along the first `sparse_dim` dimensions that are not zero."""
    array = memory(x)
    count = array.ndim if sparse_dim is None else sparse_dim
    kept = array != 0
    if count < array.ndim:
        kept = kept.any(tuple(range(count, array.ndim)))
    indices = np.stack(np.nonzero(kept)).astype(np.int64) if count else np.zeros((0, int(kept.sum())), np.int64)
    found = SparseArray(indices, np.ascontiguousarray(at_indices(array, indices)), array.shape, True)
    name = "ToSparseBackward1" if sparse_dim is None else "ToSparseBackward0"
    return recorded(name, found, (x,), lambda g, needs: (dense(g) if is_sparse(g) else g,))
