"""`assert_close`: whether tensors, numbers, and sequences and mappings of them agree, and how they do not."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import chainrule as torch
from chainrule import Tensor

__all__ = ["assert_allclose", "assert_close"]

# {dtype: (rtol, atol)}; exact for all others
TOLERANCES = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
# those of assert_allclose, which are wider
OLD_TOLERANCES = {
    torch.float16: (1e-3, 1e-3),
    torch.float32: (1e-4, 1e-5),
    torch.float64: (1e-5, 1e-8),
}
_NUMBERS = (int, float, complex)
_PYTHON_DTYPES = {int: torch.int64, float: torch.float64, complex: torch.complex128}


class _Options:
    """What is compared, and how closely."""

    def __init__(self, allow_subclasses, rtol, atol, equal_nan, check_dtype, check_layout, check_stride) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
        self.allow_subclasses = allow_subclasses
        self.rtol, self.atol = rtol, atol
        self.equal_nan = equal_nan
        self.check_dtype, self.check_layout, self.check_stride = check_dtype, check_layout, check_stride

    def tolerances(self, *dtypes) -> tuple[float, float]:
        """(rtol, atol) for values of these dtypes: the widest of their defaults, if they were not given."""
        if self.rtol is not None:
            return self.rtol, self.atol
        found = [TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
        return max(r for r, _ in found), max(a for _, a in found)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Nothing, if |actual - expected| <= atol + rtol * |expected| everywhere.

    Tensors, arrays, numbers, None, and sequences and mappings of them are compared. Tolerances that are not given
    follow from the dtypes; integers and bools are compared exactly. AssertionError where shapes, dtypes or values do
    not agree, with `msg` (or what it makes of the message) as its text; TypeError for what cannot be compared.
    """
    options = _Options(allow_subclasses, rtol, atol, equal_nan, check_dtype, check_layout, check_stride)
    pairs = list(_pairs(actual, expected, options, ()))
    for compare, one, other, path in pairs:
        problem = compare(one, other, options)
        if problem is not None:
            raise AssertionError(_worded(problem, path, msg))


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """`assert_close` without regard to dtypes and with wider tolerances. Deprecated."""
    import warnings

    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future release. "
        "Please use `torch.testing.assert_close()` instead. You can find detailed upgrade instructions in "
        "https://github.com/pytorch/pytorch/issues/61844.",
        FutureWarning,
        stacklevel=2,
    )
    actual, expected = (v if isinstance(v, Tensor) else torch.tensor(v) for v in (actual, expected))
    if rtol is None and atol is None:
        found = [OLD_TOLERANCES.get(v.dtype, (0.0, 0.0)) for v in (actual, expected)]
        rtol, atol = max(r for r, _ in found), max(a for _, a in found)
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_dtype=False,
        check_stride=False,
        msg=msg or None,
    )


def _worded(problem: str, path: tuple, msg) -> str:
    if path:
        problem += "\n\nThe failure occurred for item " + "".join(f"[{key!r}]" for key in path)
    if msg is None:
        return problem
    return msg(problem) if callable(msg) else msg


# ---------------------------------------------------------------- which values are compared with which


def _pairs(actual, expected, options: _Options, path: tuple) -> Iterator[tuple[Callable, Any, Any, tuple]]:
    """(comparison, actual, expected, keys that lead there) of all that is to be compared."""
    if _are(Sequence, actual, expected):
        if len(actual) != len(expected):
            message = f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            raise AssertionError(_worded(message, path, None))
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            yield from _pairs(one, other, options, (*path, i))
    elif _are(Mapping, actual, expected):
        missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
        if missing or extra:
            message = "The keys of the mappings do not match:\n"
            if missing:
                message += f"Missing keys in the actual mapping: {sorted(missing)}\n"
            if extra:
                message += f"Additional keys in the actual mapping: {sorted(extra)}\n"
            raise AssertionError(_worded(message.rstrip(), path, None))
        for key in sorted(actual.keys()) if _sortable(actual) else actual:
            yield from _pairs(actual[key], expected[key], options, (*path, key))
    elif actual is None or expected is None:
        yield _compare_none, actual, expected, path
    elif _are((bool, np.bool_), actual, expected):
        yield _compare_bools, bool(actual), bool(expected), path
    elif _are(_NUMBERS, actual, expected):
        yield _compare_numbers, actual, expected, path
    else:
        yield _compare_tensors, *_tensors(actual, expected, options), path


def _are(kind, actual, expected) -> bool:
    """Whether both are of this kind; strings are no sequences here."""
    return isinstance(actual, kind) and isinstance(expected, kind) and not isinstance(actual, str)


def _sortable(mapping: Mapping) -> bool:
    try:
        sorted(mapping)
    except TypeError:
        return False
    return True


def _tensors(actual, expected, options: _Options) -> tuple[Tensor, Tensor]:
    """Both as tensors; TypeError if they are not of related types, or no tensors."""
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if related and (options.allow_subclasses or type(actual) is type(expected)):
        if isinstance(actual, Tensor):
            return actual, expected
        if isinstance(actual, (np.ndarray, np.generic)):
            return torch.as_tensor(actual), torch.as_tensor(expected)
    raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")


