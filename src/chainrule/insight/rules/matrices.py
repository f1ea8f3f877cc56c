"""Functions of whole matrices: inverse, determinant, solutions, pseudoinverse, exponential.

Where nothing else is said, their derivatives are in Giles, "Collected matrix derivative results for forward and reverse
mode algorithmic differentiation" (2008)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..algebra import ONE, ZERO, Formula, atom, delta, number, total
from ..formulas import Call, NoFormula, Place, rule
from ..positions import Position, fresh
from ..writing import shown_name
from .reductions import Slopes


class Matrix(Slopes):
    """Something computed from a stack of matrices, matrix by matrix; `batch` is the number of dimensions of the stack."""

    def __init__(self, call: Call, *places: int) -> None:
        super().__init__(call, *places)
        self.batch = len(call.shape(0)) - 2

    def of(self, one, at, place, inner):
        same, lead = ONE, len(at) - len(self.own(at))
        depth = min(lead, len(inner) - self.inner_dims(place))
        for a, b in zip(at[:lead][lead - depth :], inner[: len(inner) - self.inner_dims(place)]):
            same = same * delta(a, b)
        return same * self.within(one, at, place, inner[len(inner) - self.inner_dims(place) :])

    def own(self, at: Place) -> Place:
        """The part of a place that is inside of one matrix's result."""
        return at[self.batch :]

    def inner_dims(self, place: int) -> int:
        return 2

    def within(self, one, at: Place, place: int, inner: Place) -> Formula:
        raise NotImplementedError

    def given(self, name: str, array: np.ndarray, at: Place, *last: Position, meaning: str = "") -> Formula:
        """An element of another matrix that belongs to the same one of the stack."""
        return self.call.formulas.given(name, array, (*at[: self.batch], *last), meaning)

    def output_name(self, number: int, name: str) -> str:
        """What the program calls another output of the same call, else `name`."""
        return self.call.formulas.symbols.get((self.call.node, number), name)

    def output(self, number: int, name: str, at: Place, *last: Position) -> Formula:
        """An element of another output of the same call, by its own name if it has one."""
        place = (*at[: self.batch], *last)
        edge = self.call.node, number
        if edge in self.call.formulas.symbols:
            return atom(self.call.formulas.symbol(edge, place))
        return self.call.formulas.given(name, self.call.output(number), place)


def over(n: int, body: Callable[[Position], Formula]) -> Formula:
    """The sum of `body` over an index that counts to `n`."""
    if n == 1:
        return body(0)
    index = fresh(n)
    return total(index, body(index))


def exact(array: np.ndarray) -> np.ndarray:
    """An array in double precision."""
    return np.asarray(array, np.result_type(array, np.float64))


def _inverse(call: Call) -> tuple[str, np.ndarray]:
    try:
        return f"inv({call.input_name(0)})", np.linalg.inv(exact(call.array(0)))
    except np.linalg.LinAlgError:
        raise NoFormula from None


WELL_CONDITIONED = 1e6  # a matrix whose determinant's derivative is written with its inverse


class _Inverse(Matrix):
    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner
        lead = at[: self.batch]
        return ZERO - self.moved(one, (*lead, i, k)) * self.moved(one, (*lead, m, j))


@rule("linalg_inv_ex")
def _inv(call: Call, p: Place) -> Formula:
    not_empty(call)
    return call.formulas.whole(f"inv({call.input_name(0)})", call.output(0), p, _Inverse(call, 0))


class _Determinant(Matrix):
    def within(self, one, at, place, inner):
        k, m = inner
        if np.all(np.linalg.cond(exact(self.call.array(0))) < WELL_CONDITIONED):
            return self.moved(one, at) * self.given(*_inverse(self.call), at, m, k)
        name = self.call.input_name(0)
        meaning = f"{{}}ᵢⱼ is (-1)ⁱ⁺ʲ times the determinant of {shown_name(name)} without row i and column j."
        return self.given(f"cofactor({name})", _cofactors(exact(self.call.array(0))), at, k, m, meaning=meaning)


class _LogDeterminant(Matrix):
    def within(self, one, at, place, inner):
        k, m = inner
        return self.given(*_inverse(self.call), at, m, k)


def _cofactors(x: np.ndarray) -> np.ndarray:
    n = x.shape[-1]
    found = np.ones_like(x)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(x, i, -2), j, -1)
            found[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor) if n > 1 else 1
    return found


@rule("linalg_det")
def _det(call: Call, p: Place) -> Formula:
    not_empty(call)
    return call.formulas.whole(f"det({call.input_name(0)})", call.output(), p, _Determinant(call, 0))


@rule("linalg_slogdet")
def _slogdet(call: Call, p: Place) -> Formula:
    real(call)
    if call.number == 0:
        return call.formulas.given(f"sign(det({call.input_name(0)}))", call.output(0), p)
    return call.formulas.whole(f"log|det({call.input_name(0)})|", call.output(1), p, _LogDeterminant(call, 0))


