"""What notebooks import from IPython, for where it is not installed: `IPython.display`, showing text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SHOWN = ("Audio", "HTML", "IFrame", "Image", "JSON", "Javascript", "Latex", "Markdown", "Math", "SVG", "Video")


def stand_in(display: Callable[..., None]) -> None:
    """Makes `IPython` and `IPython.display` importable, with this `display`, unless an IPython is installed."""
    sys.meta_path.append(StandIn(display))


class StandIn(Loader):
    """Last of the finders, and the loader of what it finds."""

    def __init__(self, display: Callable[..., None]) -> None:
        self.display = display

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname not in ("IPython", "IPython.display"):
            return None
        return ModuleSpec(fullname, self, origin="chainrule", is_package=fullname == "IPython")

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(display=self.display)
        if module.__name__ == "IPython":
            module.__dict__.update(get_ipython=lambda: None)
            return
        module.__dict__.update(clear_output=clear_output)
        module.__dict__.update({name: type(name, (Shown,), {"__module__": "IPython.core.display"}) for name in SHOWN})


def clear_output(wait: bool = False) -> None:
    """Nothing: text that was shown stays."""


class Shown:
    """An object that a browser would show, and of which text has only the name."""

    def __init__(self, data: Any = None, *arguments: object, **options: object) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} object>"
