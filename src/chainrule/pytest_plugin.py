"""`pytest --gradcheck`: verifies the gradients of every custom Function and module that a test suite exercises.

What a test calls is kept and, after the test, run again beside differences (see `verification`). A wrong one fails the test
that used it, with the line of its backward. Options are in `_chainrule_pytest`, which pytest loads at its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from .verification import KINK, UNCHECKED, WRONG, Finding, Recorder, verify

CALLS = 5  # of one class with one signature that are checked, each with other numbers
CALLS_PER_TEST = 2


class Checker:
    """Checks the calls of each test after it, and sums up at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.ignored = [*config.getoption("--gradcheck-ignore"), *config.getini("gradcheck_ignore")]
        self.calls: Counter = Counter()  # of each class and signature
        self.known_wrong: dict[type, str] = {}
        self.checked: set[str] = set()
        self.findings: dict[Finding, str] = {}  # with the test that led to it, once per class, outcome and line
        self.told: set[tuple[str, str, str]] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        if item.get_closest_marker("no_gradcheck"):
            return (yield)
        here: Counter = Counter()

        def wanted(cls: type, signature: Any) -> bool:
            key = cls, signature
            if self.calls[key] >= CALLS or here[key] >= CALLS_PER_TEST or self._is_ignored(cls):
                return False
            here[key] += 1
            self.calls[key] += 1
            return True

        with Recorder(wanted) as recorder:
            result = yield
        for finding in recorder.too_large:
            self._add(finding, item.nodeid)
        problems = []
        for call in recorder.calls:
            finding = verify(call, self.known_wrong)
            if finding.outcome != UNCHECKED:
                self.checked.add(f"{finding.name} {finding.place}")
            if finding.outcome == WRONG:
                self.known_wrong.setdefault(call.cls, finding.text)
            if self._add(finding, item.nodeid) and finding.outcome == WRONG:
                problems.append(f"{finding.place}: {finding.text}")
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
        return result

    def _is_ignored(self, cls: type) -> bool:
        names = cls.__name__, cls.__qualname__, f"{cls.__module__}.{cls.__qualname__}"
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.ignored)

    def _add(self, finding: Finding, test: str) -> bool:
        """Keeps a finding; whether it is a new one."""
        key = finding.outcome, finding.name, finding.place
        if finding.outcome not in (WRONG, KINK, UNCHECKED) or key in self.told:
            return False
        self.told.add(key)
        self.findings[finding] = test
        return True

    # ---- with several processes, findings go to the one that reports

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["chainrule"] = {
                "checked": sorted(self.checked),
                "findings": [[*finding, test] for finding, test in self.findings.items()],
            }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        sent = getattr(node, "workeroutput", {}).get("chainrule", {})
        self.checked.update(sent.get("checked", ()))
        for *finding, test in sent.get("findings", ()):
            self._add(Finding(*finding), test)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        kinds = Counter(finding.outcome for finding in self.findings)
        terminalreporter.section("gradients of custom Functions and modules")
        terminalreporter.line(f"{len(self.checked)} checked, {kinds[WRONG]} wrong")
        for outcome in (WRONG, KINK, UNCHECKED):
            for finding, test in self.findings.items():
                if finding.outcome == outcome:
                    terminalreporter.line(f"{finding.place}: {finding.text} [{test}]")
