"""Sparse tensors: what they are, what is computed with them, and their gradients. Expected texts are PyTorch's."""

import copy
import io
import pickle

import numpy as np
import pytest

import chainrule as torch

from .sparse_programs import outcome, read

PROGRAMS = read()
t = torch.tensor
INDICES = [[0, 1, 1], [2, 0, 2]]


def matrix(requires_grad=False, dtype=torch.float32):
    return torch.sparse_coo_tensor(INDICES, [3.0, 4, 5], (2, 3), dtype=dtype, requires_grad=requires_grad)


def repeated(requires_grad=False):
    """Values of three dimensions, two of them at the same index."""
    return torch.sparse_coo_tensor([[1, 0, 1]], [[1.0, 2], [3, 4], [5, 6]], (3, 2), requires_grad=requires_grad)


def close(found, expected):
    found, expected = (x.to_dense() if x.is_sparse else x for x in (found, expected))
    np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("group", PROGRAMS)
def test_programs_show_what_they_show_with_pytorch(group):
    for program, expected in PROGRAMS[group].items():
        assert outcome(torch, program) == expected, program


# ---------------------------------------------------------------- what they are


def test_text():
    x = matrix(requires_grad=True)
    assert repr(x) == (
        "tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n       values=tensor([3., 4., 5.]),\n"
        "       size=(2, 3), nnz=3, layout=torch.sparse_coo, requires_grad=True)"
    )
    assert repr(torch.sparse.softmax(x, 1)).endswith(
        "values=tensor([1.0000, 0.2689, 0.7311]),\n       size=(2, 3), nnz=3, layout=torch.sparse_coo,\n"
        "       grad_fn=<SparseSoftmaxBackward0>)"
    )
    assert repr(torch.zeros(2, 3).to_sparse()) == (
        "tensor(indices=tensor([], size=(2, 0)),\n       values=tensor([], size=(0,)),\n"
        "       size=(2, 3), nnz=0, layout=torch.sparse_coo)"
    )
    assert repr(torch.nn.Parameter(matrix())).startswith("Parameter containing:\ntensor(indices=")
    assert str(matrix()) == f"{matrix()}" == repr(matrix())


def test_attributes():
    x = repeated()
    assert (x.shape, x.size(0), x.dim(), x.numel(), len(x)) == ((3, 2), 3, 2, 6, 3)
    assert (x.dtype, x.layout, x.is_sparse, x.device.type) == (torch.float32, torch.sparse_coo, True, "cpu")
    assert (x._nnz(), x.sparse_dim(), x.dense_dim(), x.is_coalesced()) == (3, 1, 1, False)
    dense = torch.ones(2, 3)
    assert (dense.is_sparse, dense.layout, dense.sparse_dim(), dense.dense_dim()) == (False, torch.strided, 0, 2)
    assert type(x).__name__ == "Tensor" and isinstance(x, torch.Tensor) and torch.is_tensor(x)
    assert x.type() == "torch.sparse.FloatTensor" and isinstance(x, torch.sparse.FloatTensor)
    assert not isinstance(x, torch.sparse.DoubleTensor) and not isinstance(dense, torch.sparse.FloatTensor)


def test_coalesce_adds_what_stands_at_the_same_index():
    x = repeated().coalesce()
    assert x.is_coalesced() and x.coalesce() is x
    assert x.indices().tolist() == [[0, 1]] and x.values().tolist() == [[3, 4], [6, 8]]
    assert x.to_dense().tolist() == [[3, 4], [6, 8], [0, 0]]
    flags = torch.sparse_coo_tensor([[0, 0]], [True, False], (1,))
    assert flags.coalesce().values().tolist() == [True]
    small = torch.sparse_coo_tensor([[0, 0]], [100, 100], (1,), dtype=torch.int8)
    assert small.coalesce().values().tolist() == [-56]
    for what in ("indices", "values"):
        with pytest.raises(RuntimeError, match=f"Cannot get {what} on an uncoalesced tensor, please call"):
            getattr(repeated(), what)()


def test_parts_share_memory():
    v = t([1.0, 2])
    x = torch.sparse_coo_tensor([[0, 2]], v, (3,))
    x._values().mul_(3)
    assert x.to_dense().tolist() == [3, 0, 6] and v.tolist() == [3, 6]


# ---------------------------------------------------------------- making them


