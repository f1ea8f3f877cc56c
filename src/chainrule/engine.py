"""The graph that operations record, and the pass that carries gradients back through it.

A `Node` stands for one recorded operation. Its edges lead to what made its inputs: another node, or, for a leaf, the
leaf tensor itself (`AccumulateGrad` objects are made only when somebody asks for them). Sequence numbers grow from
inputs to outputs, so visiting reachable nodes in descending order is a topological order, and it is PyTorch's.
"""

from __future__ import annotations

import contextvars
import threading
from heapq import heapify, heappop, heappush
from itertools import count
from operator import attrgetter
from sys import _getframe, getrefcount
from typing import TYPE_CHECKING, Any

from . import graph_errors
from .backend import numpy as backend
from .dtypes import dtype
from .modes import _set_grad_enabled, is_quiet, local, silence
from .opened import Opened
from .tensor import TENSOR_TYPES, Tensor, VersionCounter, gradient_edge, memory, own_extra, version_counter, wrap

new = object.__new__
next_sequence = count().__next__
by_sequence = attrgetter("sequence")
accumulate_lock = threading.RLock()
ndarray = backend.ndarray


_PACKAGE = __file__[: -len("engine.py")]
USER_FILES: set[str] = set()  # file names met so far whose code is not this package's
_OWN_FILES: set[str] = set()  # and those whose code is


def is_own(filename: str) -> bool:
    """Whether code of this file name belongs to this package; remembers the answer."""
    if filename in _OWN_FILES:
        return True
    if filename in USER_FILES:
        return False
    own = filename.startswith(_PACKAGE)
    (_OWN_FILES if own else USER_FILES).add(filename)
    return own


def user_position(depth: int = 1):
    """(code, instruction offset) of the user's line, seen from the frame `depth` above this one.

    What a backward records belongs to the line that called it, which is looked up once (`local.position`)."""
    position = local.position
    if position is not None:
        return position
    frame = _users_frame(_getframe(depth))
    return frame.f_code, frame.f_lasti


def _users_frame(frame):
    """The innermost frame outside this package, from `frame` upwards."""
    filename = frame.f_code.co_filename
    while (filename in _OWN_FILES or is_own(filename)) and (caller := frame.f_back) is not None:
        frame = caller
        filename = frame.f_code.co_filename
    return frame


def path_to_user(frame, path):
    """(code objects of this package from `frame` upwards, code, instruction offset) of the user's line.

    `path` is what this gave before: who is called again from where it was called last finds the same code objects, and need
    not ask whose they are."""
    position = local.position
    if position is not None:
        code, lasti = position
        return path, code, lasti
    start = frame
    for code in path:
        if frame.f_code is not code:
            break
        frame = frame.f_back or frame
    code = frame.f_code
    if code.co_filename not in USER_FILES:
        frame = _users_frame(frame)
        code = frame.f_code
        path = []
        while start is not frame:
            path.append(start.f_code)
            start = start.f_back
    return path, code, frame.f_lasti


def call_user(function, *arguments):
    """Calls what a program gave a backward to call: what that records belongs to its own lines."""
    position, local.position = local.position, None
    try:
        return function(*arguments)
    finally:
        local.position = position


class Freed:
    """Stands in a node's `saved` once a backward has used it, and says where that backward was called."""

    __slots__ = ("code", "lasti", "newest")

    def __init__(self, code, lasti) -> None:
        self.code = code
        self.lasti = lasti
        self.newest = None  # the highest sequence number of the nodes that the backward went through


class NodeMeta:
    """What only some nodes need."""

    __slots__ = (
        "accumulators",
        "dict",
        "hooks",
        "numbers",
        "output_counters",
        "output_info",
        "prehooks",
        "retained",
        "targets",
        "tensor_hooks",
    )

    def __init__(self) -> None:
        self.output_info: Any = None  # {output number: (shape, NumPy dtype)} of outputs that are gradient edges
        self.numbers: Any = None  # tuple: the output number that each edge leads to; None: all 0
        self.targets: Any = None  # tuple of (shape, NumPy dtype) to reduce and cast gradients to; None: they fit
        self.output_counters: Any = None  # {output number: version counter of an output that was viewed or written}
        self.tensor_hooks: Any = None  # {output number: {id: hook of that tensor}}
        self.retained: Any = None  # {output number: weak reference to the tensor that keeps its gradient}
        self.prehooks: Any = None  # {id: hook(grad_outputs)}
        self.hooks: Any = None  # {id: hook(grad_inputs, grad_outputs)}
        self.dict: Any = None  # Node.metadata
        self.accumulators: Any = None  # AccumulateGrad objects seen through this node, which keeps their hooks in force


