"""Operations on batches: what vmap makes of a function written for one sample.

A batched tensor looks like one sample; behind it stands a tensor with the batch in its first dimension. Operations run
on those: elementwise ones with their dimensions aligned behind the batch's, those that name dimensions with the names
moved up by one, some by a rule below, and the rest sample by sample.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .inplace import bump_version, overwrite, replayed, strides_within
from .modes import local
from .op import ELEMENTWISE, REGISTRY, Op, common_dtype, general
from .tensor import Tensor, memory, own_extra, wrap
from .transforms import BATCH, Level, batch_level, close_level, inside_func, open_level


class Batch:
    """What a batched tensor stands for at a level: `value`, a tensor with the batch in its first dimension.

    `uniform`: all samples are the same number by number, and at most their tangents differ: a tensor from outside, which
    is only repeated. `place`: where the batch was in the tensor that vmap was given. `memory`: of a tensor that became a
    batch, which its views look at.
    """

    __slots__ = ("level", "memory", "place", "uniform", "value")

    def __init__(self, level: int, value: Tensor, uniform: bool = False, place: int = 0) -> None:
        self.level = level
        self.value = value
        self.uniform = uniform
        self.place = place
        self.memory: Any = None


def wrap_batch(value: Tensor, number: int, uniform: bool = False, place: int = 0) -> Tensor:
    """The tensor that looks like one sample of `value` at level `number`."""
    tensor = wrap(_sample(value._array))
    extra = own_extra(tensor)
    extra.batch = Batch(number, value, uniform, place)
    extra.special = True
    mirror(tensor)
    return tensor


def is_uniform(value, number: int) -> bool:
    """Whether what is given has the same numbers for all samples of a level."""
    return batch_level(value) != number or value._extra.batch.uniform


def uniform_part(tensor: Tensor) -> Tensor:
    """The tensor without the batches in which it is only repeated, and so without what differs there: tangents."""
    while batch_level(tensor) and tensor._extra.batch.uniform:
        tensor = tensor._extra.batch.value.select(0, 0)
    return tensor


def _sample(array):
    """Something of the shape, dtype and strides of one sample."""
    return array[0] if len(array) else np.zeros(array.shape[1:], array.dtype)


def mirror(tensor: Tensor) -> None:
    """Gives a batched tensor the autograd state of what it stands for."""
    value = tensor._extra.batch.value
    tensor._requires_grad, tensor._node = value.requires_grad, value._node
    tensor._array = _sample(value._array)


def unwrap_batch(tensor, number: int) -> Tensor | None:
    """What a tensor that is batched at level `number` (its innermost) stands for; None if it is not."""
    return tensor._extra.batch.value if batch_level(tensor) == number else None


def batch_in_front(tensor: Tensor, number: int, size: int) -> Tensor:
    """The tensor with the batch of level `number` in front; repeated where it is not batched."""
    value = unwrap_batch(tensor, number)
    return tensor.expand((size, *tensor._array.shape)) if value is None else value


# ---------------------------------------------------------------- operations

warn_when_slow = False  # whether an operation without a batching rule warns


def apply_batched(record: Op, inputs, settings, number: int):
    """Runs an operation on inputs of which some are batched at level `number`, the innermost among them."""
    size = local.level_stack[number - 1].size
    uniform = all(is_uniform(x, number) for x in inputs)
    if "sample" in record.settings or "source" in record.settings:
        return _drawing(record, inputs, settings, number)
    values = [unwrap_batch(x, number) for x in inputs]
    batched = [v is not None for v in values]
    values = [x if v is None else v for x, v in zip(inputs, values, strict=True)]
    result = None
    if record.batch is not None:
        result = record.batch(record, values, batched, settings, size)
    elif record.kind == ELEMENTWISE:
        result = _aligned(record, inputs, values, batched, settings)
    elif record.name in RULES:
        result = RULES[record.name](record, values, batched, settings, size)
    elif _names_dimensions(record, inputs):
        result = general(record, values, _shifted(record, values, settings, size))
    if result is None:
        result = _one_by_one(record, values, batched, settings, size)
    if isinstance(result, tuple):
        return tuple(wrap_batch(r, number, uniform) for r in result)
    return wrap_batch(result, number, uniform)


def _aligned(record: Op, inputs, values, batched, settings):
    """An elementwise operation: the samples' dimensions are aligned from the right, the batches from the left."""
    ndim = max(x._array.ndim for x in inputs if isinstance(x, Tensor))
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    common = common_dtype([inputs[i] for i in record.promote]) if len(tensors) > 1 and record.promote else None
    aligned: list[Any] = []
    for i, (x, value, is_batched) in enumerate(zip(inputs, values, batched, strict=True)):
        if is_batched:
            missing = ndim - x._array.ndim
            promoted = i in record.promote
            if missing and promoted and common is not None and not x._array.ndim and value.dtype is not common:
                value = value.to(common)  # a 0-d sample does not take part in promotion as its batch would
            value = _spread(value, missing)
        aligned.append(value)
    return general(record, aligned, settings)


