"""Where an element of a tensor lies: integers, indices, and the arithmetic of them that slices and reshapes need."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

_fresh = count().__next__


class Index(NamedTuple):
    """A variable that counts from 0 to `size` - 1. A number < 0 belongs to the sum that binds it."""

    number: int
    size: int


class Entry(NamedTuple):
    """An entry of a table of whole numbers from 0 to `size` - 1, such as an index tensor."""

    table: str
    index: tuple[Position, ...]  # type: ignore[assignment]  # not the method of tuples
    size: int


class Part(NamedTuple):
    """The whole-number quotient of a position by a number, or the remainder (`rest`)."""

    of: Position
    by: int
    rest: bool


class Linear(NamedTuple):
    """offset + coefficient·unit + …"""

    offset: int
    terms: tuple[tuple[Index | Entry | Part, int], ...]


Position = int | Index | Entry | Part | Linear  # one place of a tensor's index


def fresh(size: int) -> Index:
    """An index that occurs nowhere else."""
    return Index(_fresh(), size)


def split(position: Position) -> tuple[int, dict]:
    """A position as an offset and {unit: coefficient}."""
    if isinstance(position, int):
        return position, {}
    if isinstance(position, Linear):
        return position.offset, dict(position.terms)
    return 0, {position: 1}


def combined(offset: int, terms: dict) -> Position:
    """The position with this offset and {unit: coefficient}, in its simplest form."""
    kept = tuple(sorted(((u, c) for u, c in terms.items() if c), key=repr))
    if not kept:
        return int(offset)
    if len(kept) == 1 and kept[0][1] == 1 and not offset:
        return kept[0][0]
    return Linear(int(offset), kept)


def weighted(*parts: tuple[Position, int]) -> Position:
    """The sum of positions times numbers."""
    offset = 0
    terms: dict = {}
    for position, factor in parts:
        more, units = split(position)
        offset += more * factor
        for unit, coefficient in units.items():
            terms[unit] = terms.get(unit, 0) + coefficient * factor
    return combined(offset, terms)


def difference(left: Position, right: Position) -> Position:
    return weighted((left, 1), (right, -1))


def bounds(position: Position) -> tuple[int, int]:
    """The smallest and the largest value that a position can have."""
    if isinstance(position, int):
        return position, position
    if isinstance(position, (Index, Entry)):
        return 0, position.size - 1 if position.size else 1  # two places of nothing are not taken for one
    if isinstance(position, Part):
        low, high = bounds(position.of)
        return (0, position.by - 1) if position.rest else (low // position.by, high // position.by)
    low = high = position.offset
    for unit, coefficient in position.terms:
        one, other = sorted(coefficient * end for end in bounds(unit))
        low, high = low + one, high + other
    return low, high


def quotient(position: Position, by: int) -> Position:
    """position // by, simplified where the ranges of the indices allow."""
    return _divided(position, by)[0]


def remainder(position: Position, by: int) -> Position:
    """position % by, simplified likewise: ((i - 1) % by + 1) % by is i % by."""
    offset, terms = split(position)
    if any(isinstance(unit, Part) and unit.rest and unit.by == by for unit in terms):
        inner = (
            (unit.of if isinstance(unit, Part) and unit.rest and unit.by == by else unit, c)
            for unit, c in terms.items()
        )
        return remainder(weighted((offset, 1), *inner), by)
    return _divided(position, by)[1]


def _divided(position: Position, by: int) -> tuple[Position, Position]:
    offset, terms = split(position)
    multiples = {unit: c // by for unit, c in terms.items() if c % by == 0}
    rest = combined(offset, {unit: c for unit, c in terms.items() if c % by})
    low, high = bounds(rest)
    if low // by == high // by:
        whole = low // by
        return combined(whole, multiples), weighted((rest, 1), (whole * by, -1))
    return weighted((combined(0, multiples), 1), (Part(rest, by, False), 1)), Part(rest, by, True)


def digits(position: Position, sizes: tuple[int, ...]) -> tuple[Position, ...]:
    """A row-major position in a tensor of this shape, as a position in each dimension."""
    found: list[Position] = []
    for size in reversed(sizes):
        found.append(remainder(position, size) if len(found) < len(sizes) - 1 else position)
        position = quotient(position, size)
    return tuple(reversed(found))


def flat(positions: tuple[Position, ...], sizes: tuple[int, ...]) -> Position:
    """The row-major position of an element of a tensor of this shape."""
    parts, stride = [], 1
    for position, size in zip(reversed(positions), reversed(sizes)):
        parts.append((position, stride))
        stride *= size
    return weighted(*parts)


def places_of_radix(position: Position) -> list[tuple[Position, int, int | None]] | None:
    """(unit, its stride, how many of them) of a position that counts like a row-major one, a·3 + b with b < 3; else None."""
    if not isinstance(position, Linear) or position.offset or len(position.terms) < 2:
        return None
    terms = sorted(position.terms, key=lambda term: term[1])
    if terms[0][1] != 1:
        return None
    found: list[tuple[Position, int, int | None]] = []
    for i, (unit, stride) in enumerate(terms):
        low, high = bounds(unit)
        if low < 0:
            return None
        if i + 1 == len(terms):
            found.append((unit, stride, None))
            continue
        ratio, rest = divmod(terms[i + 1][1], stride)
        if rest or high >= ratio:
            return None
        found.append((unit, stride, ratio))
    return found


def as_digit(position: Position, index: Index) -> tuple[int, int | None] | None:
    """(stride, how many) if a position is a digit (index // stride) % how many of an index."""
    if position == index:
        return 1, None
    if not isinstance(position, Part):
        return None
    if position.of == index:
        return (1, position.by) if position.rest else (position.by, None)
    inner = position.of
    if position.rest and isinstance(inner, Part) and not inner.rest and inner.of == index:
        return inner.by, position.by
    return None


def indices(position: Position) -> set[Index]:
    """Every index in a position."""
    if isinstance(position, int):
        return set()
    if isinstance(position, Index):
        return {position}
    if isinstance(position, Part):
        return indices(position.of)
    if isinstance(position, Entry):
        return set().union(*(indices(p) for p in position.index))
    return set().union(*(indices(unit) for unit, _ in position.terms))


def replaced(position: Position, old: Index, new: Position) -> Position:
    """A position with another in place of an index."""
    if isinstance(position, int):
        return position
    if isinstance(position, Index):
        return new if position == old else position
    if isinstance(position, Part):
        of = replaced(position.of, old, new)
        if of == position.of:
            return position
        return (remainder if position.rest else quotient)(of, position.by)
    if isinstance(position, Entry):
        return Entry(position.table, tuple(replaced(p, old, new) for p in position.index), position.size)
    return weighted((position.offset, 1), *((replaced(unit, old, new), c) for unit, c in position.terms))


def value(position: Position, known: dict[Index, int], entry: Callable[[str, tuple[int, ...]], int]) -> int:
    """The number that a position is, given those of the indices and the tables."""
    if isinstance(position, int):
        return position
    if isinstance(position, Index):
        return known[position]
    if isinstance(position, Part):
        found = value(position.of, known, entry)
        return found % position.by if position.rest else found // position.by
    if isinstance(position, Entry):
        return entry(position.table, tuple(value(p, known, entry) for p in position.index))
    return position.offset + sum(c * value(unit, known, entry) for unit, c in position.terms)
