"""How recorded gradients are shown: columns of text, a table in a notebook, and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from . import briefly
from .pictures import LINE_HEIGHT, MARGIN, clean, picture, text_at

MOST_ROWS = 200  # of a table in a notebook
SMALL_BINS = 12
BAR = 240  # the width of the longest in a picture
_CELL = "text-align:left"
_NAME = "text-align:left;min-width:8em;max-width:22em;overflow-wrap:anywhere"  # names may be of any length
ALARM = ' style="background:rgba(200,40,30,.18)"'


class Histogram(NamedTuple):
    """Counts of gradients' elements between edges; shows itself as bars."""

    counts: np.ndarray
    edges: np.ndarray

    def __repr__(self) -> str:
        most = max(self.counts.max(initial=0), 1)
        lines = []
        for count, low, high in zip(self.counts, self.edges[:-1], self.edges[1:]):
            bar = "█" * round(40 * count / most)
            lines.append(f"{briefly.number(low):>10} … {briefly.number(high):>10}  {count:>7}  {bar}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        most = max(self.counts.max(initial=0), 1)
        body = []
        for n, (count, low, high) in enumerate(zip(self.counts, self.edges[:-1], self.edges[1:])):
            top = MARGIN + LINE_HEIGHT * n
            text = f"{briefly.number(low):>10} … {briefly.number(high):<10} {count:>7}"
            body.append(text_at(MARGIN, top + 13, text, "line"))
            body.append(
                f'<rect class="bar" x="260" y="{top + 2}" width="{BAR * count / most:.1f}" height="{LINE_HEIGHT - 4}"/>'
            )
        height = LINE_HEIGHT * len(self.counts) + 2 * MARGIN
        return picture(260 + BAR + MARGIN, height, "Histogram", "".join(body), description=repr(self))


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text under each other, two spaces between columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(t.ljust(w) for t, w in zip(row, widths)).rstrip() for row in rows)


def table(rows: Sequence[tuple[str, ...]], gradients: Sequence[np.ndarray]) -> str:
    """The same in HTML, the first row as the head: with the spread of each gradient, and its alarm if it is not finite or 0.

    Of very many, the first and the last, in a part of the notebook that scrolls."""
    head, body = rows[0], rows[1:]
    left = max(0, len(body) - MOST_ROWS)
    lines = [_row(row, gradient) for row, gradient in zip(body, gradients, strict=True)]
    if left:
        told = f'<tr><td colspan="{len(head) + 1}">… {left} more: <code>.table()</code> has them all</td></tr>'
        lines = [*lines[: MOST_ROWS // 2], told, *lines[-MOST_ROWS // 2 :]]
    titles = "".join(f'<th scope="col" style="{_CELL}">{escape(text)}</th>' for text in (*head, "spread"))
    return (
        '<div style="max-height:32em;overflow:auto"><table>'
        f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _row(texts: tuple[str, ...], gradient: np.ndarray) -> str:
    finite = gradient[np.isfinite(gradient)]
    if finite.size < gradient.size:
        alarm, style = "nan" if np.isnan(gradient).any() else "inf", ALARM
    else:
        alarm, style = "all 0" if gradient.size and not gradient.any() else "", ""
    styles = (_NAME, *[_CELL] * (len(texts) - 1))
    cells = "".join(f'<td style="{s}">{escape(clean(text))}</td>' for s, text in zip(styles, texts, strict=True))
    spread = f"<strong>{alarm}</strong>" if alarm else _small_histogram(finite)
    return f'<tr{style}>{cells}<td style="{_CELL}">{spread}</td></tr>'


def _small_histogram(elements: np.ndarray) -> str:
    if elements.size < 2 or elements.min() == elements.max():
        return ""
    counts, _ = np.histogram(elements, SMALL_BINS)
    bars = "".join(
        f'<rect x="{5 * n}" y="{16 - height:.1f}" width="4" height="{height:.1f}"/>'
        for n, height in enumerate(16 * counts / counts.max())
    )
    told = f"{briefly.number(elements.min())} … {briefly.number(elements.max())}"
    return (
        f'<svg width="{5 * SMALL_BINS}" height="16" fill="currentColor" role="img" aria-label="{told}">'
        f"<title>{told}</title>{bars}</svg>"
    )
