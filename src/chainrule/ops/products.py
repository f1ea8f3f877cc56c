"""Products of matrices and vectors."""

from __future__ import annotations

from .. import dtypes
from ..dtypes import c_name, scalar_name
from ..inplace import bump_version, check_in_place, fill_out, in_place_method, move_history, rename
from ..modes import local
from ..op import common_dtype, general, must_be_tensor, op
from ..tensor import Tensor
from .shape import expand

__all__ = [
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "baddbmm",
    "bmm",
    "dot",
    "ger",
    "inner",
    "matmul",
    "mm",
    "mv",
    "outer",
    "vdot",
]

_WORDS = {"Float": "float", "Double": "double", "Half": "c10::Half", "BFloat16": "c10::BFloat16", "Long": "long long",
          "Int": "int", "Short": "short", "Char": "signed char", "Byte": "unsigned char", "Bool": "bool",
          "ComplexFloat": "c10::complex<float>", "ComplexDouble": "c10::complex<double>"}  # fmt: skip


def word(tensor: Tensor) -> str:
    """C++'s word for a tensor's element type, as some of PyTorch's messages have it."""
    name = scalar_name(tensor.dtype)
    return _WORDS.get(name, name)


# ---------------------------------------------------------------- the records

_mm = op(
    "mm",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(lambda xp, g, y: xp.matmul(g, y.T), lambda xp, g, x: xp.matmul(x.T, g)),
    holomorphic=True,
    saved_as={"x": "self", "y": "mat2"},
)
_mv = op(
    "mv",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(lambda xp, g, y: g[:, None] * y, lambda xp, g, x: xp.matmul(x.T, g)),
    holomorphic=True,
    saved_as={"x": "self", "y": "vec"},
)
_dot = op(
    "dot",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(lambda xp, g, y: g * y, lambda xp, g, x: g * x),
    holomorphic=True,
    saved_as={"x": "self", "y": "tensor"},
)
_vdot = op(
    "vdot",
    forward=lambda xp, x, y: xp.matmul(xp.conj(x), y),
    vjp=(lambda xp, g, y: xp.conj(g) * y, lambda xp, g, x: g * x),
)
_bmm = op(
    "bmm",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(lambda xp, g, y: xp.matmul(g, y.swapaxes(1, 2)), lambda xp, g, x: xp.matmul(x.swapaxes(1, 2), g)),
    holomorphic=True,
    saved_as={"x": "self", "y": "mat2"},
)
# A product of stacks of matrices, broadcast over the leading dimensions.
_matmul = op(
    "matmul",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(
        lambda xp, g, y, x_shape: xp.sum_to(xp.matmul(g, y.swapaxes(-1, -2)), x_shape),
        lambda xp, g, x, y_shape: xp.sum_to(xp.matmul(x.swapaxes(-1, -2), g), y_shape),
    ),
    holomorphic=True,
    node="UnsafeViewBackward0",
)
# A stack of matrices times a vector, or a vector times a stack.
_matvec = op(
    "matvec",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(
        lambda xp, g, y: g[..., None] * y,
        lambda xp, g, x, y_shape: xp.sum_to(xp.matmul(x.swapaxes(-1, -2), g[..., None])[..., 0], y_shape),
    ),
    holomorphic=True,
    node="UnsafeViewBackward0",
)
_vecmat = op(
    "vecmat",
    forward=lambda xp, x, y: xp.matmul(x, y),
    vjp=(
        lambda xp, g, y, x_shape: xp.sum_to(xp.matmul(y, g[..., None])[..., 0], x_shape),
        lambda xp, g, x: x[:, None] * g[..., None, :],
    ),
    holomorphic=True,
    node="UnsafeViewBackward0",
)


def _sum_with_product(xp, z, x, y, /, beta, alpha):
    return xp.scaled_sum(z, xp.matmul(x, y), beta, alpha)


def _summand_vjp(xp, g, z_shape, beta):
    """The gradient of what a product is added to."""
    return xp.sum_to(xp.scaled(g, beta), z_shape)


