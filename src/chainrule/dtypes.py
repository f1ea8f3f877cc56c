"""dtype, device, layout and memory-format objects, and type promotion.

Promotion follows PyTorch's documented rules: categories (bool < integer < floating < complex) first, and within a
category tensors with dimensions outrank 0-d tensors, which outrank Python numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "can_cast",
    "dtype",
    "finfo",
    "get_default_dtype",
    "iinfo",
    "promote_types",
    "result_type",
    "set_default_dtype",
]

BOOL, INTEGER, FLOATING, COMPLEX = range(4)


class dtype:
    """The element type of a tensor, e.g. ``torch.float32``."""

    __module__ = "torch"
    __slots__ = ("_numpy_dtype", "category", "is_signed", "itemsize", "name")

    def __init__(self, name: str, category: int, itemsize: int, is_signed: bool = True) -> None:
        self.name = name
        self.category = category
        self.itemsize = itemsize
        self.is_signed = is_signed
        self._numpy_dtype: np.dtype | None = None

    @property
    def numpy_dtype(self) -> np.dtype:
        """The NumPy dtype that stores this type's elements; TypeError where NumPy has none."""
        if self._numpy_dtype is None:
            self._numpy_dtype = _find_numpy_dtype(self)
        return self._numpy_dtype

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOATING

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    def to_real(self) -> dtype:
        """The dtype of this type's real part."""
        return _REAL_OF.get(self, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts have this type's precision."""
        return _COMPLEX_OF.get(self, self)

    def __repr__(self) -> str:
        return "torch." + self.name

    def __reduce__(self):
        return by_name, (self.name,)

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo) -> dtype:
        return self


bool_ = dtype("bool", BOOL, 1, is_signed=False)
uint8 = dtype("uint8", INTEGER, 1, is_signed=False)
int8 = dtype("int8", INTEGER, 1)
int16 = short = dtype("int16", INTEGER, 2)
int32 = int_ = dtype("int32", INTEGER, 4)
int64 = long = dtype("int64", INTEGER, 8)
uint16 = dtype("uint16", INTEGER, 2, is_signed=False)
uint32 = dtype("uint32", INTEGER, 4, is_signed=False)
uint64 = dtype("uint64", INTEGER, 8, is_signed=False)
float16 = half = dtype("float16", FLOATING, 2)
bfloat16 = dtype("bfloat16", FLOATING, 2)
float32 = float_ = dtype("float32", FLOATING, 4)
float64 = double = dtype("float64", FLOATING, 8)
complex32 = chalf = dtype("complex32", COMPLEX, 4)
complex64 = cfloat = dtype("complex64", COMPLEX, 8)
complex128 = cdouble = dtype("complex128", COMPLEX, 16)

ALL = [
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex32, complex64, complex128,
]  # fmt: skip
_BY_NAME = {d.name: d for d in ALL}
_BY_NUMPY: dict[np.dtype, dtype] = {}
_REAL_OF = {complex32: float16, complex64: float32, complex128: float64}
_COMPLEX_OF = {float16: complex32, bfloat16: complex64, float32: complex64, float64: complex128}
_UNSIGNED_WIDE = (uint16, uint32, uint64)
HALF = (float16, bfloat16)


def by_name(name: str) -> dtype:
    return _BY_NAME[name]


def _find_numpy_dtype(d: dtype) -> np.dtype:
    if d is complex32:
        raise TypeError("chainrule has no complex32 (torch.chalf): NumPy has no such dtype")
    if d is bfloat16:
        import ml_dtypes

        found = np.dtype(ml_dtypes.bfloat16)
    else:
        found = np.dtype(d.name)
    _BY_NUMPY[found] = d
    return found


for _d in ALL:
    if _d not in (bfloat16, complex32):
        _ = _d.numpy_dtype


def from_numpy_dtype(numpy_dtype: np.dtype) -> dtype:
    """The dtype object of an array's dtype; TypeError, worded as PyTorch's, for what tensors cannot hold."""
    found = _BY_NUMPY.get(numpy_dtype)
    if found is None:
        if numpy_dtype.name == "bfloat16":
            _ = bfloat16.numpy_dtype
            return bfloat16
        found = _BY_NUMPY.get(numpy_dtype.newbyteorder("=")) if numpy_dtype.kind in "biufc" else None
        if found is None:
            kind = "numpy.object_" if numpy_dtype.kind == "O" else f"numpy.{numpy_dtype.type.__name__}"
            raise TypeError(
                f"can't convert np.ndarray of type {kind}. The only supported types are: float64, float32, float16, "
                "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool."
            )
    return found


class _Defaults:
    """The process-wide default floating dtype and what follows from it."""

    floating = float32
    complex = complex64


def get_default_dtype() -> dtype:
    return _Defaults.floating


