"""rearrange: transposing, splitting, merging and adding dimensions, named in a pattern (einops' notation)."""

from __future__ import annotations

from math import prod
from typing import Any

from ..tensor import Tensor

__all__ = ["rearrange"]

ELLIPSIS = "…"


class DimensionBindError(Exception):
    """A dimension has not the size that a pattern gives it."""


def rearrange(tensor: Tensor | list[Tensor] | tuple[Tensor, ...], pattern: str, **axes_lengths: int) -> Tensor:
    """`tensor` (of several: stacked) with its dimensions as `pattern` says: "b (h w) c -> b c h w".

    Names in brackets are one dimension, the first of them the slowest; of those on the left all sizes but one are given
    by `axes_lengths`. "1" or "()" is a dimension of size 1, "..." stands for all that are not named.
    """
    from ..ops.joining import stack

    x: Tensor = tensor if isinstance(tensor, Tensor) else stack(tensor)
    parts = pattern.split("->")
    if len(parts) != 2:
        raise ValueError("Pattern must contain a single '->' separator")
    left, right = (_groups(part) for part in parts)
    _check(left, right, pattern, axes_lengths)
    shape = x.shape
    named = [group for group in left if group != ELLIPSIS]
    if len(named) > len(shape) if ELLIPSIS in left else len(named) != len(shape):
        raise ValueError(
            f"Number of dimensions in pattern ({len(left)}) must be equal to the number of dimensions in the tensor "
            f"({len(shape)})"
        )
    rest = [f"{ELLIPSIS}{i}" for i in range(len(shape) - len(named))]
    left, right = _spelled_out(left, rest), _spelled_out(right, rest)
    sizes = dict(axes_lengths)
    for group, size in zip(left, shape, strict=True):
        _find_sizes(group, size, sizes)
    names = [name for group in left for name in group]
    for i in reversed([i for i, group in enumerate(left) if not group]):
        x = x.squeeze(i) if x.shape[i] == 1 else x.sum(i)  # as PyTorch does with other sizes
    if any(len(group) > 1 for group in left):
        x = x.reshape([sizes[name] for name in names])
    order = [names.index(name) for group in right for name in group]
    x = x.permute(order)
    merged = [prod([sizes[name] for name in group]) for group in right]
    return x if list(x.shape) == merged else x.reshape(merged)


def _groups(text: str) -> list[Any]:
    """One side of a pattern: for each dimension the list of its names, or ELLIPSIS."""
    if "." in text:
        if "..." not in text:
            raise ValueError("Expression may contain dots only inside ellipsis (...)")
        if text.count("...") != 1 or text.count(".") != 3:
            raise ValueError("Expression may contain dots only inside ellipsis (...); only one ellipsis for tensor ")
        text = text.replace("...", ELLIPSIS)
    groups: list[Any] = []
    inside: list[str] | None = None
    for word in text.replace("(", " ( ").replace(")", " ) ").replace(ELLIPSIS, f" {ELLIPSIS} ").split():
        if word == "(":
            if inside is not None:
                raise ValueError("Axis composition is one-level (brackets inside brackets not allowed)")
            inside = []
        elif word == ")":
            if inside is None:
                raise ValueError("Brackets are not balanced")
            groups.append(inside)
            inside = None
        elif word == ELLIPSIS and inside is None:
            groups.append(ELLIPSIS)
        else:
            names = [] if word == "1" else [_name(word)]
            if inside is None:
                groups.append(names)
            else:
                inside += names
    if inside is not None:
        raise ValueError(f"Imbalanced parentheses in expression: '{text}'")
    seen: set[str] = set()
    for name in _names(groups):
        if name in seen:
            raise ValueError(f"Indexing expression contains duplicate dimension '{name}'")
        seen.add(name)
    return groups


def _name(word: str) -> str:
    if word == ELLIPSIS:
        return word
    if word.isdecimal():
        raise ValueError("rearrange only supports unnamed axes of size 1")
    for character in word:
        if not (character.isalnum() or character == "_"):
            raise ValueError(f"Unknown character '{character}'")
    if not word.isidentifier():
        raise ValueError(f"Invalid axis identifier: {word}\nnot a valid python identifier")
    if word[0] == "_" or word[-1] == "_":
        raise ValueError(f"Invalid axis identifier: {word}\naxis name should should not start or end with underscore")
    return word


def _names(groups: list[Any]) -> list[str]:
    return [name for group in groups for name in ([ELLIPSIS] if group == ELLIPSIS else group)]


def _check(left: list[Any], right: list[Any], pattern: str, lengths: dict[str, int]) -> None:
    """Refuses a pattern whose sides do not have the same names, and lengths of other names."""
    ours, theirs = set(_names(left)), set(_names(right))
    if ELLIPSIS in theirs and ELLIPSIS not in ours:
        raise ValueError(f"Ellipsis found in right side, but not left side of a pattern {pattern}")
    if ours ^ theirs:
        raise ValueError(f"Identifiers only on one side of rearrange expression (should be on both): {ours ^ theirs}")
    unknown = set(lengths) - ours
    if unknown:
        raise ValueError(f"Identifiers not found in rearrange expression: {unknown}")
    for length in lengths.values():
        if not isinstance(length, int):
            raise TypeError(f"rearrange axis lengths must be integers, got: {type(length)}")


def _spelled_out(groups: list[Any], rest: list[str]) -> list[list[str]]:
    """The groups with names for the dimensions that the ellipsis stands for."""
    made: list[list[str]] = []
    for group in groups:
        if group == ELLIPSIS:
            made += [[name] for name in rest]
        else:
            made.append([n for name in group for n in (rest if name == ELLIPSIS else [name])])
    return made


def _find_sizes(group: list[str], size: int, sizes: dict[str, int]) -> None:
    """Adds to `sizes` that of the one name of a dimension whose size is not known."""
    if not group:
        return
    unknown = [name for name in group if name not in sizes]
    known = prod([sizes[name] for name in group if name in sizes])
    if len(unknown) > 1:
        raise DimensionBindError(f"cannot infer the sizes of two dimensions at once {unknown[0]} and {unknown[1]}")
    if unknown:
        if not known or size % known:
            parts = tuple([sizes.get(name, "?") for name in group])
            raise DimensionBindError(f"inferred dimension does not evenly fit into larger dimension: {size} vs {parts}")
        sizes[unknown[0]] = size // known
    elif known != size:
        raise DimensionBindError(
            f"Dimension sizes to do not match ({size} != {known}) when matching dimension pack {tuple(group)}"
        )