class Node(metaclass=Opened):
    """A recorded operation: what `tensor.grad_fn` is. Subclasses are made per operation (op.py) or by users
    (Function)."""

    __slots__ = ("__weakref__", "code", "edges", "lasti", "meta", "saved", "sequence")
    code: Any
    edges: Any
    lasti: int
    meta: Any
    saved: Any
    sequence: int

    if TYPE_CHECKING:  # what its users see is put here by autograd/graph.py

        def __getattr__(self, name: str) -> Any: ...

    n_outputs = 1
    is_end = False  # True: to its users, the tensor that it made is a leaf
    is_plain = True  # one output, and backward takes arrays
    saves_tensors = True  # False: there is nothing to free, so backward may run again and again
    on_tensors_only = False  # True: backward runs user code, which wants Tensors

    def backward(self, gradient, needs):
        """Gradients for the edges (a sequence; anything where `needs` is None) from that of the output.

        Arrays in, arrays out; a node with several outputs gets a list with None for the outputs without gradient."""
        raise NotImplementedError

    def backward_tensors(self, gradient, needs):
        """The same with Tensors, recorded where grad mode is on."""
        raise NotImplementedError

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        if cls.on_tensors_only:
            cls.is_plain = False

    def check_saved(self) -> None:
        """Raises for what was freed or overwritten, also of what only gradients that nobody asked for would take."""

    def own_meta(self) -> NodeMeta:
        if self.meta is None:
            self.meta = NodeMeta()
        return self.meta

    def name(self) -> str:
        """The operation's name with PyTorch's suffix, e.g. ``MulBackward0``."""
        return type(self).__name__


def input_positions(node):
    """The positions of a node's edges that its user sees: of the inputs that PyTorch counts as differentiable."""
    record = getattr(node, "op", None)
    count = len(node.edges)
    if record is None:
        return getattr(node, "positions", None) or range(count)
    if record.variadic == "indices":
        return range(len(record.inputs))
    if len(record.vjps) != count:
        return range(count)
    name = type(node).__name__
    return [
        i
        for i, (formula, _) in enumerate(record.vjps)
        if formula is not None and (name != record.number_nodes.get(i) or name == record.node_name)
    ]


WITHOUT_GRADIENT = {"indices", "exponent", "info", "pivots"}  # names of outputs that are integers


def outputs_seen(node) -> int:
    """How many of a node's outputs its user sees: without the integers, which come last."""
    record = getattr(node, "op", None)
    count = node.n_outputs
    while count > 1 and record is not None and len(record.outputs) == node.n_outputs:
        if record.outputs[count - 1] not in WITHOUT_GRADIENT:
            break
        count -= 1
    return count


