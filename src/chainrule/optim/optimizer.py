"""Optimizer: parameter groups, state, hooks, and the step that all optimizers share."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from ..graph_errors import explained
from ..inplace import bump_version
from ..modes import enable_grad, is_quiet, no_grad, silence
from ..nn.modules.module import typename
from ..ops.creation import tensor as make_tensor
from ..pickling import reduce_ex
from ..tensor import Tensor, memory, wrap
from ..utils.hooks import RemovableHandle, register

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

required = object()  # the default of an option that each group has to give
_global_pre_hooks: OrderedDict = OrderedDict()
_global_post_hooks: OrderedDict = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` runs before every optimizer's step."""
    return register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """``hook(optimizer, args, kwargs)`` runs after every optimizer's step."""
    return register(_global_post_hooks, hook)


def _with_hooks(step: Callable) -> Callable:
    """A class's step, with the hooks around it."""

    @functools.wraps(step)
    def hooked(self, *args, **kwargs):
        pre = [*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()]
        for hook in pre:
            result = hook(self, args, kwargs)
            if result is not None:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {result}."
                    )
                args, kwargs = result
        self._opt_called = True
        found = step(self, *args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
            hook(self, args, kwargs)
        return found

    return hooked


class Optimizer:
    """The base of all optimizers. `params`: tensors, (name, tensor) pairs, or dicts of groups with options of their own.

    A subclass either overrides :meth:`step`, or gives `_update`: how one parameter's array changes.
    """

    _opt_called = False

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Iterable, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + typename(params)
            )
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise explained(ValueError("optimizer got an empty parameter list"))
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        self._optimizer_step_pre_hooks: OrderedDict = OrderedDict()
        self._optimizer_step_post_hooks: OrderedDict = OrderedDict()
        self._optimizer_state_dict_pre_hooks: OrderedDict = OrderedDict()
        self._optimizer_state_dict_post_hooks: OrderedDict = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks: OrderedDict = OrderedDict()
        self._optimizer_load_state_dict_post_hooks: OrderedDict = OrderedDict()

    __reduce_ex__ = reduce_ex

    def __getstate__(self) -> dict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hooks()
        for group in self.param_groups:  # saved by a version that did not have all options
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group of parameters, with options where they are not the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will "
                "change between runs. Please use a list instead."
            )
        params = list(params)
        named = [isinstance(p, tuple) for p in params]
        if any(named):
            if not all(named):
                raise ValueError("all optimizer params should be with/without names.")
            param_group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        param_group["params"] = params
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is " + typename(param))
            if not self.defaults.get("differentiable") and not (param.is_leaf or param.retains_grad):
                raise explained(ValueError("can't optimize a non-leaf Tensor"), param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        if len(params) != len({id(p) for p in params}):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see "
                "github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in group) != ("param_names" in param_group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if 'param_names' in param_group else 'without'} names to the optimizer"
                )
        known = {id(p) for group in self.param_groups for p in group["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ---- stepping

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Takes all parameters' gradients away, or fills them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                grad = param._grad
                if grad is None:
                    continue
                if set_to_none:
                    param._grad = None
                    continue
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient. `closure` evaluates the model again; its loss is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if not is_quiet():
            silence()
        for group in self.param_groups:
            if group.get("differentiable"):
                raise NotImplementedError(f"{type(self).__name__}: differentiable=True is not supported")
            for param in group["params"]:
                grad = param._grad
                if grad is None:
                    continue
                slopes: Any = grad._array
                if slopes.__class__ is not np.ndarray:
                    if grad.is_sparse:
                        self._step_sparse(param, grad, group)
                        continue
                    slopes = np.asarray(slopes)
                values = memory(param)
                if values.dtype.kind == "c":  # by its real and imaginary parts, as PyTorch does
                    slopes = slopes.view(slopes.real.dtype)
                    values = values.view(values.real.dtype)
                if group.get("maximize"):
                    slopes = -slopes
                state = self.state.get(param, {})
                self._update(values, slopes, state, group)
                if state:
                    self.state[param] = state
                bump_version(param)
        return loss

    def _update(self, param: np.ndarray, grad: np.ndarray, state: dict, group: dict) -> None:
        """Changes one parameter in place; `grad` is not to be written to."""
        raise NotImplementedError

    def _step_sparse(self, param: Tensor, grad: Any, group: dict) -> None:
        state = self.state.get(param, {})
        with no_grad():
            self._update_sparse(param, -grad if group.get("maximize") else grad, state, group)
        if state:
            self.state[param] = state
        bump_version(param)

    def _update_sparse(self, param: Tensor, grad: Any, state: dict, group: dict) -> None:
        """Changes one parameter in place by a sparse gradient; RuntimeError where there is no rule for that."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    # ---- hooks

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` runs before :meth:`step`."""
        return register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """``hook(optimizer, args, kwargs)`` runs after :meth:`step`."""
        return register(self._optimizer_step_post_hooks, hook)

    def _register(self, hooks: OrderedDict, hook: Callable, prepend: bool) -> RemovableHandle:
        handle = register(hooks, hook)
        if prepend:
            hooks.move_to_end(handle.id, last=False)
        return handle

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer)`` runs before :meth:`state_dict`."""
        return self._register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` runs after :meth:`state_dict`; what it returns replaces it."""
        return self._register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer, state_dict)`` runs before :meth:`load_state_dict`; what it returns is loaded instead."""
        return self._register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """``hook(optimizer)`` runs after :meth:`load_state_dict`."""
        return self._register(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # ---- state

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {number: ...}, "param_groups": [...]}``, parameters being numbers in the order of their groups."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {(numbers[id(key)] if isinstance(key, Tensor) else key): value for key, value in self.state.items()}
        found: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            result = hook(self, found)
            if result is not None:
                found = result
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state_dict; ValueError unless its groups are of the same sizes as this optimizer's."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            result = hook(self, state_dict)
            if result is not None:
                state_dict = result
        saved = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(s["params"]) for g, s in zip(self.param_groups, saved, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        by_number = {
            number: param
            for s, g in zip(saved, self.param_groups, strict=True)
            for number, param in zip(s["params"], g["params"], strict=True)
        }
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = by_number.get(key)
            state[key if param is None else param] = value if param is None else _fitted(value, param)
        groups = []
        for group, new in zip(self.param_groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group and "param_names" not in new:
                new["param_names"] = group["param_names"]
            groups.append(new)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)


Optimizer.step = _with_hooks(Optimizer.step)  # type: ignore[method-assign]


def _fitted(value, param: Tensor, key: str | None = None):
    """A piece of loaded state, its tensors copied in the dtype of their parameter (the count of steps in its own)."""
    if isinstance(value, Tensor):
        if key == "step":
            return value.clone()
        return value.to(param.dtype).clone() if param.is_floating_point() else value.clone()
    if isinstance(value, dict):
        return {k: _fitted(v, param, k) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fitted(v, param) for v in value)
    return value


# ---------------------------------------------------------------- what update rules share

OPTION_WORDS = {"lr": "learning rate", "eps": "epsilon value"}  # of options whose errors do not say their names


def check_options(**options) -> None:
    """ValueError for an option that is negative, and for one of `betas` outside [0, 1); checked in the order given."""
    for name, value in options.items():
        if name == "betas":
            for i, beta in enumerate(value):
                if not 0.0 <= beta < 1.0:
                    raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        elif not value >= 0.0:
            raise ValueError(f"Invalid {OPTION_WORDS.get(name, name + ' value')}: {value}")


def number(like: np.ndarray, value) -> np.ndarray:
    """A number as an array of the same dtype: beside a Python number bfloat16 would become float32."""
    return np.array(value, like.dtype)


def zeros_state(state: dict, param: np.ndarray, *names: str, value: complex = 0.0) -> None:
    """Gives the state tensors of the parameter's shape."""
    for name in names:
        state[name] = wrap(np.full(param.shape, value, param.dtype))


