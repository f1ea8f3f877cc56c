"""torch._inductor.config: settings of a compiler, which are accepted and have no effect.

A setting is an attribute of this module, or of one of its groups; one that was not made before cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

_GROUPS = ("aot_inductor", "cpp", "cuda", "rocm", "trace", "triton")
triton, cpp, cuda, rocm, aot_inductor, trace = [SimpleNamespace() for _ in range(6)]
max_autotune = max_autotune_gemm = coordinate_descent_tuning = freezing = fx_graph_cache = debug = False
epilogue_fusion = True


def settings() -> list[str]:
    """The names of the settings, those of a group with its name before them."""
    own = [
        name
        for name, value in globals().items()
        if not name.startswith("_") and isinstance(value, (bool, int, float, str, type(None), list, dict))
    ]
    return sorted([*own, *[f"{group}.{name}" for group in _GROUPS for name in vars(globals()[group])]])


def _place(name: str) -> tuple[dict[str, Any], str]:
    group, _, last = name.rpartition(".")
    return (vars(globals()[group]) if group else globals()), last


@contextmanager
def patch(*changes: Any, **more: Any) -> Iterator[None]:
    """``with patch(name=value)``, ``patch({name: value})`` or ``patch(name, value)``: these settings inside."""
    given = {changes[0]: changes[1]} if len(changes) == 2 else dict(changes[0]) if changes else {}
    before = []
    for name, value in {**given, **more}.items():
        place, last = _place(name)
        before.append((place, last, last in place, place.get(last)))
        place[last] = value
    try:
        yield
    finally:
        for place, last, was_there, value in reversed(before):
            if was_there:
                place[last] = value
            else:
                del place[last]
