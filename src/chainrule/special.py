"""torch.special: special functions. Their derivatives are in ops/special.py."""

from .ops import special as _special

globals().update(_special.IN_SPECIAL)
_OF_TORCH = ("log_softmax", "logsumexp", "softmax")
__all__ = sorted([*_special.IN_SPECIAL, *_OF_TORCH])


def __getattr__(name: str):
    """The functions that torch.special shares with torch."""
    if name in _OF_TORCH:
        import chainrule

        return getattr(chainrule, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
