"""torch.nested: tensors whose parts have different sizes, held in one dense buffer."""

from . import rules as _rules  # what operations do with them
from .creation import as_nested_tensor, masked_select, narrow, nested_tensor, nested_tensor_from_jagged
from .tensor import NestedTensor, to_padded_tensor

__all__ = [
    "NestedTensor", "as_nested_tensor", "masked_select", "narrow", "nested_tensor", "nested_tensor_from_jagged",
    "to_padded_tensor",
]  # fmt: skip