def _spread(value: Tensor, more: int) -> Tensor:
    """A batch whose samples have `more` dimensions of size 1 in front."""
    if more <= 0:
        return value
    shape = value._array.shape
    return value.reshape((shape[0],) + (1,) * more + shape[1:])


DIMENSIONS = {"dim", "dims", "dim0", "dim1", "dim2"}  # settings that name dimensions, counted from the front
SHAPES = {"shape"}  # settings that are the shape of the input or the result
PLAIN = {
    "constant_like",
    "cast",
    "clone",
    "contiguous_copy",
    "alias",
    "real",
    "imag",
    "view_as_real",
    "view_as_complex",
    "conj",
    "detach",
}


def _drawing(record: Op, inputs, settings, number: int):
    """A random operation on a batch: as many numbers as the batch has, or those of one sample for all.

    Where numbers are drawn with the probabilities in a tensor (a `source`), there are none for all different samples; the
    first input of an in-place `bernoulli_` only says where to.
    """
    level = local.level_stack[number - 1]
    values: list[Any] = [unwrap_batch(x, number) for x in inputs]
    batched = [v is not None for v in values]
    values = [x if v is None else v for x, v in zip(inputs, values, strict=True)]
    if level.randomness != "same":
        return wrap_batch(_aligned(record, inputs, values, batched, settings), number)
    if "source" in record.settings and not all(
        is_uniform(x, number) for x in inputs[record.name == "bernoulli_tensor" :]
    ):
        raise RuntimeError("Vmap does not currently support same randomness with a batched tensor input")
    first = [v.select(0, 0).contiguous() if b else v for v, b in zip(values, batched, strict=True)]
    return _same_for_all(general(record, first, settings), level)


def _same_for_all(one: Tensor, level: Level) -> Tensor:
    return wrap_batch(one.expand((level.size, *one._array.shape)), level.number, uniform=True)


def draw(function: Callable, *inputs, like: bool = False) -> Tensor:
    """``function(*inputs)``, which draws numbers and knows nothing of batches: drawn for all samples, or once for all.

    `like`: the inputs' numbers do not matter, so that one drawing may be had for different samples.
    """
    return _drawn(function, [for_each_sample(x) for x in inputs], like)


def _drawn(function: Callable, inputs, like: bool) -> Tensor:
    number = max(map(batch_level, inputs))
    if not number:
        return function(*inputs)
    level = local.level_stack[number - 1]
    if level.randomness == "same":
        if not (like or all(is_uniform(x, number) for x in inputs)):
            raise RuntimeError("Vmap does not currently support same randomness with a batched tensor input")
        return _same_for_all(_drawn(function, [_first(x, number) for x in inputs], like), level)
    return wrap_batch(_drawn(function, [batch_in_front(x, number, level.size) for x in inputs], like), number)


def _first(tensor: Tensor, number: int) -> Tensor:
    value = unwrap_batch(tensor, number)
    return tensor if value is None else value.select(0, 0)


def for_each_sample(x):
    """What a random operation is given, as a batch at every level for whose samples the numbers are to differ."""
    for level in levels_that_differ():
        x = batched_at(x, level)
    return x


def batched_at(x, level: Level):
    """The tensor as a batch at an open level, whatever it is at the others; repeated if it was none."""
    if not isinstance(x, Tensor):
        return x
    inner = batch_level(x)
    if inner == level.number:
        return x
    if inner < level.number:
        return wrap_batch(x.expand((level.size, *x._array.shape)), level.number, uniform=True)
    batch = x._extra.batch
    value = batched_at(batch.value, level)
    return x if value is batch.value else wrap_batch(value, batch.level, batch.uniform)


def _batch_levels(tensor: Tensor) -> set[int]:
    found = set()
    while batch_level(tensor):
        found.add(batch_level(tensor))
        tensor = tensor._extra.batch.value
    return found


