"""How a tensor prints: ``repr`` and ``format`` as PyTorch 2.13 gives them, and the options that govern it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import floor, inf, isfinite
from typing import TYPE_CHECKING, Any

from . import dtypes

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["set_printoptions"]

_DEFAULT: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80}
_PROFILES: dict[str | None, dict[str, Any]] = {
    "default": _DEFAULT,
    "short": {**_DEFAULT, "precision": 2, "edgeitems": 2},
    "full": {**_DEFAULT, "threshold": inf},
}

# Replaced as a whole and never written into: a repr under way in another thread goes on with the set it has.
_options: dict[str, Any] = {**_DEFAULT, "sci_mode": None}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors print, for the whole process; an option left None stays as it is.

    Args:
        precision: digits after the decimal point (4).
        threshold: a tensor of more elements than this is summarised (1000).
        edgeitems: elements a summary shows at each end of a dimension (3).
        linewidth: columns after which a line is broken (80).
        profile: ``"default"``, ``"short"`` or ``"full"``, a set of the four above which they then refine;
            an unknown name changes nothing.
        sci_mode: True or False forces or forbids scientific notation. Unlike the others it is set by every
            call: None leaves the choice to the values printed.
    """
    global _options
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen = {name: value for name, value in given.items() if value is not None}
    _options = {**_options, **_PROFILES.get(profile, {}), **chosen, "sci_mode": sci_mode}


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments for :func:`set_printoptions`."""
    return dict(_options)


@contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Change the print options within a ``with`` block; takes what :func:`set_printoptions` takes."""
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_repr(tensor: Tensor, *, contents: str | None = None) -> str:
    """What ``repr(tensor)`` prints; ``contents`` takes the place of the elements where it is given."""
    if tensor._extra is not None and tensor._extra.batch is not None:
        return _batch_repr(tensor._extra.batch)
    array, dtype = tensor._array, tensor.dtype
    options = _options
    name, is_named_parameter = _name_to_print(tensor)
    indent = len(name) + 1

    suffixes = []
    default = dtypes.get_default_dtype()
    if array.size == 0:
        # No element tells the dtype: even int64 and bool are spelt out.
        shows_size, shows_dtype = array.ndim != 1, dtype is not default
    else:
        shows_size = not options["edgeitems"]
        shows_dtype = dtype is not default and not _evident(dtype, default)
    if shows_size:
        suffixes.append(f"size={array.shape}")
    if shows_dtype:
        suffixes.append(f"dtype={dtype}")
    suffixes += _autograd_suffixes(tensor)

    if contents is None:
        contents = _contents(array, dtype, indent, options)
    text = _with_suffixes(f"{name}({contents}", suffixes, indent, options["linewidth"])
    return f"Parameter({text})" if is_named_parameter else text


def _batch_repr(batch) -> str:
    """A tensor inside vmap shows the batch it stands for."""
    value = tensor_repr(batch.value).replace("\n", "\n    ")
    return f"BatchedTensor(lvl={batch.level}, bdim=0, value=\n    {value}\n)"


def format_tensor(tensor: Tensor, spec: str) -> str:
    """What ``format(tensor, spec)`` gives: a 0-d tensor formats as the number it holds.

    Anything else, a 0-d Parameter too, has only its ``str``: TypeError where ``spec`` is not empty.
    """
    from .tensor import Tensor

    if type(tensor) is Tensor and tensor._array.ndim == 0:
        return format(tensor._array.item(), spec)
    return object.__format__(tensor, spec)


def _name_to_print(tensor: Tensor) -> tuple[str, bool]:
    """``tensor`` or a subclass's own name, and whether such a subclass has to say that it is a parameter."""
    from .tensor import Tensor

    cls = type(tensor)
    if cls is Tensor:
        return "tensor", False
    from .nn.parameter import Parameter

    if cls is Parameter:
        return "tensor", False
    return cls.__name__, isinstance(tensor, Parameter)


def _evident(dtype: dtypes.dtype, default: dtypes.dtype) -> bool:
    """Whether the printed elements tell a ``dtype`` other than the default one."""
    default_complex = dtypes.complex128 if default is dtypes.float64 else dtypes.complex64
    return dtype is dtypes.int64 or dtype is dtypes.bool_ or dtype is default_complex


def _autograd_suffixes(tensor: Tensor) -> list[str]:
    suffixes = []
    try:
        node = tensor.grad_fn
        name = None if node is None else node.name().rpartition("::")[2]
    except RuntimeError:
        # A view whose memory was written to behind its history has no valid node, and must still print.
        name = "Invalid"
    if name is not None:
        suffixes.append(f"grad_fn=<{name}>")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    extra = tensor._extra
    if extra is not None and extra.tangent is not None:
        suffixes.append(f"tangent={extra.tangent.value}")
    return suffixes


