"""The compressed layouts: matrices by rows (CSR) or by columns (CSC).

A compressed array knows its indices in full as well, so that all operations are those of the COO layout; what they make
of compressed matrices is compressed again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..modes import is_quiet, silence
from ..ops.creation import array_of, dtype_argument
from ..ops.reduction import sum as dense_sum
from ..size import layout as Layout, sparse_coo, sparse_csc, sparse_csr
from ..tensor import Tensor, memory, wrap
from .arrays import SparseArray, flat_index, is_sorted
from .creation import check_gradient, must_check, values_argument
from .printing import text
from .reductions import total_along
from .tensor import CLASSES, SparseTensor, entries_at, recorded, values_of

NAMES = {sparse_csr: ("crow_indices", "col_indices"), sparse_csc: ("ccol_indices", "row_indices")}
WORDS = {sparse_csr: "SparseCsr", sparse_csc: "SparseCsc"}


class CompressedArray(SparseArray):
    """Values in the order of rows (or columns), `pointers` to where each row begins, and the columns (or rows): `plain`."""

    __slots__ = ("_coalesced", "_indices", "layout", "plain", "pointers")
    sparse_dim = 2

    def __init__(self, pointers: np.ndarray, plain: np.ndarray, values: np.ndarray, shape, layout: Layout) -> None:
        self.pointers, self.plain, self.values = pointers, plain, values
        self.shape = tuple(shape)
        self.dtype = values.dtype
        self.layout = layout
        self._indices: Any = None
        self._coalesced: Any = None

    @property
    def indices(self) -> np.ndarray:  # type: ignore[override]
        if self._indices is None:
            compressed = np.repeat(np.arange(len(self.pointers) - 1), np.diff(self.pointers))
            rows = [compressed, self.plain] if self.layout is sparse_csr else [self.plain, compressed]
            self._indices = np.stack(rows).astype(np.int64)
        return self._indices

    @property
    def coalesced(self) -> bool:  # type: ignore[override]
        if self._coalesced is None:
            self._coalesced = is_sorted(flat_index(self.indices, self.shape))
        return self._coalesced

    def with_values(self, values: np.ndarray) -> CompressedArray:
        return CompressedArray(self.pointers, self.plain, values, self.shape, self.layout)

    def copy(self) -> CompressedArray:
        return CompressedArray(self.pointers.copy(), self.plain.copy(), self.values.copy(), self.shape, self.layout)

    clone = copy

    def __add__(self, other):
        found = super().__add__(other)
        return compressed(found, self.layout) if isinstance(found, SparseArray) else found


def compressed(x: SparseArray, layout: Layout) -> SparseArray:
    """A matrix, its indices first, in a layout."""
    if layout is sparse_coo:
        return SparseArray(x.indices, x.values, x.shape, x.coalesced)
    if layout not in NAMES:
        raise NotImplementedError(f"chainrule has no tensors of layout {layout}")
    if isinstance(x, CompressedArray) and x.layout is layout:
        return x
    if x.sparse_dim != 2:
        raise NotImplementedError(f"chainrule has tensors of layout {layout} of two sparse dimensions only")
    if layout is sparse_csr:
        x = x.coalesce()
        lines, plain, values = x.indices[0], x.indices[1], x.values
    else:
        x = x.transposed(0, 1).coalesce().transposed(0, 1)
        plain, lines, values = x.indices[0], x.indices[1], x.values
    count = x.shape[0 if layout is sparse_csr else 1]
    pointers = np.concatenate([[0], np.cumsum(np.bincount(lines, minlength=count))]).astype(np.int64)
    return CompressedArray(pointers, plain.copy(), values, x.shape, layout)


class CompressedTensor(SparseTensor):
    """A matrix in the CSR or CSC layout."""

    __module__ = "torch"
    is_sparse = False

    @property
    def layout(self) -> Layout:
        return self._array.layout

    @property
    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        return self._array.layout is sparse_csr

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs)
        if not isinstance(result, SparseTensor) or type(result) is CompressedTensor or result._array.sparse_dim != 2:
            return result
        layout = next(x.layout for x in args if isinstance(x, CompressedTensor))
        if func.record.name in ("t", "transpose") and args[0].shape != result.shape:
            layout = sparse_csc if layout is sparse_csr else sparse_csr
        elif func.record.name in ("cat", "stack", "index_select"):
            return result
        result._array = compressed(result._array, layout)
        result.__class__ = CompressedTensor
        return result

    # ---- what it is made of

    def values(self) -> Tensor:
        """The values, differentiably; they share the tensor's memory."""
        return values_of(self)

    def _line_indices(self, which: int, name: str) -> Tensor:
        if NAMES[self.layout][which] != name:
            kind = "row" if name in NAMES[sparse_csr] else "column"
            raise RuntimeError(f"{name} expected sparse {kind} compressed tensor layout but got {WORDS[self.layout]}")
        return wrap(self._array.plain if which else self._array.pointers)

    def crow_indices(self) -> Tensor:
        """Where each row's values begin, and where the last row's end."""
        return self._line_indices(0, "crow_indices")

    def col_indices(self) -> Tensor:
        """The column of each value."""
        return self._line_indices(1, "col_indices")

    def ccol_indices(self) -> Tensor:
        """Where each column's values begin, and where the last column's end."""
        return self._line_indices(0, "ccol_indices")

    def row_indices(self) -> Tensor:
        """The row of each value."""
        return self._line_indices(1, "row_indices")

    def _not_coo(self, name: str):
        raise RuntimeError(f"{name} expected sparse coordinate tensor layout but got {WORDS[self.layout]}")

    def indices(self):
        """RuntimeError: that is the COO layout's."""
        self._not_coo("indices")

    def coalesce(self):
        """RuntimeError: that is the COO layout's."""
        self._not_coo("coalesce")

    def is_coalesced(self):
        """RuntimeError: that is the COO layout's."""
        self._not_coo("is_coalesced")

    def numpy(self, *, force: bool = False):
        """TypeError: an array has no such layout."""
        raise TypeError(f"can't convert {WORDS[self.layout]} layout tensor to numpy. Use Tensor.to_dense() first.")

    def to_sparse(self, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None) -> Any:
        """The matrix in another layout: `torch.sparse_coo` unless said."""
        return in_layout(self, sparse_coo if layout is None else layout)

    def sum(self, dim=None, keepdim: bool = False, *, dtype=None) -> Any:
        """The sum of all elements; along dimensions with `keepdim` only, RuntimeError otherwise."""
        if dim is None:
            return dense_sum(self if dtype is None else self.to(dtype))
        if not keepdim:
            raise RuntimeError("reduction operations on CSR tensors with keepdim=False is unsupported")
        found = total_along(in_layout(self, sparse_coo), dim, True, dtype)
        return in_layout(found if isinstance(found, SparseTensor) else found.to_sparse(), self.layout)

    def __repr__(self, *, tensor_contents=None) -> str:  # type: ignore[override]
        array = self._array
        parts = dict(zip(NAMES[self.layout], (wrap(array.pointers), wrap(array.plain))))
        return text(self, {**parts, "values": wrap(array.values)}, len(array.plain), on_new_line=False)


