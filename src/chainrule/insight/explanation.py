"""What `chainrule.explain` found, and how it is written: as text, LaTeX, Markdown and HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor
from .algebra import ONE, Delta, Formula, Partial, Symbol, atom, is_lone_group, number
from .evaluation import values_of
from .formulas import Place
from .latex import document as latex_document, escape as in_latex, in_ascii
from .pictures import text_picture
from .positions import Index, Position, fresh
from .source import Source, short_path
from .writing import LATEX, TEXT, Letters, decimal, escaped, is_longer, latex, shown_name, shown_width, text

if TYPE_CHECKING:
    import sympy

MOST_SHOWN = 12  # steps of a derivation; between the first and the last half of them the rest is counted
LONGEST_LINE = 160  # signs of a local derivative that is written out
LONGEST = 600  # signs of another formula that is written out
STEPS = 30_000  # of the evaluation of a local derivative
LONGEST_CALL = 40  # signs of an expression that stands for a formula that is not known
MOST_NUMBERS = 12  # elements of a tensor that are written out


@dataclass
class Quantity:
    """A value between y and x that has a name."""

    edge: Any
    name: str
    source: Source | None = None
    value: np.ndarray | None = None
    shape: tuple[int, ...] | None = None
    unknown: str = ""  # why there is no value
    place: Place = ()
    symbol: Any = None  # Symbol
    definition: Formula | None = None  # in terms of other names
    parents: list = field(default_factory=list)  # edges of the named values it is computed from, towards x
    slopes: dict = field(default_factory=dict)  # {parent's edge: derivative of an element by an element of the parent}
    crossed: dict = field(default_factory=dict)  # {parent's edge: that of this, by the conjugate}, of complex ones
    inputs: list = field(default_factory=list)  # names of what the operation that has no formula was given
    numbers: dict = field(default_factory=dict)  # {parent's edge: the same in numbers}, of a scalar

    @property
    def is_complex(self) -> bool:
        return self.symbol is not None and self.symbol.kind == 1

    @property
    def variable(self) -> Symbol:
        """What derivatives are by: the symbol; of a complex one its conjugate, along which a real y grows."""
        return self.symbol._replace(kind=-1) if self.is_complex else self.symbol


@dataclass(frozen=True)
class Share:
    """A part of a gradient: which way it came, how much of it, and as a fraction of the whole."""

    path: str
    count: int  # paths in this share
    value: Tensor
    fraction: float | None  # fractions add up to 1; None where the whole is 0 or not finite

    def __str__(self) -> str:
        part = "" if self.fraction is None else f"{100 * self.fraction:6.1f} %  "
        several = "" if self.count == 1 else f"  ({self.count} paths)"
        return f"{part}{shown_value(self.value._array)}  {self.path}{several}"


@dataclass
class Explanation:
    """The derivation of ∂y/∂x. Print it; in a notebook, let it end a cell.

    `value` is ∂y/∂x as a tensor, `paths` the number of routes from y to x through the recorded operations, `checked`
    whether the closed form gave the same numbers as backward.
    """

    y: str
    x: str
    value: Tensor | None
    paths: int
    quantities: list[Quantity]
    is_sum: bool  # y has several elements, and their sum is what is derived
    notes: list[str]
    chain: Formula | None = None  # the chain rule in names only
    chains: int = 0  # the products in it
    in_between: Formula | None = None  # ∂y/∂x in terms of the values in between
    closed_form: Formula | None = None  # and in terms of x, as far as that is short
    checked: bool = False
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # the numbers behind the names
    path_shares: list[Share] = field(default_factory=list)
    layer_shares: list[Share] = field(default_factory=list)

    def shares(self, by: str = "path") -> list[Share]:
        """How much of ∂y/∂x came along each way. Their values add up to `value`, their fractions to 1.

        by="path": one share a path, or one for each last step into x where there are many paths. by="layer": what each
        named value passed on to each that it was computed from; the shares into the same value add up to its gradient.
        """
        if by not in ("path", "layer"):
            raise ValueError(f"shares are by 'path' or by 'layer', not by {by!r}")
        return list(self.path_shares if by == "path" else self.layer_shares)

    def sympy(self) -> sympy.Expr:
        """The closed form as a SymPy expression, to simplify or solve further. ImportError without SymPy (an extra).

        An element of a tensor is an `Indexed`; ValueError where there is no closed form or SymPy has no such thing."""
        from .symbolic import expression

        if self.closed_form is None:
            raise ValueError("there is no closed form of this derivative")
        return expression(self.closed_form)

    # ---- pieces

    @property
    def _target(self) -> Quantity:
        return next(q for q in self.quantities if q.name == self.x)

    @property
    def _is_total(self) -> bool:
        """Whether y depends on x both directly and by way of others: dy/dx = ∂y/∂x + ∂y/∂u·∂u/∂x."""
        root = self.quantities[0]
        return len(self.quantities) > 2 and self._target.edge in root.parents and not self._target.is_complex

    def _left(self, notation: Any, letters: Letters) -> str:
        y = Symbol(("Σ" if notation is TEXT else r"\Sigma\,") + self.y) if self.is_sum else Symbol(self.y)
        if notation is TEXT:
            twice, d = "2·" if self._target.is_complex else "", "d" if self._is_total else "∂"
            return f"{twice}{d}{shown_name(y.name)}/{d}{TEXT.symbol(self._target.variable, letters)}"
        top = (r"\Sigma\, " if self.is_sum else "") + LATEX.symbol(Symbol(self.y), letters)
        twice, d = r"2 \, " if self._target.is_complex else "", r"\mathrm{d}" if self._is_total else r"\partial"
        return rf"{twice}\frac{{{d} {top}}}{{{d} {LATEX.symbol(self._target.variable, letters)}}}"

    def _steps(self, write: Any) -> list[str]:
        """The right sides of the equations for ∂y/∂x, each simpler than the one before, without repetitions."""
        free = _free(self._target.place)
        sides = []
        for formula in (self.chain, self.in_between, self.closed_form):
            if formula is None or (formula is not self.chain and is_longer(formula, LONGEST, Letters(free))):
                continue
            side = write(formula, Letters(free))
            if formula is self.chain:
                if _is_partial(formula) or self._is_one_step():
                    continue  # it would say that ∂y/∂x is ∂y/∂x
                sides.append(side)
                product = self._product(write, Letters(free))
                if product is not None:
                    sides.append(product)
            else:
                sides.append(side)
        kept: dict[str, str] = {}
        for side in sides:
            kept.setdefault(side.replace("·", "").replace(r" \cdot ", " "), side)  # 2·x and 2x say the same
        return list(kept.values())

    def _is_one_step(self) -> bool:
        """Whether x is all that y is defined by: then the local derivative is the result."""
        return len(self.quantities) == 2 and self.in_between is not None

    def _product(self, write: Any, letters: Letters) -> str | None:
        """The chain rule of a single path with the local derivatives put in, not yet multiplied out."""
        if self.chain is None or len(self.chain.terms) != 1:
            return None
        ((monomial, coefficient),) = self.chain.terms.items()
        if len(monomial) < 2 or any(not isinstance(one, Partial) for one, _ in monomial):
            return None
        by_name = {q.name: q for q in self.quantities}
        sides = [] if coefficient == 1 else [write(number(coefficient))]
        for one, _ in monomial:
            outer, inner = by_name[one.of.name], by_name[one.by.name]
            if (one.of.kind, one.by.kind) != (outer.variable.kind, inner.variable.kind):
                return None
            slope = _placed(outer, inner, one)
            if slope == ONE:
                continue
            side = write(slope, letters)
            is_sum = len(slope.terms) > 1 or any(c == 1 and is_lone_group(m) for m, c in slope.terms.items())
            sides.append(f"({side})" if is_sum or side.startswith("-") else side)
        if len(sides) < 2:
            return None
        return ("·" if write is text else r" \cdot ").join(sides)

    def _locals(self, write: Any, notation: Any, gap: Any) -> list[Any]:
        """[∂a/∂b, its formula, its number] of each step, without the middle ones of many; `gap` is in their place."""
        by_edge = {q.edge: q for q in self.quantities}
        steps = [
            (quantity, by_edge[edge], of, slopes[edge])
            for quantity in self.quantities
            for edge in quantity.slopes
            for of, slopes in ((quantity.variable, quantity.slopes), (quantity.symbol, quantity.crossed))
            if edge in slopes
        ]
        found: list[Any] = []
        count = sum(len(q.parents) + len(q.crossed) for q in self.quantities)  # some have no formula
        for step in [] if self._is_one_step() else _elided(steps, gap, count):
            if step is None or isinstance(step, str):
                found.append(step)
                continue
            quantity, parent, of, slope = step
            by, aligned = _aligned(slope, parent)
            letters = Letters(_free(quantity.place))
            if notation is TEXT:
                left = f"∂{TEXT.symbol(of, letters)}/∂{TEXT.symbol(by, letters)}"
            else:
                left = LATEX.atom(Partial(of, by), letters)
            if aligned == atom(Partial(of, by)):
                formula = ""
            elif is_longer(aligned, LONGEST_LINE, letters):
                formula = "…" if notation is TEXT else r"\dots"
            else:
                formula = write(aligned, letters)
            number = "" if aligned.number is not None else self._number_of(aligned, by, quantity, parent)
            found.append([left, formula, number])
        return found

    def _number_of(self, slope: Formula, by: Symbol, quantity: Quantity, parent: Quantity) -> str:
        """The numbers of a local derivative, one for each index in it; nothing where they are many or not known."""
        inside = slope.indices()
        place = [p for p in dict.fromkeys((*quantity.symbol.index, *by.index)) if p in inside]
        shape = tuple(p.size for p in place)
        if math.prod(shape) > MOST_NUMBERS:
            return ""
        found = values_of(slope, self.arrays, tuple(place), shape, MOST_NUMBERS + 1, STEPS)
        if found and len(found) == math.prod(shape):
            return shown_value(np.array([found[where] for where in np.ndindex(shape)]).reshape(shape))
        numbers = quantity.numbers.get(parent.edge)
        return "" if numbers is None or numbers.size > MOST_NUMBERS else shown_value(numbers)

    # ---- text

    def text(self) -> str:
        """The derivation as lines of text."""
        letters = Letters(_free(self._target.place))
        left = self._left(TEXT, letters)
        lines = [f"{left} = {shown_value(self.value._array)}" if self.value is not None else left, ""]
        lines += [f"  {line}" for line in _columns(self._definitions())]
        local = self._locals(text, TEXT, "derivatives")
        written = [step if isinstance(step, str) else " = ".join(part for part in step if part) for step in local]
        if written:
            lines += ["", *(f"  {line}" for line in written)]
        sides = self._steps(text)
        if self.chain is None and self.chains and local:
            sides.insert(0, "the product of these" if self.chains == 1 else f"a sum of {self.chains} products of these")
        if self.value is not None and shown_value(self.value._array) not in sides[-1:]:
            sides.append(shown_value(self.value._array))
        lines.append("")
        for i, side in enumerate(sides):
            lines.append(f"  {left if not i else ' ' * shown_width(left)} = {side}")
        lines += ["", *self._closing()]
        return "\n".join(lines)

    def _definitions(self) -> list[tuple[str, str, str]]:
        rows = []
        for quantity in _elided(self.quantities[::-1], ("steps", "", "")):
            if isinstance(quantity, tuple):
                rows.append(quantity)
                continue
            letters = Letters(_free(quantity.place))
            side = TEXT.symbol(quantity.symbol, letters)
            if quantity.definition is not None and not is_longer(quantity.definition, LONGEST, letters):
                side += f" = {text(quantity.definition, letters)}"
            elif quantity.source is not None:
                side += f" = {self._called(quantity)}"
            number = f"= {shown_value(quantity.value)}" if quantity.value is not None else "= ?"
            where = "" if quantity.source is None else f"{short_path(quantity.source.file)}:{quantity.source.line}"
            rows.append((side, number, where))
        return rows

    def _called(self, quantity: Quantity) -> str:
        """What made a value that has no formula: a custom Function or an operation by name, else the program's text."""
        node, text = quantity.edge[0], quantity.source.text if quantity.source else ""
        function = getattr(node, "function", None)
        if function is None and 0 < len(text) <= LONGEST_CALL:
            return text
        record = getattr(type(node), "op", None)
        name = function.__name__ if function is not None else node.name() if record is None else record.apply.__name__
        inputs = quantity.inputs or [q.name for q in self.quantities if q.edge in quantity.parents]
        return f"{name}({', '.join(shown_name(n) for n in inputs)})"

    def _closing(self) -> list[str]:
        lines = []
        if self.paths > 1:
            y, x = shown_name(self.y), shown_name(self.x)
            lines.append(f"{self.paths} paths lead from {y} to {x} through the recorded operations.")
            shares = [str(share) for share in self.path_shares[:MOST_SHOWN]]
            lines += [f"  {share}" for share in shares]
            if len(self.path_shares) > MOST_SHOWN:
                lines.append(f"  and {len(self.path_shares) - MOST_SHOWN} more: shares()")
        lines += self.notes
        return lines

    def __str__(self) -> str:
        return self.text().rstrip()

    __repr__ = __str__

    # ---- LaTeX and HTML

    def latex(self) -> str:
        """The derivation as an `aligned` environment of LaTeX's mathematics."""
        rows = []
        for quantity in _elided(list(reversed(self.quantities)), None):
            if quantity is None:
                rows.append(r"& \;\vdots")
                continue
            letters = Letters(_free(quantity.place))
            if quantity.definition is not None and not is_longer(quantity.definition, LONGEST, letters):
                rows.append(f"{LATEX.symbol(quantity.symbol, letters)} &= {latex(quantity.definition, letters)}")
        for row in self._locals(latex, LATEX, None):
            if row is None:
                rows.append(r"& \;\vdots")
                continue
            left, formula, number = row
            sides = [side for side in (formula, _latex_value(number)) if side]
            rows.append(f"{left} &= " + " = ".join(sides) if sides else f"& {left}")
        sides = self._steps(latex)
        if self.value is not None and shown_value(self.value._array) not in sides[-1:]:
            sides.append(_latex_value(shown_value(self.value._array)))
        left = self._left(LATEX, Letters(_free(self._target.place)))
        rows += [f"{left if not i else ''} &= {side}" for i, side in enumerate(sides)]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def _repr_markdown_(self) -> str:
        closing = "\n".join(f"- {escaped_markdown(line.strip())}" for line in self._closing())
        return f"{self._repr_latex_()}\n\n{closing}".rstrip()

    def html(self) -> str:
        """The derivation as HTML that needs nothing else: as in a terminal, with its LaTeX to be unfolded."""
        left = self._left(TEXT, Letters(_free(self._target.place)))
        return (
            f'<section class="chainrule-explanation"><h2>{escape(left)}</h2><pre>{escape(self.text().rstrip())}</pre>'
            f"<details><summary>LaTeX</summary><pre>{escape(self.latex())}</pre></details></section>"
        )

    def svg(self) -> str:
        """The derivation as one SVG picture of its text."""
        lines = self.text().rstrip().splitlines()
        return text_picture(lines[0], [("heading" if not n else "", line) for n, line in enumerate(lines)])

    def _repr_html_(self) -> str:
        closing = "".join(f"<div>{escape(line)}</div>" for line in self._closing())
        return f'<div class="chainrule-explanation">{escape(self._repr_latex_())}{closing}</div>'


