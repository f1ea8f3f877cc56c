"""Backward hooks of modules: identities around a module's inputs and outputs, whose nodes carry the hooks."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

from ...autograd.function import Function
from ...modes import local
from ...tensor import Tensor


class BackwardHookFunction(Function):
    """The identity, in one node for several tensors."""

    @staticmethod
    def forward(ctx, *args):
        ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
        return args

    @staticmethod
    def backward(ctx, *args):
        return args


class BackwardHook:
    """The full backward hooks and pre-hooks of one call of a module."""

    def __init__(self, module, hooks: list[Callable], pre_hooks: list[Callable]) -> None:
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs: Any = None
        self.n_inputs = self.n_outputs = -1
        self.input_places: list[int] | None = None
        self.output_places: list[int] | None = None

    def _through(self, args, attach: Callable) -> tuple[Any, list[int] | None]:
        """The arguments with their tensors led through one node, which `attach` is given; and where the tensors are."""
        places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        if not (local.grad_enabled and any(args[i].requires_grad for i in places)):
            return args, None
        passed = BackwardHookFunction.apply(*[args[i] for i in places])
        node = next(t.grad_fn for t in passed if t.grad_fn is not None)
        attach(node)
        new = list(args)
        for i, tensor in zip(places, passed, strict=True):
            new[i] = tensor
        return (type(args)(*new) if hasattr(args, "_fields") else tuple(new)), places

    @staticmethod
    def _spread(places: list[int], values, size: int) -> tuple:
        """The values at their places, None elsewhere."""
        found: list = [None] * size
        for i, value in zip(places, values, strict=True):
            found[i] = value
        return tuple(found)

    def setup_input_hook(self, args):
        """The inputs, behind which the hooks run."""
        self.n_inputs = len(args)
        result, self.input_places = self._through(args, lambda node: node.register_hook(self._after))
        return result

    def _after(self, grad_input, _):
        if self.grad_outputs is None:
            return None  # backward did not come through the module's outputs
        grad_input = self._spread(self.input_places, grad_input, self.n_inputs)
        for hook in self.hooks:
            found = local.task.call_hook(hook, self.module, grad_input, self.grad_outputs)
            if found is None:
                continue
            if not isinstance(found, tuple):
                found = (found,)
            if len(found) != len(grad_input):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(found)}, but expected "
                    f"{len(grad_input)}"
                )
            grad_input = found
        self.grad_outputs = None
        return tuple(grad_input[i] for i in self.input_places)

    def setup_output_hook(self, result):
        """The outputs, at which the pre-hooks run, and the hooks where no input requires grad."""
        is_tuple = isinstance(result, tuple)
        args = result if is_tuple else (result,)
        self.n_outputs = len(args)
        args, self.output_places = self._through(args, lambda node: node.register_prehook(self._before))
        return args if is_tuple else args[0]

    def _before(self, grad_output):
        self.grad_outputs = self._spread(self.output_places, grad_output, self.n_outputs)
        for hook in self.pre_hooks:
            found = local.task.call_hook(hook, self.module, self.grad_outputs)
            if found is None:
                continue
            if not isinstance(found, tuple):
                found = (found,)
            if len(found) != len(self.grad_outputs):
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(found)}, but expected "
                    f"{len(self.grad_outputs)}"
                )
            self.grad_outputs = found
        outputs = self.grad_outputs
        if self.input_places is None:
            self._run_without_inputs()
        return tuple(outputs[i] for i in self.output_places)

    def _run_without_inputs(self) -> None:
        if self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
                "require gradients. See "
                "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook "
                "for more details.",
                stacklevel=5,
            )
        nothing = self._spread([], [], self.n_inputs)
        for hook in self.hooks:
            found = local.task.call_hook(hook, self.module, nothing, self.grad_outputs)
            if found is not None and not (isinstance(found, tuple) and all(g is None for g in found)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for all "
                    "gradients."
                )
        self.grad_outputs = None


class BoundHook:
    """A hook with the module it is called with, which it does not keep alive."""

    def __init__(self, hook: Callable, module) -> None:
        self.hook = hook
        self.module = weakref.ref(module)

    def __call__(self, *args, **kwargs):
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> tuple:
        return self.hook, self.module()

    def __setstate__(self, state: tuple) -> None:
        self.hook, module = state
        if module is None:
            raise RuntimeError("You are trying to revive the hook of a dead Module!")
        self.module = weakref.ref(module)


def warn_of_legacy_hook(inputs, result, node) -> None:
    """Says where a hook of the old kind will see less than its author may think."""
    outputs = result if isinstance(result, tuple) else (result,)
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    if not all(isinstance(r, Tensor) for r in outputs):
        _warn(
            "on a Module that does not return a single Tensor or a tuple of Tensors", "of the grad_output", "non-full"
        )
    elif not all(isinstance(a, Tensor) for a in arguments):
        _warn(
            "on a Module that does not take as input a single Tensor or a tuple of Tensors",
            "of the grad_input",
            "non-full",
        )
    elif len({r.grad_fn for r in outputs if r.grad_fn is not None}) != 1:
        _warn("when outputs are generated by different autograd Nodes", "grad_output")
    elif {f for f, _ in node.next_functions} != {a.grad_fn for a in arguments if a.grad_fn is not None}:
        _warn("when the forward contains multiple autograd Nodes", "grad_input")


def _warn(when: str, missing: str, kind: str = "a non-full") -> None:
    hooks = "hook" if kind.startswith("a ") else "hooks"
    warnings.warn(
        f"Using {kind} backward {hooks} {when} is deprecated and will be removed in future versions. This hook will be "
        f"missing some {missing}.",
        FutureWarning,
        stacklevel=6,
    )
