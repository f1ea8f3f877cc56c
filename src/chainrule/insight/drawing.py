"""`draw`: the graph behind a tensor as an SVG, or as one self-contained HTML page that folds and plays backward."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from ..tensor import Tensor
from .briefly import place as place_of
from .graph import Graph, Item, graph_of
from .layout import (
    SPACING,
    Bend,
    Box,
    Group,
    arrange,
    chains_of,
    letters_in,
    levels_of,
    place,
    points_between,
    steps_of,
    width_of,
)

SHOWN_AT_FIRST = 100  # about as many nodes and groups are open in a large graph
LONGEST_LABEL = 40
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def draw(y: Tensor, x: Tensor | None = None, *, name: str | None = None) -> Drawing:
    """The graph behind `y`, drawn: shapes, values, gradients and source lines of all that it was computed from.

    With `x`, only what lies between `x` and `y`: the values through which `x` changes `y`.

    Shows itself in a notebook; ``.save("graph.html")`` writes a page, ``.save("graph.svg")`` a picture. The gradients
    are those of `y`, or of ``y.sum()`` if `y` has several elements; nothing is written to any `.grad`, and the graph
    may have been freed. `name` stands in the title instead of the variable's name.

    Raises:
        TypeError: `y` or `x` is no Tensor.
        RuntimeError: `y` does not require grad, so there is no graph, or was not computed from `x`.
    """
    return Drawing(graph_of(y, name, x))


class Drawing:
    """A graph as a picture. `svg()` and `html()` give the text, `save(path)` writes the one that the ending names."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.root = graph.groups()
        arrange(self.root, graph.edges)
        self.labels = [_short(item.label if item.operation else item.short) for item in graph.items]
        self.details = [_detail(item) for item in graph.items]
        self.widths = [
            # the second line is in smaller letters, and becomes the gradient when backward comes by
            max(width_of(letters_in(label)), width_of(0.82 * max(len(detail), len(item.slope))))
            for label, detail, item in zip(self.labels, self.details, graph.items, strict=True)
        ]
        self.folded = _folded_at_first(self.root)

    def __repr__(self) -> str:
        return f"<Drawing of {self.graph.name}: {len(self.graph.items)} nodes>"

    def svg(self, folded: bool = True) -> str:
        """The picture alone. Large graphs are partly folded, unless `folded` is False."""
        return _Picture(self, (lambda group: id(group) in self.folded) if folded else (lambda group: False)).text()

    def html(self) -> str:
        """One page with everything in it: it loads nothing from anywhere."""
        template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
        script = re.search("<script>(.*)</script>", template, re.DOTALL)
        assert script is not None
        digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
        parts = {
            "picture": self.svg(),
            "title": escape(_clean(f"Graph of {self.graph.name}")),
            "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'",
            "data": _json(self.data()),
        }
        return re.sub(r"\{\{(title|policy|data|picture)\}\}", lambda found: parts[found[1]], template)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the page (.html) or the picture (.svg).

        Raises:
            ValueError: the path ends in neither.
        """
        ending = Path(path).suffix.lower()
        if ending not in (".html", ".htm", ".svg"):
            raise ValueError(f"{os.fspath(path)}: a drawing is saved as .html or .svg")
        Path(path).write_text(self.svg() if ending == ".svg" else self.html(), encoding="utf-8")

    def _repr_html_(self) -> str:
        # a frame of its own: the page's style and script do not meet the notebook's
        page = escape(self.html(), quote=True)
        title = escape(_clean(f"Graph of {self.graph.name}"), quote=True)
        boxes, _ = place(self.root, self.widths, lambda group: id(group) in self.folded)
        height = min(640, max(360, round(boxes[self.root].height) + 190))  # with the page's head and foot
        return f'<iframe srcdoc="{page}" title="{title}" style="width:100%;height:{height}px;border:0"></iframe>'

    def _repr_svg_(self) -> str:
        return self.svg()

    def data(self) -> dict[str, Any]:
        """What the page shows, ready for JSON."""
        groups = list(self.root.groups())
        numbers = {id(group): -1 - n for n, group in enumerate(groups)}

        def reference(one: Any) -> Any:
            if isinstance(one, Bend):
                return [reference(one.start), reference(one.origin)]
            if one is None:
                return None
            return numbers[id(one)] if isinstance(one, Group) else one

        items = zip(self.graph.items, self.labels, self.details, self.widths, strict=True)
        return {
            "name": self.graph.name,
            "scalar": self.graph.scalar,
            "steps": self.graph.steps,
            "root": self.graph.numbers[self.graph.root[0]],
            "spacing": SPACING,
            "nodes": [
                {
                    "label": label,
                    "told": item.label,
                    "detail": detail,
                    "width": width,
                    "name": item.name,
                    "operation": item.operation,
                    "shape": item.shape,
                    "value": item.value,
                    "gradient": item.gradient,
                    "slope": item.slope,
                    "note": item.note,
                    "bad": item.is_bad,
                    "step": item.step,
                    "place": "" if item.source is None else place_of(item.source),
                    "text": "" if item.source is None else item.source.text,
                }
                for item, label, detail, width in items
            ],
            "edges": self.graph.edges,
            "groups": [
                {
                    "label": group.label,
                    "kind": group.kind,
                    "width": group.width,
                    "folded": id(group) in self.folded,
                    "rows": [[reference(one) for one in row] for row in group.rows],
                    "above": group.above,
                }
                for group in groups
            ],
        }


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _detail(item: Item) -> str:
    """A node's second line: its value if that is short, else its shape."""
    return item.value if item.value and len(item.value) <= 14 else item.shape.partition("; ")[0]