_addmm = op(
    "addmm",
    forward=_sum_with_product,
    vjp=(
        _summand_vjp,
        lambda xp, g, y, alpha: xp.scaled(xp.matmul(g, y.T), alpha),
        # By columns, as mat2 nearly always lies: it is the transposed weight of a linear layer, whose gradient then
        # need not be transposed in memory.
        lambda xp, g, x, alpha: xp.scaled(xp.matmul(g.T, x).T, alpha),
    ),
    holomorphic=True,
    saved_as={"z": "self", "x": "mat1", "y": "mat2"},
)
_addmv = op(
    "addmv",
    forward=_sum_with_product,
    vjp=(
        _summand_vjp,
        lambda xp, g, y, alpha: xp.scaled(g[:, None] * y, alpha),
        lambda xp, g, x, alpha: xp.scaled(xp.matmul(x.T, g), alpha),
    ),
    holomorphic=True,
)
_SUM_WITH_STACKS_VJP = (
    _summand_vjp,
    lambda xp, g, y, alpha: xp.scaled(xp.matmul(g, y.swapaxes(1, 2)), alpha),
    lambda xp, g, x, alpha: xp.scaled(xp.matmul(x.swapaxes(1, 2), g), alpha),
)
_baddbmm = op(
    "baddbmm",
    forward=_sum_with_product,
    vjp=_SUM_WITH_STACKS_VJP,
    holomorphic=True,
)
_addbmm = op(
    "addbmm",
    forward=lambda xp, z, x, y, /, beta, alpha: xp.scaled_sum(z, xp.matmul(*_side_by_side(xp, x, y)), beta, alpha),
    vjp=_SUM_WITH_STACKS_VJP,
    holomorphic=True,
)
_addr = op(
    "addr",
    forward=lambda xp, z, x, y, /, beta, alpha: xp.scaled_sum(z, x[:, None] * y, beta, alpha),
    vjp=(
        _summand_vjp,
        lambda xp, g, y, alpha: xp.scaled(xp.matmul(g, y), alpha),
        lambda xp, g, x, alpha: xp.scaled(xp.matmul(g.T, x), alpha),
    ),
    promote=True,
    numbers=False,
    holomorphic=True,
)


def _side_by_side(xp, x, y):
    """Two stacks of matrices as one wide and one high matrix, whose product is the sum of their products."""
    count, rows, inner = x.shape
    return xp.reshape(x.swapaxes(0, 1), (rows, count * inner)), xp.reshape(y, (count * inner, y.shape[2]))


# ---------------------------------------------------------------- the functions


def _two(record, x, y, out):
    return record.apply(x, y) if out is None else general(record, (x, y), (), out)


def _array(function: str, argument: str, position: int, value):
    """The operand's array; TypeError for what is no tensor."""
    try:
        return value._array
    except AttributeError:
        raise must_be_tensor(function, argument, position, value) from None


def _mixed(a: Tensor, b: Tensor) -> bool:
    return a._array.dtype is not b._array.dtype and local.autocast is None  # which would make them the same


def _same_dtype(a: Tensor, b: Tensor) -> None:
    """Of the matrices in a stack."""
    if _mixed(a, b):
        raise RuntimeError(f"expected scalar type {scalar_name(a.dtype)} but found {scalar_name(b.dtype)}")


def _same_dtypes_of_sum(input: Tensor, a: Tensor, b: Tensor) -> None:
    """Of matrices whose product is added to `input`."""
    for name, first in (("self", input), ("mat1", a)):
        if _mixed(first, b):
            names = f"{scalar_name(first.dtype)} and {scalar_name(b.dtype)}"
            raise RuntimeError(f"{name} and mat2 must have the same dtype, but got {names}")


def _same_dtypes_of_vectors(input: Tensor, mat: Tensor, vec: Tensor) -> None:
    if _mixed(mat, vec) or _mixed(input, vec):
        names = [scalar_name(x.dtype) for x in (input, mat, vec)]
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {names[0]}, {names[1]}, and {names[2]}"
        )


def _no_bools(kernel: str, a, b) -> None:
    if a.size and b.size:
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")


def mm(input, mat2, *, out=None):
    """The product of two matrices."""
    a, b = _array("mm", "input", 1, input), _array("mm", "mat2", 2, mat2)
    if a.ndim != 2 or b.ndim != 2:
        raise RuntimeError(f"{'self' if a.ndim != 2 else 'mat2'} must be a matrix")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    if a.dtype is not b.dtype and local.autocast is None:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {c_name(input.dtype)} != {c_name(mat2.dtype)}"
        )
    if a.dtype.kind == "b":
        _no_bools("addmm_impl_cpu_", a, b)
    if out is not None and out.dtype is not input.dtype:
        raise RuntimeError(
            f"Expected out tensor to have dtype {c_name(input.dtype)}, but got {c_name(out.dtype)} instead"
        )
    return _mm(input, mat2) if out is None else general(_mm.record, (input, mat2), (), out)