CompressedTensor.__name__ = CompressedTensor.__qualname__ = "Tensor"
CLASSES[CompressedArray] = CompressedTensor


def in_layout(x: Any, layout: Layout, name: str | None = None) -> Any:
    """A sparse tensor in another sparse layout, differentiably."""
    if x.layout is layout:
        return x
    name = name or f"ToSparse{WORDS[layout][6:] if layout in WORDS else ''}Backward0"
    return recorded(name, compressed(x._array, layout), (x,), lambda g, needs: (g,))


# ---------------------------------------------------------------- creation


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size=None,
    *,
    dtype=None,
    layout: Layout | None = None,
    device=None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Any:
    """A matrix in a compressed layout; see :func:`sparse_csr_tensor`."""
    if layout not in NAMES:
        raise NotImplementedError(f"chainrule has no tensors of layout {layout}")
    if not is_quiet():
        silence()
    pointers, plain = _indices_argument(compressed_indices), _indices_argument(plain_indices)
    values = values_argument(values, dtype_argument("sparse_compressed_tensor", dtype))
    check_gradient(values.dtype, requires_grad)
    if pointers.ndim != 1 or plain.ndim != 1:
        raise NotImplementedError(f"chainrule has no batches of matrices of layout {layout}")
    if size is None:
        lines, others = len(pointers) - 1, int(plain.max()) + 1 if plain.size else 0
        size = (lines, others) if layout is sparse_csr else (others, lines)
        size = (*size, *values.shape[1:])
    array = CompressedArray(pointers, plain, memory(values), size, layout)
    if must_check(check_invariants):
        _check(array)
    made = recorded(
        "SparseCompressedTensorBackward0", array, (values,), lambda g, needs: (entries_at(g, array.indices),)
    )
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def sparse_csr_tensor(crow_indices: Any, col_indices: Any, values: Any, size=None, **settings: Any) -> Any:
    """A matrix of `size` by its rows: row i has the values from ``crow_indices[i]`` on up to ``crow_indices[i + 1]``, in
    the columns `col_indices`. Without a size, the smallest that fits. RuntimeError for parts that do not fit each other,
    with `check_invariants`."""
    return sparse_compressed_tensor(crow_indices, col_indices, values, size, layout=sparse_csr, **settings)


