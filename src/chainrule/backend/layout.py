"""The layout of arrays: views by strides, joining and cutting, and the transposes of these for derivatives.

Part of the door to arrays (see numpy.py): what is public here is part of `xp`.
"""

from __future__ import annotations

import numpy as np

ndarray = np.ndarray


class Memory:
    """A window on the memory of another array, for NumPy's array interface."""

    def __init__(self, owner, address: int, shape, strides, dtype) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "version": 3,
            "data": (address, False),
            "shape": shape,
            "strides": strides,
            "typestr": dtype.str,
        }


def memory_root(array):
    """The array that owns the memory `array` looks at."""
    while True:
        base = array.base
        if type(base) is Memory and type(base.owner) is ndarray:
            array = base.owner
        elif type(base) is ndarray:
            array = base
        else:
            return array


def own_memory(array):
    """The array itself, or if it is a part of another's memory, one on the same memory that counts as owning it."""
    if array.base is None or not array.size:
        return array
    start = array.__array_interface__["data"][0]
    window = Memory(_Keeper(array), start, array.shape, array.strides, np.dtype(f"V{array.itemsize}"))
    made = np.asarray(window).view(array.dtype)
    if not array.flags.writeable:
        made.flags.writeable = False
    return made


class _Keeper:
    """Keeps an array alive without being one: the search for the owner of memory stops here."""

    __slots__ = ("array",)

    def __init__(self, array) -> None:
        self.array = array


def restride(x, shape, strides, offset=0, dtype=None):
    """A writable view of x's memory by shape, strides and offset in bytes, from x's first element, as elements of
    `dtype` (default: its own); unchecked."""
    if dtype is None:
        dtype = x.dtype
    if 0 in shape:
        return np.lib.stride_tricks.as_strided(x if x.dtype is dtype else np.empty(0, dtype), shape, strides)
    if x.flags.c_contiguous and x.dtype.kind != "V" and x.flags.writeable:
        return ndarray(shape, dtype, x, offset, strides)
    start = x.__array_interface__["data"][0] + offset
    return np.asarray(Memory(x, start, shape, strides, np.dtype(f"V{dtype.itemsize}"))).view(dtype)


def view(x, shape):
    """`x` under another shape, never a copy: ValueError where the strides do not allow it."""
    return x.reshape(shape, copy=False)


def expand_view(x, shape):
    """`x` broadcast to `shape` without copying, as writable as `x`; new dimensions of size 1 get ordinary strides."""
    have, old = x.shape, x.strides
    extra = len(shape) - len(have)
    strides = list(old) if have == shape[extra:] else [s if m == n else 0 for s, m, n in zip(old, have, shape[extra:])]
    for n in shape[extra - 1 :: -1] if extra else ():  # from the inside out
        strides.insert(0, 0 if n != 1 else shape[-len(strides)] * strides[0] if strides else x.itemsize)
    return restride(x, shape, tuple(strides))


def slice_view(x, dim, start, end, step):
    """The elements ``start:end:step`` along `dim`; a part of one element, too, has the stride that the step makes."""
    part = x[(slice(None),) * dim + (slice(start, end, step),)]
    if step != 1 and part.shape[dim] <= 1:
        strides = part.strides
        return restride(part, part.shape, (*strides[:dim], x.strides[dim] * step, *strides[dim + 1 :]))
    return part


def insert_dim(x, dim):
    """A view of `x` with a dimension of size 1 at `dim`, with the stride that a contiguous array would have there."""
    shape, strides = x.shape, x.strides
    if x.flags.c_contiguous and 1 not in shape and 0 not in shape:
        return x.reshape((*shape[:dim], 1, *shape[dim:]))
    stride = shape[dim] * strides[dim] if dim < len(shape) else x.itemsize
    return restride(x, (*shape[:dim], 1, *shape[dim:]), (*strides[:dim], stride, *strides[dim:]))


def diagonal(x, offset, dim1, dim2):
    """The diagonal of the matrices in two dimensions, as the last dimension: a writable view."""
    rows, columns = x.shape[dim1], x.shape[dim2]
    count = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    start = offset * x.strides[dim2] if offset >= 0 else -offset * x.strides[dim1]
    rest = [d for d in range(x.ndim) if d not in (dim1, dim2)]
    return restride(
        x,
        (*[x.shape[d] for d in rest], count),
        (*[x.strides[d] for d in rest], x.strides[dim1] + x.strides[dim2]),
        start if count else 0,
    )


def windows(x, dim, size, step):
    """All windows of `size` elements along `dim`, `step` apart, as a new last dimension: a writable view."""
    shape, strides = list(x.shape), list(x.strides)
    shape[dim] = (shape[dim] - size) // step + 1
    moved = strides[dim]
    strides[dim] *= step
    return restride(x, (*shape, size), (*strides, moved))


