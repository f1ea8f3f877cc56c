"""PyTorch's CPU random numbers: which words of the stream a distribution takes, and its arithmetic on them.

Every sampler returns a new C-contiguous array. Real-valued samplers take float16, bfloat16, float32 and
float64, `uniform` and `normal` complex dtypes as well. Arguments are taken as valid, NumPy's warnings as
silenced: both are the public functions' business.

The numbers are PyTorch's on x86-64 processors with AVX2, bit for bit, wherever Python and PyTorch call the
same C library.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np

from . import rejection
from .box_muller import TWO_PI, libm, normal_double, normal_single, unit_circle
from .fma import fma_double, fma_single
from .mersenne import MersenneTwister
from .permutation import exchange, grow

DEFAULT_SEED = 67280421310721  # of a generator nobody seeded
_FEW = 8  # normal pairs up to here cost less as Python numbers than as arrays
_BLOCK = 16  # normal numbers of a large array are made in blocks of 8 pairs
_PERMUTATION_LIMIT = 0xFFFFFFFF // 20  # above, 32 bits would favour some permutations visibly
_WIDE_RANGE = 2**28  # integers from a range at least this wide take 64 bits each
_LOW_24 = np.uint64(2**24 - 1)
_LOW_53 = np.uint64(2**53 - 1)
_UNIT_24 = np.array([2.0**-24], np.float32)
_UNIT_53 = np.array([2.0**-53])


# What draws an array's numbers: a function of its shape, its dtype and whether it is C-contiguous.
Sample = Callable[[tuple[int, ...], np.dtype, bool], np.ndarray]


class Generator:
    """A stream of random numbers, seeded with a 64-bit integer."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self._twister = MersenneTwister(seed)

    # ---- seed and state

    def manual_seed(self, seed: int) -> Generator:
        """Restarts the stream; a negative seed counts from 2^64 downwards."""
        self._twister.reseed(seed & 0xFFFFFFFFFFFFFFFF)
        return self

    def seed(self) -> int:
        """Restarts the stream with a seed from the operating system, and returns it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self._twister.reseed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed the stream was last started with."""
        return self._twister.initial_seed

    def get_state(self):
        """The state as 5056 bytes in PyTorch's layout: either library continues where the other stopped."""
        return self._twister.state()

    def set_state(self, state) -> Generator:
        """Continues from a state; ValueError where the bytes are not one."""
        self._twister.restore(state)
        return self

    # ---- uniform numbers

    def _unit_single(self, count: int) -> np.ndarray:
        """float32 multiples of 2^-24 in [0, 1), from the low bits of a word each."""
        words = self._twister.words(count)
        words &= _LOW_24
        unit = words.view(np.int64).astype(np.float32)
        unit *= _UNIT_24
        return unit

    def _unit_double(self, count: int) -> np.ndarray:
        """float64 multiples of 2^-53 in [0, 1), from the low bits of two words each."""
        words = self._twister.wide_words(count)
        words &= _LOW_53
        unit = words.view(np.int64).astype(np.float64)
        unit *= _UNIT_53
        return unit

    def uniform(self, shape: tuple[int, ...], dtype: np.dtype, low: float = 0.0, high: float = 1.0):
        """Numbers in [low, high); of complex ones both parts are."""
        if dtype.kind == "c":
            return self.uniform((*shape, 2), _real(dtype), low, high).view(dtype).reshape(shape)
        count = math.prod(shape)
        wide = dtype == np.float64
        value = self._unit_double(count) if wide else self._unit_single(count)
        if low != 0.0 or high != 1.0:
            if wide:
                value = fma_double(value, high - low, low)
            else:
                start, end = np.float32(low), np.float32(high)
                value = fma_single(value, end - start, start)
        if low != 0.0 or high != 1.0 or dtype.itemsize == 2:
            value = value.astype(dtype, copy=False)
            bounds = np.array([low, high]).astype(dtype)
            value[value == bounds[1]] = bounds[0]  # rounding reached the end, which is excluded
        return value.reshape(shape)

    # ---- normal numbers

    def normal(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype,
        mean: float = 0.0,
        std: float = 1.0,
        contiguous: bool = True,
    ) -> np.ndarray:
        """Normal numbers; of complex ones each part has the mean, and half the variance.

        PyTorch fills a contiguous tensor of 16 numbers or more by blocks, any other one by pairs of doubles.
        """
        if dtype.kind == "c":
            parts = self.normal((*shape, 2), _real(dtype), mean, std / math.sqrt(2), contiguous)
            return parts.view(dtype).reshape(shape)
        count = math.prod(shape)
        in_blocks = contiguous and count >= _BLOCK
        value = self._normal_blocks(count, dtype) if in_blocks else self._normal_pairs(count)
        if mean != 0.0 or std != 1.0:
            if value.dtype == np.float64:
                value = fma_double(value, std, mean)
            else:
                value = fma_single(value, np.float32(std), np.float32(mean))
        else:
            value += 0.0  # turns -0.0 into 0.0, as the multiply-add does
        return _narrow(value, dtype).reshape(shape)

    def _normal_pairs(self, count: int) -> np.ndarray:
        """Standard normal doubles one after the other; an odd one left over is kept for the next call."""
        twister = self._twister
        with twister.lock:
            if count < _FEW:
                return np.array([self._next_normal() for _ in range(count)])
            waiting = twister.next_normal
            start = 0 if waiting is None else 1
            pairs = (count - start + 1) // 2
            numbers = np.empty(start + 2 * pairs)
            u = self._unit_double(2 * pairs).reshape(pairs, 2)
            radius = np.sqrt(-2.0 * libm(math.log1p, -u[:, 1]))
            numbers[start:] = (radius * unit_circle(u[:, 0])).view(np.float64)
            if start:
                numbers[0] = waiting
            twister.next_normal = float(numbers[count]) if len(numbers) > count else None
        return numbers[:count]

    def _normal_blocks(self, count: int, dtype: np.dtype) -> np.ndarray:
        """Standard normal numbers by blocks of 16, the first 8 of which are cosines, the last 8 their sines.

        Where 16 does not divide the count, the last 16 numbers are made anew from 16 further uniforms.
        PyTorch draws the uniforms of all numbers first, but for half types goes block by block and so draws
        none for the incomplete one. Half types are computed in float32.
        """
        whole = count - count % _BLOCK
        drawn = whole if dtype.itemsize == 2 else count
        more = 0 if whole == count else _BLOCK
        double = dtype == np.float64
        uniforms = (self._unit_double if double else self._unit_single)(drawn + more)
        if drawn != whole:
            uniforms = np.concatenate((uniforms[:whole], uniforms[drawn:]))
        transform = normal_double if double else normal_single
        numbers = transform(uniforms.reshape(-1, 2, _BLOCK // 2)).reshape(-1)
        if more:
            numbers[count - _BLOCK : count] = numbers[whole:]
        return numbers[:count]

    # ---- integers

    def integers(self, shape: tuple[int, ...], dtype: np.dtype, low: int, high: int) -> np.ndarray:
        """Whole numbers in [low, high), of any dtype; all of int64's with low = -2^63 and high = 2^63."""
        span = high - low
        count = math.prod(shape)
        words = self._twister.words(count) if span < _WIDE_RANGE else self._twister.wide_words(count)
        value = words.view(np.int64)
        if span < 2**64:
            words %= np.uint64(span)
            value += low
        return _narrow(value, dtype).reshape(shape)

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Whole numbers from 0 to the dtype's largest, or for a floating dtype to where it skips the next."""
        if dtype.kind in "iu":
            values = int(np.iinfo(dtype).max) + 1
        else:
            values = 2 if dtype.kind == "b" else 2 ** _precision(dtype) + 1
        words = self._twister.wide_words if dtype.itemsize == 8 else self._twister.words
        value = words(math.prod(shape)) % np.uint64(values)
        return _narrow(value.view(np.int64), dtype).reshape(shape)

    def permutation(self, count: int, dtype: np.dtype) -> np.ndarray:
        """0 … count − 1 in random order."""
        if count >= _PERMUTATION_LIMIT:
            return grow(self._growing_places(count), count).astype(dtype, copy=False)
        place = np.arange(count)
        bounds = np.arange(count, 1, -1).view(np.uint64)
        place[:-1] += (self._twister.words(len(bounds)) % bounds).view(np.int64)
        return exchange(place).astype(dtype, copy=False)

    def _growing_places(self, count: int):
        """For i below count a number from 0 to i."""
        step = 2**20
        for start in range(0, count, step):
            bounds = np.arange(start + 1, min(start + step, count) + 1, dtype=np.uint64)
            yield from (self._twister.wide_words(len(bounds)) % bounds).tolist()

    # ---- choices

    def bernoulli(self, probability, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """1 with a probability: a float, or an array of the shape, which is compared in its own precision."""
        count = math.prod(shape)
        if isinstance(probability, np.ndarray) and probability.dtype != np.float64:
            unit = self._unit_single(count).reshape(shape)
            probability = probability.astype(np.float32, copy=False)
        else:
            unit = self._unit_double(count).reshape(shape)
        return (unit < probability).astype(dtype)

    def multinomial(self, weights: np.ndarray, count: int, replacement: bool) -> np.ndarray:
        """Indices (…, count) drawn with probabilities proportional to weights (…, categories)."""
        if replacement and count > 1:
            return self._multinomial_with_replacement(weights, count)
        # Of independent exponential clocks, each rings first with a probability proportional to its rate.
        wait = np.empty_like(weights)
        fill(wait, lambda shape, dtype, contiguous: self.exponential(shape, dtype))
        score = weights / wait
        if count == 1:
            return score.argmax(axis=-1, keepdims=True)
        return np.ascontiguousarray(np.argsort(-score, axis=-1, kind="stable")[..., :count])

    def _multinomial_with_replacement(self, weights: np.ndarray, count: int) -> np.ndarray:
        wide = weights.dtype if weights.dtype == np.float64 else np.dtype(np.float32)
        # A running total in the weights' own precision, summed from left to right.
        total = np.add.accumulate(weights.astype(wide, copy=False), axis=-1, dtype=wide)
        total /= total[..., -1:]
        total[..., -1] = 1
        shape = (*weights.shape[:-1], count)
        unit = self._unit_double(math.prod(shape)).reshape(-1, count)
        chosen = [np.searchsorted(row, u) for row, u in zip(total.reshape(-1, total.shape[-1]), unit)]
        return np.array(chosen, np.int64).reshape(shape)

    # ---- functions of one uniform or normal number

    def exponential(self, shape: tuple[int, ...], dtype: np.dtype, rate: float = 1.0) -> np.ndarray:
        """Exponential waiting times."""
        unit = self._unit_double(math.prod(shape))
        return _narrow(-1.0 / rate * _apply(np.log1p, -unit, dtype), dtype).reshape(shape)

    def geometric(self, shape: tuple[int, ...], dtype: np.dtype, probability: float) -> np.ndarray:
        """The number of trials up to the first success."""
        unit = self._unit_double(math.prod(shape))
        trials = np.ceil(_apply(np.log, unit, dtype) / math.log1p(-probability))
        return _narrow(trials, dtype).reshape(shape)

    def log_normal(self, shape: tuple[int, ...], dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
        """The exponential of normal numbers."""
        exponent = fma_double(self._normal_pairs(math.prod(shape)), std, mean)
        return _narrow(_apply(np.exp, exponent, dtype), dtype).reshape(shape)

    def cauchy(self, shape: tuple[int, ...], dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
        """Numbers of a Cauchy distribution."""
        angle = math.pi * (self._unit_double(math.prod(shape)) - 0.5)
        return _narrow(fma_double(_apply(np.tan, angle, dtype), sigma, median), dtype).reshape(shape)

    # ---- rejection: one sample after the other

    def _next_uniform(self) -> float:
        word = self._twister.engine().random_raw
        return ((word() << 32 | word()) & 0x1FFFFFFFFFFFFF) * 2.0**-53

    def _next_normal(self) -> float:
        twister = self._twister
        waiting = twister.next_normal
        if waiting is not None:
            twister.next_normal = None
            return waiting
        angle = TWO_PI * self._next_uniform()
        radius = math.sqrt(-2.0 * math.log1p(-self._next_uniform()))
        twister.next_normal = radius * math.sin(angle)
        return radius * math.cos(angle)

    def poisson(self, rate: np.ndarray) -> np.ndarray:
        """Poisson numbers of the rates' shape and dtype."""
        with self._twister.lock:
            samples = [rejection.poisson(r, self._next_uniform) for r in rate.ravel().tolist()]
        return _narrow(np.array(samples, np.int64), rate.dtype).reshape(rate.shape)

    def gamma(self, alpha: np.ndarray) -> np.ndarray:
        """Standard gamma numbers of the shape and dtype (float32 or float64) of their shape parameters."""
        with self._twister.lock:
            samples = [rejection.gamma(a, self._next_uniform, self._next_normal) for a in alpha.ravel()]
        return np.maximum(np.finfo(alpha.dtype).tiny, np.array(samples).astype(alpha.dtype)).reshape(alpha.shape)

    def dirichlet(self, alpha: np.ndarray) -> np.ndarray:
        """Points of the simplex, one for each row of parameters (float32 or float64)."""
        gamma = self.gamma(alpha.astype(np.float64))
        share = (gamma / gamma.sum(-1, keepdims=True)).astype(alpha.dtype)
        one = alpha.dtype.type(1)
        return np.clip(share, np.finfo(alpha.dtype).tiny, np.nextafter(one, 0 * one))

    def binomial(self, count: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Numbers of successes; arrays and result have one shape and one dtype, float32 or float64."""
        with self._twister.lock:
            samples = [rejection.binomial(n, p, self._next_uniform) for n, p in zip(count.ravel(), probability.ravel())]
        return np.array(samples).astype(count.dtype).reshape(count.shape)


def fill(array: np.ndarray, sample: Sample, contiguous: bool | None = None) -> None:
    """Writes random numbers into an array in the order of its memory, as PyTorch visits a tensor's elements.

    Nothing is drawn for an array without elements. `contiguous` is the array's own, unless it stands for another.
    """
    if not array.size:
        return
    in_order = array.flags.c_contiguous
    if not in_order:
        array = array.transpose(sorted(range(array.ndim), key=lambda dim: -array.strides[dim]))
    array[...] = sample(array.shape, array.dtype, in_order if contiguous is None else contiguous)


def redrawn(array, sample: Sample) -> np.ndarray:
    """A new array of the numbers that `fill` would write into this one."""
    result = np.empty_like(array)
    fill(result, sample, array.flags.c_contiguous)
    return result


_LIBM = {np.log1p: math.log1p, np.log: math.log, np.exp: math.exp, np.tan: math.tan}


def _apply(ufunc, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A function of doubles that are about to become `dtype`.

    NumPy's vectorised functions may differ from the C library's in the last place, which only doubles show.
    """
    if dtype == np.float64:
        try:
            return libm(_LIBM[ufunc], x)
        except (ValueError, OverflowError):  # where Python raises, C and NumPy give an infinity
            pass
    return ufunc(x)


def _narrow(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Converts to a dtype as C++ does: to half types through float32."""
    if dtype.itemsize == 2 and dtype.kind not in "iu":
        value = value.astype(np.float32)
    return value.astype(dtype, copy=False)


def _real(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex dtype's parts."""
    return np.dtype(f"f{dtype.itemsize // 2}")


def _precision(dtype: np.dtype) -> int:
    """The bits of a floating dtype's significand."""
    return {2: 11, 4: 24, 8: 53}[dtype.itemsize] if dtype.kind == "f" else 8