def sparse_csc_tensor(ccol_indices: Any, row_indices: Any, values: Any, size=None, **settings: Any) -> Any:
    """The same by columns."""
    return sparse_compressed_tensor(ccol_indices, row_indices, values, size, layout=sparse_csc, **settings)


def _indices_argument(indices: Any) -> np.ndarray:
    array = memory(indices) if isinstance(indices, Tensor) else np.asarray(array_of(indices, dtypes.int64))
    if array.dtype.kind != "i":
        raise RuntimeError("indices must be of an integer dtype")
    return array


def _check(x: CompressedArray) -> None:
    """RuntimeError, in PyTorch's words, for parts that do not fit each other."""
    compressed_name, plain_name = NAMES[x.layout]
    lines, others = x.shape[:2] if x.layout is sparse_csr else x.shape[1::-1]
    line, other = ("rows", "cols") if x.layout is sparse_csr else ("columns", "rows")
    every = "nrows" if x.layout is sparse_csr else "ncols"
    count = x.values.shape[0]
    if len(x.pointers) != lines + 1:
        raise RuntimeError(
            f"{compressed_name}.shape[-1] must be equal to the number of {line} + 1 (={lines + 1}), but got "
            f"{len(x.pointers)}"
        )
    if len(x.plain) != count:
        raise RuntimeError(
            f"{plain_name}.shape[-1] must be equal to nnz (={count}) as defined by values.shape[0], but got {len(x.plain)}"
        )
    if x.pointers[0] != 0:
        raise RuntimeError(f"`{compressed_name}[..., 0] == 0` is not satisfied.")
    if x.pointers[-1] != count:
        raise RuntimeError(f"`{compressed_name}[..., -1] == nnz` is not satisfied.")
    counts = np.diff(x.pointers)
    if counts.size and (counts.min() < 0 or counts.max() > others):
        raise RuntimeError(
            f"`0 <= {compressed_name}[..., 1:] - {compressed_name}[..., :-1] <= n{other}` is not satisfied."
        )
    if x.plain.size and (x.plain.min() < 0 or x.plain.max() >= others):
        raise RuntimeError(f"`0 <= {plain_name} < n{other}` is not satisfied.")
    order = x.indices if x.layout is sparse_csr else x.indices[::-1]
    if not is_sorted(flat_index(order, (lines, others))):
        raise RuntimeError(
            f"`{plain_name}[..., {compressed_name}[..., i - 1]:{compressed_name}[..., i]] for all i = 1, ..., {every} "
            "are sorted and distinct along the last dimension values` is not satisfied."
        )
