"""Formulas as text for a terminal and as LaTeX."""

from __future__ import annotations

from fractions import Fraction

from .algebra import Apply, Atom, Delta, Formula, Group, Index, Monomial, Partial, Position, Symbol, Total

LETTERS = "ijklmnprstuv"
_SUBSCRIPTS = str.maketrans("0123456789+-=()aehijklmnoprstuvx,", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ﹐")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip
_LATEX_FUNCTIONS = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}


class Letters:
    """Which letter stands for which index, in one line of a derivation."""

    def __init__(self, free: tuple[Position, ...] = ()) -> None:
        self.known: dict[Index, str] = {}
        for place in free:
            self.of(place)

    def of(self, place: Position) -> str:
        if isinstance(place, int):
            return str(place)
        if place not in self.known:
            self.known[place] = self._next()
        return self.known[place]

    def _next(self) -> str:
        used = set(self.known.values())
        return next((letter for letter in LETTERS if letter not in used), f"i{len(used)}")

    def inside(self, index: Index) -> Letters:
        """The letters inside a sum over `index`."""
        inner = Letters()
        inner.known = dict(self.known)
        inner.known[index] = self._next()
        return inner


# ---------------------------------------------------------------- numbers


def rational(value: Fraction) -> str:
    """3, 3/2, 0.1: a fraction unless the program will have said it in decimals."""
    if value.denominator == 1:
        return str(value.numerator)
    if value.denominator % 10 == 0 or value.denominator > 4096:
        return f"{float(value):.6g}"
    return f"{value.numerator}/{value.denominator}"


def decimal(value: float) -> str:
    """A number with as many digits as single precision gives."""
    return f"{value:.6g}"


# ---------------------------------------------------------------- the parts that both notations share


def _sorted_terms(formula: Formula) -> list[tuple[Monomial, Fraction]]:
    """Higher powers first; where the first term is negative, a positive one before it if there is one."""

    def degree(term: tuple[Monomial, Fraction]) -> Fraction:
        return -sum((e for one, e in term[0] if isinstance(one, (Symbol, Group))), Fraction(0))

    terms = sorted(formula.terms.items(), key=degree)
    first = next((t for t in terms if t[1] > 0), None)
    if first is not None and terms[0][1] < 0:
        terms.remove(first)
        terms.insert(0, first)
    return terms


def _is_single(formula: Formula) -> bool:
    """Whether a formula needs no parentheses as a factor."""
    if len(formula.terms) != 1:
        return False
    ((monomial, coefficient),) = formula.terms.items()
    return coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and not isinstance(monomial[0][0], Group)


class _Notation:
    """How a notation writes the pieces; `text` and `latex` below are its two kinds."""

    times = "·"

    def formula(self, formula: Formula, letters: Letters) -> str:
        if not formula.terms:
            return "0"
        pieces: list[str] = []
        for monomial, coefficient in _sorted_terms(formula):
            written = self.term(monomial, abs(coefficient), letters)
            if not pieces:
                pieces.append(("-" if coefficient < 0 else "") + written)
            else:
                pieces.append((" - " if coefficient < 0 else " + ") + written)
        return "".join(pieces)

    def term(self, monomial: Monomial, coefficient: Fraction, letters: Letters) -> str:
        above = [(one, e) for one, e in monomial if e > 0]
        below = [(one, -e) for one, e in monomial if e < 0]
        # a sum reaches to the end of its product
        above.sort(key=lambda factor: isinstance(factor[0], Total))
        bottom: list[str] = [self.factor(one, e, letters, alone=False) for one, e in below]
        if bottom and coefficient.denominator != 1:
            bottom.insert(0, str(coefficient.denominator))
            coefficient = Fraction(coefficient.numerator)
        top = [self.factor(one, e, letters, alone=False) for one, e in above]
        if len(above) == 1 and coefficient == 1 and not bottom:
            top = [self.factor(*above[0], letters, alone=True)]
        product = self.product(coefficient, top, bool(bottom))
        return self.quotient(product, bottom) if bottom else product

    def product(self, coefficient: Fraction, factors: list[str], in_quotient: bool) -> str:
        raise NotImplementedError

    def quotient(self, top: str, bottom: list[str]) -> str:
        raise NotImplementedError

    def factor(self, one: Atom, exponent: Fraction, letters: Letters, alone: bool) -> str:
        raise NotImplementedError


