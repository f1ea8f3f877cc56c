"""Random programs about gradients, run by chainrule and PyTorch in lockstep.

A program is a list of Python statements. Each is written for the state that the statements before it have led to, so that
most of them succeed and some do not. Both packages run it, and after it everything they can tell about every live tensor
is compared, and so is every error. A program on which they differ is shortened to the statements that the difference needs.

Known differences that the programs stay away from:

- Whether a gradient that `grad` returns is a view, and its version, follow from how PyTorch's formulas compute it. The programs
  take copies. Where the `.grad` of a tensor appears, it is brought to the same version.
- A gradient argument is passed as a copy: PyTorch's `.grad` can be that very memory, which the next backward then writes to.
- An in-place write to an inference tensor outside inference mode raises in both, but PyTorch has written by then. The program
  ends there.
- Results of operations on transposed tensors have NumPy's strides. A program ends where a result is contiguous in one package only.
- The nodes inside a derivative that was recorded are those of chainrule's formulas: graphs are not looked at once one was.
- Of a statement that is wrong in two ways the packages may report another one, if one of them is that the write is forbidden
  or that an inference tensor would have to be saved.
  Of several saved values that were overwritten, too, either may be named.
- What PyTorch reports as a bug of its own ("INTERNAL ASSERT FAILED") ends the program.
- Empty, complex and integer tensors take part in fewer operations: the rest is about which error an operation raises for them.
- Hooks are not registered on views: PyTorch crashes where the grad_fn of one can no longer be had.
- A saved value that was written to before it was saved: which node made it is left out of the error. PyTorch names, for a
  view, the node that its grad_fn would be now.
- What happens when an operand overlaps the written memory and PyTorch does not notice is undefined.
- `x.conj()` is a copy here. Strides are not compared.
- Of forward mode: tangents that do not depend on the primal require grad in PyTorch, `cdist` has none there, `prod`, `softmax` and `logsumexp` cannot be
  differentiated again; of torch.func: `.data` of a tensor inside is no constant there.
- A node none of whose edges leads anywhere (of views made in inference mode, say) saves in PyTorch what it has no use for.
- `.data` of what is no leaf is not written to: what PyTorch then computes depends on which values a formula of its keeps.
- A graph in which nothing had to be saved can run backward twice in chainrule. PyTorch saves the number in ``x * 2``. So
  where a program multiplies by numbers, it always retains the graph.

To run other programs than the tests do: ``python -m tests.parity.test_programs FIRST_SEED LAST_SEED``.
"""

from __future__ import annotations

import random
import re
import sys
import threading
import warnings
import weakref
from collections import Counter
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad
import torch.func
import torch.utils.checkpoint

import chainrule

SEEDS = 20
STEPS = 1100  # of each seed, in programs of 5 to 60 statements
MOST_LIVE = 9


# ---- running a program


