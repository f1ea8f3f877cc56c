"""What is timed: one small function a row, which runs the very same code on either module.

A row's function takes the module (`torch` or `chainrule`), makes its inputs, and returns the function of no
arguments that is timed. What that function returns is compared between the two modules before anything is
timed. Inputs come from NumPy with a fixed seed, so both work on the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Torch = Any  # either module
Work = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    name: str
    group: str
    prepare: Callable[[Torch], Work]
    at_least: float | None = None  # the ratio this row has to reach


ROWS: list[Row] = []


def row(name: str, group: str = "autograd", at_least: float | None = None):
    """Registers the decorated function as the row called `name`."""

    def register(prepare: Callable[[Torch], Work]) -> Callable[[Torch], Work]:
        ROWS.append(Row(name, group, prepare, at_least))
        return prepare

    return register


def floats(torch: Torch, *shape: int, seed: int = 0, requires_grad: bool = False):
    """A tensor of normal float32 numbers, the same in both modules."""
    array = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(array).requires_grad_(requires_grad)


def indices(torch: Torch, *shape: int, below: int, seed: int = 0):
    """A tensor of int64 indices in [0, below), the same in both modules."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, below, shape))


def gradients(output: Any, leaves: list[Any]) -> list[Any]:
    """Runs backward from `output` (from its sum, unless it is a scalar); the leaves' fresh gradients."""
    for leaf in leaves:
        leaf.grad = None
    (output if output.ndim == 0 else output.sum()).backward()
    return [leaf.grad for leaf in leaves]


# ---- small graphs: what an operation costs, whatever it computes


@row("polynomial, forward + backward", at_least=1.5)
def polynomial(torch: Torch) -> Work:
    x = torch.tensor(2.0, requires_grad=True)

    def work():
        x.grad = None
        y = 2 * x**4 + x**3 + 3 * x**2 + 5 * x + 1
        y.backward()
        return x.grad

    return work


@row("2x3 chain, forward + backward", at_least=1.5)
def matrix_chain(torch: Torch) -> Work:
    x = torch.tensor([[1.0, 2, 3], [3, 2, 1]], requires_grad=True)

    def work():
        x.grad = None
        y = 3 * x + 2
        z = 2 * y**2
        z.mean().backward()
        return x.grad

    return work


@row("mul 4x4, recorded", at_least=1.3)
def one_mul(torch: Torch) -> Work:
    x = floats(torch, 4, 4, requires_grad=True)
    y = floats(torch, 4, 4, seed=1)
    return lambda: x * y


@row("x + 1.0 on 4x4, recorded", at_least=1.3)
def one_add(torch: Torch) -> Work:
    x = floats(torch, 4, 4, requires_grad=True)
    return lambda: x + 1.0


@row("100 tanh of 16 floats, forward + backward", at_least=1.5)
def tanh_chain(torch: Torch) -> Work:
    x = floats(torch, 16, requires_grad=True)

    def work():
        x.grad = None
        y = x
        for _ in range(100):
            y = y.tanh()
        y.sum().backward()
        return x.grad

    return work


@row("network of two layers, forward + backward", at_least=1.5)
def network(torch: Torch) -> Work:
    x = floats(torch, 1, 2)
    target = floats(torch, 1, 1, seed=1)
    first = floats(torch, 2, 2, seed=2, requires_grad=True)
    second = floats(torch, 2, 2, seed=3, requires_grad=True)
    last = floats(torch, 2, 1, seed=4, requires_grad=True)

    def work():
        hidden = torch.sigmoid(torch.mm(x, first))
        hidden = torch.sigmoid(torch.mm(hidden, second))
        loss = 0.5 * ((torch.mm(hidden, last) - target) ** 2).mean()
        return gradients(loss, [first, second, last])

    return work


@row("double backward of x*x*y", at_least=1.2)
def double_backward(torch: Torch) -> Work:
    x = torch.tensor(2.0, requires_grad=True)
    y = torch.tensor(3.0, requires_grad=True)

    def work():
        (first,) = torch.autograd.grad(x * x * y, x, create_graph=True)
        (second,) = torch.autograd.grad(first, x)
        return second

    return work


# ---- large arrays: what the arithmetic and the memory cost


def elementwise_chain(x: Any) -> Any:
    return ((x * 2.0 + 1.0).tanh() * x - x.sigmoid()).exp()


def chain_rows(size: int, label: str) -> None:
    @row(f"elementwise chain of {label} floats, forward", group="arrays")
    def forward(torch: Torch) -> Work:
        x = floats(torch, size)
        return lambda: elementwise_chain(x)

    @row(f"elementwise chain of {label} floats, forward + backward", group="arrays")
    def forward_backward(torch: Torch) -> Work:
        x = floats(torch, size, requires_grad=True)
        return lambda: gradients(elementwise_chain(x), [x])


