"""Thread-local switches: gradient recording, inference mode, anomaly mode, saved-tensor hooks, transform levels.

Every operation reads one attribute, `local.mode`. It is RECORD in the ordinary case, NO_GRAD where nothing is recorded,
and CAREFUL where any rarer switch is on; the fast paths handle the first two and leave CAREFUL to the general path.
"""

from __future__ import annotations

import contextvars
import functools
import threading
from typing import Any

import numpy as np

NO_GRAD, RECORD, CAREFUL = 0, 1, 2


class _Local(threading.local):
    mode = RECORD
    grad_mode = True  # what no_grad, enable_grad and set_grad_enabled set
    grad_enabled = True  # whether operations are recorded: grad mode, but never in inference mode
    inference = False
    anomaly: Any = None  # None, or the AnomalyMode in force
    saved_hooks: tuple = ()  # innermost last: (pack, unpack) pairs, or a str: the message that forbids hooks
    saved_copies: Any = None  # who is told of writes: what allow_mutation_on_saved_tensors keeps, an export's recording
    task: Any = None  # the running backward call, an engine._Task
    task_class: Any = None  # the class of backward calls: engine._Task, or one that watches (insight/watching.py)
    watchers: tuple = ()  # weak references to those who see backward run
    position: Any = None  # (code, instruction offset) of the running backward's call
    levels = 0  # open forward-mode and vmap levels: backward then runs on Tensors
    level_stack: tuple = ()  # these levels and those of torch.func's reverse mode, outermost first (see transforms.py)
    forward_grad_enabled = True
    tangents_below = 1 << 30  # the level below which tangents are being computed (see forward.primal_parts)
    function_modes: tuple = ()  # see overrides.py
    kernels: Any = None  # what runs the operations' forwards instead, see utils/selective_checkpoint.py
    autocast: Any = None  # the dtype in which matrix products are computed, see amp.py; None: that of their inputs
    autocast_dtype: Any = None  # that dtype, where a region does not say
    autocast_cache: Any = None  # {(id of a leaf, its version, dtype): (leaf, leaf in that dtype)}
    overrides = True  # whether operations ask the classes of their inputs
    multithreading = True
    view_replay = False

    def refresh(self) -> None:
        """Recomputes `mode` after a switch has changed."""
        if (
            self.inference
            or (self.saved_hooks and not isinstance(self.saved_hooks[-1], str))
            or self.anomaly is not None
            or self.function_modes
            or self.autocast is not None
            or self.kernels is not None
        ):
            self.mode = CAREFUL
        else:
            self.mode = RECORD if self.grad_enabled else NO_GRAD


local = _Local()


def active_saved_hooks():
    """The innermost (pack, unpack) hooks on saved tensors; None where there are none or they are disabled."""
    hooks = local.saved_hooks
    return None if not hooks or isinstance(hooks[-1], str) else hooks[-1]


_quiet: contextvars.ContextVar[bool] = contextvars.ContextVar("chainrule_quiet", default=False)
is_quiet = _quiet.get


def silence() -> None:
    """Turns NumPy's floating-point warnings off in this context, once: a tensor's 1/0 is inf, and says nothing."""
    np.seterr(all="ignore")
    _quiet.set(True)


def is_grad_enabled() -> bool:
    """Whether grad mode is on in this thread: operations are recorded, but for those in inference mode."""
    return local.grad_mode


def is_inference_mode_enabled() -> bool:
    """Whether inference mode is on in this thread."""
    return local.inference


def _set_grad_enabled(enabled: bool) -> None:
    local.grad_mode = enabled
    if local.mode != CAREFUL:  # no rarer switch is on
        local.grad_enabled = enabled
        local.mode = RECORD if enabled else NO_GRAD
        return
    local.grad_enabled = enabled and not local.inference
    local.refresh()


