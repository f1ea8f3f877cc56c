"""Seeing a gradient: derive it (`explain`), find out why it is missing or wrong (`why`), and where each node comes from."""

from __future__ import annotations

from typing import Any

# {public name: the module that has it}; imported on first use, since errors only need `source`
_LAZY = {
    "explain": "derivation",
    "Explanation": "explanation",
    "Explanations": "explanation",
    "why": "answers",
    "Reason": "reasons",
    "Source": "source",
    "draw": "drawing",
    "Drawing": "drawing",
    "ledger": "ledgers",
    "record_grads": "records",
    "trace": "tracing",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
