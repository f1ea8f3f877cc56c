"""Operations that put elements elsewhere: views, indexing, sorting, maxima, padding, scattering, in-place writes.

Which element goes where is read off from the operation itself, run on the numbers of the places, and then put into words:
a shift, a stride, a row-major position, a table.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ...engine import Freed
from ...inplace import CopySlices, replayed
from ...modes import no_grad
from ...tensor import Tensor, wrap
from .. import positions
from ..algebra import ONE, ZERO, Formula, Symbol, at_least, atom, delta, total, within
from ..formulas import NODE_RULES, RULES, Call, NoFormula, Place, rule
from ..positions import Entry, Index, Linear, Position, difference, digits, flat, fresh, replaced, split, weighted
from ..syntax import simple_name
from ..values import Unknown, expression_of, record_of

MOST_ELEMENTS = 2_000_000  # of a tensor whose places are looked at one by one


# ---------------------------------------------------------------- views, from what they say of themselves


@rule(
    "alias", "clone", "contiguous_copy", "channels_last_copy", "cast", "conj", "conj_physical", "real"
)  # fmt: skip
def _same_element(call: Call, p: Place) -> Formula:
    return call.at(0, p)


@rule("copy", "fill_tensor")
def _copy(call: Call, p: Place) -> Formula:
    return call(1, p)


@rule("expand")
def _expand(call: Call, p: Place) -> Formula:
    return call(0, p)


@rule("transpose", "t", "permute")
def _permute(call: Call, p: Place) -> Formula:
    n = len(p)
    if call.name == "permute":
        order = [d % n for d in call.setting("dims")]
    else:
        order = list(range(n))
        if n > 1:
            a, b = (0, 1) if call.name == "t" else (call.setting("dim0") % n, call.setting("dim1") % n)
            order[a], order[b] = order[b], order[a]
    inside: list[Position] = [0] * n
    for out, d in enumerate(order):
        inside[d] = p[out]
    return call.at(0, tuple(inside))


@rule("select")
def _select(call: Call, p: Place) -> Formula:
    shape = call.shape()
    dim = call.setting("dim") % len(shape)
    return call.at(0, (*p[:dim], int(call.setting("index")) % shape[dim], *p[dim:]))


@rule("unbind")
def _unbind(call: Call, p: Place) -> Formula:
    dim = call.setting("dim") % len(call.shape())
    return call.at(0, (*p[:dim], call.number, *p[dim:]))


@rule("view", "unsafe_view", "squeeze", "squeeze_dim", "squeeze_dims", "unsqueeze")
def _view(call: Call, p: Place) -> Formula:
    shape, out = call.shape(), call.out_shape
    here = [n for n in shape if n != 1]
    if here == [n for n in out if n != 1]:  # only dimensions of one element come or go
        rest = iter(q for q, n in zip(p, out) if n != 1)
        return call.at(0, tuple(0 if n == 1 else next(rest) for n in shape))
    return call.at(0, digits(flat(p, out), shape) if 0 not in shape else p)


@rule("repeat")
def _repeat(call: Call, p: Place) -> Formula:
    shape = call.shape()
    return call.at(0, tuple(positions.remainder(q, n) for q, n in zip(p[len(p) - len(shape) :], shape)))


# ---------------------------------------------------------------- joining


@rule("cat")
def _cat(call: Call, p: Place) -> Formula:
    parts = [k for k in range(len(call.edges)) if call.shape(k) != (0,)]
    dim, offset, result = call.setting("dim") % len(p), 0, ZERO
    for k in parts:
        n = call.shape(k)[dim]
        place = difference(p[dim], offset)
        there = within(place, n) if n != 1 else delta(p[dim], offset)
        if there:
            result = result + there * call.at(k, (*p[:dim], place if n != 1 else 0, *p[dim + 1 :]))
        offset += n
    return result


@rule("stack")
def _stack(call: Call, p: Place) -> Formula:
    dim, result = call.setting("dim") % len(p), ZERO
    for k in range(len(call.edges)):
        there = delta(p[dim], k)
        if there:
            result = result + there * call.at(k, (*p[:dim], *p[dim + 1 :]))
    return result


@rule("block_diag")
def _block_diag(call: Call, p: Place) -> Formula:
    row = column = 0
    result = ZERO
    for k in range(len(call.edges)):
        shape = call.shape(k)
        height, width = (1, *shape)[-2:] if shape else (1, 1)
        i, j = difference(p[0], row), difference(p[1], column)
        there = within(i, height) * within(j, width)
        if there:
            result = result + there * call.at(k, (i, j)[2 - len(shape) :])
        row, column = row + height, column + width
    return result


@rule("tril", "triu")
def _triangle(call: Call, p: Place) -> Formula:
    above = weighted((p[-1], 1), (p[-2], -1), (call.setting("diagonal"), -1))
    if call.name == "tril":
        above = weighted((above, -1))
    return at_least(above) * call.at(0, p)


# ---------------------------------------------------------------- anything that takes or places single elements


class Pattern(NamedTuple):
    """Which element each place takes: its `place` in terms of `indices` (one for each dimension), and where it takes one."""

    indices: tuple[Index, ...]
    place: Place
    there: Formula


def rearranged(call: Call, p: Place) -> Formula:
    """The sum of what each input passes on, and of what comes from nowhere: a number that is filled in."""
    result = ZERO
    key = call.node, call.number, "passes"
    passes = call.formulas.patterns.get(key)
    if passes is None:
        passes = call.formulas.patterns[key] = _Passes(call)
    for k, pattern in passes.taken.items():
        result = result + taken(call, k, pattern, p)
    for k, (pattern, factor) in passes.placed.items():
        result = result + _placed(call, k, pattern, factor, p)
    if passes.rest is not None:
        result = result + call.formulas.given("c", passes.rest, p)
    return result


for _name in (
    "aminmax", "max_dim", "min_dim", "median", "median_dim", "nanmedian", "nanmedian_dim",
    "mode", "kthvalue", "topk", "sort", "sort_stable", "cummax", "cummin", "as_strided", "as_strided_backward",
    "as_strided_gather", "as_strided_scatter", "diag_embed", "diagonal", "diagonal_backward", "diagonal_copy",
    "diagonal_scatter", "fill", "fill_diagonal", "flip", "gather", "gather_backward", "index", "index_add", "index_backward",
    "index_copy", "index_fill", "index_fill_tensor", "index_put", "index_select", "masked_scatter", "masked_select",
    "masked_select_backward", "put", "put_along", "roll", "rot90", "scatter", "scatter_add", "scatter_value", "select_backward",
    "select_scatter", "slice", "slice_backward", "slice_scatter", "split", "split_with_sizes", "unsafe_split",
    "unsafe_split_with_sizes", "take", "unfold", "unfold_backward", "unique", "unique_consecutive", "unique_dim",
    "add_at_places", "at_places", "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d", "max_pool3d", "max_unpool2d",
    "max_unpool3d", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "constant_pad_nd", "border_pad",
    "border_pad_backward", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d",
    "replication_pad2d", "replication_pad3d", "im2col", "col2im", "embedding", "embedding_backward", "zero",
    "scatter_reduce", "index_reduce", "fractional_max_pool2d", "fractional_max_pool3d",
):  # fmt: skip
    RULES[_name] = rearranged

# what a table of places is called where the program has no name for it
_TABLE_NAMES = {
    "max": "argmax", "amax": "argmax", "max_dim": "argmax", "cummax": "argmax", "max_pool2d": "argmax", "max_pool3d": "argmax",
    "adaptive_max_pool2d": "argmax", "adaptive_max_pool3d": "argmax", "fractional_max_pool2d": "argmax",
    "fractional_max_pool3d": "argmax", "min": "argmin", "amin": "argmin", "min_dim": "argmin",
    "cummin": "argmin", "sort": "order", "sort_stable": "order", "topk": "order",
}  # fmt: skip


class _Passes:
    """What an operation does with the elements of each input, found out by taking gradients that number the places."""

    def __init__(self, call: Call) -> None:
        values, result = self._numbers(call)
        self.taken: dict[int, Pattern] = {}  # every place of the output takes one element or none
        self.placed: dict[
            int, tuple[Pattern, np.ndarray]
        ] = {}  # every element goes to one place or none, with a factor
        arranged = np.zeros(result.shape, np.result_type(result.dtype, np.float64))
        table = _TABLE_NAMES.get(call.name, "at")
        if call.name in ("scatter_reduce", "index_reduce") and call.setting("reduce") == "prod":
            raise NoFormula
        for k, edge in enumerate(call.edges):
            if edge is None:
                continue
            x = np.asarray(call.array(k)) if values else np.zeros(call.shape(k))
            if max(x.size, result.size) > MOST_ELEMENTS:
                raise NoFormula
            goal, factor = _goals(call, k, result)
            if goal is None:
                source = _sources(call, k, result, x)
            elif (factor[goal >= 0] == 1).all() and np.unique(goal[goal >= 0]).size == (goal >= 0).sum():
                source = np.full(result.size, -1)
                source[goal[goal >= 0]] = np.flatnonzero(goal.reshape(-1) >= 0)
                source = source.reshape(result.shape)
            else:
                source = None
                self.placed[k] = pattern_of(call, goal, result.shape, table), factor
                there = goal >= 0
                np.add.at(arranged.reshape(-1), goal[there], (factor * x)[there])
            if source is not None:
                self.taken[k] = pattern_of(call, source, x.shape, table)
                arranged += np.where(source < 0, 0, x.reshape(-1)[source.clip(0)] if x.size else 0)
        self.rest: Any = None
        if not values:
            return
        self.rest = result - arranged
        if np.allclose(self.rest, 0, rtol=1e-4, atol=1e-5, equal_nan=True):
            self.rest = None
        elif "value" not in record_of(call.node).settings and all(edge is not None for edge in call.edges):
            raise NoFormula  # it does more than putting elements elsewhere

    def _numbers(self, call: Call) -> tuple[bool, np.ndarray]:
        """(whether the numbers are known, the output or something of its shape)."""
        try:
            for k, edge in enumerate(call.edges):
                if edge is not None:
                    call.array(k)
            return True, call.output()
        except NoFormula:
            if any(edge is None for edge in call.edges) or "value" in record_of(call.node).settings:
                raise  # something may be filled in
            shape = call.formulas.shape((call.node, call.number))
            return False, np.zeros(shape, call.formulas.values.dtypes.get((call.node, call.number), np.float64))


def _pull(call: Call, k: int, gradient: np.ndarray) -> np.ndarray:
    """The gradient of one input for one of the output."""
    arrived: list = [None] * call.node.n_outputs
    arrived[call.number] = gradient
    found = call.formulas.values.pull(call.node, arrived)[k]
    if found is None:
        return np.zeros(call.shape(k))
    if np.iscomplexobj(found):
        if found.imag.any():
            raise NoFormula  # it does more than putting elements elsewhere
        found = found.real
    return np.array(found, np.float64)


def _goals(call: Call, k: int, result: np.ndarray) -> tuple[np.ndarray | None, Any]:
    """(the place that each element of an input goes to, -1 for none; its factor there); None if some go to several."""
    like = _exact(result)
    try:
        factor = _pull(call, k, np.ones(result.shape, like))
        numbered = _pull(call, k, np.arange(1, result.size + 1, dtype=like).reshape(result.shape))
        probe = np.random.default_rng(0).integers(1, 100, result.shape).astype(like)
        expected = _pull(call, k, probe)
    except Unknown as error:
        raise NoFormula(str(error)) from None
    with np.errstate(all="ignore"):
        goal = np.where(factor == 0, 0, np.rint(numbered / factor)).astype(np.int64) - 1
    if (goal < -1).any() or (goal >= result.size).any():
        return None, None
    if not np.allclose(np.where(goal < 0, 0, factor * probe.reshape(-1)[goal.clip(0)] if result.size else 0), expected):
        return None, None
    return goal, factor


def _sources(call: Call, k: int, result: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The element that each place of the output takes, -1 for none; NoFormula if some take several."""
    if result.size > MOST_PROBED:
        return _sources_forward(call, k, result, x)
    source = np.full(result.size, -1)
    for place in range(result.size):
        one = np.zeros(result.size, _exact(result))
        one[place] = 1
        found = np.flatnonzero(_pull(call, k, one.reshape(result.shape)))
        if found.size > 1:
            raise NoFormula
        if found.size:
            source[place] = found[0]
    return source.reshape(result.shape)


