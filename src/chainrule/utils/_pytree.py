"""torch.utils._pytree: nested containers taken apart into leaves and put together again.

Containers are tuples, lists, dictionaries, named tuples and torch.return_types; everything else is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any


class TreeSpec:
    """The form of a tree: a leaf (no type), or a container's type, its keys or class, and its entries' forms."""

    __slots__ = ("children", "context", "count", "type")

    def __init__(self, type_=None, context=None, children=()) -> None:
        self.type = type_
        self.context = context
        self.children = tuple(children)
        self.count = sum(c.count for c in self.children) if type_ is not None else 1

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.type is other.type
            and self.context == other.context
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.type, self.children))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        entries = ",\n".join(map(repr, self.children)).replace("\n", "\n  ")
        return f"TreeSpec({self.type.__name__}, {self.context}, [{entries}])"

    def brief(self) -> str:
        """The containers as Python writes them, with * for each leaf."""
        if self.type is None:
            return "*"
        entries = [c.brief() for c in self.children]
        if self.type is tuple:
            return f"({', '.join(entries)}{',' * (len(entries) == 1)})"
        if self.type is list:
            return f"[{', '.join(entries)}]"
        if self.type in (dict, OrderedDict):
            inner = "{" + ", ".join(f"{k!r}: {e}" for k, e in zip(self.context, entries, strict=True)) + "}"
            return inner if self.type is dict else f"OrderedDict({inner})"
        return f"{self.type.__name__}({', '.join(entries)})"

    @property
    def num_leaves(self) -> int:
        return self.count

    def is_leaf(self) -> bool:
        """Whether the tree is a single leaf."""
        return self.type is None


LEAF = TreeSpec()


def _kind(tree: Any):
    """The container type a tree is treated as, or None for a leaf."""
    if isinstance(tree, tuple):
        if type(tree) is tuple:
            return tuple
        return "named" if hasattr(tree, "_fields") or type(tree).__module__ == "torch.return_types" else None
    return type(tree) if type(tree) in (list, dict, OrderedDict) else None


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list, TreeSpec]:
    """(the leaves in order, the tree's structure); `is_leaf` may call a container a leaf."""
    leaves: list = []
    return leaves, _walk(tree, leaves, is_leaf)


def _walk(node: Any, leaves: list, is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    """The structure of a tree, whose leaves are put into a list. (A function inside another that calls itself would be a
    reference cycle, and hold the leaves.)"""
    kind = _kind(node)
    if kind is None or (is_leaf is not None and is_leaf(node)):
        leaves.append(node)
        return LEAF
    if kind in (dict, OrderedDict):
        return TreeSpec(kind, list(node), [_walk(v, leaves, is_leaf) for v in node.values()])
    return TreeSpec(type(node) if kind == "named" else kind, None, [_walk(v, leaves, is_leaf) for v in node])


def tree_unflatten(leaves, structure: TreeSpec) -> Any:
    """The tree of that structure with these leaves."""
    return _build(structure, iter(leaves))


def _build(node: TreeSpec, remaining: Iterator) -> Any:
    if node.type is None:
        return next(remaining)
    entries = [_build(c, remaining) for c in node.children]
    if node.type in (dict, OrderedDict):
        return node.type(zip(node.context, entries, strict=True))
    return node.type(*entries) if hasattr(node.type, "_fields") else node.type(entries)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure alone."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree with every leaf replaced by ``func(leaf, ...)``, with the leaves of more trees of the same structure."""
    leaves, structure = tree_flatten(tree, is_leaf)
    others = [tree_flatten(rest, is_leaf)[0] for rest in rests]
    return tree_unflatten([func(*some) for some in zip(leaves, *others, strict=True)], structure)


def tree_map_only(kind: Any, func: Callable, tree: Any) -> Any:
    """The tree with the leaves that are instances of `kind` replaced by ``func(leaf)``."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)


def broadcast(prefix: Any, structure: TreeSpec) -> list | None:
    """`prefix`, whose leaves may stand for whole subtrees of `structure`, as one entry a leaf; None if they differ."""
    kind = _kind(prefix)
    if kind is None:
        return [prefix] * structure.count
    entries = list(prefix.values()) if kind in (dict, OrderedDict) else list(prefix)
    same = structure.type is (type(prefix) if kind == "named" else kind)
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
