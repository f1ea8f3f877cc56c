"""Derivatives as functions of functions: grad, vjp, jvp, Jacobians, Hessians; they compose with each other and vmap."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..batching import batch_in_front, mirror, wrap_batch
from ..forward import below_batches, primal_parts, share_tangents, tangent_at
from ..modes import _set_grad_enabled, local
from ..tensor import Tensor, leaves_behind, memory, wrap
from ..transforms import BATCH, DUAL, REVERSE, batch_level, close_level, open_level
from ..utils._pytree import tree_flatten, tree_map, tree_unflatten
from .mapping import vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]


# ---------------------------------------------------------------- modes, and tensors to differentiate by


class _NormalMode:
    """For the length of a block grad mode is on and inference mode is off, whatever they are outside."""

    def __enter__(self):
        self.previous = local.inference, local.grad_mode
        local.inference = False
        _set_grad_enabled(True)

    def __exit__(self, *exc) -> None:
        local.inference, grad_mode = self.previous
        _set_grad_enabled(grad_mode)


class _Recording(_NormalMode):
    """For the length of a block what a function does is recorded, at a level of its own."""

    def __enter__(self):
        from ..autograd.graph import disable_saved_tensors_hooks

        self.without_hooks = disable_saved_tensors_hooks(
            "torch.func.{grad, vjp, jacrev, hessian} don't yet support saved tensor hooks. Please open an issue with "
            "your use case."
        )
        self.without_hooks.__enter__()
        super().__enter__()
        self.level = open_level(REVERSE, strict=True)
        return self.level

    def __exit__(self, *exc) -> None:
        close_level(self.level)
        super().__exit__(*exc)
        self.without_hooks.__exit__(*exc)


def _alias(x: Tensor) -> Tensor:
    return x.view_as(x)


def fresh(x) -> Tensor:
    """A tensor to differentiate by: the elements of `x`, with a gradient of its own for every sample of open vmaps."""
    if not isinstance(x, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    made = _alias(_spread(_outside_inference(x), local.level_stack))
    _require_grad(made)
    return made


def _fresh_at(level, values) -> list[Tensor]:
    """Tensors to differentiate by at a level of reverse mode."""
    made = [fresh(x) for x in values]
    level.members.extend(weakref.ref(below_batches(x)) for x in made)
    return made


def _outside_inference(x: Tensor) -> Tensor:
    """The elements of a tensor as a normal one, which can be recorded and saved."""
    if batch_level(x):
        batch = x._extra.batch
        value = _outside_inference(batch.value)
        return x if value is batch.value else wrap_batch(value, batch.level, batch.uniform)
    return wrap(memory(x)) if x.is_inference() else x


def _spread(x: Tensor, levels) -> Tensor:
    """`x` batched at all open levels of vmap, repeated where it was not."""
    if not levels:
        return x
    level, outer = levels[-1], levels[:-1]
    if level.kind != BATCH:
        return _spread(x, outer)
    uniform = batch_level(x) != level.number or x._extra.batch.uniform
    return wrap_batch(_spread(batch_in_front(x, level.number, level.size), outer), level.number, uniform)


def _require_grad(x: Tensor) -> None:
    if batch_level(x):
        _require_grad(x._extra.batch.value)
        mirror(x)
    elif not x.requires_grad:
        if x._extra is not None:
            x._extra.view = None
        x._requires_grad = True


def _reaches_others(outputs, members) -> bool:
    """Whether the outputs depend on a leaf that is none of a level's members (weak references): then results keep their
    history."""
    private = {id(reference()) for reference in members}
    return any(id(leaf) not in private for leaf in leaves_behind(outputs))


def without_history(y):
    """The same elements (and tangent, and batch) as no part of the graph."""
    if not isinstance(y, Tensor):
        return y
    if batch_level(y):
        batch = y._extra.batch
        return wrap_batch(without_history(batch.value), batch.level, batch.uniform)
    made = y.detach()
    share_tangents(y, made)
    return made


def _gradients(outputs, inputs, seeds, members, retain: bool = False) -> list[Tensor]:
    """The gradients by `inputs`, zeros where there are none; they can be differentiated if the outputs can.

    `members`: those of the level at which the outputs were recorded."""
    from ..autograd import grad as autograd_grad
    from ..ops.creation import zeros_like

    kept = [(y, s) for y, s in zip(outputs, seeds, strict=True) if y.requires_grad]
    found: Any = [None] * len(inputs)
    if kept:
        roots = [y for y, _ in kept]
        found = autograd_grad(
            roots,
            inputs,
            [s for _, s in kept],
            create_graph=_reaches_others(roots, members) or any(s.requires_grad for _, s in kept),
            retain_graph=retain or None,
            allow_unused=True,
        )
    return [zeros_like(x).detach() if g is None else g for g, x in zip(found, inputs, strict=True)]


def _chosen(args: tuple, argnums):
    """The arguments that `argnums` names."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(numbers, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    for n in numbers:
        if not isinstance(n, int):
            raise RuntimeError(f"argnum must be int, got: {type(n)}")
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"Got argnum={n}, but only {len(args)} positional inputs")
    numbers = tuple(n % len(args) for n in numbers)
    if len(set(numbers)) != len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {numbers}")
    return args[numbers[0]] if isinstance(argnums, int) else tuple(args[n] for n in numbers)