def first_state(state: dict, param: np.ndarray, *names: str, value: complex = 0.0) -> None:
    """Gives a new state the count of steps, and tensors of the parameter's shape."""
    state["step"] = make_tensor(0.0)
    zeros_state(state, param, *names, value=value)


def array(state: dict, name: str, like: np.ndarray) -> np.ndarray:
    """A tensor of the state as an array to write into, of real numbers."""
    found = memory(state[name])
    return found.view(like.dtype) if found.dtype.kind == "c" else found


def counted(state: dict) -> float:
    """One step more, and how many that makes."""
    step = state["step"]
    if not isinstance(step, Tensor):
        step = state["step"] = make_tensor(float(step))
    values = memory(step)
    values += 1
    return float(values)


def decayed(grad: np.ndarray, param: np.ndarray, weight_decay: float) -> np.ndarray:
    """The gradient with weight decay: that of half the squared norm, times `weight_decay`."""
    return grad if weight_decay == 0 else grad + param * number(param, float(weight_decay))


def moved_average(average: np.ndarray, value: np.ndarray, weight: float) -> None:
    """An exponential average moves towards a value, in place: PyTorch's lerp."""
    if weight < 0.5:
        average += (value - average) * number(average, weight)
    else:
        average[...] = value - (value - average) * number(average, 1 - weight)


def moved_square(average: np.ndarray, grad: np.ndarray, decay: float) -> None:
    """An exponential average of squares takes in a gradient, in place."""
    average *= number(average, decay)
    average += grad * grad * number(average, 1 - decay)
