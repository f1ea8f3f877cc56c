"""SVG: the colours of light, dark and print, lines of text as a picture, and pictures one below the other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from .layout import letters_in, width_of

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
LINE_HEIGHT = 17
MARGIN = 12


def clean(text: str) -> str:
    """Text without the characters that XML and HTML cannot hold."""
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


_PAGE = (
    ":root{--page:#f7f8fa;--text:#1d2430;--panel:#fff;--line:#b9c3d0;--told:#ffe1dd}"
    "@media(prefers-color-scheme:dark){:root{--page:#12161d;--text:#e6ebf2;--panel:#1a202a;--line:#435066;--told:#571f1b}}"
    "@media print{:root{--page:#fff;--text:#000;--panel:#fff;--line:#888;--told:#ddd}}"
    "body{margin:1.5rem auto;padding:0 1rem;max-width:75rem;background:var(--page);color:var(--text);"
    "font:15px/1.5 system-ui,sans-serif}h1{font-size:1.2rem}h2{font-size:1.05rem;overflow-wrap:anywhere}"
    "section{margin:1.2rem 0;padding:.2rem 1rem 1rem;background:var(--panel);border:1px solid var(--line);border-radius:6px}"
    "pre{overflow-x:auto;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"
    "mark{background:var(--told);color:inherit}.graph{overflow-x:auto}summary{cursor:pointer}"
)


def _scoped(rules: str) -> str:
    """Rules for the parts of a picture alone, which may stand among others in a page."""
    return re.sub(
        r"([^{}]+)\{", lambda found: ",".join(f".chainrule {one.strip()}" for one in found[1].split(",")) + "{", rules
    )


_LIGHT = (
    ".page{fill:#f7f8fa}text{fill:#1d2430;stroke:none}.detail,.title,.soft{fill:#4d5866}.title{stroke:#f2f4f7}"
    ".node rect{fill:#fff;stroke:#3567b5}.leaf rect{fill:#eaf6ea;stroke:#2e7d32}.folded rect{fill:#e6eefb;stroke:#3567b5}"
    ".frame rect{fill:#7f8fa612;stroke:#b9c3d0}.bad rect{stroke:#b3261e}.edge{stroke:#8693a5}.tip{fill:#8693a5}"
    "rect.told{fill:#ffe1dd}.marked rect{fill:#ffe1dd;stroke:#b3261e}.edge.cut{stroke:#b3261e}"
)
_DARK = (
    ".page{fill:#12161d}text{fill:#e6ebf2;stroke:none}.detail,.title,.soft{fill:#a9b4c3}.title{stroke:#171c25}"
    ".node rect{fill:#1c2330;stroke:#7aa7f0}.leaf rect{fill:#16281a;stroke:#7cc47f}.folded rect{fill:#20304d;stroke:#7aa7f0}"
    ".frame rect{fill:#a0b4d20f;stroke:#435066}.bad rect{stroke:#ff8a80}.edge{stroke:#77859a}.tip{fill:#77859a}"
    "rect.told{fill:#571f1b}.marked rect{fill:#571f1b;stroke:#ff8a80}.edge.cut{stroke:#ff8a80}"
)
_PRINT = (
    ".page{fill:none}text,.detail,.title,.soft{fill:#000}.title{stroke:#fff}.node rect,.leaf rect,.folded rect{fill:#fff;"
    "stroke:#000}.frame rect{fill:none;stroke:#888}.bad rect{stroke:#000}.edge{stroke:#555}.tip{fill:#555}"
    "rect.told{fill:#ddd}.marked rect{fill:#ddd;stroke:#000}.edge.cut{stroke:#000}"
)
_SHAPES = (
    "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;text-anchor:middle}.detail{font-size:10px}"
    ".title{font-size:11px;text-anchor:start;paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
    ".line{text-anchor:start}.heading{font-weight:bold}"
    ".edge{fill:none}.folded rect{stroke-dasharray:5 3}.root rect{stroke-width:2.5px}.bad rect,.marked rect{stroke-width:3px}"
    ".cut rect{stroke-dasharray:7 4}.edge.cut{stroke-dasharray:5 4}"
)
STYLE = (
    f"{_scoped(_SHAPES + _LIGHT)}@media(prefers-color-scheme:dark){{{_scoped(_DARK)}}}@media print{{{_scoped(_PRINT)}}}"
)
