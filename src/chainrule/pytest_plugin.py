"""A plugin for pytest: `--gradcheck` verifies the backward of every custom Function that a test suite exercises.

What a test passes to ``Function.apply`` is kept. After the test, the Function's backward is compared with differences of
its forward at those inputs in double precision, and a test that used a wrong one fails, with the line of the backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

CALLS_PER_TEST = 3  # of one Function, with other shapes or settings each
WHOLE_JACOBIAN = 64  # elements of inputs up to which every entry is compared, and not one random direction


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chainrule")
    group.addoption(
        "--gradcheck",
        action="store_true",
        help="verify the backward of each custom autograd Function that a test exercises, at the inputs it saw",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--gradcheck"):
        config.pluginmanager.register(Checker(), "chainrule-gradcheck")


class WrongBackward(Exception):
    """A Function's backward does not agree with its forward."""


class Call:
    """One call of a Function: its arguments, in double precision and apart from the test's own tensors."""

    def __init__(self, function: type, arguments: tuple) -> None:
        from chainrule.random import get_rng_state
        from chainrule.tensor import Tensor

        self.function = function
        self.arguments = tuple(_double(a) if isinstance(a, Tensor) else a for a in arguments)
        self.random_state = get_rng_state()

    @property
    def backward(self) -> Any:
        """The user's method that computes gradients."""
        from chainrule.autograd.function import _user_backward

        return _user_backward(self.function)

    @property
    def place(self) -> str:
        """`file:line` of the backward."""
        code = getattr(getattr(self.backward, "__wrapped__", self.backward), "__code__", None)
        return f"{self.function.__module__}" if code is None else f"{code.co_filename}:{code.co_firstlineno}"

    def check(self) -> str:
        """What is wrong, or nothing."""
        from chainrule.autograd.gradcheck import GradcheckError, gradcheck
        from chainrule.modes import enable_grad
        from chainrule.random import get_rng_state, set_rng_state
        from chainrule.tensor import Tensor

        tensors = [a for a in self.arguments if isinstance(a, Tensor) and a.requires_grad]

        def run(*values: Tensor) -> Any:
            set_rng_state(self.random_state)  # a Function that draws random numbers draws the same ones
            given = iter(values)
            return self.function.apply(  # type: ignore[attr-defined]
                *[next(given).clone() if any(a is t for t in tensors) else _again(a) for a in self.arguments]
            )

        state = get_rng_state()
        try:
            with enable_grad():
                size = sum(t.numel() for t in tensors)
                gradcheck(run, tuple(tensors), fast_mode=size > WHOLE_JACOBIAN, check_undefined_grad=False)
        except GradcheckError as error:
            return f"{self.place}: the backward of {self.function.__qualname__} is wrong: {error}"
        finally:
            set_rng_state(state)
        return ""


class Checker:
    """Keeps the calls of each test and checks them after it."""

    def __init__(self) -> None:
        self.checked: set[type] = set()
        self.wrong: dict[str, None] = {}
        self.unchecked: dict[str, None] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        calls: list[Call] = []
        with _kept(calls):
            result = yield
        problems = [problem for problem in map(self._check, calls) if problem]
        if problems:
            self.wrong.update(dict.fromkeys(problems))
            raise WrongBackward("\n".join(problems))
        return result

    def _check(self, call: Call) -> str:
        try:
            problem = call.check()
        except Exception as error:
            # the Function cannot run on doubles, or cannot run twice: that says nothing about its backward
            name = f"{call.function.__qualname__} ({call.place})"
            self.unchecked[f"{name} could not be checked: {type(error).__name__}: {error}"] = None
            return ""
        self.checked.add(call.function)
        return problem

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("gradcheck of custom Functions")
        terminalreporter.line(f"{len(self.checked)} checked, {len(self.wrong)} wrong")
        for text in (*self.wrong, *self.unchecked):
            terminalreporter.line(text)


class _kept:
    """Inside, calls of custom Functions that record are added to a list."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        self.seen: dict[type, set] = {}

    def __enter__(self) -> None:
        from chainrule.autograd import function

        self.original: Callable = function.run_function
        function.run_function = self.run

    def __exit__(self, *exc: object) -> None:
        from chainrule.autograd import function

        function.run_function = self.original

    def run(self, cls: type, args: tuple, ctx: Any = None) -> Any:
        from chainrule.modes import local

        # before it runs: a forward may write to its inputs
        call = None
        signature = tuple(map(_kind, args))
        seen = self.seen.setdefault(cls, set())
        if (
            ctx is None
            and local.grad_enabled
            and any(getattr(a, "requires_grad", False) for a in args)
            and signature not in seen
            and len(seen) < CALLS_PER_TEST
        ):
            seen.add(signature)
            call = Call(cls, args)
        result = self.original(cls, args, ctx)
        if call is not None:
            self.calls.append(call)
        return result


def _kind(argument: Any) -> Any:
    shape = getattr(argument, "shape", None)
    if shape is not None:
        return tuple(shape), str(argument.dtype), getattr(argument, "requires_grad", False)
    return repr(argument) if isinstance(argument, int | float | str | bool | None) else type(argument)


def _double(tensor: Any) -> Any:
    """A copy in double precision that requires grad as the tensor does."""
    import chainrule

    copy = tensor.detach().clone()
    if tensor.is_complex():
        copy = copy.to(chainrule.complex128)
    elif tensor.is_floating_point():
        copy = copy.to(chainrule.float64)
    return copy.requires_grad_() if tensor.requires_grad else copy


def _again(argument: Any) -> Any:
    """An argument as at first, whatever the forward does to it."""
    from chainrule.tensor import Tensor

    return argument.clone() if isinstance(argument, Tensor) else argument
