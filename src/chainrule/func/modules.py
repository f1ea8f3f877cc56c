"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


def _owner(module, name: str):
    """(the submodule that holds the parameter or buffer `name`, its name there)."""
    *path, last = name.split(".")
    for part in path:
        module = module._modules[part]
    return module, last


def _slot(module, name: str) -> dict | None:
    owner, last = _owner(module, name)
    for table in (owner._parameters, owner._buffers):
        if last in table:
            return table
    return None


def functional_call(
    module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
):
    """Calls `module` with the given parameters and buffers (by their dotted names) in the place of its own.

    `tie_weights`: one given for a tied parameter stands for all its names. `strict`: RuntimeError unless exactly all
    are given.
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = dict(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, (list, tuple)):
        given = {}
        for part in parameter_and_buffer_dicts:
            if not isinstance(part, dict):
                raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
            repeated = [name for name in part if name in given]
            if repeated:
                raise ValueError(
                    f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            given.update(part)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    own = [
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    ]
    names = {name for name, _ in own}
    if strict:
        missing, unexpected = sorted(names - set(given)), sorted(set(given) - names)
        if missing or unexpected:
            problems = [f"Unexpected key(s): {', '.join(map(repr, unexpected))}."] if unexpected else []
            problems += [f"Missing key(s): {', '.join(map(repr, missing))}."] if missing else []
            raise RuntimeError(f"Error(s) in reparametrizing for {type(module).__name__}:\n\t" + "\n\t".join(problems))
    if tie_weights:
        for name, value in own:
            if name in given:
                for other, same in own:
                    if same is value and same is not None and other not in given:
                        given[other] = given[name]
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    replaced: list = []
    try:
        for name, value in given.items():
            table = _slot(module, name)
            if table is None:
                continue
            last = name.rpartition(".")[2]
            replaced.append((table, last, table[last]))
            table[last] = value
        return module(*args, **(kwargs or {}))
    finally:
        for table, last, value in reversed(replaced):
            table[last] = value


def stack_module_state(models) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of several modules of one kind, stacked: what vmap of `functional_call` maps over."""
    from ..ops.joining import stack

    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(tables: list[dict]) -> dict[str, Tensor]:
        made = {}
        for name in tables[0]:
            values = [table[name] for table in tables]
            if len({v.requires_grad for v in values}) > 1:
                raise RuntimeError(f"Expected {name} from each model to have the same .requires_grad")
            made[name] = stack(values).detach().requires_grad_(values[0].requires_grad)
        return made

    return (
        stacked([dict(m.named_parameters()) for m in models]),
        stacked([dict(m.named_buffers()) for m in models]),
    )


def replace_all_batch_norm_modules_(root):
    """Makes the batch norms in `root`, and `root` itself if it is one, keep no running statistics, which vmap could not
    update; changes and returns `root`."""
    from ..nn.modules.batchnorm import _BatchNorm

    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