def _replaced(args: tuple, argnums, chosen) -> tuple:
    """The arguments with those that `argnums` names replaced."""
    made = list(args)
    if isinstance(argnums, int):
        made[argnums] = chosen
    else:
        for n, value in zip(argnums, chosen, strict=True):
            made[n] = value
    return tuple(made)


def _of_chosen(func: Callable, args: tuple, argnums, structure, kwargs: dict) -> Callable:
    """`func` as a function of the leaves of the arguments that `argnums` names."""

    def of_chosen(*leaves):
        return func(*_replaced(args, argnums, tree_unflatten(leaves, structure)), **kwargs)

    return of_chosen


def _output_and_aux(result, has_aux: bool, what: str):
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True")
    for value in tree_flatten(result[1])[0]:
        if not isinstance(value, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(value)}")
    return result


# ---------------------------------------------------------------- reverse mode


def grad_and_value(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns (gradient of `func` by the arguments `argnums`, value of `func`).

    `func` returns a 0-d tensor, or with `has_aux` (tensor, anything), and then the value is that tuple.
    """

    @functools.wraps(func)
    def both(*args, **kwargs):
        what, recording = "grad_and_value(f)(*args)", local.grad_enabled
        with _Recording() as level:
            leaves, structure = tree_flatten(_chosen(args, argnums))
            leaves = _fresh_at(level, leaves)
            result = func(*_replaced(args, argnums, tree_unflatten(leaves, structure)), **kwargs)
            output, aux = _output_and_aux(result, has_aux, what)
            if not isinstance(output, Tensor):
                raise RuntimeError(f"{what}: Expected f(*args) to return a Tensor, got {type(output)}")
            if output._array.ndim:
                raise RuntimeError(
                    f"{what}: Expected f(*args) to return a scalar Tensor, got tensor with {output.dim()} dims. Maybe "
                    "you wanted to use the vjp or jacrev APIs instead?"
                )
            if output.is_complex() and output.requires_grad:
                raise RuntimeError(
                    f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
                )
            keep = recording and output.requires_grad and _reaches_others([output], level.members)
            gradients = _gradients([output], leaves, [wrap(np.ones((), output._array.dtype))], level.members)
        if not keep:
            gradients = [without_history(g) for g in gradients]
            output, aux = without_history(output), tree_map(without_history, aux)
        found = tree_unflatten(gradients, structure)
        return (found, (output, aux)) if has_aux else (found, output)

    return both


def grad(func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of `func`, which returns a 0-d tensor, by the arguments `argnums`.

    With `has_aux`, `func` returns (tensor, anything), and the result is (gradient, anything).
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args, **kwargs):
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def _real_only(tensors, what: str, which: str) -> None:
    for i, x in enumerate(tensors):
        if isinstance(x, Tensor) and x.is_complex():
            raise RuntimeError(
                f"{what}: Expected all {which} to be real but received complex tensor at flattened input idx: {i}"
            )


def _tensors_only(leaves, what: str) -> None:
    if not leaves or (len(leaves) == 1 and leaves[0] is None):
        raise RuntimeError(f"{what}: Expected f to be a function that has non-empty output (got output = {leaves})")
    for y in leaves:
        if not isinstance(y, Tensor):
            raise RuntimeError(f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(y)}")


def vjp(func: Callable, *primals, has_aux: bool = False):
    """(outputs of `func` at `primals`, a function from gradients of the outputs to the tuple of those of the primals).

    With `has_aux`, `func` returns (outputs, anything), which comes as a third result.
    """
    what, recording = "vjp(f, *primals)", local.grad_enabled
    with _Recording() as level:
        leaves, structure = tree_flatten(primals)
        leaves = _fresh_at(level, leaves)
        result = func(*tree_unflatten(leaves, structure))
        output, aux = _output_and_aux(result, has_aux, what)
        outputs, form = tree_flatten(output)
        _tensors_only(outputs, what)
        keep = recording and _reaches_others([y for y in outputs if y.requires_grad], level.members)

    def pull(cotangents):
        seeds, seed_form = tree_flatten(cotangents)
        if seed_form != form:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {seed_form.brief()}, primal output: {form.brief()}"
            )
        recording = local.grad_enabled
        with _NormalMode():
            found = _gradients(outputs, leaves, seeds, level.members, retain=True)
        return tree_unflatten(found if recording else [without_history(g) for g in found], structure)

    shown = tree_unflatten(outputs if keep else [without_history(y) for y in outputs], form)
    if has_aux:
        return shown, pull, aux if keep else tree_map(without_history, aux)
    return shown, pull


def _basis(like: Tensor) -> Tensor:
    """All unit vectors in the space of `like`, stacked."""
    return wrap(np.eye(like.numel(), dtype=like._array.dtype).reshape((like.numel(), *like._array.shape)))


def jacrev(
    func: Callable,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """A function that returns the Jacobian of `func` by the arguments `argnums`, row by row: vmap over backward.

    Its structure is that of the outputs, each of them replaced by the structure of the arguments.
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def jacobian(*args, **kwargs):
        leaves, structure = tree_flatten(_chosen(args, argnums))
        _real_only(leaves, "jacrev", "inputs")

        of_chosen = _of_chosen(func, args, argnums, structure, kwargs)
        output, pull, *aux = vjp(of_chosen, *leaves, has_aux=has_aux)
        outputs, form = tree_flatten(output)
        _real_only(outputs, "jacrev", "outputs")
        rows = []
        for k, y in enumerate(outputs):

            def pull_one(seed, k=k):
                seeds = [_zeros(z) for z in outputs]
                seeds[k] = seed
                return pull(tree_unflatten(seeds, form))

            if not y.numel():  # there is nothing to pull back
                parts = [_zeros(x.new_empty((0, *x.shape))) for x in leaves]
            elif chunk_size == 1:  # without vmap, for what does not take batches
                found = [pull_one(seed) for seed in _basis(y)]
                parts = [_stacked(same) for same in zip(*found, strict=True)]
            else:
                parts = vmap(pull_one, chunk_size=chunk_size)(_basis(y))
            rows.append(
                tree_unflatten([p.reshape((*y.shape, *x.shape)) for p, x in zip(parts, leaves, strict=True)], structure)
            )
        found = tree_unflatten(rows, form)
        return (found, aux[0]) if has_aux else found

    return jacobian


def _stacked(tensors) -> Tensor:
    from ..ops.joining import stack

    return stack(list(tensors))


def _zeros(like: Tensor) -> Tensor:
    return wrap(np.zeros(like._array.shape, like._array.dtype))


# ---------------------------------------------------------------- forward mode


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False):
    """(outputs of `func` at the tuple `primals`, their derivative along the tuple `tangents`).

    With `has_aux`, `func` returns (outputs, anything), which comes as a third result. `strict`: RuntimeError where an
    output does not depend on the primals, rather than zeros.
    """
    what = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{what}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    leaves, structure = tree_flatten(primals)
    directions, other = tree_flatten(tangents)
    if structure != other:
        raise RuntimeError(
            f"{what}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with structure {structure} and tangents with "
            f"structure {other}"
        )
    for name, values in (("primals", leaves), ("tangents", directions)):
        for x in values:
            if not isinstance(x, Tensor):
                raise RuntimeError(f"{what}: Expected {name} to only contain Tensors, got {type(x)}")
    if not leaves:
        raise RuntimeError(f"{what}: Expected primals to contain at least one Tensor.")
    for name, values in (("primal", leaves), ("tangent", directions)):
        for x in values:
            if not (x.is_floating_point() or x.is_complex()):
                raise ValueError(f"Expected {name} to be floating point or complex, but got: {x.dtype}")
    from ..autograd.forward_ad import dual, same_memory

    level = open_level(DUAL, strict=True)
    enabled, local.forward_grad_enabled = local.forward_grad_enabled, True
    try:
        duals = [dual(x, t, level.number) for x, t in zip(leaves, directions, strict=True)]
        output, aux = _output_and_aux(func(*tree_unflatten(duals, structure)), has_aux, what)
        outputs, form = tree_flatten(output)
        _tensors_only(outputs, what)
        values, moved = [], []
        for y in outputs:
            tangent = tangent_at(y, level.number)
            if tangent is None and strict:
                raise RuntimeError(
                    "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is "
                    "not allowed with strict=True."
                )
            with primal_parts([y], level.number):
                values.append(same_memory(y))
                moved.append(_zeros_like(y) if tangent is None else tangent)
    finally:
        local.forward_grad_enabled = enabled
        close_level(level)
    results = tree_unflatten(values, form), tree_unflatten(moved, form)
    return (*results, aux) if has_aux else results


