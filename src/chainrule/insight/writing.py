"""Formulas as text for a terminal and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any
from unicodedata import combining

from .algebra import (
    IMAGINARY_UNIT,
    Apply,
    AtLeast,
    Atom,
    Delta,
    Formula,
    Group,
    Monomial,
    Partial,
    Product,
    Symbol,
    Total,
    Whole,
    content,
    indices_of,
    is_lone_group,
    number,
)
from .positions import Entry, Index, Part, Position, indices, split

OVERLINE = "\u0304"  # stands over the letter before it
LETTERS = "ijklmnprstuv"
_SUBSCRIPTS = str.maketrans("0123456789+-=()aehijklmnoprstuvx,", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ﹐")
_AFTER_A_LETTER = (*"₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ⁰¹²³⁴⁵⁶⁷⁸⁹⁻·/^ ", OVERLINE)  # what may follow x in 2x
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi",
    "rho", "sigma", "tau", "phi", "chi", "psi", "omega",
}  # fmt: skip
_LATEX_FUNCTIONS = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh"}
# functions that differ in their derivative at one point bear one name
_SHOWN = {
    "sigmoid": "σ", "Phi": "Φ", "Phi_inverse": "Φ⁻¹", "max_half": "max", "max_first": "max", "min_half": "min",
    "min_first": "min", "hardtanh": "clamp", "zeta": "ζ", "real": "Re", "imag": "Im",
}  # fmt: skip
_CONDITIONS = {
    "equal": "{} = {}",
    "positive": "{} > 0",
    "above": "{} > {}",
    "not_below": "{} ≥ {}",
    "between": "{1} ≤ {0} ≤ {2}",
}


class Letters:
    """Which letter stands for which index, in one line of a derivation."""

    def __init__(self, free: tuple[Position, ...] = ()) -> None:
        self.known: dict[Index, str] = {}
        for place in free:
            if isinstance(place, Index):
                self.of(place)

    def of(self, place: Index) -> str:
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


def rational(value: Fraction, sizes: Iterable[int] = ()) -> str:
    """3, 3/2, 0.1: a fraction unless the program will have said it in decimals. `sizes`: of what is added up beside it."""
    if value.denominator == 1:
        return str(value.numerator)
    return decimal(float(value)) if _is_decimal(value, sizes) else f"{value.numerator}/{value.denominator}"


def _is_decimal(value: Fraction, sizes: Iterable[int] = ()) -> bool:
    """Whether a fraction is written with a point: 0.3 and 3.2, but 1/5, the weight of a mean, and 1/4."""
    if any((value * size).denominator == 1 for size in sizes):
        return False
    if value.denominator > 4096:
        return True
    if value.denominator % 5 or abs(value) == Fraction(1, 5):
        return False
    rest = value.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1


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


_NEGATED = {"positive": "{} ≤ 0", "above": "{} ≤ {}", "not_below": "{} < {}", "equal": "{} ≠ {}"}


def _negated(formula: Formula) -> Atom | None:
    """The condition c of 1 - c."""
    if len(formula.terms) != 2 or formula.terms.get(()) != 1:
        return None
    ((monomial, coefficient),) = ((m, c) for m, c in formula.terms.items() if m)
    if coefficient != -1 or len(monomial) != 1:
        return None
    one = monomial[0][0]
    if isinstance(one, Delta) or (isinstance(one, Apply) and one.function in _NEGATED):
        return one
    return None


def _with_negated(terms: list[tuple[Monomial, Fraction]]) -> list[tuple[Monomial, Fraction]]:
    """The terms with a·(1 - c) for a - a·c, c being a condition."""
    found = dict(terms)
    for monomial, coefficient in terms:
        for place, (one, exponent) in enumerate(monomial):
            rest = (*monomial[:place], *monomial[place + 1 :])
            other = next((m for m in found if m != monomial and frozenset(m) == frozenset(rest)), None)
            if exponent != 1 or other is None or found[other] != -coefficient or monomial not in found:
                continue
            group = Formula({(): Fraction(1), ((one, Fraction(1)),): Fraction(-1)})
            if _negated(group) is not None:
                found = {(m if m != other else (*m, (Group(group), Fraction(1)))): c for m, c in found.items()}
                del found[monomial]
    return list(found.items())


def _first_names(factors: list[tuple[Atom, Fraction]]) -> list[tuple[Atom, Fraction]]:
    """The factors with names before functions: x·sin(y), not sin(y)·x."""
    first = next((k for k, (one, e) in enumerate(factors) if _is_function(one, e)), len(factors))
    names = [factor for factor in factors[first:] if _is_of_names(*factor)]
    rest = [factor for factor in factors[first:] if not _is_of_names(*factor)]
    placed = [*factors[:first], *names, *rest]
    return sorted(placed, key=lambda factor: _rank(factor[0]))


def _rank(one: Atom) -> int:
    """i and π stand first, a condition after what it is the condition of, and a sum reaches to the end."""
    if one == IMAGINARY_UNIT:
        return -2
    if isinstance(one, Apply) and one.function == "pi":
        return -1
    if isinstance(one, Total):
        return 2
    is_condition = isinstance(one, (Delta, AtLeast)) or (isinstance(one, Group) and _negated(one.body) is not None)
    is_kronecker = isinstance(one, Delta) and isinstance(one.left, Index) and isinstance(one.right, Index)
    return int(is_condition and not is_kronecker)


def _is_condition(monomial: Monomial) -> bool:
    """Whether a lone group is 1 - c of a condition c, which is written as its opposite."""
    return isinstance(monomial[0][0], Group) and _negated(monomial[0][0].body) is not None


def _sizes_in(*monomials: Monomial) -> set[int]:
    """The sizes of the indices in products, and how many elements their sums have."""
    found: set[int] = set()
    for monomial in monomials:
        terms = 1
        for one, _ in monomial:
            found.update(index.size for index in indices_of(one))
            inner: Atom | None = one
            while isinstance(inner, Total):
                found.add(inner.index.size)
                terms *= inner.index.size
                lone = [m for m in inner.body.terms if len(inner.body.terms) == 1]
                inner = next((part for part, _ in (lone[0] if lone else ()) if isinstance(part, Total)), None)
        found.add(terms)
    return found


def _is_function(one: Atom, exponent: Fraction) -> bool:
    """Whether a factor is a function or a root."""
    return bool(one.arguments) if isinstance(one, Apply) else isinstance(one, Group) and exponent.denominator != 1


def _is_of_names(one: Atom, exponent: Fraction) -> bool:
    """Whether a factor is a name, or a sum of products of names."""
    if isinstance(one, Group) and exponent.denominator == 1:
        return all(isinstance(inner, Symbol) for monomial in one.body.terms for inner, _ in monomial)
    return isinstance(one, Symbol)


def _has_sum(monomial: Monomial) -> bool:
    return any(isinstance(one, (Group, Total)) for one, e in monomial if e > 0)


def _is_plain(one: Atom) -> bool:
    """Whether a factor stands above a denominator: x/2, but 1/2(x + y) and 1/2·Σ x."""
    return isinstance(one, (Symbol, Whole)) or (isinstance(one, Apply) and one.function not in _CONDITIONS)


def _is_single(formula: Formula) -> bool:
    """Whether a formula needs no parentheses as a factor."""
    if len(formula.terms) != 1:
        return False
    ((monomial, coefficient),) = formula.terms.items()
    return coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and not isinstance(monomial[0][0], Group)


class _Notation:
    """How a notation writes the pieces; `text` and `latex` below are its two kinds."""

    parentheses = "({})"
    bare_top = False  # whether the bar of a quotient encloses its numerator
    less = " ≤ "
    more = " ≥ "
    unequal = " ≠ "

    def position(self, place: Position, letters: Letters) -> str:
        """The index of an element: i, 2i+1, ⌊k/3⌋, idxₖ."""
        offset, terms = split(place)
        return self.added([*terms.items()], offset, letters)

    def added(self, terms: list, offset: int, letters: Letters) -> str:
        """offset + coefficient·unit + …, positive terms first."""
        pieces = [
            ("-" if c < 0 else "+", ("" if abs(c) == 1 else str(abs(c))) + self.unit(unit, letters, c not in (1, -1)))
            for unit, c in sorted(terms, key=lambda term: term[1] < 0)
        ]
        if offset or not pieces:
            pieces.insert(
                0 if offset > 0 and pieces and pieces[0][0] == "-" else len(pieces),
                ("-" if offset < 0 else "+", str(abs(offset))),
            )
        return "".join(sign + written for sign, written in pieces).removeprefix("+")

    def unit(self, unit: Index | Entry | Part, letters: Letters, factor: bool) -> str:
        raise NotImplementedError

    def condition(self, one: AtLeast | Delta, letters: Letters, index: Index | None = None) -> str:
        """k ≤ i, or 2i = j: what has to hold, the index that a sum runs over on the left."""
        if isinstance(one, Delta):
            left, right = one
            if index is not None and index in indices(right) and index not in indices(left):
                left, right = right, left
            if isinstance(left, int):
                left, right = right, left
            return f"{self.position(left, letters)} = {self.position(right, letters)}"
        offset, terms = split(one.position)
        if index is not None and terms.get(index, 0) > 0 and len(terms) > 1:
            return self.at_least(offset, terms, index, letters)
        above = [(unit, c) for unit, c in terms.items() if c > 0]
        below = [(unit, -c) for unit, c in terms.items() if c < 0]
        if not below:
            return self.added(above, 0, letters) + self.more + str(-offset)
        if offset == -1 and above:
            return self.added(below, 0, letters) + " < " + self.added(above, 0, letters)
        if offset >= 0:
            return self.added(below, 0, letters) + self.less + self.added(above, offset, letters)
        return self.added(below, -offset, letters) + self.less + self.added(above, 0, letters)

    def at_least(self, offset: int, terms: dict, index: Index, letters: Letters) -> str:
        """j ≥ i, for an index that is not below something."""
        kept = [(unit, c) for unit, c in terms.items() if c > 0]
        moved = [(unit, -c) for unit, c in terms.items() if c < 0]
        if offset == -1 and moved:
            return self.added(kept, 0, letters) + " > " + self.added(moved, 0, letters)
        left, right = (offset, 0) if offset > 0 else (0, -offset)
        return self.added(kept, left, letters) + self.more + self.added(moved, right, letters)

    def opposite(self, one: Any, letters: Letters) -> str:
        """What holds where a condition does not."""
        if isinstance(one, Delta):
            return self.condition(one, letters).replace(" = ", self.unequal)
        return self.signs(_NEGATED[one.function].format(*(self.formula(a, letters) for a in one.arguments)))

    def holds(self, one: Apply, letters: Letters) -> str:
        """What holds where a condition does; x < 0 for -x > 0."""
        form, arguments = _CONDITIONS[one.function], one.arguments
        if one.function == "positive" and all(c < 0 for c in arguments[0].terms.values()):
            form, arguments = "{} < 0", (arguments[0] * number(-1),)
        return self.signs(form.format(*(self.formula(a, letters) for a in arguments)))

    def signs(self, condition: str) -> str:
        """A condition in the notation's own signs."""
        return condition.replace(" ≤ ", self.less).replace(" ≥ ", self.more).replace(" ≠ ", self.unequal)

    def enclosed(self, body: Formula, letters: Letters) -> str:
        """What a sum or a product runs over: in parentheses if it is itself a sum."""
        written = self.formula(body, letters)
        lone = [monomial for monomial, coefficient in body.terms.items() if coefficient == 1 and len(monomial) == 1]
        is_sum = len(body.terms) > 1 or (lone and isinstance(lone[0][0][0], Group) and lone[0][0][1] == 1)
        return self.parentheses.format(written) if is_sum else written

    def over(self, one: Total | Product, letters: Letters) -> tuple[list[str], str, Letters]:
        """(what has to hold for the index of a sum or a product, what it runs over, the letters inside)."""
        inner, rest = letters.inside(one.index), one.body
        if isinstance(one, Total):
            said, rest = self.ranged(one.body, one.index, inner)
        else:
            said = [self.condition(AtLeast(p), inner) for p in one.where]
            said += [inner.of(one.index) + self.unequal + self.position(p, inner) for p in one.but]
        return said, self.enclosed(rest, inner), inner

    def ranged(self, body: Formula, index: Index, letters: Letters) -> tuple[list[str], Formula]:
        """(what has to hold for the index of a sum, the rest of the body)."""
        if len(body.terms) != 1:
            return [], body
        ((monomial, coefficient),) = body.terms.items()
        said = [one for one, _ in monomial if isinstance(one, (AtLeast, Delta)) and index in indices_of(one)]
        rest = tuple(factor for factor in monomial if factor[0] not in said)
        return [self.condition(one, letters, index) for one in said], Formula({rest: coefficient})

    def formula(self, formula: Formula, letters: Letters) -> str:
        if not formula.terms:
            return "0"
        common = content(formula) if len(formula.terms) > 1 else Fraction(1)
        if common.denominator != 1 and any(not _has_sum(monomial) for monomial in formula.terms):
            rest = self.formula(Formula({m: c / common for m, c in formula.terms.items()}), letters)
            return self.product(common, [self.parentheses.format(rest)], _sizes_in(*formula.terms))
        pieces: list[str] = []
        for monomial, coefficient in _with_negated(_sorted_terms(formula)):
            written = self.term(monomial, abs(coefficient), letters)
            if (
                is_lone_group(monomial)
                and (coefficient == -1 or (pieces and coefficient == 1))
                and not _is_condition(monomial)
            ):
                written = self.parentheses.format(written)
            if not pieces:
                pieces.append(("-" if coefficient < 0 else "") + written)
            else:
                pieces.append((" - " if coefficient < 0 else " + ") + written)
        return "".join(pieces)

    def term(self, monomial: Monomial, coefficient: Fraction, letters: Letters) -> str:
        above = [(one, e) for one, e in monomial if e > 0]
        below = [(one, -e) for one, e in monomial if e < 0]
        above = _first_names(above)
        below = _first_names(below)
        bottom: list[str] = [self.denominator(one, e, letters) for one, e in below]
        sizes = _sizes_in(monomial)
        is_over = bool(bottom) or (
            bool(above) and not _is_decimal(coefficient, sizes) and all(_is_plain(one) for one, _ in above)
        )
        if self.bare_top and len(below) == 1 and coefficient.denominator == 1:
            bottom = [self.factor(*below[0], letters, alone=True)]
        if is_over and coefficient.denominator != 1:
            bottom.insert(0, str(coefficient.denominator))
            coefficient = Fraction(coefficient.numerator)
        top = [self.factor(one, e, letters, alone=False) for one, e in above]
        if len(above) == 1 and coefficient == 1 and (not bottom or self.bare_top):
            top = [self.factor(*above[0], letters, alone=True)]
        elif bottom and not self.bare_top:  # where a sum ends is to be seen
            runs_on = [isinstance(one, (Total, Product)) and e == 1 for one, e in above]
            top = [self.parentheses.format(t) if wrap else t for t, wrap in zip(top, runs_on)]
        product = self.product(coefficient, top, sizes)
        return self.quotient(product, bottom) if bottom else product

    def denominator(self, one: Atom, exponent: Fraction, letters: Letters) -> str:
        """A factor below a line; where a sum of quotients ends is to be seen."""
        written = self.factor(one, exponent, letters, alone=False)
        is_open = isinstance(one, (Total, Product)) and exponent == 1 and "/" in written
        return self.parentheses.format(written) if is_open else written

    def product(self, coefficient: Fraction, factors: list[str], sizes: Iterable[int] = ()) -> str:
        """A number times factors; `sizes`: of what is added up in them."""
        raise NotImplementedError

    def quotient(self, top: str, bottom: list[str]) -> str:
        raise NotImplementedError

    def factor(self, one: Atom, exponent: Fraction, letters: Letters, alone: bool) -> str:
        raise NotImplementedError


