"""The user's own names for what a graph holds: from assignments in the program's text, and from its variables."""

from __future__ import annotations

import ast
import functools
import keyword
import re
import sys
from collections import Counter
from types import CodeType, FrameType, ModuleType
from typing import Any

from ..engine import Node, is_own
from ..inplace import CopySlices
from ..tensor import Tensor
from .holders import locals_of
from .source import Source
from .syntax import simple_name, syntax_of
from .values import Edge, edges_of, expression_of, operand_of, record_of, same

LONGEST_NAME = 24  # of a part of something: b[1:]
MOST_HOLDERS = 200  # objects looked into


class Scope:
    """The variables that a frame sees, and those of its callers."""

    def __init__(self, frame: FrameType | None, variables: dict[str, Any] | None = None) -> None:
        """`variables`: seen, too."""
        self.frame = frame
        self.names: dict[int, str] = {}  # {id of a tensor: its name, as the program would write it}
        self.typed: dict[str, str] = {}  # {another name, such as a state_dict's net.0.weight: its name, net[0].weight}
        self.tensors: list[Tensor] = []
        self._frames: list[FrameType] = []
        outer = frame
        while outer is not None and len(self._frames) < 50:
            if not is_own(outer.f_code.co_filename):
                self._frames.append(outer)
            outer = outer.f_back
        syntax = syntax_of(self._frames[0].f_code.co_filename) if self._frames else None
        of_loops = set() if syntax is None else syntax.loop_variables(self._frames[0].f_code)
        loops: list[tuple[str, Tensor]] = []  # variables that have had other values
        holders: list[tuple[str, str, Any]] = []
        containers: list[tuple[str, Any]] = []
        tables = [table for one in self._frames for table in (locals_of(one), one.f_globals)]
        for table in [*tables, *([] if variables is None else [variables])]:
            for name, value in list(table.items()):
                if not name[:1].isalpha():  # private, or pytest's
                    continue
                if isinstance(value, Tensor):
                    if name in of_loops and table is tables[0]:
                        loops.append((name, value))
                    else:
                        self._add(name, value)
                elif type(value) in (list, tuple, dict):
                    containers.append((name, value))
                elif hasattr(value, "__dict__") and not isinstance(value, (type, ModuleType)):
                    holders.append((name, name, value))
        for name, value in containers[:MOST_HOLDERS]:  # after the variables, whose names are better
            for key, one in list(value.items() if type(value) is dict else enumerate(value[:MOST_HOLDERS]))[
                :MOST_HOLDERS
            ]:
                if isinstance(one, Tensor):
                    self._add(f"{name}[{key!r}]", one, f"{name}.{key}")
                elif _is_module(one):
                    holders.append((f"{name}[{key!r}]", f"{name}.{key}", one))
        for name, _, value in holders[:MOST_HOLDERS]:  # a trainer's model
            if not _is_module(value):
                held = [(f"{name}.{attribute}", one) for attribute, one in list(vars(value).items())]
                holders += [(written, written, one) for written, one in held if _is_module(one)]
        holders.sort(key=lambda holder: (not _is_module(holder[2]), holder[0].startswith("self")))
        self.modules = [value for *_, value in holders if _is_module(value)]
        for name, dotted, value in holders[:MOST_HOLDERS]:
            self._look_inside(name, dotted, value)
        for name, value in loops:
            self._add(name, value)
        self.arrays = {id(t._array): self.names[id(t)] for t in self.tensors}  # {id of an array: its tensor's name}

    def _add(self, name: str, tensor: Tensor, dotted: str = "") -> None:
        if id(tensor) not in self.names:
            self.names[id(tensor)] = name
            self.tensors.append(tensor)
        for other in (name, dotted):
            if other and other != self.names[id(tensor)]:
                self.typed.setdefault(other, self.names[id(tensor)])

    def _look_inside(self, name: str, dotted: str, value: Any) -> None:
        """Tensors that an object or a list of it holds, and the parameters of a module and of the modules in it."""
        held = vars(value)
        if dotted != name:
            self.typed.setdefault(dotted, name)
        for attribute, one in [
            *held.items(),
            *(held.get("_parameters") or {}).items(),
            *(held.get("_buffers") or {}).items(),
        ]:
            if isinstance(one, Tensor):
                self._add(name + _written_member(value, attribute), one, f"{dotted}.{attribute}")
            elif type(one) in (list, tuple) and not _is_module(value):
                for place, part in enumerate(one[:MOST_HOLDERS]):
                    self._look_at(f"{name}.{attribute}[{place}]", f"{dotted}.{attribute}.{place}", part)
        for attribute, module in (held.get("_modules") or {}).items():
            if module is not None:
                self._look_inside(name + _written_member(value, attribute), f"{dotted}.{attribute}", module)

    def _look_at(self, name: str, dotted: str, part: Any) -> None:
        """One of the things in a list: a tensor, or an object with tensors."""
        if isinstance(part, Tensor):
            self._add(name, part, dotted)
            return
        for attribute, one in list(getattr(part, "__dict__", {}).items()):
            if isinstance(one, Tensor):
                self._add(f"{name}.{attribute}", one, f"{dotted}.{attribute}")

    def typed_name(self, name: str) -> str:
        """A name that somebody asks for, as the program would write it: net[0].weight for PyTorch's net.0.weight."""
        written = normalized(name)
        return self.typed.get(written, written)

    def look_up(self, name: str, code: CodeType | None = None) -> Any:
        """The value of a variable or of an attribute of one, as things stand; None where there is none.

        Of variables of one name that of the function `code` is meant, or else one of the same file."""
        head, *rest = name.split(".")
        frames = self._frames
        if code is not None:
            file = code.co_filename
            frames = sorted(frames, key=lambda f: 2 - (f.f_code.co_filename == file) - (f.f_code is code))
        for frame in frames:
            for variables in (locals_of(frame), frame.f_globals):
                if head in variables:
                    value = variables[head]
                    for attribute in rest:
                        value = _held(value, attribute)
                    return value
        return None

    def argument_texts(self) -> list[ast.expr]:
        """The arguments of the call that the frame is making, as written."""
        if self.frame is None:
            return []
        source = Source(self.frame.f_code, self.frame.f_lasti)
        syntax = syntax_of(source.file)
        call = None if syntax is None else syntax.expression(source)
        return list(call.args) if isinstance(call, ast.Call) else []