def _with_suffixes(text: str, suffixes: list[str], indent: int, linewidth: float) -> str:
    """Close ``text`` with its suffixes, each on a new line where the line would grow too long."""
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if column + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
        else:
            text += ", " + suffix
            column += len(suffix) + 2
    return text + ")"


def _contents(array: Any, dtype: dtypes.dtype, indent: int, options: dict[str, Any]) -> str:
    """The elements of a NumPy array (or scalar), in nested brackets that begin in column ``indent``."""
    ndim = array.ndim
    if array.size == 0:
        return "[]"
    edge = options["edgeitems"] if array.size > options["threshold"] else None
    if edge is None or ndim == 0:
        values = array.ravel().tolist()
    elif edge == 0:
        return "[...]"
    else:
        values = _edge_values(array, edge)

    if dtype.is_complex:
        real, real_width = _float_texts([value.real for value in values], options)
        imag, imag_width = _float_texts([value.imag for value in values], options)
        signed = (text if text[0] == "-" else "+" + text for text in imag)
        texts = [x.rjust(real_width) + y + "j" for x, y in zip(real, signed)]
        width = real_width + imag_width + 1
    else:
        if dtype.is_floating_point:
            texts, width = _float_texts(values, options)
        else:
            texts = [str(value) for value in values]
            width = max(map(len, texts))
        texts = [text.rjust(width) for text in texts]

    if ndim == 0:
        return texts[0]
    per_line = max(1, floor((options["linewidth"] - indent - ndim + 1) / (width + 2)))
    return _nested(texts, array.shape, edge, indent, per_line)


def _edge_values(array: Any, edge: int) -> list[Any]:
    """A summary's values, row by row: ``edge`` at each end of every dimension longer than twice that."""
    parts = (array[:edge], array[-edge:]) if len(array) > 2 * edge else (array,)
    if array.ndim == 1:
        return [value for part in parts for value in part.tolist()]
    return [value for part in parts for row in part for value in _edge_values(row, edge)]


def _float_texts(values: list[float], options: dict[str, Any]) -> tuple[list[str], int]:
    """Each value in the notation fit for all of them, and the width of a column.

    Notation and width follow from the finite nonzero values alone, as in PyTorch: a nan, an infinity or a
    negative zero may be wider than its column.
    """
    counts = [value != 0 and isfinite(value) for value in values]
    magnitudes = [abs(value) for value, counted in zip(values, counts) if counted]
    integral = all(map(float.is_integer, magnitudes))
    scientific = False
    if magnitudes:
        scientific = options["sci_mode"]
        if scientific is None:
            low, high = min(magnitudes), max(magnitudes)
            scientific = high / low > 1000 or high > 1e8 or low < 1e-4

    if scientific:
        spec = f".{options['precision']}e"
    elif integral:
        spec = ".0f"
    else:
        spec = f".{options['precision']}f"
    texts = [format(value, spec) for value in values]
    if integral and not scientific:
        texts = [text + "." if isfinite(value) else text for text, value in zip(texts, values)]
    width = max((len(text) for text, counted in zip(texts, counts) if counted), default=1)
    return texts, width


def _nested(texts: list[str], shape: tuple[int, ...], edge: int | None, indent: int, per_line: int) -> str:
    """The elements' texts, given row by row, in brackets, with ``...`` where some were left out."""
    ndim = len(shape)
    next_line = ",\n" + " " * (indent + ndim)
    rows = []
    for row in _groups(texts, shape[-1], edge, " ..."):
        lines = [", ".join(row[start : start + per_line]) for start in range(0, len(row), per_line)]
        rows.append("[" + next_line.join(lines) + "]")
    for axis in range(ndim - 2, -1, -1):
        separator = "," + "\n" * (ndim - 1 - axis) + " " * (indent + axis + 1)
        rows = ["[" + separator.join(group) + "]" for group in _groups(rows, shape[axis], edge, "...")]
    return rows[0]


def _groups(pieces: list[str], size: int, edge: int | None, ellipsis: str) -> list[list[str]]:
    """Cut ``pieces`` into runs of ``size``, one a bracket, with ``ellipsis`` where some were left out."""
    if edge is None or size <= 2 * edge:
        return [pieces[start : start + size] for start in range(0, len(pieces), size)]
    return [
        [*pieces[start : start + edge], ellipsis, *pieces[start + edge : start + 2 * edge]]
        for start in range(0, len(pieces), 2 * edge)
    ]
