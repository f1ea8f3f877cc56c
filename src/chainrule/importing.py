"""Pauses the garbage collector while the package is being imported: a quarter of the time goes there otherwise.

Importing makes tens of thousands of objects that live as long as the process; each is looked at again and again for nothing.
"""

from __future__ import annotations

import gc

_collecting = gc.isenabled()
gc.disable()


def done() -> None:
    """Lets the collector run again, if it did before."""
    if _collecting:
        gc.enable()