class ContextDecorator:
    """A context manager that also decorates functions, generators (each step runs inside) and classes."""

    def clone(self):
        return type(self)()

    def __call__(self, function):
        if isinstance(function, type):
            import warnings

            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods. To preserve the current behavior of class decoration, you can directly decorate "
                "the `__init__` method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
            function.__init__ = self(function.__init__)
            return function
        # co_flags 0x20: a generator function
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x20:
            return self._wrap_generator(function)
        clone = self.clone

        @functools.wraps(function)
        def inside(*args, **kwargs):
            with clone():
                return function(*args, **kwargs)

        return inside

    def _wrap_generator(self, function):
        clone = self.clone

        @functools.wraps(function)
        def inside(*args, **kwargs):
            generator = function(*args, **kwargs)
            try:
                with clone():
                    value = generator.send(None)
                while True:
                    try:
                        received = yield value
                    except GeneratorExit:
                        with clone():
                            generator.close()
                        raise
                    except BaseException as error:
                        with clone():
                            value = generator.throw(error)
                    else:
                        with clone():
                            value = generator.send(received)
            except StopIteration as stop:
                return stop.value

        return inside


class _GradMode(ContextDecorator):
    enabled: bool

    def __new__(cls, function=None):
        made = object.__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> None:
        self.previous = local.grad_mode
        _set_grad_enabled(self.enabled)

    def __exit__(self, *exc) -> None:
        _set_grad_enabled(self.previous)


class no_grad(_GradMode):
    """Inside, nothing is recorded: results do not require grad. A context manager and a decorator."""

    __module__ = "torch.autograd.grad_mode"

    enabled = False


class enable_grad(_GradMode):
    """Inside, operations are recorded, also within `no_grad`. A context manager and a decorator."""

    __module__ = "torch.autograd.grad_mode"

    enabled = True


class set_grad_enabled(ContextDecorator):
    """Switches recording on or off, at once when called, until the end of its `with` block if it has one."""

    __module__ = "torch.autograd.grad_mode"

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self.previous = local.grad_mode
        self.mode = mode
        _set_grad_enabled(mode)

    def __call__(self, function):
        _set_grad_enabled(self.previous)
        return super().__call__(function)

    def __enter__(self) -> None:
        _set_grad_enabled(self.mode)

    def __exit__(self, *exc) -> None:
        _set_grad_enabled(self.previous)

    def clone(self) -> set_grad_enabled:
        return type(self)(self.mode)

    def __str__(self) -> str:
        return f"{type(self).__module__}.set_grad_enabled(mode={self.mode})"

    __repr__ = __str__


class inference_mode(ContextDecorator):
    """Inside, nothing is recorded and results are inference tensors, which autograd never touches again."""

    __module__ = "torch.autograd.grad_mode"

    mode: bool

    def __new__(cls, mode=True):
        made = object.__new__(cls)
        if isinstance(mode, bool):
            made.mode = mode
            return made
        made.mode = True
        return made(mode)

    def __enter__(self) -> None:
        self.previous = (local.inference, local.grad_mode, local.forward_grad_enabled)
        local.inference = self.mode
        local.refresh()
        local.forward_grad_enabled = not self.mode
        _set_grad_enabled(not self.mode)

    def __exit__(self, *exc) -> None:
        local.inference, grad_mode, local.forward_grad_enabled = self.previous
        local.refresh()
        _set_grad_enabled(grad_mode)

    def clone(self) -> inference_mode:
        return type(self)(self.mode)


class _Switch(ContextDecorator):
    """Sets one attribute of `local`, at once when made, until the end of its ``with`` block if it has one."""

    attribute: str

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self.previous = getattr(local, self.attribute)
        setattr(local, self.attribute, mode)

    def __call__(self, function):
        setattr(local, self.attribute, self.previous)
        return super().__call__(function)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc) -> None:
        setattr(local, self.attribute, self.previous)

    def clone(self):
        return type(self)(self.mode)


class set_multithreading_enabled(_Switch):
    """Whether backward may use several threads. It runs on the calling thread here, whatever this says."""

    __module__ = "torch.autograd.grad_mode"

    attribute = "multithreading"


class _force_original_view_tracking(_Switch):
    """Whether views are regenerated by replaying what made them. The result is the same either way."""

    attribute = "view_replay"


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` set."""
    return local.multithreading


def is_view_replay_enabled() -> bool:
    """What `_force_original_view_tracking` set."""
    return local.view_replay
