"""Random tensors, and random numbers written into tensors, on PyTorch's stream (see backend/generator.py).

PyTorch records random writes: the gradient past one is zero.
"""

from __future__ import annotations

import math

import numpy as np

from .. import dtypes
from ..backend.generator import Sample, fill, redrawn
from ..inplace import bump_version, check_inference, fill_out, in_place
from ..modes import is_quiet, local, silence
from ..op import broadcast_error, method, must_be_tensor, op
from ..random import Generator, default_generator
from ..size import contiguous_format
from ..tensor import Tensor, memory
from .creation import dtype_argument, finish
from .shape import expand, shape_argument
from .whole_range import c_name, whole_range

__all__ = [
    "bernoulli",
    "binomial",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]

# ---------------------------------------------------------------- arguments


def _source(generator: Generator | None, out: Tensor | None = None) -> Generator:
    if local.levels:
        from ..batching import check_random

        check_random(out)
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a torch.Generator, not {type(generator).__name__}")
    return generator


def _sizes(function: str, sizes: tuple, size) -> tuple[int, ...]:
    """Sizes given one by one, as one sequence, or by the keyword `size`."""
    if size is not None:
        if sizes or not isinstance(size, (tuple, list)):
            raise TypeError(f"{function}(): argument 'size' must be tuple of ints, not {type(size).__name__}")
        sizes = (size,)
    elif not sizes:
        raise TypeError(f'{function}() missing 1 required positional arguments: "size"')
    elif isinstance(sizes[0], bool) or not (hasattr(sizes[0], "__index__") or isinstance(sizes[0], (tuple, list))):
        raise TypeError(
            f"{function}(): argument 'size' (position 1) must be tuple of ints, not {type(sizes[0]).__name__}"
        )
    shape = shape_argument(sizes, function)
    for n in shape:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def _whole(function: str, name: str, value) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{function}(): argument '{name}' must be int, not {type(value).__name__}")
    return value.__index__()


def _real(function: str, name: str, position: int, value) -> float:
    if isinstance(value, (int, float)) or (hasattr(value, "__float__") and getattr(value, "ndim", 1) == 0):
        return float(value)
    raise TypeError(f"{function}(): argument '{name}' (position {position}) must be float, not {type(value).__name__}")


def _unsupported(kernel: str, dtype: np.dtype) -> NotImplementedError:
    name = dtypes.scalar_name(dtypes.from_numpy_dtype(dtype))
    return NotImplementedError(f"\"{kernel}\" not implemented for '{name}'")


# ---------------------------------------------------------------- samplers: what draws an array's numbers
# Parameters are checked when a sampler is made, dtypes when it draws: an empty tensor takes any.


def _uniform(dtype: dtypes.dtype, low: float, high: float, source: Generator) -> Sample:
    if dtype.category < dtypes.FLOATING:
        raise _unsupported("check_uniform_bounds", dtype.numpy_dtype)
    if low != 0.0 or high != 1.0:
        _check_uniform_bounds(dtype.to_real(), low, high)
    return lambda shape, dtype, contiguous: source.uniform(shape, dtype, low, high)


def _check_uniform_bounds(dtype: dtypes.dtype, low: float, high: float) -> None:
    limits = dtypes.finfo(dtype)
    for bound, name in ((low, "from"), (high, "to")):
        if not limits.min <= bound <= limits.max:
            raise RuntimeError(f"{name} is out of bounds for {c_name(dtype)}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > limits.max:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{dtypes.scalar_name(dtype)}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit"
        )


def _checked_std(std: float) -> float:
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    return std


def _normal(mean: float, std: float, source: Generator) -> Sample:
    _checked_std(std)

    def sample(shape, dtype, contiguous):
        if dtype.kind in "iub":
            raise _unsupported("normal_kernel_cpu", dtype)
        return source.normal(shape, dtype, mean, std, contiguous)

    return sample


