"""torch.nested: there are no nested tensors here. Every function raises NotImplementedError."""

from .unavailable import unavailable

__all__ = ["as_nested_tensor", "nested_tensor", "nested_tensor_from_jagged", "to_padded_tensor"]

_REASON = "there are no nested tensors; a list of tensors, or a padded one with a mask, can stand for it"
nested_tensor = unavailable("nested.nested_tensor", _REASON)
as_nested_tensor = unavailable("nested.as_nested_tensor", _REASON)
nested_tensor_from_jagged = unavailable("nested.nested_tensor_from_jagged", _REASON)
to_padded_tensor = unavailable("nested.to_padded_tensor", _REASON)