class _Text(_Notation):
    def product(self, coefficient, factors, in_quotient):
        if not factors:
            return self.rational(coefficient)
        joined = "·".join(factors)
        if coefficient == 1:
            return joined
        number = self.rational(coefficient)
        close = joined[0] in "(√" or (
            coefficient.denominator == 1 and joined[0].isalpha() and not joined[1:2].isalpha() and joined[1:2] != "_"
        )
        return number + joined if close else f"{number}·{joined}"

    def rational(self, value: Fraction) -> str:
        return rational(value)

    def quotient(self, top, bottom):
        joined = "·".join(bottom)
        if len(bottom) > 1:
            joined = f"({joined})"
        return f"{top}/{joined}"

    def symbol(self, one: Symbol, letters: Letters) -> str:
        return one.name + subscript(one.index, letters)

    def factor(self, one, exponent, letters, alone):
        if exponent == Fraction(1, 2):
            inner = self.atom(one, letters)
            return f"√{inner}" if inner.startswith("(") or isinstance(one, Symbol) else f"√({inner})"
        written = self.atom(one, letters)
        if isinstance(one, Group) and alone and exponent == 1:
            return written[1:-1]
        if exponent == 1:
            return written
        if isinstance(one, Apply) and one.function not in ("number", "pow") and exponent.denominator == 1:
            head, _, rest = written.partition("(")
            return f"{head}{power(exponent)}({rest}"
        if isinstance(one, (Total, Partial)) or (isinstance(one, Apply) and one.function == "pow"):
            written = f"({written})"
        return written + power(exponent)

    def atom(self, one: Atom, letters: Letters) -> str:
        if isinstance(one, Symbol):
            return self.symbol(one, letters)
        if isinstance(one, Group):
            return f"({self.formula(one.body, letters)})"
        if isinstance(one, Delta):
            return "δ" + subscript(tuple(one), letters)
        if isinstance(one, Partial):
            return f"∂{self.symbol(one.of, letters)}/∂{self.symbol(one.by, letters)}"
        if isinstance(one, Total):
            inner = letters.inside(one.index)
            body = self.formula(one.body, inner)
            if len(one.body.terms) > 1:
                body = f"({body})"
            return f"Σ{subscript((one.index,), inner)} {body}"
        if one.function == "pi":
            return "π"
        arguments = [self.formula(a, letters) for a in one.arguments]
        if one.function == "pow":
            base, exponent = one.arguments
            base_text = arguments[0] if _is_single(base) or base.number is not None else f"({arguments[0]})"
            return f"{base_text}^{arguments[1] if _is_single(exponent) else f'({arguments[1]})'}"
        if one.function == "abs":
            return f"|{arguments[0]}|"
        if one.function == "positive":
            return f"[{arguments[0]} > 0]"
        if one.function == "number":
            return arguments[0]
        return f"{'σ' if one.function == 'sigmoid' else one.function}({', '.join(arguments)})"