def test_ways_to_make_one():
    size_alone = torch.sparse_coo_tensor((2, 3), dtype=torch.int32)
    assert size_alone._nnz() == 0 and size_alone.dtype is torch.int32 and size_alone.is_coalesced()
    assert torch.sparse_coo_tensor(INDICES, [1, 2, 3]).shape == (2, 3)
    assert torch.sparse_coo_tensor(t(INDICES).float(), [1, 2, 3])._indices().dtype is torch.int64
    assert torch.zeros(2, 3, layout=torch.sparse_coo).is_sparse
    assert torch.sparse.DoubleTensor(t(INDICES), t([1.0, 2, 3]).double(), torch.Size([2, 3])).dtype is torch.float64
    assert torch.sparse.FloatTensor(2, 3).shape == (2, 3)
    scalar = torch.sparse_coo_tensor(torch.empty((0, 2), dtype=torch.long), [1.0, 2], ())
    assert scalar.to_dense().item() == 3 and scalar.coalesce()._nnz() == 1
    bands = torch.sparse.spdiags(torch.arange(9.0).reshape(3, 3), t([0, -1, 1]), (3, 3))
    assert bands.to_dense().tolist() == [[0, 7, 0], [3, 1, 8], [0, 4, 2]]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (
            (INDICES, [1.0, 2, 3], (2,)),
            {},
            RuntimeError,
            "'len(size) == sparse_dim + dense_dim' is not satisfied: len(",
        ),
        ((INDICES, [1.0, 2], (2, 3)), {}, RuntimeError, "indices and values must have same nnz, but got nnz from ind"),
        (([[0]], [[1.0, 2]], (3, 3)), {}, RuntimeError, "values has incorrect size, expected [1, 3], got [1, 2]"),
        (([[-1]], [1.0]), {}, RuntimeError, "found negative index -1 for dim 0"),
        (
            ([[5]], [1.0], (3,)),
            {"check_invariants": True},
            RuntimeError,
            "size is inconsistent with indices: for dim 0, ",
        ),
        (
            ([[1, 0]], [1.0, 2], (3,)),
            {"is_coalesced": True, "check_invariants": True},
            RuntimeError,
            "cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor",
        ),
        (([[0]], [1], (3,)), {"requires_grad": True}, RuntimeError, "Only Tensors of floating point and complex dtype"),
        (
            (t(INDICES),),
            {},
            TypeError,
            "sparse_coo_tensor(): argument 'size' (position 1) must be tuple of ints, not T",
        ),
        ((), {}, TypeError, "sparse_coo_tensor() received an invalid combination of arguments - got (), but expected"),
        (
            (INDICES, [1.0, 2, 3], (2, 3)),
            {"device": "cuda"},
            RuntimeError,
            "PyTorch is not linked with support for cuda",
        ),
    ],
)
def test_parts_that_do_not_fit(arguments, options, error, message):
    with pytest.raises(error) as info:
        torch.sparse_coo_tensor(*arguments, **options)
    assert str(info.value).startswith(message)


def test_checks_can_be_switched_on():
    check = torch.sparse.check_sparse_tensor_invariants
    bad = [[5]], [1.0], (3,)
    assert not check.is_enabled() and torch.sparse_coo_tensor(*bad)._nnz() == 1
    with check():
        assert check.is_enabled()
        with pytest.raises(RuntimeError, match="found index 5"):
            torch.sparse_coo_tensor(*bad)
    assert not check.is_enabled()
    check.enable()
    try:
        assert check.is_enabled() and check(False)(check.is_enabled)() is False
    finally:
        check.disable()


def test_from_dense_and_back():
    d = torch.arange(6.0).reshape(2, 3)
    assert d.to_sparse().indices().tolist() == [[0, 0, 1, 1, 1], [1, 2, 0, 1, 2]]
    assert d.to_sparse(1).values().tolist() == d.tolist()
    for shape in [(), (0,), (2, 0), (2, 3, 2)]:
        x = torch.ones(shape)
        assert x.to_sparse().to_dense().tolist() == x.tolist()
    with pytest.raises(RuntimeError, match=r"sparse_dim argument must be in \[0,2\] range, but 3 is given"):
        d.to_sparse(3)
    with pytest.raises(RuntimeError, match="coalesce expected sparse coordinate tensor layout but got Strided"):
        d.coalesce()
    assert d.sparse_mask(matrix().coalesce()).values().tolist() == [2, 3, 5]


# ---------------------------------------------------------------- operations