def check_redrawing(tensor: Tensor, arguments) -> None:
    """Raises PyTorch's error where one tensor is to be overwritten with numbers that differ for the samples.

    Where an argument is a batch and the tensor is not, writing will raise another.
    """
    have = _batch_levels(tensor)
    for x in arguments:
        if isinstance(x, Tensor):
            have |= _batch_levels(x)
    if any(level.number not in have for level in levels_that_differ()):
        raise RuntimeError(
            "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same "
            "randomness. If this is necessary for your usage, please file an issue with functorch."
        )


def _names_dimensions(record: Op, inputs) -> bool:
    """Whether moving the names of dimensions, or the shapes, up by one is all that a batch asks for."""
    if record.name in PLAIN:
        return True
    if len(inputs) != 1 or record.name in NOT_SHIFTED or not inputs[0]._array.ndim:
        return False
    return any(s in DIMENSIONS or s in SHAPES for s in record.settings)


def _shifted(record: Op, values, settings, size: int):
    moved = []
    for name, value in zip(record.settings, settings, strict=True):
        if name in DIMENSIONS:
            if value is None:
                value = tuple(range(1, values[0]._array.ndim))
            elif isinstance(value, (tuple, list)):
                value = tuple(d + 1 for d in value)
            else:
                value += 1
        elif name in SHAPES:
            value = (size, *value)
        moved.append(value)
    return tuple(moved)


def _one_by_one(record: Op, values, batched, settings, size: int):
    """Sample by sample: right for every operation, and slow."""
    if warn_when_slow:
        import warnings

        warnings.warn(
            f"There is a performance drop because we have not yet implemented the batching rule for {record.name}.",
            UserWarning,
            stacklevel=2,
        )
    results = [
        general(record, [v.select(0, k) if b else v for v, b in zip(values, batched, strict=True)], settings)
        for k in range(size)
    ]
    if isinstance(results[0], tuple):
        return tuple(_stack(list(parts)) for parts in zip(*results, strict=True))
    return _stack(results)


def _stack(parts: list[Tensor]) -> Tensor:
    for k, part in enumerate(parts):
        if part._array.shape != parts[0]._array.shape:  # it depends on the elements
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(parts[0].shape)} at entry 0 and "
                f"{list(part.shape)} at entry {k}"
            )
    return REGISTRY["stack"].apply(*parts, 0)


# ---------------------------------------------------------------- rules


RULES: dict[str, Callable] = {}
NOT_SHIFTED = {
    "as_strided_backward", "as_strided_gather", "unfold_backward", "unique_dim", "unique_consecutive",
}  # fmt: skip


def rule(*names: str):
    """Registers a function of (record, values, which of them are batched, settings, batch size)."""

    def register(function):
        for name in names:
            RULES[name] = function
        return function

    return register


def _in_front(values, batched, size: int):
    """All values with the batch in front."""
    return [
        v if b or not isinstance(v, Tensor) else v.expand((size, *v._array.shape))
        for v, b in zip(values, batched, strict=True)
    ]


@rule("t")
def _transpose(record, values, batched, settings, size):
    (x,) = values
    return x.transpose(1, 2) if x._array.ndim == 3 else x.view_as(x)


@rule("permute")
def _permute(record, values, batched, settings, size):
    return general(record, values, ((0, *(d + 1 for d in settings[0])),))


@rule("unsqueeze")
def _unsqueeze(record, values, batched, settings, size):
    return general(record, values, (settings[0] + 1,))


@rule("view", "unsafe_view")
def _view(record, values, batched, settings, size):
    return general(record, values, ((size, *settings[0]),))


@rule("expand")
def _expand(record, values, batched, settings, size):
    (x,) = values
    x = _spread(x, len(settings[0]) - (x._array.ndim - 1))
    return general(record, (x,), ((size, *settings[0]),))


@rule("select", "slice", "select_backward", "slice_backward", "sum", "mean", "sum_dim", "mean_dim")
def _dimensions_moved_up(record, values, batched, settings, size):
    if not values[0]._array.ndim - 1 and record.name in ("sum", "mean", "sum_dim", "mean_dim"):
        return values[0].clone()
    record = REGISTRY.get(f"{record.name}_dim", record)  # the batch's dimension stays
    return general(record, values, _shifted(record, values, settings, size))