class _Latex(_Notation):
    def product(self, coefficient, factors, in_quotient):
        joined = r" \, ".join(factors)
        if not factors:
            return self.rational(coefficient)
        return joined if coefficient == 1 else f"{self.rational(coefficient)} {joined}"

    def rational(self, value: Fraction) -> str:
        written = rational(value)
        if "/" in written:
            return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        return written

    def quotient(self, top, bottom):
        return rf"\frac{{{top}}}{{{self.product(Fraction(1), bottom, True)}}}"

    def symbol(self, one: Symbol, letters: Letters) -> str:
        name, _, number = one.name.rpartition("_")
        places = [letters.of(p) for p in one.index]
        if name and number.isdecimal():
            head, below = name, [number, *places]
        else:
            head, below = one.name, places
        separator = "," if any(len(p) > 1 for p in below) or head is name else ""
        return latex_name(head) + (f"_{{{separator.join(below)}}}" if below else "")

    def factor(self, one, exponent, letters, alone):
        written = self.atom(one, letters)
        if isinstance(one, Group):
            if exponent == Fraction(1, 2) or (alone and exponent == 1):
                written = self.formula(one.body, letters)
            else:
                written = rf"\left({written}\right)"
        if exponent == Fraction(1, 2):
            return rf"\sqrt{{{written}}}"
        if exponent == 1:
            return written
        if isinstance(one, (Total, Partial)) or (isinstance(one, Apply) and one.function != "abs"):
            written = rf"\left({written}\right)"
        return (
            f"{written}^{{{rational(exponent)}}}"
            if not written.endswith("}")
            else f"{{{written}}}^{{{rational(exponent)}}}"
        )

    def atom(self, one: Atom, letters: Letters) -> str:
        if isinstance(one, Symbol):
            return self.symbol(one, letters)
        if isinstance(one, Group):
            return self.formula(one.body, letters)
        if isinstance(one, Delta):
            return rf"\delta_{{{''.join(letters.of(p) for p in one)}}}"
        if isinstance(one, Partial):
            return rf"\frac{{\partial {self.symbol(one.of, letters)}}}{{\partial {self.symbol(one.by, letters)}}}"
        if isinstance(one, Total):
            inner = letters.inside(one.index)
            body = self.formula(one.body, inner)
            if len(one.body.terms) > 1:
                body = rf"\left({body}\right)"
            return rf"\sum_{{{inner.of(one.index)}}} {body}"
        if one.function == "pi":
            return r"\pi"
        arguments = [self.formula(a, letters) for a in one.arguments]
        if one.function == "pow":
            return rf"{{\left({arguments[0]}\right)}}^{{{arguments[1]}}}"
        if one.function == "abs":
            return rf"\left|{arguments[0]}\right|"
        if one.function == "positive":
            return rf"\left[{arguments[0]} > 0\right]"
        if one.function == "number":
            return arguments[0]
        if one.function == "sigmoid":
            head = r"\sigma"
        elif one.function in _LATEX_FUNCTIONS:
            head = "\\" + one.function
        else:
            head = rf"\operatorname{{{escaped(one.function)}}}"
        return rf"{head}\left({', '.join(arguments)}\right)"


def subscript(index: tuple[Position, ...], letters: Letters) -> str:
    """ᵢⱼ, or [i10,3] where that is not one sign each."""
    if not index:
        return ""
    written = [letters.of(place) for place in index]
    if all(len(w) == 1 for w in written):
        return "".join(written).translate(_SUBSCRIPTS)
    return f"[{','.join(written)}]"


def power(exponent: Fraction) -> str:
    """² or ^(3/2)."""
    if exponent.denominator == 1:
        return str(exponent.numerator).translate(_SUPERSCRIPTS)
    return f"^({rational(exponent)})"


_LATEX_SIGNS = {"\\": r"\backslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "^": r"\hat{}", "$": r"\$", "&": r"\&",
                "#": r"\#", "%": r"\%", "~": r"\sim{}", "<": "{<}", ">": "{>}"}  # fmt: skip


def escaped(name: str) -> str:
    """A program's name with nothing in it that LaTeX or HTML would take for its own."""
    return "".join(_LATEX_SIGNS.get(sign, sign) for sign in name)


def latex_name(name: str) -> str:
    """A variable's name in LaTeX: one letter and Greek in italics, words upright."""
    if len(name) == 1 and name.isalpha():
        return name
    if name in _GREEK:
        return "\\" + name
    return rf"\mathrm{{{escaped(name)}}}"


TEXT, LATEX = _Text(), _Latex()


def text(formula: Formula, letters: Letters | None = None) -> str:
    """A formula as a terminal shows it."""
    return TEXT.formula(formula, _lettered(formula, letters))


def latex(formula: Formula, letters: Letters | None = None) -> str:
    """A formula in LaTeX's mathematics."""
    return LATEX.formula(formula, _lettered(formula, letters))


def _lettered(formula: Formula, letters: Letters | None) -> Letters:
    """Letters for all free indices, before any sum inside takes one."""
    letters = letters or Letters()
    for index in sorted(formula.indices()):
        letters.of(index)
    return letters