class _Text(_Notation):
    def product(self, coefficient, factors, sizes=()):
        if not factors:
            return rational(coefficient, sizes)
        joined = "·".join(factors)
        if coefficient == 1:
            return joined
        number = rational(coefficient, sizes)
        one_letter = (
            joined[0].isalpha() and joined[0] not in "ΣΠ" and (joined[1:2] in _AFTER_A_LETTER or not joined[1:])
        )
        close = joined[0] in "(√" or (coefficient.denominator == 1 and one_letter)
        return number + joined if close else f"{number}·{joined}"

    def quotient(self, top, bottom):
        joined = "·".join(bottom)
        if len(bottom) > 1:
            joined = f"({joined})"
        return f"{top}/{joined}"

    def symbol(self, one: Symbol, letters: Letters) -> str:
        below = self.subscript(one.index, letters)
        if one.kind == -1:
            plain = self.symbol(one._replace(kind=1), letters)
            return one.name[0] + OVERLINE + plain[1:] if len(_numbered(one.name)[0]) == 1 else f"conj({plain})"
        if _numbered(one.name)[1] and below[:1] in tuple("₀₁₂₃₄₅₆₇₈₉"):  # x₁₂ would be two things
            below = f"[{','.join(self.position(place, letters) for place in one.index)}]"
        return shown_name(one.name) + below

    def subscript(self, index: tuple[Position, ...], letters: Letters) -> str:
        """ᵢⱼ, ᵢ₊₁, or [i,j+1] where that is not one sign each."""
        if not index:
            return ""
        written = [self.position(place, letters) for place in index]
        if all(len(w) == 1 for w in written) or (len(written) == 1 and not _starts_with_factor(written[0])):
            below = "".join(written).translate(_SUBSCRIPTS)
            if not any(sign in below for sign in "".join(written)):
                return below
        return f"[{','.join(written)}]"

    def unit(self, unit, letters, factor):
        if isinstance(unit, Index):
            return letters.of(unit)
        if isinstance(unit, Entry):
            return unit.table + self.subscript(unit.index, letters)
        inner = self.position(unit.of, letters)
        if not unit.rest:
            return f"⌊{inner if _is_letter(inner) else f'({inner})'}/{unit.by}⌋"
        written = f"{inner if _is_letter(inner) else f'({inner})'} mod {unit.by}"
        return f"({written})" if factor else written

    def factor(self, one, exponent, letters, alone):
        if exponent == Fraction(1, 2):
            inner = self.atom(one, letters)
            bare = inner.startswith("(") or isinstance(one, Symbol) or inner.isdecimal()
            return f"√{inner}" if bare else f"√({inner})"
        written = self.atom(one, letters)
        if isinstance(one, Group) and alone and exponent == 1 and written.startswith("("):
            return written[1:-1]
        if exponent == 1:
            return written
        if isinstance(one, Apply) and one.function in _LATEX_FUNCTIONS and exponent.denominator == 1 and exponent > 0:
            head, _, rest = written.partition("(")
            return f"{head}{power(exponent)}({rest}"
        if isinstance(one, (Total, Product, Partial)) or (isinstance(one, Apply) and one.function == "pow"):
            written = f"({written})"
        return written + power(exponent)

    def atom(self, one: Atom, letters: Letters) -> str:
        if isinstance(one, Symbol):
            return self.symbol(one, letters)
        if isinstance(one, Group):
            without = _negated(one.body)
            return f"({self.formula(one.body, letters)})" if without is None else f"[{self.opposite(without, letters)}]"
        if isinstance(one, Whole):
            return self.symbol(one.symbol, letters)
        if isinstance(one, Delta) and isinstance(one.left, Index) and isinstance(one.right, Index):
            return "δ" + self.subscript(tuple(one), letters)
        if isinstance(one, (AtLeast, Delta)):
            return f"[{self.condition(one, letters)}]"
        if isinstance(one, Partial):
            return f"∂{self.symbol(one.of, letters)}/∂{self.symbol(one.by, letters)}"
        if isinstance(one, (Total, Product)):
            said, body, inner = self.over(one, letters)
            below = f"({', '.join(said)})" if said else self.subscript((one.index,), inner)
            return f"{'Σ' if isinstance(one, Total) else 'Π'}{below} {body}"
        if one.function == "pi":
            return "π"
        if one.function == "i":
            return "i"
        arguments = [self.formula(a, letters) for a in one.arguments]
        if one.function == "pow":
            base, exponent = one.arguments
            base_text = arguments[0] if _is_single(base) or base.number is not None else f"({arguments[0]})"
            return f"{base_text}^{arguments[1] if _is_single(exponent) else f'({arguments[1]})'}"
        if one.function in ("abs", "modulus"):
            return f"|{arguments[0]}|"
        if one.function in _CONDITIONS:
            return f"[{self.holds(one, letters)}]"
        if one.function == "number":
            bare = _is_single(one.arguments[0]) or arguments[0].isdecimal()
            return arguments[0] if bare else f"({arguments[0]})"
        return f"{_SHOWN.get(one.function, one.function)}({', '.join(arguments)})"