@pytest.mark.parametrize("make", [matrix, repeated])
def test_operations_are_those_of_the_dense_tensors(make):
    x = make()
    d = x.to_dense()
    dense = torch.rand(d.shape)
    for function in (
        lambda x: x * 2,
        lambda x: x / 4,
        lambda x: -x,
        lambda x: x + x * 2,
        lambda x: x - x / 2,
        lambda x: x * x,
        lambda x: x * dense,
        lambda x: dense * x,
        lambda x: dense + x,
        lambda x: dense - x,
        lambda x: torch.add(x, x, alpha=-0.5),
        lambda x: x**2,
        lambda x: x.sqrt(),
        lambda x: x.sin().abs(),
        lambda x: x.tanh(),
        lambda x: x.relu(),
        lambda x: x.double(),
        lambda x: x.sum(),
        lambda x: x.norm(),
        lambda x: x.sum(0),
        lambda x: x.sum(1),
        lambda x: x.unsqueeze(0),
        lambda x: x[0],
        lambda x: x[1, 0],
        lambda x: x[..., 1],
        lambda x: x[None],
        lambda x: x.index_select(0, t([1, 1, 0])),
        lambda x: x.index_select(1, t([1, 0])),
        lambda x: x.narrow_copy(0, 1, 1),
        lambda x: x.narrow_copy(1, 1, 1),
        lambda x: torch.cat([x, x], 0),
        lambda x: torch.cat([x, x], 1),
        lambda x: torch.stack([x, x], 2),
        lambda x: x.clone(),
        lambda x: torch.zeros_like(x),
    ):
        close(function(x), function(d))


def test_products():
    x, y = matrix(), matrix().t()
    d = torch.rand(3, 4)
    close(x @ d, x.to_dense() @ d)
    close(torch.sparse.mm(x, d), x.to_dense() @ d)
    close(x @ y, x.to_dense() @ y.to_dense())
    assert (x @ y).is_sparse and not (x @ d).is_sparse
    close(d.t() @ y, d.t() @ y.to_dense())
    close(x @ d[:, 0], x.to_dense() @ d[:, 0])
    close(torch.addmm(torch.ones(2, 4), x, d, beta=2, alpha=3), 2 + 3 * x.to_dense() @ d)
    close(torch.sparse.addmm(torch.ones(4), x, d, beta=2, alpha=3), 2 + 3 * x.to_dense() @ d)
    close(
        torch.bmm(torch.stack([x, x * 2]), torch.stack([d, d])), torch.stack([x.to_dense() @ d, 2 * x.to_dense() @ d])
    )
    close(torch.nn.functional.linear(x, d.t()), x.to_dense() @ d)
    close(torch.smm(x, d), x.to_dense() @ d)
    close(torch.hspmm(x, d), x.to_dense() @ d)
    close(torch.sspaddmm(x @ y, x, y.to_dense()), 2 * x.to_dense() @ y.to_dense())
    with pytest.raises(RuntimeError, match="expected scalar type Float but found Double"):
        torch.sparse.mm(x, d.double())
    with pytest.raises(RuntimeError, match=r"Expected dim 0 size 3, got 2"):
        torch.sparse.mm(x, torch.ones(2, 2))


def test_softmax_is_over_the_elements_there_are():
    for x in (matrix(), repeated()):
        filled = torch.full(x.shape, -torch.inf)
        filled[x.to_dense() != 0] = x.to_dense()[x.to_dense() != 0]
        for dim in (0, 1):
            found, expected = torch.sparse.softmax(x, dim).to_dense(), filled.softmax(dim)
            close(found, torch.where(filled.isinf(), torch.zeros(()), expected))
            logarithms = torch.sparse.log_softmax(x, dim).coalesce()
            close(logarithms.values().exp(), torch.sparse.softmax(x, dim).values())