class SavedTensor:
    """A saved value that needs more than a bare reference: a version to compare, or what a pack hook returned."""

    __module__ = "torch._C._autograd"  # as PyTorch shows it

    is_output = False
    number = 0
    counter = None
    unpack_hook = packed = edge = dtype = None
    owner: Any = None  # weak reference to the node that saves it

    def __init__(self, tensor=None, is_output: bool = False, number: int = 0, hooks=None) -> None:
        if tensor is None:
            raise RuntimeError("Trying to create a SavedTensor object from Python is forbidden")
        self.is_output = is_output
        self.number = number
        self.counter = tensor._counter
        self.version = 0 if self.counter is None else self.counter.version
        self.requires_grad = tensor._requires_grad
        # an output's node is not kept alive by the node itself
        self.tensor = wrap(memory(tensor)) if is_output else tensor
        if hooks is not None:
            self.pack(tensor, *hooks)

    @property
    def data(self):
        """What is kept: the tensor, or what the pack hook returned."""
        return self.tensor if self.unpack_hook is None else self.packed

    def register_hooks(self, pack_hook, unpack_hook) -> None:
        """Packs the value now with `pack_hook`, and unpacks it with `unpack_hook` each time it is needed."""
        if self.tensor is None and self.unpack_hook is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        node = None if self.owner is None else self.owner()
        if node is None or node.saved.__class__ is Freed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the "
                "graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need "
                "to backward through the graph a second time or if you need to access saved variables after calling "
                "backward."
            )
        if self.unpack_hook is not None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of "
                "hooks is allowed at a time."
            )
        tensor = relink(self.tensor._array, (node, self.number)) if self.is_output else self.tensor
        self.pack(tensor, pack_hook, unpack_hook)
        node.own_meta()  # so that backward looks whether unpacking has registered other hooks

    def pack(self, tensor, pack_hook, unpack_hook) -> None:
        counter = version_counter(tensor)
        version = counter.version
        with _grad_mode(False):
            packed = pack_hook(tensor)
        if counter.version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook "
                "cannot be modified by in-place operations as this can lead to unexpected side-effects. Please open "
                "an issue if you need to perform in-place operations on the input to a pack hook."
            )
        self.unpack_hook = unpack_hook
        if packed is tensor and self.is_output:
            return  # kept as an array: the tensor holds the node, which holds this
        if not self.is_output:
            self.edge = gradient_edge(tensor)
        self.packed, self.dtype = packed, tensor._array.dtype
        self.tensor = None

    def value(self, node, edge=(None, 0)) -> Tensor:
        """The saved tensor with its place in the graph: `edge`, or an output of `node`."""
        place = (node, self.number) if self.is_output else edge
        if self.unpack_hook is None:
            tensor = self.tensor
            counter = self.counter if self.is_output else tensor._counter
            if counter is None and self.is_output and node.meta is not None and node.meta.output_counters:
                counter = node.meta.output_counters.get(self.number)
            if counter is not None and counter.version != self.version:
                raise graph_errors.modified_in_place(node, tensor, counter, self.version, self.is_output)
            if not self.is_output:
                return tensor
            output = relink(tensor._array, place)
            output._counter = counter
            if tensor._extra is not None:  # the tangent and the batch that the output had
                extra = own_extra(output)
                extra.tangent, extra.batch = tensor._extra.tangent, tensor._extra.batch
                extra.special = tensor._extra.special
            return output
        packed = self.packed if self.tensor is None else relink(self.tensor._array, place)
        unpacked = call_user(self.unpack_hook, packed)
        if not isinstance(unpacked, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(unpacked).__name__}"
            )
        if unpacked._array.dtype is not self.dtype and self.dtype is not None:
            unpacked = wrap(unpacked._array.astype(self.dtype))  # gradients have the dtypes of what they belong to
        if self.edge is not None:
            place = self.edge
        linked = relink(unpacked._array, place if self.requires_grad else (None, 0))
        linked._counter = VersionCounter()  # writes to it are nobody else's
        return linked


class Passed(Node):
    """Leads a gradient to a leaf from a tensor that stands for it but has other values: an unpacked one."""

    __slots__ = ()
    saves_tensors = False
    is_end = True

    def backward(self, gradient, needs):
        return (gradient,)

    backward_tensors = backward


def relink(array, edge) -> Tensor:
    """A tensor of `array` at the place in the graph that `edge` names."""
    source, number = edge
    if source is None:
        return wrap(array)
    if isinstance(source, Tensor):
        leaf, source, number = source, object.__new__(Passed), 0
        source.edges, source.saved, source.meta = (leaf,), (), None
        source.sequence = next_sequence()
        source.code, source.lasti = user_position(2)
    tensor = wrap(array)
    tensor._node = source
    tensor._requires_grad = True
    if number:
        own_extra(tensor).output_number = number
    return tensor


def saved_input_array(entry, node):
    """The array of a saved input: a Tensor that was at version 0, or a SavedTensor."""
    if entry.__class__ is SavedTensor:
        tensor = entry.tensor
        counter = None if tensor is None else tensor._counter
        version = 0 if counter is None else counter.version
        if entry.unpack_hook is None and not entry.is_output and version == entry.version:
            return tensor._array
        return entry.value(node)._array
    counter = entry._counter
    if counter is not None and counter.version:
        raise graph_errors.modified_in_place(node, entry, counter, 0, False)
    return entry._array


def saved_input(tensor):
    """What a node saves of an input: the tensor itself at version 0, else the tensor and its version."""
    counter = tensor._counter
    if counter is None or not counter.version:
        return tensor
    entry = new(SavedTensor)
    entry.tensor = tensor
    entry.version = counter.version
    entry.requires_grad = tensor._requires_grad
    return entry


