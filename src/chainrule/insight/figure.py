"""What a drawing shows when some of its groups are folded: boxes with texts, and lines between them, as SVG and as TikZ."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from .briefly import place as place_of
from .latex import escape as in_latex
from .layout import SPACING, Box, Group, chains_of, letters_in, levels_of, parting, place, points_between, steps_of
from .pictures import clean, picture, text_at

if TYPE_CHECKING:
    from .drawing import Drawing
    from .graph import Item

MOST_TOLD = 100  # nodes that the description goes through one by one


class Text(NamedTuple):
    x: float
    y: float  # of the letters' foot
    text: str
    kind: str  # "label", "detail", "title" or "badge"

    @property
    def plate(self) -> Box | None:
        """What is behind a text that stands on lines or a border."""
        letter = {"title": SPACING["titleLetter"], "badge": SPACING["badgeLetter"]}.get(self.kind)
        if letter is None:
            return None
        width = letters_in(self.text) * letter + 10
        return Box(self.x - 5 if self.kind == "title" else self.x - width / 2, self.y - 12, width, 16)


class Shape(NamedTuple):
    """A box and what is in it; its kind ("node", "leaf", "folded", "frame") and marks ("bad", "unreached", "root", "marked", "cut")."""

    kinds: tuple[str, ...]
    box: Box
    radius: float
    texts: tuple[Text, ...]
    told: str = ""  # all that is known of it


class Line(NamedTuple):
    """A line through points, which it leaves and enters downwards, or a part of one.

    Its kind ("edge") and marks: "cut", or "through", where it does not end."""

    kinds: tuple[str, ...]
    points: tuple[tuple[float, float], ...]


class Figure:
    """The boxes and lines of a drawing: `frames` around `shapes`, and the `lines` between these."""

    def __init__(self, drawing: Drawing, is_folded: Callable[[Group], bool]) -> None:
        self.drawing = drawing
        self.name = f"Graph of {drawing.graph.name}"
        self.boxes, self.bends = place(drawing.root, drawing.widths, is_folded)
        whole = self.boxes[drawing.root]
        self.width, self.height = whole.width, whole.height
        groups = [g for g in self.boxes if isinstance(g, Group) and g is not drawing.root]
        self.frames = [self._frame(g) for g in groups if not is_folded(g)]  # whose titles stand over the lines
        self.lines = self._lines()
        nodes = [self._node(n) for n in self.boxes if not isinstance(n, Group)]
        self.shapes = [*(self._folded(g) for g in groups if is_folded(g)), *nodes]

    def _node(self, number: int) -> Shape:
        item, box = self.drawing.graph.items[number], self.boxes[number]
        is_root = number == self.drawing.graph.numbers[self.drawing.graph.root[0]]
        marks = {
            "leaf": item.source is None,
            "bad": item.is_bad,
            "unreached": not item.is_reached,
            "root": is_root,
            "marked": item.is_marked,
            "cut": item.is_cut,
        }
        middle = box.x + box.width / 2
        texts = (
            Text(middle, box.y + 17, self.drawing.labels[number], "label"),
            Text(middle, box.y + 32, self.drawing.details[number], "detail"),
            *_badge(box, item.badge),
        )
        radius = box.height / 2 if item.source is None else 6
        return Shape(("node", *(mark for mark, has in marks.items() if has)), box, radius, texts, _told(item))

    def _frame(self, group: Group) -> Shape:
        box = self.boxes[group]
        return Shape(("frame",), box, 8, (Text(box.x + 12, box.y + 17, group.label, "title"),))

    def _folded(self, group: Group) -> Shape:
        box, count = self.boxes[group], f"{sum(1 for _ in group.nodes())} nodes"
        middle = box.x + box.width / 2
        mark, badge = self.drawing.mark_of(group)
        texts = (
            Text(middle, box.y + 17, group.label, "label"),
            Text(middle, box.y + 32, count, "detail"),
            *_badge(box, badge),
        )
        return Shape(("folded", mark) if mark else ("folded",), box, 6, texts)

    def _lines(self) -> list[Line]:
        """One line for each visible pair that the graph's edges join, in parts: lines that run together share theirs."""
        chains, levels = chains_of(self.drawing.root), levels_of(self.drawing.root)
        joined: set[tuple] = set()
        found: dict[Line, None] = {}
        for a, b in self.drawing.graph.edges:
            start, end = (next(one for one in reversed(chains[n]) if one in self.boxes) for n in (a, b))
            if start is end or (start, end) in joined:
                continue
            joined.add((start, end))
            upper, lower = self.boxes[start], self.boxes[end]
            points = [
                (upper.x + upper.width / 2, upper.y + upper.height),
                *points_between(self.bends, levels, steps_of(chains[a], chains[b]), a),
                (lower.x + lower.width / 2, lower.y),
            ]
            kinds = ("edge", "cut") if self.drawing.graph.items[a].is_cut else ("edge",)
            for a, b in pairwise(parting(len(points))):
                ends = b + 1 == len(points)
                found[Line(kinds if ends else (*kinds, "through"), tuple(points[a : b + 1]))] = None
        return list(found)

    # ---- SVG

    def svg(self) -> str:
        """The figure as an SVG picture."""
        # of this picture alone, since a page may hold several
        shown = repr((self.name, self.frames, self.lines, self.shapes))
        tip = f"tip-{hashlib.sha256(shown.encode(errors='replace')).hexdigest()[:8]}"
        body = [
            *(
                f'<path class="{" ".join(line.kinds)}" d="{_curve(line.points)}"'
                + ("/>" if "through" in line.kinds else f' marker-end="url(#{tip})"/>')
                for line in self.lines
            ),
            *(_svg_of(shape) for shape in (*self.frames, *self.shapes)),
        ]
        marker = (
            f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
            'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>'
        )
        return picture(self.width, self.height, self.name, "".join(body), self._description(), marker)

    def _description(self) -> str:
        """For those who hear the picture: what it holds, and what leads to what."""
        items = self.drawing.graph.items
        said = [f"{len(items)} nodes, inputs above."]
        if len(items) <= MOST_TOLD:
            for item in items:
                inputs = ", ".join(items[n].label for n in item.inputs)
                said.append(f"{item.label}{f' from {inputs}' if inputs else ''}.")
        return " ".join(said)

    # ---- TikZ

    def tikz(self) -> str:
        """The figure as a `tikzpicture`, which needs TikZ and none of its libraries."""
        body = [
            *map(_tikz_box, self.frames),
            *(f"\\draw[{_styles(line.kinds)}] {_controls(line.points)};" for line in self.lines),
            *(text for frame in self.frames for text in _tikz_texts(frame)),
            *(part for shape in self.shapes for part in (_tikz_box(shape), *_tikz_texts(shape))),
        ]
        return "\\begin{tikzpicture}[" + _TIKZ_STYLES + "]\n" + "\n".join(body) + "\n\\end{tikzpicture}"


