"""A layered layout of a graph in nested groups, in two steps.

`arrange` decides, for each group, which of its members stand in which row and in what order: longest-path layers, then
barycenters against crossings. That depends on the graph alone. `place` turns rows into positions for a given choice of
folded groups; the page does the same in the reader's browser when a group is folded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from math import ceil, sqrt
from typing import Any, NamedTuple

MOST_MEMBERS = 24  # of one group, before it is divided
SWEEPS = 4


class Group:
    """Members that belong together: nodes (their numbers) and groups."""

    def __init__(self, label: str, kind: str, members: list, key: Hashable = None) -> None:
        self.label = label
        self.kind = kind  # "graph", "function", "line", "round" or "part"
        self.number: Any = None  # of rounds: the first and the last inside, and of how many
        self.members: list[int | Group] = members
        self.key = key
        self.rows: list[list[int | Group | Bend]] = []
        self.above: list[list[list[int]]] = []  # of each in a row: the places in the row above of what leads to it

    @property
    def width(self) -> float:
        """Its width when it is folded, and the least when it is not."""
        return width_of(self.label) + 24

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
    """Where the line between two members of a group passes a row that lies between theirs.

    None stands for whatever is outside the group: its lines come in at the top and leave at the bottom."""

    start: int | Group | None
    end: int | Group | None


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
        rounds = []
        for n, piece in enumerate(_pieces(members, starts), 1):
            one = Group(f"round {n} of {len(starts)}: {label(piece)}", "round", divide(piece, label), ("round", first))
            one.number = n, n, len(starts)
            rounds.append(one)
        return divide([*members[: starts[0]], *rounds], label)
    size = max(2, ceil(sqrt(len(members))))
    parts = []
    for start in range(0, len(members), size):
        part = Group("", "part", members[start : start + size], key=("part", start))
        part.label = label(part.members)
        numbers = [one.number for one in part.members]
        if all(n is not None and n[2] == numbers[0][2] for n in numbers):
            part.number = numbers[0][0], numbers[-1][1], numbers[0][2]
            part.label = "rounds {}–{} of {}: ".format(*part.number) + part.label
        parts.append(part)
    return divide(parts, label)


def _pieces(members: list, starts: list[int]) -> list[list]:
    return [members[a:b] for a, b in zip(starts, [*starts[1:], len(members)], strict=True)]


# ---------------------------------------------------------------- rows


def arrange(root: Group, edges: Sequence[tuple[int, int]]) -> None:
    """Gives every group its rows, from the graph's edges (from what is computed first to what is computed from it)."""
    chains = chains_of(root)
    inside: dict[int, dict] = defaultdict(dict)  # {id of a group: its edges between members, in order}
    for start, end in edges:
        for group, a, b in steps_of(chains[start], chains[end]):
            inside[id(group)][a, b] = None
    for group in root.groups():
        group.rows, group.above = rows_of(group.members, list(inside[id(group)]))


def chains_of(root: Group) -> dict[int, list]:
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


def steps_of(chain: list, other: list) -> list[tuple]:
    """How an edge goes from one node to another, each given as its chain of groups: (group, member, member) in order.

    It leaves the groups around its start, crosses the innermost group around both, and enters those around its end."""
    shared = 0
    while chain[shared] is other[shared]:
        shared += 1
    leaves = [(chain[i], chain[i + 1], None) for i in range(len(chain) - 2, shared - 1, -1)]
    enters = [(other[i], None, other[i + 1]) for i in range(shared, len(other) - 1)]
    return [*leaves, (chain[shared - 1], chain[shared], other[shared]), *enters]


def rows_of(members: Sequence, edges: Sequence[tuple]) -> tuple[list[list], list[list[list[int]]]]:
    """Members in rows, every edge from an upper row to a lower one, and bends of edges in the rows between.

    Also, for each in a row, the places in the row above of what leads to it."""
    after: dict = {one: [] for one in members}
    before: dict = {one: [] for one in members}
    for a, b in edges:
        if a is not None and b is not None:
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
    level[None] = -1
    spans = [(a, b, level[a], top + 1 if b is None else level[b]) for a, b in edges]
    for a, b, first, last in sorted(spans, key=lambda s: s[3] - s[2]):
        if last - first > spare:
            break
        previous = a
        for i in range(first + 1, last):
            spare -= 1
            bend = Bend(a, b)
            rows[i].append(bend)
            if previous is not None:
                links[i - 1][previous].append(bend)
            previous = bend
        if previous is not None and b is not None:
            links[last - 1][previous].append(b)
    back = _order_rows(rows, links)
    above: list[list[list[int]]] = []
    for i, row in enumerate(rows):
        place = {one: n for n, one in enumerate(rows[i - 1])} if i else {}
        above.append([sorted(place[other] for other in back[i][one]) for one in row])
    return rows, above


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


