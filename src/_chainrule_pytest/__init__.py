"""What pytest loads of chainrule at its start: the options of `chainrule.pytest_plugin`, which is imported when asked for.

It lies beside the package so that a run of pytest that does not ask imports neither chainrule nor NumPy.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chainrule")
    group.addoption(
        "--gradcheck",
        action="store_true",
        help="verify the gradients of each custom autograd Function and nn.Module that a test exercises, at the inputs it saw",
    )
    group.addoption(
        "--gradcheck-ignore",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out Functions and modules of this name (a pattern; may be given several times)",
    )
    parser.addini(
        "gradcheck_ignore", "names of Functions and modules that --gradcheck leaves out", type="linelist", default=[]
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "no_gradcheck: pytest --gradcheck does not verify what this test exercises")
    if config.getoption("--gradcheck"):
        from chainrule.pytest_plugin import Checker

        config.pluginmanager.register(Checker(config), "chainrule-gradcheck")