class Explanations(tuple):
    """The derivations of one y by several tensors, in their order; printed one after another."""

    def text(self) -> str:
        """The derivations as text."""
        return "\n\n".join(one.text().rstrip() for one in self)

    def latex(self) -> str:
        """The derivations as LaTeX's mathematics, an `aligned` environment for each."""
        return "\n\\\\[2ex]\n".join(one.latex() for one in self)

    def html(self) -> str:
        """The derivations as HTML that needs nothing else."""
        return "\n".join(one.html() for one in self)

    def svg(self) -> str:
        """The derivations as one SVG picture of their text."""
        return text_picture(
            self[0].text().partition("\n")[0] if self else "", [("", line) for line in self.text().splitlines()]
        )

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        return "\n".join(one._repr_latex_() for one in self)

    def _repr_markdown_(self) -> str:
        return "\n\n".join(one._repr_markdown_() for one in self)

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


def document(explanations: list[Explanation]) -> str:
    """Derivations as a LaTeX document, each with what its text ends with."""
    parts = []
    for one in explanations:
        parts.append(f"$\\displaystyle {in_ascii(one.latex())}$\\par\\medskip")
        parts += [f"{{\\ttfamily\\small {in_latex(line)}\\par}}" for line in one._closing() if line]
        parts.append("\\bigskip")
    return latex_document("\n".join(("\\setlength{\\parindent}{0pt}", *parts)), ("amsmath",), "varwidth=\\maxdimen")