def check_output_version(array, node, number: int) -> None:
    meta = node.meta
    if meta is not None and meta.output_counters is not None:
        counter = meta.output_counters.get(number)
        if counter is not None and counter.version:
            raise graph_errors.modified_in_place(node, wrap(array), counter, 0, True)


class _grad_mode:
    """Grad mode for the length of a block, without the public context managers' bookkeeping."""

    __slots__ = ("enabled", "previous")

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        self.previous = local.grad_enabled
        if self.previous != self.enabled:
            _set_grad_enabled(self.enabled)

    def __exit__(self, *exc) -> None:
        if self.previous != self.enabled:
            _set_grad_enabled(self.previous)


def run_backward(roots, gradients, *, retain_graph, create_graph, inputs=None, accumulate=True):
    """Carries `gradients` (Tensors) of `roots` (edges: (node or leaf, output number)) back through the graph.

    Without `inputs`, every reachable leaf's `.grad` accumulates. With `inputs` (edges), only what leads to them is
    computed, and their gradients accumulate (`accumulate`) or are returned: a list of Tensors, None where unreached.
    """
    if not is_quiet():
        silence()
    outer = local.task
    if outer is not None and outer.depth >= NESTED_ON_ONE_STACK:
        return on_fresh_stack(
            run_backward, roots, gradients, retain_graph=retain_graph, create_graph=create_graph, inputs=inputs,
            accumulate=accumulate,
        )  # fmt: skip
    position, saved_hooks, previous = local.position, local.saved_hooks, local.grad_enabled
    here = user_position(2)
    task = local.task_class(roots, gradients, retain_graph, create_graph, inputs, accumulate, here)
    if outer is not None:
        task.depth = outer.depth + 1
    if previous != create_graph:
        _set_grad_enabled(create_graph)
    local.position, local.task = here, task
    try:
        task.run()
    finally:
        local.position, local.task = position, outer
        if local.saved_hooks is not saved_hooks or previous != create_graph:
            local.saved_hooks = saved_hooks  # an unpack hook may have left one open
            _set_grad_enabled(previous)
    return task.captured_tensors() if inputs is not None and not accumulate else None


renumbered: list = []  # not empty: a user has set sequence numbers, which then no longer order the graph by themselves


def ready_order(nodes) -> list:
    """Nodes with every node after those that lead to it, and among those that are ready the highest sequence number
    first."""
    waiting = dict.fromkeys(nodes, 0)
    for node in nodes:
        for edge in node.edges:
            if edge in waiting:
                waiting[edge] += 1
    ready = [(-node.sequence, id(node), node) for node, count in waiting.items() if not count]
    heapify(ready)
    order = []
    while ready:
        *_, node = heappop(ready)
        order.append(node)
        for edge in node.edges:
            if edge in waiting:
                waiting[edge] -= 1
                if not waiting[edge]:
                    heappush(ready, (-edge.sequence, id(edge), edge))
    return order


NESTED_ON_ONE_STACK = 20  # backward calls inside backward calls, before Python's limit on recursion comes near


