"""Handles of registered hooks."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from itertools import count
from typing import Any

from ..pickling import reduce_ex
from ..warning import warn

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks"]

next_id = count().__next__


class RemovableHandle:
    """Takes its hook away again: by `remove()`, or at the end of a ``with`` block.

    `hooks_dict` (weakly held) is where the hook is registered under `id`; `extra_dict` is one more dictionary, or several
    of them in a list, with an entry under the same id.
    """

    __module__ = "torch.utils.hooks"
    __reduce_ex__ = reduce_ex

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weakref.ref(hooks_dict)
        self.id = next_id()
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref = tuple(weakref.ref(d) for d in extra_dict)

    def remove(self) -> None:
        """Unregisters the hook; a second time does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def __getstate__(self) -> tuple:
        return self.hooks_dict_ref(), self.id, tuple(reference() for reference in self.extra_dict_ref)

    def __setstate__(self, state: tuple) -> None:
        hooks, self.id, *extra = state
        # A dictionary that is gone leaves an empty one behind, which no hook is in.
        self.hooks_dict_ref = weakref.ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple(weakref.ref(OrderedDict() if d is None else d) for d in (extra[0] if extra else ()))


def register(hooks: OrderedDict, hook: Any) -> RemovableHandle:
    """Puts a hook last into an ordered dictionary of hooks."""
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def unserializable_hook(f: Any) -> Any:
    """Decorates a hook that is known not to be pickled with its tensor, so that nobody is warned of it."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warns of the hooks of a tensor that is being pickled."""
    for hook in (tensor._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the "
                "function with @torch.utils.hooks.unserializable_hook to suppress this warning"
            )