def _zeros_like(y: Tensor) -> Tensor:
    from ..ops.creation import zeros_like

    return zeros_like(y)


def jacfwd(
    func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """A function that returns the Jacobian of `func` by the arguments `argnums`, column by column: vmap over `jvp`.

    The same structure as `jacrev`'s.
    """

    @functools.wraps(func)
    def jacobian(*args, **kwargs):
        leaves, structure = tree_flatten(_chosen(args, argnums))
        of_chosen = _of_chosen(func, args, argnums, structure, kwargs)
        _real_only(leaves, "jacfwd", "inputs")
        forms: list = []

        def columns(position: int):
            def column(direction):
                directions = [_zeros_like(x) for x in leaves]
                directions[position] = direction

                _, moved, *more = jvp(of_chosen, tuple(leaves), tuple(directions), has_aux=has_aux)
                flat, form = tree_flatten(moved)
                _real_only(flat, "jacfwd", "outputs")
                forms[:] = [form]
                return tuple(flat), more

            return vmap(column, randomness=randomness)(_basis(leaves[position]))

        found = [columns(i) for i in range(len(leaves))]
        by_input = [parts for parts, _ in found]
        aux = found[0][1]
        rows = [
            tree_unflatten(
                [p.movedim(0, -1).reshape((*p.shape[1:], *x.shape)) for p, x in zip(parts, leaves, strict=True)],
                structure,
            )
            for parts in zip(*by_input, strict=True)
        ]
        matrix = tree_unflatten(rows, forms[0])
        return (matrix, tree_map(lambda a: a[0], aux[0])) if has_aux else matrix

    return jacobian


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that returns the Hessian of `func` by the arguments `argnums`: forward mode over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable, *primals):
    """(outputs of `func` at `primals`, a function from tangents to the derivative along them at that place)."""
    leaves, structure = tree_flatten(primals)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")

    def along(*tangents):
        directions, form = tree_flatten(tangents)
        if form != structure:
            raise RuntimeError(f"Expected the tangents {form} to have the same argspec as the primals {structure}")
        for i, (t, x) in enumerate(zip(directions, leaves, strict=True)):
            if t.shape != x.shape:
                raise RuntimeError(
                    f"tangent:{i} with shape {t.shape} in flattened pytree doesn't match the shape {x.shape} of the "
                    "corresponding primal."
                )
            if t.dtype is not x.dtype:
                raise RuntimeError(
                    f"tangent:{i} with dtype {t.dtype} in flattened pytree doesn't match the dtype {x.dtype} of the "
                    "corresponding primal."
                )
        return jvp(func, primals, tangents)[1]

    return func(*primals), along