def _random(dtype: dtypes.dtype, low: int, high: int | None, source: Generator) -> Sample:
    low, high = whole_range(dtype, low, high)
    return lambda shape, dtype, contiguous: source.integers(shape, dtype, low, high)


def _random_unbounded(source: Generator) -> Sample:
    def sample(shape, dtype, contiguous):
        if dtype.kind == "c" or (dtype.kind == "u" and dtype.itemsize > 1):
            raise _unsupported("random_kernel_cpu", dtype)
        return source.random(shape, dtype)

    return sample


def _exponential(rate: float, source: Generator) -> Sample:
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")

    def sample(shape, dtype, contiguous):
        if dtype.kind not in "fV":
            raise RuntimeError(
                "Exponential distribution is a continuous probability distribution. dtype must be a floating point "
                f"but you specified {dtypes.scalar_name(dtypes.from_numpy_dtype(dtype))}"
            )
        return source.exponential(shape, dtype, rate)

    return sample


def _geometric(probability: float, source: Generator) -> Sample:
    if not 0.0 < probability < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={probability:g}")

    def sample(shape, dtype, contiguous):
        if dtype.kind in "bc" or (dtype.kind == "u" and dtype.itemsize > 1):
            raise _unsupported("geometric_cpu", dtype)
        return source.geometric(shape, dtype, probability)

    return sample


def _log_normal(mean: float, std: float, source: Generator) -> Sample:
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")

    def sample(shape, dtype, contiguous):
        if dtype.kind not in "fV":
            raise _unsupported("log_normal_cpu", dtype)
        return source.log_normal(shape, dtype, mean, std)

    return sample


def _cauchy(dtype: dtypes.dtype, median: float, sigma: float, source: Generator) -> Sample:
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if not dtype.is_floating_point:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {c_name(dtype)}"
        )
    return lambda shape, dtype, contiguous: source.cauchy(shape, dtype, median, sigma)


def _bernoulli(probability: float, source: Generator) -> Sample:
    if not 0.0 <= probability <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={probability:g}")

    def sample(shape, dtype, contiguous):
        _check_bernoulli_result(dtype, "bernoulli_scalar_cpu_")
        return source.bernoulli(probability, shape, dtype)

    return sample


def _check_bernoulli_result(dtype: np.dtype, kernel: str) -> None:
    if dtype.kind == "c" or (dtype.kind == "u" and dtype.itemsize > 1):
        raise _unsupported(kernel, dtype)


# ---------------------------------------------------------------- operations: their gradients are zero


def _redrawing(name: str, node: str | None = None):
    """An operation that replaces a tensor's numbers by those a sampler draws."""
    return op(
        name,
        forward=lambda xp, x, /, sample: redrawn(x, sample),
        vjp=lambda xp, g: xp.zeros_like(g),
        node=node,
    )


_redraw_uniform = _redrawing("uniform")
_redraw_normal = _redrawing("normal")
_redraw_random = _redrawing("random")
_redraw_exponential = _redrawing("exponential")
_redraw_geometric = _redrawing("geometric")
_redraw_log_normal = _redrawing("log_normal")
_redraw_cauchy = _redrawing("cauchy")
_redraw_bernoulli = _redrawing("bernoulli_float", node="BernoulliBackward2")


def _draw_bernoulli(x, p, source: Generator):
    """Ones where a uniform number of p's precision (at least float32) is below p, in the order of x's memory."""
    if not x.size:
        return np.empty_like(x)
    _check_bernoulli_result(x.dtype, "bernoulli_tensor_cpu_self_")
    if p.dtype.kind not in "fV":
        raise _unsupported("bernoulli_tensor_cpu_p_", p.dtype)
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  "
            "If so, please report an enhancement request to PyTorch.)"
        )
    precision = p.dtype if p.dtype == np.float64 else np.dtype(np.float32)
    unit = redrawn(np.empty_like(x, precision), lambda shape, dtype, contiguous: source.uniform(shape, dtype))
    return (unit < p.astype(precision, copy=False)).astype(x.dtype)