def _written_member(holder: Any, attribute: str) -> str:
    """How a program reaches what an object holds under a name: .weight, [0], ['left-hand']; .0 where it has no way to."""
    if attribute.isidentifier() and not keyword.iskeyword(attribute) and not hasattr(type(holder), attribute):
        return f".{attribute}"
    if _is_module(holder):
        from ..nn.modules.container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential

        if isinstance(holder, (ModuleDict, ParameterDict)):
            return f"[{attribute!r}]"
        if isinstance(holder, Sequential) and attribute in holder._modules:  # its part keeps the keys, but counts anew
            return f"[{list(holder._modules).index(attribute)}]"
        if isinstance(holder, (ModuleList, ParameterList)) and attribute.isdecimal():
            return f"[{attribute}]"
    return f".{attribute}"


def normalized(name: str) -> str:
    """A name written as names are here: a["b"] is a['b']."""
    try:
        expression = ast.parse(name.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return name
    return ast.unparse(expression) if isinstance(expression, (ast.Attribute, ast.Subscript)) else name


_STEP = re.compile(r"""\.([^.\[\]]+)|\[('[^']*'|"[^"]*"|-?\d+)\]""")


def value_called(name: str, variables: dict[str, Any]) -> Any:
    """What a variable, an attribute or an element of one holds: net[0].weight, also as net.0.weight; None if nothing."""
    head = re.match(r"[^.\[]*", name)[0]  # type: ignore[index]  # it always matches
    value: Any = variables.get(head)
    end = len(head)
    while end < len(name):
        step = _STEP.match(name, end)
        if step is None:
            return None
        end = step.end()
        attribute = step[1]
        try:
            if attribute is None:
                value = value[ast.literal_eval(step[2])]
            elif isinstance(value, (list, tuple)) and attribute.isdecimal():
                value = value[int(attribute)]
            else:
                value = getattr(value, attribute)
        except (AttributeError, LookupError, TypeError):
            return None
    return value


def _is_module(value: Any) -> bool:
    held = getattr(value, "__dict__", None)
    return isinstance(held, dict) and "_modules" in held and "_parameters" in held


def _held(value: Any, attribute: str) -> Any:
    """What an object holds under a name, without running its code; also a module's parameters."""
    held = getattr(value, "__dict__", {})
    if attribute in held:
        return held[attribute]
    for kind in ("_parameters", "_modules", "_buffers"):
        if attribute in held.get(kind, ()):
            return held[kind][attribute]
    return None


def target_name(node: Node, number: int = 0) -> str | None:
    """The variable that the program assigned an output of this node to, if it was the whole expression."""
    return _target_at(node.code, node.lasti, number)


@functools.lru_cache(4096)  # loops come by the same place again and again
def _target_at(code: CodeType, lasti: int, number: int) -> str | None:
    source = Source(code, lasti)
    syntax = syntax_of(source.file)
    if syntax is None:
        return _stored_name(code, lasti)
    expression = syntax.expression(source)
    target = None if expression is None else syntax.target(expression, number)
    if isinstance(target, ast.Subscript) and not _is_element(target):  # a part of something is not all of it
        text = ast.unparse(target)
        return text if len(text) <= LONGEST_NAME else None
    return simple_name(target)


def _is_element(target: ast.Subscript) -> bool:
    try:
        ast.literal_eval(target.slice)
    except ValueError:
        return False
    return True


def _written_name(node: Node) -> str | None:
    """The variable whose part a node writes: `b` of `b[1:] = …`."""
    source = Source(node.code, node.lasti)
    syntax = syntax_of(source.file)
    expression = None if syntax is None else syntax.expression(source)
    if isinstance(expression, ast.AugAssign):
        expression = expression.target
    return simple_name(expression.value) if isinstance(expression, ast.Subscript) else None


def _stored_name(code: CodeType, lasti: int) -> str | None:
    """The name that the instruction after a recorded one stores to: for code whose text is not to be had."""
    import dis

    for instruction in dis.get_instructions(code):
        if instruction.offset > lasti and instruction.opname != "CACHE":
            return instruction.argval if instruction.opname in _STORES else None
    return None


_STORES = {"STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF"}


# what the program has no name for is called by the first of these that it has not taken
_UNNAMED_RESULT = ("y", "L", "result")
_UNNAMED_INPUT = ("x", "t", "input")


def name_everything(order: list[Node], root: Edge, x: Edge, scope: Scope, given: dict[Edge, str]) -> dict[Edge, str]:
    """{edge: name} of every leaf and of every node that the program gave a name; each name once: x, x_1, x_2 …

    `order` is from outputs to inputs; `given` are names that the user has just used."""
    held = {
        (t._node, t.output_nr): scope.names[id(t)] for t in scope.tensors if t._node is not None
    }  # fmt: skip
    ends = _ends_of_calls(order)
    wanted: list[tuple[Edge, str]] = []
    leaves: dict[Edge, str] = {}
    for node in reversed(order):
        for place, edge in enumerate(edges_of(node)):
            if edge is not None and isinstance(edge[0], Tensor) and (edge not in leaves or leaves[edge] == "leaf"):
                leaves[edge] = given.get(edge) or scope.names.get(id(edge[0])) or _operand_name(node, place) or "leaf"
    for edge in (x, root):  # without a graph between them, each is itself
        if isinstance(edge[0], Tensor) and edge not in leaves:
            name = given.get(edge) or scope.names.get(id(edge[0]))
            if name is not None:
                leaves[edge] = name
    wanted += leaves.items()
    used = {root, x, *(edge for node in order for edge in edges_of(node) if edge is not None and edge not in leaves)}
    for node in reversed(order):
        is_last = node in ends
        for number in range(node.n_outputs):
            edge = (node, number)
            target = _target_of(node, number, used, scope) if is_last else None
            name = target or given.get(edge) or held.get(edge)
            if isinstance(node, CopySlices):
                name = _written_name(node) or held.get(edge)
            if name is not None:
                wanted.append((edge, name))
    for edge, names in ((x, _UNNAMED_INPUT), (root, _UNNAMED_RESULT)):
        if not any(same(edge, one) for one, _ in wanted):
            taken = {name for _, name in wanted} | set(scope.names.values())
            wanted.append((edge, next((name for name in names if name not in taken), names[0])))
    return _unique(wanted, len(leaves))


def _target_of(node: Node, number: int, used: set[Edge], scope: Scope) -> str | None:
    """The variable for an output; where it holds all outputs, which of them it is: r.U, parts[1]."""
    name = target_name(node, number)
    numbers = range(node.n_outputs)
    if len(numbers) == 1 or name is None or any(target_name(node, i) != name for i in numbers):
        return name
    if (node, number) not in used:
        return None
    if sum((node, i) in used for i in numbers) == 1 and not isinstance(scope.look_up(name), tuple):
        return name
    outputs = record_of(node).outputs if record_of(node) is not None else ()
    return f"{name}.{outputs[number]}" if number < len(outputs) and outputs != ("*",) else f"{name}[{number}]"


def _ends_of_calls(order: list[Node]) -> set[Node]:
    """The last node of each call: of the nodes of a composite, only that is what the program names.

    In a loop the same place records the same operations again and again."""
    places: dict[tuple, list[Node]] = {}
    for node in order:  # from the last to the first
        places.setdefault((node.code, node.lasti), []).append(node)
    ends: set[Node] = set()
    for nodes in places.values():
        if _is_repetition(nodes[0]):
            used = {edge[0] for node in nodes for edge in edges_of(node) if edge is not None}
            ends.update(node for node in nodes if node not in used)
            continue
        kinds = [record_of(node) or type(node) for node in nodes]
        n = len(nodes)
        least = _recorded_by_index(nodes[0]) if len(set(kinds)) == 1 else 1
        period = next((p for p in range(least, n + 1) if n % p == 0 and kinds == kinds[:p] * (n // p)), n)
        ends.update(nodes[::period])
    return ends


def _is_repetition(node: Node) -> bool:
    """Whether the expression is one call of Python's that goes on from each result to the next, such as sum(losses)."""
    called = getattr(expression_of(node), "func", None)
    return isinstance(called, ast.Name) and called.id in ("sum", "reduce")


def _recorded_by_index(node: Node) -> int:
    """How many operations of one kind an expression such as x[0, 1] records, each for a dimension; 1 for other expressions."""
    record, expression = record_of(node), expression_of(node)
    if record is None or record.name not in ("select", "slice") or not isinstance(expression, ast.Subscript):
        return 1
    if not isinstance(expression.slice, ast.Tuple):
        return 1
    whole = [isinstance(e, ast.Slice) and e.lower is e.upper is e.step is None for e in expression.slice.elts]
    return max(1, whole.count(False))


def _operand_name(node: Node, place: int) -> str | None:
    return simple_name(operand_of(node, place))


def _unique(wanted: list[tuple[Edge, str]], leaves: int) -> dict[Edge, str]:
    """Each name once: a variable that is assigned again is z_1, z_2, …; a leaf, of which there are `leaves` first, keeps
    its name."""
    taken: dict[str, int] = {}
    names: dict[Edge, str] = {}
    all_names = {name for _, name in wanted}
    often = Counter(name for _, name in wanted)
    kept = {name for _, name in wanted[:leaves]}
    for edge, name in wanted:
        if often[name] > 1 and name not in kept:
            taken.setdefault(name, 0)
        chosen = name
        while chosen in taken or (chosen != name and chosen in all_names):
            taken[name] = taken.get(name, 0) + 1
            chosen = f"{name}_{taken[name]}"
        taken.setdefault(chosen, 0)
        names[edge] = chosen
    return names


def caller(depth: int = 1) -> FrameType:
    """The innermost frame outside this package."""
    frame = sys._getframe(depth)
    while is_own(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return frame