def _order_rows(rows: list[list], links: list[dict]) -> list[dict]:
    """Sorts rows by the mean place of neighbours, downwards and upwards in turn; returns the links upwards."""
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
    return back


# ---------------------------------------------------------------- positions

# The page reads these numbers, too.
SPACING = {
    "across": 22.0,  # between neighbours in a row
    "down": 40.0,  # between rows
    "padding": 12.0,  # inside a group
    "title": 22.0,  # a group's heading
    "bend": 10.0,  # the width that a passing line takes
    "nodeHeight": 40.0,
    "letter": 7.4,  # the width of a letter
    "narrowest": 64.0,
}


class Box(NamedTuple):
    """A rectangle: its left upper corner and its size."""

    x: float
    y: float
    width: float
    height: float


def width_of(text: str) -> float:
    """The width of a node, or of a folded group, with this text in it."""
    return max(SPACING["narrowest"], SPACING["letter"] * len(text) + 20)


def place(
    root: Group, widths: Sequence[float], is_folded: Callable[[Group], bool]
) -> tuple[dict[int | Group, Box], dict[tuple, list[tuple[float, float]]]]:
    """({visible node or group: its box}, {step of an edge (see `steps_of`): its points}); the root's box has it all."""
    sizes: dict = {}
    for group in reversed(list(_visible(root, is_folded))):
        _measure(group, widths, is_folded, sizes)
    boxes: dict[int | Group, Box] = {root: Box(0.0, 0.0, *sizes[root][:2])}
    bends: dict = {}
    for group in _visible(root, is_folded):
        corner = boxes[group]
        for row, spots in zip(group.rows, sizes[group][2], strict=True):
            for one, (x, y, width, height) in zip(row, spots, strict=True):
                if isinstance(one, Bend):
                    bends.setdefault((group, one.start, one.end), []).extend(
                        (corner.x + x + width / 2, corner.y + y + part) for part in (0, height)
                    )
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


def _measure(group: Group, widths: Sequence[float], is_folded: Callable[[Group], bool], sizes: dict) -> None:
    """Sets a group's (width, height, [[(x, y, width, height) of each in a row] of each row]) from its members'."""
    padding, across = SPACING["padding"], SPACING["across"]
    top = padding + SPACING["title"]
    spots: list[list[list[float]]] = []
    for row, above in zip(group.rows, group.above, strict=True):
        line = []
        for one in row:
            if isinstance(one, Bend):
                line.append([0.0, top, SPACING["bend"], 0.0])
            elif isinstance(one, Group) and not is_folded(one):
                line.append([0.0, top, *sizes[one][:2]])
            else:
                width = one.width if isinstance(one, Group) else widths[one]
                line.append([0.0, top, width, SPACING["nodeHeight"]])
        height = max((spot[3] for spot in line), default=0.0)
        _align(line, above, spots[-1] if spots else [], across)
        for one, spot in zip(row, line, strict=True):
            if isinstance(one, Bend):
                spot[3] = height  # straight down past its neighbours
            spot[1] += (height - spot[3]) / 2
        spots.append(line)
        top += height + SPACING["down"]
    left = min((spot[0] for line in spots for spot in line), default=0.0)
    right = max((spot[0] + spot[2] for line in spots for spot in line), default=0.0)
    width = max(right - left + 2 * padding, group.width)
    shift = (width - (right - left)) / 2 - left
    for line in spots:
        for spot in line:
            spot[0] += shift
    sizes[group] = (width, top - SPACING["down"] + padding, spots)


def _align(line: list[list[float]], above: list[list[int]], upper: list[list[float]], across: float) -> None:
    """Sets the left sides in a row: each under the middle of what leads to it, as far as its neighbours leave room."""
    edge, slack = None, 0.0
    wanted = []
    for spot, places in zip(line, above, strict=True):
        if places:
            middle = sum(upper[i][0] + upper[i][2] / 2 for i in places) / len(places) - spot[2] / 2
        else:
            middle = 0.0 if edge is None else edge
        wanted.append(middle)
        spot[0] = middle if edge is None else max(middle, edge)
        edge = spot[0] + spot[2] + across
    if line:
        slack = sum(w - spot[0] for w, spot in zip(wanted, line, strict=True)) / len(line)
    for spot in line:
        spot[0] += slack
