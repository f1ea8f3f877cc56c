"""A layered layout of a graph in nested groups, in two steps.

`arrange` decides, for each group, which of its members stand in which row and in what order: longest-path layers, then
barycenters against crossings. That depends on the graph alone. `place` turns rows into positions for a given choice of
folded groups; the page does the same in the reader's browser when a group is folded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import ceil, sqrt
from typing import NamedTuple

MOST_MEMBERS = 24  # of one group, before it is divided
SWEEPS = 4


class Group:
    """Members that belong together: nodes (their numbers) and groups."""

    def __init__(self, label: str, kind: str, members: list, key: Hashable = None) -> None:
        self.label = label
        self.kind = kind  # "function", "line", "round" or "part"
        self.members: list[int | Group] = members
        self.key = key
        self.rows: list[list[int | Group | Bend]] = []

    def nodes(self) -> Iterable[int]:
        """The numbers of all nodes inside."""
        stack: list = [self]
        while stack:
            one = stack.pop()
            if isinstance(one, Group):
                stack.extend(reversed(one.members))
            else:
                yield one

    def groups(self) -> Iterable[Group]:
        """All groups inside, itself first."""
        stack = [self]
        while stack:
            one = stack.pop()
            yield one
            stack.extend(m for m in reversed(one.members) if isinstance(m, Group))


class Bend(NamedTuple):
    """Where the line between two members of a group passes a row that lies between theirs."""

    start: int | Group
    end: int | Group


# ---------------------------------------------------------------- groups


def runs(members: Sequence, key: Callable) -> list[list]:
    """Neighbours with the same key, together."""
    found: list[list] = []
    last = object()
    for one in members:
        this = key(one)
        if not found or this != last:
            found.append([])
        found[-1].append(one)
        last = this
    return found


def divide(members: list, label: Callable[[list], str]) -> list:
    """`members` in at most about MOST_MEMBERS groups: the rounds of a loop where keys repeat, else equal parts.

    Groups are always of neighbours in the order of recording, so that no group both feeds another and is fed by it.
    """
    if len(members) <= MOST_MEMBERS:
        return members
    counts: dict = defaultdict(int)
    for one in members:
        counts[one.key] += 1
    first = next((one.key for one in members if counts[one.key] > 1), None)
    starts = [i for i, one in enumerate(members) if one.key == first] if first is not None else []
    if len(starts) > 1 and len(members) >= 2 * len(starts):
        rounds = [
            Group(f"round {n} of {len(starts)}: {label(part)}", "round", divide(part, label), key=("round", first))
            for n, part in enumerate(_pieces(members, starts), 1)
        ]
        return divide([*members[: starts[0]], *rounds], label)
    size = max(2, ceil(sqrt(len(members))))
    parts = [members[i : i + size] for i in range(0, len(members), size)]
    return divide([Group(label(part), "part", part, key=("part", i)) for i, part in enumerate(parts)], label)


def _pieces(members: list, starts: list[int]) -> list[list]:
    return [members[a:b] for a, b in zip(starts, [*starts[1:], len(members)], strict=True)]


# ---------------------------------------------------------------- rows


def arrange(root: Group, edges: Sequence[tuple[int, int]]) -> None:
    """Gives every group its rows, from the graph's edges (from what is computed first to what is computed from it)."""
    chains = _chains(root)
    inside: dict[int, dict] = defaultdict(dict)  # {id of a group: its edges between members, in order}
    for start, end in edges:
        group, a, b = meeting(chains, start, end)
        inside[id(group)][a, b] = None
    for group in root.groups():
        group.rows = rows_of(group.members, list(inside[id(group)]))


def _chains(root: Group) -> dict[int, list]:
    """{node: the groups around it, outermost first, and itself}."""
    chains = {}
    stack: list[tuple] = [(root, [])]
    while stack:
        one, around = stack.pop()
        if isinstance(one, Group):
            stack.extend((m, [*around, one]) for m in one.members)
        else:
            chains[one] = [*around, one]
    return chains


def meeting(chains: dict[int, list], start: int, end: int) -> tuple:
    """(the innermost group around both nodes, its member around the first, its member around the second)."""
    group = None
    for a, b in zip(chains[start], chains[end]):  # noqa: B905
        if a is not b:
            return group, a, b
        group = a
    raise ValueError("an edge from a node to itself")


def rows_of(members: Sequence, edges: Sequence[tuple]) -> list[list]:
    """Members in rows, every edge from an upper row to a lower one, and bends of edges in the rows between."""
    after: dict = {one: [] for one in members}
    before: dict = {one: [] for one in members}
    for a, b in edges:
        after[a].append(b)
        before[b].append(a)
    # from the last computed upwards, so that an input stands right above what first uses it
    order = _topological(members, after, before)
    height: dict = {}
    for one in reversed(order):
        height[one] = max((height[b] + 1 for b in after[one]), default=0)
    top = max(height.values(), default=0)
    level = {one: top - height[one] for one in members}
    rows: list[list] = [[] for _ in range(top + 1)]
    for one in order:
        rows[level[one]].append(one)
    links: list[dict] = [defaultdict(list) for _ in rows]  # of each row: {member or bend: those it leads to below}
    spare = 4 * len(members) + 100  # bends, so that long edges of a deep graph cannot outnumber everything
    for a, b in sorted(edges, key=lambda e: level[e[1]] - level[e[0]]):
        span = level[b] - level[a]
        if span > 1 and span <= spare:
            spare -= span
            previous = a
            for i in range(level[a] + 1, level[b]):
                bend = Bend(a, b)
                rows[i].append(bend)
                links[i - 1][previous].append(bend)
                previous = bend
            links[level[b] - 1][previous].append(b)
        elif span == 1:
            links[level[a]][a].append(b)
    _order_rows(rows, links)
    return rows