def _clean(text: str) -> str:
    """Text without the characters that XML and HTML cannot hold."""
    return _UNPRINTABLE.sub("�", text)


def _json(data: object) -> str:
    """JSON that can stand inside a script element: nothing in it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _folded_at_first(root: Group) -> set[int]:
    """The ids of the groups that are folded at first: none in a small graph; in a large one, those further inside."""
    if sum(1 for _ in root.nodes()) <= SHOWN_AT_FIRST:
        return set()
    folded = {id(group) for group in root.groups()} - {id(root)}
    shown, level = len(root.members), _together([root])
    while level:
        inner: list[list[Group]] = []
        for groups in level:
            more = sum(len(group.members) for group in groups)
            if shown + more > SHOWN_AT_FIRST:
                continue
            folded.difference_update(map(id, groups))
            shown += more
            inner += _together(groups)
        level = inner
    return folded


def _together(groups: list[Group]) -> list[list[Group]]:
    """The groups inside, those together that are open or folded together: rounds are alike, and what is in them."""
    inside = [m for group in groups for m in group.members if isinstance(m, Group)]
    alike = inside if len(groups) > 1 else [m for m in inside if m.span is not None]
    return [*([m] for m in inside if m not in alike), *([alike] if alike else [])]


class _Picture:
    """An SVG of a drawing, with some groups folded."""

    def __init__(self, drawing: Drawing, is_folded: Callable[[Group], bool]) -> None:
        self.drawing = drawing
        self.is_folded = is_folded
        self.boxes, self.bends = place(drawing.root, drawing.widths, is_folded)
        # of this picture alone, since a page may hold several
        shown = repr((drawing.labels, drawing.details, drawing.graph.edges, list(self.boxes.values())))
        self.tip = f"tip-{hashlib.sha256(shown.encode(errors='replace')).hexdigest()[:8]}"

    def text(self) -> str:
        whole = self.boxes[self.drawing.root]
        name = escape(_clean(self.drawing.graph.name))
        groups = [g for g in self.boxes if isinstance(g, Group) and g is not self.drawing.root]
        nodes = [n for n in self.boxes if not isinstance(n, Group)]
        body = [
            *self._lines(),
            *(self._group(g) for g in groups if not self.is_folded(g)),  # whose titles stand over the lines
            *(self._group(g) for g in groups if self.is_folded(g)),
            *(self._node(n) for n in nodes),
        ]
        size = f"{whole.width:.0f}", f"{whole.height:.0f}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chainrule" viewBox="0 0 {size[0]} {size[1]}" '
            f'width="{size[0]}" height="{size[1]}" role="img" aria-label="Graph of {name}">'
            f"<title>Graph of {name}</title><desc>{escape(_clean(self._description()))}</desc><style>{_STYLE}</style>"
            f'<defs><marker id="{self.tip}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>'
            f'<rect class="page" width="{size[0]}" height="{size[1]}"/>{"".join(body)}</svg>\n'
        )

    def _description(self) -> str:
        """For those who hear the picture: what it holds, and what leads to what."""
        items = self.drawing.graph.items
        said = [f"{len(items)} nodes, inputs above."]
        if len(items) <= SHOWN_AT_FIRST:
            for item in items:
                inputs = ", ".join(items[n].label for n in item.inputs)
                said.append(f"{item.label}{f' from {inputs}' if inputs else ''}.")
        return " ".join(said)

    def _node(self, number: int) -> str:
        item, box = self.drawing.graph.items[number], self.boxes[number]
        kind = "node" + (" leaf" if item.source is None else "") + (" bad" if item.is_bad else "")
        kind += " root" if number == self.drawing.graph.numbers[self.drawing.graph.root[0]] else ""
        radius = box.height / 2 if item.source is None else 6
        return (
            f'<g class="{kind}"><title>{escape(_clean(_told(item)))}</title>{_rectangle(box, radius)}'
            f"{_text(box.x + box.width / 2, box.y + 17, self.drawing.labels[number], 'label')}"
            f"{_text(box.x + box.width / 2, box.y + 32, self.drawing.details[number], 'detail')}</g>"
        )

    def _group(self, group: Group) -> str:
        box = self.boxes[group]
        if not self.is_folded(group):
            return f'<g class="frame">{_rectangle(box, 8)}{_text(box.x + 12, box.y + 17, group.label, "title")}</g>'
        count = f"{sum(1 for _ in group.nodes())} nodes"
        return (
            f'<g class="folded">{_rectangle(box, 6)}{_text(box.x + box.width / 2, box.y + 17, group.label, "label")}'
            f"{_text(box.x + box.width / 2, box.y + 32, count, 'detail')}</g>"
        )

    def _lines(self) -> list[str]:
        """One line for each visible pair that the graph's edges join."""
        chains, levels = chains_of(self.drawing.root), levels_of(self.drawing.root)
        drawn: dict[tuple, str] = {}
        for a, b in self.drawing.graph.edges:
            start, end = (next(one for one in reversed(chains[n]) if one in self.boxes) for n in (a, b))
            if start is end or (start, end) in drawn:
                continue
            upper, lower = self.boxes[start], self.boxes[end]
            points = [
                (upper.x + upper.width / 2, upper.y + upper.height),
                *points_between(self.bends, levels, steps_of(chains[a], chains[b]), a),
                (lower.x + lower.width / 2, lower.y),
            ]
            drawn[start, end] = f'<path class="edge" d="{_curve(points)}" marker-end="url(#{self.tip})"/>'
        return list(drawn.values())