class _Latex(_Notation):
    less, more, unequal = r" \leq ", r" \geq ", r" \neq "
    parentheses = r"\left({}\right)"
    bare_top = True

    def unit(self, unit, letters, factor):
        if isinstance(unit, Index):
            return letters.of(unit)
        if isinstance(unit, Entry):
            return self.symbol(Symbol(unit.table, unit.index), letters)
        inner = self.position(unit.of, letters)
        if not unit.rest:
            return rf"\lfloor {inner if _is_letter(inner) else f'({inner})'}/{unit.by} \rfloor"
        written = rf"{inner if _is_letter(inner) else f'({inner})'} \bmod {unit.by}"
        return f"({written})" if factor else written

    def product(self, coefficient, factors, sizes=()):
        joined = r" \, ".join(factors)
        if not factors:
            return self.rational(coefficient, sizes)
        return joined if coefficient == 1 else f"{self.rational(coefficient, sizes)} {joined}"

    def rational(self, value: Fraction, sizes: Iterable[int]) -> str:
        written = rational(value, sizes)
        if "/" in written:
            return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        return written

    def quotient(self, top, bottom):
        return rf"\frac{{{top}}}{{{self.product(Fraction(1), bottom)}}}"

    def symbol(self, one: Symbol, letters: Letters) -> str:
        if one.kind == -1:
            return rf"\overline{{{self.symbol(one._replace(kind=1), letters)}}}"
        name, _, number = one.name.rpartition("_")
        places = [self.position(p, letters) for p in one.index]
        if name and number.isdecimal():
            head, below = name, [number, *places]
        else:
            head, below = one.name, places
        separator = "," if any(len(p) > 1 for p in below) or head is name else ""
        return latex_name(head) + (f"_{{{separator.join(below)}}}" if below else "")

    def factor(self, one, exponent, letters, alone):
        written = self.atom(one, letters)
        if isinstance(one, Group) and _negated(one.body) is None:
            if exponent == Fraction(1, 2) or (alone and exponent == 1):
                written = self.formula(one.body, letters)
            else:
                written = rf"\left({written}\right)"
        if exponent == Fraction(1, 2):
            return rf"\sqrt{{{written}}}"
        if exponent == 1:
            return written
        if isinstance(one, Apply) and one.function in _LATEX_FUNCTIONS and exponent.denominator == 1 and exponent > 0:
            head, _, rest = written.partition(r"\left(")
            return rf"{head}^{{{rational(exponent)}}}\left({rest}"
        if isinstance(one, (Total, Product, Partial)) or (isinstance(one, Apply) and one.function in ("pow", "number")):
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
            without = _negated(one.body)
            if without is not None:
                return rf"\left[{self.opposite(without, letters)}\right]"
            return self.formula(one.body, letters)
        if isinstance(one, Whole):
            return self.symbol(one.symbol, letters)
        if isinstance(one, Delta) and isinstance(one.left, Index) and isinstance(one.right, Index):
            return rf"\delta_{{{letters.of(one.left)}{letters.of(one.right)}}}"
        if isinstance(one, (AtLeast, Delta)):
            return rf"\left[{self.condition(one, letters)}\right]"
        if isinstance(one, Partial):
            return rf"\frac{{\partial {self.symbol(one.of, letters)}}}{{\partial {self.symbol(one.by, letters)}}}"
        if isinstance(one, (Total, Product)):
            said, body, inner = self.over(one, letters)
            head = r"\sum" if isinstance(one, Total) else r"\prod"
            return rf"{head}_{{{', '.join(said) or inner.of(one.index)}}} {body}"
        if one.function == "pi":
            return r"\pi"
        if one.function == "i":
            return r"\mathrm{i}"
        arguments = [self.formula(a, letters) for a in one.arguments]
        if one.function == "pow":
            return rf"{{\left({arguments[0]}\right)}}^{{{arguments[1]}}}"
        if one.function in ("abs", "modulus"):
            return rf"\left|{arguments[0]}\right|"
        if one.function in _CONDITIONS:
            return rf"\left[{self.holds(one, letters)}\right]"
        if one.function == "number":
            return arguments[0]
        if one.function in _LATEX_NAMES:
            head = _LATEX_NAMES[one.function]
        elif one.function in _LATEX_FUNCTIONS:
            head = "\\" + one.function
        else:
            head = rf"\operatorname{{{escaped(_SHOWN.get(one.function, one.function))}}}"
        return rf"{head}\left({', '.join(arguments)}\right)"


