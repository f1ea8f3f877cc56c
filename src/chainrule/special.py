"""torch.special: special functions. Their derivatives are in ops/special.py."""

from .ops import special as _special

globals().update(_special.IN_SPECIAL)
__all__ = sorted(_special.IN_SPECIAL)