# ---------------------------------------------------------------- comparisons: a message, or None where the values agree


def _compare_none(actual, expected, options: _Options) -> str | None:
    return None if actual is expected else f"None mismatch: {actual} is not {expected}"


def _compare_bools(actual: bool, expected: bool, options: _Options) -> str | None:
    return None if actual is expected else f"Booleans mismatch: {actual} is not {expected}"


def _compare_numbers(actual, expected, options: _Options) -> str | None:
    if options.check_dtype and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}."
    dtypes = [next(d for kind, d in _PYTHON_DTYPES.items() if isinstance(v, kind)) for v in (actual, expected)]
    return _compare_values(actual, expected, options, *options.tolerances(*dtypes))


def _compare_values(actual, expected, options: _Options, rtol: float, atol: float) -> str | None:
    difference = abs(actual - expected)
    if options.equal_nan and cmath.isnan(actual) and cmath.isnan(expected):
        return None
    if actual == expected or (cmath.isfinite(actual) and difference <= atol + rtol * abs(expected)):
        return None
    relative = difference / abs(expected) if expected else float("inf")
    return (
        f"Scalars are not {'close' if rtol or atol else 'equal'}!\n\nExpected {expected} but got {actual}.\n"
        f"Absolute difference: {difference}{_allowed(atol, rtol, atol)}\n"
        f"Relative difference: {relative}{_allowed(rtol, rtol, atol)}"
    )


def _allowed(tolerance: float, rtol: float, atol: float) -> str:
    return f" (up to {tolerance} allowed)" if rtol or atol else ""


def _compare_tensors(actual: Tensor, expected: Tensor, options: _Options) -> str | None:
    checks: list[tuple[str, Any, Any]] = [("shape", actual.shape, expected.shape)]
    if options.check_stride:
        checks.append(("stride()", actual.stride(), expected.stride()))
    if options.check_dtype:
        checks.append(("dtype", actual.dtype, expected.dtype))
    for name, one, other in checks:
        if one != other:
            return f"The values for attribute '{name}' do not match: {one} != {other}."
    rtol, atol = options.tolerances(actual.dtype, expected.dtype)
    if not (actual.layout is expected.layout is torch.strided):
        return _compare_sparse(actual, expected, options)
    dtype = torch.promote_types(actual.dtype, expected.dtype)
    if not dtype.is_floating_point and not dtype.is_complex:
        dtype = torch.int64
    actual, expected = actual.detach().to(dtype), expected.detach().to(dtype)
    matches = torch.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=options.equal_nan)
    if matches.all():
        return None
    if not actual.ndim:
        return _compare_values(actual.item(), expected.item(), options, rtol, atol)
    wrong = int((~matches).sum())
    absolute = (actual - expected).abs().masked_fill(matches, 0)
    relative = (absolute / expected.abs()).masked_fill(matches, 0)
    return (
        f"Tensor-likes are not {'close' if rtol or atol else 'equal'}!\n\n"
        f"Mismatched elements: {wrong} / {matches.numel()} ({wrong / matches.numel():.1%})\n"
        f"{_greatest('absolute', absolute)}{_allowed(atol, rtol, atol)}\n"
        f"{_greatest('relative', relative)}{_allowed(rtol, rtol, atol)}"
    )


def _compare_sparse(actual, expected, options: _Options) -> str | None:
    """Sparse tensors by their indices and values; a sparse and a dense one as what they are."""
    if actual.layout is not expected.layout:
        if options.check_layout:
            return f"The values for attribute 'layout' do not match: {actual.layout} != {expected.layout}."
        return _compare_tensors(actual.to_dense(), expected.to_dense(), options)
    if actual.layout is torch.sparse_coo:
        kind, names = "COO", ["indices", "values"]
        actual, expected = actual.detach().coalesce(), expected.detach().coalesce()
    else:
        rows = actual.layout is torch.sparse_csr
        kind = "CSR" if rows else "CSC"
        names = ["crow_indices", "col_indices", "values"] if rows else ["ccol_indices", "row_indices", "values"]
        actual, expected = actual.detach(), expected.detach()
    if actual._nnz() != expected._nnz():
        return (
            f"The number of specified values in sparse {kind} tensors does not match: {actual._nnz()} != "
            f"{expected._nnz()}"
        )
    for name in names:
        problem = _compare_tensors(getattr(actual, name)(), getattr(expected, name)(), options)
        if problem is not None:
            return problem.replace("Tensor-likes", f"Sparse {kind} {name}")
    return None


def _greatest(kind: str, difference: Tensor) -> str:
    place = int(difference.argmax())
    index = tuple(int(i) for i in np.unravel_index(place, tuple(difference.shape)))
    return f"Greatest {kind} difference: {difference.flatten()[place].item()} at index {index}"
