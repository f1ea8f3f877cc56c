"""torch.nested: parts of different sizes in one buffer; what lies beside them never counts, not in gradients either."""

import copy
import math
import pickle

import pytest

import chainrule as torch
from chainrule import nested, nn
from chainrule.nn import functional as F

LAYOUTS = [torch.strided, torch.jagged]
both = pytest.mark.parametrize("layout", LAYOUTS, ids=str)


def parts():
    return [torch.arange(6.0).reshape(2, 3), torch.arange(3.0).reshape(1, 3) + 0.5, torch.arange(9.0).reshape(3, 3) - 4]


def leaves():
    return [x.requires_grad_() for x in parts()]


def same(found, wanted):
    """Whether the parts of a nested tensor are these tensors."""
    found = found.unbind()
    return len(found) == len(wanted) and all(
        torch.equal(f, w) and f.dtype is w.dtype for f, w in zip(found, wanted, strict=True)
    )


# ---------------------------------------------------------------- making and printing


def test_print_of_the_strided_layout():
    x = nested.nested_tensor([torch.arange(6.0).reshape(2, 3), torch.arange(3.0).reshape(1, 3)])
    assert repr(x) == (
        "nested_tensor([\n  tensor([[0., 1., 2.],\n          [3., 4., 5.]]),\n  tensor([[0., 1., 2.]])\n])"
    )
    made = nested.as_nested_tensor([torch.ones(2, requires_grad=True), torch.ones(1)])
    assert repr(made * 2) == (
        "nested_tensor([\n  tensor([2., 2.], requires_grad=True),\n  tensor([2.], requires_grad=True)\n], grad_fn=<MulBackward0>)"
    )
    assert repr(nested.nested_tensor([])) == "nested_tensor([\n\n])"
    assert repr(nested.nested_tensor([[1, 2], [3]], dtype=torch.float64)) == (
        "nested_tensor([\n  tensor([1., 2.], dtype=torch.float64),\n  tensor([3.], dtype=torch.float64)\n])"
    )


def test_print_of_the_jagged_layout():
    x = nested.nested_tensor([[1.0, 2.0], [3.0]], layout=torch.jagged, requires_grad=True)
    symbol = str(x.shape[1])
    assert symbol.startswith("j") and repr(x.shape) == f"torch.Size([2, {symbol}])"
    assert (
        repr(x) == f"NestedTensor(size=(2, {symbol}), offsets=tensor([0, 2, 3]), requires_grad=True, contiguous=True)"
    )
    found = repr(x.unsqueeze(-1).transpose(1, 2))
    assert found.startswith(
        f"NestedTensor(size=(2, 1, {symbol}), offsets=tensor([0, 2, 3]), grad_fn=<TransposeBackward0 object at"
    )
    assert found.endswith("contiguous=False)")
    following = nested.nested_tensor([[1.0]], layout=torch.jagged)
    assert str(following.shape[1]) == f"j{int(symbol[1:]) + 1}"


@both
def test_what_it_is(layout):
    x = nested.as_nested_tensor(leaves(), layout=layout)
    assert (x.dim(), x.size(0), x.size(-1), x.numel(), len(x)) == (3, 3, 3, 18, 3)
    assert x.is_nested and not torch.ones(1).is_nested and x.layout is layout and x.dtype is torch.float32
    assert x.requires_grad and not x.is_leaf and isinstance(x, torch.Tensor) and x.is_contiguous()
    assert same(x, parts()) and [tuple(part.shape) for part in x] == [(2, 3), (1, 3), (3, 3)]
    assert torch.equal(x[1], parts()[1]) and torch.equal(x[-1], parts()[2]) and torch.equal(x[0, 1], parts()[0][1])
    assert nested.as_nested_tensor(x, layout=layout) is x
    assert same(nested.as_nested_tensor(torch.ones(2, 4), layout=layout), [torch.ones(4)] * 2)
    assert x.tolist() == [part.tolist() for part in parts()]
    copied = copy.deepcopy(x.detach())
    assert same(copied, parts()) and copied.layout is layout
    with pytest.raises(IndexError, match="index 5 is out of bounds"):
        x[5]
    with pytest.raises(RuntimeError, match="not supported for tensor subclasses"):
        x.detach().numpy()


