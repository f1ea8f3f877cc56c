"""Nested containers (tuples, lists, dictionaries, named tuples) taken apart into leaves and put together again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class Structure:
    """The form of a tree: a leaf (no type), or a container's type, its keys or class, and its entries' forms."""

    __slots__ = ("children", "context", "count", "type")

    def __init__(self, type_=None, context=None, children=()) -> None:
        self.type = type_
        self.context = context
        self.children = tuple(children)
        self.count = sum(c.count for c in self.children) if type_ is not None else 1

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Structure)
            and self.type is other.type
            and self.context == other.context
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.type, self.children))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        inner = ",\n  ".join(repr(c).replace("\n", "\n  ") for c in self.children)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{inner}])"


LEAF = Structure()


def _kind(tree: Any):
    """The container type a tree is treated as, or None for a leaf."""
    if isinstance(tree, tuple):
        return "namedtuple" if hasattr(tree, "_fields") else tuple if type(tree) is tuple else None
    return type(tree) if type(tree) in (list, dict, OrderedDict) else None


def flatten(tree: Any) -> tuple[list, Structure]:
    """(the leaves in order, the tree's structure)."""
    leaves: list = []

    def walk(node: Any) -> Structure:
        kind = _kind(node)
        if kind is None:
            leaves.append(node)
            return LEAF
        if kind in (dict, OrderedDict):
            return Structure(kind, list(node), [walk(v) for v in node.values()])
        if kind == "namedtuple":
            return Structure(type(node), None, [walk(v) for v in node])
        return Structure(kind, None, [walk(v) for v in node])

    structure = walk(tree)
    return leaves, structure


def unflatten(leaves, structure: Structure) -> Any:
    """The tree of that structure with these leaves."""
    remaining = iter(leaves)

    def build(node: Structure) -> Any:
        if node.type is None:
            return next(remaining)
        entries = [build(c) for c in node.children]
        if node.type in (dict, OrderedDict):
            return node.type(zip(node.context, entries, strict=True))
        return node.type(entries) if node.type in (tuple, list) else node.type(*entries)

    return build(structure)


def tree_map(function: Callable, tree: Any) -> Any:
    """The tree with every leaf replaced by ``function(leaf)``."""
    leaves, structure = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], structure)


def broadcast(prefix: Any, structure: Structure) -> list | None:
    """`prefix`, whose leaves may stand for whole subtrees of `structure`, as one entry a leaf; None if they differ."""
    kind = _kind(prefix)
    if kind is None:
        return [prefix] * structure.count
    entries = list(prefix.values()) if kind in (dict, OrderedDict) else list(prefix)
    same = structure.type is (type(prefix) if kind == "namedtuple" else kind)
    if not same or len(entries) != len(structure.children):
        return None
    if kind in (dict, OrderedDict) and list(prefix) != structure.context:
        return None
    found: list = []
    for entry, child in zip(entries, structure.children, strict=True):
        part = broadcast(entry, child)
        if part is None:
            return None
        found.extend(part)
    return found