def not_empty(call: Call) -> None:
    if not call.output(0).size:
        raise NoFormula


def real(call: Call) -> None:
    """NoFormula for complex numbers, of which the derivative is another."""
    if call.array(0).dtype.kind == "c" or not call.output(0).size:
        raise NoFormula


# ---------------------------------------------------------------- solutions


class _Solution(Matrix):
    """X with A X = B (or X A = B): ∂Xᵢⱼ/∂Aₖₘ = -inv(A)ᵢₖ·Xₘⱼ, ∂Xᵢⱼ/∂Bₖⱼ = inv(A)ᵢₖ."""

    def __init__(self, call: Call, left: bool, vector: bool, kept: np.ndarray | None = None) -> None:
        super().__init__(call, 0, 1)
        self.left, self.vector, self.kept = left, vector, kept

    def own(self, at: Place) -> Place:
        return at[len(at) - (1 if self.vector else 2) :]

    def inner_dims(self, place: int) -> int:
        return 1 if self.vector and place == 1 else 2

    def given_inverse(self, at: Place, i: Position, j: Position) -> Formula:
        name, array = _inverse(self.call)
        return self.call.formulas.given(name, array, (*self.stack(at), i, j))

    def stack(self, at: Place) -> Place:
        """The place in the stack of matrices A, which may be smaller than that of B."""
        shape = self.call.shape(0)[:-2]
        lead = at[: len(at) - len(self.own(at))]
        return tuple(0 if n == 1 else q for n, q in zip(shape, lead[len(lead) - len(shape) :]))

    def within(self, one, at, place, inner):
        own = self.own(at)
        lead = at[: len(at) - len(own)]
        i, j = own if len(own) == 2 else (own[0], None)
        columns = () if j is None else (j,)
        if place == 1:
            k, *column = inner
            if self.left:
                same = delta(j, column[0]) if column else ONE
                return self.given_inverse(at, i, k) * same
            return delta(i, k) * self.given_inverse(at, column[0], j)
        k, m = inner
        kept = ONE if self.kept is None else self.call.formulas.given("used", self.kept, (k, m))
        if self.left:
            return ZERO - kept * self.given_inverse(at, i, k) * self.moved(one, (*lead, m, *columns))
        return ZERO - kept * self.moved(one, (*lead, i, k)) * self.given_inverse(at, m, j)


@rule("linalg_solve_ex")
def _solve(call: Call, p: Place) -> Formula:
    not_empty(call)
    names = f"{call.input_name(0)}, {call.input_name(1)}"
    left, vector = call.setting("left"), call.setting("vector")
    return call.formulas.whole(f"solve({names})", call.output(0), p, _Solution(call, left, vector))


class _Triangular(_Solution):
    def given_inverse(self, at, i, j):
        x = exact(self.call.array(0))
        x = np.triu(x) if self.call.setting("upper") else np.tril(x)
        if self.call.setting("unit"):
            x = x + np.eye(x.shape[-1]) * (1 - x)
        name = f"inv({'upper' if self.call.setting('upper') else 'lower'} {self.call.input_name(0)})"
        return self.call.formulas.given(name, np.linalg.inv(x), (*self.stack(at), i, j))


@rule("linalg_solve_triangular")
def _solve_triangular(call: Call, p: Place) -> Formula:
    not_empty(call)
    names = f"{call.input_name(0)}, {call.input_name(1)}"
    n = call.shape()[-1]
    used = np.ones((n, n))
    used = np.triu(used) if call.setting("upper") else np.tril(used)
    if call.setting("unit"):
        used = used - np.eye(n)
    return call.formulas.whole(
        f"solve({names})", call.output(), p, _Triangular(call, call.setting("left"), False, used)
    )  # fmt: skip


# ---------------------------------------------------------------- pseudoinverse and least squares


