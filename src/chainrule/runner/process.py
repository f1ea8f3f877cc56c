"""The process as a program expects to find it, and what is said when the program fails."""

from __future__ import annotations

import builtins
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def take_over(file: str, directory: str, arguments: Sequence[str]) -> ModuleType:
    """Gives the process to the program `file`: its arguments, its directory on the path, and a new `__main__`.

    Returns that module.
    """
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = main
    sys.argv = [file, *arguments]
    if not sys.flags.safe_path:
        # In its place stood the directory of this command, or the working directory under `python -m`.
        sys.path[0] = directory
    return main


def draw_without_display(display: bool = False) -> None:
    """Lets matplotlib draw into memory, where `show()` neither fails nor waits for someone to close a window.

    What the user chose in `MPLBACKEND` stands. With `display`, windows are wanted if there is a display for them.
    """
    headless = sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if headless or not display:
        os.environ.setdefault("MPLBACKEND", "Agg")


def exit_code(error: SystemExit) -> int:
    """The exit status that `error` asks for. A message in its place is printed, as Python does."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return 1


def report(error: BaseException, filename: str) -> None:
    """Shows an exception that the program in `filename` did not catch, through its own `sys.excepthook`."""
    hide_runner(error, filename)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception as failure:
        print("Error in sys.excepthook:", file=sys.stderr)
        assert failure.__traceback__ is not None  # it begins with the call above
        traceback.print_exception(failure.with_traceback(failure.__traceback__.tb_next))
        print("\nOriginal exception was:", file=sys.stderr)
        traceback.print_exception(error)


def stop_by_interrupt(error: KeyboardInterrupt) -> None:
    """Raises `error`, which has been reported, again: it ends the process by the signal, as under `python FILE`."""
    sys.excepthook = lambda *_: None
    raise error


def hide_runner(error: BaseException, filename: str) -> BaseException:
    """Takes the runner's frames out of the traceback of `error` and of the exceptions it came from.

    The part before the first frame of the program in `filename` goes, and every frame of this package.
    """
    entry = error.__traceback__
    while entry is not None and entry.tb_frame.f_code.co_filename != filename:
        entry = entry.tb_next
    error.__traceback__ = entry
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        pending += [each.__cause__, each.__context__]
        entry = each.__traceback__
        while entry is not None:
            while entry.tb_next is not None and entry.tb_next.tb_frame.f_code.co_filename.startswith(RUNNER):
                entry.tb_next = entry.tb_next.tb_next
            entry = entry.tb_next
    return error
