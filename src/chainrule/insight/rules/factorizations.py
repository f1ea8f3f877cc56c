"""Factors of matrices: eigenvalues and eigenvectors, singular values and vectors, Q and R, Cholesky's, L and U."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ...backend import linear_algebra as la
from ..algebra import ZERO, Formula, at_least, delta, number, total
from ..formulas import Call, NoFormula, Place, rule
from ..functions import HALF
from ..positions import Position, difference, fresh
from .matrices import Matrix, exact, not_empty, over, real


def gaps(values: np.ndarray) -> np.ndarray:
    """1/(vⱼ - vᵢ), 0 for i = j; NoFormula where two are equal, since there vectors have no derivative."""
    apart = values[..., None, :] - values[..., :, None]
    diagonal = np.eye(values.shape[-1], dtype=bool)
    if (apart[..., ~diagonal] == 0).any():
        raise NoFormula
    return np.where(diagonal, 0, 1 / np.where(diagonal, 1, apart))


# ---------------------------------------------------------------- symmetric and general matrices


class _Eigenvalues(Matrix):
    """λ of a symmetric X: ∂λᵢ/∂Xₖₘ = Vₖᵢ·Vₘᵢ. One triangle is read, and both get half of the derivative."""

    def within(self, one, at, place, inner):
        (i,) = self.own(at)
        k, m = inner
        name = f"eigenvectors({self.call.input_name(0)})"
        return self.output(1, name, at, k, i) * self.output(1, name, at, m, i)


class _Eigenvectors(Matrix):
    """V of a symmetric X: dV = V·(F ∘ Vᵀ·dX·V) with Fᵢⱼ = 1/(λⱼ - λᵢ), 0 on the diagonal.

    Giles, "Collected matrix derivative results" (2008), section 3.1."""

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner
        values = self.call.output(0)
        factors = gaps(exact(values))
        meaning = "{}ᵢⱼ is 1/(λⱼ - λᵢ), 0 for i = j, of the eigenvalues λ."

        def v(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        return over(
            values.shape[-1],
            lambda a: (
                v(i, a)
                * v(k, a)
                * self.given(f"F({self.call.input_name(0)})", factors, at, a, j, meaning=meaning)
                * v(m, j)
            ),
        )


@rule("linalg_eigh")
def _eigh(call: Call, p: Place) -> Formula:
    real(call)
    kind, what = ((_Eigenvalues, "eigenvalues"), (_Eigenvectors, "eigenvectors"))[call.number]
    return call.formulas.whole(f"{what}({call.input_name(0)})", call.output(), p, kind(call, 0))


class _GeneralEigenvalues(Matrix):
    """λ of X = V·diag(λ)·V⁻¹: ∂λᵢ/∂Xₖₘ = V⁻¹ᵢₖ·Vₘᵢ. Giles (2008), section 3.1."""

    def within(self, one, at, place, inner):
        (i,) = self.own(at)
        k, m = inner
        name = f"eigenvectors({self.call.input_name(0)})"
        inverse = np.linalg.inv(exact(self.call.output(1)))
        return self.given(f"inv({self.output_name(1, name)})", inverse, at, i, k) * self.output(1, name, at, m, i)


@rule("linalg_eig")
def _eig(call: Call, p: Place) -> Formula:
    not_empty(call)
    if call.number:
        raise NoFormula  # their length is 1: no function of the complex numbers alone
    return call.formulas.whole(
        f"eigenvalues({call.input_name(0)})", call.output(0), p, _GeneralEigenvalues(call, 0)
    )  # fmt: skip


# ---------------------------------------------------------------- singular values and vectors


class _Singular(Matrix):
    """U·diag(S)·Vᵀ of X, one of them.

    dS = diag(Uᵀ·dX·V); dU = U·(F ∘ (Uᵀ·dX·V·S + S·Vᵀ·dXᵀ·U)) + (1 - U·Uᵀ)·dX·V·S⁻¹ with Fᵢⱼ = 1/(Sⱼ² - Sᵢ²), 0 on the
    diagonal; and dV likewise, of Xᵀ. Townsend, "Differentiating the singular value decomposition" (2016)."""

    def __init__(self, call: Call) -> None:
        super().__init__(call, 0)
        self.rows, self.columns = call.shape()[-2:]
        self.few = min(self.rows, self.columns)

    def u(self, at: Place, a: Position, b: Position) -> Formula:
        return self.output(0, f"left({self.call.input_name(0)})", at, a, b)

    def s(self, at: Place, a: Position) -> Formula:
        return self.output(1, f"singular_values({self.call.input_name(0)})", at, a)

    def vh(self, at: Place, a: Position, b: Position) -> Formula:
        return self.output(2, f"right({self.call.input_name(0)})", at, a, b)

    def f(self, at: Place, a: Position, b: Position) -> Formula:
        factors = gaps(exact(self.call.output(1)) ** 2)
        meaning = "{}ᵢⱼ is 1/(sⱼ² - sᵢ²), 0 for i = j, of the singular values s."
        return self.given(f"F({self.call.input_name(0)})", factors, at, a, b, meaning=meaning)


class _SingularValues(_Singular):
    def within(self, one, at, place, inner):
        (i,) = self.own(at)
        k, m = inner
        return self.u(at, k, i) * self.vh(at, i, m)


class _Left(_Singular):
    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner

        def u(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        result = over(
            self.few,
            lambda a: (
                u(i, a)
                * self.f(at, a, j)
                * (u(k, a) * self.vh(at, j, m) * self.s(at, j) + self.s(at, a) * self.vh(at, a, m) * u(k, j))
            ),
        )
        if self.rows > self.few:
            beyond = delta(i, k) - over(self.few, lambda a: u(i, a) * u(k, a))
            result = result + beyond * self.vh(at, j, m) * self.s(at, j).power(-1)
        return result


class _Right(_Singular):
    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner

        def vh(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        result = over(
            self.few,
            lambda a: (
                vh(a, j)
                * self.f(at, a, i)
                * (self.s(at, a) * self.u(at, k, a) * vh(i, m) + vh(a, m) * self.u(at, k, i) * self.s(at, i))
            ),
        )
        if self.columns > self.few:
            beyond = delta(j, m) - over(self.few, lambda a: vh(a, j) * vh(a, m))
            result = result + beyond * self.u(at, k, i) * self.s(at, i).power(-1)
        return result


@rule("linalg_svd")
def _svd(call: Call, p: Place) -> Formula:
    real(call)
    if call.number != 1 and (call.output(0).shape[-1], call.output(2).shape[-2]) != call.output(1).shape[-1:] * 2:
        raise NoFormula  # the vectors that complete U or V are any
    kind, what = ((_Left, "left"), (_SingularValues, "singular_values"), (_Right, "right"))[call.number]
    return call.formulas.whole(f"{what}({call.input_name(0)})", call.output(), p, kind(call))


class _SingularValuesAlone(_SingularValues):
    """The same without the vectors, which are computed here."""

    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        left, _, right = np.linalg.svd(exact(self.call.array(0)), full_matrices=False)
        return left, right

    def u(self, at, a, b):
        return self.given(f"left({self.call.input_name(0)})", self._factors()[0], at, a, b)

    def vh(self, at, a, b):
        return self.given(f"right({self.call.input_name(0)})", self._factors()[1], at, a, b)


@rule("linalg_svdvals")
def _svdvals(call: Call, p: Place) -> Formula:
    real(call)
    return call.formulas.whole(
        f"singular_values({call.input_name(0)})", call.output(), p, _SingularValuesAlone(call)
    )  # fmt: skip


# ---------------------------------------------------------------- Q and R


class _Orthogonal(Matrix):
    """X = Q·R. With C = Qᵀ·dX·R⁻¹ and Ω = L - Lᵀ, L the part of C below the diagonal: dR = Qᵀ·dX - Ω·R and
    dQ = Q·Ω + (1 - Q·Qᵀ)·dX·R⁻¹.

    Walter, Lehmann and Lamour, "On evaluating higher-order derivatives of the QR decomposition of tall matrices with full
    column rank in forward and reverse mode algorithmic differentiation" (2012). Of a wide X, R⁻¹ is that of the square
    part of R, with rows of zeros below, since Q depends on these columns alone."""

    def __init__(self, call: Call) -> None:
        super().__init__(call, 0)
        self.rows, self.columns = call.shape()[-2:]
        self.few = min(self.rows, self.columns)
        square = exact(call.output(1))[..., : self.few, : self.few]
        try:
            inverse = np.linalg.inv(square)
        except np.linalg.LinAlgError:
            raise NoFormula from None
        self.inverse = np.zeros((*square.shape[:-2], self.columns, self.few), square.dtype)
        self.inverse[..., : self.few, :] = inverse

    def q(self, at: Place, a: Position, b: Position) -> Formula:
        return self.output(0, f"Q({self.call.input_name(0)})", at, a, b)

    def r(self, at: Place, a: Position, b: Position) -> Formula:
        return self.output(1, f"R({self.call.input_name(0)})", at, a, b)

    def inverse_at(self, at: Place, a: Position, b: Position) -> Formula:
        name = f"inv({self.output_name(1, f'R({self.call.input_name(0)})')})"
        meaning = "{} is the inverse of the square part of R, above rows of zeros." if self.columns > self.few else ""
        return self.given(name, self.inverse, at, a, b, meaning=meaning)

    def turned(self, at: Place, a: Position, b: Position, k: Position, m: Position, q) -> Formula:
        """The derivative of Ω at a, b by Xₖₘ."""
        below = at_least(difference(difference(a, b), 1))
        above = at_least(difference(difference(b, a), 1))
        return below * q(k, a) * self.inverse_at(at, m, b) - above * q(k, b) * self.inverse_at(at, m, a)


class _Q(_Orthogonal):
    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner

        def q(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        result = over(self.few, lambda a: q(i, a) * self.turned(at, a, j, k, m, q))
        if self.rows > self.few:
            beyond = delta(i, k) - over(self.few, lambda a: q(i, a) * q(k, a))
            result = result + beyond * self.inverse_at(at, m, j)
        return result


class _R(_Orthogonal):
    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner

        def q(a: Position, b: Position) -> Formula:
            return self.q(at, a, b)

        def r(a: Position, b: Position) -> Formula:
            return self.moved(one, (*at[: self.batch], a, b))

        return q(k, i) * delta(m, j) - over(self.few, lambda a: self.turned(at, i, a, k, m, q) * r(a, j))


@rule("linalg_qr")
def _qr(call: Call, p: Place) -> Formula:
    real(call)
    if call.setting("mode") == "complete" and call.shape()[-2] > call.shape()[-1]:
        raise NoFormula  # the columns that complete Q are any
    kind, what = ((_Q, "Q"), (_R, "R"))[call.number]
    return call.formulas.whole(f"{what}({call.input_name(0)})", call.output(), p, kind(call))


# ---------------------------------------------------------------- Cholesky's


class _Cholesky(Matrix):
    """L with L·Lᵀ = X: dL = L·Φ(L⁻¹·dX·L⁻ᵀ), Φ being the lower triangle with half the diagonal.

    Murray, "Differentiation of the Cholesky decomposition" (2016). The upper factor is Lᵀ."""

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        k, m = inner
        lead, n = at[: self.batch], self.call.shape()[-1]
        name, factor = f"inv({self.output_name(0, one.symbol.name)})", exact(self.call.output(0))
        upper = self.call.setting("upper")
        if upper:
            i, j, name = j, i, f"{name}ᵀ"
        inverse = np.linalg.inv(factor.swapaxes(-1, -2) if upper else factor)

        def element(a: Position, b: Position) -> Formula:
            return self.moved(one, (*lead, b, a) if upper else (*lead, a, b))

        # (L Φ(P))ᵢⱼ = Σ_{b > j} Lᵢ_b P_bⱼ + Lᵢⱼ Pⱼⱼ/2 with P symmetric in dX
        inner_sum = ZERO
        if n != 1:
            below = fresh(n)
            strictly = at_least(difference(difference(below, j), 1))
            inner_sum = total(below, strictly * element(i, below) * self._both(name, inverse, at, below, j, k, m))
        return inner_sum + number(HALF) * element(i, j) * self._both(name, inverse, at, j, j, k, m)

    def _both(self, name, inverse, at, a, b, k, m) -> Formula:
        one = self.given(name, inverse, at, a, k) * self.given(name, inverse, at, b, m)
        other = self.given(name, inverse, at, a, m) * self.given(name, inverse, at, b, k)
        return number(Fraction(1, 2)) * (one + other)


@rule("linalg_cholesky_ex")
def _cholesky(call: Call, p: Place) -> Formula:
    real(call)
    return call.formulas.whole(f"cholesky({call.input_name(0)})", call.output(0), p, _Cholesky(call, 0))


# ---------------------------------------------------------------- L and U


class _Triangles(Matrix):
    """P, L and U with X = P·L·U. With G = L⁻¹·Pᵀ, W = U⁻¹ and M = G·dX·W: dL = L·(M below the diagonal) and
    dU = (M from the diagonal on)·U.

    Of a tall X, G is made of the square part of L, and the rows below have Pᵀ·dX·W - L·M in addition; of a wide X, W is that
    of the square part of U, above rows of zeros, and the columns beside have G·dX - M·U in addition."""

    def __init__(self, call: Call, p: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        super().__init__(call, 0)
        self.rows, self.columns = call.shape()[-2:]
        self.few = n = min(self.rows, self.columns)
        self.p, self.lower, self.upper = (exact(one) for one in (p, lower, upper))
        try:
            self.g = np.linalg.inv(self.lower[..., :n, :n]) @ self.p.swapaxes(-1, -2)[..., :n, :]
            inverse = np.linalg.inv(self.upper[..., :n, :n])
        except np.linalg.LinAlgError:
            raise NoFormula from None
        self.w = np.zeros((*inverse.shape[:-2], self.columns, n))
        self.w[..., :n, :] = inverse

    def named(self, letter: str, array: np.ndarray, at: Place, a: Position, b: Position, meaning: str = "") -> Formula:
        return self.given(f"{letter}({self.call.input_name(0)})", array, at, a, b, meaning=meaning)

    def g_at(self, at: Place, a: Position, b: Position) -> Formula:
        part = "" if self.rows <= self.columns else " of the square part of L"
        return self.named("G", self.g, at, a, b, f"{{}} is L⁻¹·Pᵀ{part}.")

    def w_at(self, at: Place, a: Position, b: Position) -> Formula:
        part = "" if self.columns <= self.rows else " of the square part of U, above rows of zeros"
        return self.named("W", self.w, at, a, b, f"{{}} is U⁻¹{part}.")

    def of_lower(self, at: Place, i: Position, j: Position, k: Position, m: Position, lower) -> Formula:
        """∂Lᵢⱼ/∂Xₖₘ; `lower` gives the elements of L."""

        def below(a: Position) -> Formula:
            return at_least(difference(difference(a, j), 1)) * lower(i, a) * self.g_at(at, a, k)

        result = over(self.few, below)
        if self.rows > self.few:
            there = at_least(difference(i, self.few))
            row = self.named("Pᵀ", self.p.swapaxes(-1, -2), at, i, k)
            result = result + there * (row - over(self.few, lambda a: lower(i, a) * self.g_at(at, a, k)))
        return result * self.w_at(at, m, j)

    def of_upper(self, at: Place, i: Position, j: Position, k: Position, m: Position, upper) -> Formula:
        """∂Uᵢⱼ/∂Xₖₘ; `upper` gives the elements of U."""

        def beside(b: Position) -> Formula:
            return at_least(difference(b, i)) * self.w_at(at, m, b) * upper(b, j)

        result = over(self.few, beside)
        if self.columns > self.few:
            there = at_least(difference(j, self.few))
            result = result + there * (delta(m, j) - over(self.few, lambda b: self.w_at(at, m, b) * upper(b, j)))
        return self.g_at(at, i, k) * result


class _Lower(_Triangles):
    def within(self, one, at, place, inner):
        return self.of_lower(at, *self.own(at), *inner, lambda a, b: self.moved(one, (*at[: self.batch], a, b)))


class _Upper(_Triangles):
    def within(self, one, at, place, inner):
        return self.of_upper(at, *self.own(at), *inner, lambda a, b: self.moved(one, (*at[: self.batch], a, b)))


class _Packed(_Triangles):
    """L below the diagonal, U from there on, in one matrix."""

    def within(self, one, at, place, inner):
        i, j = self.own(at)
        lower = self.of_lower(at, i, j, *inner, lambda a, b: self.named("L", self.lower, at, a, b))
        upper = self.of_upper(at, i, j, *inner, lambda a, b: self.named("U", self.upper, at, a, b))
        return at_least(difference(difference(i, j), 1)) * lower + at_least(difference(j, i)) * upper


@rule("linalg_lu")
def _lu(call: Call, p: Place) -> Formula:
    real(call)
    if call.number == 0:
        return call.formulas.given(f"P({call.input_name(0)})", call.output(), p)
    kind, what = ((_Lower, "L"), (_Upper, "U"))[call.number - 1]
    factors = [call.output(number) for number in range(3)]
    return call.formulas.whole(f"{what}({call.input_name(0)})", call.output(), p, kind(call, *factors))


@rule("linalg_lu_factor_ex")
def _lu_factor(call: Call, p: Place) -> Formula:
    real(call)
    packed, pivots = call.output(0), call.output(1)
    factors = la.permutation(pivots, packed.shape[-2], packed.dtype), *la.unpack(packed)
    return call.formulas.whole(f"LU({call.input_name(0)})", packed, p, _Packed(call, *factors))


@rule("lu_unpack")
def _lu_unpack(call: Call, p: Place) -> Formula:
    *_, i, j = p
    if call.number == 0:
        return call.formulas.given(f"P({call.input_name(0)})", call.output(), p)
    if call.number == 1:
        return at_least(difference(difference(i, j), 1)) * call.at(0, p) + delta(i, j)
    return at_least(difference(j, i)) * call.at(0, p)