_bernoulli_of = op(
    "bernoulli",
    forward=lambda xp, x, /, source: _draw_bernoulli(np.empty(x.shape, x.dtype), x, source),
    vjp=lambda xp, g: xp.zeros_like(g),
)
_bernoulli_with = op(
    "bernoulli_tensor",
    forward=lambda xp, x, y, /, source: _draw_bernoulli(x, y, source),
    vjp=(lambda xp, g: xp.zeros_like(g), lambda xp, g, y_shape: xp.sum_to(xp.zeros_like(g), y_shape)),
    node="BernoulliBackward1",
)


def _draw_normal(shape, dtype, mean, std, source: Generator):
    """Normal numbers of `dtype`, times std and plus mean in turn, each step rounded to the dtype."""
    result = np.empty(shape, dtype)
    if type(std) is float:
        fill(result, _normal(0.0, std, source))
    else:
        fill(result, _normal(0.0, 1.0, source))
        result = _in_dtype(np.multiply, result, std)
    return _in_dtype(np.add, result, mean)


def _in_dtype(ufunc, x, y):
    """ufunc(x, y) as an in-place operation on x computes it: in the common dtype, rounded to x's."""
    if type(y) is float:  # not a 0-d tensor, which a NumPy number stands for
        common = x.dtype
    else:
        kinds = [(dtypes.from_numpy_dtype(v.dtype), 2 if v.ndim else 1) for v in (x, y)]
        common = dtypes.result_dtype(kinds).numpy_dtype
    return ufunc(x.astype(common, copy=False), np.asarray(y).astype(common, copy=False)).astype(x.dtype)


def _broadcast_shape(x, y) -> tuple[int, ...]:
    broadcast_error(x.shape, y.shape)
    return np.broadcast_shapes(x.shape, y.shape)


_normal_of_mean = op(
    "normal_mean",
    forward=lambda xp, x, /, std, source: _draw_normal(x.shape, x.dtype, x, std, source),
    vjp=lambda xp, g: xp.zeros_like(g),
    node="NormalBackward1",
)
_normal_of_std = op(
    "normal_std",
    forward=lambda xp, x, /, mean, source: _draw_normal(x.shape, x.dtype, mean, x, source),
    vjp=lambda xp, g: xp.zeros_like(g),
    node="NormalBackward2",
)
_normal_of_both = op(
    "normal_mean_std",
    forward=lambda xp, x, y, /, source: _draw_normal(_broadcast_shape(x, y), x.dtype, x, y, source),
    vjp=(
        lambda xp, g, x_shape: xp.sum_to(xp.zeros_like(g), x_shape),
        lambda xp, g, y_shape: xp.sum_to(xp.zeros_like(g), y_shape),
    ),
    node="NormalBackward3",
)


