"""SVG: the colours of light, dark and print, lines of text as a picture, and pictures one below the other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from .layout import letters_in, width_of

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
LINE_HEIGHT = 17
MARGIN = 12


def clean(text: str) -> str:
    """Text without the characters that XML and HTML cannot hold, and those that turn around what stands beside them."""
    return _UNPRINTABLE.sub("�", text)


def picture(width: float, height: float, title: str, body: str, description: str = "", definitions: str = "") -> str:
    """An SVG with this body on a page of its size, in the colours of whoever looks at it."""
    name, size = escape(clean(title)), (f"{width:.0f}", f"{height:.0f}")
    told = f"<desc>{escape(clean(description))}</desc>" if description else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chainrule" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
        f'height="{size[1]}" role="img" aria-label="{name}"><title>{name}</title>{told}<style>{STYLE}</style>{definitions}'
        f'<rect class="page" width="{size[0]}" height="{size[1]}"/>{body}</svg>\n'
    )


def text_at(x: float, y: float, text: str, kind: str) -> str:
    """A line of text, of the kind that its style goes by."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" xml:space="preserve">{escape(clean(text))}</text>'


def text_picture(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """A picture of lines, each with its kind: "line", "heading", "soft", or "told", a line that is pointed out."""
    lines = list(lines)
    width = max((width_of(letters_in(text)) for _, text in lines), default=0) + 2 * MARGIN
    rows = []
    for n, (kind, text) in enumerate(lines):
        top = MARGIN + LINE_HEIGHT * n
        if kind == "told":
            rows.append(f'<rect class="told" x="0" y="{top}" width="{width:.0f}" height="{LINE_HEIGHT}"/>')
        if text:
            rows.append(text_at(MARGIN, top + 13, text, f"line {kind}"))
    return picture(width, LINE_HEIGHT * len(lines) + 2 * MARGIN, title, "".join(rows))


def stacked(pictures: list[str], title: str) -> str:
    """Pictures, one below the other, as one."""
    sizes = [tuple(int(n) for n in re.search(r'width="(\d+)" height="(\d+)"', p).groups()) for p in pictures]
    width, height, top, placed = max(w for w, _ in sizes), sum(h for _, h in sizes), 0, []
    for one, (_, own) in zip(pictures, sizes, strict=True):
        placed.append(one.strip().replace("<svg ", f'<svg y="{top}" ', 1))
        top += own
    return picture(width, height, title, "".join(placed))


def page(title: str, body: str) -> str:
    """A page of HTML that needs nothing else, in the colours of whoever looks at it."""
    name = escape(clean(title))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{name}</title><style>{_PAGE}</style></head>\n<body><h1>{name}</h1>{body}</body></html>\n"
    )


# ---------------------------------------------------------------- style


# {part: (its colour in light, in dark, on paper)}; the pages use them as variables
COLORS = {
    "page": ("#f7f8fa", "#12161d", "#fff"),
    "panel": ("#fff", "#1a202a", "#fff"),
    "text": ("#1d2430", "#e6ebf2", "#000"),
    "soft": ("#4d5866", "#b3bdca", "#333"),
    "line": ("#647182", "#8896ab", "#555"),
    "frame": ("#a3afbe", "#4d5b73", "#888"),
    "tint": ("#7f8fa612", "#a0b4d20f", "transparent"),
    "node": ("#fff", "#1c2330", "#fff"),
    "node-line": ("#3567b5", "#7aa7f0", "#000"),
    "leaf": ("#eaf6ea", "#16281a", "#fff"),
    "leaf-line": ("#2e7d32", "#7cc47f", "#000"),
    "fold": ("#e6eefb", "#20304d", "#fff"),
    "bad": ("#b3261e", "#ff8a80", "#000"),
    "on-bad": ("#fff", "#12161d", "#fff"),
    "told": ("#ffe1dd", "#571f1b", "#ddd"),
    "now": ("#ffe9b8", "#4a380d", "#fff"),
    "now-line": ("#955400", "#ffca66", "#000"),
    "found": ("#ffd54a", "#5c4a00", "#fff"),
    "found-line": ("#7a5b00", "#ffd54a", "#000"),
    "focus": ("#0b57d0", "#a8c7fa", "#000"),
}


