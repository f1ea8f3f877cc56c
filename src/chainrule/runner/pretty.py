"""The text that Jupyter shows for a value: IPython's form of the containers, classes, functions and plain objects.

It is `repr`, except that containers break into lines at 79 columns, with what they hold in the same form, a class shows
as its dotted name, a function with its signature, and an object without a `__repr__` as `<module.Class at 0x…>`.

A class may say how it is shown with `_repr_pretty_(self, printer, cycle)`, as under IPython.
"""

from __future__ import annotations

import inspect
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

WIDTH = 79
LONGEST = 1000  # items shown of one container


def pretty(value: object) -> str:
    """The text for `value`, without a newline at its end."""
    printer = Printer()
    printer.pretty(value)
    printer.flush()
    return "".join(printer.lines)


class Group:
    """A stretch of text that stays on one line if it can, and otherwise breaks at each of its own possible breaks."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.broken = False
        self.waiting = 0  # possible breaks that are neither printed as a space nor as a line end yet


class Break:
    """A place where the line may end, `blank` if it does not, and the indentation of the next line if it does."""

    def __init__(self, group: Group, blank: str, indentation: int) -> None:
        self.group = group
        self.blank = blank
        self.indentation = indentation


class Printer:
    """Lays out text as it comes. What might still move to the next line waits; when the line overflows, the outermost
    group with a break among what waits is broken."""

    def __init__(self) -> None:
        self.max_width = WIDTH
        self.lines: list[str] = []  # text that is settled
        self.column = 0
        self.pending: list[str | Break] = []
        self.pending_width = 0
        self.indentation = 0
        self.open = [Group(0)]
        self.unbroken: list[list[Group]] = [[]]  # by depth: groups that may still be broken
        self.stack: list[int] = []  # ids of the objects being printed, to notice cycles

    def text(self, text: str) -> None:
        """Adds text that holds no line end."""
        if not self.pending:
            self.settle(text)
            return
        self.pending.append(text)
        self.pending_width += len(text)
        self.fit()

    def breakable(self, blank: str = " ") -> None:
        """Adds a place where the line may end, or `blank`."""
        group = self.open[-1]
        if group.broken:
            self.flush()
            self.end_line(self.indentation)
            return
        self.pending.append(Break(group, blank, self.indentation))
        self.pending_width += len(blank)
        group.waiting += 1
        self.fit()

    def break_(self) -> None:
        """Ends the line."""
        group = self.outermost()
        if group is not None:
            self.break_group(group)
        self.flush()
        self.end_line(self.indentation)

    def begin_group(self, indent: int = 0, opening: str = "") -> None:
        if opening:
            self.text(opening)
        group = Group(self.open[-1].depth + 1)
        self.open.append(group)
        while len(self.unbroken) <= group.depth:
            self.unbroken.append([])
        self.unbroken[group.depth].append(group)
        self.indentation += indent

    def end_group(self, dedent: int = 0, closing: str = "") -> None:
        self.indentation -= dedent
        group = self.open.pop()
        if not group.waiting:
            self.forget(group)
        if closing:
            self.text(closing)

    @contextmanager
    def group(self, indent: int = 0, opening: str = "", closing: str = "") -> Iterator[None]:
        self.begin_group(indent, opening)
        try:
            yield
        finally:
            self.end_group(indent, closing)

    @contextmanager
    def indent(self, indent: int) -> Iterator[None]:
        self.indentation += indent
        try:
            yield
        finally:
            self.indentation -= indent

    def pretty(self, value: object) -> None:
        """Adds the form of `value`, as its class has it."""
        cycle = id(value) in self.stack
        self.stack.append(id(value))
        try:
            with self.group():
                form_of(type(value))(value, self, cycle)
        finally:
            self.stack.pop()

    def flush(self) -> None:
        """Settles what waits, without a further line end."""
        self.settle_first(len(self.pending))

    def settle(self, text: str) -> None:
        self.lines.append(text)
        self.column += len(text)

    def end_line(self, indentation: int) -> None:
        self.lines.append("\n" + " " * indentation)
        self.column = indentation

    def settle_first(self, count: int) -> None:
        for item in self.pending[:count]:
            self.pending_width -= len(item.blank if isinstance(item, Break) else item)
            if isinstance(item, str):
                self.settle(item)
                continue
            item.group.waiting -= 1
            if item.group.broken:
                self.end_line(item.indentation)
            else:
                self.settle(item.blank)
                if not item.group.waiting:
                    self.forget(item.group)
        del self.pending[:count]

    def fit(self) -> None:
        while self.column + self.pending_width > self.max_width:
            group = self.outermost()
            if group is None:
                return
            self.break_group(group)

    def break_group(self, group: Group) -> None:
        """Settles what waits up to the last break of `group`, and the text that follows it."""
        breaks = [i for i, item in enumerate(self.pending) if isinstance(item, Break)]
        last = max(i for i in breaks if self.pending[i].group is group)  # type: ignore[union-attr]
        self.settle_first(next((i for i in breaks if i > last), len(self.pending)))

    def outermost(self) -> Group | None:
        """Marks as broken, and returns, the outermost group with a break that waits, the latest of several."""
        for groups in self.unbroken:
            for number, group in enumerate(reversed(groups)):
                if group.waiting:
                    group.broken = True
                    # Counted from the other end, as IPython does, since this decides where later lines end.
                    del groups[number]
                    return group
            for group in groups:
                group.broken = True
            groups.clear()
        return None

    def forget(self, group: Group) -> None:
        if group in self.unbroken[group.depth]:
            self.unbroken[group.depth].remove(group)


Form = Callable[[Any, Printer, bool], None]


def form_of(cls: type) -> Form:
    """How values of `cls` are shown: by the first class in its method resolution order that says so."""
    for base in cls.__mro__:
        if base in FORMS:
            form, shown_by = FORMS[base]
            # A subclass that changed the repr is shown by it.
            return form if shown_by is None or cls.__repr__ is shown_by else show_repr
        if callable(base.__dict__.get("_repr_pretty_")):
            return lambda value, printer, cycle: value._repr_pretty_(printer, cycle)
        if base is not object and callable(base.__dict__.get("__repr__")):
            return show_repr
    return show_plain_object


def show_repr(value: object, printer: Printer, cycle: bool) -> None:
    with printer.group():
        for number, line in enumerate(repr(value).splitlines()):
            if number:
                printer.break_()
            printer.text(line)


def show_plain_object(value: object, printer: Printer, cycle: bool) -> None:
    with printer.group(1, "<", ">"):
        printer.pretty(type(value))
        printer.text(f" at {id(value):#x}")


def show_items(printer: Printer, items: Iterable, show_item: Callable[[Any], None]) -> None:
    """Items with commas between them; `...` takes the place of those beyond the first thousand."""
    for number, item in enumerate(items):
        if number:
            printer.text(",")
            printer.breakable()
        if number == LONGEST:
            printer.text("...")
            return
        show_item(item)


def show_call(printer: Printer, name: str, positional: Iterable, named: dict[str, object]) -> None:
    def show_argument(argument: tuple[str, object]) -> None:
        prefix, value = argument
        if not prefix:
            printer.pretty(value)
            return
        with printer.group(len(prefix), prefix):
            printer.pretty(value)

    arguments = [("", value) for value in positional] + [(f"{key}=", value) for key, value in named.items()]
    with printer.group(), printer.group(len(name) + 1, f"{name}(", ")"):
        show_items(printer, arguments, show_argument)


def sequence(opening: str, closing: str) -> Form:
    def show(value: list | tuple, printer: Printer, cycle: bool) -> None:
        if cycle:
            printer.text(f"{opening}...{closing}")
            return
        with printer.group(len(opening), opening, closing):
            show_items(printer, value, printer.pretty)
            if isinstance(value, tuple) and len(value) == 1:
                printer.text(",")

    return show


def unordered(name: str, opening: str, closing: str) -> Form:
    def show(value: set | frozenset, printer: Printer, cycle: bool) -> None:
        if cycle:
            printer.text(f"{opening}...{closing}")
        elif not value:
            printer.text(f"{name}()")
        else:
            with printer.group(len(opening), opening, closing):
                show_items(printer, value if len(value) >= LONGEST else in_order(value), printer.pretty)

    return show


def in_order(items: Iterable) -> list:
    """`items` sorted if they can be, by their text if not by their values."""
    items = list(items)
    for key in (None, str):
        try:
            return sorted(items, key=key)
        except Exception:
            continue
    return items


def show_dict(value: dict, printer: Printer, cycle: bool) -> None:
    if cycle:
        printer.text("{...}")
        return

    def show_entry(key: object) -> None:
        printer.pretty(key)
        printer.text(": ")
        printer.pretty(value[key])

    with printer.group(1, "{", "}"):
        show_items(printer, value, show_entry)


def show_class(value: type, printer: Printer, cycle: bool) -> None:
    metaclass_repr = next(base for base in inspect.getmro(type(value)) if "__repr__" in vars(base))
    if metaclass_repr is not type:
        show_repr(value, printer, cycle)
        return
    module = value.__module__
    printer.text(value.__qualname__ if module in (None, "builtins") else f"{module}.{value.__qualname__}")


def show_function(value: types.FunctionType | types.BuiltinFunctionType, printer: Printer, cycle: bool) -> None:
    name = value.__qualname__
    if value.__module__ and value.__module__ != "builtins":
        name = f"{value.__module__}.{name}"
    try:
        name += str(inspect.signature(value))
    except ValueError:  # a built-in function without a text signature
        pass
    printer.text(f"<function {name}>")


def show_exception(value: BaseException, printer: Printer, cycle: bool) -> None:
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    show_call(printer, name, value.args, {})


def collection(arguments: Callable[[Any], tuple[list, dict]]) -> Form:
    """A container shown as the call that makes it, with the given arguments."""

    def show(value: object, printer: Printer, cycle: bool) -> None:
        name = "namespace" if type(value) is types.SimpleNamespace else type(value).__name__
        if cycle:
            printer.text(f"{name}(...)")
            return
        show_call(printer, name, *arguments(value))

    return show


# By class, its form, and the __repr__ a subclass must have kept to be shown in it (None: any).
FORMS: dict[type, tuple[Form, Any]] = {
    list: (sequence("[", "]"), list.__repr__),
    tuple: (sequence("(", ")"), tuple.__repr__),
    set: (unordered("set", "{", "}"), set.__repr__),
    frozenset: (unordered("frozenset", "frozenset({", "})"), frozenset.__repr__),
    dict: (show_dict, dict.__repr__),
    type: (show_class, None),
    types.FunctionType: (show_function, None),
    types.BuiltinFunctionType: (show_function, None),
    BaseException: (show_exception, None),
    deque: (collection(lambda x: ([list(x)], {} if x.maxlen is None else {"maxlen": x.maxlen})), None),
    defaultdict: (collection(lambda x: ([x.default_factory, dict(x)], {})), None),
    OrderedDict: (collection(lambda x: ([list(x.items())] if x else [], {})), None),
    Counter: (collection(lambda x: ([dict(x.most_common())] if x else [], {})), None),
    types.SimpleNamespace: (collection(lambda x: ([], vars(x))), None),
}
