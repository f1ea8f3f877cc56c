"""`chainrule draw FILE`, `chainrule explain FILE` and `chainrule why FILE`: run a program, then look at its gradients."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from ..engine import Node, is_own, relink
from ..runner import BadFile, alias, load
from ..tensor import Tensor, gradient_edge, leaves_behind, version_counter
from .names import Scope, value_called
from .values import Edge, Unknown, Values, same
from .watching import WatchedTask, Watcher

FORMATS = ("html", "svg", "latex", "json")  # the options that name a file to write
MOST_EXPLAINED = 8  # leaves, when none is named


def call_draw(arguments: argparse.Namespace) -> int:
    """Runs the program, and draws what backward was last called on."""
    return _after(arguments, _draw)


def call_explain(arguments: argparse.Namespace) -> int:
    """Runs the program, and derives the gradient of what backward was last called on."""
    return _after(arguments, _explain)


def call_why(arguments: argparse.Namespace) -> int:
    """Runs the program, and tells what went wrong with gradients in it: status 1 if anything did."""
    from .witness import Witness

    return _after(arguments, _why, Witness())


class Problem(Exception):
    """The program has not what was asked for; the message is one line."""


# ---------------------------------------------------------------- the run


class LastBackward(Watcher):
    """Notes the last backward from a scalar, and what leaves and nodes held then: the program goes on without that."""

    def __init__(self) -> None:
        self.calls = 0
        self.root: Edge | None = None
        self.value: Any = None  # what it was called on held, where that was a tensor
        self.leaves: list[tuple[Tensor, Any, int]] = []  # with their versions
        self.nodes: list[tuple[Node, Any]] = []

    def started(self, task: WatchedTask) -> None:
        self.calls += 1
        node, number = task.roots[0]
        seed = task.buffers.get((node, number) if number else node)
        if task.depth or len(task.roots) != 1 or seed is None or seed.shape not in ((), (1,)):
            return
        self.root = node, number
        given = _given_to_backward()
        self.value = given._array.copy() if isinstance(given, Tensor) else None
        self.leaves = [(leaf, leaf._array.copy(), version_counter(leaf).version) for leaf in task.pending]
        self.nodes = [(node, node.saved) for node in task.order]


def _given_to_backward() -> Any:
    """The first of what the program gave to the backward call that is about to begin."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_own(frame.f_code.co_filename):
        if "outputs" in frame.f_locals:
            return frame.f_locals["outputs"][0]
        frame = frame.f_back
    return None