def test_sum_over_dimensions():
    x = repeated()
    assert torch.sparse.sum(x).item() == 21
    assert torch.sparse.sum(x, 1).is_sparse and torch.sparse.sum(x, 1).to_dense().tolist() == [7, 14, 0]
    assert torch.sparse.sum(x, 0).tolist() == [9, 12]
    assert torch.sparse.sum(x, (0, 1), dtype=torch.float64).dtype is torch.float64
    assert x.sum(0, keepdim=True).shape == (1, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x + 1, RuntimeError, "add(sparse, dense) is not supported. Use add(dense, sparse) instead."),
        (lambda x: x + torch.ones(2, 3), RuntimeError, "add(sparse, dense) is not supported."),
        (
            lambda x: x / x,
            RuntimeError,
            "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape ",
        ),
        (lambda x: x**0, RuntimeError, "pow: cannot raise to zeroth power on sparse tensor; it would make the result"),
        (
            lambda x: x.exp(),
            NotImplementedError,
            "Could not run 'aten::exp' with arguments from the 'SparseCPU' backend.",
        ),
        (lambda x: x > 1, NotImplementedError, "Could not run 'aten::gt."),
        (lambda x: x.view(3, 2), NotImplementedError, "Could not run 'aten::view' with"),
        (lambda x: x[0:1], NotImplementedError, "Could not run 'aten::as_strided' with"),
        (lambda x: x.reshape(-1), RuntimeError, "reshape is not implemented for sparse tensors"),
        (lambda x: x.numpy(), TypeError, "can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first."),
        (lambda x: np.asarray(x), TypeError, "can't convert Sparse layout tensor to numpy."),
        (lambda x: x.tolist(), RuntimeError, "Cannot access data pointer of Tensor that doesn't have storage"),
        (lambda x: x.item(), RuntimeError, "a Tensor with 6 elements cannot be converted to Scalar"),
        (lambda x: bool(x), RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"),
        (lambda x: x.__setitem__(0, 1), TypeError, "Cannot assign to a sparse tensor"),
        (lambda x: x.nbytes, RuntimeError, "nbytes is not defined for sparse tensors."),
        (lambda x: x.bool() + x.bool(), NotImplementedError, "\"cadd_sparse\" not implemented for 'Bool'"),
        (lambda x: torch.equal(x, x), NotImplementedError, "Could not run 'aten::equal' with"),
        (lambda x: torch.where(x, 1, 2), NotImplementedError, "Could not run 'aten::where' with"),
        (lambda x: x.max(), NotImplementedError, "Could not run 'aten::max' with"),
        (lambda x: torch.sparse.softmax(x.int(), 0), NotImplementedError, "\"softmax\" not implemented for 'Int'"),
        (lambda x: x.sqrt_(), RuntimeError, "sqrt_ requires coalesced input"),
        (
            lambda x: torch.ones(2, 3).copy_(x),
            RuntimeError,
            "copy_() between dense and sparse Tensors is not implement",
        ),
    ],
)
def test_what_there_is_not(call, error, message):
    with pytest.raises(error) as info:
        call(matrix())
    assert str(info.value).startswith(message)


def test_in_place():
    x = matrix()
    x.mul_(2)
    x += matrix()
    assert x._values().tolist() == [9, 12, 15] and x._version == 2
    x.zero_()
    assert x._nnz() == 0
    d = torch.ones(2, 3)
    d.add_(matrix(), alpha=-1)
    assert d.tolist() == [[1, 1, -2], [-3, 1, -4]]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        matrix(requires_grad=True).mul_(2)
    y = matrix(requires_grad=True)
    z = y.clone()
    z.mul_(3)
    torch.sparse.sum(z).backward()
    assert y.grad._values().tolist() == [3, 3, 3]


def test_copies():
    x = matrix(requires_grad=True)
    torch.sparse.sum(x).backward()
    again = pickle.loads(pickle.dumps(x))
    assert again.is_sparse and again._values().tolist() == [3, 4, 5] and not again.is_coalesced()
    deep = copy.deepcopy(x)
    assert deep.requires_grad and deep.grad.is_sparse
    deep.detach()._values().zero_()
    assert x._values().tolist() == [3, 4, 5]
    stream = io.BytesIO()
    torch.save({"x": x.detach().coalesce()}, stream)
    stream.seek(0)
    loaded = torch.load(stream)["x"]
    assert loaded.is_coalesced() and loaded.indices().tolist() == INDICES


def test_a_file_with_indices_outside_of_the_size_is_refused():
    stream = io.BytesIO()
    torch.save(torch.sparse_coo_tensor([[5]], [1.0], (3,)), stream)
    stream.seek(0)
    with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
        torch.load(stream)


# ---------------------------------------------------------------- gradients


def test_gradient_of_a_sparse_leaf():
    x = matrix(requires_grad=True)
    assert x.is_leaf and x.grad is None
    d = torch.rand(3, 4, requires_grad=True)
    torch.sparse.mm(x, d).sum().backward()
    assert x.grad.is_sparse and x.grad._indices().tolist() == INDICES
    dense = x.detach().to_dense().requires_grad_()
    other = d.detach().requires_grad_()
    (dense @ other).sum().backward()
    close(x.grad, torch.where(dense != 0, dense.grad, torch.zeros(())))
    close(d.grad, other.grad)
    torch.mm(x, d).sum().backward()  # its gradient is dense, and what accumulates too
    assert not x.grad.is_sparse
    close(x.grad, torch.where(dense != 0, dense.grad, torch.zeros(())) + dense.grad)