@both
def test_saving(layout, tmp_path):
    x = nested.nested_tensor(parts(), layout=layout, requires_grad=True)
    torch.save({"x": x, "y": torch.ones(2)}, tmp_path / "x.pt")
    found = torch.load(tmp_path / "x.pt", weights_only=False)["x"]
    for copied in (found, pickle.loads(pickle.dumps(x)), copy.copy(x)):
        assert same(copied, parts()) and copied.layout is layout and copied.requires_grad and copied.is_leaf
    assert same(x.data, parts()) and not x.data.requires_grad
    if layout is torch.jagged:
        assert torch.equal(found.offsets(), x.offsets())


def test_what_cannot_be_nested():
    for values, layout, error, message in (
        (3, torch.strided, TypeError, "Only lists"),
        (3, torch.jagged, TypeError, "'int' object is not iterable"),
        (
            [torch.ones(2), torch.ones(2, 2)],
            torch.strided,
            RuntimeError,
            "All Tensors given to nested_tensor must have the same dim",
        ),
        ([torch.ones(2), torch.ones(2, 2)], torch.jagged, RuntimeError, "all tensors in list must have the same dim"),
        ([torch.ones(2, 3), torch.ones(1, 2)], torch.jagged, RuntimeError, "only allows for a single ragged dimension"),
        ([torch.tensor(1.0)], torch.jagged, RuntimeError, "from a list of zero-dim tensors"),
        ([torch.ones(2), torch.ones(2).long()], torch.jagged, RuntimeError, "must have the same dtype"),
        ([], torch.jagged, RuntimeError, "from an empty tensor list"),
    ):
        with pytest.raises(error, match=message):
            nested.nested_tensor(values, layout=layout)
    with pytest.raises(TypeError, match="as_nested_tensor"):
        nested.as_nested_tensor([1, 2])
    assert same(nested.nested_tensor([torch.ones(2, 3), torch.zeros(1, 2)]), [torch.ones(2, 3), torch.zeros(1, 2)])
    assert same(nested.nested_tensor([torch.tensor(1.0), torch.tensor(2.0)]), [torch.tensor(1.0), torch.tensor(2.0)])


def test_from_jagged():
    values, offsets = torch.arange(12.0).reshape(6, 2).requires_grad_(), torch.tensor([0, 2, 3, 6])
    x = nested.nested_tensor_from_jagged(values, offsets)
    assert same(x, [values[:2], values[2:3], values[3:]]) and x.offsets() is offsets and x.lengths() is None
    assert torch.equal(x.values(), values)
    for _ in range(2):  # nothing was saved, so it goes back again
        x.values().sum().backward()
    assert torch.equal(values.grad, torch.full((6, 2), 2.0))
    assert same(x + nested.nested_tensor_from_jagged(values, offsets), [part * 2 for part in x])
    with pytest.raises(
        RuntimeError, match=r"cannot call binary pointwise function add.Tensor with inputs of shapes \(3, j\d+, 2\)"
    ):
        x + nested.nested_tensor_from_jagged(values, offsets.clone())
    assert (x._get_max_seqlen(), x._get_min_seqlen()) == (3, 1)
    by_lengths = nested.nested_tensor_from_jagged(values, lengths=torch.tensor([2, 1, 3]))
    assert torch.equal(by_lengths.offsets(), offsets)
    with pytest.raises(RuntimeError, match="At least one of offsets or lengths is required"):
        nested.nested_tensor_from_jagged(values)
    other = nested.nested_tensor_from_jagged(torch.arange(12.0).reshape(2, 6), offsets, jagged_dim=2)
    assert (
        other.shape[0] == 3
        and str(other.shape[2]).startswith("j")
        and same(other, torch.arange(12.0).reshape(2, 6).split([2, 1, 3], 1))
    )


def test_holes():
    values, offsets = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 2, 3, 6])
    x = nested.nested_tensor_from_jagged(values, offsets, lengths=torch.tensor([1, 1, 2]))
    assert same(x, [values[:1], values[2:3], values[3:5]]) and not x.is_contiguous() and x.values() is values
    assert torch.equal(x.contiguous().values(), values[[0, 2, 3, 4]])
    with pytest.raises(RuntimeError, match="not supported for nested tensors with holes"):
        x.to_padded_tensor(0.0)