class Finished:
    """A program that has run: its variables, its last backward, and the error that ended it, if one did."""

    def __init__(self, file: str, program: Any, rest: list[str], witness: Any = None) -> None:
        """`witness`: watches the run beside the last backward."""
        self.file = file
        self.program = program
        self.error: BaseException | None = None
        self.watcher = witness
        self.last = LastBackward()
        self.last.watch()
        if witness is not None:
            witness.start()
        stdout, hook = sys.stdout, sys.excepthook
        sys.stdout = sys.stderr  # what the program prints is not what was asked for
        sys.excepthook = self._failed
        try:
            program.run(rest)
        finally:
            sys.stdout.flush()
            sys.stdout, sys.excepthook = stdout, hook
            if witness is not None:
                witness.stop()
            self.last.stop()
        failure = getattr(program, "failure", None)
        if failure is not None and not isinstance(failure, SystemExit):
            self.error = failure
        self.namespace: dict[str, Any] = sys.modules["__main__"].__dict__

    def _failed(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self.error = error
        sys.__excepthook__(kind, error, traceback)

    def tensor(self, name: str) -> Tensor:
        """The tensor that a variable, an attribute or an element of one holds.

        Raises:
            Problem: there is none.
        """
        value = value_called(name, self.namespace)
        if not isinstance(value, Tensor):
            raise Problem(f"{self.file}: {name} is no tensor of the program when it ends")
        return value

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that the program's variables hold, and the parameters of its modules, as the program writes them."""
        scope = Scope(None, self.namespace)
        return ((scope.names[id(tensor)], tensor) for tensor in scope.tensors)

    def result(self, name: str | None) -> Tensor:
        """The tensor called `name`, or what the last backward was called on.

        Raises:
            Problem: there is none.
        """
        if name is not None:
            return self.tensor(name)
        root = self.last.root
        if root is None:
            raise Problem(f"{self.file}: backward was not called on a scalar; name a tensor with --of NAME")
        for _, tensor in self.named_tensors():
            if same(gradient_edge(tensor), root):
                return tensor
        value = self.last.value
        if value is None:  # backward was called on an edge
            try:
                value = Values(root).value(root)
            except Unknown:
                value = np.ones((), np.float32)
        return relink(value, root)

    def at_end(self, function: Callable, *arguments: Any) -> Any:
        """Calls a function as the program itself would, after its last line or in the line that failed."""
        name, text = self.program.sources[-1]
        filename = getattr(self.program, "filename", name)
        line = len(text.splitlines()) + 1
        traceback = None if self.error is None else self.error.__traceback__
        while traceback is not None:
            code: CodeType = traceback.tb_frame.f_code
            if code.co_name == "<module>":
                filename, line = code.co_filename, traceback.tb_lineno
            traceback = traceback.tb_next
        call = compile("\n" * (line - 1) + "_chainrule_answer = _chainrule_call()", filename, "exec")
        self.namespace["_chainrule_call"] = lambda: function(*arguments)
        try:
            if self.error is None:
                exec(call, self.namespace)
            else:
                try:
                    raise self.error
                except BaseException:
                    exec(call, self.namespace)
            return self.namespace["_chainrule_answer"]
        finally:
            self.namespace.pop("_chainrule_call", None)
            self.namespace.pop("_chainrule_answer", None)

    def as_at_backward(self, function: Callable, *arguments: Any) -> Any:
        """The same while leaves and nodes hold what they held at the last backward."""
        leaves, nodes = self.last.leaves, self.last.nodes
        now = [(leaf._array.copy(), leaf._counter.version) for leaf, *_ in leaves]
        saved = [node.saved for node, _ in nodes]
        for leaf, array, version in leaves:
            _put_back(leaf, array)
            leaf._counter.version = version
        for node, values in nodes:
            node.saved = values
        try:
            return self.at_end(function, *arguments)
        finally:
            for (leaf, *_), (array, version) in zip(leaves, now):
                _put_back(leaf, array)
                leaf._counter.version = version
            for (node, _), values in zip(nodes, saved):
                node.saved = values


def _put_back(leaf: Tensor, array: Any) -> None:
    """Gives a leaf other elements, in its own memory where that has the shape: nodes may have saved views of it."""
    own = leaf._array
    if isinstance(own, np.ndarray) and own.shape == array.shape and own.dtype == array.dtype and own.flags.writeable:
        own[...] = array
    else:
        leaf._array = array


def _after(
    arguments: argparse.Namespace, answer: Callable[[Finished, argparse.Namespace], int], witness: Any = None
) -> int:
    file, *rest = arguments.program[arguments.program[0] == "--" :]
    arguments.directory = os.getcwd()
    for kind in FORMATS:  # a notebook runs in its own directory
        path = getattr(arguments, kind)
        if path is not None and path != "-":
            setattr(arguments, kind, os.path.abspath(path))
    try:
        program = load(file)
        alias.install()
        return answer(Finished(file, program, rest, witness), arguments)
    except (BadFile, Problem) as error:
        print(f"chainrule: {error}", file=sys.stderr)
        return 2


def _say(arguments: argparse.Namespace, text: str) -> None:
    """Prints; on the standard error where the standard output is one of the files that are asked for."""
    print(text, file=sys.stderr if "-" in [getattr(arguments, kind) for kind in FORMATS] else sys.stdout)


def _write(arguments: argparse.Namespace, **makers: Callable[[], str]) -> None:
    """Writes what is asked for, in the formats that there are makers of."""
    for kind in FORMATS:
        path = getattr(arguments, kind)
        if path == "-":
            print(makers[kind](), end="")
        elif path is not None:
            try:
                Path(path).write_text(makers[kind](), encoding="utf-8")
            except OSError as error:
                raise Problem(f"{path}: cannot be written: {error.strerror}") from None
            _say(arguments, f"wrote {os.path.relpath(path, arguments.directory)}")


def _json(data: dict | list, margin: str = "") -> str:
    """Two levels with a line for each entry: a node of a graph, or a field of what is said of one variable."""
    if len(margin) == 2 or not isinstance(data, (dict, list)) or not data:
        return json.dumps(data)
    inner = f"{margin} "
    if isinstance(data, dict):
        entries = [f"{json.dumps(key)}: {_json(value, inner)}" for key, value in data.items()]
    else:
        entries = [_json(value, inner) for value in data]
    start, end = "{}" if isinstance(data, dict) else "[]"
    return start + ",".join(f"\n{inner}{entry}" for entry in entries) + f"\n{margin}{end}" + ("" if margin else "\n")


def _numbers(array: np.ndarray) -> Any:
    """The elements in nested lists, with the digits that their dtype has; as text what JSON has no numbers for."""
    if array.dtype.kind == "V":  # bfloat16
        array = array.astype(np.float32)
    if array.dtype.kind == "f":
        array = array.astype(str).astype(np.float64)
        if not np.isfinite(array).all():
            array = np.where(np.isfinite(array), array.astype(object), array.astype(str))
    elif array.dtype.kind == "c":
        array = array.astype(str)
    return array.tolist()


# ---------------------------------------------------------------- the answers


def _draw(finished: Finished, arguments: argparse.Namespace) -> int:
    from .drawing import draw
    from .latex import document

    y = finished.result(arguments.of)
    between = [finished.tensor(arguments.wrt)] if arguments.wrt else []
    try:
        drawing = (finished.at_end if arguments.of else finished.as_at_backward)(draw, y, *between)
    except RuntimeError as error:
        raise Problem(f"{finished.file}: {error}") from None
    if not any(getattr(arguments, kind) for kind in FORMATS):
        arguments.html = os.path.abspath(Path(finished.file).stem + ".html")
    _write(
        arguments,
        html=drawing.html,
        svg=drawing.svg,
        latex=lambda: document(drawing.latex(), ("tikz",)),
        json=lambda: _json(drawing.data()),
    )
    return 0 if finished.error is None else 1


def _explain(finished: Finished, arguments: argparse.Namespace) -> int:
    from .derivation import explain
    from .explanation import Explanation, document as latex_of
    from .pictures import page, stacked

    y = finished.result(arguments.of)
    chosen = [finished.tensor(arguments.wrt)] if arguments.wrt else _leaves(finished, y)
    if not chosen:
        raise Problem(f"{finished.file}: no variable of the program leads to the result; name one with --wrt NAME")
    call = finished.at_end if arguments.of else finished.as_at_backward

    def derived(x: Tensor) -> tuple[Explanation, dict[str, Any]]:
        one = explain(y, x)  # written at once, while the leaves hold what they held
        gradient = None if one.value is None else _numbers(np.asarray(one.value._array))
        known = {"of": one.y, "wrt": one.x, "gradient": gradient, "paths": one.paths, "checked": one.checked}
        return one, {**known, "text": one.text(), "latex": one.latex(), "html": one.html(), "svg": one.svg()}

    try:
        found = [call(derived, x) for x in chosen[:MOST_EXPLAINED]]
    except (RuntimeError, ValueError) as error:
        raise Problem(f"{finished.file}: {error}") from None
    told = "\n\n".join(one["text"] for _, one in found)
    more = len(chosen) - MOST_EXPLAINED
    _say(arguments, told + (f"\n\nand {more} more; name one with --wrt NAME" if more > 0 else ""))
    title = _title(finished)
    _write(
        arguments,
        html=lambda: page(title, "".join(one["html"] for _, one in found)),
        svg=lambda: stacked([one["svg"] for _, one in found], title),
        latex=lambda: latex_of([one for one, _ in found]),
        json=lambda: _json([one for _, one in found]),
    )
    return 0 if finished.error is None else 1


def _title(finished: Finished) -> str:
    return f"Gradients in {os.path.basename(finished.file)}"


def _leaves(finished: Finished, y: Tensor) -> list[Tensor]:
    """The leaves that `y` was computed from and that a variable of the program holds."""
    behind = {id(leaf) for leaf in leaves_behind([y])}
    return [tensor for _, tensor in finished.named_tensors() if id(tensor) in behind]


def _why(finished: Finished, arguments: argparse.Namespace) -> int:
    from . import reports
    from .pictures import page
    from .verdicts import findings as findings_of

    witness = finished.watcher
    if arguments.wrt:
        arguments.wrt = Scope(None, finished.namespace).typed_name(arguments.wrt)
    found = findings_of(witness, finished.error, arguments.wrt)
    if witness.failures:
        print(f"chainrule: why has not seen everything: {witness.failures[0]!r}", file=sys.stderr)
    if arguments.wrt or arguments.of:
        found = _asked(finished, arguments, found)
    for name, reason in found:
        where = "" if reason.source is None else f"{reason.source.file}:{reason.source.line}: "
        _say(arguments, f"{where}{name}: {reason}")
    if not found:
        _say(
            arguments,
            "no finding: the gradients are in order"
            if witness.roots
            else "no finding: the program computes no gradients",
        )
    shown = [reports.Finding(name, reason, _drawing(finished, arguments, name, reason)) for name, reason in found]
    title = _title(finished)
    _write(
        arguments,
        html=lambda: page(title, reports.html(shown)),
        svg=lambda: reports.svg(title, shown),
        latex=lambda: reports.latex(shown),
        json=lambda: _json(reports.data(shown)),
    )
    return 1 if found else 0


def _drawing(finished: Finished, arguments: argparse.Namespace, name: str, reason: Any) -> Any:
    """The graph of the last backward where it shows what a finding is about, if it is to be drawn."""
    from .reports import drawing_of

    if not (arguments.html or arguments.svg or arguments.latex):
        return None
    x = value_called(name.removesuffix(".grad"), finished.namespace)
    names = {id(leaf.tensor()): leaf.name for leaf in finished.watcher.histories.all_leaves if leaf.name}
    try:
        y = finished.result(arguments.of)
        draw = finished.at_end if arguments.of else finished.as_at_backward
        return draw(drawing_of, y, x if isinstance(x, Tensor) and x is not y else None, name, reason, names)
    except (Problem, RuntimeError):  # there was no backward, or nothing is recorded: the words and lines stand alone
        return None


def _asked(finished: Finished, arguments: argparse.Namespace, found: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The findings about one variable, or one result, as it stands when the program ends."""
    if found or finished.error is not None:
        return found
    if arguments.wrt and any(
        leaf.name == arguments.wrt and leaf.deliveries for leaf in finished.watcher.histories.all_leaves
    ):
        if arguments.wrt.partition(".")[0] not in finished.namespace:
            return []  # a variable of a function that has ended
    from .answers import why

    loss = finished.tensor(arguments.of) if arguments.of else None
    if loss is None and finished.watcher.roots:
        loss = finished.result(None)
    if arguments.wrt:
        asked = [(arguments.wrt, finished.tensor(arguments.wrt))]
    else:
        asked = [(name, x) for name, x in finished.named_tensors() if x.requires_grad and x.grad_fn is None]
    reasons = [(name, finished.at_end(why, x, loss)) for name, x in asked]
    return [(name, reason) for name, reason in reasons if not reason.ok]