def as_strided(x, size, stride, offset):
    """A view by sizes and strides (elements) from `offset` elements after x's first; RuntimeError outside x's
    memory."""
    root = memory_root(x)
    item = x.itemsize
    low = root.__array_interface__["data"][0]
    start = x.__array_interface__["data"][0] + offset * item - low
    last = 0 if 0 in size else 1
    for n, s in zip(size, stride):
        last += (n - 1) * s if last else 0
    if start + last * item >= 1 << 63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}")
    if start < 0 or (last and start + last * item > root.nbytes):
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start // item}, and itemsize "
            f"{item} requiring a storage size of {start + last * item} are out of bounds for storage of size "
            f"{root.nbytes}"
        )
    return restride(root, tuple(size), tuple([s * item for s in stride]), start, x.dtype)


def contiguous(x):
    """A fresh array in row-major order."""
    return np.array(x, order="C", copy=True)


def in_rows(x):
    """`x` in row-major order, in which PyTorch's reductions give their results; NumPy's keep the order of their input."""
    return x if x.ndim < 2 or x.flags.c_contiguous else contiguous(x)


def channels_last(x):
    """A fresh array of x's elements with its second dimension innermost in memory."""
    out = np.empty((x.shape[0], *x.shape[2:], x.shape[1]), x.dtype)
    out = out.transpose((0, x.ndim - 1, *range(1, x.ndim - 1)))
    out[...] = x
    return out


def is_channels_last(x) -> bool:
    """Whether the second dimension is innermost in memory and the others follow in order; size-1 dimensions do not
    count."""
    expected = x.itemsize
    for d in (1, *range(x.ndim - 1, 1, -1), 0):
        if x.shape[d] != 1:
            if x.strides[d] != expected:
                return False
            expected *= x.shape[d]
    return True


def flip(x, dims):
    """`x` with the order of its elements reversed along `dims`, as a fresh array."""
    turn = [slice(None)] * x.ndim
    for d in dims:
        turn[d] = slice(None, None, -1)
    return x[tuple(turn)].copy(order="K")


def concatenate(arrays, dim):
    """Joins arrays along a dimension; 1-d empty arrays are passed over, as PyTorch's cat does."""
    if any(a.shape == (0,) for a in arrays):
        arrays = [a for a in arrays if a.shape != (0,)] or arrays[:1]
    joined = np.concatenate(arrays, axis=dim)
    return joined if joined.flags.c_contiguous else np.ascontiguousarray(joined)


def stack_arrays(arrays, dim):
    """Joins arrays of one shape along a new dimension."""
    first = arrays[0]
    out = np.empty((*first.shape[:dim], len(arrays), *first.shape[dim:]), first.dtype)
    before = (slice(None),) * dim
    for i, x in enumerate(arrays):
        out[(*before, i)] = x
    return out


def diagonal_blocks(arrays, blocks):
    """Zeros with each array at its (row, column, rows, columns)."""
    rows, columns = blocks[-1][0] + blocks[-1][2], blocks[-1][1] + blocks[-1][3]
    out = np.zeros((rows, columns), arrays[0].dtype)
    for x, (i, j, n, m) in zip(arrays, blocks, strict=True):
        out[i : i + n, j : j + m] = x
    return out