@rule("cat", "stack")
def _join(record, values, batched, settings, size):
    if record.name == "cat":  # which takes vectors without elements along with anything
        shapes = [v._array.shape[b:] for v, b in zip(values, batched, strict=True)]
        shape = next((s for s in shapes if s != (0,)), (0,))
        empty = (*shape[: settings[0]], 0, *shape[settings[0] + 1 :])
        values = [
            v.reshape((*v._array.shape[:b], *empty)) if s == (0,) else v
            for v, b, s in zip(values, batched, shapes, strict=True)
        ]
    return general(record, _in_front(values, batched, size), (settings[0] + 1,))


@rule("copy")
def _copy(record, values, batched, settings, size):
    x, y = _in_front(values, batched, size)
    return general(record, (x, _spread(y, x._array.ndim - y._array.ndim)), settings)


@rule("gather", "scatter", "scatter_add", "take_along_dim", "put_along", "softmax_backward", "log_softmax_backward")
def _along(record, values, batched, settings, size):
    tensors = [v for v in values if isinstance(v, Tensor)]
    if len({t._array.ndim - b for t, b in zip(tensors, batched)}) > 1 or tensors[0]._array.ndim == batched[0]:
        return None
    return general(record, _in_front(values, batched, size), _shifted(record, tensors, settings, size))


@rule("mm", "bmm", "matmul")
def _matrices(record, values, batched, settings, size):
    x, y = values
    if record.name == "matmul" and (x._array.ndim - batched[0] < 2 or y._array.ndim - batched[1] < 2):
        return None
    missing = (y._array.ndim - batched[1]) - (x._array.ndim - batched[0])
    return (_spread(x, missing) if batched[0] else x).matmul(_spread(y, -missing) if batched[1] else y)


@rule("as_strided")
def _as_strided(record, values, batched, settings, size):
    (x,) = values
    sizes, strides, offset, _ = settings
    array = memory(x)
    step, *inner = (s // array.itemsize for s in array.strides)
    if not x._array.size:
        if 0 not in sizes:
            raise RuntimeError(
                f"result = tensor.as_strided({list(sizes)}, {list(strides)}, {offset}) can access memory outside of "
                "`tensor`. `tensor` has no storage but the passed-in (size, stride, storage_offset) imply a result with "
                "some storage. This is not supported inside of vmap, please try to rewrite the `as_strided` call as a "
                "sequence of PyTorch view operations"
            )
        return None
    last = sum((n - 1) * s for n, s in zip(array.shape[1:], inner, strict=True)) + 1
    end = 0 if 0 in sizes else sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) + 1
    if offset < 0 or offset + end > last:
        start = Tensor.storage_offset(x)
        raise RuntimeError(
            f"result = tensor.as_strided({list(sizes)}, {list(strides)}, {start + offset}) can access memory outside of "
            f"`tensor`. `result` can access some memory in range [{start + offset}, {start + offset + end}], but `tensor` "
            f"can only access some memory in range [{start}, {start + last}]. This is not supported inside of vmap, "
            "please try to rewrite the `as_strided` call as a sequence of PyTorch view operations"
        )
    return general(record, (x,), ((size, *sizes), (step, *strides), offset, (step, *inner)))


@rule("argmax", "argmin")
def _index_of_extreme(record, values, batched, settings, size):
    (x,), (dim, keepdim) = values, settings
    if x._array.ndim == 1:
        return None
    if dim is not None:
        return general(record, (x,), (dim + 1, keepdim))
    found = general(record, (x.reshape(size, -1),), (1, False))
    return found.reshape((size,) + (1,) * (x._array.ndim - 1)) if keepdim else found


@rule("squeeze", "squeeze_dim", "squeeze_dims")
def _squeeze(record, values, batched, settings, size):
    (x,) = values
    return x.view_as(x) if x._array.ndim == 1 else general(record, (x,), _shifted(record, values, settings, size))


@rule("roll")
def _roll(record, values, batched, settings, size):
    (x,), (shifts, dims) = values, settings
    if dims:
        return general(record, (x,), (shifts, tuple(d + 1 for d in dims)))
    return general(record, (x.reshape(size, -1),), (shifts, (1,))).reshape(x.shape)


@rule("mv")
def _matrix_vector(record, values, batched, settings, size):
    x, y = values
    return x.matmul(y.unsqueeze(-1)).squeeze(-1)