def functions(package) -> dict:
    """{name: custom Function} of one package."""

    class Function(package.autograd.Function):
        """Two inputs at most, of which gradients may be missing."""

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (x * x + x * x + x * x)

    class Root(Function):
        @staticmethod
        def forward(ctx, x):
            out = (x * x + 1).sqrt()
            ctx.save_for_backward(x, out)
            return out

        @staticmethod
        @package.autograd.function.once_differentiable
        def backward(ctx, g):
            x, out = ctx.saved_tensors
            return g * x / out

    class Doubled(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.add_(x.detach().clone())
            return x

        @staticmethod
        def backward(ctx, g):
            return g + g

    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return -g

    class Flat(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.shape = x.shape
            return x.view(-1)

        @staticmethod
        def backward(ctx, g):
            return g.view(ctx.shape)

    class Signs(Function):
        @staticmethod
        def forward(ctx, x):
            above = x > 0
            ctx.mark_non_differentiable(above)
            return x.abs(), above

        @staticmethod
        def backward(ctx, g, h):
            return g

    class Pair(Function):
        @staticmethod
        def forward(x, y):
            return x * y, x + y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            if g is None:
                return h, h if ctx.needs_input_grad[1] else None
            more = 0 if h is None else h
            return g * y + more, g * x + more if ctx.needs_input_grad[1] else None

    class Again(Function):
        """Its backward runs another backward."""

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            with package.enable_grad():
                z = g.detach().clone().requires_grad_()
                (z * z).sum().backward()
            return z.grad * 0.5

    class Nothing(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return None

    made = [Cube, Root, Doubled, Same, Flat, Signs, Pair, Again, Nothing]
    return {function.__name__.lower(): function.apply for function in made}


VIEW_WRITTEN = re.compile(r"(, which is output \d+ of \w+)?,?(?= is at version [2-9])")


class Machine:
    """One package, and what a program has made in it so far."""

    def __init__(self, package) -> None:
        self.package = package
        self.seen: dict = {}  # {id: weak reference} of gradients that have been seen
        self.log: list = []  # what hooks have seen
        self.names = {
            "torch": package,
            "grad": self.grad,
            "backward": package.autograd.backward,
            "hook": self.hook,
            "after": self.after,
            "graph": self.graph,
            "node_hook": self.node_hook,
            "together": self.together,
            "saved_hooks": self.saved_hooks,
            "dual": self.dual,
            "transformed": self.transformed,
            "checkpoint": package.utils.checkpoint.checkpoint,
            "in_a_thread": self.in_a_thread,
            **functions(package),
        }
        self.kind = package.Tensor

    def grad(self, *arguments, **settings):
        """Copies of what autograd.grad returns."""
        results = self.package.autograd.grad(*arguments, **settings)
        return [None if result is None else result.clone() for result in results]

    def hook(self, label: str, returns: str):
        """A tensor hook that notes the gradient it sees and returns None, another gradient, or an error."""

        def run(gradient):
            self.log.append((label, self.facts(gradient)))
            if returns == "halved":
                return gradient * 0.5
            if returns == "detached":
                return gradient.detach().clone()
            if returns == "squared":
                return gradient * gradient
            if returns == "again":
                z = gradient.detach().clone().requires_grad_()
                with self.package.enable_grad():
                    (z * z).sum().backward()
                return z.grad
            if returns == "error":
                raise ArithmeticError(label)
            return None

        return run

    def after(self, label: str, does: str):
        """A post-accumulate hook."""

        def run(leaf):
            self.log.append((label, self.facts(leaf.grad)))
            if does == "none":
                leaf.grad = None
            if does == "error":
                raise ArithmeticError(label)

        return run

    def node_hook(self, label: str):
        """A hook of a node, before it or after it, that notes the gradients it sees."""

        def run(*gradients):
            self.log.append((label, [[self.facts(gradient) for gradient in some] for some in gradients]))

        return run

    def together(self, label: str):
        """A hook on several tensors that notes their gradients."""

        def run(gradients):
            several = isinstance(gradients, (list, tuple))
            self.log.append((label, [self.facts(g) for g in gradients] if several else self.facts(gradients)))

        return run

    def saved_hooks(self):
        """A block in which copies are kept of what is saved."""
        return self.package.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t)

    def dual(self, function, x, tangent, reverse: bool = False) -> None:
        """Notes the value and the tangent of a function of a dual number, and with `reverse` the tangent's gradient."""
        forward = self.package.autograd.forward_ad
        with forward.dual_level():
            value, moved = forward.unpack_dual(function(forward.make_dual(x, tangent)))
            self.log.append([self.facts(value), moved is None or self.facts(moved.detach())])
            if reverse and x.requires_grad and moved is not None:
                # a tangent that does not depend on x requires grad in PyTorch all the same
                total = moved.sum() + 0 * x.sum()
                self.log.append([self.facts(part) for part in self.grad(total, [x], allow_unused=True)])

    def transformed(self, how: str, function, x):
        """A copy of what torch.func makes of a function at x."""
        func = self.package.func

        def total(d):
            return function(d).sum()

        if how == "vjp":
            out, pull = func.vjp(function, x)
            results = [*pull(self.package.ones_like(out)), out]
        elif how == "jvp":
            results = func.jvp(function, (x,), (self.package.ones_like(x),))[::-1]
        elif how in ("jacrev", "jacfwd", "vmap"):
            results = [getattr(func, how)(function)(x)]
        elif how == "vmap of grad":
            results = [func.vmap(func.grad(total))(x)]
        elif how == "grad of grad":
            results = [func.grad(lambda d: func.grad(total)(d).sum())(x)]
        else:  # grad, hessian
            results = [getattr(func, how)(total)(x)]
        if how in (
            "jvp",
            "jacfwd",
            "hessian",
        ):  # a tangent that does not depend on x requires grad in PyTorch all the same
            results = [result.detach() for result in results]
        self.log.append([self.facts(result) for result in results])
        return results[0].clone()

    def in_a_thread(self, statement: str) -> None:
        """Runs a statement in a thread of its own; raises what it raised."""
        errors = []

        def run() -> None:
            try:
                exec(compiled(statement), self.names)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]

    def graph(self, tensor) -> None:
        """Notes the names of the nodes behind a tensor, breadth first."""
        level = [(tensor.grad_fn, tensor.output_nr)]
        for _ in range(6):
            self.log.append(
                [
                    None if node is None else (node.name().replace("ReshapeAlias", "View"), number)
                    for node, number in level
                ]
            )
            level = [edge for node, _ in level if node is not None for edge in node.next_functions][:20]

    def run(self, statement: str):
        """Runs a statement; returns what it raised, as (type, first line), or None."""
        try:
            exec(compiled(statement), self.names)
        except Exception as error:
            return type(error).__name__, VIEW_WRITTEN.sub("", str(error).partition("\n")[0])
        return None

    def tensors(self) -> dict:
        """{name: tensor} of the program's variables."""
        return {name: value for name, value in self.names.items() if isinstance(value, self.kind)}

    def facts(self, value):
        """What there is to know of a tensor without asking for its place in the graph, which can change it."""
        if not isinstance(value, self.kind):
            return repr(type(value))
        return {
            "value": np.zeros(value.shape) if is_unallocated(value) else np.asarray(value.tolist()),
            "dtype": str(value.dtype),
            "shape": tuple(value.shape),
            "requires_grad": value.requires_grad,
            "inference": value.is_inference(),
        }

    def state(self, graph: bool) -> dict:
        """{name: facts} of everything alive; with `graph`, also each tensor's place in the graph."""
        tensors = self.tensors()
        found = {}
        names = {id(tensor): name for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            facts = found[name] = self.facts(tensor)
            facts["version"] = version(tensor)
            facts["retains_grad"] = tensor.retains_grad
            facts["output_nr"] = tensor.output_nr
            base = tensor._base
            facts["base"] = None if base is None else names.get(id(base), "gone")
            gradient = tensor.grad
            facts["grad"] = None
            if gradient is not None:
                facts["grad"] = self.facts(gradient) | {"version": version(gradient)}
            if graph:
                facts["is_leaf"] = attempt(lambda t: t.is_leaf, tensor)
                facts["grad_fn"] = attempt(node_name, tensor)
                if gradient is not None:
                    facts["grad.grad_fn"] = attempt(node_name, gradient)
        return found

    def new_gradients(self) -> dict:
        """{name: gradient} of the tensors whose `.grad` has not been seen before."""
        found = {}
        for name, tensor in self.tensors().items():
            gradient = tensor.grad
            if gradient is not None and self.seen.get(id(gradient), type(None))() is not gradient:
                self.seen[id(gradient)] = weakref.ref(gradient)
                found[name] = gradient
        return found


def align_versions(ours: dict, theirs: dict) -> None:
    """Brings gradients that have just appeared to the same version."""
    for name in ours.keys() & theirs.keys():
        pair = (chainrule, ours[name]), (torch, theirs[name])
        if not any(gradient.is_inference() for _, gradient in pair):
            highest = max(gradient._version for _, gradient in pair)
            for package, gradient in pair:
                while gradient._version < highest:
                    package.autograd.graph.increment_version(gradient)


def layouts(machine) -> dict:
    return {name: tensor.is_contiguous() for name, tensor in machine.tensors().items()}


def version(tensor):
    return None if tensor.is_inference() else tensor._version


def node_name(tensor):
    # which of the two it is depends on the layout
    return None if tensor.grad_fn is None else tensor.grad_fn.name().replace("ReshapeAlias", "View")


def is_unallocated(tensor) -> bool:
    """Whether a tensor of PyTorch is zeros without memory."""
    return isinstance(tensor, torch.Tensor) and tensor._is_zerotensor()


def attempt(function, tensor):
    """The function's value, or the error it raises."""
    try:
        return function(tensor)
    except RuntimeError as error:
        return str(error).partition("\n")[0]


@lru_cache(4096)
def compiled(statement: str):
    return compile(statement, "<program>", "exec")


def difference(ours, theirs, path: str = "") -> str | None:
    """Where two states differ, or None. Numbers may differ by rounding."""
    if isinstance(ours, np.ndarray) and isinstance(theirs, np.ndarray):
        if ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=2e-5, atol=2e-5, equal_nan=True):
            return None
    elif type(ours) is type(theirs) and isinstance(ours, dict) and ours.keys() == theirs.keys():
        for key in ours:
            found = difference(ours[key], theirs[key], f"{path}.{key}" if path else str(key))
            if found is not None:
                return found
        return None
    elif type(ours) is type(theirs) and isinstance(ours, (list, tuple)) and len(ours) == len(theirs):
        for i, pair in enumerate(zip(ours, theirs)):
            found = difference(*pair, f"{path}[{i}]")
            if found is not None:
                return found
        return None
    elif ours == theirs:
        return None
    return f"{path}:\n  chainrule {ours}\n  PyTorch   {theirs}"


FORBIDDEN = ("in-place operation", "modified inplace", "written-to tensor")  # PyTorch's words for a write it forbids


ITS_OWN = (
    "INTERNAL ASSERT FAILED",
    "ZeroTensors are immutable",
)  # of the gradients that forward mode leaves unallocated
UNSAVABLE = ("Inference tensors cannot be saved for backward",)
SPOILED = ("modified by an inplace operation", "detached in-place")  # and for a saved value that was overwritten
LAYOUT = ("view size is not compatible", "Tensor must have a stride")  # and for views that the strides do not allow


def is_one(error, kinds) -> bool:
    return any(words in error[1] for words in kinds)


class Pair:
    """chainrule and PyTorch, running the same program."""

    def __init__(self, graph: bool) -> None:
        self.over = False  # whether the state no longer says anything
        self.graph = graph  # whether to look at places in the graph after every statement
        self.machines = Machine(chainrule), Machine(torch)

    def step(self, statement: str, last: bool = False) -> str | None:
        """Runs a statement in both; returns the difference it leads to, if any."""
        errors = [machine.run(statement) for machine in self.machines]
        align_versions(*[machine.new_gradients() for machine in self.machines])
        ours, theirs = errors
        self.over = ours is not None and ours == theirs and "Inplace update to inference tensor" in theirs[1]
        if self.over:
            return None
        if (
            ours
            and theirs
            and (
                is_one(ours, FORBIDDEN) != is_one(theirs, FORBIDDEN)
                or is_one(ours, UNSAVABLE) != is_one(theirs, UNSAVABLE)
                or (is_one(ours, SPOILED) and is_one(theirs, SPOILED))
            )
        ):
            errors = [theirs, theirs]
        self.over = any(is_one(error, LAYOUT) for error in errors if error) and ours != theirs
        if self.over:
            return None
        states = [
            {"error": error, "hooks": machine.log, "": machine.state(self.graph or last)}
            for machine, error in zip(self.machines, errors)
        ]
        found = difference(*states)
        for machine in self.machines:
            machine.log.clear()
        if found is not None and any(words in found for words in ITS_OWN):
            self.over = True
            return None
        if found is None:
            self.over = layouts(self.machines[0]) != layouts(self.machines[1])
        return found


def first_difference(program, graph: bool):
    """(number of statements run, difference) of the first difference; (all, None) if there is none."""
    pair = Pair(graph)
    for i, statement in enumerate(program):
        found = pair.step(statement, last=i == len(program) - 1)
        if found is not None:
            return i + 1, found
        if pair.over:
            break
    return len(program), None


def shortened(program, graph: bool) -> list[str]:
    """The program without every statement that it can lose and still end in a difference."""
    kind = kind_of(first_difference(program, graph)[1])
    size = len(program) // 2
    while size:
        start = len(program)
        while start > 0:
            start = max(0, start - size)
            shorter = program[:start] + program[start + size :]
            count, found = first_difference(shorter, graph)
            if found is not None and kind_of(found) == kind:
                program = shorter[:count]
                start = min(start, len(program))
        size //= 2
    return program


def kind_of(found: str | None) -> str:
    """What a difference is about, whichever tensor it is in."""
    return "" if found is None else found.partition(":")[0].rpartition(".")[2]


# ---- writing a program


def wherever(rng: random.Random, weights: dict):
    return rng.choices(list(weights), list(weights.values()))[0]


class Writer:
    """Writes statements that suit the present state of a machine."""

    def __init__(self, rng: random.Random, machine: Machine) -> None:
        self.rng = rng
        self.machine = machine
        self.count = 0
        self.labels = 0
        self.handles: list[str] = []
        self.leaves: set[str] = set()  # asking a tensor whether it is one can change its place in the graph
        self.numbers = rng.random() < 0.4  # whether it multiplies by numbers: then it always retains graphs
        self.modes = rng.random() < 0.6
        self.errors = rng.random() < 0.3
        self.mode = ""
        self.recorded_backward = False

    # ---- what statements are made of

    def new(self) -> str:
        if self.rng.random() < 0.12 and self.tensors:
            name = self.rng.choice(list(self.tensors))
            self.leaves.discard(name)
            return name
        self.count += 1
        return f"t{self.count}"

    def memory_of(self, name: str) -> str:
        """An expression that looks at a tensor's memory: `.data`, by which writes go unnoticed, of leaves only."""
        return f"{name}.data" if name in self.leaves else f"{name}.detach()"

    def label(self) -> str:
        self.labels += 1
        return f"h{self.labels}"

    def number(self) -> str:
        return str(self.rng.choice([0.5, -0.5, 0.25, 1.5, -1.0, 0.75]))

    def values(self, shape, dtype: str) -> str:
        rng = self.rng
        if not shape:
            if dtype == "int64":
                return str(rng.randint(-3, 3))
            real = round(rng.uniform(-1.5, 1.5), 1)
            return f"{real}{round(rng.uniform(-1, 1), 1):+}j" if dtype == "complex128" else str(real)
        return "[" + ", ".join(self.values(shape[1:], dtype) for _ in range(shape[0])) + "]"

    def literal(self, shape, dtype: str = "float64", requires_grad: bool = False) -> str:
        flag = ", requires_grad=True" if requires_grad else ""
        if 0 in shape:
            return f"torch.zeros({tuple(shape)}, dtype=torch.{dtype}{flag})"
        return f"torch.tensor({self.values(tuple(shape), dtype)}, dtype=torch.{dtype}{flag})"

    def any(self, suits=lambda t: True) -> str | None:
        found = [name for name, tensor in self.tensors.items() if suits(tensor)]
        return self.rng.choice(found) if found else None

    def tensor(self) -> str:
        """A live tensor, more often a floating one that requires grad."""
        if self.rng.random() < 0.7:
            found = self.any(lambda t: t.requires_grad)
            if found is not None:
                return found
        return self.rng.choice(list(self.tensors))

    def apart(self, name: str):
        """Whether another tensor lies elsewhere in memory."""
        address = self.tensors[name].untyped_storage().data_ptr()
        return lambda other: other.untyped_storage().data_ptr() != address

    def operand(self, name: str, into: bool = False) -> str:
        """Something to combine with a tensor: mostly what broadcasts with it (`into`: to its very shape)."""
        apart = self.apart(name)
        shape = tuple(self.tensors[name].shape)

        def fits(other) -> bool:
            try:
                whole = torch.broadcast_shapes(shape, other.shape)
            except RuntimeError:
                return False
            return tuple(whole) == shape and apart(other) if into else other.numel() < 40

        if self.rng.random() < 0.04:
            found = self.any(lambda t: apart(t) or not into)
        else:
            found = self.any(lambda t: fits(t) and t.requires_grad) if self.rng.random() < 0.5 else self.any(fits)
        return found or self.literal(shape)

    def view(self, name: str) -> str:
        """An expression for a view of a tensor."""
        rng, shape = self.rng, tuple(self.tensors[name].shape)
        n = len(shape)
        choices = [f"{name}.detach()", f"{name}.view(-1)", f"{name}.unsqueeze(0)", f"{name}.view({list(shape)})",
                   f"{name}.expand(2, {'-1, ' * n})" if n < 3 else f"{name}.flatten()", self.memory_of(name),
                   f"{name}.reshape(-1)", f"{name}.view_as({name})", f"{name}.ravel()", f"{name}.squeeze()", f"{name}.unsqueeze(-1)",
                   f"{name}.as_strided([1], [1], {name}.storage_offset())", f"{name}.expand_as({name})"]  # fmt: skip
        weights = [1, 2, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.3]
        if n:
            i = rng.randrange(max(1, shape[0]))
            choices += [f"{name}[{i}]", f"{name}[{i}:]", f"{name}.select(0, {i})", f"{name}.narrow(0, {i}, 1)",
                        f"{name}[...]", f"{name}[::2]", f"{name}.squeeze(0)", f"{name}.unfold(0, 1, 1)", f"{name}[None]",
                        f"{name}[-1:]", f"{name}.unflatten(0, (1, -1))", f"{name}.movedim(0, -1)", f"{name}.tensor_split(2)[0]",
                        f"{name}.chunk(2)[-1]"]  # fmt: skip
            weights += [3, 4, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3]
        if n > 1:
            choices += [f"{name}.t()", f"{name}.transpose(0, 1)", f"{name}[:, {rng.randrange(max(1, shape[1]))}]",
                        f"{name}.diagonal()", f"{name}.permute({list(range(n))[::-1]})", f"{name}[:, 1:]", f"{name}.mT", f"{name}.swapaxes(0, -1)",
                        f"{name}.flatten(0, 1)"]  # fmt: skip
            weights += [1, 2, 3, 1, 1, 3, 0.5, 0.5, 0.5]
        if self.tensors[name].is_complex():
            choices += [f"torch.view_as_real({name})", f"{name}[0:]", f"{name}.real", f"{name}.imag"]
            weights += [4, 2, 2, 2]
        if n and shape[-1] == 2:
            choices.append(f"torch.view_as_complex({name})")
            weights.append(0.5)
        return rng.choices(choices, weights)[0]

    def index(self, name: str) -> str:
        shape = tuple(self.tensors[name].shape)
        if not shape:
            return "..."
        if 0 in self.tensors[name].stride():
            return "..."
        i = self.rng.randrange(max(1, shape[0]))
        choices = [
            f"{i}",
            f"{i}:",
            f":{i + 1}",
            "...",
            f"[{i}]",
            f"{name} > 0",
            "::2",
            "None",
            "-1",
            f"torch.tensor({i})",
        ]
        if len(shape) > 1:
            choices += [
                f":, {self.rng.randrange(max(1, shape[1]))}",
                f"{i}, 1:",
                f"..., {i}",
                f"[{i}], 0",
                ":, [0]",
                "..., None",
            ]
        return self.rng.choice(choices)

    # ---- statements

    def leaf(self) -> str:
        rng = self.rng
        shape = rng.choice([(), (3,), (2,), (2, 3), (3, 2), (2, 1), (1,), (2, 2), (2, 2, 2), (0,)])
        dtype = rng.choices(["float64", "float32", "complex128", "int64"], [12, 1.5, 1, 1])[0]
        if 0 in shape and dtype == "complex128":  # PyTorch refuses their view_as_complex
            dtype = "float64"
        name = self.new()
        self.leaves.add(name)
        return f"{name} = {self.literal(shape, dtype, dtype != 'int64' and rng.random() < 0.7)}"

    def operation(self) -> str:
        x = self.tensor()
        return f"{self.new()} = {self.expression(x)}"

    def expression(self, x: str) -> str:
        """An operation on a tensor, and perhaps another one."""
        rng = self.rng
        y = self.operand(x)
        unary = ["sin()", "tanh()", "sigmoid()", "exp()", "abs()", "clone()", "neg()", "relu()", "cos()",
                 "sum()", "mean()", "contiguous()", "clamp(-1, 1)", "sum(0)", "double()", "pow(2)", "sum(-1, keepdim=True)",
                 "square()", "softmax(-1)", "amax()", "prod()", "cumsum(0)", "float()", "to(torch.float64)", "logsumexp(0)",
                 "repeat(2, 1)", "flip(0)", "roll(1, 0)", "norm()", "var(0)", "to(torch.complex128)", "sort()[0]", "max(0)[0]"]  # fmt: skip
        binary = [f"{x} * {y}", f"{x} + {y}", f"{x} - {y}", f"torch.where({x} > 0, {x}, {y})",
                  f"torch.stack([{x}, {y}])", f"torch.cat([{x}, {y}])", f"{x} + 1", f"torch.maximum({x}, {y})",
                  f"{x} / ({y} * {y} + 1.0)", f"torch.add({x}, {y}, alpha=0.5)", f"torch.outer({x}, {y})", f"({x} + {y}).sin()",
                  f"torch.addcmul({x}, {y}, {x})", f"torch.lerp({x}, {y}, 0.25)", f"1 - {x}", f"torch.einsum('i...,i...->...', {x}, {x})",
                  f"{x}[{self.index(x)}]", f"{x}.masked_fill({y} > 0, 0.5)"]  # fmt: skip
        if self.go_together(x, y):
            more_unary, more_binary = self.more_operations(x, y)
            unary, binary = unary + more_unary, binary + more_binary
        expression = f"{x}.{rng.choice(unary)}" if rng.random() < 0.45 else rng.choice(binary)
        if (self.tensors[x].is_inference() and "inference" not in self.mode) or "enable_grad" in self.mode:
            # of other operations PyTorch's inner workings show
            expression = f"{x} * {y}"
            if self.is_ordinary(x):
                expression = rng.choice(
                    [
                        expression,
                        f"{x} + {y}",
                        f"{x}.clone()",
                        f"{x}.sin()",
                        f"{x} + 1",
                        f"torch.where({x} > 0, {x}, {y})",
                    ]
                )
        complexes = [self.tensors[name].is_complex() for name in (x, y) if name in self.tensors]
        if "where" in expression and any(complexes):  # PyTorch fails on the way back to a real one
            expression = f"{x} + {y}"
        if self.tensors[x].numel() == 0 and ("complex" in expression or "softmax" in expression):
            expression = f"{x} + {y}"
        if self.numbers and rng.random() < 0.2:
            expression = f"{x} * {self.number()}"
        return expression

    def is_ordinary(self, name: str) -> bool:
        """Whether most operations are defined for a tensor: then it matters what they do, not which error they raise."""
        tensor = self.tensors[name]
        return tensor.dtype in (torch.float64, torch.float32) and tensor.numel() > 0

    def go_together(self, x: str, y: str) -> bool:
        """The same of two operands."""
        if y not in self.tensors:
            return self.is_ordinary(x) and self.tensors[x].dtype == torch.float64
        return self.is_ordinary(x) and self.is_ordinary(y) and self.tensors[x].dtype == self.tensors[y].dtype

    def more_operations(self, x: str, y: str) -> tuple[list[str], list[str]]:
        """What is not asked of empty, complex and integer tensors."""
        unary = ["roll(1)", "cumprod(0)", "std(0)", "tril()", "log_softmax(-1)", "erf()", "sqrt()", "expm1()", "log1p()", "reciprocal()",
                 "rsqrt()", "atan()", "sinh()", "amin(0)", "aminmax()[0]", "topk(1)[0]", "min(0)[0]", "median()", "sign()", "floor()",
                 "clamp_min(0)", "logcumsumexp(0)", "nan_to_num()", "trace()", "diff()", "diag()", "index_select(0, torch.tensor([0]))",
                 "mean(-1)", "prod(0)", "std()", "asinh()", "frac()", "nansum()", "detach().clone()"]  # fmt: skip
        binary = [f"torch.minimum({x}, {y})", f"torch.atan2({x}, {y})", f"torch.logaddexp({x}, {y})", f"torch.hypot({x}, {y})",
                  f"{x}.masked_select({y} > 0)", f"torch.dot({x}, {y})", f"torch.nn.functional.mse_loss({x}, {y})",
                  f"torch.nn.functional.softplus({x})", f"torch.nn.functional.gelu({x})",
                  f"torch.addcdiv({x}, {y}, {y} * {y} + 1)", f"torch.lerp({x}, {y}, {y})", f"torch.mm({x}, {y})", f"torch.clamp({x}, min={y})",
                  f"{x}.index_add(0, torch.tensor([0]), {y})", f"torch.einsum('ij,kj->ik', {x}, {y})", f"torch.tensordot({x}, {y}, 1)",
                  f"torch.cdist({x}, {y})", f"torch.where({y} > 0, {x}, 0.5)"]  # fmt: skip
        return unary, binary

    def view_of(self) -> str:
        return f"{self.new()} = {self.view(self.tensor())}"

    def views_of(self) -> str:
        x = self.any(lambda t: t.dim() and t.shape[0] == 2) or self.tensor()
        how = self.rng.choice(["unbind(0)", "split(1)", "chunk(2)", "unbind(-1)", "split([1, 1])", "tensor_split(2)"])
        return f"{self.new()}, {self.new()} = {x}.{how}"

    def in_place(self) -> str:
        rng = self.rng
        x = self.tensor()
        if x in self.leaves and rng.random() < 0.6:
            x = self.tensor()
        y = self.operand(x, into=True)
        if rng.random() < 0.05 and x not in self.leaves:
            y = x
        choices = [f"add_({y})", f"mul_({y})", f"sub_({y}, alpha=0.5)", f"copy_({y})", "zero_()", "sin_()", "tanh_()",
                   "sigmoid_()", f"fill_({self.number()})", "add_(0.5)", "clamp_(-1, 1)", "neg_()", f"div_({y} * {y} + 1)", "exp_()", "relu_()",
                   f"masked_fill_({x} > 0, 0.25)", "abs_()", f"addcmul_({y}, {y})", f"lerp_({y}, 0.5)", "square_()"]  # fmt: skip
        weights = [3, 4, 1, 4, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0.5, 1, 0.7, 0.5, 0.5, 0.5, 0.7]
        if self.go_together(x, y):
            more = ["clamp_min_(0)", "sqrt_()", f"masked_scatter_({x} > 0, {self.literal(self.tensors[x].shape, str(self.tensors[x].dtype)[6:])})", "pow_(2)", "cumsum_(0)", f"atan2_({y})",
                    f"fill_({y}.sum())", "round_()", "cos_()"]  # fmt: skip
            if self.tensors[x].dim() and x != y:
                more += [f"index_add_(0, torch.tensor([0]), {y}[:1])", "index_fill_(0, torch.tensor([0]), 0.5)",
                         f"index_copy_(0, torch.tensor([0]), {y}[:1])"]  # fmt: skip
            choices += more
            weights += [0.4] * len(more)
        target = x if x == y or rng.random() < 0.6 else self.view(x)
        what = rng.choices(choices, weights)[0]
        if what == f"copy_({x})":
            what = f"mul_({x})"
        if self.numbers and rng.random() < 0.3:
            what = f"mul_({self.number()})"
        if what.startswith("index_") and "expand" in target:  # deprecated in PyTorch, for want of a meaning
            target = x
        return f"{target}.{what}"

    def in_place_shape(self) -> str:
        if self.mode:
            return self.view_of()
        how = self.rng.choice(["t_()", "unsqueeze_(0)", "squeeze_(0)", "transpose_(0, 1)", "squeeze_()"])
        return f"{self.tensor()}.{how}"

    def set_item(self) -> str:
        x = self.tensor()
        apart, to = self.apart(x), self.tensors[x]
        y = self.any(lambda t: t.dim() <= to.dim() and t.dtype == to.dtype and apart(t)) or self.number()
        return f"{x}[{self.index(x)}] = {y if self.rng.random() < 0.7 else self.number()}"

    def augmented(self) -> str:
        x = self.tensor()
        part = x if self.rng.random() < 0.5 else f"{x}[{self.index(x)}]"
        apart = self.apart(x)
        sign = self.rng.choice(["+=", "*=", "-="])
        other = (
            self.operand(x, into=True)
            if part == x
            else self.any(lambda t: not t.dim() and apart(t)) or self.literal(())
        )
        return f"{part} {sign} {other}"

    def flag(self) -> str:
        x = self.tensor()
        return self.rng.choice(
            [f"{x}.requires_grad_()", f"{x}.requires_grad_(False)", f"{x}.requires_grad = True",
             f"{x}.detach_()", f"{x}.retain_grad()", f"{x}.retain_grad()"]
        )  # fmt: skip

    def detach(self) -> str:
        how = self.rng.choice([".detach()", ".detach().clone()", ".detach().requires_grad_()", ".clone()"])
        return f"{self.new()} = {self.tensor()}{how}"

    def add_hook(self) -> str:
        rng = self.rng
        handle = f"handle{len(self.handles)}"
        x = self.any(lambda t: t.requires_grad and t._base is None)
        if x is None:
            return self.view_of()
        self.handles.append(handle)
        if rng.random() < 0.3:
            does = rng.choices(["nothing", "none", "error"], [3, 2, self.errors])[0]
            return f"{handle} = {x}.register_post_accumulate_grad_hook(after({self.label()!r}, {does!r}))"
        returns = rng.choices(
            ["nothing", "halved", "detached", "squared", "again", "error"], [3, 2, 1, 1, 0.5, self.errors]
        )[0]
        return f"{handle} = {x}.register_hook(hook({self.label()!r}, {returns!r}))"

    def remove_hook(self) -> str:
        return f"{self.rng.choice(self.handles)}.remove()" if self.handles else self.add_hook()

    def backward_arguments(self) -> list[str]:
        rng = self.rng
        found = []
        create = rng.random() < 0.2
        if create:
            self.recorded_backward = True
            found.append("create_graph=True")
        if self.numbers or rng.random() < 0.5:
            found.append("retain_graph=True")
        elif create and rng.random() < 0.1:
            found.append("retain_graph=False")
        return found

    def gradient_for(self, x: str) -> str:
        tensor = self.tensors[x]
        shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
        if self.rng.random() < 0.5:
            found = self.any(lambda t: t.shape == tensor.shape and t.dtype == tensor.dtype)
            if found is not None:
                return f"{found}.detach().clone()"
        return self.literal(shape, dtype)

    def run_backward(self) -> str:
        rng = self.rng
        x = self.any(lambda t: t.requires_grad) or self.tensor()
        arguments = self.backward_arguments()
        if rng.random() < 0.25:
            inputs = [self.tensor() for _ in range(rng.randint(1, 2))]
            arguments.append(f"inputs=[{', '.join(inputs)}]")
        if rng.random() < 0.15:
            y = self.any(lambda t: t.requires_grad) or x
            gradients = f"[{self.gradient_for(x)}, {self.gradient_for(y)}]"
            return f"backward([{x}, {y}], {', '.join([gradients, *arguments])})"
        if rng.random() < 0.4:
            return f"{x}.backward({', '.join([self.gradient_for(x), *arguments])})"
        reduced = x if self.tensors[x].dim() == 0 and rng.random() < 0.8 else f"{x}.sum()"
        return f"{reduced}.backward({', '.join(arguments)})"

    def run_grad(self) -> str:
        rng = self.rng
        x = self.any(lambda t: t.requires_grad) or self.tensor()
        inputs = [self.any(lambda t: t.requires_grad) or self.tensor() for _ in range(rng.randint(1, 2))]
        arguments = self.backward_arguments()
        flags = rng.choice([["allow_unused=True"]] * 4 + [[], ["materialize_grads=True"]])
        if rng.random() < 0.1 and "inference" not in self.mode:
            inputs = [f"torch.autograd.graph.get_gradient_edge({name})" for name in inputs]
        output = f"{x}.sum()" if rng.random() < 0.7 else f"{x}, {{}}, {self.gradient_for(x)}"
        targets = ", ".join(self.new() for _ in inputs)
        whole = f"[{', '.join(inputs)}]"
        call = output.format(whole) if "{}" in output else f"{output}, {whole}"
        comma = "," if len(inputs) == 1 else ""
        return f"{targets}{comma} = grad({', '.join([call, *arguments, *flags])})"

    def gradient(self) -> str:
        rng = self.rng
        x = self.any(lambda t: t.grad is not None)
        if x is None:
            return self.run_backward()
        y = self.any(lambda t: t.shape == self.tensors[x].shape) or "None"
        return rng.choice(
            [f"{x}.grad = None", f"{x}.grad.zero_()", f"{x}.grad = {y}", f"{self.new()} = {x}.grad", f"{self.new()} = {x}.grad",
             f"{x}.grad.detach_()", f"{self.new()} = {x}.grad * {x}", f"{x}.grad.mul_(0.5)", f"{self.memory_of(x)}.sub_({x}.grad)",
             f"{self.memory_of(x)}.add_(1)"]
        )  # fmt: skip

    def custom(self) -> str:
        x = self.any(lambda t: not t.is_inference()) or self.tensor()
        one = self.rng.choice(["cube", "root", "doubled", "same", "flat", "again", "nothing"])
        return self.rng.choice(
            [f"{self.new()} = {one}({x})", f"{self.new()} = {one}({x})", f"{self.new()} = {one}({self.view(x)})", f"doubled({x})",
             f"{self.new()}, {self.new()} = pair({x}, {self.operand(x)})", f"{self.new()} = signs({x})[0]"]
        )  # fmt: skip

    def add_node_hook(self) -> str:
        leaves = self.leaves
        x = self.any(
            lambda t: t.requires_grad and t._base is None and not any(t is self.tensors.get(name) for name in leaves)
        )
        y = self.any(lambda t: t.requires_grad and t._base is None)
        if x is None or "inference" in self.mode:
            return self.view_of()
        handle = f"handle{len(self.handles)}"
        self.handles.append(handle)
        hook = f"node_hook({self.label()!r})"
        both = f"register_multi_grad_hook([{x}, {y}], together({self.label()!r})"
        return self.rng.choice(
            [f"{handle} = {x}.grad_fn.register_hook({hook})", f"{handle} = {x}.grad_fn.register_prehook({hook})",
             f"{handle} = torch.autograd.graph.{both})", f"{handle} = torch.autograd.graph.{both}, mode='any')"]
        )  # fmt: skip

    def function_of(self, x: str) -> str:
        """A lambda of one parameter for which `x` is to be given: one to three operations, perhaps a write."""
        body = "cdist"
        while any(word in body for word in ("cdist", ".data", "prod", "softmax", "logsumexp")):  # see above
            body = self.expression(x) if self.rng.random() < 0.8 else self.view(x)
        body = re.sub(rf"\b{x}\b", "d", body)
        ends = ["{}", "({}).sin()", "({}) * 2", "({}).sum()", "({}).clone().mul_(2).exp()", "({}).clone().zero_()"]
        return f"lambda d: {self.rng.choices(ends, [5, 2, 1, 1, 1, 0.3])[0].format(body)}"

    def one_to_transform(self) -> str | None:
        """A tensor that forward mode and torch.func take."""

        def suits(t) -> bool:
            fits = t.dtype == torch.float64 and 0 < t.numel() < 10 and t.dim() > 0 and t.is_contiguous()
            return fits and t._base is None and not t.is_inference()

        return None if self.mode else self.any(suits)

    def forward_mode(self) -> str:
        x = self.one_to_transform()
        if x is None:
            return self.operation()
        tangent = self.literal(self.tensors[x].shape)
        reverse = ", reverse=True" if self.rng.random() < 0.3 else ""
        return f"dual({self.function_of(x)}, {x}, {tangent}{reverse})"

    def transform(self) -> str:
        x = self.one_to_transform()
        if x is None:
            return self.operation()
        self.recorded_backward = True  # its nodes are those of formulas
        if self.rng.random() < 0.3 and self.tensors[x].dim() > 1:
            inner = self.rng.choice(["d.sin()", "d * d", "d.cumsum(0)", "d.softmax(-1)", "d.sum()", "d.max(0)[0]", "d.sort(0)[0]",
                                     "d[0]", "d.flip(0)", "d.exp().clone().mul_(d)", "d.unsqueeze(0) + d", "d.norm()"])  # fmt: skip
            return f"{self.new()} = transformed({self.rng.choice(['vmap', 'vmap of grad'])!r}, lambda d: {inner}, {x})"
        how = self.rng.choice(["grad", "vjp", "jvp", "jacrev", "jacfwd", "hessian", "grad of grad"])
        return f"{self.new()} = transformed({how!r}, {self.function_of(x)}, {x})"

    def checkpointed(self) -> str:
        x = self.one_to_transform()
        if x is None:
            return self.operation()
        return f"{self.new()} = checkpoint({self.function_of(x)}, {x}, use_reentrant={self.rng.random() < 0.3})"

    def elsewhere(self) -> str:
        if self.mode:
            return self.operation()
        line = self.rng.choice([self.run_backward, self.operation, self.run_grad])()
        return f"in_a_thread({line!r})"

    def other_memory(self) -> str:
        x = self.any(lambda t: not (t.is_inference() or t.requires_grad or t._base is not None))
        if self.mode or x is None:
            return self.in_place()
        y = self.any(lambda t: t.dtype == self.tensors[x].dtype and not t.is_inference()) or x
        return self.rng.choice([f"{x}.detach().set_({y}.detach().clone())", f"{x}.resize_({self.tensors[x].numel()})"])

    def set_data(self) -> str:
        if "inference" in self.mode:  # the tensor becomes an inference tensor
            return self.detach()
        x = self.any(lambda t: t._base is None) or self.tensor()
        like = self.tensors[x]
        y = self.any(lambda t: t.dtype == like.dtype and t.shape == like.shape and not t.is_inference())
        if like.is_inference() or y is None:
            return self.detach()
        return self.rng.choice(
            [f"{x}.data = {y}.detach().clone()", f"{self.memory_of(x)}[...] = 0.5", f"{self.memory_of(x)}.copy_({y})"]
        )

    def delete(self) -> str:
        return f"del {self.rng.choice(list(self.tensors))}"

    def look(self) -> str:
        if self.recorded_backward:
            return self.view_of()
        return f"graph({self.tensor()})"

    WEIGHTS: ClassVar = {
        "leaf": 3, "operation": 16, "view_of": 12, "views_of": 2, "in_place": 14, "in_place_shape": 0.6, "set_item": 4, "augmented": 4,
        "flag": 4, "detach": 3, "add_hook": 3, "remove_hook": 1.5, "run_backward": 9, "run_grad": 5, "gradient": 5,
        "delete": 2, "look": 2, "custom": 3, "add_node_hook": 1.5, "set_data": 1, "forward_mode": 2, "transform": 2, "checkpointed": 1.5, "elsewhere": 1.5, "other_memory": 0.6,
    }  # fmt: skip

    def statement(self) -> str:
        """The next statement."""
        rng = self.rng
        self.tensors = self.machine.tensors()
        if len(self.tensors) > MOST_LIVE:
            return self.delete()
        if len(self.tensors) < 2:
            return self.leaf()
        large = self.any(lambda t: t.numel() > 60 or (t.dtype != torch.bool and bool((t.detach().abs() > 100).any())))
        if large is not None:
            return f"del {large}"
        if self.modes and rng.random() < 0.15:
            self.mode = rng.choices(
                ["", "torch.no_grad()", "torch.enable_grad()", "torch.inference_mode()",
                 "torch.no_grad(), torch.enable_grad()", "torch.inference_mode(), torch.enable_grad()", "torch.inference_mode(False)",
                 "saved_hooks()"],
                [8, 3, 1, 1, 0.5, 0.5, 0.3, 1],
            )[0]  # fmt: skip
        line = getattr(self, wherever(rng, self.WEIGHTS))()
        return f"with {self.mode}:\n    {line}" if self.mode else line


# ---- the tests


def run_programs(seed: int, steps: int):
    """Runs programs of a seed until `steps` statements have run; yields (program, looks at the graph, difference)."""
    rng = random.Random(seed)
    while steps > 0:
        pair = Pair(graph=rng.random() < 0.6)
        writer = Writer(rng, pair.machines[1])
        length = min(rng.randint(5, 60), steps)
        program: list[str] = []
        found = None
        for i in range(length):
            program.append(writer.statement())
            found = pair.step(program[-1], last=i == length - 1)
            if found is not None or pair.over:
                break
        steps -= len(program)
        yield program, pair.graph, found


def report(program, graph: bool) -> str:
    """A shortened program and its difference, to be read."""
    short = shortened(program, graph)
    if not short:
        return "not reproducible:\n" + "\n".join(program)
    looks = "grad_fn is looked at after every line" if graph else "grad_fn is looked at after the last line only"
    return "\n".join([f"# {looks}", *short, "", str(first_difference(short, graph)[1])])


@pytest.fixture(autouse=True)
def quiet():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading the .grad of a non-leaf warns in both
        yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_programs(seed):
    total = 0
    for program, graph, found in run_programs(seed, STEPS):
        total += len(program)
        if found is not None:
            pytest.fail(report(program, graph), pytrace=False)
    assert total >= 1000


def test_a_difference_is_found_and_shortened():
    """The documented one: nothing is saved for `x * 2`."""
    program = [
        "t1 = torch.tensor([1.0, 2.0], requires_grad=True)",
        "t2 = t1.sin()",
        "t3 = t1 * 2",
        "t2.sum().backward()",
        "t4 = t3[0]",
        "t3.sum().backward()",
        "t2 = t2 + 1",
        "t3.sum().backward()",
        "t5 = t3.detach()",
    ]
    count, found = first_difference(program, graph=True)
    assert count == 8
    assert "Trying to backward through the graph a second time" in found
    assert shortened(program[:count], graph=True) == [program[0], program[2], program[5], program[7]]


def main(first: int, last: int) -> None:
    """Prints each difference once for its kind, and how many programs lead to it."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    steps, kinds = 0, Counter()
    for seed in range(first, last):
        for program, graph, found in run_programs(seed, STEPS):
            steps += len(program)
            if found is not None:
                kind = kind_of(found)
                kinds[kind] += 1
                if kinds[kind] <= 12:
                    print(f"==== seed {seed}\n{report(program, graph)}\n", flush=True)
    print(f"{steps} steps, differences: {dict(kinds)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