def _draw_poisson(rate, source: Generator):
    rate = np.asarray(rate)
    if rate.dtype.kind not in "fV" and rate.size:
        raise _unsupported("poisson_cpu", rate.dtype)
    if not (rate >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return source.poisson(rate)


_poisson = op(
    "poisson",
    forward=lambda xp, x, /, source: _draw_poisson(x, source),
    vjp=lambda xp, g: xp.zeros_like(g),
)


# ---------------------------------------------------------------- new tensors


def _quietly() -> None:
    if not is_quiet():
        silence()


def _drawn(shape, sample: Sample, dtype, out, device, requires_grad: bool) -> Tensor:
    """A new tensor of a sampler's numbers, or `out` filled with them."""
    _quietly()
    if out is None and local.levels:
        from ..batching import as_batches, levels_that_differ

        levels = levels_that_differ()
        array = np.empty((*[level.size for level in levels], *shape), dtype.numpy_dtype)
        fill(array, sample)
        return as_batches(finish(array, requires_grad, device), levels)
    if out is None:
        array = np.empty(shape, dtype.numpy_dtype)
        fill(array, sample)
        return finish(array, requires_grad, device)
    check_inference(out)
    if out._array.shape != shape:
        out._array = np.empty(shape, out._array.dtype)
    fill(memory(out), sample)
    bump_version(out)
    return out


def _dtype_for(function: str, out: Tensor | None, dtype, default):
    """The dtype to draw in: `out` decides, and `dtype` must agree."""
    dtype = dtype_argument(function, dtype)
    if out is None:
        return dtype or default
    if dtype is not None and dtype is not out.dtype:
        raise RuntimeError(
            f"dtype {dtypes.scalar_name(dtype)} does not match dtype of out parameter ({dtypes.scalar_name(out.dtype)})"
        )
    return out.dtype


def _for_each(x: Tensor) -> Tensor:
    """What numbers are drawn for: inside vmap perhaps a batch, so that they differ for the samples."""
    if not local.levels:
        return x
    from ..batching import for_each_sample

    return for_each_sample(x)


def _drawn_like(function, input, sampler, dtype, device, requires_grad: bool, memory_format) -> Tensor:
    """A tensor of the shape, and unless told otherwise of the dtype and memory order, of `input`."""
    if not isinstance(input, Tensor):
        raise must_be_tensor(function, "input", 1, input)
    dtype = dtype_argument(function, dtype, input.dtype)
    if local.levels:
        from ..batching import draw

        return draw(
            lambda x: _filled_like(x, sampler(dtype), dtype, device, requires_grad, memory_format), input, like=True
        )
    return _filled_like(input, sampler(dtype), dtype, device, requires_grad, memory_format)


def _filled_like(input: Tensor, sample: Sample, dtype, device, requires_grad: bool, memory_format) -> Tensor:
    _quietly()
    if memory_format is contiguous_format:
        array = np.empty(input._array.shape, dtype.numpy_dtype)
    else:
        array = np.empty_like(input._array, dtype.numpy_dtype, "C" if 0 in input._array.strides else "K")
    fill(array, sample)
    return finish(array, requires_grad, device)


def rand(
    *sizes,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    pin_memory: bool = False,
):
    """Numbers uniform in [0, 1), of a floating or complex dtype (default: the default dtype)."""
    dtype = _dtype_for("rand", out, dtype, dtypes.get_default_dtype())
    sample = _uniform(dtype, 0.0, 1.0, _source(generator, out))
    return _drawn(_sizes("rand", sizes, size), sample, dtype, out, device, requires_grad)


def randn(
    *sizes,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    pin_memory: bool = False,
):
    """Standard normal numbers of a floating or complex dtype (default: the default dtype)."""
    dtype = _dtype_for("randn", out, dtype, dtypes.get_default_dtype())
    sample = _normal(0.0, 1.0, _source(generator, out))
    return _drawn(_sizes("randn", sizes, size), sample, dtype, out, device, requires_grad)


def randint(
    low=None,
    high=None,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    pin_memory: bool = False,
):
    """Whole numbers low ≤ n < high: ``randint(high, size)`` or ``randint(low, high, size)`` (default dtype int64)."""
    if size is None:
        if high is None:
            raise TypeError('randint() missing 1 required positional arguments: "size"')
        low, high, size = None, low, high
        if not isinstance(size, (tuple, list)):
            raise TypeError(f"randint(): argument 'size' (position 2) must be tuple of ints, not {type(size).__name__}")
    elif high is None:
        low, high = None, low
    low = 0 if low is None else _whole("randint", "low", low)
    high = _whole("randint", "high", high)
    dtype = _dtype_for("randint", out, dtype, dtypes.int64)
    sample = _random(dtype, low, high, _source(generator, out))
    return _drawn(_sizes("randint", (), size), sample, dtype, out, device, requires_grad)


def randperm(
    n,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    pin_memory: bool = False,
):
    """The numbers 0 … n − 1 in random order (default dtype int64)."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"randperm(): argument 'n' (position 1) must be int, not {type(n).__name__}")
    (n,) = _sizes("randperm", (n,), None)
    source = _source(generator, out)
    dtype = _dtype_for("randperm", out, dtype, dtypes.int64)
    _check_counts(dtype, n)
    return _drawn(
        (n,),
        lambda shape, dtype, contiguous: _permutations(source, shape, dtype),
        dtype,
        out,
        device,
        requires_grad,
    )


def _permutations(source: Generator, shape, dtype: np.dtype):
    """One permutation, or inside vmap one for each sample."""
    if len(shape) == 1:
        return source.permutation(shape[0], dtype)
    return np.stack([_permutations(source, shape[1:], dtype) for _ in range(shape[0])])


def _check_counts(dtype: dtypes.dtype, n: int) -> None:
    """Whether `randperm` can count to n in a dtype."""
    if dtype.category == dtypes.INTEGER and n - 1 > dtypes.iinfo(dtype).max:
        name = "int" if dtype is dtypes.int32 else f"{dtype.name}_t"
        raise RuntimeError(f"value cannot be converted to type {name} without overflow")
    exact = {dtypes.float16: (11, "2049", "Half"), dtypes.float32: (24, "2^24+1", "Float")}.get(dtype)
    if exact is not None and n > 2 ** exact[0] + 1:
        raise RuntimeError(f"n cannot be greater than {exact[1]} for {exact[2]} type.")
    unsigned_wide = dtypes.uint16, dtypes.uint32, dtypes.uint64
    if dtype.category == dtypes.COMPLEX or dtype is dtypes.bool_ or dtype in unsigned_wide:
        raise _unsupported("randperm", dtype.numpy_dtype)


def rand_like(
    input,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    memory_format=None,
    pin_memory: bool = False,
):
    """Numbers uniform in [0, 1) with the shape and dtype of `input`."""
    source = _source(generator)
    return _drawn_like(
        "rand_like",
        input,
        lambda dtype: _uniform(dtype, 0.0, 1.0, source),
        dtype,
        device,
        requires_grad,
        memory_format,
    )


def randn_like(
    input,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    memory_format=None,
    pin_memory: bool = False,
):
    """Standard normal numbers with the shape and dtype of `input`."""
    sample = _normal(0.0, 1.0, _source(generator))
    return _drawn_like("randn_like", input, lambda dtype: sample, dtype, device, requires_grad, memory_format)


def randint_like(
    input,
    low=None,
    high=None,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    memory_format=None,
    pin_memory: bool = False,
):
    """Whole numbers low ≤ n < high with the shape and dtype of `input`; a single bound is `high`."""
    if high is None:
        low, high = None, low
    low = 0 if low is None else _whole("randint_like", "low", low)
    high = _whole("randint_like", "high", high)
    source = _source(generator)
    return _drawn_like(
        "randint_like",
        input,
        lambda dtype: _random(dtype, low, high, source),
        dtype,
        device,
        requires_grad,
        memory_format,
    )


def normal(
    mean,
    std=1.0,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
    pin_memory: bool = False,
):
    """Normal numbers: of one mean and std in a tensor of `size`, or of a mean and a std for each of them.

    RuntimeError for a negative std. Tensors of means and stds broadcast; the dtype is the means'.
    """
    source = _source(generator, out)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError('normal() missing 1 required positional arguments: "size"')
        mean, std = _real("normal", "mean", 1, mean), _real("normal", "std", 2, std)
        dtype = _dtype_for("normal", out, dtype, dtypes.get_default_dtype())
        return _drawn(_sizes("normal", (), size), _normal(mean, std, source), dtype, out, device, requires_grad)
    if isinstance(std, Tensor):
        _quietly()
        if std._array.dtype.kind == "c":
            raise RuntimeError("normal expects standard deviation to be non-complex")
        if not (std._array >= 0).all():
            raise RuntimeError("normal expects all elements of std >= 0.0")
    if not isinstance(std, Tensor):
        result = _normal_of_mean(_for_each(mean), _checked_std(_real("normal", "std", 2, std)), source)
    elif not isinstance(mean, Tensor):
        result = _normal_of_std(_for_each(std), _real("normal", "mean", 1, mean), source)
    else:
        result = _normal_of_both(_for_each(mean), _for_each(std), source)
    return result if out is None else fill_out(out, result)


def bernoulli(input, p=None, *, generator=None, out=None):
    """Ones with the probabilities `input`, or all with the probability `p` in a tensor like `input`."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("bernoulli", "input", 1, input)
    source = _source(generator, out)
    if p is not None:
        sample = _bernoulli(_real("bernoulli", "p", 2, p), source)
        return _drawn_like("bernoulli", input, lambda dtype: sample, input.dtype, None, False, contiguous_format)
    if out is None:
        return _bernoulli_of(_for_each(input), source)
    if out._array.shape != input._array.shape:
        out._array = np.empty(input._array.shape, out._array.dtype)
    return bernoulli_(out, input, generator=source)


def poisson(input, generator=None):
    """Poisson numbers of the rates `input`; RuntimeError for a negative rate."""
    if not isinstance(input, Tensor):
        raise must_be_tensor("poisson", "input", 1, input)
    return _poisson(_for_each(input), _source(generator))


def binomial(count, prob, generator=None):
    """Numbers of successes in `count` trials of probability `prob` each, which broadcast; not differentiable."""
    for position, (name, value) in enumerate((("count", count), ("prob", prob)), 1):
        if not isinstance(value, Tensor):
            raise must_be_tensor("binomial", name, position, value)
        if value.dtype.category != dtypes.FLOATING:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {dtypes.scalar_name(value.dtype)}"
            )
    if count.dtype is not prob.dtype:
        raise RuntimeError(
            f"Found dtype {dtypes.scalar_name(prob.dtype)} but expected {dtypes.scalar_name(count.dtype)}"
        )
    if count.dtype in dtypes.HALF:
        raise _unsupported("binomial_cpu", count._array.dtype)
    _quietly()
    shape = _broadcast_shape(count._array, prob._array)
    source = _source(generator)

    def drawn(trials: Tensor, probability: Tensor) -> Tensor:
        return finish(source.binomial(trials._array, probability._array))

    if not local.levels:
        return drawn(expand(count, shape), expand(prob, shape))
    from ..batching import draw

    return draw(drawn, expand(count, shape), expand(prob, shape))