def _told(item: Item) -> str:
    """All that is known of a node, as lines of text."""
    lines = [item.label]
    for what, value in (("shape", item.shape), ("value", item.value), ("gradient", item.gradient)):
        if value:
            lines.append(f"{what}: {value}")
    if item.source is not None:
        lines.append(f"{place_of(item.source)}: {item.source.text}")
    return "\n".join(lines)


def _rectangle(box: Box, radius: float) -> str:
    return (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.0f}"/>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(_clean(text))}</text>'


def _curve(points: list[tuple[float, float]]) -> str:
    """A line through points that leaves and enters each of them downwards."""
    (x, y), *rest = points
    path = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        path.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(path)


def _style(rules: str) -> str:
    """Rules for the parts of a picture alone, which may stand among others in a page."""
    return re.sub(
        r"([^{}]+)\{", lambda found: ",".join(f".chainrule {one.strip()}" for one in found[1].split(",")) + "{", rules
    )


_LIGHT = (
    ".page{fill:#f7f8fa}text{fill:#1d2430;stroke:none}.detail,.title{fill:#4d5866}.title{stroke:#f2f4f7}"
    ".node rect{fill:#fff;stroke:#3567b5}.leaf rect{fill:#eaf6ea;stroke:#2e7d32}.folded rect{fill:#e6eefb;stroke:#3567b5}"
    ".frame rect{fill:#7f8fa612;stroke:#b9c3d0}.bad rect{stroke:#b3261e}.edge{stroke:#8693a5}.tip{fill:#8693a5}"
)
_DARK = (
    ".page{fill:#12161d}text{fill:#e6ebf2;stroke:none}.detail,.title{fill:#a9b4c3}.title{stroke:#171c25}"
    ".node rect{fill:#1c2330;stroke:#7aa7f0}.leaf rect{fill:#16281a;stroke:#7cc47f}.folded rect{fill:#20304d;stroke:#7aa7f0}"
    ".frame rect{fill:#a0b4d20f;stroke:#435066}.bad rect{stroke:#ff8a80}.edge{stroke:#77859a}.tip{fill:#77859a}"
)
_PRINT = (
    ".page{fill:none}text,.detail,.title{fill:#000}.title{stroke:#fff}.node rect,.leaf rect,.folded rect{fill:#fff;"
    "stroke:#000}.frame rect{fill:none;stroke:#888}.bad rect{stroke:#000}.edge{stroke:#555}.tip{fill:#555}"
)
_SHAPES = (
    "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;text-anchor:middle}.detail{font-size:10px}"
    ".title{font-size:11px;text-anchor:start;paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
    ".edge{fill:none}.folded rect{stroke-dasharray:5 3}.root rect{stroke-width:2.5px}.bad rect{stroke-width:3px}"
)
_STYLE = (
    f"{_style(_SHAPES + _LIGHT)}@media(prefers-color-scheme:dark){{{_style(_DARK)}}}@media print{{{_style(_PRINT)}}}"
)