def mv(input, vec, *, out=None):
    """The product of a matrix and a vector."""
    a, b = _array("mv", "input", 1, input), _array("mv", "vec", 2, vec)
    if a.ndim != 2 or b.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {a.ndim}, {b.ndim}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({a.shape[0]}), mat ({a.shape[0]}x{a.shape[1]}), vec ({b.shape[0]})"
        )
    _same_dtypes_of_vectors(vec, input, vec)
    if a.dtype.kind == "b":
        _no_bools("addmv_impl_cpu", a, b)
    return _two(_mv.record, input, vec, out)


def _check_vectors(input, tensor, name: str) -> None:
    a, b = _array(name, "input", 1, input), _array(name, "tensor", 2, tensor)
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"dot : expected both vectors to have same dtype, but found {scalar_name(input.dtype)} and "
            f"{scalar_name(tensor.dtype)}"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{a.size}] and src [{b.size}] to have the same number of elements, "
            f"but got {a.size} and {b.size} elements respectively"
        )
    if a.dtype.kind == "b":
        raise NotImplementedError("\"dot\" not implemented for 'Bool'")


def dot(input, tensor, *, out=None):
    """The product of two vectors: a 0-d tensor."""
    _check_vectors(input, tensor, "dot")
    return _two(_dot.record, input, tensor, out)


def vdot(input, other, *, out=None):
    """The product of the conjugate of a vector with another vector."""
    _check_vectors(input, other, "vdot")
    return _two(_vdot.record, input, other, out)


def _check_batches(a, b) -> None:
    for name, array in (("batch1", a), ("batch2", b)):
        if array.ndim != 3:
            raise RuntimeError(f"{name} must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
            f"[{b.shape[0]}, {b.shape[1]}]."
        )


def bmm(input, mat2, *, out=None):
    """The products of two stacks of matrices, pair by pair."""
    a, b = _array("bmm", "input", 1, input), _array("bmm", "mat2", 2, mat2)
    _check_batches(a, b)
    _same_dtype(input, mat2)
    if a.dtype.kind == "b":
        _no_bools("bmm", a, b)
    return _two(_bmm.record, input, mat2, out)


def matmul(input, other, *, out=None):
    """The product of matrices, vectors, or stacks of matrices broadcast against each other."""
    a, b = _array("matmul", "input", 1, input), _array("matmul", "other", 2, other)
    x, y = a.ndim, b.ndim
    if x == 2 and y == 2:
        return mm(input, other, out=out)
    if not x or not y:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {x}D and {y}D")
    if x == 1 and y == 1:
        return dot(input, other, out=out)
    if x == 2 and y == 1:
        return mv(input, other, out=out)
    if x == 1 and y == 2:
        product = mm(input.unsqueeze(0), other).squeeze(0)
        if product._node is not None:
            rename(product._node, "SqueezeBackward4")  # in PyTorch it is squeezed in place
        return product if out is None else fill_out(out, product)
    if a.dtype is not b.dtype or a.dtype.kind == "b":
        _check_folded(input, other)
    inner_a, inner_b = a.shape[-1], b.shape[-2] if y > 1 else b.shape[0]
    if inner_a != inner_b:
        _mismatch(a, b)
    if x > 1 and y > 1:
        _check_leading(a.shape[:-2], b.shape[:-2])
    record = _vecmat.record if x == 1 else _matvec.record if y == 1 else _matmul.record
    return _two(record, input, other, out)


def _check_folded(input, other) -> None:
    """Refuses dtypes as the product does that PyTorch makes of a stack and what it meets."""
    a, b = input._array, other._array
    if b.ndim == 1:
        _same_dtypes_of_vectors(other, input, other)
        kernel = "addmv_impl_cpu"
    elif b.ndim == 2:
        if a.shape[-1] != b.shape[0]:
            _mismatch(a, b)
        mm(input.reshape(-1, a.shape[-1])[:0], other)
        kernel = "addmm_impl_cpu_"
    else:
        _same_dtype(input, other)
        kernel = "bmm"
    if a.dtype.kind == "b":
        _no_bools(kernel, a, b)


