"""The findings of `chainrule why FILE` with their lines of the program and the graph around them, in every format."""

from __future__ import annotations

import ast
import linecache
import textwrap
from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

from ..tensor import Tensor, gradient_edge
from .drawing import Drawing
from .graph import MissingInput, graph_of
from .latex import document, escape as in_latex
from .pictures import clean, stacked, text_picture
from .source import short_path
from .syntax import simple_name, syntax_of
from .values import edges_of, expression_of, operand_of, reachable

AROUND = 2  # lines before and after the one that a finding names
WIDEST = 100  # letters of a line in a picture
NONE = "no finding"


class Finding(NamedTuple):
    """What went wrong: `reason` about what is called `name`; `drawing` of the graph there, if one shows it."""

    name: str
    reason: Any
    drawing: Drawing | None = None

    @property
    def title(self) -> str:
        return f"{self.name}: {self.reason.cause}"

    @property
    def place(self) -> str:
        """FILE:LINE as one would type it, or nothing."""
        source = self.reason.source
        return "" if source is None else f"{short_path(source.file)}:{source.line}"

    def lines(self) -> list[tuple[int, str, bool]]:
        """(number, text, whether it is meant) of the lines of the program around the finding's."""
        source = self.reason.source
        if source is None:
            return []
        numbers = range(max(1, source.line - AROUND), source.line + AROUND + 1)
        texts = {n: linecache.getline(source.file, n).rstrip() for n in numbers}
        if not texts[source.line]:
            return [(source.line, source.text, True)] if source.text else []
        margin = textwrap.dedent("\n".join(texts.values())).split("\n")
        shown = [(n, text, n == source.line) for n, text in zip(numbers, margin, strict=True)]
        while not shown[-1][1]:
            shown.pop()
        while not shown[0][1]:
            shown.pop(0)
        return shown


# ---------------------------------------------------------------- the graph


def drawing_of(y: Tensor, x: Tensor | None, name: str, reason: Any, names: dict[int, str]) -> Drawing | None:
    """The graph behind `y`, or between `x` and `y`, with what a finding is about marked; None where nothing in it is.

    That is the operations on the finding's line. A value that came without its history, because that was cut on the
    line, is a box of its own beside what takes it. `names` are those of leaves, by their ids, that no variable holds any
    more when the program ends.
    """
    source = reason.source
    cut = None
    if source is not None:
        cut = MissingInput(f"{name}: {reason.cause}", f"{short_path(source.file)}:{source.line}", _taken_at(source))
    graph = graph_of(y, x=x if x is not None and _is_behind(x, y) else None, missing=cut)
    for leaf, number in graph.numbers.items():
        if graph.items[number].name == "leaf" and id(leaf) in names:
            graph.items[number].name = graph.items[number].short = names[id(leaf)]
    graph.mark(source, x)
    return Drawing(graph) if any(item.is_marked for item in graph.items) else None


def _is_behind(x: Tensor, y: Tensor) -> bool:
    """Whether `y` was computed from `x` through the recorded graph."""
    start = gradient_edge(x)[0]
    return any(start is one for node in reachable(gradient_edge(y)[0]) for one in (node, *node.edges))


def _taken_at(place: Any) -> Callable[[Any, int], bool]:
    """Whether an operation takes, as an input without history, what a line of the program makes."""
    bound = _bound_at(place)

    def takes(node: Any, number: int) -> bool:
        if node.code.co_filename != place.file:
            return False
        operand = operand_of(node, number)
        if operand is None:  # inside a module's call, of which the data is the first input without a history
            call = expression_of(node)
            given = call.args if isinstance(call, ast.Call) and edges_of(node).index(None) == number else []
            return any(simple_name(one) in bound for one in given)
        if operand.lineno <= place.line <= (operand.end_lineno or operand.lineno):
            return isinstance(operand, (ast.Call, ast.Attribute))
        return any(simple_name(one) in bound for one in ast.walk(operand) if isinstance(one, (ast.Name, ast.Attribute)))

    return takes


def _bound_at(place: Any) -> set[str]:
    """The variables that the statement on a line binds."""
    syntax = syntax_of(place.file)
    bound: set[str] = set()
    for node in [] if syntax is None else ast.walk(syntax.tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.lineno <= place.line <= (node.end_lineno or 0):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                parts = target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]
                bound |= {name for part in parts if (name := simple_name(part)) is not None}
    return bound