@both
def test_narrow_and_masked_select(layout):
    x = torch.arange(12.0).reshape(2, 6)
    assert same(nested.narrow(x, 1, 1, 3, layout=layout), [x[0, 1:4], x[1, 1:4]])
    if layout is torch.jagged:
        found = nested.narrow(x, 1, torch.tensor([0, 1]), torch.tensor([2, 3]), layout=layout)
        assert same(found, [x[0, :2], x[1, 1:4]])
        assert same(nested.masked_select(x, x % 4 == 1), [x[0, [1, 5]], x[1, [3]]])


# ---------------------------------------------------------------- out of it


@both
def test_padding(layout):
    x = nested.as_nested_tensor(leaves(), layout=layout)
    padded = nested.to_padded_tensor(x, -1)
    assert padded.shape == (3, 3, 3) and torch.equal(padded[0], torch.cat([parts()[0], torch.full((1, 3), -1.0)]))
    assert type(padded) is torch.Tensor and padded.grad_fn.name() == "ToPaddedTensorBackward0"
    wider = x.to_padded_tensor(0.0, (3, 4, 3))
    assert wider.shape == (3, 4, 3) and torch.equal(wider[:, :3], x.to_padded_tensor(0.0)) and not wider[:, 3].any()
    with pytest.raises(RuntimeError, match="Value in output_size is less than NestedTensor padded size"):
        x.to_padded_tensor(0.0, (3, 2, 3))
    with pytest.raises(TypeError, match="expected a nested tensor"):
        nested.to_padded_tensor(torch.ones(2), 0)


def test_values_and_offsets():
    x = nested.nested_tensor(parts(), layout=torch.jagged)
    assert torch.equal(x.values(), torch.cat(parts())) and torch.equal(x.offsets(), torch.tensor([0, 2, 3, 6]))
    flat = nested.nested_tensor(parts())
    assert torch.equal(flat.values(), torch.cat([part.reshape(-1) for part in parts()]))
    for ask in (flat.offsets, flat.lengths):
        with pytest.raises(AttributeError):
            ask()


# ---------------------------------------------------------------- operations

POINTWISE = {
    "numbers": lambda x: 2 * x - 1,
    "quotient": lambda x: 3 / (x + 10),
    "unary": lambda x: -x.tanh().exp() + x.sin() * x.abs(),
    "power": lambda x: (x + 5) ** 2,
    "with itself": lambda x: x * x + x,
    "activations": lambda x: F.silu(F.gelu(x.relu()) + F.leaky_relu(x)),
    "bias": lambda x: x + torch.ones(3),
    "where": lambda x: torch.where(x > 1, x, x * 0),
    "masked": lambda x: x.masked_fill(x > 1, -7.0),
    "clamp": lambda x: x.clamp(-1, 2),
    "cast": lambda x: x.double() / 3,
    "clone": lambda x: x.clone().contiguous(),
    "logic": lambda x: (x > 1) | ~(x > -2),
    "like": lambda x: torch.ones_like(x) + torch.zeros_like(x),
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: x.log_softmax(dim=-1),
    "linear": lambda x: F.linear(x, torch.arange(6.0).reshape(2, 3), torch.ones(2)),
    "linear without bias": lambda x: F.linear(x, torch.arange(6.0).reshape(2, 3)),
    "matrix": lambda x: x @ torch.arange(6.0).reshape(3, 2),
    "layer_norm": lambda x: F.layer_norm(x, (3,), torch.ones(3) * 2, torch.ones(3)),
    "last sum": lambda x: x.sum(-1),
    "kept sum": lambda x: x.sum(-1, keepdim=True),
    "last mean": lambda x: x.mean(-1),
    "last max": lambda x: x.amax(-1),
    "largest": lambda x: x.max(-1)[0] + x.min(-1, keepdim=False).values,
    "place of the largest": lambda x: x.argmax(-1) - x.max(-1).indices,
    "transpose": lambda x: x.transpose(1, 2) if isinstance(x, nested.NestedTensor) else x.transpose(0, 1),
    "unflatten": lambda x: x.unflatten(-1, (3, 1)).squeeze(-1),
    "cat": lambda x: torch.cat([x, x * 2], -1),
    "chunks": lambda x: x.chunk(3, -1)[1] + x.split(1, -1)[2],
    "slice": lambda x: x[..., 1:] if not isinstance(x, nested.NestedTensor) else x.narrow(2, 1, 2),
    "module": lambda x: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.LayerNorm(4))(x),
}  # fmt: skip