def roll(x, shifts, dims):
    """A copy of `x` with its elements moved along dimensions (flattened where none are named), those that leave at one
    end entering at the other."""
    if not dims:
        return roll(x.reshape(-1), shifts, (0,)).reshape(x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        n = x.shape[dim]
        shift = shift % n if n else 0
        before = (slice(None),) * dim
        x = np.concatenate((x[(*before, slice(n - shift, n))], x[(*before, slice(0, n - shift))]), axis=dim)
    return np.ascontiguousarray(x)


def rotate(x, k, dim0, dim1):
    """A copy of `x` turned by `k` quarter turns in the plane of two dimensions, from the first towards the second."""
    k %= 4
    if not k:
        return x.copy()
    before0, before1 = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    before0[dim0] = before1[dim1] = slice(None, None, -1)
    if k == 2:
        return contiguous(x[tuple(before0)][tuple(before1)])
    if k == 1:
        return contiguous(x[tuple(before1)].swapaxes(dim0, dim1))
    return contiguous(x[tuple(before0)].swapaxes(dim0, dim1))


def repeat(x, repeats):
    """`x` side by side with itself, `repeats` times along each dimension; `repeats` may have more dimensions than
    `x`."""
    extra = len(repeats) - x.ndim
    shape = (1,) * extra + x.shape
    out = np.empty([v for pair in zip(repeats, shape, strict=True) for v in pair], x.dtype)
    out[...] = x.reshape([v for n in shape for v in (1, n)])
    return out.reshape([r * n for r, n in zip(repeats, shape, strict=True)])


def triangle(x, diagonal, upper):
    """A copy of `x` with zeros above (or, for the upper triangle, below) a diagonal of its last two dimensions."""
    rows, columns = x.shape[-2:]
    # clamped, so that a diagonal far outside stays within an array's index range
    low = np.tri(rows, columns, max(-rows, min(columns, diagonal - 1 if upper else diagonal)), dtype=bool)
    return in_rows(np.where(~low if upper else low, x, np.zeros((), x.dtype)))


def fill_diagonal(x, value, wrap):
    """A copy of `x` with `value` on the main diagonal; `wrap`: starting again below it in a tall matrix."""
    out = x.copy()
    flat = out.reshape(-1)
    step = sum(x.shape[0] ** i for i in range(x.ndim)) if x.ndim > 2 else x.shape[1] + 1
    end = None if wrap or x.ndim > 2 else x.shape[1] * x.shape[1]
    flat[:end:step] = value
    return out


def with_part(x, y, view):
    """A copy of `x` whose part, as the function `view` picks it, is overwritten with `y`."""
    out = np.array(x, copy=True, order="K")
    view(out)[...] = y
    return out


def dense_strides(shape):
    """The strides, in elements, of a contiguous array of this shape."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


# ---------------------------------------------------------------- transposes of views


def place(x, shape, index):
    """Zeros of `shape` with `x` at a basic `index`."""
    out = np.zeros(shape, x.dtype)
    out[index] = x
    return out


def place_diagonal(g, shape, offset, dim1, dim2):
    """Zeros of `shape` with `g` on the diagonal."""
    out = np.zeros(shape, g.dtype)
    diagonal(out, offset, dim1, dim2)[...] = g
    return out


def add_windows(g, shape, dim, size, step):
    """The transpose of `windows`: zeros of `shape` with every window added in its place."""
    out = np.zeros(shape, g.dtype)
    count = g.shape[dim]
    before = (slice(None),) * dim
    for i in range(size):
        out[(*before, slice(i, i + step * (count - 1) + 1, step))] += g[..., i]
    return out


def stack_gradients(g, shape, dim):
    """The gradient of unbind: its outputs' gradients side by side, zeros for those that have none."""
    out = None
    for i, part in enumerate(g):
        if part is not None:
            if out is None:
                out = np.zeros(shape, part.dtype)
            out[(slice(None),) * dim + (i,)] = part
    return out


def cat_gradients(g, shape, dim, sizes):
    """The gradient of split: its outputs' gradients one after the other, zeros for those that have none."""
    out = None
    start = 0
    for part, size in zip(g, sizes):
        if part is not None:
            if out is None:
                out = np.zeros(shape, part.dtype)
            out[(slice(None),) * dim + (slice(start, start + size),)] = part
        start += size
    return out


def split_like(g, shapes, dim, needs):
    """Cuts a concatenation's gradient into its inputs' gradients."""
    pieces, start = [], 0
    for shape, need in zip(shapes, needs, strict=True):
        if shape == (0,):  # which cat passes over
            pieces.append(np.zeros(shape, g.dtype) if need is not None else None)
            continue
        stop = start + shape[dim]
        pieces.append(g[(slice(None),) * dim + (slice(start, stop),)] if need is not None else None)
        start = stop
    return pieces


def _strided_indices(size, stride, offset):
    """The positions in memory, relative to an origin, of every element of a strided tensor."""
    index = np.array(offset, dtype=np.int64)
    for n, s in zip(size, stride, strict=True):
        index = index[..., None] + np.arange(n, dtype=np.int64) * s
    return index


def _cells(shape, strides, size, stride, offset):
    """(memory cell of each element of a strided tensor, of each element of a view of it, how many cells there are)."""
    source = _strided_indices(shape, strides, 0)
    target = _strided_indices(size, stride, offset)
    ends = [i for part in (source, target) if part.size for i in (int(part.min()), int(part.max()))]
    low, high = (min(ends), max(ends)) if ends else (0, -1)
    return source - low, target - low, high + 1 - low


def as_strided_backward(g, shape, strides, size, stride, offset):
    """The gradient of as_strided for its input: each memory cell's sum, shared among the input elements that lie on
    it."""
    source, target, count = _cells(shape, strides, size, stride, offset)
    cells = np.zeros(count, g.dtype)
    np.add.at(cells, target.ravel(), np.asarray(g).ravel())
    spread = cells[source]
    shares = np.bincount(source.ravel(), minlength=count)
    if shares.size and shares.max() > 1:
        spread = spread / shares[source].astype(g.real.dtype)
    return spread


def as_strided_gather(x, shape, strides, size, stride, offset):
    """The transpose of `as_strided_backward`: what a view shows of elements that lie in memory as `shape`, `strides`
    say."""
    source, target, count = _cells(shape, strides, size, stride, offset)
    cells = np.zeros(count, x.dtype)
    shares = np.bincount(source.ravel(), minlength=count)
    np.add.at(cells, source.ravel(), np.asarray(x / shares[source].astype(x.real.dtype)).ravel())
    return cells[target]
