"""Runs a script as `python FILE` would."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader

from chainrule.runner import COMPILE_ERRORS, process, syntax_error


class Script:
    """A compiled script."""

    def __init__(self, file: str, source: bytes) -> None:
        """Compiles `source`, the content of `file`.

        Raises:
            BadFile: it has a syntax error.
        """
        self.file = file
        self.source = source
        self.filename = os.path.join(os.getcwd(), file)  # not normalized, as under Python
        try:
            self.code = compile(source, self.filename, "exec", dont_inherit=True)
        except COMPILE_ERRORS as error:
            raise syntax_error(file, error) from None

    @property
    def sources(self) -> list[tuple[str, bytes | str]]:
        """The program's text, as (name, text) of each part that shares its namespace."""
        return [(self.file, self.source)]

    def run(self, arguments: Sequence[str]) -> int:
        """Runs the script in this process, with `arguments` as its own, and returns its exit status.

        Raises:
            KeyboardInterrupt: it was interrupted, and has been reported; nothing but ending the process is left to do.
        """
        process.draw_without_display(display=True)
        main = process.take_over(self.file, os.path.dirname(os.path.realpath(self.file)), arguments)
        main.__dict__.update(
            __file__=self.filename, __cached__=None, __loader__=SourceFileLoader("__main__", self.filename)
        )
        failure = None
        try:
            exec(self.code, main.__dict__)
        except SystemExit as error:
            return process.exit_code(error)
        except BaseException as error:
            failure = error
        if failure is None:
            return 0
        if "NoneType" in str(failure):
            from ..insight.uncaught import note_missing_gradient

            note_missing_gradient(failure)
        # Told after it has been handled, so that what `sys.excepthook` raises is not taken to come from it.
        process.report(failure, self.filename)
        if isinstance(failure, KeyboardInterrupt):
            process.stop_by_interrupt(failure)
        return 1
