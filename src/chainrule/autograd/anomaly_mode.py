"""Anomaly mode: errors in backward show where the forward call was, and a gradient with nan is an error."""

from __future__ import annotations

from typing import Any

from .. import graph_errors
from ..engine import is_own
from ..modes import CAREFUL, RECORD, local
from ..tensor import Tensor
from ..warning import warn

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_anomaly_enabled",
    "set_detect_anomaly",
]


class Anomaly:
    """The mode in force: remembers forward calls in each node's metadata and watches nodes run."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan

    def remember(self, node) -> None:
        """Notes the stack of the call that made a node, and the node whose backward was making it."""
        from traceback import extract_stack, format_list

        node.metadata["traceback_"] = format_list([f for f in extract_stack() if not is_own(f.filename)])
        from .graph import current_node

        parent = current_node()
        if parent is not None:
            node.metadata["parent_"] = parent

    def watch(self, node, run, gradient, needs) -> Any:
        """Runs a node; an error, or a nan among its results, warns with the stack of the forward call."""
        try:
            results = run(node, gradient, needs)
            if self.check_nan and results is not None:
                for number, result in enumerate(results):
                    if result is not None and _has_nan(result):
                        raise graph_errors.returned_nan(node, number, _was_zero(gradient, result))
            return results
        except Exception:
            explain(node)
            raise


def _has_nan(value) -> bool:
    array = _array_of(value)
    return bool((array != array).any())


def _array_of(value):
    return value._array if isinstance(value, Tensor) else value


def _was_zero(gradient, result) -> bool:
    """Whether the gradient that came in was 0 where the one that goes on is nan."""
    if gradient is None or isinstance(gradient, list):
        return False
    came, goes = _array_of(gradient), _array_of(result)
    return came.shape == goes.shape and bool((came[goes != goes] == 0).all())


def _tell(text: str) -> None:
    """Warns; where warnings are errors, writes to stderr, since the error in hand is the one to raise."""
    try:
        warn(text)
    except UserWarning:
        import sys

        print("UserWarning:", text, file=sys.stderr)


def explain(node) -> None:
    """Warns with the stack of the call that made the node, and of the calls that led to it."""
    notes = node.metadata
    if "traceback_" in notes:
        stack = "".join(notes["traceback_"]).rstrip()
        text = f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{stack}"
    else:
        text = (
            f"Error detected in {node.name()}. No forward pass information available. Enable detect anomaly during "
            "forward pass for more information."
        )
    _tell(text)
    parent = notes.get("parent_")
    while parent is not None:
        notes = parent.metadata
        if "traceback_" not in notes:
            text = (
                f"\n\nPrevious calculation was induced by {parent.name()}. No forward pass information available. "
                "Enable detect anomaly during forward pass for more information."
            )
            _tell(text)
            return
        stack = "".join(notes["traceback_"]).rstrip()
        text = (
            f"\n\nPrevious calculation was induced by {parent.name()}. Traceback of forward call that induced the "
            f"previous calculation:\n{stack}"
        )
        _tell(text)
        parent = notes.get("parent_")


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return local.anomaly is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode checks for nan (as it does unless told otherwise)."""
    return local.anomaly is None or local.anomaly.check_nan


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switches anomaly mode on or off: in all threads, at the latest when one of them next changes a switch."""
    _switch(Anomaly(check_nan) if mode else None)


def _switch(anomaly: Anomaly | None) -> None:
    of_all_threads = type(local)
    of_all_threads.anomaly = anomaly
    of_all_threads.mode = RECORD if anomaly is None else CAREFUL
    local.refresh()


class set_detect_anomaly:
    """Switches anomaly mode on or off, at once when called, until the end of its ``with`` block if it has one."""

    __module__ = "torch.autograd.anomaly_mode"

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.previous = local.anomaly
        set_anomaly_enabled(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _switch(self.previous)


class detect_anomaly:
    """Anomaly mode for the length of a ``with`` block."""

    __module__ = "torch.autograd.anomaly_mode"

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging."
        )

    def __enter__(self) -> None:
        self.previous = local.anomaly
        _switch(Anomaly(self.check_nan))

    def __exit__(self, *exc: object) -> None:
        _switch(self.previous)