class _Pseudoinverse(Matrix):
    """P, the pseudoinverse of A: dP = -P·dA·P + P·Pᵀ·dAᵀ·(1 - A·P) + (1 - P·A)·dAᵀ·Pᵀ·P, where the rank stays the same.

    Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate" (1973). 1 - P·A is 0 where the columns of A are independent, and 1 - A·P where the rows are.
    """

    def __init__(self, call: Call, *places: int) -> None:
        super().__init__(call, *places)
        self.a = exact(call.array(0))
        self.pseudoinverse = np.linalg.pinv(self.a)
        self.rows, self.columns = self.a.shape[-2:]
        self.rank = int(np.min(np.linalg.matrix_rank(self.a)))

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner

        def p(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        result = ZERO - p(i, k) * p(m, j)
        if self.rank < self.rows:
            name = self.call.input_name(0)
            rest = np.eye(self.rows) - self.a @ self.pseudoinverse
            beyond = self.given(f"(1 - {name}·pinv({name}))", rest, at, k, j)
            result = result + over(self.rows, lambda a: p(i, a) * p(m, a)) * beyond
        if self.rank < self.columns:
            result = result + self.kernel(at, i, m) * over(self.columns, lambda a: p(a, k) * p(a, j))
        return result

    def kernel(self, at: Place, i: Position, m: Position) -> Formula:
        """An element of 1 - P·A, which projects onto what A maps to 0."""
        name = self.call.input_name(0)
        return self.given(f"(1 - pinv({name})·{name})", np.eye(self.columns) - self.pseudoinverse @ self.a, at, i, m)


@rule("linalg_pinv")
def _pinv(call: Call, p: Place) -> Formula:
    real(call)
    if not np.allclose(call.output(), np.linalg.pinv(exact(call.array(0))), rtol=1e-3, atol=1e-5):
        raise NoFormula  # small singular values are taken for 0, or one triangle only is read
    return call.formulas.whole(f"pinv({call.input_name(0)})", call.output(), p, _Pseudoinverse(call, 0))


class _LeastSquares(_Pseudoinverse):
    """X = P·B: dX = P·dB - P·dA·X + P·Pᵀ·dAᵀ·(B - A·X) + (1 - P·A)·dAᵀ·Pᵀ·X, from the derivative of P."""

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner
        name = f"pinv({self.call.input_name(0)})"

        def p(a: Position, b: Position) -> Formula:
            return self.given(name, self.pseudoinverse, at, a, b)

        def x(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        if place == 1:
            return p(i, k) * delta(j, m)
        result = ZERO - p(i, k) * x(m, j)
        if self.rank < self.rows:
            result = result + over(self.rows, lambda a: p(i, a) * p(m, a)) * self.residual(at, k, j)
        if self.rank < self.columns:
            result = result + self.kernel(at, i, m) * over(self.columns, lambda a: p(a, k) * x(a, j))
        return result

    def residual(self, at: Place, k: Position, j: Position) -> Formula:
        """An element of B - A·X."""
        a, b = (self.call.input_name(place) for place in (0, 1))
        rest = exact(self.call.array(1)) - self.a @ exact(self.call.output(0))
        return self.given(f"({b} - {a}·lstsq({a}, {b}))", rest, at, k, j)


class _Residuals(_LeastSquares):
    """The sums Σₖ(B - A·X)ₖⱼ²: what X contributes to their derivative is 0, since they are least."""

    def within(self, one, at, place, inner):
        (j,) = self.own(at)
        k, m = inner
        if place == 1:
            return number(2) * self.residual(at, k, j) * delta(j, m)
        names = ", ".join(self.call.input_name(place) for place in (0, 1))
        return number(-2) * self.residual(at, k, j) * self.output(0, f"lstsq({names})", at, m, j)


@rule("linalg_lstsq")
def _lstsq(call: Call, p: Place) -> Formula:
    real(call)
    names = ", ".join(call.input_name(place) for place in (0, 1))
    if call.number == 0:
        return call.formulas.whole(f"lstsq({names})", call.output(0), p, _LeastSquares(call, 0, 1))
    return call.formulas.whole(f"residuals({names})", call.output(1), p, _Residuals(call, 0, 1))


# ---------------------------------------------------------------- exponential

MOST_ENTRIES = 200_000  # of a derivative of all elements by all elements, which is computed as a whole


class _Exponential(Matrix):
    """exp(X): d exp(X) = ∫₀¹ exp(s·X)·dX·exp((1 - s)·X) ds.

    Wilcox, "Exponential operators and parameter differentiation in quantum physics" (1967); Higham, "Functions of
    matrices" (2008), chapter 10."""

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        name = shown_name(self.call.input_name(0))
        meaning = f"{{}}ᵢⱼₖₗ is ∫₀¹ exp(s·{name})ᵢₖ·exp((1 - s)·{name})ₗⱼ ds, the Fréchet derivative of exp."
        return self.given(f"L({name})", _frechet(exact(self.call.array(0))), at, i, j, *inner, meaning=meaning)


def _frechet(x: np.ndarray) -> np.ndarray:
    """The integral for all i, j, k, l, by Gauss's quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(20 + int(np.abs(x).sum(-1).max()))
    found = np.zeros((*x.shape, *x.shape[-2:]), x.dtype)
    for node, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
        found += weight * np.einsum("...ik,...lj->...ijkl", exponential(node * x), exponential((1 - node) * x))
    return found


def exponential(x: np.ndarray) -> np.ndarray:
    """The exponentials of matrices: Taylor's series of a part so small that it ends soon, squared again and again."""
    halvings = max(0, int(np.ceil(np.log2(max(np.abs(x).sum(-1).max(), 1e-300)))) + 2)
    small = x / 2.0**halvings
    result = term = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    for n in range(1, 20):
        term = term @ small / n
        result = result + term
    for _ in range(halvings):
        result = result @ result
    return result


@rule("linalg_matrix_exp")
def _matrix_exp(call: Call, p: Place) -> Formula:
    not_empty(call)
    shape = call.shape()
    if call.output().size * shape[-1] ** 2 > MOST_ENTRIES:
        raise NoFormula
    return call.formulas.whole(f"exp({call.input_name(0)})", call.output(), p, _Exponential(call, 0))
