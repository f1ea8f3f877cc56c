"""Modules whose parameters get their shapes at the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Finds out its parameters' shapes at the first call, and then becomes `cls_to_become`."""

    cls_to_become: type | None = None

    if TYPE_CHECKING:  # the other base is a Module

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _lazy_load_hook(self, state_dict, prefix, *rest) -> None:
        for table in (self._parameters, self._buffers):
            for name, value in table.items():
                found = state_dict.get(prefix + name)
                if value is not None and is_lazy(value) and found is not None and not is_lazy(found):
                    value.materialize(found.shape)

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(v) for table in (self._parameters, self._buffers) for v in table.values())

    def _infer_parameters(self, module, args, kwargs=None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