@rule("dot", "vdot")
def _dot(record, values, batched, settings, size):
    x, y = values
    if record.name == "vdot":
        x = x.conj()
    return (x * y).sum(-1)


@rule("index")
def _index(record, values, batched, settings, size):
    (x, *indices), (dims,) = values, settings
    together = all(b == a + 1 for a, b in pairwise(dims))
    if not any(batched[1:]):
        result = general(record, values, (tuple(d + 1 for d in dims),))
        if not together:
            front = max(i._array.ndim for i in indices)
            result = result.movedim(front, 0)
        return result
    if not batched[0]:
        x = x.expand((size, *x._array.shape))
    ndim = max(i._array.ndim - b for i, b in zip(indices, batched[1:], strict=True))
    spread = [_spread(i, ndim - i._array.ndim + 1) if b else i for i, b in zip(indices, batched[1:], strict=True)]
    counter = wrap(np.arange(size).reshape((size,) + (1,) * ndim))
    result = general(record, (x, counter, *spread), ((0, *(d + 1 for d in dims)),))
    if together and dims[0]:  # the indexed dimensions come first: put them in their place
        place = tuple(range(1, ndim + 1))
        result = result.movedim(place, tuple(d + dims[0] for d in place))
    return result


def check_backward() -> None:
    """Raises PyTorch's error for backward(), which writes to `.grad`, inside a function that is being transformed."""
    if inside_func():
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad or "
            "functorch.vjp instead or call backward() outside of functorch transforms."
        )


def check_random(out=None) -> None:
    """Raises PyTorch's error for a random operation inside vmap, unless it was told what to do about them."""
    for level in local.level_stack:
        if level.kind != BATCH:
            continue
        if level.randomness != "error":
            if out is not None:
                raise RuntimeError(
                    "vmap: We do not support calling out variants of random operations inside of vmap. Please use "
                    "non-out variants as a workaround"
                )
            continue
        if not level.strict:
            raise RuntimeError(
                "vmap: We do not yet support calling random operations inside of vmap. Please perform random "
                "operations outside of vmap as a workaround"
            )
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )


def levels_that_differ() -> list[Level]:
    """The open levels for whose samples random numbers are to differ, outermost first."""
    return [level for level in local.level_stack if level.kind == BATCH and level.randomness == "different"]


def as_batches(tensor: Tensor, levels: list[Level]) -> Tensor:
    """A tensor whose first dimensions are the batches of `levels`, as one sample of them all."""
    for level in levels:
        tensor = wrap_batch(tensor, level.number)
    return tensor


