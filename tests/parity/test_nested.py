"""Nested tensors print, compute and differentiate as PyTorch's, in both layouts."""

from __future__ import annotations

import re

import pytest

import chainrule

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")

BOTH = {
    "print": lambda t, m: m.detach(),
    "print with history": lambda t, m: m,
    "dtype": lambda t, m: t.nested.nested_tensor([[1, 2], [3]], dtype=t.float64, layout=m.layout),
    "properties": lambda t, m: (m.dim(), m.requires_grad, m.is_leaf, m.is_nested, m.layout, m.dtype, m.numel(), m.size(0), m.size(-1)),
    "parts": lambda t, m: (m.unbind(), m[0], m[-1], m[0, 1]),
    "padded": lambda t, m: (t.nested.to_padded_tensor(m, 0.0), m.to_padded_tensor(-1.0)),
    "numbers": lambda t, m: (m * 2, 2 * m, -m, m - 1, m / 2, m * t.tensor(2.0), m > 1),
    "functions": lambda t, m: (m.relu(), t.sqrt(m), m.sin(), m.abs(), m.tanh(), t.nn.functional.silu(m), t.logical_not(m > 1)),
    "two": lambda t, m: (m + m, m * m),
    "copies": lambda t, m: (m.clone(), m.detach(), m.double(), t.zeros_like(m), t.ones_like(m)),
    "softmax": lambda t, m: (t.softmax(m, -1), m.softmax(dim=1)),
    "sum": lambda t, m: m.sum(-1, keepdim=True),
    "linear": lambda t, m: t.nn.functional.linear(m, t.ones(2, 3), t.ones(2)),
    "layer_norm": lambda t, m: t.nn.functional.layer_norm(m, (3,), t.ones(3), t.zeros(3)),
    "transpose": lambda t, m: m.transpose(1, 2),
    "shapes": lambda t, m: (m.unsqueeze(-1), m.unsqueeze(1), m.unsqueeze(-1).squeeze(-1), m.reshape(2, -1, 3), m.view(2, -1, 3)),
    "embedding": lambda t, m: t.nn.functional.embedding(
        t.nested.nested_tensor([t.tensor([0, 1]), t.tensor([2])], layout=m.layout), t.eye(3)
    ),
    "in place": lambda t, m: m.detach().clone().add_(1),
    "masked_fill": lambda t, m: m.masked_fill(m > 1, 0.0),
    "same size": lambda t, m: m.is_same_size(m),
    "three dimensions": lambda t, m: t.nested.nested_tensor([t.ones(1, 2, 2), t.ones(2, 2, 2)], layout=m.layout),
}  # fmt: skip
JAGGED = {
    "size": lambda t, m: (m.shape, m.size(), m.size(1), len(m)),
    "buffers": lambda t, m: (m.values(), m.offsets(), m.lengths()),
    "more functions": lambda t, m: (m.exp(), m + t.ones(3), m == m, m**2, m.log_softmax(-1)),
    "sums": lambda t, m: (m.sum(), m.sum(-1), m.sum(1), m.mean(), m.mean(1), m.mean(-1), m.amax(1), m.max()),
    "any": lambda t, m: ((m > 1).any(), (m >= 0).all()),
    "matmul": lambda t, m: (m @ t.ones(3, 2), t.matmul(m, t.ones(3, 2))),
    "cat": lambda t, m: t.cat([m, m], -1),
    "split": lambda t, m: (m.split(1, -1), m.select(2, 0)),
    "where": lambda t, m: t.where(m > 1, m, m * 0),
    "masked_select": lambda t, m: t.nested.masked_select(t.arange(6).reshape(2, 3), t.tensor([[True, False, True], [False, True, False]])),
}  # fmt: skip
STRIDED = {
    "products": lambda t, m: (t.matmul(m, m.transpose(-1, -2)), t.bmm(m, m.transpose(-1, -2))),
    "values": lambda t, m: (m.values(), m.select(1, 0), m._nested_tensor_size()),
    "two ragged dimensions": lambda t, m: t.nested.nested_tensor([t.ones(2, 3), t.ones(1, 2)]),
    "empty": lambda t, m: t.nested.nested_tensor([]),
    "padded wider": lambda t, m: m.to_padded_tensor(-1.0, output_size=(2, 4, 4)),
}
GRADIENTS = {
    "padded": lambda t, m: (m * m).to_padded_tensor(0.0).sum(),
    "parts": lambda t, m: sum((part**2).sum() for part in m.unbind()),
    "values": lambda t, m: (m * 3).values().sum(),
    "linear": lambda t, m: t.nn.functional.linear(m, t.ones(2, 3)).to_padded_tensor(0.0).sum(),
    "softmax": lambda t, m: m.softmax(1).to_padded_tensor(0.0)[:, 0].sum(),
}
ERRORS = {
    "index": lambda t, m: m + t.nested.nested_tensor([t.ones(3, 3), t.ones(1, 3)], layout=t.jagged),
    "neither": lambda t, m: t.nested.nested_tensor_from_jagged(t.ones(2, 2)),
    "ragged twice": lambda t, m: t.nested.nested_tensor([t.ones(2, 3), t.ones(1, 2)], layout=t.jagged),
    "dims": lambda t, m: t.nested.nested_tensor([t.ones(2), t.ones(2, 2)]),
    "dims of jagged": lambda t, m: t.nested.nested_tensor([t.ones(2), t.ones(2, 2)], layout=t.jagged),
    "scalars": lambda t, m: t.nested.nested_tensor([t.tensor(1.0)], layout=t.jagged),
    "sum": lambda t, m: m.sum(0),
    "unbind": lambda t, m: m.unbind(1),
    "not scalar": lambda t, m: (m * 2).backward(),
}