def variables() -> str:
    """The colours as CSS variables, in light, dark, print, and where the reader's system has colours of its own."""

    def of(kind: int) -> str:
        return ":root{" + ";".join(f"--{part}:{colors[kind]}" for part, colors in COLORS.items()) + "}"

    forced = ";".join(f"--{part}:{color}" for part, color in _FORCED.items())
    return f"{of(0)}@media(prefers-color-scheme:dark){{{of(1)}}}@media(forced-colors:active){{:root{{{forced}}}}}@media print{{{of(2)}}}"


_FORCED = {
    **dict.fromkeys(COLORS, "CanvasText"),
    **dict.fromkeys(("page", "panel", "node", "leaf", "fold", "told", "now", "found", "on-bad"), "Canvas"),
    **dict.fromkeys(("now-line", "found-line", "focus"), "Highlight"),
    "tint": "transparent",
}
_PAGE = (
    f"{variables()}"
    "body{margin:1.5rem auto;padding:0 1rem;max-width:75rem;background:var(--page);color:var(--text);"
    "font:15px/1.5 system-ui,sans-serif}h1{font-size:1.2rem}h2{font-size:1.05rem;overflow-wrap:anywhere}"
    "section{margin:1.2rem 0;padding:.2rem 1rem 1rem;background:var(--panel);border:1px solid var(--frame);border-radius:6px}"
    "pre{overflow-x:auto;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"
    "mark{background:var(--told);color:inherit}.graph{overflow-x:auto}summary{cursor:pointer}"
)


def _scoped(rules: str) -> str:
    """Rules for the parts of a picture alone, which may stand among others in a page."""
    return re.sub(
        r"([^{}]+)\{", lambda found: ",".join(f".chainrule {one.strip()}" for one in found[1].split(",")) + "{", rules
    )


def _colored(kind: int) -> str:
    """The rules with colours: not as variables, which not every program that shows an SVG knows."""
    return _scoped(re.sub(r"\$([a-z-]+)", lambda found: COLORS[found[1]][kind], _COLORED))


_SHAPES = (
    "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;text-anchor:middle}.detail{font-size:10px}"
    ".title{font-size:11px;text-anchor:start}.badge{font-size:10px;font-weight:bold}"
    ".line{text-anchor:start}.heading{font-weight:bold}"
    ".edge{fill:none}.folded rect{stroke-dasharray:5 3}.root rect{stroke-width:2.5px}.bad rect,.marked rect{stroke-width:3px}"
    ".unreached rect{stroke-dasharray:2 3}.cut rect{stroke-dasharray:7 4}.edge.cut{stroke-dasharray:5 4}"
    ".node .behind-badge,.folded .behind-badge{stroke-width:1px;stroke-dasharray:none}"
)
_COLORED = (
    ".page{fill:$page}text{fill:$text}.detail,.title,.soft,.badge{fill:$soft}"
    ".node rect{fill:$node;stroke:$node-line}.leaf rect{fill:$leaf;stroke:$leaf-line}.folded rect{fill:$fold;stroke:$node-line}"
    ".frame rect{fill:$tint;stroke:$frame}.frame .behind-title{fill:$page;stroke:none}.bad rect{stroke:$bad}"
    ".edge{stroke:$line}.tip{fill:$line}.marked rect{fill:$told;stroke:$bad}.edge.cut{stroke:$bad}"
    ".unreached .behind-badge{fill:$page;stroke:$soft}.bad .behind-badge{fill:$bad;stroke:$bad}.bad .badge{fill:$on-bad}"
    "rect.told{fill:$told}.bar{fill:$node-line}"
)
STYLE = (
    f"{_scoped(_SHAPES)}{_colored(0)}@media(prefers-color-scheme:dark){{{_colored(1)}}}"
    f"@media print{{{_colored(2)}{_scoped('.page{fill:none}')}}}"
)
