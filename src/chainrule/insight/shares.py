"""How much of a gradient came along each path through a graph, and between its named values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine import Node
from ..tensor import wrap
from .explanation import Share
from .source import Source
from .values import Edge, Values, edges_of, same
from .writing import shown_name

MOST_PATHS = 64  # followed one by one; more are counted and gathered by their last step


def on_the_way(values: Values, routes: dict[Edge, int]) -> list[Node]:
    """The nodes through which a route leads, each before those that it leads to."""
    return [node for node in values.order if any(routes.get((node, i)) for i in range(node.n_outputs))]


class Shares:
    """The shares of the routes from `root` to `target`; `seed` is the gradient that `root` gets."""

    def __init__(
        self,
        values: Values,
        symbols: dict[Edge, str],
        root: Edge,
        target: Edge,
        routes: dict[Edge, int],
        seed: np.ndarray,
    ) -> None:
        self.values, self.symbols, self.root, self.target, self.routes = values, symbols, root, target, routes
        self.seed = seed

    def by_path(self, whole: np.ndarray) -> list[Share]:
        """How much of `whole`, ∂y/∂x, came along each path; along the last steps, where paths are many."""
        if self.routes[self.root] <= MOST_PATHS:
            ways = self._each_path()
        else:
            ways = iter(self._last_steps())
        gathered: dict[str, tuple[int, Any]] = {}
        for label, count, array in ways:  # x * x is used twice in the same words
            before = gathered.get(label)
            gathered[label] = (count, array) if before is None else (before[0] + count, before[1] + array)
        return [
            Share(label, count, wrap(np.asarray(array)), _fraction(array, whole))
            for label, (count, array) in gathered.items()
        ]

    def _each_path(self) -> Iterator[tuple[str, int, np.ndarray]]:
        """(label, 1, contribution) of each path; depth first, each step once for all paths that begin with it."""
        stack: list[tuple[Edge, Any, tuple[Edge, ...]]] = [(self.root, self.seed, (self.root,))]
        while stack:
            edge, gradient, path = stack.pop()
            if same(edge, self.target):
                yield self._label(path), 1, np.asarray(gradient)
                continue
            node, number = edge
            arrived = [gradient if i == number else None for i in range(node.n_outputs)]
            results = self.values.pull(node, arrived)
            following = [
                (one, result, (*path, one))
                for one, result in zip(edges_of(node), results)
                if one is not None and self.routes.get(one) and result is not None
            ]
            stack.extend(reversed(following))

    def _label(self, path: tuple[Edge, ...]) -> str:
        """y ← z ** 2 ← z ← x: the names on the way, and how each unnamed operation that used a name is written."""
        parts = []
        for edge, following in zip(path, (*path[1:], None)):
            if edge in self.symbols:
                parts.append(shown_name(self.symbols[edge]))
            elif following in self.symbols:
                parts.append(Source(edge[0].code, edge[0].lasti).text or edge[0].name())
        return " ← ".join(parts)

    def _last_steps(self) -> list[tuple[str, int, np.ndarray]]:
        """What each operation that uses x passed to it, all paths through it together."""
        gradients = {self.root: self.seed}
        towards: dict[Edge, int] = {self.root: 1}
        gathered = []
        for node in on_the_way(self.values, self.routes):
            if node is self.target[0]:
                continue
            arrived = [gradients.get((node, i)) for i in range(node.n_outputs)]
            if all(g is None for g in arrived):
                continue
            count = sum(towards.get((node, i), 0) for i in range(node.n_outputs))
            for edge, result in zip(edges_of(node), self.values.pull(node, arrived)):
                if edge is None or result is None or not self.routes.get(edge):
                    continue
                if same(edge, self.target):
                    text = Source(node.code, node.lasti).text or node.name()
                    label = f"{shown_name(self.symbols[self.root])} ← … ← {text} ← {shown_name(self.symbols[edge])}"
                    gathered.append((label, count, result))
                    continue
                towards[edge] = towards.get(edge, 0) + count
                gradients[edge] = gradients[edge] + result if edge in gradients else result
        return gathered

    def by_layer(self, gradients: dict[Edge, Any], contributions: dict[tuple[Edge, Edge], Any]) -> list[Share]:
        """What each named value passed on to each other, `contributions`, as parts of their gradients."""
        return [
            Share(
                f"{shown_name(self.symbols[outer])} → {shown_name(self.symbols[inner])}",
                1,
                wrap(np.asarray(array)),
                _fraction(array, np.asarray(gradients[inner])),
            )
            for (outer, inner), array in contributions.items()
            if inner in gradients
        ]


def _fraction(part: Any, whole: np.ndarray) -> float | None:
    """How much of `whole` lies in `part`: the fractions of parts add up to 1. None where there is nothing to share."""
    part, whole = (np.asarray(a).astype(complex if np.iscomplexobj(a) else float) for a in (part, whole))
    square = float(np.sum(np.abs(whole) ** 2))
    if not np.isfinite(square) or square == 0:
        return None
    return float(np.sum(part * np.conj(whole)).real) / square