def _mismatch(a, b) -> None:
    if b.ndim == 1:
        rows = a.size // max(1, a.shape[-1])
        raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{a.shape[-1]}), vec ({b.shape[0]})")
    if a.ndim > 2 and b.ndim > 2:
        batch = a.size // max(1, a.shape[-1] * a.shape[-2])
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a.shape[-1]}] but got: "
            f"[{batch}, {b.shape[-2]}]."
        )
    rows = 1 if a.ndim == 1 else a.size // max(1, a.shape[-1])
    raise RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
    )


def _check_leading(a, b) -> None:
    from ..op import broadcast_error

    broadcast_error(a, b) if a and b else None


def _scaled_record(record, input, x, y, beta, alpha, shape, out):
    expand_check(input, shape)
    arguments = (input, x, y), (beta, alpha)
    return record.apply(input, x, y, beta, alpha) if out is None else general(record, *arguments, out)


def expand_check(input, shape) -> None:
    """Raises PyTorch's error if `input` cannot be broadcast to `shape`."""
    have = input._array.shape
    if have != shape and (len(have) > len(shape) or any(n not in (1, m) for n, m in zip(have[::-1], shape[::-1]))):
        expand(input, shape)


def addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None):
    """``beta * input + alpha * (mat1 @ mat2)``; `input` broadcasts."""
    a, b = _array("addmm", "mat1", 2, mat1), _array("addmm", "mat2", 3, mat2)
    if a.ndim != 2 or b.ndim != 2:
        which, n = ("mat1", a.ndim) if a.ndim != 2 else ("mat2", b.ndim)
        raise RuntimeError(f"{which} must be a matrix, got {n}-D tensor")
    if input._array.dtype is not a.dtype or a.dtype is not b.dtype:
        _same_dtypes_of_sum(input, mat1, mat2)
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and {b.shape[0]}x{b.shape[1]})"
        )
    if a.dtype.kind == "b":
        _no_bools("addmm_impl_cpu_", a, b)
    return _scaled_record(_addmm.record, input, mat1, mat2, beta, alpha, (a.shape[0], b.shape[1]), out)


def addmv(input, mat, vec, *, beta=1, alpha=1, out=None):
    """``beta * input + alpha * (mat @ vec)``; `input` broadcasts."""
    a, b = _array("addmv", "mat", 2, mat), _array("addmv", "vec", 3, vec)
    if a.ndim != 2 or b.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input.ndim}, {a.ndim}, {b.ndim}")
    if a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"size mismatch, got input ({input._array.size}), mat ({a.shape[0]}x{a.shape[1]}), vec ({b.shape[0]})"
        )
    _same_dtypes_of_vectors(input, mat, vec)
    if a.dtype.kind == "b":
        _no_bools("addmv_impl_cpu", a, b)
    return _scaled_record(_addmv.record, input, mat, vec, beta, alpha, (a.shape[0],), out)


def baddbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """``beta * input + alpha * bmm(batch1, batch2)``; `input` broadcasts."""
    a, b = _array("baddbmm", "batch1", 2, batch1), _array("baddbmm", "batch2", 3, batch2)
    _check_batches(a, b)
    if _mixed(input, batch1):
        names = [c_name(x.dtype) for x in (input, batch1, batch2)]
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {names[0]}, batch1: {names[1]}, batch2: {names[2]}"
        )
    _same_dtype(batch1, batch2)
    if a.dtype.kind == "b":
        _no_bools("baddbmm", a, b)
    return _scaled_record(_baddbmm.record, input, batch1, batch2, beta, alpha, (*a.shape[:2], b.shape[2]), out)


def addbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None):
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; `input` broadcasts."""
    a, b = _array("addbmm", "batch1", 2, batch1), _array("addbmm", "batch2", 3, batch2)
    _check_batches(a, b)
    _same_dtypes_of_sum(input, batch1, batch2)
    if a.dtype.kind == "b":
        _no_bools("addmm_impl_cpu_", a, b)
    return _scaled_record(_addbmm.record, input, batch1, batch2, beta, alpha, (a.shape[1], b.shape[2]), out)


def outer(input, vec2, *, out=None):
    """The matrix of all products of two vectors' elements."""
    for position, (name, value) in enumerate((("self", input), ("vec2", vec2)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor("outer", "input" if name == "self" else name, position, value)
        if value._array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {value._array.ndim}-D")
    product = input.reshape(input._array.shape[0], 1) * vec2
    return product if out is None else fill_out(out, product)


def addr(input, vec1, vec2, *, beta=1, alpha=1, out=None):
    """``beta * input + alpha * outer(vec1, vec2)``; `input` broadcasts."""
    for name, value in (("vec1", vec1), ("vec2", vec2)):
        if value._array.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {value._array.ndim}-D")
    expand_check(input, (vec1._array.size, vec2._array.size))
    if common_dtype([input, vec1, vec2]).category < dtypes.FLOATING:
        for name, factor in (("beta", beta), ("alpha", alpha)):
            if isinstance(factor, (float, complex)):
                raise RuntimeError(f"For integral input tensors, argument {name} must not be a floating point number.")
    return _scaled_record(_addr.record, input, vec1, vec2, beta, alpha, (vec1._array.size, vec2._array.size), out)


def inner(input, other, *, out=None):
    """Products of vectors along the last dimensions of two tensors."""
    _array("inner", "input", 1, input), _array("inner", "other", 2, other)
    if not input._array.ndim or not other._array.ndim:
        product = input * other
    elif input.dtype is not other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    elif input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    else:
        left, right = input.reshape(-1, input.shape[-1]), other.reshape(-1, other.shape[-1])
        product = mm(left, right.t()).reshape(input.shape[:-1] + other.shape[:-1])
    return product if out is None else fill_out(out, product)


ger = outer
for _function in (addbmm, addmm, addmv, addr, baddbmm, bmm, dot, inner, matmul, mm, mv, outer, vdot):
    setattr(Tensor, _function.__name__, _function)
Tensor.ger = outer


def _in_place(function):
    """The in-place twin of a function that adds a product to a tensor: to one of the product's shape."""

    def twin(self, x, y, **factors):
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            wanted = (*x.shape[:-1], *y.shape[x.ndim - 1 :])
            if self._array.shape != wanted:
                function(self.new_zeros(()), x, y, **factors)  # whose errors come first
                raise RuntimeError(
                    f"Bad in-place call: input tensor size {list(self.shape)} and output tensor size {list(wanted)} "
                    "should match"
                )
        return function(self, x, y, **factors)

    twin.__name__ = function.__name__
    in_place_method(function.__name__ + "_", twin)


for _function in (addmm, addmv, baddbmm):
    _in_place(_function)


def _addr_in_place(self, vec1, vec2, *, beta=1, alpha=1):
    if self._array.ndim != 2:
        raise RuntimeError(f"2D tensor expected, got {self._array.ndim}D tensor for input")
    if vec1._array.ndim == vec2._array.ndim == 1 and self._array.shape != (*vec1.shape, *vec2.shape):
        raise RuntimeError(f"size mismatch, input: {list(self.shape)}, v1: {list(vec1.shape)}, v2: {list(vec2.shape)}")
    return addr(self, vec1, vec2, beta=beta, alpha=alpha)


in_place_method("addr_", _addr_in_place)
_addbmm_of_shape = in_place_method("addbmm_", addbmm)


def addbmm_(self, batch1, batch2, *, beta=1, alpha=1):
    """In-place version of :func:`addbmm`; a tensor that is no view and is broadcast takes the result's shape."""
    x, y = _array("addbmm_", "batch1", 1, batch1), _array("addbmm_", "batch2", 2, batch2)
    is_view = self._extra is not None and self._extra.view is not None
    if is_view or self._array.shape == (*x.shape[1:2], *y.shape[2:]):
        return _addbmm_of_shape(self, batch1, batch2, beta=beta, alpha=alpha)
    result = addbmm(self, batch1, batch2, beta=beta, alpha=alpha)
    check_in_place(self, result.requires_grad)
    self._array = result._array
    bump_version(self)
    if result._node is not None:
        move_history(self, result._node)
    return self


Tensor.addbmm_ = addbmm_


def _matmul_operator(self, other):
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _reflected_matmul(self, other):
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented


Tensor.__matmul__ = _matmul_operator
Tensor.__rmatmul__ = _reflected_matmul
