"""vmap: a function of one sample as a function of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..batching import batch_in_front, open_batch, unwrap_batch, wrap_batch
from ..forward import below_batches
from ..modes import local
from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor
from ..transforms import REVERSE, batch_level, close_level
from ..utils._pytree import broadcast, tree_flatten, tree_unflatten

__all__ = ["debug_unwrap", "functionalize", "vmap"]


def _name(func: Callable) -> str:
    return getattr(func, "__name__", None) or repr(func)


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """`func`, written for one sample, as a function that takes and returns batches.

    `in_dims` and `out_dims` say which dimension of each argument and result is the batch's (None: none): an int for
    all, or a structure like the arguments'. `randomness`: whether random operations inside are an "error", or their
    numbers "same" or "different" for the samples. `chunk_size` bounds how many samples are computed at a time.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args, **kwargs):
        leaves, structure = tree_flatten(args)
        dims, size = _input_dims(func, in_dims, leaves, structure)
        if chunk_size is None or chunk_size >= size:
            return _run(func, leaves, structure, dims, size, out_dims, randomness, kwargs)
        parts = []
        state = get_rng_state() if randomness == "same" else None
        for start in range(0, size, chunk_size):
            if state is not None:
                set_rng_state(state)
            count = min(chunk_size, size - start)
            some = [x if d is None else x.narrow(d, start, count) for x, d in zip(leaves, dims, strict=True)]
            parts.append(_run(func, some, structure, dims, count, out_dims, randomness, kwargs))
        return _joined(parts, out_dims)

    return mapped


def _input_dims(func, in_dims, leaves, structure) -> tuple[list, int]:
    """([the batch's dimension of each leaf], the batch's size); ValueError where they do not suit."""
    what = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{what}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not structure.children:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    dims = broadcast(in_dims, structure)
    if dims is None:
        raise ValueError(
            f"{what}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{tree_flatten(in_dims)[1]} but inputs has structure {structure}."
        )
    sizes = []
    for i, (x, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is not None and (not isinstance(dim, int) or isinstance(dim, bool)):
            raise ValueError(
                f"{what}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if dim is None:
            continue
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{what}: Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        ndim = x._array.ndim
        if not -ndim <= dim < ndim:
            raise ValueError(
                f"{what}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {ndim} so "
                f"expected in_dim to satisfy -{ndim} <= in_dim < {ndim}."
            )
        dims[i] = dim % ndim
        sizes.append(x._array.shape[dim])
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return dims, sizes[0]


def _run(func, leaves, structure, dims, size, out_dims, randomness, kwargs):
    level = open_batch(size, randomness, strict=True)
    try:
        inputs = [
            x if d is None else wrap_batch(x.movedim(d, 0) if d else x, level.number, place=d)
            for x, d in zip(leaves, dims, strict=True)
        ]
        outputs, form = tree_flatten(func(*tree_unflatten(inputs, structure), **kwargs))
        places = _output_dims(func, out_dims, form)
        results = [_result(func, y, d, level.number, size) for y, d in zip(outputs, places, strict=True)]
        return tree_unflatten(results, form)
    finally:
        close_level(level)


def _output_dims(func, out_dims, form) -> list:
    bad = ValueError(
        f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of "
        "ints representing where in the outputs the vmapped dimension should appear."
    )
    if not all(d is None or isinstance(d, int) for d in tree_flatten(out_dims)[0]):
        raise bad
    if form.type is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        out_dims = out_dims[0]
    places = broadcast(out_dims, form)
    if places is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure "
            f"of `outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but outputs has structure {form}."
        )
    return places


def _result(func, output, dim: int | None, number: int, size: int):
    if dim is None:
        if isinstance(output, Tensor) and unwrap_batch(output, number) is not None:
            raise ValueError(
                f"vmap({_name(func)}, ...): `{_name(func)}` can not return a BatchedTensor when out_dim is None"
            )
        return output
    if not isinstance(output, Tensor):
        raise ValueError(
            f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(output)}. Did you "
            "mean to set out_dims= to None for output?"
        )
    value = batch_in_front(output, number, size)
    return value.movedim(0, dim) if dim else value


def _joined(parts: list, out_dims):
    from ..ops.joining import cat

    flat = [tree_flatten(p) for p in parts]
    form = flat[0][1]
    if form.type is None and isinstance(out_dims, tuple):
        out_dims = out_dims[0]
    places = broadcast(out_dims, form) or []
    columns = zip(*[leaves for leaves, _ in flat], strict=True)
    return tree_unflatten(
        [column[0] if d is None else cat(list(column), d) for column, d in zip(columns, places, strict=True)], form
    )


def debug_unwrap(tensor: Tensor, *, recurse: bool = True) -> Tensor:
    """What stands behind a tensor inside a transformed function, to look at: with the batches of vmap as dimensions, and
    without the history of what is being differentiated. Not `recurse`: outside of the innermost transform only."""
    number = batch_level(tensor)
    if tensor.requires_grad and any(level.kind == REVERSE for level in local.level_stack[number:]):
        from .derivatives import without_history

        tensor = without_history(tensor)
        if not recurse:
            return tensor
    if not number:
        return tensor
    return below_batches(tensor) if recurse else tensor._extra.batch.value


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """`func` itself: nothing is traced here, and so there are no mutations to `remove` from a trace."""
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): received invalid argument for remove={remove}. Valid options are:\n"
            "     remove='mutations': all inplace and out= operators will be removed from the program, and replaced with "
            "their out-of-place equivalents.\n     remove='mutations_and_views': In addition to the above, all aliasing "
            "operators {view} will be replaced with their non-aliasing counterparts, {view}_copy.\n"
        )

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        return func(*args, **kwargs)

    return wrapped