def _topological(members: Sequence, after: dict, before: dict) -> list:
    waiting = {one: len(before[one]) for one in members}
    ready = [one for one in reversed(members) if not waiting[one]]
    order = []
    while ready:
        one = ready.pop()
        order.append(one)
        for b in after[one]:
            waiting[b] -= 1
            if not waiting[b]:
                ready.append(b)
    if len(order) != len(members):
        raise ValueError("the groups of a layout lead back to each other")
    return order


def _order_rows(rows: list[list], links: list[dict]) -> None:
    """Sorts rows by the mean place of neighbours, downwards and upwards in turn."""
    back: list[dict] = [defaultdict(list) for _ in rows]
    for i, row in enumerate(links):
        for a, targets in row.items():
            for b in targets:
                back[i + 1][b].append(a)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        span = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
        for i in span:
            fixed = rows[i - 1 if down else i + 1]
            if len(rows[i]) < 2:
                continue
            place = {one: n / max(1, len(fixed) - 1) for n, one in enumerate(fixed)}
            neighbours = back[i] if down else links[i]
            wanted = {}
            for n, one in enumerate(rows[i]):
                near = [place[other] for other in neighbours[one]]
                wanted[one] = sum(near) / len(near) if near else n / (len(rows[i]) - 1)
            rows[i].sort(key=wanted.__getitem__)


# ---------------------------------------------------------------- positions

# The page reads these numbers, too.
SPACING = {
    "across": 22.0,  # between neighbours in a row
    "down": 40.0,  # between rows
    "padding": 12.0,  # inside a group
    "title": 22.0,  # a group's heading
    "bend": 10.0,  # the width that a passing line takes
    "nodeHeight": 40.0,
    "letter": 7.2,  # the width of a letter
    "narrowest": 64.0,
}


class Box(NamedTuple):
    """A rectangle: its left upper corner and its size."""

    x: float
    y: float
    width: float
    height: float


def width_of(label: str) -> float:
    """The width of a node or of a folded group."""
    return max(SPACING["narrowest"], SPACING["letter"] * len(label) + 20)


def place(
    root: Group, labels: Sequence[str], is_folded: Callable[[Group], bool]
) -> tuple[dict[int | Group, Box], dict[tuple, tuple[float, float]]]:
    """({visible node or group: its box}, {(group, row number, bend): its point}); the whole is the root's box."""
    sizes: dict = {}
    for group in reversed(list(_visible(root, is_folded))):
        _measure(group, labels, is_folded, sizes)
    boxes: dict[int | Group, Box] = {root: Box(0.0, 0.0, *sizes[root][:2])}
    bends: dict = {}
    for group in _visible(root, is_folded):
        corner = boxes[group]
        for i, (row, spots) in enumerate(zip(group.rows, sizes[group][2], strict=True)):
            for one, (x, y, width, height) in zip(row, spots, strict=True):
                if isinstance(one, Bend):
                    bends[group, i, one] = corner.x + x + width / 2, corner.y + y + height / 2
                else:
                    boxes[one] = Box(corner.x + x, corner.y + y, width, height)
    return boxes, bends


def _visible(root: Group, is_folded: Callable[[Group], bool]) -> Iterable[Group]:
    """The open groups that show, outer ones first."""
    stack = [root]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(m for m in one.members if isinstance(m, Group) and not is_folded(m))


def _measure(group: Group, labels: Sequence[str], is_folded: Callable[[Group], bool], sizes: dict) -> None:
    """Sets a group's (width, height, [(x, y, width, height) of each in a row] of each row), its members' being known."""
    padding, title = SPACING["padding"], SPACING["title"]
    centers: dict = {}
    lines = []
    before: dict = defaultdict(list)
    for i, row in enumerate(group.rows):
        measures = []
        for one in row:
            if isinstance(one, Bend):
                measures.append((SPACING["bend"], 0.0))
                before[one.end].append((one.start, one))
            elif isinstance(one, Group) and not is_folded(one):
                measures.append(sizes[one][:2])
            else:
                label = one.label if isinstance(one, Group) else labels[one]
                measures.append((width_of(label), SPACING["nodeHeight"]))
        lines.append((i, row, measures))
    top = padding + title
    width_needed = SPACING["letter"] * min(len(group.label), 60) + 2 * padding + 20
    for _, row, measures in lines:
        x = 0.0
        for one, (width, _) in zip(row, measures, strict=True):
            centers[one] = x + width / 2
            x += width + SPACING["across"]
        width_needed = max(width_needed, x - SPACING["across"] + 2 * padding)
    spots = []
    for _, row, measures in lines:
        total = sum(width for width, _ in measures) + SPACING["across"] * (len(row) - 1)
        height = max((h for _, h in measures), default=0.0)
        x = (width_needed - total) / 2
        line = []
        for width, own in measures:
            line.append((x, top + (height - own) / 2, width, own))
            x += width + SPACING["across"]
        spots.append(line)
        top += height + SPACING["down"]
    sizes[group] = (width_needed, top - SPACING["down"] + padding, spots)
