"""Sums of products over chosen dimensions: einsum, tensordot, traces, Kronecker and cross products, distances of
pairs."""

from __future__ import annotations

import math
from itertools import combinations as _pairs

from .. import dtypes
from ..backend import linear_algebra
from ..dtypes import scalar_name
from ..inplace import fill_out
from ..op import LINEAR, general, method, op
from ..tensor import Tensor
from ..warning import warn_once
from . import shape as views
from .norms import vector_norm
from .products import _array as _array_of, vdot
from .shape import wrap_dim

__all__ = ["cdist", "chain_matmul", "cross", "einsum", "kron", "pdist", "tensordot", "trace"]

# ---------------------------------------------------------------- einsum

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ELLIPSIS = "..."


def einsum(equation, *operands):
    """Products of the operands' elements, summed over the subscripts that the result does not have.

    ``einsum("ij,jk->ik", x, y)``; without an arrow the result has the subscripts that occur once, in alphabetical
    order. ``...`` stands for dimensions that are broadcast. Also ``einsum(x, [0, 1], y, [1, 2], [0, 2])``. Contracts
    from left to right, by matrix products. RuntimeError for malformed equations and sizes that do not match.
    """
    if isinstance(equation, Tensor):
        equation, operands = _equation((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or at least one operand and its "
            "subscripts list"
        )
    for i, x in enumerate(operands):
        _array_of("einsum", "operands", i + 1, x)
    subscripts, output = _parsed(equation, operands)
    labels, last = _labels(subscripts, output, operands)
    kept = len(output)
    operands = [_aligned(x, names, labels) for x, names in zip(operands, subscripts, strict=True)]
    result = operands[0]
    for position, x in enumerate(operands):
        if position:
            done = [d for d in range(kept, len(labels)) if last[labels[d]] == position]
            result = _sum_of_products(result, x, done)
        else:
            done = [d for d in range(kept, len(labels)) if last[labels[d]] == 0]
            result = result.sum(done, keepdim=len(operands) > 1) if done else result
    if len(labels) > kept and len(operands) > 1:
        result = result.reshape(result._array.shape[:kept])
    return result


def _equation(arguments):
    """The equation and the operands of the form with lists of numbers in place of letters."""
    operands, parts = arguments[:-1:2] if len(arguments) % 2 else arguments[::2], []

    def letters(numbers):
        found = []
        for n in numbers:
            if n is Ellipsis:
                found.append(ELLIPSIS)
            elif not 0 <= n < len(LETTERS):
                raise ValueError("einsum(): not in range [0, 52)")
            else:
                found.append(LETTERS[n])
        return "".join(found)

    parts = [letters(numbers) for numbers in arguments[1::2]]
    equation = ",".join(parts)
    if len(arguments) % 2:
        equation += "->" + letters(arguments[-1])
    return equation, operands


def _parsed(equation: str, operands):
    """The subscripts of each operand, and those of the result: lists of letters, the ellipsis's dimensions numbered.

    A dimension that an ellipsis stands for is an integer, counted from the right: -1 is the last."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) < len(operands):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    if len(terms) > len(operands):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    split, offset = [], 0
    for i, term in enumerate(terms):
        split.append(_split(term, offset, f" for operand {i}"))
        offset += len(term) + 1
    subscripts, widest = [], 0
    for i, (names, x) in enumerate(zip(split, operands, strict=True)):
        ndim = x._array.ndim
        named = len(names) - names.count(ELLIPSIS)
        if ELLIPSIS not in names and named != ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({ndim}) for operand {i} and no ellipsis was given"
            )
        if named > ndim:
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) is more than the number of dimensions "
                f"({ndim}) for operand {i}"
            )
        widest = max(widest, ndim - named)
        subscripts.append(_numbered(names, ndim - named))
    if arrow:
        output = _numbered(_split(right, len(left) + 2, " in the output"), widest)
    else:
        every = [name for names in subscripts for name in names if isinstance(name, str)]
        output = list(range(-widest, 0)) + sorted(name for name in set(every) if every.count(name) == 1)
    known = {name for names in subscripts for name in names}
    for name in output:
        if output.count(name) > 1:
            raise RuntimeError(f"einsum(): output subscript {name} appears more than once in the output")
        if name not in known:
            raise RuntimeError(
                f"einsum(): output subscript {name} does not appear in the equation for any input operand"
            )
    return subscripts, output


def _split(term: str, offset: int, where: str) -> list[str]:
    """The subscripts of one operand."""
    names, i = [], 0
    while i < len(term):
        letter = term[i]
        if letter == " ":
            i += 1
        elif letter == ".":
            if term[i : i + 3] != ELLIPSIS:
                raise RuntimeError(f"einsum(): found '.'{where} that is not part of any ellipsis")
            if ELLIPSIS in names:
                raise RuntimeError(f"einsum(): found '.'{where} for which an ellipsis was already found")
            names.append(ELLIPSIS)
            i += 3
        elif letter in LETTERS:
            names.append(letter)
            i += 1
        else:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {offset + i} in the equation string, subscripts must be "
                "in [a-zA-Z]"
            )
    return names


def _numbered(names, count: int):
    """The subscripts with `count` numbers from the right in place of the ellipsis."""
    if ELLIPSIS not in names:
        return names
    i = names.index(ELLIPSIS)
    return [*names[:i], *range(-count, 0), *names[i + 1 :]]


def _labels(subscripts, output, operands):
    """All subscripts, the result's first, and the position of the last operand that has each; checks their sizes."""
    sizes: dict = {}
    last: dict = {}
    for i, (names, x) in enumerate(zip(subscripts, operands, strict=True)):
        own: dict = {}
        for name, size in zip(names, x._array.shape, strict=True):
            if own.setdefault(name, size) != size:
                raise RuntimeError(
                    f"einsum(): subscript {name} is repeated for operand {i} but the sizes don't match, {size} != "
                    f"{own[name]}"
                )
            have = sizes.get(name, 1)
            if size != have and size != 1 and have != 1:
                raise RuntimeError(
                    f"einsum(): subscript {name} has size {size} for operand {i} which does not broadcast with "
                    f"previously seen size {have}"
                )
            sizes[name] = size if have == 1 else have
            last[name] = i
    rest = sorted((name for name in last if name not in output), key=str)
    return [*output, *rest], last


def _aligned(x, names, labels):
    """The operand with a dimension for each label, of size 1 where it has none; repeated subscripts as diagonals."""
    names = list(names)
    for name in set(names):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            x = views.movedim(views.diagonal(x, 0, first, second), -1, first)
            del names[second]
    for label in labels:
        if label not in names:
            x = x.unsqueeze(-1)
            names.append(label)
    return x.permute([names.index(label) for label in labels])


def _sum_of_products(x, y, dims):
    """``(x * y).sum(dims, keepdim=True)`` of operands with the same number of dimensions, by a matrix product if it
    sums."""
    if not dims:
        return x * y
    dims = set(dims)
    a, b = x._array.shape, y._array.shape
    alone_x = [d for d in dims if b[d] == 1 and a[d] != 1]
    alone_y = [d for d in dims if a[d] == 1 and b[d] != 1]
    x = x.sum(alone_x, keepdim=True) if alone_x else x
    y = y.sum(alone_y, keepdim=True) if alone_y else y
    a, b = x._array.shape, y._array.shape
    summed = [d for d in range(len(a)) if d in dims and a[d] != 1]
    if not summed:
        return x * y
    both = [d for d in range(len(a)) if d not in dims and (a[d] == b[d])]
    rows = [d for d in range(len(a)) if d not in dims and d not in both and b[d] == 1]
    columns = [d for d in range(len(a)) if d not in dims and d not in both and d not in rows]
    ones = [d for d in range(len(a)) if d in dims and d not in summed]
    size = math.prod
    batch, inner = [a[d] for d in both], size([a[d] for d in summed])
    m, n = [a[d] for d in rows], [b[d] for d in columns]
    left = x.permute([*both, *rows, *summed, *columns, *ones]).reshape(size(batch), size(m), inner)
    right = y.permute([*both, *summed, *columns, *rows, *ones]).reshape(size(batch), inner, size(n))
    product = left.bmm(right).reshape(*batch, *m, *n, *[1] * (len(summed) + len(ones)))
    order = [*both, *rows, *columns, *summed, *ones]
    return product.permute([order.index(d) for d in range(len(a))])


# ---------------------------------------------------------------- products over dimensions


def tensordot(a, b, dims=2, out=None):
    """The products of two tensors summed over dimensions: the last of `a` with the first of `b`, or those in two
    lists."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, (tuple, list)):
        first, second = (list(d) if isinstance(d, (tuple, list)) else [d] for d in dims)
    else:
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        first, second = list(range(-dims, 0)), list(range(dims))
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    if a.dtype is not b.dtype:
        raise RuntimeError("both inputs should have same dtype")
    x, y = a._array.shape, b._array.shape
    for d, e in zip(first, second, strict=True):
        n, m = x[wrap_dim(d, len(x))], y[wrap_dim(e, len(y))]
        if n == m != 1:
            continue
        if n != 1 and m != 1:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {d} and second has size {m} in "
                f"dim {e}"
            )
        a, b = (a.sum(d, True, dtype=a.dtype), b) if m == 1 else (a, b.sum(e, True, dtype=b.dtype))
    first, second = [wrap_dim(d, len(x)) for d in first], [wrap_dim(d, len(y)) for d in second]
    rest_a = [d for d in range(len(x)) if d not in first]
    rest_b = [d for d in range(len(y)) if d not in second]
    inner = math.prod([a._array.shape[d] for d in first])
    shape = [x[d] for d in rest_a] + [y[d] for d in rest_b]
    left, right = a.permute([*rest_a, *first]), b.permute([*second, *rest_b])
    if math.prod(shape) != 1:
        rows, columns = math.prod([x[d] for d in rest_a]), math.prod([y[d] for d in rest_b])
        product = left.reshape(rows, inner).mm(right.reshape(inner, columns))
    elif left.is_contiguous() and right.is_contiguous():
        product = left.flatten().dot(right.flatten())
    else:
        product = (left.squeeze() * right.squeeze()).sum(dtype=a.dtype)
    product = product.reshape(shape)
    return product if out is None else fill_out(out, product)


@method()
def kron(input, other, *, out=None):
    """The Kronecker product: each element of `input` times all of `other`."""
    _array_of("kron", "input", 1, input), _array_of("kron", "other", 2, other)
    ndim = max(input.ndim, other.ndim)
    a = (1,) * (ndim - input.ndim) + tuple(input.shape)
    b = (1,) * (ndim - other.ndim) + tuple(other.shape)
    left = input.reshape([n for size in a for n in (size, 1)])
    right = other.reshape([n for size in b for n in (1, size)])
    product = views._unsafe_view(views.contiguous(left * right), tuple([n * m for n, m in zip(a, b, strict=True)]))
    return product if out is None else fill_out(out, product)


_trace = op(
    "trace",
    kind=LINEAR,
    forward=lambda xp, x: xp.sum(xp.diagonal(x, 0, 0, 1), None, False),
    vjp=lambda xp, g, x_shape: xp.diagonal_backward(xp.expand(g, (min(x_shape),)), x_shape, 0, 0, 1),
)


@method()
def trace(input=..., *, file=...):
    """The sum of a matrix's diagonal.

    Without a matrix, which PyTorch has no use for: a context manager that prints backward as it runs, to `file` if there
    is one (insight.trace).
    """
    if input is ...:
        from ..insight import trace as traced

        return traced(None if file is ... else file)
    if file is not ...:
        raise TypeError("trace() got an unexpected keyword argument 'file'")
    array = _array_of("trace", "input", 1, input)
    if array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {array.ndim}")
    if array.dtype.kind == "b":
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    if array.dtype.kind in "iu":
        input = input.to(dtypes.int64)
    return _trace(input)


def diagonal(A, *, offset: int = 0, dim1: int = -2, dim2: int = -1):
    """The diagonals of matrices: a view."""
    return views.diagonal(A, offset, dim1, dim2)


def vecdot(x, y, *, dim: int = -1, out=None):
    """The products of the conjugates of vectors along `dim` with other vectors."""
    a, b = _array_of("linalg_vecdot", "x", 1, x), _array_of("linalg_vecdot", "y", 2, y)
    for value in (x, y):
        if value._array.dtype.kind in "iub":
            raise RuntimeError(
                f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {scalar_name(value.dtype)}"
            )
    if a.ndim == b.ndim == 1:
        wrap_dim(dim, 1)
        return vdot(x, y, out=out)
    product = ((x.conj() if a.dtype.kind == "c" else x) * y).sum(dim)
    return product if out is None else fill_out(out, product)


# ---------------------------------------------------------------- chains of matrices


def multi_dot(tensors, *, out=None):
    """The product of a chain of matrices, in the order that takes the fewest multiplications; the ends may be
    vectors."""
    tensors = list(tensors)
    count = len(tensors)
    if count < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {count}")
    first, last = tensors[0], tensors[-1]
    for name, x in (("first", first), ("last", last)):
        if x.ndim not in (1, 2):
            raise RuntimeError(f"multi_dot(): the {name} tensor must be 1D or 2D but got {x.ndim}D")
    shape = tuple(first.shape[:-1]) + (tuple(last.shape[1:]))
    tensors[0] = first.unsqueeze(0) if first.ndim == 1 else first
    tensors[-1] = last.unsqueeze(-1) if last.ndim == 1 else last
    for i, x in enumerate(tensors):
        if x.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.ndim}D")
        if x.dtype is not first.dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {scalar_name(first.dtype)} and "
                f"tensor {i} {scalar_name(x.dtype)}"
            )
    for i in range(count - 1):
        if tensors[i].shape[1] != tensors[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(tensors[i].shape)} and "
                f"{list(tensors[i + 1].shape)} cannot be multiplied"
            )
    product = _chain(tensors, _best_splits([x.shape[0] for x in tensors] + [tensors[-1].shape[1]]), 0, count - 1)
    product = product.reshape(shape)
    return product if out is None else fill_out(out, product)


def _best_splits(sizes) -> dict:
    """Where to split each part of a chain so that its products take the fewest multiplications (dynamic
    programming)."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [(cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)]
            cost[i, j], split[i, j] = min(options)
    return split


def _chain(tensors, split: dict, i: int, j: int):
    if i == j:
        return tensors[i]
    k = split[i, j]
    return _chain(tensors, split, i, k).mm(_chain(tensors, split, k + 1, j))


def chain_matmul(*matrices, out=None):
    """The product of a chain of matrices: the older name of ``linalg.multi_dot``."""
    warn_once(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use torch.linalg.multi_dot "
        "instead, which accepts a list of two or more tensors rather than multiple parameters."
    )
    for i, x in enumerate(matrices):
        if x.ndim != 2:
            raise RuntimeError(
                f"Expected 2-dimensional tensor, but got {x.ndim}-dimensional tensor for argument #{i + 1} "
                f"'matrices[{i}]' (while checking arguments for chain_matmul)"
            )
    if len(matrices) == 1:
        return matrices[0] if out is None else fill_out(out, matrices[0])
    return multi_dot(matrices, out=out)


# ---------------------------------------------------------------- cross products


def _crossed(xp, x, y, dim):
    """``x[1] y[2] - x[2] y[1]`` and so on around: what each element is multiplied with lies one and two places
    ahead."""
    return xp.roll(x, (-1,), (dim,)) * xp.roll(y, (-2,), (dim,)) - xp.roll(x, (-2,), (dim,)) * xp.roll(y, (-1,), (dim,))


_cross = op(
    "linalg_cross",
    forward=lambda xp, x, y, /, dim: _crossed(xp, x, y, dim),
    vjp=(
        lambda xp, g, y, dim: xp.linalg_cross(y, g, dim),
        lambda xp, g, x, dim: xp.linalg_cross(g, x, dim),
    ),
    promote=True,
    numbers=False,
    holomorphic=True,
)


def _broadcast_cross(input, other, dim: int, out):
    a, b = input._array.shape, other._array.shape
    if a != b:
        input, other = views.broadcast_tensors(input, other)
    return general(_cross.record, (input, other), (dim,), out)


def linalg_cross(input, other, *, dim: int = -1, out=None):
    """The cross products of vectors of length 3 along `dim`; the other dimensions are broadcast."""
    a, b = _array_of("linalg_cross", "input", 1, input), _array_of("linalg_cross", "other", 2, other)
    if a.ndim != b.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    d = wrap_dim(dim, a.ndim)
    n, m = a.shape[d], b.shape[d]
    if n != 3 or m != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {m}")
    return _broadcast_cross(input, other, d, out)


@method()
def cross(input, other, dim: int | None = None, *, axis: int | None = None, out=None):
    """The cross products of vectors of length 3 along `dim`, by default the first dimension of size 3."""
    dim = dim if axis is None else axis
    a = _array_of("cross", "input", 1, input)
    _array_of("cross", "other", 2, other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected scalar type {scalar_name(input.dtype)} but found {scalar_name(other.dtype)}")
    if dim is None:
        warn_once(
            "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim explicitly or "
            "simply use torch.linalg.cross.\nThe default value of dim will change to agree with that of linalg.cross "
            "in a future release."
        )
        if 3 not in a.shape:
            raise RuntimeError("no dimension of size 3 in input")
        dim = a.shape.index(3)
    return linalg_cross(input, other, dim=dim, out=out)


# ---------------------------------------------------------------- distances of pairs


def _euclidean_vjp(xp, g, x, y, out, x_shape, y_shape, needs):
    """``g[i, j] * (x[i] - y[j]) / out[i, j]``, summed over j for x and over i for y; 0 where points meet."""
    meet = out == 0
    weight = xp.where(meet, xp.zero(g), g / xp.where(meet, xp.one(out), out))
    gx = gy = None
    if needs[0] is not None:
        gx = xp.sum_to(x * xp.sum(weight, (g.ndim - 1,), False)[..., None] - xp.matmul(weight, y), x_shape)
    if needs[1] is not None:
        turned = weight.swapaxes(-1, -2)
        gy = xp.sum_to(y * xp.sum(turned, (g.ndim - 1,), False)[..., None] - xp.matmul(turned, x), y_shape)
    return gx, gy


_euclidean = op(
    "cdist",
    forward=lambda xp, x, y, /, by_products: linear_algebra.distances(x, y, by_products),
    vjp=_euclidean_vjp,
)


def cdist(x1, x2, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances of each row of `x1` from each row of `x2`, in the last two dimensions; others are broadcast.

    `compute_mode` says whether distances for p = 2 are computed by matrix products, which is fast and less accurate:
    PyTorch's default does so for more than 25 rows."""
    modes = {
        "use_mm_for_euclid_dist_if_necessary": None,
        "use_mm_for_euclid_dist": True,
        "donot_use_mm_for_euclid_dist": False,
    }
    if compute_mode not in modes:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    for name, x in (("X1", x1), ("X2", x2)):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    for name, x in (("X1", x1), ("X2", x2)):
        if x._array.dtype.kind not in "fV":
            raise RuntimeError(f"cdist only supports floating-point dtypes, {name} got: {scalar_name(x.dtype)}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if x1.dtype is not x2.dtype:
        raise RuntimeError(f"expected scalar type {scalar_name(x1.dtype)} but found {scalar_name(x2.dtype)}")
    views.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    if p == 2:
        by_products = modes[compute_mode]
        if by_products is None:
            by_products = x1.shape[-2] > 25 or x2.shape[-2] > 25
        return _euclidean(x1, x2, by_products)
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def pdist(input, p: float = 2):
    """The p-norm distances of all pairs of rows of a matrix, in the order of ``itertools.combinations``."""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if input._array.dtype.kind not in "fV":
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    pairs = list(_pairs(range(input.shape[0]), 2))
    first, second = [i for i, _ in pairs], [j for _, j in pairs]
    return vector_norm(input[first] - input[second], p, -1)