def test_gradient_of_the_values():
    v = t([1.0, 2, 3], requires_grad=True)
    x = torch.sparse_coo_tensor([[0, 0, 1]], v, (2,))
    assert type(x.grad_fn).__name__ == "SparseCooTensorWithDimsAndTensorsBackward0"
    x.to_dense().pow(2).sum().backward()
    assert v.grad.tolist() == [6, 6, 6]
    (g,) = torch.autograd.grad((torch.sparse_coo_tensor([[0, 0, 1]], v, (2,)) * t([3.0, 4])).to_dense().sum(), v)
    assert g.tolist() == [3, 3, 4]


@pytest.mark.parametrize("make", [matrix, repeated])
def test_gradients_are_the_dense_ones_where_there_is_an_element(make):
    weights = torch.rand(make().shape)
    d = make().to_dense()
    at = d != 0
    for function in (
        lambda x: x * x,
        lambda x: x.sin() + x,
        lambda x: x.sqrt(),
        lambda x: x**3,
        lambda x: x * weights,
        lambda x: x / 2 - x,
        lambda x: x.unsqueeze(0),
        lambda x: x.index_select(0, t([1, 0])),
        lambda x: torch.cat([x, x * 2]),
        lambda x: x.norm() * x,
        lambda x: x[1] * x[0],
        lambda x: x.clone().double(),
    ):
        x, y = make(requires_grad=True), d.clone().requires_grad_()
        a, b = function(x).to_dense(), function(y)
        g = torch.rand(b.shape, dtype=b.dtype)
        a.backward(g)
        b.backward(g)
        assert x.grad.is_sparse and x.grad.shape == x.shape
        close(x.grad, torch.where(at, y.grad, torch.zeros(())))


def test_masked_and_unmasked_gradients_of_to_dense():
    x = matrix(requires_grad=True)
    x.to_dense().sum().backward()
    assert x.grad._nnz() == 3
    x.grad = None
    x.to_dense(masked_grad=False).sum().backward()
    assert x.grad._nnz() == 6


def test_gradient_of_to_sparse():
    d = torch.arange(6.0).reshape(2, 3).requires_grad_()
    s = d.to_sparse()
    (s.values() ** 2).sum().backward()
    assert d.grad.tolist() == [[0, 2, 4], [6, 8, 10]] and not d.grad.is_sparse


def test_second_derivatives():
    x, d = matrix(True), torch.rand(3, 2, requires_grad=True)
    (g,) = torch.autograd.grad(torch.sparse.mm(x, d).pow(2).sum(), x, create_graph=True)
    assert g.is_sparse and type(g.grad_fn).__name__ == "SparseMaskBackward0"
    dense, other = matrix().to_dense().requires_grad_(), d.detach().requires_grad_()
    (expected,) = torch.autograd.grad((dense @ other).pow(2).sum(), dense, create_graph=True)
    torch.sparse.sum(g).backward()
    torch.where(dense != 0, expected, torch.zeros(())).sum().backward()
    close(x.grad, torch.where(dense != 0, dense.grad, torch.zeros(())))
    close(d.grad, other.grad)


def test_hooks_see_sparse_gradients():
    x, seen = matrix(True), []
    x.register_hook(lambda g: seen.append(g.is_sparse) or g * 3)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.is_sparse))
    (torch.sparse.sum(y) + torch.sparse.sum(y * y)).backward()
    assert seen == [True, True] and y.grad.is_sparse
    assert x.grad.coalesce().values().tolist() == [78, 102, 126]


def test_what_was_overwritten_or_freed():
    x = matrix(True)
    y = x.clone()
    z = torch.sparse.sum(y * y)
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    z = torch.sparse.sum(x * x)
    z.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        z.backward()


def test_dense_and_sparse_gradients_meet():
    for order in (1, -1):
        w = torch.ones(2, 3, requires_grad=True)
        losses = [lambda w: (w * matrix()).to_dense().sum(), lambda w: w.sum()][::order]
        for loss in losses:
            loss(w).backward()
        assert w.grad.tolist() == [[1, 1, 4], [5, 1, 6]]
        w.grad = None
        v = w * 2
        (losses[0](v) + losses[1](v)).backward()
        assert w.grad.tolist() == [[2, 2, 8], [10, 2, 12]]


def test_gradcheck():
    x, d = matrix(True, torch.float64), torch.rand(3, 2, dtype=torch.float64, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(torch.sparse.mm, (x, d), masked=True)
    assert check(lambda x: (x * x).to_dense(), x, masked=True, fast_mode=True)
    assert check(lambda x: x.to_dense(masked_grad=False), x, masked=False)
    assert check(lambda x: torch.sparse.softmax(x, 1).to_dense(), x, masked=True)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check(lambda x: x.to_dense(), x)
    with pytest.raises(ValueError, match="Sparse output is not supported at gradcheck yet"):
        check(lambda x: x * 2, x, masked=True)
    assert torch.sparse.as_sparse_gradcheck(check)(lambda x: x * 2, x, masked=True)


# ---------------------------------------------------------------- compressed matrices


def by_rows(requires_grad=False, dtype=torch.float32):
    return torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4, 5], (2, 3), dtype=dtype, requires_grad=requires_grad)


