"""Whether custom Functions and modules have right gradients at inputs that were seen: what `pytest --gradcheck` asks.

A call is kept with copies of all that it depends on (arguments, parameters, buffers, plain attributes of modules, random
states), in double precision, and run again later. What is compared: a random combination of the outputs that require
grad, along a direction in the space of the tensors that required grad. Its slope after backward must be that of central
differences. A slope that differences themselves do not agree on is no slope: the function is not differentiable there.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import inspect
import io
import random
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from . import autograd, dtypes
from .engine import is_own
from .insight.source import short_path
from .modes import enable_grad, local
from .nn.modules.module import Module
from .nn.parameter import Parameter
from .random import get_rng_state, set_rng_state
from .tensor import Tensor, wrap

SECONDS = 5.0  # for one call
ONE_BY_ONE = 64  # elements up to which each is moved by itself
MOST_ELEMENTS = 5_000_000  # of all tensors of a call
STEP = 1e-6
COARSE_STEP = 1e-3  # for what rounds to single precision inside
BESIDE = 1e-3  # how far from inputs with a kink another look is taken

WRONG, KINK, UNCHECKED, RIGHT = "wrong", "not differentiable", "unchecked", "right"


class Finding(NamedTuple):
    """What came out of one call: `outcome` is one of the words above, and `text` says it in a sentence."""

    outcome: str
    name: str  # of the Function or module
    place: str  # file:line of its backward, or of a module's forward
    text: str


class Unchecked(Exception):
    """A call of which nothing can be said; the message says why."""


class Mismatch(NamedTuple):
    """A slope that is not what differences give."""

    part: str  # which of the tensors, in words
    found: float
    expected: float
    arrived: bool  # whether backward gave that tensor a gradient at all


# ---------------------------------------------------------------- calls


class Call:
    """One call of a Function or a module, apart from the program's own tensors."""

    cls: Any  # the Function's or the module's class

    def __init__(self, arguments: tuple, keywords: dict) -> None:
        copied = _Copies(_double)
        self.arguments = copied.of(arguments)
        self.keywords = copied.of(keywords)
        self.random_states = get_rng_state(), random.getstate(), np.random.get_state()
        self.tensors: list[tuple[str, Tensor]] = []  # those to differentiate by, with names

    @property
    def name(self) -> str:
        """The class's name."""
        return _name_of(self.cls)

    def blamed(self) -> Callable:
        """The function that is to blame for a wrong gradient."""
        raise NotImplementedError

    def blame(self, mismatch: Mismatch) -> str:
        """The sentence about a wrong gradient."""
        raise NotImplementedError

    def apart(self) -> contextlib.AbstractContextManager:
        """Around runs: what they change of the program's own objects is put back at the end."""
        return contextlib.nullcontext()

    def call(self, fresh: _Copies) -> Any:
        """Calls it with the tensors that `fresh` makes."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """`file:line`."""
        return _place_of(self.blamed()) or self.cls.__module__

    def run(self, moved: dict[int, np.ndarray]) -> tuple[list[Tensor], list[Tensor]]:
        """The leaves and the outputs that require grad, of one more run; `moved` says by how much which tensor."""
        steps = {id(self.tensors[i][1]): step for i, step in moved.items()}
        fresh = _Copies(lambda tensor: _leaf(tensor, steps.get(id(tensor))))
        set_rng_state(self.random_states[0])
        random.setstate(self.random_states[1])
        np.random.set_state(self.random_states[2])
        outputs = _tensors_in(self.call(fresh))
        return [fresh.of(tensor) for _, tensor in self.tensors], outputs

    def _named(self, forward: Callable, skipped: int) -> None:
        """Puts the arguments that required grad among the tensors, under the names of forward's parameters."""
        try:
            names = list(inspect.signature(forward).parameters.values())[skipped:]
        except (TypeError, ValueError):
            names = []
        positions = [p.name for p in names if p.kind is not p.VAR_POSITIONAL and p.kind is not p.KEYWORD_ONLY]
        for i, value in enumerate(self.arguments):
            self._add(positions[i] if i < len(positions) else f"argument {i + 1}", value)
        for name, value in self.keywords.items():
            self._add(name, value)

    def _add(self, name: str, value: Any) -> None:
        def add(tensor: Tensor) -> None:
            if tensor.requires_grad:
                self.tensors.append((name, tensor))

        _Copies(add).of(value)