def set_default_dtype(d: dtype) -> None:
    """Sets the dtype of tensors made from Python floats (floating point only)."""
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _Defaults.floating = d
    _Defaults.complex = d.to_complex()


def of_number(value) -> dtype:
    """The dtype PyTorch infers for a Python number."""
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, complex):
        return _Defaults.complex
    return _Defaults.floating


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype, in PyTorch's lattice, that both types convert to."""
    a, b = type1, type2
    if a is b:
        return a
    if a.category > b.category:
        a, b = b, a
    if a.category < b.category:
        if b.category == COMPLEX and a.category == FLOATING:
            return promote_types(a.to_complex(), b)
        return b
    if a.category == INTEGER:
        if a in _UNSIGNED_WIDE or b in _UNSIGNED_WIDE:
            wide, other = (a, b) if a in _UNSIGNED_WIDE else (b, a)
            if other.is_signed:
                raise RuntimeError(
                    "Promotion for uint16, uint32, uint64 types is not supported, "
                    f"attempted to promote {scalar_name(a)} and {scalar_name(b)}"
                )
            return wide if wide.itemsize >= other.itemsize else other
        if a.is_signed == b.is_signed:
            return a if a.itemsize > b.itemsize else b
        unsigned, signed = (b, a) if a.is_signed else (a, b)
        return signed if signed.itemsize > unsigned.itemsize else int16
    if a.itemsize == b.itemsize:  # float16 with bfloat16
        return float32
    return a if a.itemsize > b.itemsize else b


_SCALAR_NAMES = {
    bool_: "Bool", uint8: "Byte", int8: "Char", int16: "Short", int32: "Int", int64: "Long",
    uint16: "UInt16", uint32: "UInt32", uint64: "UInt64", float16: "Half", bfloat16: "BFloat16",
    float32: "Float", float64: "Double", complex32: "ComplexHalf", complex64: "ComplexFloat",
    complex128: "ComplexDouble",
}  # fmt: skip


_C_NAMES = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "uint16": "short unsigned int", "uint32": "unsigned int", "uint64": "long unsigned int",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def c_name(d: dtype) -> str:
    """The name of a dtype in C++, which some of PyTorch's messages use."""
    return _C_NAMES.get(d.name, d.name)


def scalar_name(d: dtype) -> str:
    """The name PyTorch's messages give a dtype, e.g. ``Float``; its legacy tensor classes use the same names."""
    return _SCALAR_NAMES[d]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch allows writing `from_` values into a `to` tensor: never to a lower category."""
    if from_.category > to.category:
        return False
    return not (from_.category == INTEGER and to is bool_) and not (from_.category > to.category)


def result_type(tensor1, tensor2) -> dtype:
    """The dtype of what an operation makes of two tensors or numbers."""
    from .op import common_dtype, is_number
    from .tensor import Tensor

    for value in (tensor1, tensor2):
        if not isinstance(value, Tensor) and not is_number(value):
            kinds = ", ".join(type(v).__name__ for v in (tensor1, tensor2))
            raise TypeError(f"result_type() received an invalid combination of arguments - got ({kinds})")
    return common_dtype((tensor1, tensor2))


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    if higher is None:
        return lower
    if lower is None or higher.category == COMPLEX:
        return higher
    if higher.category == FLOATING:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if higher is bool_ or lower.category >= FLOATING:
        return promote_types(higher, lower)
    return higher


def result_dtype(operands) -> dtype:
    """The dtype of an operation on `operands`: pairs (dtype, rank), rank 0 for Python numbers, 1 for 0-d, 2 for n-d."""
    best: list[dtype | None] = [None, None, None]
    for d, rank in operands:
        have = best[rank]
        best[rank] = d if have is None else promote_types(have, d)
    found = _combine(best[2], _combine(best[1], best[0]))
    assert found is not None
    return found


class _Info:
    _shown: tuple[str, ...]

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self._shown}
        fields = ", ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())
        return f"{type(self).__name__}({fields})"


class finfo(_Info):
    """Numerical limits of a floating or complex dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    _shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny", "dtype")

    def __init__(self, type: dtype | None = None) -> None:
        d = (type or get_default_dtype()).to_real()
        if d is bfloat16:
            import ml_dtypes

            limits: Any = ml_dtypes.finfo(d.numpy_dtype)
        elif d.is_floating_point:
            limits = np.finfo(d.numpy_dtype)
        else:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{d!r}'")
        self.bits = limits.bits
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = float(limits.resolution)
        self.dtype = d.name


class iinfo(_Info):
    """Numerical limits of an integer dtype: bits, max, min."""

    _shown = ("min", "max", "dtype")

    def __init__(self, type: dtype) -> None:
        if type.category != INTEGER:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type!r}'")
        limits = np.iinfo(type.numpy_dtype)
        self.bits = limits.bits
        self.max = int(limits.max)
        self.min = int(limits.min)
        self.dtype = type.name