def _sources_forward(call: Call, k: int, result: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The same by forward mode, at once for all places: this needs the settings of the call."""
    from ...autograd import forward_ad

    try:
        settings = call.formulas.values.settings(call.node)
        inputs = [_wide(a) if isinstance(a, np.ndarray) else a for a in (call.array(i) for i in range(len(call.edges)))]
        probe = np.random.default_rng(0).uniform(1, 2, x.shape)
        found = []
        for tangent in (np.arange(1, x.size + 1, dtype=np.float64).reshape(x.shape), probe):
            with no_grad(), forward_ad.dual_level():
                inputs[k] = forward_ad.make_dual(_wide(x), wrap(tangent))
                made = record_of(call.node).apply(*inputs, *settings)
                made = made[call.number] if isinstance(made, (tuple, list)) else made
                found.append(np.array(forward_ad.unpack_dual(made).tangent._array))
    except (Unknown, AttributeError, RuntimeError, TypeError, ValueError):
        raise NoFormula from None
    source = np.rint(found[0]).astype(np.int64) - 1
    if not np.array_equal(source + 1, found[0]) or (source < -1).any() or (source >= x.size).any():
        raise NoFormula
    if not np.allclose(np.where(source < 0, 0, probe.reshape(-1)[source.clip(0)]), found[1]):
        raise NoFormula
    return source


MOST_PROBED = 256  # places of an output that are asked for one by one


def _exact(array: np.ndarray) -> np.dtype:
    """A dtype in which the numbers of the places are exact."""
    if array.size > 1 << 24 or array.dtype.itemsize < 4:
        return np.dtype(np.float64)
    return array.dtype


def _wide(array: np.ndarray) -> Tensor:
    """A copy in double precision, in which the numbers of places are exact; integers stay."""
    kind = array.dtype.kind
    return wrap(np.array(array, np.float64 if kind in "fV" else array.dtype))


def taken(call: Call, k: int, pattern: Pattern, p: Place) -> Formula:
    """The element of an input that a place takes, 0 where it takes none."""
    there, place = _renamed(pattern, p)
    return there * call.at(k, place) if there else ZERO


def _placed(call: Call, k: int, pattern: Pattern, factor: np.ndarray, p: Place) -> Formula:
    """The sum of the elements of an input that go to a place, times their factors."""
    here = tuple(fresh(q.size) if q.size != 1 else 0 for q in pattern.indices)
    there, goal = _renamed(pattern, here)
    for one, other in zip(goal, p):
        there = there * delta(one, other)
    result = there * call.at(k, here)
    if (factor[factor != 0] != 1).any():
        result = result * call.formulas.given("share", factor, here)
    for index in here:
        if isinstance(index, Index):
            result = total(index, result)
    return result


def _renamed(pattern: Pattern, p: Place) -> tuple[Formula, Place]:
    """(where it takes one, the place) of a pattern with the positions `p` for its indices."""
    there, place = pattern.there, pattern.place
    middle = [fresh(q.size) for q in pattern.indices]  # since p may contain the pattern's own indices
    for old, new in (*zip(pattern.indices, middle), *zip(middle, p)):
        there = there.rename(old, new)
        place = tuple(replaced(one, old, new) for one in place)
    return there, place


def chosen(call: Call, k: int, source: np.ndarray, p: Place, table: str) -> Formula:
    """The element of an input that an array of places (in row-major order) names at a place."""
    return taken(call, k, pattern_of(call, source, call.shape(k), table), p)


def pattern_of(call: Call, source: np.ndarray, shape: tuple[int, ...], table: str) -> Pattern:
    """Puts into words which element of a tensor of this shape each place takes; `source` counts in row-major order."""
    indices = tuple(fresh(n) for n in source.shape)
    there = source >= 0
    if not there.any():
        return Pattern(indices, (0,) * len(shape), ZERO)
    coordinates = np.unravel_index(source.clip(0), shape) if shape else ()
    row_major = _linear(source, there, indices)
    place = []
    for d, (n, array) in enumerate(zip(shape, coordinates)):
        one: Position | None = 0 if n == 1 else _named(call, array, there, indices, n)
        if one is None:
            one = _linear(array, there, indices)
        if one is None and row_major is not None and there.all():
            one = digits(row_major, shape)[d]
        if one is None:
            one = _cyclic(array, there, indices, n)
        if one is None:
            one = _tabled(call, array, there, indices, n, table)
        place.append(one)
    return Pattern(indices, tuple(place), _condition(call, there, indices, tuple(place), shape))


def _named(call: Call, array: np.ndarray, there: np.ndarray, indices: tuple[Index, ...], n: int) -> Position | None:
    """An entry of the tensor by which the program indexes, if it has a name: picked[i, target[i]]."""
    expression = expression_of(call.node)
    if not isinstance(expression, ast.Subscript) or not there.all():
        return None
    written = expression.slice
    for part in written.elts if isinstance(written, ast.Tuple) else [written]:
        name = simple_name(part)
        held = None if name is None else call.formulas.values.look_up(name)
        if isinstance(held, Tensor) and held._array.dtype.kind in "iu":
            kept, small = _kept(array, indices)
            if held._array.size == small.size and np.array_equal(held._array.reshape(small.shape) % n, small):
                return Entry(call.formulas.constant_name(str(name), small), tuple(indices[axis] for axis in kept), n)
    return None


def _kept(array: np.ndarray, indices: tuple[Index, ...]) -> tuple[list[int], np.ndarray]:
    """(the dimensions along which an array is not the same, the array without the others)."""
    kept = [
        axis for axis, index in enumerate(indices) if index.size != 1 and not (array == array.take([0], axis)).all()
    ]
    return kept, array[tuple(slice(None) if axis in kept else 0 for axis in range(array.ndim))]


def _linear(array: np.ndarray, there: np.ndarray, indices: tuple[Index, ...]) -> Position | None:
    """The array as offset + coefficient·index + …, where `there`; None if it is not of that form."""
    first = tuple(int(w) for w in np.argwhere(there)[0])
    terms: dict[Any, int] = {}
    found = np.full(array.shape, int(array[first]), np.int64)
    for axis, index in enumerate(indices):
        if index.size < 2:
            continue
        both = np.logical_and(there.take(range(1, index.size), axis), there.take(range(index.size - 1), axis))
        steps = np.diff(array, axis=axis)[both]
        if not steps.size:
            continue
        if (steps != steps[0]).any():
            return None
        terms[index] = int(steps[0])
        shape = [1] * array.ndim
        shape[axis] = -1
        found += terms[index] * (np.arange(index.size) - first[axis]).reshape(shape)
    if (found != array)[there].any():
        return None
    offset = int(array[first]) - sum(c * first[indices.index(index)] for index, c in terms.items())
    return positions.combined(offset, terms)


def _cyclic(array: np.ndarray, there: np.ndarray, indices: tuple[Index, ...], n: int) -> Position | None:
    """(index + shift) mod n."""
    if not there.all():
        return None
    for axis, index in enumerate(indices):
        shape = [1] * array.ndim
        shape[axis] = -1
        for sign in (1, -1):
            shift = int(array[(0,) * array.ndim])
            counted = (shift + sign * np.arange(index.size)) % n
            if (array == counted.reshape(shape)).all():
                shift = shift - n if 2 * shift > n else shift
                return positions.remainder(Linear(shift, ((index, sign),)) if shift or sign < 0 else index, n)
    return None


def _tabled(
    call: Call, array: np.ndarray, there: np.ndarray, indices: tuple[Index, ...], n: int, name: str
) -> Position:
    """An entry of a table, which has only the dimensions that matter."""
    kept, small = _kept(np.where(there, array, 0), indices)
    for k in range(len(call.edges)):  # the program's own index, if it is one
        value = None
        with suppress(NoFormula):
            value = None if call.edges[k] is not None else call.array(k)
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size == small.size:
            if np.array_equal(value.reshape(small.shape) % n, small):
                name = call.formulas.name_of(call.node, k, value) or name
                break
    table = call.formulas.constant_name(name, small)
    return Entry(table, tuple(indices[axis] for axis in kept), n)


def _condition(
    call: Call, there: np.ndarray, indices: tuple[Index, ...], place: Place, shape: tuple[int, ...]
) -> Formula:
    """1 where a place takes an element: where what it would take exists, if that says all, else a table of 0 and 1."""
    if there.all():
        return ONE
    grid = np.indices(there.shape)
    known = {index: grid[axis] for axis, index in enumerate(indices)}
    exists, condition = np.ones(there.shape, bool), ONE
    for one, n in zip(place, shape):
        offset, terms = split(one)
        if all(isinstance(unit, Index) for unit in terms):
            numbers = offset + sum(c * known[unit] for unit, c in terms.items())
            exists = exists & (numbers >= 0) & (numbers < n)
            condition = condition * within(one, n)
    if np.array_equal(exists, there):
        return condition
    for axis, index in enumerate(indices):  # one slice of a dimension
        rows = np.moveaxis(there, axis, 0)
        some = rows.reshape(index.size, -1).any(1)
        if index.size > 1 and np.array_equal(
            there, np.moveaxis(np.broadcast_to(some.reshape(-1, *[1] * (there.ndim - 1)), rows.shape), 0, axis)
        ):
            there_at = np.flatnonzero(some)
            if there_at.size == 1:
                return delta(index, int(there_at[0]))
            if there_at.size == there_at[-1] - there_at[0] + 1:
                return at_least(difference(index, int(there_at[0]))) * at_least(difference(int(there_at[-1]), index))
    return call.formulas.given("taken", there.astype(float), indices)


# ---------------------------------------------------------------- in-place writes to a part


class _Written(Call):
    """A write to a part of a tensor: its first input is that part of the whole, elements at the places that `where` names."""

    def __init__(self, call: Call, inner: Any, where: np.ndarray) -> None:
        super().__init__(call.formulas, inner, 0)
        self.edges[1:] = call.edges[1:]
        self.whole, self.where = call, where

    def shape(self, place: int = 0) -> tuple[int, ...]:
        return self.where.shape if place == 0 else super().shape(place)

    def at(self, place: int, position: Place) -> Formula:
        if place:
            return super().at(place, position)
        return taken(self.whole, 0, pattern_of(self.whole, self.where, self.whole.node.base_like.shape, "at"), position)

    def __call__(self, place: int, position: Place) -> Formula:
        return super().__call__(place, position) if place else self.at(0, position)


def _copy_slices(call: Call, p: Place) -> Formula:
    """What was written, where that was; the old value elsewhere."""
    node: Any = call.node
    if node.saved.__class__ is Freed:
        raise NoFormula
    (inner,) = node.saved
    record = record_of(inner)
    rule_of_write = None if record is None else RULES.get(record.name)
    if rule_of_write is None:
        raise NoFormula
    shape = node.base_like.shape
    numbers = np.empty_like(node.base_like, np.float64)  # with the base's strides, by which the part is known
    numbers[...] = np.arange(numbers.size).reshape(shape)
    with no_grad():
        where = np.asarray(replayed(node.geometry, wrap(numbers))._array).astype(np.int64)
    back = np.full(node.base_like.size, -1)
    back[where.reshape(-1)] = np.arange(where.size)
    pattern = pattern_of(call, back.reshape(shape), where.shape, "at")
    there, place = _renamed(pattern, p)
    if call.edges[0] is not None:
        old = call.at(0, p)
    else:  # a constant, which only the other places still have
        name = f"{call.formulas.symbols.get((node, 0), 'c').rstrip('_0123456789')}_0"
        old = atom(Symbol(name, tuple(q for q, n in zip(p, shape) if n != 1)))
    if not there:
        return old
    new = rule_of_write(_Written(call, inner, where), place)
    return (ONE - there) * old + there * new


NODE_RULES[CopySlices] = _copy_slices