def test_compressed_layouts():
    x = by_rows()
    assert repr(x) == (
        "tensor(crow_indices=tensor([0, 1, 3]),\n       col_indices=tensor([2, 0, 2]),\n"
        "       values=tensor([3., 4., 5.]), size=(2, 3), nnz=3,\n       layout=torch.sparse_csr)"
    )
    assert (x.layout, x.is_sparse, x.is_sparse_csr, x._nnz()) == (torch.sparse_csr, False, True, 3)
    y = x.to_sparse_csc()
    assert (y.ccol_indices().tolist(), y.row_indices().tolist()) == ([0, 1, 1, 3], [1, 0, 1])
    assert y.values().tolist() == [4, 3, 5] and y.layout is torch.sparse_csc
    assert x.to_sparse().is_sparse and x.to_sparse().indices().tolist() == INDICES
    for other in (y, x.t().t(), x.to_sparse().to_sparse_csr(), x.to_dense().to_sparse_csr(), y.to_sparse_csr()):
        assert other.to_dense().tolist() == [[0, 0, 3], [4, 0, 5]]
    assert torch.sparse_csc_tensor([0, 1, 1, 3], [1, 0, 1], [4.0, 3, 5]).to_dense().tolist() == x.to_dense().tolist()
    assert torch.zeros(2, 3, layout=torch.sparse_csr).crow_indices().tolist() == [0, 0, 0]
    for call, message in (
        (x.indices, "indices expected sparse coordinate tensor layout but got SparseCsr"),
        (x.row_indices, "row_indices expected sparse column compressed tensor layout but got SparseCsr"),
        (matrix().crow_indices, "crow_indices expected sparse row compressed tensor layout but got Sparse"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call()
    with pytest.raises(NotImplementedError):
        torch.ones(4, 4).to_sparse_bsr((2, 2))
    with pytest.raises(NotImplementedError):
        torch.ones(2, 3, 3).to_sparse_csr()


def test_operations_on_compressed_matrices():
    x, d = by_rows(), torch.rand(3, 4)
    whole = x.to_dense()
    for found, expected in (
        (x * 2, whole * 2),
        (x + x, whole + whole),
        (x * torch.ones(2, 3), whole),
        (x.sin(), whole.sin()),
        (-x, -whole),
        (x @ x.t(), whole @ whole.t()),
        (x.t(), whole.t()),
        (x.sum(1, keepdim=True), whole.sum(1, keepdim=True)),
    ):
        assert found.layout in (torch.sparse_csr, torch.sparse_csc)
        np.testing.assert_allclose(found.to_dense().numpy(), expected.numpy(), rtol=1e-6)
    for found, expected in (
        (x @ d, whole @ d),
        (x @ d[:, 0], whole @ d[:, 0]),
        (torch.ones(2, 3) + x, 1 + whole),
        (x.sum(), whole.sum()),
        (torch.sparse.mm(x, d, "mean"), whole @ d / t([[1.0], [2.0]])),
    ):
        assert found.layout is torch.strided
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    sampled = torch.sparse.sampled_addmm(x, torch.ones(2, 2), torch.ones(2, 3), beta=0.5, alpha=2)
    assert sampled.values().tolist() == [5.5, 6, 6.5]


def test_gradients_of_compressed_matrices():
    x = by_rows(True)
    torch.sparse.mm(x * 2, torch.ones(3, 2)).sum().backward()
    assert x.grad.layout is torch.sparse_csr and x.grad.values().tolist() == [4, 4, 4]
    x.to_dense().sum().backward()
    assert x.grad.layout is torch.sparse_csr and x.grad.values().tolist() == [5, 5, 5]
    v = t([3.0, 4, 5], requires_grad=True)
    (torch.sparse_csr_tensor([0, 1, 3], [2, 0, 2], v, (2, 3)) @ torch.ones(3, 2)).sum().backward()
    assert v.grad.tolist() == [2, 2, 2]
    assert torch.autograd.gradcheck(
        torch.sparse.mm, (by_rows(True, torch.float64), torch.ones(3, 2).double()), masked=True
    )
    stream = io.BytesIO()
    torch.save(x.detach(), stream)
    stream.seek(0)
    assert torch.load(stream).col_indices().tolist() == [2, 0, 2]
    assert pickle.loads(pickle.dumps(x)).crow_indices().tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0, 1], [2, 0, 2]), r"crow_indices.shape[-1] must be equal to the number of rows + 1 (=3), but got 2"),
        (
            ([0, 1, 3], [2, 0]),
            r"col_indices.shape[-1] must be equal to nnz (=3) as defined by values.shape[0], but got 2",
        ),
        (([1, 1, 3], [2, 0, 2]), "`crow_indices[..., 0] == 0` is not satisfied."),
        (([0, 1, 2], [2, 0, 2]), "`crow_indices[..., -1] == nnz` is not satisfied."),
        (([0, 1, 3], [2, 0, 5]), "`0 <= col_indices < ncols` is not satisfied."),
        (
            ([0, 1, 3], [2, 2, 0]),
            "`col_indices[..., crow_indices[..., i - 1]:crow_indices[..., i]] for all i = 1, ...,",
        ),
    ],
)
def test_compressed_parts_that_do_not_fit(parts, message):
    with pytest.raises(RuntimeError) as info:
        torch.sparse_csr_tensor(*parts, [3.0, 4, 5], (2, 3), check_invariants=True)
    assert str(info.value).startswith(message)