def _starts_with_factor(written: str) -> bool:
    """2i+1, which as a subscript would look like two indices."""
    return written[0].isdecimal() and not written.isdecimal()


def _is_letter(written: str) -> bool:
    return written.isalnum()


def shown_name(name: str) -> str:
    """A name as text shows it: x_2 is x₂, and softmax(x_2) is softmax(x₂)."""
    return _NUMBER_IN_NAME.sub(lambda found: found[1].translate(_SUBSCRIPTS), name)


_NUMBER_IN_NAME = re.compile(r"(?<=.)_([0-9]+)(?=$|[),·])")


def _numbered(name: str) -> tuple[str, str]:
    """(x, 2) for x_2; the name and nothing for one that has no number."""
    head, _, number = name.rpartition("_")
    return (head, number) if head and number.isdecimal() and number.isascii() else (name, "")


def shown_width(line: str) -> int:
    """How many columns of a terminal a text takes: signs that stand over others take none."""
    return sum(not combining(sign) for sign in line)


def power(exponent: Fraction) -> str:
    """² or ^(3/2)."""
    if exponent.denominator == 1:
        return str(exponent.numerator).translate(_SUPERSCRIPTS)
    return f"^({rational(exponent)})"


_LATEX_NAMES = {
    "sigmoid": r"\sigma",
    "Phi": r"\Phi",
    "Phi_inverse": r"\Phi^{-1}",
    "zeta": r"\zeta",
    "lgamma": r"\log\Gamma",
}
_LATEX_SIGNS = {"\\": r"\backslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "^": r"\hat{}", "$": r"\$", "&": r"\&",
                "#": r"\#", "%": r"\%", "~": r"\sim{}", "<": "{<}", ">": "{>}", " ": r"\ "}  # fmt: skip