# ---------------------------------------------------------------- formats


def data(findings: list[Finding]) -> list[dict[str, Any]]:
    """The findings, ready for JSON."""
    return [
        {
            "name": name,
            "cause": reason.cause,
            "sentence": reason.sentence,
            "remedy": reason.remedy,
            "file": None if reason.source is None else reason.source.file,
            "line": None if reason.source is None else reason.source.line,
        }
        for name, reason, _ in findings
    ]


def svg(title: str, findings: list[Finding]) -> str:
    """One picture: each finding in words, beside its lines of the program, above the graph that shows it."""
    pictures = []
    for finding in findings:
        said = [finding.reason.sentence, *([f"Remedy: {finding.reason.remedy}."] if finding.reason.remedy else [])]
        lines = [("heading", finding.title)]
        lines += [("", line) for part in said for line in textwrap.wrap(part, WIDEST, break_on_hyphens=False)]
        program = finding.lines()
        if program:
            lines += [("", ""), ("soft", finding.place)]
            lines += [("told" if told else "", _cut(f"{n:5}  {text}")) for n, text, told in program]
        pictures.append(text_picture(finding.title, lines))
        if finding.drawing is not None:
            pictures.append(finding.drawing.svg())
    return stacked(pictures or [text_picture(title, [("heading", title), ("", NONE)])], title)


def _cut(line: str) -> str:
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def html(findings: list[Finding]) -> str:
    """The findings as the body of a page."""
    parts = []
    for finding in findings:
        remedy = f"<p>Remedy: {_prose_in_html(finding.reason.remedy)}.</p>" if finding.reason.remedy else ""
        rows = [f"{n:5}  {escape(clean(text))}" for n, text, _ in finding.lines()]
        rows = [f"<mark>{row}</mark>" if told else row for row, (*_, told) in zip(rows, finding.lines(), strict=True)]
        program = f"<p>{escape(clean(finding.place))}</p><pre>{chr(10).join(rows)}</pre>" if rows else ""
        graph = f'<div class="graph">{finding.drawing.svg()}</div>' if finding.drawing is not None else ""
        sentence = f"<p>{_prose_in_html(finding.reason.sentence)}</p>"
        parts.append(f"<section><h2>{escape(clean(finding.title))}</h2>{sentence}{remedy}{program}{graph}</section>")
    return "".join(parts) or f"<p>{NONE}</p>"


def latex(findings: list[Finding]) -> str:
    """The findings as a LaTeX document."""
    parts = [part for finding in findings for part in _latex_of(finding)] or [NONE]
    body = "\n\n".join(("\\raggedright\\setlength{\\parindent}{0pt}\\setlength{\\parskip}{4pt}", *parts))
    return document(body, ("tikz",), "varwidth=17cm")


def _latex_of(finding: Finding) -> list[str]:
    parts = [f"{{\\large\\bfseries {in_latex(finding.title)}\\par}}", _prose_in_latex(finding.reason.sentence)]
    if finding.reason.remedy:
        parts.append(f"\\textit{{Remedy:}} {_prose_in_latex(finding.reason.remedy)}.")
    lines = finding.lines()
    if lines:
        parts.append(f"{{\\small {in_latex(finding.place)}\\par}}")
        for n, text, told in lines:
            margin = f"\\makebox[3em][r]{{{_ARROW if told else ''}{n}}}\\quad"
            parts.append(f"{{\\ttfamily\\small{margin} {in_latex(text)}\\par}}")
    if finding.drawing is not None:
        parts.append(finding.drawing.latex())
    return [*parts, "\\bigskip"]


_ARROW = r"$\rightarrow$ "


def _prose_in_latex(text: str) -> str:
    return "".join(f"\\texttt{{{in_latex(one)}}}" if is_code else in_latex(one) for one, is_code in _pieces(text))


def _prose_in_html(text: str) -> str:
    pieces = ((escape(clean(one)), is_code) for one, is_code in _pieces(text))
    return "".join(f"<code>{one}</code>" if is_code else one for one, is_code in pieces)


def _pieces(text: str) -> list[tuple[str, bool]]:
    """The pieces of a sentence, and whether they are of the program: those between backticks."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:  # one of the backticks is the program's own
        return [(text, False)]
    return [(piece, n % 2 == 1) for n, piece in enumerate(pieces)]
