"""For every test: the checkout's root, and the comparison with PyTorch only where PyTorch is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore = [] if find_spec("torch") else ["parity"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout's root directory."""
    return Path(__file__).parent.parent