def _badge(box: Box, text: str) -> tuple[Text, ...]:
    """On the right end of a box's upper border, if there is one."""
    width = letters_in(text) * SPACING["badgeLetter"] + 10
    return (Text(box.x + box.width + 6 - width / 2, box.y, text, "badge"),) if text else ()


def _svg_of(shape: Shape) -> str:
    told = f"<title>{escape(clean(shape.told))}</title>" if shape.told else ""
    parts = [_rectangle(shape.box, shape.radius)]
    for text in shape.texts:
        if text.plate is not None:
            parts.append(_rectangle(text.plate, 4, f'class="behind-{text.kind}" '))
        parts.append(text_at(*text))
    return f'<g class="{" ".join(shape.kinds)}">{told}{"".join(parts)}</g>'


def _rectangle(box: Box, radius: float, more: str = "") -> str:
    return f'<rect {more}x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:.0f}"/>'


def _curve(points: Sequence[tuple[float, float]]) -> str:
    x, y = points[0]
    pieces = (f"C{a:.1f} {b:.1f} {c:.1f} {d:.1f} {e:.1f} {f:.1f}" for a, b, c, d, e, f in _beziers(points))
    return f"M{x:.1f} {y:.1f}" + "".join(pieces)


def _controls(points: Sequence[tuple[float, float]]) -> str:
    """The same curve as TikZ writes it."""
    x, y = points[0]
    pieces = (
        f" .. controls ({a:.1f},{b:.1f}) and ({c:.1f},{d:.1f}) .. ({e:.1f},{f:.1f})"
        for a, b, c, d, e, f in _beziers(points)
    )
    return f"({x:.1f},{y:.1f})" + "".join(pieces)


