"""torch.masked: reductions and the like in which only the elements where a mask is True count, and masked tensors."""

from .functions import *
from .functions import __all__ as _functions
from .maskedtensor import MaskedTensor, as_masked_tensor, is_masked_tensor, masked_tensor

__all__ = ["MaskedTensor", "as_masked_tensor", "is_masked_tensor", "masked_tensor", *_functions]