def mm_row(size: int) -> None:
    @row(f"mm {size}", group="arrays")
    def mm(torch: Torch) -> Work:
        a, b = floats(torch, size, size), floats(torch, size, size, seed=1)
        return lambda: torch.mm(a, b)


chain_rows(10**4, "10^4")
chain_rows(10**6, "10^6")
chain_rows(10**7, "10^7")
for matrix_size in (64, 256, 1024):
    mm_row(matrix_size)


# ---- operations, each at a small and a large size


def operation_rows(name: str, small: tuple[int, ...], large: tuple[int, ...]):
    """Four rows of one operation: small and large, forward and forward + backward.

    The decorated function takes the module and a size; it returns the operation's function and its inputs, of
    which those made with requires_grad are the leaves.
    """

    def register(make: Callable[[Torch, tuple[int, ...]], tuple[Callable[..., Any], list[Any]]]):
        for size in (small, large):
            label = f"{name} {'x'.join(map(str, size))}"

            @row(f"{label}, forward", group="operations")
            def forward(torch: Torch, size=size) -> Work:
                function, inputs = make(torch, size)
                inputs = [value.detach() for value in inputs]
                return lambda: function(*inputs)

            @row(f"{label}, forward + backward", group="operations")
            def forward_backward(torch: Torch, size=size) -> Work:
                function, inputs = make(torch, size)
                leaves = [value for value in inputs if value.requires_grad]
                # The sum of a softmax is constant: weights keep the gradients from being rounding noise.
                weights = floats(torch, *function(*inputs).shape, seed=9)
                return lambda: gradients(function(*inputs) * weights, leaves)

        return make

    return register


@operation_rows("softmax", small=(8, 16), large=(1024, 1024))
def softmax(torch: Torch, size):
    return lambda x: torch.softmax(x, -1), [floats(torch, *size, requires_grad=True)]


@operation_rows("layer_norm", small=(8, 16), large=(1024, 1024))
def layer_norm(torch: Torch, size):
    width = size[-1:]
    return lambda x, weight, bias: torch.nn.functional.layer_norm(x, width, weight, bias), [
        floats(torch, *size, requires_grad=True),
        floats(torch, *width, seed=1, requires_grad=True),
        floats(torch, *width, seed=2, requires_grad=True),
    ]


@operation_rows("sum", small=(8, 16), large=(1000, 1000))
def sum_all(torch: Torch, size):
    return lambda x: x.sum(), [floats(torch, *size, requires_grad=True)]


@operation_rows("relu", small=(8, 16), large=(1000, 1000))
def relu(torch: Torch, size):
    return torch.relu, [floats(torch, *size, requires_grad=True)]


@operation_rows("where", small=(8, 16), large=(1000, 1000))
def where(torch: Torch, size):
    return torch.where, [
        floats(torch, *size, seed=2) > 0,
        floats(torch, *size, requires_grad=True),
        floats(torch, *size, seed=1, requires_grad=True),
    ]


@operation_rows("gather", small=(8, 16), large=(1000, 1000))
def gather(torch: Torch, size):
    return lambda x, index: torch.gather(x, 1, index), [
        floats(torch, *size, requires_grad=True),
        indices(torch, *size, below=size[1]),
    ]


@operation_rows("index_select", small=(8, 16), large=(1000, 1000))
def index_select(torch: Torch, size):
    return lambda x, index: torch.index_select(x, 0, index), [
        floats(torch, *size, requires_grad=True),
        indices(torch, size[0], below=size[0]),
    ]


@operation_rows("cat of three", small=(8, 16), large=(1000, 1000))
def cat(torch: Torch, size):
    return lambda *parts: torch.cat(parts, 1), [
        floats(torch, *size, seed=seed, requires_grad=True) for seed in range(3)
    ]


@operation_rows("conv2d 3x3 on", small=(1, 3, 8, 8), large=(32, 16, 28, 28))
def conv2d(torch: Torch, size):
    channels = size[1]
    return torch.nn.functional.conv2d, [
        floats(torch, *size, requires_grad=True),
        floats(torch, channels, channels, 3, 3, seed=1, requires_grad=True),
        floats(torch, channels, seed=2, requires_grad=True),
    ]


@operation_rows("matmul in a batch", small=(4, 8, 8), large=(32, 128, 128))
def batched_matmul(torch: Torch, size):
    return torch.matmul, [
        floats(torch, *size, requires_grad=True),
        floats(torch, *size, seed=1, requires_grad=True),
    ]
