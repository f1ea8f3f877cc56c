"""torch._C: the names of it that programs use."""

from .linalg import LinAlgError as _LinAlgError
