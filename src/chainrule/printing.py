"""How a tensor prints: ``repr`` and ``format`` as PyTorch 2.13 gives them, and the options that govern it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import floor, inf, isfinite
from typing import TYPE_CHECKING, Any

from . import dtypes
from .modes import local

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
    if local.level_stack or (tensor._extra is not None and tensor._extra.batch is not None):
        wrappers, tensor, suffixes = _levels_to_print(tensor)
    else:
        wrappers, suffixes = [], _autograd_suffixes(tensor)
    text = _tensor_text(tensor, suffixes, contents)
    for wrapper in wrappers:
        text = f"{wrapper}, value=\n    " + text.replace("\n", "\n    ") + "\n)"
    return text


def _tensor_text(tensor: Tensor, autograd: list[str], contents: str | None) -> str:
    """The text of a tensor whose autograd state is in ``autograd``."""
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
    suffixes += autograd

    if contents is None:
        contents = _contents(array, dtype, indent, options)
    text = _with_suffixes(f"{name}({contents}", suffixes, indent, options["linewidth"])
    return f"Parameter({text})" if is_named_parameter else text


def _levels_to_print(tensor: Tensor) -> tuple[list[str], Tensor, list[str]]:
    """What is said of the open levels that the tensor belongs to, innermost level last; the tensor below them all, and
    the suffixes of its autograd state there."""
    from .batching import uniform_part
    from .forward import below_batches
    from .tensor import gradient_edge
    from .transforms import DUAL, REVERSE, batch_level, tangent_level

    whole = below_batches(tensor)
    found: dict[int, str] = {}
    core = uniform_part(tensor)
    while batch_level(core):
        batch = core._extra.batch
        found[batch.level] = f"BatchedTensor(lvl={batch.level}, bdim={batch.place}"
        core = uniform_part(batch.value.movedim(0, batch.place) if batch.place else batch.value)
    members = {}
    for level in local.level_stack:
        if level.kind == REVERSE:
            for member in [reference() for reference in level.members]:
                if member is not None:  # known by itself as a leaf, else by its node
                    members[id(member if member._node is None else member._node)] = level.number
        elif level.kind == DUAL and level.strict and tangent_level(whole) >= level.number:
            found[level.number] = f"GradTrackingTensor(lvl={level.number}"
    suffixes = _autograd_suffixes(whole)
    if members and whole.requires_grad:
        numbers, outside = _levels_behind(gradient_edge(whole)[0], members)
        for number in numbers:
            found[number] = f"GradTrackingTensor(lvl={number}"
        if not outside:
            suffixes = [s for s in suffixes if not s.startswith(("grad_fn", "requires_grad"))]
        elif id(whole._node) in members:  # an input, whose node stands for passing it to the function
            before = gradient_edge(whole)[0].edges[0]
            suffixes = ["requires_grad=True"] if isinstance(before, type(whole)) else [f"grad_fn=<{before.name()}>"]
    if any(level.kind == DUAL and level.strict for level in local.level_stack):
        suffixes = [s for s in suffixes if not s.startswith("tangent")]
    return [found[n] for n in sorted(found)], core, suffixes


def _levels_behind(start: Any, members: dict[int, int]) -> tuple[set[int], bool]:
    """(the levels whose members a node depends on, whether it depends on other leaves), given {id of a member's leaf or
    node: level}."""
    from .tensor import Tensor

    levels, outside = set(), False
    nodes, seen = [start], set()
    while nodes:
        node = nodes.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if id(node) in members:
            levels.add(members[id(node)])
        elif isinstance(node, Tensor):
            outside = True
        if not isinstance(node, Tensor):
            nodes.extend(node.edges)
    return levels, outside


def format_tensor(tensor: Tensor, spec: str) -> str:
    """What ``format(tensor, spec)`` gives: a 0-d tensor formats as the number it holds.

    Anything else, a 0-d Parameter too, has only its ``str``: TypeError where ``spec`` is not empty.
    """
    from .tensor import Tensor

    if type(tensor) is Tensor and tensor._array.ndim == 0:
        return format(tensor.item() if local.levels else tensor._array.item(), spec)
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
    if extra is not None and extra.view is not None and local.levels:
        from .forward import inherit_tangents

        inherit_tangents(tensor)
    if extra is not None and extra.tangent is not None:
        suffixes.append(f"tangent={extra.tangent.value}")
    return suffixes


def _with_suffixes(text: str, suffixes: list[str], indent: int, linewidth: float, on_new_line: bool = False) -> str:
    """Close ``text`` with its suffixes, each on a new line where the line would grow too long, or if the first is to be."""
    column = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if on_new_line or column + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            column = indent + len(suffix)
            on_new_line = False
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