def _is_partial(formula: Formula) -> bool:
    return len(formula.terms) == 1 and all(len(m) == 1 and isinstance(m[0][0], Partial) for m in formula.terms)


def escaped_markdown(line: str) -> str:
    """A line in which Markdown and HTML find nothing of theirs."""
    return "".join("\\" + sign if sign in "\\`*_{}[]<>#|!~" else sign for sign in line)


def _free(place: Place) -> tuple[Position, ...]:
    return tuple(p for p in place if not isinstance(p, int))


def _aligned(slope: Formula, parent: Quantity) -> tuple[Symbol, Formula]:
    """(the parent's element, the slope by it) with indices that must be equal written alike: ∂cᵢ/∂bᵢ = 6bᵢ."""
    by = parent.variable
    sets = [{one for one, _ in monomial if isinstance(one, Delta)} for monomial in slope.terms]
    for one in sorted(set.intersection(*sets), key=repr) if sets else []:
        ours, theirs = (one.left, one.right) if one.right in by.index else (one.right, one.left)
        if theirs in by.index and isinstance(theirs, Index):
            by = by._replace(index=tuple(ours if p == theirs else p for p in by.index))
            slope = slope.rename(theirs, ours)
    return by, slope


def _placed(quantity: Quantity, parent: Quantity, one: Any) -> Formula:
    """The slope of one by the other at the elements that a chain of derivatives names."""
    slope = quantity.slopes[parent.edge]
    old = (*quantity.symbol.index, *parent.symbol.index)
    middle = [fresh(p.size) for p in old]  # since the new ones may be among the old ones
    for a, b in (*zip(old, middle), *zip(middle, (*one.of.index, *one.by.index))):
        slope = slope.rename(a, b)
    return slope


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [min(48, max((shown_width(row[i]) for row in rows), default=0)) for i in range(2)]
    padded = ([one + " " * (w - shown_width(one)) for one, w in zip(row, widths)] for row in rows)
    return ["  ".join([*left, row[2]]).rstrip() for left, row in zip(padded, rows)]