# ---------------------------------------------------------------- tables and optimizers


def test_embedding_with_a_sparse_gradient():
    table = torch.nn.Embedding(5, 2, padding_idx=1, sparse=True)
    table(t([[1, 2], [4, 2]])).sum().backward()
    g = table.weight.grad
    assert g.is_sparse and g._indices().tolist() == [[2, 4, 2]] and g.to_dense()[:, 0].tolist() == [0, 0, 2, 0, 1]
    table(t([0])).sum().backward()
    assert table.weight.grad._nnz() == 4
    table.weight.sum().backward()
    assert table.weight.grad.tolist() == [[2, 2], [1, 1], [3, 3], [1, 1], [2, 2]]
    bag = torch.nn.EmbeddingBag(4, 2, sparse=True, mode="mean")
    bag(t([1, 1, 2]), t([0, 1])).sum().backward()
    assert bag.weight.grad._values()[:, 0].tolist() == [1, 0.5, 0.5]
    x = torch.ones(4, 2, requires_grad=True)
    torch.gather(x, 0, t([[0, 1]]), sparse_grad=True).sum().backward()
    assert x.grad._indices().tolist() == [[0, 1], [0, 1]]
    with pytest.raises(RuntimeError, match="scale_grad_by_freq not supported with sparse gradients"):
        torch.nn.functional.embedding(t([0]), x, sparse=True, scale_grad_by_freq=True).sum().backward()


@pytest.mark.parametrize(("name", "options"), [("SGD", {}), ("SGD", {"momentum": 0.9}), ("Adagrad", {})])
def test_optimizers_step_as_with_a_dense_gradient(name, options):
    tables = []
    for sparse in (True, False):
        table = torch.nn.Embedding(5, 2, sparse=sparse)
        torch.nn.init.ones_(table.weight)
        optimizer = getattr(torch.optim, name)(table.parameters(), lr=0.1, **options)
        for i in range(4):
            optimizer.zero_grad()
            (table(t([i, 2, 2])) ** 2).sum().backward()
            optimizer.step()
        assert table.weight.grad.is_sparse is sparse
        tables.append(table.weight)
    close(*tables)


def test_sparse_adam_moves_only_rows_that_were_looked_up():
    table = torch.nn.Embedding(4, 2, sparse=True)
    torch.nn.init.ones_(table.weight)
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    table(t([1, 1, 2])).sum().backward()
    optimizer.step()
    optimizer.step()
    np.testing.assert_allclose(table.weight.detach().numpy()[:, 0], [1, 0.8, 0.8, 1], rtol=1e-6)
    assert optimizer.state_dict()["state"][0]["step"] == 2
    dense = torch.nn.Embedding(4, 2)
    dense(t([1])).sum().backward()
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients, please consider Adam instead"):
        torch.optim.SparseAdam(dense.parameters()).step()
    with pytest.raises(ValueError, match=r"Sparse params at indices \[\[0, 0\]\]"):
        torch.optim.SparseAdam([matrix(True)])
    for name in ("Adam", "AdamW", "RMSprop", "Adadelta", "Adamax"):
        with pytest.raises(RuntimeError, match="does not support sparse gradients"):
            getattr(torch.optim, name)(table.parameters()).step()
    with pytest.raises(RuntimeError, match="weight_decay option is not compatible with sparse gradients"):
        torch.optim.Adagrad(table.parameters(), weight_decay=0.1).step()