def escaped(name: str) -> str:
    """A program's name with nothing in it that LaTeX or HTML would take for its own."""
    return "".join(_LATEX_SIGNS.get(sign, sign) for sign in name)


_CALL_IN_NAME = re.compile(r"([A-Za-z_]+)\((.+)\)")  # what a rule names by its input: softmax(x)


def latex_name(name: str) -> str:
    """A variable's name in LaTeX: one letter and Greek in italics, words upright."""
    if len(name) == 1 and name.isalpha():
        return name
    if name in GREEK:
        return "\\" + name
    head, _, sign = name.rpartition("_")
    if sign in ("bar", "dot", "hat", "tilde") and (len(head) == 1 or head in GREEK):
        return rf"\{sign}{{{latex_name(head)}}}"
    called = _CALL_IN_NAME.fullmatch(name)
    if called is not None:
        arguments = (LATEX.symbol(Symbol(one), Letters()) for one in called[2].split(", "))
        return rf"\mathrm{{{escaped(called[1])}}}\left({', '.join(arguments)}\right)"
    has_letters = all(sign.isascii() or "\u0370" <= sign <= "\u03ff" for sign in name)
    command = "mathrm" if has_letters else "text"  # mathematics has no letters of scripts beside Latin and Greek
    return rf"\{command}{{{escaped(name)}}}"


TEXT, LATEX = _Text(), _Latex()


def text(formula: Formula, letters: Letters | None = None) -> str:
    """A formula as a terminal shows it."""
    return TEXT.formula(formula, _lettered(formula, letters))


def is_longer(formula: Formula, most: int, letters: Letters | None = None) -> bool:
    """Whether a formula takes more signs than `most` in a terminal; one of very many parts is not written to see that."""
    return formula.size > most or len(text(formula, letters)) > most


def latex(formula: Formula, letters: Letters | None = None) -> str:
    """A formula in LaTeX's mathematics."""
    return LATEX.formula(formula, _lettered(formula, letters))


def _lettered(formula: Formula, letters: Letters | None) -> Letters:
    """Letters for all free indices, before any sum inside takes one."""
    letters = letters or Letters()
    for index in sorted(formula.indices()):
        letters.of(index)
    return letters