@both
@pytest.mark.parametrize("name", POINTWISE)
def test_operations_are_those_of_the_parts(name, layout):
    """Values, dtypes and gradients are what the operation gives on each part alone."""
    function = POINTWISE[name]
    torch.manual_seed(0)
    ours = leaves()
    found = function(nested.as_nested_tensor(ours, layout=layout))
    theirs = leaves()
    wanted = []
    for part in theirs:
        torch.manual_seed(0)
        wanted.append(function(part))
    assert found.layout is layout
    for f, w in zip(found.unbind(), wanted, strict=True):
        assert f.dtype is w.dtype
        torch.testing.assert_close(f, w)
    if not found.requires_grad:
        return
    weights = [torch.linspace(0.5, 2, w.numel()).reshape(w.shape).to(w.dtype) for w in wanted]
    sum((f * v).sum() for f, v in zip(found.unbind(), weights, strict=True)).backward()
    sum((w * v).sum() for w, v in zip(wanted, weights, strict=True)).backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@both
def test_reductions(layout):
    x = nested.as_nested_tensor(parts(), layout=layout)
    flat = torch.cat([part.reshape(-1) for part in parts()])
    for name in ("sum", "mean", "max", "min", "amax"):
        arguments = ((0, 1, 2),) if name == "amax" else ()
        torch.testing.assert_close(
            getattr(x, name)(*arguments), getattr(flat, name)() if not arguments else flat.amax()
        )
    assert bool((x > 4.5).any()) and not (x > 5).any() and (x > -5).all() and not (x > 0).all()
    for name in ("sum", "mean", "amax", "amin", "prod"):
        found = getattr(x, name)(1)
        assert found.is_nested == (layout is torch.strided)
        for f, part in zip(found.unbind(), parts(), strict=True):
            wanted = getattr(part, name)(0)
            torch.testing.assert_close(f, wanted)
    with pytest.raises(RuntimeError, match=r"sum\(\): reducing along the batch dimension but not the ragged dimension"):
        x.sum(0)
    y = nested.nested_tensor([[1, 2], [3]], layout=layout)
    assert y.sum().item() == 6 and y.sum().dtype is torch.int64 and y.amin((0, 1)).item() == 1


@both
def test_softmax_along_what_is_ragged(layout):
    x = leaves()
    found = nested.as_nested_tensor(x, layout=layout).softmax(1)
    for f, part in zip(found.unbind(), parts(), strict=True):
        torch.testing.assert_close(f, part.softmax(0))
    sum(f[0].sum() for f in found.unbind()).backward()
    assert all(part.grad.isfinite().all() for part in x)


@both
def test_attention(layout):
    torch.manual_seed(0)
    sizes = (4, 2, 3)
    q, k, v = ([torch.randn(n, 6, requires_grad=True) for n in sizes] for _ in range(3))
    offsets = torch.tensor([0, 4, 6, 9])

    def together(some):
        if layout is torch.jagged:
            return nested.nested_tensor_from_jagged(torch.cat(some), offsets)
        return nested.as_nested_tensor(some)

    heads = [together(some).unflatten(-1, (2, 3)).transpose(1, 2) for some in (q, k, v)]
    found = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(-2)
    for i, part in enumerate(found.unbind()):
        single = [some[i].unflatten(-1, (2, 3)).transpose(0, 1) for some in (q, k, v)]
        torch.testing.assert_close(part, F.scaled_dot_product_attention(*single).transpose(0, 1).flatten(-2))
    found.values().square().sum().backward()
    ours = [part.grad for part in (*q, *k, *v)]
    for part in (*q, *k, *v):
        part.grad = None
    for i in range(3):
        single = [some[i].unflatten(-1, (2, 3)).transpose(0, 1) for some in (q, k, v)]
        F.scaled_dot_product_attention(*single).square().sum().backward()
    for gradient, part in zip(ours, (*q, *k, *v), strict=True):
        torch.testing.assert_close(gradient, part.grad)