@method()
def multinomial(input, num_samples, replacement: bool = False, *, generator=None, out=None):
    """Indices drawn with probabilities proportional to the rows of `input` (1-d or 2-d), int64.

    RuntimeError where a row has no positive weight, a weight is negative or not finite, or more samples are asked
    for than there are categories, without replacement.
    """
    if not isinstance(input, Tensor):
        raise must_be_tensor("multinomial", "input", 1, input)
    count = _whole("multinomial", "num_samples", num_samples)
    weights = input._array
    if not 0 < weights.ndim <= 2:
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {dtypes.scalar_name(input.dtype)}"
        )
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {dtypes.scalar_name(out.dtype)}")
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    categories = weights.shape[-1]
    if not replacement and count > categories:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if categories > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    _quietly()
    source = _source(generator, out)

    def drawn(x: Tensor) -> Tensor:
        weights = x._array.reshape(-1, categories) if x._array.ndim > 2 else x._array
        _check_weights(weights, every=replacement and count > 1)
        indices = source.multinomial(weights, count, replacement)
        return finish(indices.reshape(*x._array.shape[:-1], count))

    shape = (*weights.shape[:-1], count)
    if not math.prod(shape):
        result = finish(np.empty(shape, np.int64))
    elif local.levels:
        from ..batching import draw

        result = draw(drawn, input)
    else:
        result = drawn(input)
    return result if out is None else fill_out(out, result)


