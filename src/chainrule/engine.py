"""The graph that operations record, and the pass that carries gradients back through it.

A `Node` stands for one recorded operation. Its edges lead to what made its inputs: another node, or, for a leaf, the leaf
tensor itself (`AccumulateGrad` objects are made only when somebody asks for them). Sequence numbers grow from inputs to
outputs, so visiting reachable nodes in descending order is a topological order, and it is PyTorch's.
"""

from __future__ import annotations

import threading
from itertools import count
from operator import attrgetter
from sys import _getframe

from . import graph_errors
from .backend import numpy as backend
from .modes import _set_grad_enabled, is_quiet, local, silence
from .tensor import Tensor, own_extra, wrap

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
    """(code, instruction offset) of the innermost frame outside this package: the user's line.

    What a backward records belongs to the line that called it, which is looked up once (`local.position`)."""
    position = local.position
    if position is not None:
        return position
    frame = _getframe(depth)
    code = frame.f_code
    while code.co_filename not in USER_FILES and is_own(code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
        code = frame.f_code
    return code, frame.f_lasti


class Freed:
    """Stands in a node's `saved` once a backward has used it, and says where that backward was called."""

    __slots__ = ("code", "lasti")

    def __init__(self, code, lasti) -> None:
        self.code = code
        self.lasti = lasti


class NodeMeta:
    """What only some nodes need."""

    __slots__ = (
        "accumulators",
        "dict",
        "hooks",
        "numbers",
        "output_counters",
        "prehooks",
        "retained",
        "targets",
        "tensor_hooks",
    )

    def __init__(self) -> None:
        self.numbers = None  # tuple: the output number that each edge leads to; None: all 0
        self.targets = None  # tuple of (shape, NumPy dtype) to reduce and cast gradients to; None: they fit
        self.output_counters = None  # {output number: version counter of an output that was viewed or written}
        self.tensor_hooks = None  # {output number: {id: hook of that tensor}}
        self.retained = None  # {output number: weak reference to the tensor that keeps its gradient}
        self.prehooks = None  # {id: hook(grad_outputs)}
        self.hooks = None  # {id: hook(grad_inputs, grad_outputs)}
        self.dict = None  # Node.metadata
        self.accumulators = None  # AccumulateGrad objects seen through this node, which keeps their hooks in force


class Node:
    """A recorded operation: what `tensor.grad_fn` is. Subclasses are made per operation (op.py) or by users (Function)."""

    __slots__ = ("__weakref__", "code", "edges", "lasti", "meta", "saved", "sequence")

    n_outputs = 1
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

    def own_meta(self) -> NodeMeta:
        if self.meta is None:
            self.meta = NodeMeta()
        return self.meta

    def name(self) -> str:
        """The operation's name with PyTorch's suffix, e.g. ``MulBackward0``."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


class SavedTensor:
    """A saved value that needs more than a bare reference: a version to compare, or what a pack hook returned."""

    __slots__ = (
        "__weakref__",
        "counter",
        "edge",
        "is_output",
        "number",
        "owner",
        "packed",
        "requires_grad",
        "tensor",
        "unpack_hook",
        "version",
    )

    def __init__(self, tensor, is_output: bool = False, number: int = 0, hooks=None) -> None:
        self.is_output = is_output
        self.number = number
        self.counter = tensor._counter
        self.version = 0 if self.counter is None else self.counter.version
        self.unpack_hook = self.packed = self.edge = self.owner = None
        self.requires_grad = tensor._requires_grad
        # an output's node is not kept alive by the node itself
        self.tensor = wrap(tensor._array) if is_output else tensor
        if hooks is not None:
            self.pack(tensor, *hooks)

    @property
    def data(self):
        """What is kept: the tensor, or what the pack hook returned."""
        return self.tensor if self.unpack_hook is None else self.packed

    def register_hooks(self, pack_hook, unpack_hook) -> None:
        """Packs the value now with `pack_hook`, and unpacks it with `unpack_hook` each time it is needed."""
        node = None if self.owner is None else self.owner()
        if node is None or node.saved.__class__ is Freed:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the graph "
                "are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
                "through the graph a second time or if you need to access saved variables after calling backward."
            )
        if self.unpack_hook is not None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks "
                "is allowed at a time."
            )
        if self.tensor is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        tensor = relink(self.tensor._array, (node, self.number)) if self.is_output else self.tensor
        self.pack(tensor, pack_hook, unpack_hook)

    def pack(self, tensor, pack_hook, unpack_hook) -> None:
        counter = version_counter(tensor)
        version = counter.version
        with _grad_mode(False):
            packed = pack_hook(tensor)
        if counter.version != version:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not "
                "be modified by in-place operations as this can lead to unexpected side-effects. Please open an issue if "
                "you need to perform in-place operations on the input to a pack hook."
            )
        self.unpack_hook = unpack_hook
        if packed is tensor and self.is_output:
            return  # kept as an array: the tensor holds the node, which holds this
        if not self.is_output:
            self.edge = gradient_edge(tensor)
        self.packed = packed
        self.tensor = None

    def value(self, node, edge=(None, 0)) -> Tensor:
        """The saved tensor with its place in the graph: `edge`, or an output of `node`."""
        place = (node, self.number) if self.is_output else edge
        if self.unpack_hook is None:
            tensor = self.tensor
            counter = self.counter if self.counter is not None else tensor._counter
            if counter is None and self.is_output and node.meta is not None and node.meta.output_counters:
                counter = node.meta.output_counters.get(self.number)
            if counter is not None and counter.version != self.version:
                raise graph_errors.modified_in_place(node, tensor, counter, self.version, self.is_output)
            if not self.is_output:
                return tensor
            output = relink(tensor._array, place)
            if tensor._extra is not None:  # the tangent and the batch that the output had
                extra = own_extra(output)
                extra.tangent, extra.batch = tensor._extra.tangent, tensor._extra.batch
                extra.special = tensor._extra.special
            return output
        packed = self.packed if self.tensor is None else relink(self.tensor._array, place)
        unpacked = self.unpack_hook(packed)
        if not isinstance(unpacked, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(unpacked).__name__}"
            )
        if self.requires_grad and self.edge is not None:
            place = self.edge
        return relink(unpacked._array, place if self.requires_grad else (None, 0))


class Passed(Node):
    """Leads a gradient to a leaf from a tensor that stands for it but has other values: an unpacked one."""

    __slots__ = ()
    saves_tensors = False

    def backward(self, gradient, needs):
        return (gradient,)

    backward_tensors = backward


def relink(array, edge) -> Tensor:
    """A tensor of `array` at the place in the graph that `edge` names."""
    source, number = edge
    if source is None:
        return wrap(array)
    if isinstance(source, Tensor):
        if source._array is array:
            return source
        leaf, source, number = source, object.__new__(Passed), 0
        source.edges, source.saved, source.meta = (leaf,), (), None
        source.sequence = next_sequence()
        source.code, source.lasti = user_position(2)
    tensor = wrap(array)
    tensor._grad_fn = source
    tensor._requires_grad = True
    if number:
        own_extra(tensor).output_number = number
    return tensor


def saved_input_array(entry, node):
    """The array of a saved input: a Tensor that was at version 0, or a SavedTensor."""
    if entry.__class__ is SavedTensor:
        return entry.value(node)._array
    counter = entry._counter
    if counter is not None and counter.version:
        raise graph_errors.modified_in_place(node, entry, counter, 0, False)
    return entry._array


def saved_output_array(entry, node, number: int = 0):
    """The array of a saved output: the array itself if it was at version 0, or a SavedTensor."""
    if entry.__class__ is SavedTensor:
        return entry.value(node)._array
    check_output_version(entry, node, number)
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
    position = local.position
    here = user_position(2)
    task = _Task(roots, gradients, retain_graph, create_graph, inputs, accumulate, here)
    previous = local.grad_enabled
    if previous != create_graph:
        _set_grad_enabled(create_graph)
    local.position = here
    try:
        task.run()
    finally:
        local.position = position
        if previous != create_graph:
            _set_grad_enabled(previous)
    return task.captured_tensors() if inputs is not None and not accumulate else None


class _Task:
    """One backward call."""

    def __init__(self, roots, gradients, retain_graph, create_graph, inputs, accumulate, position) -> None:
        self.create_graph = create_graph
        self.on_tensors = create_graph or local.levels > 0
        self.freed = None if retain_graph else Freed(*position)
        self.accumulate = accumulate
        self.inputs = inputs
        self.wanted = None if inputs is None else set(inputs)
        self.captured: dict = {}
        self.buffers: dict = {}
        self.pending: dict = {}  # {leaf: edges into it that have not delivered yet}
        self.callbacks: list = []
        self.order = self._visit([node for node, _ in roots])
        self.needed = None if inputs is None else self._needed()
        for (node, number), gradient in zip(roots, gradients, strict=True):
            if gradient is not None:
                if not self.on_tensors:
                    gradient = gradient._array
                    if isinstance(node, Tensor):
                        gradient = backend.copy(gradient)  # the caller's own
                self._add(node, number, gradient)

    def _visit(self, roots) -> list:
        """Every reachable node, outputs before inputs; counts the edges into each leaf on the way."""
        nodes: set = set()
        pending = self.pending
        stack = []
        for node in roots:
            if isinstance(node, Tensor):
                pending.setdefault(node, 0)
            elif node not in nodes:
                nodes.add(node)
                stack.append(node)
        while stack:
            for edge in stack.pop().edges:
                if edge is None or edge in nodes:
                    continue
                if edge in pending:
                    pending[edge] += 1
                elif isinstance(edge, Tensor):
                    pending[edge] = 1
                else:
                    nodes.add(edge)
                    stack.append(edge)
        return sorted(nodes, key=by_sequence, reverse=True)

    def _needed(self) -> dict:
        """{node: for each edge, True if a wanted input lies behind it, else None}, for the nodes that have such an edge."""
        wanted, needed = self.wanted, {}
        for node in reversed(self.order):
            meta = node.meta
            numbers = None if meta is None else meta.numbers
            flags = tuple(
                True
                if edge is not None and (edge in needed or (edge, numbers[i] if numbers else 0) in wanted)
                else None
                for i, edge in enumerate(node.edges)
            )
            if True in flags:
                needed[node] = flags
        return needed

    def _add(self, node, number: int, gradient) -> None:
        """Adds a gradient for output `number` of `node` (or for a leaf) to what has arrived there."""
        key = (node, number) if number else node
        have = self.buffers.get(key)
        self.buffers[key] = gradient if have is None else have + gradient

    def run(self) -> None:
        buffers, pending = self.buffers, self.pending
        for leaf in [leaf for leaf, edges in pending.items() if not edges]:  # a root that is itself a leaf
            self._deliver(leaf)
        careful, on_tensors, freed, needed = local.anomaly is not None, self.on_tensors, self.freed, self.needed
        captured = () if self.wanted is None else {node for node, _ in self.wanted}
        for node in self.order:
            gradient = buffers.pop(node, None)
            if (
                node.meta is not None
                or gradient is None
                or careful
                or not node.is_plain
                or (captured and node in captured)
            ):
                self._run_careful(node, gradient)
                continue
            edges = node.edges
            if needed is None:
                needs = edges
            else:
                needs = needed.get(node)
                if needs is None:
                    continue
            if on_tensors:
                results = node.backward_tensors(gradient, needs)
            else:
                results = node.backward(gradient, needs)
            if freed is not None and node.saves_tensors:
                node.saved = freed
            i = 0
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
                        have = buffers.get(edge)
                        buffers[edge] = result if have is None else have + result
                i += 1
        for callback in self.callbacks:
            callback()

    # ---- everything off the straight path: hooks, captures, several outputs, user code, backward on Tensors

    def _run_careful(self, node, gradient) -> None:
        if node.n_outputs != 1:
            gradient = [gradient] + [self.buffers.pop((node, i), None) for i in range(1, node.n_outputs)]
            if all(g is None for g in gradient):
                gradient = None
        meta, edges, needs = node.meta, node.edges, node.edges
        if meta is not None:
            gradient = self._before(node, gradient)
        elif self.wanted is not None:
            self._capture_outputs(node, gradient)
        if self.needed is not None:
            needs = self.needed.get(node)
            if needs is None:
                return
        if gradient is None and not node.on_tensors_only:
            results = None
        elif self.on_tensors:
            results = node.backward_tensors(gradient, needs)
        elif node.on_tensors_only:
            results = self._run_user_node(node, gradient, needs)
        else:
            results = node.backward(gradient, needs)
        if meta is not None:
            if results is not None and meta.targets is not None:
                results = self._fit(results, needs, meta.targets)
            if meta.hooks:
                results = self._after(node, results, gradient)
        if local.anomaly is not None:
            local.anomaly.check(node, results)
        if self.freed is not None and node.saves_tensors:
            node.saved = self.freed
        numbers = None if meta is None else meta.numbers
        pending = self.pending
        for i, edge in enumerate(edges):
            if edge is None:
                continue
            if results is not None and needs[i] is not None and results[i] is not None:
                result = results[i]
                if result is gradient and edge in pending and not self.on_tensors:
                    result = backend.copy(result)  # passed through: others may hold the same array
                self._add(edge, numbers[i] if numbers else 0, result)
            if edge in pending:
                left = pending[edge] - 1
                pending[edge] = left
                if not left:
                    self._deliver(edge)

    def _tensor(self, gradient):
        return gradient if gradient is None or self.on_tensors else wrap(gradient)

    def _run_user_node(self, node, gradient, needs):
        """A custom Function's backward: Tensors in and out."""
        if node.n_outputs == 1:
            gradient = self._tensor(gradient)
        elif gradient is not None:
            gradient = [self._tensor(g) for g in gradient]
        results = node.backward_tensors(gradient, needs)
        return None if results is None else [None if r is None else r._array for r in results]

    def _fit(self, results, needs, targets):
        """Sums broadcast dimensions away and casts to the inputs' dtypes."""
        fit = fit_tensor if self.on_tensors else fit_array
        return [
            fit(result, *target) if result is not None and needs[i] is not None and target is not None else result
            for i, (result, target) in enumerate(zip(results, targets, strict=True))
        ]

    def _before(self, node, gradient):
        """Runs hooks on the node's outputs (tensor hooks, then prehooks), keeps and captures gradients."""
        meta = node.meta
        if meta.tensor_hooks is None and meta.prehooks is None and meta.retained is None:
            self._capture_outputs(node, gradient)
            return gradient
        single = node.n_outputs == 1
        grads = [gradient] if single else list(gradient) if gradient is not None else [None] * node.n_outputs
        grads = [self._tensor(g) for g in grads]
        if meta.tensor_hooks is not None:
            for number, hooks in list(meta.tensor_hooks.items()):
                grads[number] = call_tensor_hooks(hooks, grads[number])
        if meta.prehooks:
            grads = call_node_prehooks(meta.prehooks, grads)
        if meta.retained is not None:
            for number, reference in meta.retained.items():
                tensor = reference()
                if tensor is not None and grads[number] is not None:
                    keep_gradient(tensor, grads[number], self.create_graph)
        if not self.on_tensors:
            grads = [None if g is None else g._array for g in grads]
        gradient = grads[0] if single else (None if all(g is None for g in grads) else grads)
        self._capture_outputs(node, gradient)
        return gradient

    def _after(self, node, results, gradient):
        """Runs the node's posthooks, which may replace the gradients of its inputs."""
        inputs = [None] * len(node.edges) if results is None else [self._tensor(r) for r in results]
        outputs = [gradient] if node.n_outputs == 1 else gradient or [None] * node.n_outputs
        outputs = tuple(self._tensor(g) for g in outputs)
        inputs = call_node_hooks(node.meta.hooks, tuple(inputs), outputs)
        return inputs if self.on_tensors else [None if r is None else r._array for r in inputs]

    def _capture_outputs(self, node, gradient) -> None:
        if self.wanted is not None:
            for number in range(node.n_outputs):
                if (node, number) in self.wanted:
                    one = gradient if node.n_outputs == 1 or gradient is None else gradient[number]
                    self._capture((node, number), one)

    def _capture(self, edge, gradient) -> None:
        self.captured[edge] = gradient

    def captured_tensors(self) -> list:
        return [self._tensor(self.captured.get(edge)) for edge in self.inputs]

    def _deliver(self, leaf) -> None:
        """Hands a leaf the whole of its gradient."""
        gradient = self.buffers.pop(leaf, None)
        extra = leaf._extra
        if extra is not None and (extra.hooks or extra.accumulator is not None):
            gradient = self._deliver_hooks(leaf, extra, gradient)
        if self.wanted is not None:
            if (leaf, 0) not in self.wanted:
                return
            if not self.accumulate:
                self._capture((leaf, 0), gradient)
                return
        if gradient is None:
            return
        with accumulate_lock:
            if self.on_tensors:
                accumulate_tensor(leaf, gradient, self.create_graph)
            else:
                accumulate_array(leaf, gradient)
        if extra is not None and extra.post_accumulate_hooks:
            for hook in list(extra.post_accumulate_hooks.values()):
                hook(leaf)

    def _deliver_hooks(self, leaf, extra, gradient):
        gradient = self._tensor(gradient)
        if extra.hooks:
            gradient = call_tensor_hooks(extra.hooks, gradient)
        accumulator = extra.accumulator and extra.accumulator()
        if accumulator is not None:
            gradient = accumulator.call_prehooks(gradient)
        return gradient if gradient is None or self.on_tensors else gradient._array


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
        if type(gradient) is ndarray and gradient.base is not None:
            gradient = gradient.copy()  # a view, perhaps of another's memory, or broadcast
        leaf._grad = wrap(gradient)
    elif have._requires_grad or (have._extra is not None and have._extra.special):
        leaf._grad = have + wrap(gradient)
    else:
        array = have._array
        if type(array) is ndarray:
            array += gradient
        else:
            have._array = array + gradient
        if have._counter is not None:
            have._counter.version += 1


def accumulate_tensor(leaf, gradient, create_graph: bool) -> None:
    """Sets or adds a Tensor gradient; with `create_graph` out of place, so that the sum is recorded."""
    have = leaf._grad
    if have is None:
        if create_graph:
            leaf._grad = gradient.clone() if gradient._grad_fn is None else gradient
        else:
            leaf._grad = gradient.detach().clone()
    elif create_graph:
        leaf._grad = have + gradient
    else:
        have.add_(gradient)


def keep_gradient(tensor, gradient, create_graph: bool) -> None:
    """retain_grad(): a non-leaf's gradient accumulates as a leaf's does."""
    with accumulate_lock:
        if tensor._grad is None:
            tensor._grad = gradient if create_graph else gradient.clone()
        else:
            tensor._grad = tensor._grad + gradient


def call_tensor_hooks(hooks, gradient):
    """Each hook in order of registration; what one returns replaces the gradient for the next."""
    for hook in list(hooks.values()):
        result = hook(gradient)
        if result is not None:
            graph_errors.check_hook_result(hook, gradient, result)
            gradient = result
    return gradient


def call_node_prehooks(hooks, gradients):
    for hook in list(hooks.values()):
        result = hook(tuple(gradients))
        if result is not None:
            gradients = graph_errors.check_hook_results(hook, gradients, result)
    return list(gradients)


def call_node_hooks(hooks, inputs, outputs):
    for hook in list(hooks.values()):
        result = hook(inputs, outputs)
        if result is not None:
            inputs = tuple(graph_errors.check_hook_results(hook, inputs, result))
    return inputs