class FunctionCall(Call):
    """A call of a custom Function."""

    def __init__(self, cls: Any, arguments: tuple) -> None:
        super().__init__(arguments, {})
        self.cls = cls
        self.twice = False  # whether the test recorded its backward, to differentiate it
        with_setup = cls.setup_context is not autograd.Function.setup_context
        self._named(cls.forward, 0 if with_setup else 1)

    def blamed(self) -> Callable:
        from .autograd.function import _user_backward

        return _user_backward(self.cls)

    def call(self, fresh: _Copies) -> Any:
        # no leaves: a Function may write to its inputs
        return self.cls.apply(*_Copies(_no_leaf).of(fresh.of(self.arguments)))

    def blame(self, mismatch: Mismatch) -> str:
        return f"the backward of {self.name} is wrong: {_said(mismatch)}"


class BackwardCall(Call):
    """The backward of a Function's call as a function of its own: of the inputs and of the gradients of the outputs."""

    def __init__(self, forward: FunctionCall) -> None:
        self.forward = forward
        self.cls = forward.cls
        rng = np.random.default_rng(2)
        outputs = [y for y in forward.run({})[1] if y.requires_grad]
        given = [("the gradient of the output", wrap(_direction(rng, y)).requires_grad_()) for y in outputs]
        self.tensors = [*forward.tensors, *given]

    def blamed(self) -> Callable:
        return self.forward.blamed()

    def blame(self, mismatch: Mismatch) -> str:
        said = _said(mismatch, "its gradients", "its backward")
        return f"the backward of {self.name} has no right derivative, which create_graph=True asks for: {said}"

    def run(self, moved: dict[int, np.ndarray]) -> tuple[list[Tensor], list[Tensor]]:
        count = len(self.forward.tensors)
        leaves, outputs = self.forward.run({i: step for i, step in moved.items() if i < count})
        given = [_leaf(tensor, moved.get(i)) for i, (_, tensor) in enumerate(self.tensors[count:], count)]
        outputs = [y for y in outputs if y.requires_grad]
        gradients = autograd.grad(outputs, leaves, given, create_graph=True, allow_unused=True)
        found = [g for g in gradients if g is not None]
        if _refuses(found):
            raise Unchecked("it is marked as once differentiable")
        return [*leaves, *given], found


class ModuleCall(Call):
    """A call of a module that the program defines, with its parameters, buffers and attributes as they were."""

    def __init__(self, module: Module, arguments: tuple, keywords: dict) -> None:
        super().__init__(arguments, keywords)
        self.module = module
        self.cls = type(module)
        copied = _Copies(_double)
        self.states = [(one, copied.of(dict(vars(one)))) for one in module.modules()]
        self.used: set[type] = set()  # Functions and modules of the program that ran inside
        self._named(self.cls.forward, 1)
        prefixes = {id(one): prefix for prefix, one in module.named_modules()}
        seen: set[int] = set()
        for one, state in self.states:
            for name, tensor in [*state["_parameters"].items(), *state.items()]:
                if isinstance(tensor, Tensor) and tensor.requires_grad and id(tensor) not in seen:
                    seen.add(id(tensor))
                    self.tensors.append(("parameter " + f"{prefixes[id(one)]}.{name}".lstrip("."), tensor))

    def blamed(self) -> Callable:
        return self.cls.forward

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        before = [(one, dict(vars(one))) for one, _ in self.states]
        try:
            yield
        finally:
            for one, state in before:
                _become(one, state)

    def call(self, fresh: _Copies) -> Any:
        for one, state in self.states:  # which stays: a checkpoint runs parts of the module again in backward
            _become(one, fresh.of(state))
        return self.module(*_Copies(_no_leaf).of(fresh.of(self.arguments)), **fresh.of(self.keywords))

    def blame(self, mismatch: Mismatch) -> str:
        hooked = any(one._backward_hooks or one._backward_pre_hooks for one, _ in self.states)
        hint = "; it has backward hooks" if hooked else ""
        return f"the gradients of {self.name} are wrong: {_said(mismatch)}{hint}"