def batch_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A new tensor that was made in the likeness of `like`: a batch of copies, where that is a batch."""
    levels, whole = [], like
    while batch_level(whole):
        levels.append(batch_level(whole))
        whole = whole._extra.batch.value
    if not levels:
        return tensor
    array = memory(tensor)
    places = _many_like(array, whole._array.shape[: len(levels)], array.dtype)
    places[...] = array
    made = wrap(places)
    for number in reversed(levels):
        made = wrap_batch(made, number)
    return made


def run_by_sample(function: Callable, args, kwargs):
    """``function(*args, **kwargs)``, which reads elements and knows nothing of batches, on one sample after the other."""
    number = max((batch_level(uniform_part(x)) for x in args if isinstance(x, Tensor)), default=0)
    if not number:
        return function(*args, **kwargs)
    results = [
        function(*[_sample_of(x, number, k) for x in args], **kwargs) for k in range(local.level_stack[number - 1].size)
    ]
    if isinstance(results[0], tuple):
        made = [wrap_batch(_stack(list(parts)), number) for parts in zip(*results, strict=True)]
        return type(results[0])(made)
    return wrap_batch(_stack(results), number)


def _sample_of(x, number: int, k: int):
    value = unwrap_batch(x, number)
    return x if value is None else value.select(0, k)


def refuse_batches(message: str, *values) -> None:
    """Raises RuntimeError(message) if something given is a batch."""
    if any(batch_level(uniform_part(x)) for x in values if isinstance(x, Tensor)):
        raise RuntimeError(message)


READING = {
    "item": (
        "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
        "Tensor, please try to rewrite what you're doing with other operations. If error is occurring somewhere "
        "inside PyTorch internals, please file a bug report."
    ),
    "bool": (
        "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support "
        "that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
    ),
    "data": "accessing `data` under vmap transform is not allowed",
    "set data": "mutating directly with `.data` under vmap transform is not allowed.",
    "storage": "Cannot access storage of BatchedTensorImpl",
    "memory": "Cannot access data pointer of Tensor that doesn't have storage",
}


def refuse_reading(tensor: Tensor, how: str) -> None:
    """Raises PyTorch's error where a program asks for the elements of a batched tensor as if they were one sample's."""
    if batch_level(uniform_part(tensor)):
        raise (NotImplementedError if how == "storage" else RuntimeError)(READING[how])


# ---------------------------------------------------------------- in-place writes


def _many_like(array, front: tuple[int, ...], dtype):
    """Fresh memory for batches of `front` samples, each with the strides of `array`."""
    count = 0
    if array.size:
        count = sum((n - 1) * (s // array.itemsize) for n, s in zip(array.shape, array.strides, strict=True)) + 1
    buffer = np.empty((*front, count), dtype)
    return np.lib.stride_tricks.as_strided(buffer, (*front, *array.shape), (*buffer.strides[:-1], *array.strides))


def laid_out_like(tensor: Tensor, array) -> Tensor:
    """A copy whose samples lie in memory as `array` does."""
    levels = []
    value = tensor
    while batch_level(value):
        levels.append(batch_level(value))
        value = value._extra.batch.value
    made = wrap(_many_like(array, value._array.shape[: len(levels)], array.dtype)).copy_(value)
    for number in reversed(levels):
        made = wrap_batch(made, number)
    return made


def overwrite_batched(tensor: Tensor, result: Tensor) -> Tensor:
    """Overwrites a batched tensor with a result, both at the innermost of their levels."""
    number = max(batch_level(tensor), batch_level(result))
    level = local.level_stack[number - 1]
    value = unwrap_batch(tensor, number)
    if value is None and is_uniform(result, number):
        become_batch(tensor, level)
        value = unwrap_batch(tensor, number)
    if value is None:
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
            "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
            "`self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace "
            "arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report "
            "instead."
        )
    tensor._extra.batch.uniform &= is_uniform(result, number)
    overwrite(value, batch_in_front(result, number, level.size))
    mirror(tensor)
    array = tensor._extra.batch.memory
    if array is not None:
        array[...] = tensor._array
        bump_version(tensor)
    return tensor


def become_batch(tensor: Tensor, level: Level) -> None:
    """Makes an ordinary tensor a batch in which it is repeated, so that it can be given tangents that are a batch.

    With it becomes one what it is a view of; other views do when they are next used."""
    base = tensor._base
    if base is None:
        copied = tensor.expand((level.size, *tensor._array.shape)).clone()
        batch = Batch(level.number, copied, uniform=True)
    else:
        if batch_level(base) != level.number:
            become_batch(base, level)
        steps = tensor._extra.view.replay
        if steps is None:
            steps = ((REGISTRY["as_strided"], strides_within(tensor, wrap(base._extra.batch.memory)), 0),)
        made = replayed(steps, base)._extra.batch
        batch = Batch(level.number, made.value, made.uniform)
    batch.memory = tensor._array
    level.promoted.append(tensor)
    extra = own_extra(tensor)
    extra.batch, extra.special = batch, True
    mirror(tensor)


# ---------------------------------------------------------------- custom Functions


def function_on_batches(cls, args, kwargs, number: int):
    """Runs a custom Function on batches: by its own rule, or sample by sample."""
    from .autograd.function import MORE_ABOUT_FUNC, Function, refuse_keywords

    level = local.level_stack[number - 1]
    own_rule = cls.vmap is not Function.vmap
    if cls.generate_vmap_rule and own_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overridden vmap "
            "staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid "
            f"ambiguity. {MORE_ABOUT_FUNC}"
        )
    if not (own_rule or cls.generate_vmap_rule) and level.strict:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement "
            f"the vmap staticmethod or set generate_vmap_rule=True. {MORE_ABOUT_FUNC}"
        )
    values: list[Any] = [unwrap_batch(x, number) for x in args]
    batched = [v is not None for v in values]
    values = [x if v is None else v for x, v in zip(args, values, strict=True)]
    if own_rule:
        if any(isinstance(v, Tensor) for v in kwargs.values()):
            raise NotImplementedError(
                "Run vmap on autograd.Function with kwarg-only Tensor args. Please do not pass kwarg-only Tensors to "
                f"autograd.Function. Got: {kwargs}"
            )
        info = VmapInfo(level.size, level.randomness)
        return _by_own_rule(cls.vmap(info, tuple(0 if b else None for b in batched), *values, **kwargs), number)
    refuse_keywords(kwargs)
    results = [
        cls.apply(*[v.select(0, k) if b else v for v, b in zip(values, batched, strict=True)])
        for k in range(level.size)
    ]
    if isinstance(results[0], tuple):
        return tuple(_batch_of(parts, number) for parts in zip(*results, strict=True))
    return _batch_of(results, number)


def _batch_of(parts, number: int):
    """One output of a Function for all samples: what is no tensor is as for the first."""
    return wrap_batch(_stack(list(parts)), number) if isinstance(parts[0], Tensor) else parts[0]


VmapInfo = namedtuple("VmapInfo", ["batch_size", "randomness"])


def _by_own_rule(returned, number: int):
    """The outputs that a Function's vmap staticmethod returned with their dimensions, as batches."""
    from .autograd.function import MORE_ABOUT_FUNC
    from .utils._pytree import broadcast, tree_flatten, tree_unflatten

    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible "
            f"with the output. Got a {type(returned)} instead"
        )
    output, dims = returned
    outputs, form = tree_flatten(output)
    places = broadcast(dims, form)
    if places is None:
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
            f"out_dims={dims} to be compatible with the structure of `output`. out_dims has structure "
            f"{tree_flatten(dims)[1]} but output has structure {form}. {MORE_ABOUT_FUNC}"
        )
    made = [
        y if d is None or not isinstance(y, Tensor) else wrap_batch(y.movedim(d, 0), number)
        for y, d in zip(outputs, places, strict=True)
    ]
    return tree_unflatten(made, form)