def _check_weights(weights, every: bool) -> None:
    """Refuses weights that are no probabilities; `every`: in the words of the sampling with replacement."""
    if not every:
        if not ((weights >= 0) & (weights < np.inf)).all():
            raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    elif not (weights >= 0).all():
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    elif np.isinf(weights).any():
        raise RuntimeError("invalid multinomial distribution (encountering probability entry = infinity or NaN)")
    if not weights.any(-1).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


# ---------------------------------------------------------------- in-place methods


def _redrawn(redraw, tensor: Tensor, *arguments) -> Tensor:
    """Overwrites a tensor with random numbers."""
    if local.levels:
        from ..batching import check_redrawing

        check_redrawing(tensor, arguments)
    return in_place(redraw, tensor, *arguments)


@method()
def uniform_(self, from_=0.0, to=1.0, *, generator=None):
    """Overwrites with numbers uniform in [from, to)."""
    low, high = _real("uniform_", "from", 1, from_), _real("uniform_", "to", 2, to)
    return _redrawn(_redraw_uniform, self, _uniform(self.dtype, low, high, _source(generator)))


@method()
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Overwrites with normal numbers."""
    mean, std = _real("normal_", "mean", 1, mean), _real("normal_", "std", 2, std)
    return _redrawn(_redraw_normal, self, _normal(mean, std, _source(generator)))


_TO_THE_LAST = object()  # no upper bound: the numbers the dtype counts to without gaps


@method()
def random_(self, from_=None, to=_TO_THE_LAST, *, generator=None):
    """Overwrites with whole numbers: ``random_()``, ``random_(to)``, or ``random_(from, to)`` with `to` excluded.

    Where `to` is not given (or None after `from`) they go as far as the dtype counts.
    """
    source = _source(generator)
    if from_ is None and to is _TO_THE_LAST:
        return _redrawn(_redraw_random, self, _random_unbounded(source))
    if to is _TO_THE_LAST:
        from_, to = None, from_
    low = 0 if from_ is None else _whole("random_", "from", from_)
    high = None if to is None else _whole("random_", "to", to)
    return _redrawn(_redraw_random, self, _random(self.dtype, low, high, source))


@method()
def exponential_(self, lambd=1.0, *, generator=None):
    """Overwrites with exponential waiting times of the rate `lambd`."""
    rate = _real("exponential_", "lambd", 1, lambd)
    return _redrawn(_redraw_exponential, self, _exponential(rate, _source(generator)))


@method()
def geometric_(self, p, *, generator=None):
    """Overwrites with numbers of trials up to the first success, whose probability is `p`."""
    probability = _real("geometric_", "p", 1, p)
    return _redrawn(_redraw_geometric, self, _geometric(probability, _source(generator)))


@method()
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Overwrites with exponentials of normal numbers of this mean and std."""
    mean, std = _real("log_normal_", "mean", 1, mean), _real("log_normal_", "std", 2, std)
    return _redrawn(_redraw_log_normal, self, _log_normal(mean, std, _source(generator)))


@method()
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Overwrites with numbers of a Cauchy distribution."""
    median, sigma = _real("cauchy_", "median", 1, median), _real("cauchy_", "sigma", 2, sigma)
    return _redrawn(_redraw_cauchy, self, _cauchy(self.dtype, median, sigma, _source(generator)))


@method()
def bernoulli_(self, p=0.5, *, generator=None):
    """Overwrites with ones of probability `p`, a number or a tensor that broadcasts, and zeros."""
    source = _source(generator)
    if isinstance(p, Tensor):
        return _redrawn(_bernoulli_with, self, expand(p, self._array.shape), source)
    return _redrawn(_redraw_bernoulli, self, _bernoulli(_real("bernoulli_", "p", 1, p), source))


@method("bernoulli")
def _bernoulli_method(self, p=None, *, generator=None):
    """:func:`bernoulli`."""
    return bernoulli(self, p, generator=generator)
