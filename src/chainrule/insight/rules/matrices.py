"""Functions of whole matrices: inverse, determinant, solutions, eigenvalues. Their derivatives are in Giles, "Collected
matrix derivative results for forward and reverse mode algorithmic differentiation" (2008)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ..algebra import ONE, ZERO, Formula, at_least, delta, number, total
from ..formulas import Call, NoFormula, Place, rule
from ..functions import HALF
from ..positions import Position, difference, fresh
from .reductions import Slopes


class _Matrix(Slopes):
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

    def given(self, name: str, array: np.ndarray, at: Place, *last: Position) -> Formula:
        """An element of another matrix that belongs to the same one of the stack."""
        return self.call.formulas.given(name, array, (*at[: self.batch], *last))


def _inverse(call: Call) -> tuple[str, np.ndarray]:
    try:
        return f"inv({call.input_name(0)})", np.linalg.inv(np.asarray(call.array(0), np.float64))
    except np.linalg.LinAlgError:
        raise NoFormula from None


class _Inverse(_Matrix):
    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner
        lead = at[: self.batch]
        return ZERO - self.moved(one, (*lead, i, k)) * self.moved(one, (*lead, m, j))


@rule("linalg_inv_ex")
def _inv(call: Call, p: Place) -> Formula:
    _real(call)
    return call.formulas.whole(f"inv({call.input_name(0)})", call.output(0), p, _Inverse(call, 0))


class _Determinant(_Matrix):
    def within(self, one, at, place, inner):
        k, m = inner
        return self.given(f"cofactor({self.call.input_name(0)})", _cofactors(self.call.array(0)), at, k, m)


class _LogDeterminant(_Matrix):
    def within(self, one, at, place, inner):
        k, m = inner
        return self.given(*_inverse(self.call), at, m, k)


def _cofactors(x: np.ndarray) -> np.ndarray:
    n = x.shape[-1]
    found = np.ones(x.shape)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(x, i, -2), j, -1)
            found[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor) if n > 1 else 1
    return found


@rule("linalg_det")
def _det(call: Call, p: Place) -> Formula:
    _real(call)
    return call.formulas.whole(f"det({call.input_name(0)})", call.output(), p, _Determinant(call, 0))


@rule("linalg_slogdet")
def _slogdet(call: Call, p: Place) -> Formula:
    _real(call)
    if call.number == 0:
        return call.formulas.given(f"sign(det({call.input_name(0)}))", call.output(0), p)
    return call.formulas.whole(f"log|det({call.input_name(0)})|", call.output(1), p, _LogDeterminant(call, 0))


def _real(call: Call) -> None:
    if call.array(0).dtype.kind == "c" or not call.output(0).size:
        raise NoFormula


# ---------------------------------------------------------------- solutions


class _Solution(_Matrix):
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
    _real(call)
    names = f"{call.input_name(0)}, {call.input_name(1)}"
    left, vector = call.setting("left"), call.setting("vector")
    return call.formulas.whole(f"solve({names})", call.output(0), p, _Solution(call, left, vector))


class _Triangular(_Solution):
    def given_inverse(self, at, i, j):
        x = np.asarray(self.call.array(0), np.float64)
        x = np.triu(x) if self.call.setting("upper") else np.tril(x)
        if self.call.setting("unit"):
            x = x + np.eye(x.shape[-1]) * (1 - x)
        name = f"inv({'upper' if self.call.setting('upper') else 'lower'} {self.call.input_name(0)})"
        return self.call.formulas.given(name, np.linalg.inv(x), (*self.stack(at), i, j))


@rule("linalg_solve_triangular")
def _solve_triangular(call: Call, p: Place) -> Formula:
    _real(call)
    names = f"{call.input_name(0)}, {call.input_name(1)}"
    n = call.shape()[-1]
    used = np.ones((n, n))
    used = np.triu(used) if call.setting("upper") else np.tril(used)
    if call.setting("unit"):
        used = used - np.eye(n)
    return call.formulas.whole(
        f"solve({names})", call.output(), p, _Triangular(call, call.setting("left"), False, used)
    )  # fmt: skip


# ---------------------------------------------------------------- factors


class _Eigenvalues(_Matrix):
    """λ of a symmetric matrix of which one triangle is read: ∂λᵢ/∂Xₖₘ = vₖᵢ·vₘᵢ, read as a symmetric derivative."""

    def within(self, one, at, place, inner):
        (i,) = self.own(at)
        k, m = inner
        vectors = self.call.output(1)
        name = f"vectors({self.call.input_name(0)})"
        return self.given(name, vectors, at, k, i) * self.given(name, vectors, at, m, i)


@rule("linalg_eigh")
def _eigh(call: Call, p: Place) -> Formula:
    _real(call)
    if call.number:
        raise NoFormula
    return call.formulas.whole(
        f"eigenvalues({call.input_name(0)})", call.output(0), p, _Eigenvalues(call, 0)
    )  # fmt: skip


class _SingularValues(_Matrix):
    def within(self, one, at, place, inner):
        (i,) = self.own(at)
        k, m = inner
        left, _, right = np.linalg.svd(np.asarray(self.call.array(0), np.float64), full_matrices=False)
        name = self.call.input_name(0)
        return self.given(f"left({name})", left, at, k, i) * self.given(f"right({name})", right, at, i, m)


@rule("linalg_svdvals")
def _svdvals(call: Call, p: Place) -> Formula:
    _real(call)
    return call.formulas.whole(
        f"singular_values({call.input_name(0)})", call.output(), p, _SingularValues(call, 0)
    )  # fmt: skip


class _Cholesky(_Matrix):
    """L with L·Lᵀ = X: dL = L·Φ(L⁻¹·dX·L⁻ᵀ), Φ being the lower triangle with half the diagonal."""

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner
        lead, n = at[: self.batch], self.call.shape()[-1]
        name = f"inv({one.symbol.name})"
        inverse = np.linalg.inv(self.call.output(0))
        below = fresh(n)
        # (L Φ(P))ᵢⱼ = Σ_{b > j} Lᵢ_b P_bⱼ + Lᵢⱼ Pⱼⱼ/2 with P symmetric in dX
        inner_sum = ZERO
        if n != 1:
            inner_sum = total(
                below,
                at_least(difference(difference(below, j), 1))
                * self.moved(one, (*lead, i, below))
                * self._both(name, inverse, at, below, j, k, m),
            )
        own = number(HALF) * self.moved(one, (*lead, i, j)) * self._both(name, inverse, at, j, j, k, m)
        return inner_sum + own

    def _both(self, name, inverse, at, a, b, k, m) -> Formula:
        one = self.given(name, inverse, at, a, k) * self.given(name, inverse, at, b, m)
        other = self.given(name, inverse, at, a, m) * self.given(name, inverse, at, b, k)
        return number(Fraction(1, 2)) * (one + other)


@rule("linalg_cholesky_ex")
def _cholesky(call: Call, p: Place) -> Formula:
    _real(call)
    if call.setting("upper"):
        raise NoFormula
    return call.formulas.whole(f"cholesky({call.input_name(0)})", call.output(0), p, _Cholesky(call, 0))
