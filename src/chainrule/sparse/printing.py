"""The text of sparse tensors: that of their parts, with what else there is to say."""

from __future__ import annotations

from .. import dtypes
from ..printing import _autograd_suffixes, _contents, _evident, _with_suffixes, get_printoptions
from ..tensor import Tensor

_INDENT = len("tensor(")


def text(x: Tensor, parts: dict[str, Tensor], count: int, on_new_line: bool) -> str:
    """What ``repr`` prints of a sparse tensor of these parts, with so many values."""
    default = dtypes.get_default_dtype()
    suffixes = [f"size={tuple(x.shape)}", f"nnz={count}"]
    if x.dtype is not default and not _evident(x.dtype, default):
        suffixes.append(f"dtype={x.dtype}")
    suffixes += [f"layout={x.layout}", *_autograd_suffixes(x)]
    options = get_printoptions()
    shown = [f"{name}=tensor({_part(part, _INDENT + len(name) + 8, options)})" for name, part in parts.items()]
    found = _with_suffixes(
        f"tensor({(',' + chr(10) + ' ' * _INDENT).join(shown)}", suffixes, _INDENT, options["linewidth"], on_new_line
    )
    return f"Parameter containing:\n{found}" if getattr(x, "_is_param", False) else found


def _part(part: Tensor, indent: int, options) -> str:
    contents = _contents(part._array, part.dtype, indent, options)
    return contents if part._array.size else f"{contents}, size={tuple(part.shape)}"