def _elided(rows: list, what: Any, count: int = 0) -> list:
    """Long lists without their middle: a line counts what is left out (`what`: of what; None: None stands there) of the
    rows, or of `count` of which these are the first and the last."""
    if len(rows) <= MOST_SHOWN:
        return rows
    half = MOST_SHOWN // 2
    left_out = max(count, len(rows)) - 2 * half
    if what is None:
        gap: Any = None
    elif isinstance(what, tuple):
        gap = (f"… {left_out} {what[0]} …", *what[1:])
    else:
        gap = f"… {left_out} {what} …"
    return [*rows[:half], gap, *rows[-half:]]


def shown_value(array: Any) -> str:
    """A number, a short list of numbers, or the shape and range of a longer one."""
    array = np.asarray(array)
    if array.size == 1:
        return _shown_number(array.reshape(())[()])
    if 0 < array.size <= MOST_NUMBERS:
        return str(_nested(array))
    if not array.size:
        return f"[] of shape {array.shape}"
    numbers = np.abs(array) if array.dtype.kind == "c" else array.astype(float)
    return f"{array.shape} numbers from {decimal(float(numbers.min()))} to {decimal(float(numbers.max()))}"


def _shown_number(value: Any) -> str:
    if isinstance(value, complex | np.complexfloating):
        return f"{value.real:.6g}{value.imag:+.6g}j"
    return decimal(float(value))


def _nested(array: np.ndarray) -> str:
    if not array.ndim:
        return _shown_number(array[()])
    return "[" + ", ".join(_nested(part) for part in array) + "]"


def _latex_value(number: str) -> str:
    if not number:
        return ""
    return number if all(sign in "0123456789.-" for sign in number) else rf"\text{{{escaped(number)}}}"