@both
def test_embedding_and_products_of_two(layout):
    weight = torch.arange(12.0).reshape(4, 3).requires_grad_()
    index = nested.nested_tensor([[0, 3], [2], [0, 1, 3]], layout=layout)
    found = F.embedding(index, weight)
    assert same(found, [weight[[0, 3]], weight[[2]], weight[[0, 1, 3]]])
    found.sum().backward()
    assert torch.equal(weight.grad, torch.tensor([2.0, 1, 1, 2])[:, None].expand(4, 3))
    x = nested.as_nested_tensor(parts(), layout=layout)
    product = torch.matmul(x, x.transpose(-1, -2))
    for f, part in zip([product[i] for i in range(3)], parts(), strict=True):
        torch.testing.assert_close(f, part @ part.t())
    assert same(torch.bmm(x.transpose(1, 2), x), [part.t() @ part for part in parts()])


def test_what_lies_beside_never_spoils_a_gradient():
    """Where an operation has no derivative at the numbers beside the parts, shared parameters still get theirs."""
    w = torch.tensor([2.0, 3.0, 4.0], requires_grad=True)
    x = [
        torch.tensor([[0.5, 0.25, 0.125]], requires_grad=True),
        torch.tensor([[0.5, 0.5, 0.5], [0.1, 0.2, 0.3]], requires_grad=True),
    ]
    for function in (
        lambda x: w / x, lambda x: x.log() * w, lambda x: x.atanh() * w, lambda x: w**x, lambda x: (1 / (1 - x)) @ w.diag(),
        lambda x: F.linear(x.log() + x.asin(), w.diag()), lambda x: torch.atan2(w, x), lambda x: x.acos() / w,
    ):  # fmt: skip
        w.grad = None
        (function(nested.as_nested_tensor(x)) * 2).values().sum().backward()
        found, w.grad = w.grad, None
        (sum(function(part).sum() for part in x) * 2).backward()
        assert found.isfinite().all()
        torch.testing.assert_close(found, w.grad)
    assert all(part.grad.isfinite().all() for part in x)


@both
def test_in_place(layout):
    x = nested.nested_tensor(parts(), layout=layout)
    x.add_(1).mul_(2)
    assert same(x, [(part + 1) * 2 for part in parts()])
    assert torch.equal(x.sum(), sum(((part + 1) * 2).sum() for part in parts()))


@both
def test_leaves_have_nested_gradients(layout):
    x = nested.nested_tensor([[1.0, 2.0], [3.0]], requires_grad=True, layout=layout)
    assert x.is_leaf and x.requires_grad and x.grad is None
    (x * x).to_padded_tensor(0).sum().backward()
    assert x.grad.is_nested and same(x.grad, [torch.tensor([2.0, 4.0]), torch.tensor([6.0])])
    x.grad = None
    (x * 3).backward(torch.ones_like(x))
    assert same(x.grad, [torch.full((2,), 3.0), torch.full((1,), 3.0)])
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (x * 2).backward()
    optimizer = torch.optim.SGD([x], lr=1.0)
    optimizer.step()
    assert same(x.detach(), [torch.tensor([-2.0, -1.0]), torch.tensor([0.0])])


def test_higher_derivatives():
    x = [
        torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True),
        torch.tensor([3.0], dtype=torch.float64, requires_grad=True),
    ]

    def f(*parts):
        return (nested.as_nested_tensor(list(parts)) ** 3).values().exp().log().sum() * math.pi

    assert torch.autograd.gradcheck(f, x) and torch.autograd.gradgradcheck(f, x)


@both
def test_what_is_refused(layout):
    x = nested.nested_tensor(parts(), layout=layout)
    for call in (
        lambda: x.unbind(1), lambda: torch.cat([x, x]), lambda: x[0:2], lambda: x.flatten(), lambda: x.softmax(0),
        lambda: x + torch.ones(3, 2, 3), lambda: F.layer_norm(x, (3, 3)), lambda: x.transpose(0, 1), lambda: x.narrow(1, 0, 1),
    ):  # fmt: skip
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(NotImplementedError, match=r"cumsum\(\): not supported for nested tensors"):
        x.cumsum(1)
    if layout is torch.strided:
        with pytest.raises(RuntimeError, match="mul does not support broadcasting"):
            x * nested.nested_tensor(parts()[::-1])
        with pytest.raises(RuntimeError, match="add does not support broadcasting"):
            nested.nested_tensor([[1.0, 2.0], [3.0]]) + nested.nested_tensor([[1.0, 2.0], [3.0, 4.0]])
