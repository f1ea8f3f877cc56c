"""The metaclass, for type checkers, of classes to which other modules add attributes: Tensor's methods, Node's hooks.

At run time it is `type`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class Opened(type):
        def __getattr__(cls, name: str) -> Any: ...

        def __setattr__(cls, name: str, value: Any) -> None: ...

else:
    Opened = type
