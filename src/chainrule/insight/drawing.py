"""`draw`: the graph behind a tensor as an SVG, or as one self-contained HTML page that folds and plays backward."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html import escape
from pathlib import Path
from typing import Any

from ..tensor import Tensor
from .briefly import place as place_of
from .figure import Figure
from .graph import Graph, Item, graph_of
from .layout import SPACING, Bend, Group, arrange, chains_of, letters_in, place, width_of
from .pictures import STYLE, clean, variables

SHOWN_AT_FIRST = 100  # about as many nodes and groups are open in a large graph
LONGEST_LABEL = 40


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
    """A graph as a picture. `svg()`, `html()` and `latex()` give the text, `save(path)` writes what the ending names."""

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
        chains = chains_of(self.root)
        for number, item in enumerate(graph.items):
            if item.is_marked:
                self.folded.difference_update(map(id, chains[number][:-1]))

    def __repr__(self) -> str:
        return f"<Drawing of {self.graph.name}: {len(self.graph.items)} nodes>"

    def svg(self, folded: bool = True) -> str:
        """The picture alone. Large graphs are partly folded, unless `folded` is False."""
        return self.figure(folded).svg()

    def latex(self, folded: bool = True) -> str:
        """The same picture as a `tikzpicture` environment, for a document that uses TikZ."""
        return self.figure(folded).tikz()

    def figure(self, folded: bool = True) -> Figure:
        """The boxes and lines of the picture."""
        return Figure(self, (lambda group: id(group) in self.folded) if folded else (lambda group: False))

    def mark_of(self, group: Group) -> tuple[str, str]:
        """What a folded group shows of what is in it: its mark and its badge; empty if there is nothing to see."""
        inside = [self.graph.items[n] for n in group.nodes()]
        for mark, told, count in (
            ("bad", "not finite", sum(item.is_bad for item in inside)),
            ("unreached", "no ∂", sum(not item.is_reached for item in inside)),
        ):
            if count:
                return mark, f"{count} {told}"
        return "", ""

    def html(self) -> str:
        """One page with everything in it: it loads nothing from anywhere."""
        page = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
        page = page.replace("{{colors}}", variables())
        # the page may run and look like this, and nothing else that might get into it
        styles = [_digest(page, "style"), _sha256(STYLE)]
        policy = (
            f"default-src 'none'; style-src {' '.join(styles)}; script-src {_digest(page, 'script')}; "
            "base-uri 'none'; form-action 'none'"
        )
        parts = {
            "picture": self.svg(),
            "title": escape(clean(f"Graph of {self.graph.name}")),
            "policy": policy,
            "data": _json(_in_columns(self.data())),
        }
        return re.sub(r"\{\{(title|policy|data|picture)\}\}", lambda found: parts[found[1]], page)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the page (.html), the picture (.svg), or a LaTeX document with the picture (.tex).

        Raises:
            ValueError: the path ends in none of these.
        """
        from .latex import document

        makers = {
            ".html": self.html, ".htm": self.html, ".svg": self.svg, ".tex": lambda: document(self.latex(), ("tikz",))
        }  # fmt: skip
        make = makers.get(Path(path).suffix.lower())
        if make is None:
            raise ValueError(f"{os.fspath(path)}: a drawing is saved as .html, .svg or .tex")
        Path(path).write_text(make(), encoding="utf-8")

    def _repr_html_(self) -> str:
        # a frame of its own: the page's style and script do not meet the notebook's
        page = escape(self.html(), quote=True)
        title = escape(clean(f"Graph of {self.graph.name}"), quote=True)
        boxes, _ = place(self.root, self.widths, lambda group: id(group) in self.folded)
        height = min(680, max(450, round(boxes[self.root].height) + 150))  # with the page's head and foot
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
                    "reached": item.is_reached,
                    "badge": item.badge,
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
                    "told": group.told,
                    "kind": group.kind,
                    "mark": mark,
                    "badge": badge,
                    "width": group.width,
                    "folded": id(group) in self.folded,
                    "rows": [[reference(one) for one in row] for row in group.rows],
                    "above": group.above,
                    "along": [[reference(one), reference(other)] for one, other in group.along.items()],
                }
                for group in groups
                for mark, badge in [self.mark_of(group)]
            ],
        }


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _detail(item: Item) -> str:
    """A node's second line: its value if that is short, else its shape."""
    return item.value if item.value and len(item.value) <= 14 else item.shape.partition("; ")[0]


def _in_columns(data: dict[str, Any]) -> dict[str, Any]:
    """The same with nodes and groups in columns, and each text once: a graph of 50,000 nodes has few different ones."""
    texts: dict[str, int] = {}
    packed = dict(data)
    for kind in ("nodes", "groups"):
        rows = data[kind]
        columns: dict[str, dict[str, list]] = {"texts": {}, "others": {}}
        for key in rows[0]:
            column = [row[key] for row in rows]
            if isinstance(column[0], str):
                columns["texts"][key] = [texts.setdefault(text, len(texts)) for text in column]
            else:
                columns["others"][key] = [int(one) if isinstance(one, bool) else one for one in column]
        packed[kind] = columns
    return packed | {"texts": list(texts)}


def _digest(page: str, tag: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    assert found is not None
    return _sha256(found[1])


def _sha256(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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