def example(t, layout):
    parts = [t.arange(6.0).reshape(2, 3).requires_grad_(), t.arange(3.0).reshape(1, 3).requires_grad_()]
    return parts, t.nested.as_nested_tensor(parts, layout=getattr(t, layout))


def shown(value) -> str:
    """The text, without addresses, and with symbols numbered in the order in which they come."""
    text = re.sub(r" object at 0x[0-9a-f]+", "", repr(value))
    order: dict[str, str] = {}
    return re.sub(r"\bj\d+\b", lambda found: order.setdefault(found[0], f"j{len(order)}"), text)


CASES = [
    (layout, name, table[name])
    for layout, tables in (("strided", (BOTH, STRIDED)), ("jagged", (BOTH, JAGGED)))
    for table in tables
    for name in table
]


@pytest.mark.parametrize(("layout", "function"), [(c[0], c[2]) for c in CASES], ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_results(layout, function):
    texts = [shown(function(t, example(t, layout)[1])) for t in (chainrule, torch)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("layout", ["strided", "jagged"])
def test_gradients(layout, name):
    if (layout, name) == ("jagged", "softmax"):
        pytest.skip("PyTorch's gradient of a softmax along the ragged dimension is not that of the softmax")
    texts = []
    for t in (chainrule, torch):
        parts, m = example(t, layout)
        GRADIENTS[name](t, m).backward()
        texts.append(shown([part.grad for part in parts]))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    messages = []
    for t in (chainrule, torch):
        with pytest.raises(Exception) as caught:
            ERRORS[name](t, example(t, "jagged")[1])
        messages.append((type(caught.value), re.sub(r"\bj\d+\b", "j", str(caught.value).splitlines()[0])))
    assert messages[0] == messages[1]


def test_from_jagged():
    texts = []
    for t in (chainrule, torch):
        values, offsets = t.arange(12.0).reshape(6, 2).requires_grad_(), t.tensor([0, 2, 3, 6])
        m = t.nested.nested_tensor_from_jagged(values, offsets)
        (m * m).values().sum().backward()
        m.unbind()[1].sum().backward()
        holes = t.nested.nested_tensor_from_jagged(values.detach(), offsets, lengths=t.tensor([1, 1, 2]))
        other = t.nested.nested_tensor_from_jagged(t.ones(2, 6), offsets, jagged_dim=2)
        texts.append(
            shown(
                (
                    m,
                    values.grad,
                    m.offsets() is offsets,
                    holes.unbind(),
                    holes.lengths(),
                    holes.is_contiguous(),
                    other,
                    other.unbind(),
                )
            )
        )
    assert texts[0] == texts[1]
