"""A layered layout of a graph in nested groups, in two steps.

`arrange` decides, for each group, which of its members stand in which row and in what order: longest-path layers, then
barycenters against crossings. That depends on the graph alone. `place` turns rows into positions for a given choice of
folded groups; the page does the same in the reader's browser when a group is folded.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from math import ceil, inf, sqrt
from typing import Any, NamedTuple
from unicodedata import east_asian_width

MOST_MEMBERS = 24  # of one group, before it is divided
WIDEST = 8  # members of a row, beside passing lines
MOST_ENTERING = 3  # lines from outside to one member, before they are drawn as one
ORDERINGS = 6  # sweeps against crossings, downwards and upwards in turn, from each of two beginnings
MOST_SWAPS = 10  # times that a row's neighbours are exchanged in one of them


class Group:
    """Members that belong together: nodes (their numbers) and groups."""

    def __init__(self, label: str, kind: str, members: list, key: Hashable = None, told: str = "") -> None:
        self.label = label
        self.told = told  # in full, where the label is cut off
        self.kind = kind  # "graph", "function", "module", "line", "round", "part" or "leaves"
        self.span: tuple[int, int, int] | None = (
            None  # of rounds and parts: the first and the last inside, and of how many
        )
        self.members: list[int | Group] = members
        self.key = key
        self.rows: list[list[int | Group | Bend]] = []
        self.above: list[list[list[int]]] = []  # of each in a row: the places in the row above of what leads to it
        self.along: dict = {}  # {member, or node outside: another whose line its own runs along}

    @property
    def width(self) -> float:
        """Its width when it is folded, and the least when it is not."""
        return width_of(letters_in(self.label)) + 24

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
    """Where lines from one member of the group pass a row, or lines from outside the group.

    Lines with one beginning run together until they branch off, each above what it leads to: a parameter that
    every round of a loop uses is one line beside the rounds and not as many lines as rounds. So do lines that lead to
    the same: all parameters that every round uses are one line."""

    start: int | Group | None  # None: from outside
    origin: int | Group | None = None  # then, the node that they come from; of very many to one member, that member


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
    """`members` in at most MOST_MEMBERS groups: the rounds of a loop where keys repeat, else equal parts.

    Groups are always of neighbours in the order of recording, so that no group both feeds another and is fed by it.
    """
    members = _rounds(members, label)
    while len(members) > MOST_MEMBERS:
        size = min(MOST_MEMBERS, ceil(sqrt(len(members))))
        parts = []
        for start in range(0, len(members), size):
            inside = members[start : start + size]
            part = Group("", "part", inside, key=("part", start))
            spans = [one.span for one in inside if isinstance(one, Group) and one.span is not None]
            if len(spans) == len(inside) and all(span[2] == spans[0][2] for span in spans):
                part.span = spans[0][0], spans[-1][1], spans[0][2]
            else:
                part.span = start + 1, min(start + size, len(members)), len(members)
            plural = "rounds " if all(one.kind == "round" or one.label.startswith("rounds ") for one in inside) else ""
            part.label = "{}{}–{} of {}".format(plural, *part.span) + _after_colon(label(inside))
            parts.append(part)
        members = parts
    return members


def _rounds(members: list, label: Callable[[list], str]) -> list:
    """The rounds of a loop, of at least two members each, as groups; what comes before and after them stays."""
    counts: dict = defaultdict(int)
    for one in members:
        counts[one.key] += 1
    first = next((one.key for one in members if counts[one.key] > 1), None)
    if first is None:
        return members
    starts = [i for i, one in enumerate(members) if one.key == first]
    outer = _outer_loop(members, counts, starts)
    if outer:
        *starts, end = outer
    else:
        body = {_likeness(one) for one in members[starts[0] : starts[-1]]}
        end = next((i for i in range(starts[-1], len(members)) if _likeness(members[i]) not in body), len(members))
    if end - starts[0] < 2 * len(starts):
        return members
    rounds = []
    for n, (a, b) in enumerate(zip(starts, [*starts[1:], end], strict=True), 1):
        piece = members[a:b]
        one = Group(f"round {n} of {len(starts)}" + _after_colon(label(piece)), "round", piece, ("round", first))
        one.members = divide(piece, label)
        one.span = n, n, len(starts)
        rounds.append(one)
    return [*members[: starts[0]], *divide(rounds, label), *_rounds(members[end:], label)]


def _likeness(one: Group) -> Hashable:
    """What two members have in common that do the same in two rounds: their line, or of single nodes the operation."""
    return one.label if one.kind == "step" and one.label else one.key


def _outer_loop(members: list, counts: dict, starts: list[int]) -> list[int]:
    """Where the rounds begin of a loop around the loop that begins at `starts`, and where the last ends; or nothing.

    What ends each of its rounds comes by less often than what begins the inner ones, at least two in each."""
    most = counts[members[starts[0]].key]
    for last in sorted((key for key, count in counts.items() if 1 < count < most), key=counts.__getitem__):
        cuts = [starts[0], *(i + 1 for i, one in enumerate(members) if one.key == last and i > starts[0])]
        if len(cuts) > 2 and all(sum(a <= i < b for i in starts) > 1 for a, b in pairwise(cuts)):
            return cuts
    return []


def _after_colon(text: str) -> str:
    return f": {text}" if text else ""


# ---------------------------------------------------------------- rows


def arrange(root: Group, edges: Sequence[tuple[int, int]]) -> None:
    """Gives every group its rows, from the graph's edges (from what is computed first to what is computed from it)."""
    chains = chains_of(root)
    inside: dict[int, dict] = defaultdict(dict)  # {id of a group: its edges between members, in order}
    sources: dict[int, dict] = defaultdict(lambda: defaultdict(list))  # {id of a group: {member or bend: nodes above}}
    for start, end in edges:
        for group, a, b in steps_of(chains[start], chains[end]):
            line = Bend(None, start) if a is None else a
            inside[id(group)][line, b] = None
            if b is not None:
                sources[id(group)][b].append(start)
            sources[id(group)][line if a is None else Bend(a)].append(start)
    sides: dict[int, dict[int, float]] = {id(root): {}}  # {id of a group: {node outside: from which side it comes}}
    for group in root.groups():
        above, side = sources[id(group)], sides.pop(id(group))
        # lines from the side that they come from; then from left to right as recorded, unless crossings say otherwise
        order: dict = {}
        for one in (*group.members, *(bend for bend in above if isinstance(bend, Bend))):
            nodes = above.get(one) or [next(iter(one.nodes())) if isinstance(one, Group) else one]
            own = next(iter(one.nodes())) if isinstance(one, Group) else one if isinstance(one, int) else 0
            order[one] = _mean([side[n] for n in nodes if n in side] or [0.5]), _mean(nodes), own
        joined = _joined(_run_along(list(inside[id(group)]), group.along, order), order)
        group.rows, group.above = rows_of(group.members, joined, order, group.along)
        for i, row in enumerate(group.rows):
            for one, places in zip(row, group.above[i], strict=True):
                if isinstance(one, Group):
                    carriers = [group.rows[i - 1][place] for place in places]
                    sides[id(one)] = _sides(one, group, above.get(one, ()), carriers, chains, side)