# ---------------------------------------------------------------- backward


def lowered(gradient: Tensor | None, output: Tensor) -> Tensor | None:
    """A gradient for what a batched output stands for, from one for the output."""
    if gradient is None or not batch_level(output):
        return gradient
    batch = output._extra.batch
    size = batch.value._array.shape[0]
    if batch_level(gradient) > batch.level:  # batched further in: its batch stays outside
        inner = gradient._extra.batch
        value = unwrap_batch(inner.value, batch.level)
        whole = inner.value.expand((size, *inner.value._array.shape)) if value is None else value
        return wrap_batch(_lowered_behind(whole.transpose(0, 1), batch.value), inner.level)
    return lowered(batch_in_front(gradient, batch.level, size), batch.value)


def _lowered_behind(gradient: Tensor, output: Tensor) -> Tensor:
    """`lowered` for a gradient with a dimension more in front."""
    if not batch_level(output):
        return gradient
    batch = output._extra.batch
    value = unwrap_batch(gradient, batch.level)
    size = batch.value._array.shape[0]
    whole = gradient.expand((size, *gradient._array.shape)) if value is None else value
    return _lowered_behind(whole.transpose(0, 1), batch.value)


def raised(gradient: Tensor | None, like: Tensor) -> Tensor | None:
    """A gradient of a batched input, from that of what it stands for."""
    if gradient is None or not batch_level(like):
        return gradient
    batch = like._extra.batch
    if batch_level(gradient) > batch.level:
        inner = gradient._extra.batch
        return wrap_batch(_raised_behind(inner.value, like), inner.level)
    below: Any = raised(gradient, batch.value)  # a Tensor, since `gradient` is one
    return wrap_batch(below, batch.level)


def _raised_behind(gradient: Tensor, like: Tensor) -> Tensor:
    """`raised` for a gradient with a dimension more in front."""
    if not batch_level(like):
        return gradient
    batch = like._extra.batch
    gradient = _raised_behind(gradient, batch.value)
    return wrap_batch(gradient.transpose(0, 1), batch.level)


# ---------------------------------------------------------------- levels


def open_batch(size: int, randomness: str = "error", strict: bool = False) -> Level:
    """Opens a level for batches of one size."""
    level = open_level(BATCH, strict)
    level.size, level.randomness = size, randomness
    return level


def vmap_with_none(function: Callable, values) -> tuple:
    """``function(*values)`` for each entry along the first dimension, stacked; None goes in and comes out as it is."""
    size = next(v._array.shape[0] for v in values if v is not None)
    level = open_batch(size)
    try:
        results = function(*[None if v is None else wrap_batch(v, level.number) for v in values])
        return tuple(None if r is None else batch_in_front(r, level.number, size) for r in results)
    finally:
        close_level(level)