def test_a_sparse_parameter_is_trained():
    x = matrix(True)
    optimizer = torch.optim.SGD([x], lr=0.5)
    torch.sparse.sum(x * x).backward()
    optimizer.step()
    assert x._values().tolist() == [0, 0, 0]


# ---------------------------------------------------------------- beside the rest


def test_tools_that_show_gradients():
    x, w = matrix(True), torch.ones(2, 3, requires_grad=True)
    with torch.record_grads() as record:
        y = torch.sparse.sum(x * x)
        y.backward()
    assert "[[0, 0, 6], [8, 0, 10]]" in str(record)
    assert str(torch.explain((w * matrix()).to_dense().sum(), w)).endswith("= [[0, 0, 3], [4, 0, 5]]")
    assert "4 nodes" in str(torch.draw(torch.sparse.mm(x * 2, torch.ones(3, 2)).sum()))


def test_switches():
    with torch.inference_mode():
        assert (matrix() * 2).is_inference() and matrix().is_inference()
    with torch.no_grad():
        assert not (matrix(True) * 2).requires_grad
    with pytest.warns(UserWarning, match="Anomaly Detection"), torch.autograd.detect_anomaly():
        x = matrix(True)
        torch.sparse.mm(x * x, torch.ones(3, 1)).sum().backward()
    assert x.grad.is_sparse
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
        y = torch.sparse.sum(x * x)
    y.backward()
    assert x.grad._values().tolist() == [12, 16, 20]


def test_what_carries_batches_or_tangents_is_refused():
    x = matrix()
    for call in (
        lambda v: torch.sparse.mm(x, v),
        lambda v: torch.sparse_coo_tensor([[0, 1, 2]], v, (3, 2)),
        lambda v: v.sparse_mask(x.t()),
        lambda v: v.to_sparse(),
    ):
        with pytest.raises(RuntimeError, match="Batching rule not implemented for aten::"):
            torch.vmap(call)(torch.ones(4, 3, 2))
    import chainrule.autograd.forward_ad as forward_ad

    with forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones(3, 2), torch.ones(3, 2))
        with pytest.raises(NotImplementedError, match="Trying to use forward AD with sparse_addmm that does not"):
            torch.sparse.mm(x, dual)


def test_assert_close():
    close_ = torch.testing.assert_close
    close_(matrix(), matrix() + 1e-7 * matrix())
    close_(by_rows(), by_rows())
    close_(matrix(), matrix().to_dense(), check_layout=False)
    for actual, expected, message in (
        (
            matrix(),
            matrix().to_dense(),
            "The values for attribute 'layout' do not match: torch.sparse_coo != torch.str",
        ),
        (
            matrix(),
            torch.zeros(2, 3).to_sparse(),
            "The number of specified values in sparse COO tensors does not match: 3",
        ),
        (matrix(), matrix() * 2, "Sparse COO values are not close!"),
        (by_rows(), by_rows() * 2, "Sparse CSR values are not close!"),
    ):
        with pytest.raises(AssertionError) as info:
            close_(actual, expected)
        assert str(info.value).startswith(message)


def test_modules_hold_sparse_parameters_and_buffers():
    class Graph(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(matrix())
            self.register_buffer("links", matrix().t())

        def forward(self, x):
            return torch.sparse.mm(self.links, torch.sparse.mm(self.weight, x))

    module = Graph().double()
    module(torch.ones(3, 2).double()).sum().backward()
    assert list(module.state_dict()) == ["weight", "links"] and module.weight.grad.is_sparse
    assert isinstance(module.weight, torch.nn.Parameter) and module.links.dtype is torch.float64
    module.load_state_dict({"weight": matrix() * 2, "links": matrix().t()})
    assert module.weight._values().tolist() == [6, 8, 10]
    stream = io.BytesIO()
    torch.save(module.weight, stream)
    stream.seek(0)
    loaded = torch.load(stream)
    assert isinstance(loaded, torch.nn.Parameter) and loaded.requires_grad and loaded.is_sparse


def test_sparse_tensors_are_loaded_when_first_used():
    import subprocess
    import sys

    program = (
        "import sys, chainrule as torch\n"
        "loss = torch.nn.Embedding(2, 2)(torch.tensor([1])).sum(); loss.backward()\n"
        "print('chainrule.sparse' in sys.modules)\n"
        "torch.ones(2).to_sparse()\n"
        "print('chainrule.sparse' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "True"]