def on_fresh_stack(function, *arguments, **settings):
    """Calls a function on a thread of its own, with this thread's switches, and waits for it."""
    outcome = []
    switches = {**local.__dict__, "task": None, "position": user_position(2)}

    def run() -> None:
        local.__dict__.update(switches)
        try:
            outcome.append((function(*arguments, **settings), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="chainrule-backward")
    thread.start()
    thread.join()
    ((result, error),) = outcome
    if error is not None:
        raise error
    return result


class _Task:
    """One backward call."""

    depth = 0  # how many backward calls it runs inside of, on this thread's stack
    current = None  # the node or leaf whose hooks or code of the user's are being run

    def __init__(self, roots, gradients, retain_graph, create_graph, inputs, accumulate, position) -> None:
        self.create_graph = create_graph
        self.on_tensors = create_graph or local.levels > 0
        self.freed = None if retain_graph else Freed(*position)
        self.accumulate = accumulate
        self.inputs = inputs
        self.wanted: Any = None if inputs is None else set(inputs)
        self.partly_needed: set = set()  # nodes of which not all gradients are wanted
        self.captured: dict = {}
        self.roots = roots
        self.given: dict = {}  # {id: (array, the caller's tensor that it comes from)}, for hooks to see that very tensor
        self.buffers: dict = {}
        self.pending: dict = {}  # {leaf: edges into it that have not delivered yet}
        self.callbacks: list = []
        self.order = self._visit([node for node, _ in roots])
        if self.freed is not None and self.order:
            self.freed.newest = self.order[0].sequence
        self.needed = None if inputs is None else self._needed()
        # the nodes whose outputs' gradients are asked for
        self.captured_nodes = () if inputs is None or accumulate else {node for node, _ in inputs}
        for (node, number), gradient in zip(roots, gradients, strict=True):
            if gradient is not None:
                if not self.on_tensors:
                    given, gradient = gradient, gradient._array
                    if isinstance(node, Tensor):
                        gradient = backend.copy(gradient)  # the caller's own
                    self.given[id(gradient)] = gradient, given
                self._add(node, number, gradient)

    def _visit(self, roots) -> list:
        """Every reachable node, outputs before inputs; counts the edges into each leaf on the way."""
        nodes: dict = {}  # its keys, in the order they are found: mostly sorted already
        pending = self.pending
        stack = []
        for node in roots:
            if isinstance(node, Tensor):
                pending.setdefault(node, 0)
            elif node not in nodes:
                nodes[node] = None
                stack.append(node)
        pop, push = stack.pop, stack.append
        while stack:
            for edge in pop().edges:
                if edge is None or edge in nodes:
                    continue
                if edge.__class__ in TENSOR_TYPES:
                    pending[edge] = pending.get(edge, 0) + 1
                else:
                    nodes[edge] = None
                    push(edge)
        self.nodes = nodes
        return ready_order(nodes) if renumbered else sorted(nodes, key=by_sequence, reverse=True)

    def _needed(self) -> dict:
        """{node: for each edge, True if a wanted input lies behind it, else None}, for the nodes that have such an edge."""
        needed: dict = {}
        asked = {node for node, _ in self.wanted}
        for node in reversed(self.order):
            flags: list = []
            useful = partial = False
            for edge in node.edges:
                if edge is None:
                    flags.append(None)
                elif edge in needed or edge in asked:
                    flags.append(True)
                    useful = True
                else:
                    flags.append(None)
                    partial = True
            if useful or (self.accumulate and node in asked):  # asked: run for its hooks, which keep the gradient
                needed[node] = flags
                if partial:
                    self.partly_needed.add(node)
        return needed

    def will_run(self, edge) -> bool:
        """Whether a gradient for this edge (or its absence) will come by."""
        node = edge[0]
        if len(self.roots) == 1 and node is self.roots[0][0]:
            return False  # PyTorch does not count it
        if isinstance(node, Tensor):
            runs = node in self.pending and (self.wanted is None or (node, 0) in self.wanted)
            if runs and self.wanted is not None and not self.accumulate:
                raise RuntimeError(
                    "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(). "
                    "This is currently not supported."
                )
            return runs
        if self.needed is None:
            return node in self.nodes
        return node in self.nodes and (node in self.needed or node in self.captured_nodes)

    def _add(self, node, number: int, gradient) -> None:
        """Adds a gradient for output `number` of `node` (or for a leaf) to what has arrived there."""
        key = (node, number) if number else node
        have = self.buffers.get(key)
        self.buffers[key] = gradient if have is None else have + gradient

    def run(self) -> None:
        buffers, pending = self.buffers, self.pending
        for leaf in [leaf for leaf, edges in pending.items() if not edges]:  # a root that is itself a leaf
            self._deliver(leaf)
        on_tensors, freed, needed = self.on_tensors, self.freed, self.needed
        careful = local.anomaly is not None or bool(self.captured_nodes)
        partly_needed = self.partly_needed
        take = buffers.pop
        # One gradient at a time is not in `buffers` but here: in a chain it is always the next node's.
        held_node = held = None
        for node in self.order:
            if node is held_node:
                gradient, held_node, held = held, None, None
            else:
                gradient = take(node, None)
            if node.meta is not None or gradient is None or not node.is_plain or (careful and self._needs_care(node)):
                if held_node is not None:
                    buffers[held_node], held_node, held = held, None, None
                # handed over whole, so that a leaf can tell whether anyone else holds it
                arrived, gradient, result, results = [gradient], None, None, None
                self._run_careful(node, arrived)
                continue
            edges = node.edges
            if needed is None:
                needs = edges
            else:
                needs = needed.get(node)
                if needs is None:
                    continue
                if node in partly_needed:
                    node.check_saved()
            if on_tensors:
                results = node.backward_tensors(gradient, needs)
            else:
                results = node.backward(gradient, needs)
            if freed is not None and node.saves_tensors:
                node.saved = freed
            i = 0  # counted by hand: on graphs of small operations, zip and enumerate are seen in the profile
            for edge in edges:
                if edge is not None:
                    result = results[i]
                    if edge in pending:
                        if result is not None:
                            # passed through: others may hold the same array
                            self._add(
                                edge, 0, backend.copy(result) if result is gradient and not on_tensors else result
                            )
                        left = pending[edge] - 1
                        pending[edge] = left
                        if not left:
                            self._deliver(edge)
                    elif result is not None and needs[i] is not None:
                        if edge is held_node:
                            held = held + result
                        elif buffers and edge in buffers:
                            buffers[edge] = buffers[edge] + result
                        elif held_node is None:
                            held_node, held = edge, result
                        else:
                            buffers[edge] = result
                i += 1  # noqa: SIM113
        for callback in self.callbacks:
            callback()

    def _needs_care(self, node) -> bool:
        return local.anomaly is not None or node in self.captured_nodes

    # ---- everything off the straight path: hooks, captures, several outputs, user code, backward on Tensors

    def _run_careful(self, node, arrived: list) -> None:
        self.current = node
        gradient = arrived.pop()
        if node.n_outputs != 1:
            gradient = [gradient] + [self.buffers.pop((node, i), None) for i in range(1, node.n_outputs)]
            if all(g is None for g in gradient):
                gradient = None
        meta, edges, needs = node.meta, node.edges, node.edges
        captured = node in self.captured_nodes
        if self.needed is not None:
            needs = self.needed.get(node)
            if needs is None and not captured and (gradient is None or len(self.roots) > 1):
                return  # the hooks of a root run though nothing lies behind it, if it is the only one
        if captured and needs is not None:  # PyTorch hands out what arrives before the hooks of a node that runs
            self._capture_outputs(node, gradient)
        if meta is not None and (meta.tensor_hooks is not None or meta.retained is not None):
            gradient = self._run_tensor_hooks(node, gradient)
        if needs is None:
            if captured:
                self._capture_outputs(node, gradient)
            return
        if meta is not None and meta.prehooks:
            gradients, count = self._tensors(node, gradient), outputs_seen(node)
            gradients[:count] = call_node_prehooks(meta.prehooks, gradients[:count])
            gradient = self._from_tensors(node, gradients)
        if node in self.partly_needed:
            node.check_saved()
        anomaly = local.anomaly
        if anomaly is not None:
            results = anomaly.watch(node, self._results, gradient, needs)
        else:
            results = self._results(node, gradient, needs)
        meta = node.meta  # a hook that unpacks saved tensors may have registered others
        others_hold = node.on_tensors_only  # user code may have kept what it was given or has returned
        if meta is not None and meta.hooks:
            results = self._run_posthooks(node, results, gradient, needs)
            others_hold = True
        if self.freed is not None and node.saves_tensors:
            node.saved = self.freed
        numbers = None if meta is None else meta.numbers
        pending = self.pending
        may_be_shared = not self.on_tensors
        passed_on: Any = None if gradient is None or results is None else [r is gradient for r in results]
        gradient, results = None, None if results is None else list(results)
        for i, edge in enumerate(edges):
            if edge is None:
                continue
            if results is not None and needs[i] is not None and results[i] is not None:
                result, results[i] = results[i], None
                # A leaf keeps what it gets, so that must be nobody else's: two references are this name and the call's
                # own.
                if edge in pending and may_be_shared and (others_hold or passed_on[i]) and getrefcount(result) > 2:
                    result = backend.copy(result)
                self._add(edge, numbers[i] if numbers else 0, result)
            if edge in pending:
                left = pending[edge] - 1
                pending[edge] = left
                if not left:
                    self._deliver(edge)

    def call_hook(self, hook, *arguments):
        """Calls a hook of the user's."""
        return call_user(hook, *arguments)

    def _results(self, node, gradient, needs):
        """The gradients a node computes for its edges, fitted to its inputs."""
        if gradient is None and not node.on_tensors_only:
            node.check_saved()
            return None
        results = (node.backward_tensors if self.on_tensors else node.backward)(gradient, needs)
        if node.meta is not None and node.meta.targets is not None and results is not None:
            results = self._fit(results, needs, node.meta.targets)
        return results

    def _tensor(self, gradient):
        if gradient is None or self.on_tensors:
            return gradient
        if id(gradient) in self.given:
            return self.given[id(gradient)][1]
        tensor = wrap(gradient)
        if local.inference:
            own_extra(tensor).inference = True
        return tensor

    def _tensors(self, node, gradient) -> list:
        """The gradients of a node's outputs as a list of Tensors."""
        if node.n_outputs == 1:
            return [self._tensor(gradient)]
        return [None] * node.n_outputs if gradient is None else [self._tensor(g) for g in gradient]

    def _from_tensors(self, node, gradients):
        """The same list as nodes take it."""
        if not self.on_tensors:
            gradients = [None if g is None else g._array for g in gradients]
        if node.n_outputs == 1:
            return gradients[0]
        return None if all(g is None for g in gradients) else gradients

    def _fit(self, results, needs, targets):
        """Sums broadcast dimensions away and casts to the inputs' dtypes."""
        fit = fit_tensor if self.on_tensors else fit_array
        return [
            fit(result, *target) if result is not None and needs[i] is not None and target is not None else result
            for i, (result, target) in enumerate(zip(results, targets, strict=True))
        ]

    def _run_tensor_hooks(self, node, gradient):
        """Runs the hooks of the tensors that are the node's outputs, and keeps gradients that are retained."""
        gradients = self._tensors(node, gradient)
        meta = node.meta
        for number, hooks in list((meta.tensor_hooks or {}).items()):
            gradients[number] = call_tensor_hooks(hooks, gradients[number])
        for number, reference in (meta.retained or {}).items():
            tensor = reference()
            if tensor is not None and gradients[number] is not None:
                keep_gradient(tensor, gradients[number])
        return self._from_tensors(node, gradients)

    def _run_posthooks(self, node, results, gradient, needs):
        """Runs the node's hooks, which may replace the gradients of its inputs."""
        inputs: list = [None] * len(node.edges)
        if results is not None:
            inputs = [None if need is None else self._tensor(r) for r, need in zip(results, needs, strict=True)]
        positions = input_positions(node)
        seen = tuple([inputs[i] for i in positions])
        seen = call_node_hooks(node.meta.hooks, seen, tuple(self._tensors(node, gradient)[: outputs_seen(node)]))
        for i, gradient in zip(positions, seen, strict=True):
            inputs[i] = gradient
        return inputs if self.on_tensors else [None if r is None else r._array for r in inputs]

    def _capture_outputs(self, node, gradient) -> None:
        for number, one in enumerate(self._tensors(node, gradient)):
            self.captured[node, number] = one

    def captured_tensors(self) -> list:
        """The gradients asked for, None where none arrived."""
        return [self.captured.get(edge) for edge in self.inputs]

    def _deliver(self, leaf) -> None:
        """Hands a leaf the whole of its gradient."""
        gradient = self.buffers.pop(leaf, None)
        extra = leaf._extra
        if extra is not None:
            self.current = leaf
        if self.wanted is not None and (leaf, 0) not in self.wanted:
            if extra is not None and extra.hooks and len(self.roots) == 1 and leaf is self.roots[0][0]:
                call_tensor_hooks(extra.hooks, self._tensor(gradient))
            return
        if extra is not None and extra.hooks:
            gradient = self._deliver_through(call_tensor_hooks, extra.hooks, gradient)
        if self.wanted is not None and not self.accumulate:
            self.captured[leaf, 0] = self._tensor(gradient)
            return
        accumulator = None if extra is None or extra.accumulator is None else extra.accumulator()
        node_meta = None if accumulator is None else accumulator.meta
        if node_meta is not None and node_meta.prehooks:
            gradient = self._deliver_through(_single_prehooks, node_meta.prehooks, gradient)
        if leaf._node is not None:
            raise graph_errors.leaf_moved()
        if gradient is not None and leaf._requires_grad:  # which may have been switched off since
            if extra is not None and isinstance(extra.grad_dtype, dtype):
                fit = fit_tensor if self.on_tensors else fit_array
                gradient = fit(gradient, gradient.shape, extra.grad_dtype.numpy_dtype)
            with accumulate_lock:
                if self.on_tensors:
                    accumulate_tensor(leaf, gradient, self.create_graph)
                else:
                    accumulate_array(leaf, gradient)
        if extra is not None and extra.post_accumulate_hooks:
            for hook in list(extra.post_accumulate_hooks.values()):
                graph_errors.check_post_accumulate(leaf, self.call_hook(hook, leaf))
        if node_meta is not None and node_meta.hooks:
            call_node_hooks(node_meta.hooks, (), (self._tensor(gradient),))

    def _deliver_through(self, call, hooks, gradient):
        """A leaf's gradient after its hooks; a copy, since hooks may have kept what they were given."""
        gradient = call(hooks, self._tensor(gradient))
        return gradient if gradient is None or self.on_tensors else backend.copy(gradient._array)


type(local).task_class = _Task


def fit_array(gradient, shape, dtype):
    """An array gradient summed and cast to the shape and dtype of the input it belongs to."""
    if gradient.shape != shape:
        gradient = backend.sum_to(gradient, shape)
    if gradient.dtype is not dtype:
        gradient = gradient.real.astype(dtype) if dtype.kind != "c" else gradient.astype(dtype)
    return gradient


def fit_tensor(gradient, shape, dtype):
    """The same on a Tensor, recorded."""
    from .composite import sum_to_size
    from .dtypes import from_numpy_dtype

    if gradient.shape != shape:
        gradient = sum_to_size(gradient, shape)
    if gradient._array.dtype is not dtype:
        if dtype.kind != "c" and gradient.is_complex():
            gradient = gradient.real
        gradient = gradient.to(from_numpy_dtype(dtype))
    return gradient


def accumulate_array(leaf, gradient) -> None:
    """Adds an array to leaf.grad, in the memory of a gradient that is there already."""
    have = leaf._grad
    if have is None:
        if gradient.base is None:
            leaf._grad = wrap(gradient)
        else:  # a view, perhaps of another's memory, or broadcast; or a sparse gradient, which says so too
            gradient = gradient.copy()
            leaf._grad = wrap(gradient) if type(gradient) is ndarray else gradient.tensor()
        if local.inference:
            own_extra(leaf._grad).inference = True
    elif have._extra is not None and have._extra.special:
        leaf._grad = have + wrap(gradient)
    else:
        if have._extra is not None and have._extra.inference and not local.inference:
            raise graph_errors.inference_update()
        array = have._array
        try:
            if type(array) is ndarray:
                array += gradient
            else:
                have._array = array + gradient
        except ValueError:
            raise graph_errors.wrong_gradient_shape(array.shape, gradient.shape) from None
        version_counter(have).version += 1  # somebody may have saved it


def accumulate_tensor(leaf, gradient, create_graph: bool) -> None:
    """Sets or adds a Tensor gradient; with `create_graph` out of place, so that the sum is recorded."""
    have = leaf._grad
    if have is None:
        if create_graph:
            leaf._grad = _copied(gradient)
        else:
            leaf._grad = gradient.detach().clone()
    elif create_graph:
        leaf._grad = have + gradient
    else:
        have.add_(gradient)


def _copied(gradient):
    """A copy that is recorded as PyTorch records it: as written into fresh memory."""
    from .ops.creation import empty_like

    return empty_like(gradient).copy_(gradient)


def keep_gradient(tensor, gradient) -> None:
    """retain_grad(): a non-leaf's gradient accumulates as a leaf's does."""
    with accumulate_lock:
        if tensor._grad is None:
            tensor._grad = gradient.clone()
        else:
            tensor._grad = tensor._grad + gradient


def call_tensor_hooks(hooks, gradient):
    """Each hook in order of registration; what one returns replaces the gradient for the next."""
    for hook in list(hooks.values()):
        result = local.task.call_hook(hook, gradient)
        if result is not None:
            graph_errors.check_hook_result(hook, gradient, result)
            gradient = result
    return gradient


def call_node_prehooks(hooks, gradients) -> list:
    """Hooks that run before a node, on the gradients of its outputs."""
    for hook in list(hooks.values()):
        result = local.task.call_hook(hook, tuple(gradients))
        if result is not None:
            graph_errors.check_hook_results(hook, gradients, result)
            gradients = result
    return list(gradients)


def _single_prehooks(hooks, gradient):
    return call_node_prehooks(hooks, [gradient])[0]


def call_node_hooks(hooks, inputs, outputs):
    """Hooks that run after a node, on the gradients of its inputs and outputs."""
    for hook in list(hooks.values()):
        result = local.task.call_hook(hook, inputs, outputs)
        if result is not None:
            graph_errors.check_hook_results(hook, inputs, result)
            inputs = result
    return inputs