def _sides(
    one: Group, group: Group, nodes: Iterable[int], carriers: list, chains: dict, side: dict
) -> dict[int, float]:
    """{node that leads into `one`: where its line comes in, from 0 on the left to 1 on the right}."""
    place = {carrier: (n + 0.5) / len(carriers) for n, carrier in enumerate(carriers)}
    found = {}
    for node in nodes:
        chain = chains[node]
        member = next((b for a, b in pairwise(chain) if a is group), None)
        start = group.along.get(node if member is None else member, node if member is None else member)
        lines = (Bend(None, start), Bend(None, one)) if member is None else (member, Bend(start))
        found[node] = next((place[line] for line in lines if line in place), side.get(node, 0.5))
    return found


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _mean_place(places: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(map(_mean, zip(*places)))


def _alike(targets: dict) -> Iterable[list]:
    """Those that lead to the same, if that is more than one."""
    together: dict = defaultdict(list)
    for one, reached in targets.items():
        if len(reached) > 1:
            together[frozenset(reached)].append(one)
    return (ones for ones in together.values() if len(ones) > 1)


def _is_crowd(ones: list, reached: dict) -> bool:
    return min(len(ones), len(reached[ones[0]])) > 2


def _run_along(edges: list[tuple], along: dict, order: dict) -> list[tuple]:
    """The edges in a group, with one line from outside instead of several that lead to the same members."""
    reached: dict = defaultdict(list)
    for a, b in edges:
        if isinstance(a, Bend):
            reached[a].append(b)
    for ones in _alike(reached):
        along.update((one.origin, ones[0].origin) for one in ones[1:])
        order[ones[0]] = _mean_place(order[one] for one in ones)
    return list(
        dict.fromkeys((Bend(None, along.get(a.origin, a.origin)) if isinstance(a, Bend) else a, b) for a, b in edges)
    )


def _joined(edges: list[tuple], order: dict) -> list[tuple]:
    """The edges in a group, with one line from outside to a member instead of very many."""
    entering: dict = defaultdict(int)
    for a, b in edges:
        entering[b] += isinstance(a, Bend)
    joined: dict[tuple, None] = {}
    for a, b in edges:
        if isinstance(a, Bend) and entering[b] > MOST_ENTERING:
            a = Bend(None, b)
            order[a] = order[b]
        joined[a, b] = None
    return list(joined)


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


def rows_of(
    members: Sequence, edges: Sequence[tuple], wanted: dict, along: dict
) -> tuple[list[list], list[list[list[int]]]]:
    """Members in rows, every edge from an upper row to a lower one, and bends of edges in the rows between.

    Also, for each in a row, the places in the row above of what leads to it. `wanted` orders a row from left to right
    as far as crossings do not decide. An edge begins at a member or, as a bend, above all rows; it ends at a member or,
    as None, below all rows. `along` learns which members' lines run along another's."""
    after: dict = {one: [] for one in members}
    before: dict = {one: [] for one in members}
    for a, b in edges:
        if not isinstance(a, Bend) and b is not None:
            after[a].append(b)
            before[b].append(a)
    # from the last computed upwards, so that an input stands right above what first uses it
    order = _topological(members, after, before)
    reached: dict = defaultdict(list)
    for a, b in edges:
        reached[a].append(b)
    crowded = {
        one for ones in _alike({one: reached[one] for one in members}) if _is_crowd(ones, reached) for one in ones
    }
    height: dict = {}
    counts: dict[int, int] = defaultdict(int)
    for one in reversed(order):
        # where many lead to the same, a row between them lets their lines run together
        height[one] = max((height[b] + 1 + (one in crowded) for b in after[one]), default=0)
        while counts[height[one]] == WIDEST:
            height[one] += 1
        counts[height[one]] += 1
    top = max(height.values(), default=0)
    level = {one: top - height[one] for one in members}
    rows: list[list] = [[] for _ in range(top + 1)]
    for one in order:
        rows[level[one]].append(one)
    for row in rows:
        for ones in _alike({one: reached[one] for one in row}):
            along.update((one, ones[0]) for one in ones[1:])
            wanted[Bend(ones[0])] = _mean_place(wanted[Bend(one)] for one in ones)

    def line_of(a: Any) -> Bend:
        return a if isinstance(a, Bend) else Bend(along.get(a, a))

    links: list[dict] = [defaultdict(list) for _ in rows]  # of each row: {member or bend: those it leads to below}
    reach: dict = {}  # of a line: the first row below those that it passes
    starts: dict = defaultdict(dict)  # of a line: the members that it leads from
    for a, b in edges:
        line = line_of(a)
        reach[line] = max(reach.get(line, 0), top + 1 if b is None else level[b])
        if line is not a:
            starts[line][a] = None
    for line, last in reach.items():
        first = 0 if line.start is None else level[line.start] + 1
        for i in range(first, last):
            rows[i].append(line)
            if i > first:
                links[i - 1][line].append(line)
            else:
                for one in starts[line]:
                    links[i - 1][one].append(line)
    ends = ((a if level.get(a) == level[b] - 1 else line_of(a), b) for a, b in edges if b is not None)
    for a, b in dict.fromkeys(ends):
        if level[b] > 0:
            links[level[b] - 1][a].append(b)
    back: list[dict] = [defaultdict(list) for _ in rows]
    for i, joined in enumerate(links):
        for a, targets in joined.items():
            for b in targets:
                back[i + 1][b].append(a)
    for across in rows:
        across.sort(key=wanted.__getitem__)
    rows = _ordered(rows, links, back)
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


def _ordered(rows: list[list], links: list[dict], back: list[dict]) -> list[list]:
    """Rows sorted by the mean place of neighbours, downwards and upwards in turn: the order with the fewest crossings."""
    best, fewest = rows, _crossings(rows, links)
    lines_last = [sorted(row, key=lambda one: isinstance(one, Bend)) for row in rows]
    for start in (rows, lines_last):
        tried = [list(row) for row in start]
        for sweep in range(ORDERINGS):
            if not fewest:
                return best
            _sort_rows(tried, links, back, down=sweep % 2 == 0)
            _swap(tried, links, back)
            found = _crossings(tried, links)
            if found < fewest:
                best, fewest = [list(row) for row in tried], found
    return best


def _sort_rows(rows: list[list], links: list[dict], back: list[dict], down: bool) -> None:
    for i in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
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


def _swap(rows: list[list], links: list[dict], back: list[dict]) -> None:
    """Exchanges neighbours in a row as long as that leaves fewer crossings."""
    places = [{one: n for n, one in enumerate(row)} for row in rows]
    for _ in range(MOST_SWAPS):
        swapped = False
        for i, row in enumerate(rows):
            upper = places[i - 1] if i else {}
            lower = places[i + 1] if i + 1 < len(rows) else {}
            for n in range(len(row) - 1):
                a, b = row[n], row[n + 1]
                now = then = 0
                for known, joined in ((upper, back[i]), (lower, links[i])):
                    for one in joined[a]:
                        for other in joined[b]:
                            now += known[one] > known[other]
                            then += known[one] < known[other]
                if then < now:
                    row[n], row[n + 1] = b, a
                    places[i][a], places[i][b] = n + 1, n
                    swapped = True
        if not swapped:
            return


def _crossings(rows: list[list], links: list[dict]) -> int:
    """How many pairs of lines between neighbouring rows cross."""
    count = 0
    for upper, lower, joined in zip(rows, rows[1:], links):
        place = {one: n for n, one in enumerate(lower)}
        passed: list[int] = []
        for one in upper:
            ends = [place[other] for other in joined[one]]
            count += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return count


# ---------------------------------------------------------------- positions

# The page reads these numbers, too.
SPACING = {
    "across": 22.0,  # between neighbours in a row
    "beside": 10.0,  # between a passing line and its neighbour
    "down": 40.0,  # between rows
    "padding": 12.0,  # inside a group
    "title": 22.0,  # a group's heading
    "bend": 10.0,  # the width that a passing line takes
    "nodeHeight": 40.0,
    "letter": 7.4,  # the width of a letter
    "titleLetter": 6.7,  # and of smaller ones
    "badgeLetter": 6.1,
    "narrowest": 64.0,
    "sweeps": 24,  # of setting members in line
}


STRAIGHT = 4.0  # how much it matters that a line between nodes is straight


class Box(NamedTuple):
    """A rectangle: its left upper corner and its size."""

    x: float
    y: float
    width: float
    height: float


class Spot:
    """Where one of a row stands inside its group, while that is being decided."""

    __slots__ = ("above", "after", "before", "below", "height", "is_bend", "middle", "width", "y")

    def __init__(self, width: float, height: float, is_bend: bool) -> None:
        self.width = width
        self.height = height
        self.is_bend = is_bend
        self.middle = self.y = 0.0
        self.above: list[tuple[Spot, float]] = []  # with how much it matters that the line to it is straight
        self.below: list[tuple[Spot, float]] = []
        self.before: Spot | None = None  # its neighbours in the row
        self.after: Spot | None = None


def width_of(letters: float) -> float:
    """The width of a node, or of a folded group, with a text of so many letters in it."""
    return max(SPACING["narrowest"], SPACING["letter"] * letters + 20)


def letters_in(text: str) -> int:
    """How many letters wide a text is: East Asian ones take two."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def place(
    root: Group, widths: Sequence[float], is_folded: Callable[[Group], bool]
) -> tuple[dict[int | Group, Box], dict[tuple, list[tuple[int, float, float, float]]]]:
    """({visible node or group: its box}, {(group, *bend): [(row, x, y above, y below)]}); the root's box has it all."""
    sizes: dict = {}
    for group in reversed(list(_visible(root, is_folded))):
        _measure(group, widths, is_folded, sizes)
    boxes: dict[int | Group, Box] = {root: Box(0.0, 0.0, *sizes[root][:2])}
    bends: dict = {}
    for group in _visible(root, is_folded):
        corner = boxes[group]
        for number, (row, spots) in enumerate(zip(group.rows, sizes[group][2], strict=True)):
            for one, spot in zip(row, spots, strict=True):
                x, y = corner.x + spot.middle, corner.y + spot.y
                if isinstance(one, Bend):
                    bends.setdefault((group, *one), []).append((number, x, y, y + spot.height))
                else:
                    boxes[one] = Box(x - spot.width / 2, y, spot.width, spot.height)
    return boxes, bends


def points_between(bends: dict, levels: dict, steps: Iterable[tuple], origin: int) -> list[tuple[float, float]]:
    """The points that an edge from node `origin` passes, from the bends of `place` and the rows that members stand in."""
    points = []
    for group, a, b in steps:
        start = group.along.get(origin if a is None else a, origin if a is None else a)
        passed = bends.get((group, None, start)) if a is None else bends.get((group, start, None), ())
        if passed is None:
            passed = bends.get((group, None, b), ())
        last = levels.get((group, b))
        for row, x, top, bottom in passed:
            if last is None or row < last:
                points += [(x, top), (x, bottom)]
    return points


def parting(count: int) -> list[int]:
    """Which of so many points of a line part it: lines join at the first bend, and branch off below a bend."""
    return [0, 1] if count == 2 else [0, 1, *range(2, count - 1, 2), count - 1]


def levels_of(root: Group) -> dict[tuple, int]:
    """{(group, member): the row it stands in}."""
    return {
        (group, one): number for group in root.groups() for number, row in enumerate(group.rows) for one in row
    }  # fmt: skip


def _visible(root: Group, is_folded: Callable[[Group], bool]) -> Iterable[Group]:
    """The open groups that show, outer ones first."""
    stack = [root]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(m for m in one.members if isinstance(m, Group) and not is_folded(m))


def _measure(group: Group, widths: Sequence[float], is_folded: Callable[[Group], bool], sizes: dict) -> None:
    """Sets a group's (width, height, [[the spot of each in a row] of each row]) from its members'."""
    padding = SPACING["padding"]
    top = padding + (0.0 if group.kind == "graph" else SPACING["title"])
    spots: list[list[Spot]] = []
    for row, above in zip(group.rows, group.above, strict=True):
        line = []
        for one, places in zip(row, above, strict=True):
            if isinstance(one, Bend):
                spot = Spot(SPACING["bend"], 0.0, True)
            elif isinstance(one, Group) and not is_folded(one):
                spot = Spot(sizes[one][0], sizes[one][1], False)
            else:
                width = one.width if isinstance(one, Group) else widths[one]
                spot = Spot(width, SPACING["nodeHeight"], False)
            for place in places:
                upper = spots[-1][place]
                # long lines are to be straight above all; what branches off from them follows
                both = upper.is_bend and spot.is_bend
                weight = 8 if both else 0.05 if upper.is_bend or spot.is_bend else STRAIGHT
                spot.above.append((upper, weight))
                upper.below.append((spot, weight))
            line.append(spot)
        height = max((spot.height for spot in line), default=0.0)
        for spot in line:
            spot.y = top if spot.is_bend else top + (height - spot.height) / 2
            if spot.is_bend:
                spot.height = height  # straight down past its neighbours
        spots.append(line)
        top += height + SPACING["down"]
    _align(spots)
    _straighten(spots)
    left = min((spot.middle - spot.width / 2 for line in spots for spot in line), default=0.0)
    right = max((spot.middle + spot.width / 2 for line in spots for spot in line), default=0.0)
    width = max(right - left + 2 * padding, group.width)
    shift = (width - (right - left)) / 2 - left
    for line in spots:
        for spot in line:
            spot.middle += shift
    sizes[group] = (width, top - SPACING["down"] + padding, spots)


def _align(spots: list[list[Spot]]) -> None:
    """Sets the middles: row after row, each as near to the weighted mean of its neighbours' as the row has room."""
    for line in spots:
        _settle(line, [0.0] * len(line), [1.0] * len(line))
    for sweep in range(int(SPACING["sweeps"])):
        down = sweep % 2 == 0
        for line in spots if down else reversed(spots):
            wanted, weights = [], []
            for spot in line:
                near = spot.above + spot.below
                weight = sum(w for _, w in near)
                weights.append(weight or 0.01)
                wanted.append(sum(other.middle * w for other, w in near) / weight if weight else spot.middle)
            _settle(line, wanted, weights)


def _settle(line: list[Spot], wanted: list[float], weights: list[float]) -> None:
    """Sets the middles of a row in its order, apart from each other, with the least weighted square distance to what is wanted.

    That is an isotonic regression once the room that each needs is taken off, which pooling neighbours solves."""
    rooms, room = [], 0.0
    for n, spot in enumerate(line):
        if n:
            room += _apart(line[n - 1], spot)
        rooms.append(room)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, room in zip(wanted, weights, rooms):
        mean, count = want - room, 1
        while blocks and blocks[-1][0] >= mean:
            other_mean, other_weight, other_count = blocks.pop()
            mean = (mean * weight + other_mean * other_weight) / (weight + other_weight)
            weight += other_weight
            count += other_count
        blocks.append((mean, weight, count))
    n = 0
    for mean, _, count in blocks:
        for _ in range(count):
            line[n].middle = mean + rooms[n]
            n += 1


def _apart(spot: Spot, after: Spot) -> float:
    """How far the middles of two neighbours in a row are from each other, at least."""
    between = SPACING["beside" if spot.is_bend or after.is_bend else "across"]
    return spot.width / 2 + between + after.width / 2


def _straighten(spots: list[list[Spot]]) -> None:
    """Sets upright what leads straight on, a long line or a chain of nodes, as far down as its rows have room."""
    for line in spots:
        for spot, after in pairwise(line):
            spot.after, after.before = after, spot
    for line in spots:
        for first in line:
            if _follows(first):
                continue
            run: list[Spot] = []
            low, high = -inf, inf
            here: Spot | None = first
            while here is not None:
                left = -inf if here.before is None else here.before.middle + _apart(here.before, here)
                right = inf if here.after is None else here.after.middle - _apart(here, here.after)
                if run and max(low, left) > min(high, right):
                    _set_upright(run, low, high)
                    run, low, high = [], -inf, inf
                run.append(here)
                low, high = max(low, left), min(high, right)
                here = _leads_on(here)
            _set_upright(run, low, high)


def _set_upright(run: list[Spot], low: float, high: float) -> None:
    middle = min(max(_mean([spot.middle for spot in run]), low), high)
    for spot in run:
        spot.middle = middle


def _leads_on(spot: Spot) -> Spot | None:
    """What alone comes from it and from nothing else, beside lines that branch off."""
    below = _straight(spot.below)
    return below[0] if len(below) == 1 and _follows(below[0]) else None


def _follows(spot: Spot) -> Spot | None:
    """That from which alone it comes, and nothing else, beside lines that branch off."""
    above = _straight(spot.above)
    return above[0] if len(above) == 1 and len(_straight(above[0].below)) == 1 else None


def _straight(links: list[tuple[Spot, float]]) -> list[Spot]:
    return [other for other, weight in links if weight >= STRAIGHT]