def _refuses(tensors: list[Tensor]) -> bool:
    """Whether what these were computed by is not to be differentiated, as `once_differentiable` says."""
    from .autograd.function import DelayedError

    waiting, seen = [t.grad_fn for t in tensors], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, DelayedError):
            return True
        if node is not None and node not in seen:
            seen.add(node)
            waiting.extend(edge for edge in node.edges if not isinstance(edge, Tensor))
    return False


def _name_of(cls: type) -> str:
    return cls.__qualname__.rpartition("<locals>.")[2]


def _place_of(function: Any) -> str:
    """`file:line` of a function; empty where it is no Python code."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else f"{short_path(code.co_filename)}:{code.co_firstlineno}"


def _become(module: Module, state: dict) -> None:
    own = vars(module)
    own.clear()
    own.update(state)


def _said(mismatch: Mismatch, result: str = "its output", function: str = "its forward") -> str:
    found = f"is {mismatch.found:.4g}" if mismatch.arrived else "does not arrive"
    expected = f"differences of {function} give {mismatch.expected:.4g}"
    return f"for a random gradient of {result} the gradient of {mismatch.part} {found}, and {expected}"


class _Copies:
    """Values with every tensor in them changed by a function, each tensor once; containers are made anew."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        self.change = change
        self.made: dict[int, tuple[Tensor, Any]] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            if id(value) not in self.made:
                self.made[id(value)] = value, self.change(value)
            return self.made[id(value)][1]
        kind = type(value)
        if kind in (list, tuple, collections.deque):
            return kind(self.of(one) for one in value)
        if kind in (dict, collections.OrderedDict):
            return kind((key, self.of(one)) for key, one in value.items())
        if kind is set:
            return copy.copy(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return kind(*(self.of(one) for one in value))
        return value


def _double(tensor: Tensor) -> Tensor:
    """A copy in double precision, a leaf that requires grad as the tensor does."""
    made = tensor.detach().clone()
    if tensor.is_complex():
        made = made.to(dtypes.complex128)
    elif tensor.is_floating_point():
        made = made.to(dtypes.float64)
    if isinstance(tensor, Parameter):
        return Parameter(made, tensor.requires_grad)
    return made.requires_grad_(tensor.requires_grad)


def _leaf(tensor: Tensor, step: np.ndarray | None) -> Tensor:
    """The same for one run, moved by `step`."""
    made = _double(tensor)
    if step is not None:
        made._array = np.asarray(made._array + step)
    return made


def _no_leaf(tensor: Tensor) -> Tensor:
    return tensor.clone() if tensor.requires_grad else tensor


# ---------------------------------------------------------------- the check


def verify(call: Call, known_wrong: dict[type, str]) -> Finding:
    """Runs a call again and compares its gradients with differences.

    `known_wrong` has the sentences about classes that were found wrong before: a module that uses one says so."""
    try:
        with _apart(), call.apart():
            outcome, text = _verified(call)
            if isinstance(call, FunctionCall) and call.twice and outcome in (RIGHT, KINK):
                second = _verified_twice(call)
                if second is not None:
                    outcome, text = second
    except Unchecked as error:
        return Finding(UNCHECKED, call.name, call.place, f"{call.name} could not be checked: {error}")
    if outcome == WRONG and isinstance(call, ModuleCall):
        inside = sorted(_name_of(cls) for cls in call.used if cls in known_wrong and cls is not call.cls)
        if inside:
            text += f"; it uses {' and '.join(inside)}, whose own are wrong"
    return Finding(outcome, call.name, call.place, text)


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Around a check: nothing of it is seen by the program that is tested."""
    states = get_rng_state(), random.getstate(), np.random.get_state()
    default = dtypes._Defaults.floating
    dtypes.set_default_dtype(dtypes.float64)  # what a forward makes itself is to go with doubles
    silent = io.StringIO()
    try:
        with (
            enable_grad(),
            warnings.catch_warnings(),
            contextlib.redirect_stdout(silent),
            contextlib.redirect_stderr(silent),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        dtypes.set_default_dtype(default)
        set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])


def _verified(call: Call) -> tuple[str, str]:
    check = _Check(call, {})
    mismatch = check.mismatch()
    if mismatch is None:
        return RIGHT, ""
    if not check.kink:
        return WRONG, call.blame(mismatch)
    rng = np.random.default_rng(1)
    beside = {i: _direction(rng, tensor) for i, (_, tensor) in enumerate(call.tensors)}
    found = []
    for side in (BESIDE, -BESIDE):
        check = _Check(call, {i: side * step for i, step in beside.items()})
        mismatch = check.mismatch()
        if mismatch is not None and not check.kink:
            where = f"at inputs moved by {BESIDE:g}: at those that were seen it is not differentiable"
            return WRONG, f"{call.blame(mismatch)} ({where})"
        found.append(mismatch)
    right = "; beside them its gradients are right" if found == [None, None] else ""
    return KINK, f"{call.name} is not differentiable at the inputs{right}"


def _verified_twice(call: FunctionCall) -> tuple[str, str] | None:
    """What is wrong with the derivative of a backward; None if nothing is, or if it refuses to be differentiated."""
    try:
        outcome, text = _verified(BackwardCall(call))
    except Unchecked:
        return None
    return (outcome, text) if outcome == WRONG else None


class _Check:
    """The comparison at one point: the inputs that were seen, or those moved by `base`."""

    def __init__(self, call: Call, base: dict[int, np.ndarray]) -> None:
        self.call = call
        self.base = base
        self.rng = np.random.default_rng(0)
        self.kink = False  # whether the mismatch is at a point without derivative
        self.end = time.perf_counter() + SECONDS
        start = time.perf_counter()
        leaves, outputs = self._run({})
        self.places = [i for i, y in enumerate(outputs) if y.requires_grad]
        if not self.places:  # all is cut: then nothing may depend on anything
            self.places = [i for i, y in enumerate(outputs) if y.is_floating_point() or y.is_complex()]
        if not self.places:
            raise Unchecked("it returns no floating-point tensor")
        self.weights = [self._weight(outputs[i]) for i in self.places]
        self.value = self._combined(outputs)
        if not np.isfinite(self.value):
            raise Unchecked("it gives nan or inf at these inputs")
        self.gradients = self._gradients(leaves, outputs)
        if self._combined(self._run({})[1]) != self.value:
            raise Unchecked("it gives other results when it is run again with the same inputs and random state")
        if time.perf_counter() - start > SECONDS:
            raise Unchecked(f"two runs of it take more than {SECONDS:g} seconds")

    def _run(self, moved: dict[int, np.ndarray]) -> tuple[list[Tensor], list[Tensor]]:
        both = {i: np.asarray(self.base.get(i, 0) + moved.get(i, 0)) for i in self.base.keys() | moved.keys()}
        try:
            return self.call.run(both)
        except Exception as error:
            raise Unchecked(f"in double precision it raises {type(error).__name__}: {_first_line(error)}") from error

    def _weight(self, output: Tensor) -> np.ndarray:
        if output.dtype not in (dtypes.float64, dtypes.complex128):
            raise Unchecked(f"it computes in {str(output.dtype).removeprefix('torch.')} whatever it is given")
        weight = self.rng.uniform(0.5, 1.5, output.shape) * self.rng.choice((-1, 1), output.shape)
        if output.is_complex():
            weight = weight + 1j * self.rng.uniform(0.5, 1.5, output.shape)
        return np.asarray(weight) / max(1.0, np.sqrt(weight.size))

    def _combined(self, outputs: list[Tensor]) -> float:
        if len(outputs) <= max(self.places):
            raise Unchecked("it returns another number of tensors when it is run again")
        return float(sum((w.conj() * outputs[i]._array).real.sum() for i, w in zip(self.places, self.weights)))

    def _gradients(self, leaves: list[Tensor], outputs: list[Tensor]) -> list[np.ndarray | None]:
        chosen = [(outputs[i], wrap(w)) for i, w in zip(self.places, self.weights) if outputs[i].requires_grad]
        if not chosen:
            return [None] * len(leaves)
        try:
            found = autograd.grad([y for y, _ in chosen], leaves, [w for _, w in chosen], allow_unused=True)
        except Exception as error:
            raise Unchecked(f"its backward raises {type(error).__name__}: {_first_line(error)}") from error
        return [None if g is None else np.asarray(g._array) for g in found]

    # ---- slopes

    def mismatch(self) -> Mismatch | None:
        """The first slope that is not what differences give; at a kink, `self.kink` is set."""
        tensors = self.call.tensors
        whole = {i: _direction(self.rng, tensor) for i, (_, tensor) in enumerate(tensors)}
        sizes = [tensor.numel() for _, tensor in tensors]
        every = sum(sizes) <= ONE_BY_ONE
        first = None if every else self._compared("all of its tensors along a random direction", whole)
        kinks = None
        if first is None and not every:
            return None
        for i, (name, tensor) in enumerate(tensors):  # which one is it?
            for place, step in _units(tensor) if every else [(None, whole[i])]:
                if time.perf_counter() > self.end:
                    break
                where = " along a random direction" if place is None else _index(place)
                found = self._compared(f"{name}{where}", {i: step})
                if found is not None and not self.kink:
                    return found
                kinks = kinks or found
        self.kink = kinks is not None or self.kink
        return first if first is not None and not self.kink else kinks or first

    def _compared(self, part: str, moved: dict[int, np.ndarray]) -> Mismatch | None:
        slope = 0.0
        for i, step in moved.items():
            gradient = self.gradients[i]
            if gradient is not None:
                slope += float((gradient.conj() * step).real.sum())
        above, below = self._at(moved, STEP), self._at(moved, -STEP)
        central = (above - below) / (2 * STEP)
        noise = 1e-8 * max(1.0, abs(self.value))
        known = 1e-6 * (abs(slope) + abs(central)) + noise
        if np.isfinite(slope) and abs(slope - central) <= known:
            return None
        if self._is_coarse(moved, central):
            return self._coarsely_compared(part, moved, slope)
        wide = (self._at(moved, 8 * STEP) - self._at(moved, -8 * STEP)) / (16 * STEP)
        if np.isfinite(slope) and abs(slope - central) <= known + abs(wide - central):  # as well as differences know
            return None
        upper, lower = (above - self.value) / STEP, (self.value - below) / STEP
        allowed = 1e-3 * (abs(upper) + abs(lower)) + 100 * noise
        self.kink = not (abs(upper - lower) <= allowed and abs(wide - central) <= allowed)
        return Mismatch(part, slope, central, any(self.gradients[i] is not None for i in moved))

    def _is_coarse(self, moved: dict[int, np.ndarray], central: float) -> bool:
        """Whether the function rounds to single precision inside: steps that doubles can tell leave no trace."""
        step = max(1e-12 * max(1.0, abs(self.value)) / max(abs(central), 1e-3), 1e-12)
        near = self._at(moved, step), self._at(moved, -step)
        return step < STEP / 100 and central != 0 and near == (self.value, self.value)

    def _coarsely_compared(self, part: str, moved: dict[int, np.ndarray], slope: float) -> Mismatch | None:
        """The same with steps that single precision can tell."""
        slopes = [(self._at(moved, s) - self._at(moved, -s)) / (2 * s) for s in (COARSE_STEP, 4 * COARSE_STEP)]
        known = 0.02 * (abs(slope) + abs(slopes[0])) + abs(slopes[1] - slopes[0])
        known += 1e-6 * max(1.0, abs(self.value)) / COARSE_STEP
        if np.isfinite(slope) and abs(slope - slopes[0]) <= known:
            return None
        self.kink = not abs(slopes[1] - slopes[0]) <= 0.1 * (abs(slopes[0]) + abs(slopes[1]))
        return Mismatch(part, slope, slopes[0], any(self.gradients[i] is not None for i in moved))

    def _at(self, moved: dict[int, np.ndarray], step: float) -> float:
        return self._combined(self._run({i: step * direction for i, direction in moved.items()})[1])


def _direction(rng: np.random.Generator, tensor: Tensor) -> np.ndarray:
    """A random direction in the space of a tensor, elements of about 1."""
    values = rng.uniform(0.5, 1.5, tensor.shape) * rng.choice((-1, 1), tensor.shape)
    if tensor.is_complex():
        values = values + 1j * rng.uniform(0.5, 1.5, tensor.shape)
    return np.asarray(values)


def _units(tensor: Tensor) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """(index, array with 1 there) for each element, and with the imaginary unit for complex ones."""
    for index in np.ndindex(tuple(tensor.shape)):
        for unit in (1, 1j) if tensor.is_complex() else (1,):
            step = np.zeros(tuple(tensor.shape), np.complex128 if tensor.is_complex() else np.float64)
            step[index] = unit
            yield index, step


def _index(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]" if place else ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


# ---------------------------------------------------------------- seeing calls


class Recorder:
    """Inside, keeps the calls of the program's Functions and modules that record a graph, if `wanted(class, signature)`."""

    def __init__(self, wanted: Callable[[type, Any], bool]) -> None:
        self.wanted = wanted
        self.calls: list[Call] = []
        self.too_large: list[Finding] = []
        self._open: list[ModuleCall] = []
        self._recorded_backward: set[type] = set()  # Functions whose backward ran with create_graph=True

    def __enter__(self) -> Recorder:
        from .autograd import function

        self._run_function, self._call_module = function.run_function, Module.__call__
        self._run_backward = function.FunctionNode.backward_tensors
        recorder = self

        def ran_backward(node: Any, gradient: Any, needs: Any) -> Any:
            if local.grad_enabled:
                recorder._recorded_backward.add(node.function)
            return recorder._run_backward(node, gradient, needs)

        def called(module: Module, *arguments: Any, **keywords: Any) -> Any:
            return recorder._module_called(module, arguments, keywords)

        function.run_function = self._function_ran  # type: ignore[assignment]
        function.FunctionNode.backward_tensors = ran_backward  # type: ignore[method-assign]
        Module.__call__ = called  # type: ignore[assignment, method-assign]
        return self

    def __exit__(self, *exc: object) -> None:
        from .autograd import function

        function.run_function, Module.__call__ = self._run_function, self._call_module  # type: ignore[method-assign]
        function.FunctionNode.backward_tensors = self._run_backward  # type: ignore[method-assign]
        for call in self.calls:
            if isinstance(call, FunctionCall):
                call.twice = call.cls in self._recorded_backward

    def _used(self, cls: type) -> None:
        for call in self._open:
            call.used.add(cls)

    def _has_size(self, cls: Any, values: Any) -> bool:
        """Whether copies of these tensors are small enough to be kept."""
        count = sum(tensor.numel() for tensor in _tensors_in(values))
        if count > MOST_ELEMENTS:
            text = f"{_name_of(cls)} could not be checked: its tensors have {count} elements, more than {MOST_ELEMENTS}"
            self.too_large.append(Finding(UNCHECKED, _name_of(cls), _place_of(cls.forward), text))
        return count <= MOST_ELEMENTS

    def _function_ran(self, cls: type, arguments: tuple, *context: Any) -> Any:
        call = None
        if not is_own(_file_of(cls.forward)):  # type: ignore[attr-defined]
            self._used(cls)
            wanted = not any(context) and _records(arguments) and self.wanted(cls, _signature(arguments))
            if wanted and self._has_size(cls, arguments):
                call = FunctionCall(cls, arguments)  # before it runs: a forward may write to its inputs
        result = self._run_function(cls, arguments, *context)
        if call is not None:
            self.calls.append(call)
        return result

    def _module_called(self, module: Module, arguments: tuple, keywords: dict) -> Any:
        cls = type(module)
        if is_own(_file_of(cls.forward)):
            return self._call_module(module, *arguments, **keywords)
        self._used(cls)
        parameters = tuple(module.parameters())
        signature = module.training, _signature(arguments), _signature(tuple(keywords.items())), _signature(parameters)
        given = arguments, keywords, parameters
        if not (_records(given) and self.wanted(cls, signature) and self._has_size(cls, given)):
            return self._call_module(module, *arguments, **keywords)
        call = ModuleCall(module, arguments, keywords)
        self._open.append(call)
        try:
            result = self._call_module(module, *arguments, **keywords)
        finally:
            self._open.remove(call)
        self.calls.append(call)  # after those inside it
        return result


def _file_of(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else code.co_filename


def _tensors_in(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    _Copies(found.append).of(values)
    return found


def _records(values: Any) -> bool:
    """Whether a graph is recorded, of ordinary tensors: not under transformations, which run their own."""
    found = _tensors_in(values)
    if not local.grad_enabled or any(t._extra is not None and t._extra.special for t in found):
        return False
    return any(t.requires_grad for t in found)


def _signature(value: Any) -> Any:
    """What makes a call another kind of call: shapes, dtypes, plain arguments."""
    if isinstance(value, Tensor):
        return tuple(value.shape), str(value.dtype), value.requires_grad
    if isinstance(value, tuple | list):
        return tuple(map(_signature, value))
    if isinstance(value, dict):
        return tuple((key, _signature(one)) for key, one in value.items())
    return repr(value) if isinstance(value, bool | int | float | complex | str | bytes | None) else type(value)