def _beziers(points: Sequence[tuple[float, float]]) -> list[tuple[float, ...]]:
    """The two controls and the end of each piece of a curve that leaves and enters its points downwards."""
    return [(x, (y + to_y) / 2, to_x, (y + to_y) / 2, to_x, to_y) for (x, y), (to_x, to_y) in pairwise(points)]


def _tikz_box(shape: Shape) -> str:
    box = shape.box
    corner = min(shape.radius, box.height / 2) * PIXEL
    return (
        f"\\draw[{_styles(shape.kinds)}, rounded corners={corner:.1f}pt] ({box.x:.1f},{box.y:.1f}) rectangle "
        f"({box.x + box.width:.1f},{box.y + box.height:.1f});"
    )


def _tikz_texts(shape: Shape) -> list[str]:
    return [
        f"\\node[graph {text.kind}] at ({text.x:.1f},{text.y:.1f}) {{{in_latex(text.text)}}};" for text in shape.texts
    ]


def _styles(kinds: tuple[str, ...]) -> str:
    return ", ".join(f"graph {kind}" for kind in kinds)


PIXEL = 0.75  # points
_TIKZ_STYLES = f"""
  x={PIXEL}pt, y=-{PIXEL}pt, >=latex,
  graph node/.style={{draw=blue!55!black, fill=white}}, graph leaf/.style={{draw=green!45!black, fill=green!7}},
  graph folded/.style={{draw=blue!55!black, fill=blue!6, dashed}}, graph frame/.style={{draw=black!25, fill=black!6, fill opacity=.5}},
  graph root/.style={{line width=1.4pt}}, graph bad/.style={{draw=red!75!black, line width=1.8pt}},
  graph marked/.style={{draw=red!75!black, fill=red!12, line width=1.8pt}}, graph cut/.style={{draw=red!75!black, dashed}},
  graph edge/.style={{->, draw=black!50}}, graph through/.style={{-}},
  graph label/.style={{anchor=base, inner sep=0pt, font=\\ttfamily\\frenchspacing\\fontsize{{9}}{{11}}\\selectfont}},
  graph detail/.style={{anchor=base, inner sep=0pt, font=\\ttfamily\\frenchspacing\\fontsize{{7.5}}{{9}}\\selectfont, text=black!65}},
  graph unreached/.style={{densely dotted}},
  graph badge/.style={{anchor=base, fill=white, draw=black!65, inner sep=1.2pt, font=\\ttfamily\\frenchspacing\\fontsize{{7}}{{8}}\\selectfont}},
  graph title/.style={{anchor=base west, fill=white, inner sep=1pt, font=\\ttfamily\\frenchspacing\\fontsize{{8}}{{10}}\\selectfont, text=black!65}},
"""


def _told(item: Item) -> str:
    """All that is known of a node, as lines of text."""
    lines = [item.label]
    for what, value in (("shape", item.shape), ("value", item.value), ("gradient", item.gradient)):
        if value:
            lines.append(f"{what}: {value}")
    if item.source is not None:
        lines.append(f"{place_of(item.source)}: {item.source.text}")
    return "\n".join(lines)
