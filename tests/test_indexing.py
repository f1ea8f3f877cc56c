"""Indexing, gathering and scattering: what tests/parity/test_indexing.py does not draw."""

import numpy as np
import pytest

import chainrule as torch


def test_an_integer_tensor_without_dimensions_selects():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    assert type(x[torch.tensor(1)].grad_fn).__name__ == "SelectBackward0"
    assert x[torch.tensor(1), torch.tensor(0)].item() == 3


def test_a_whole_slice_in_a_tuple_is_passed_over():
    x = torch.ones(2, 3, requires_grad=True)
    assert x[:, 0].grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"
    assert type(x[:].grad_fn).__name__ == "SliceBackward0"


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (5, IndexError, "index 5 is out of bounds for dimension 0 with size 2"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (1.0, IndexError, "only integers, slices"),
        (torch.tensor([0.5]), IndexError, "tensors used as indices must be long, int, byte or bool tensors"),
        (torch.tensor([True]), IndexError, "The shape of the mask [1] at index 0 does not match"),
        (
            (torch.tensor([0, 1]), torch.tensor([0, 1, 2])),
            IndexError,
            "could not be broadcast together with shapes [2], [3]",
        ),
    ],
)
def test_bad_indices(index, error, message):
    with pytest.raises(error) as caught:
        torch.ones(2, 3)[index]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("index", "value", "error", "message"),
    [
        (0, torch.ones(2), RuntimeError, "The expanded size of the tensor (3) must match the existing size (2)"),
        (
            torch.tensor([0]),
            torch.ones(3).double(),
            RuntimeError,
            "Index put requires the source and destination dtypes match",
        ),
        (torch.tensor([0]), torch.ones(2), RuntimeError, "cannot be broadcast to indexing result of shape [1, 3]"),
        (0, "a", TypeError, "can't assign a str to a torch.FloatTensor"),
        (0, 1j, RuntimeError, "value cannot be converted to type float without overflow"),
    ],
)
def test_bad_assignments_change_nothing(index, value, error, message):
    x = torch.ones(2, 3)
    with pytest.raises(error) as caught:
        x[index] = value
    assert message in str(caught.value)
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_assigning_what_is_read():
    x = torch.arange(3.0)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        x[torch.tensor([1, 0, 2])] = x


def test_gradients_of_repeated_positions_add_up():
    x = torch.arange(3.0).requires_grad_()
    x[torch.tensor([0, 0, 2])].sum().backward()
    assert x.grad.tolist() == [2, 0, 1]


def test_second_derivative_through_an_index():
    x = torch.arange(1.0, 4.0).requires_grad_()
    (g,) = torch.autograd.grad((x[torch.tensor([0, 0, 2])] ** 3).sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)
    assert gg.tolist() == [12, 0, 18]


def test_an_index_that_is_changed_is_noticed():
    x, i = torch.ones(3, requires_grad=True), torch.tensor([0, 1])
    y = x[i].sum()
    i.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_masks_of_bytes_warn():
    with pytest.warns(UserWarning, match="indexing with dtype torch.uint8 is now deprecated"):
        assert torch.arange(2)[torch.tensor([0, 1], dtype=torch.uint8)].tolist() == [1]


def test_lists_and_arrays():
    x = torch.arange(6).reshape(2, 3)
    assert x[[1, 0]].tolist() == [[3, 4, 5], [0, 1, 2]] and x[[True, False]].tolist() == [[0, 1, 2]]
    assert x[np.array([1])].tolist() == [[3, 4, 5]] and x[[]].shape == (0, 3)
    with pytest.warns(UserWarning, match="Using a non-tuple sequence"):
        assert x[[0, slice(1, None)]].tolist() == [1, 2]


def test_nonzero():
    x = torch.tensor([[0, 1], [2, 0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]] and x.nonzero().stride() == (1, 2)
    assert [p.tolist() for p in torch.where(x > 0)] == [[0, 1], [1, 0]]
    assert torch.tensor(3).nonzero().shape == (1, 0) and torch.argwhere(torch.tensor(0)).shape == (0, 0)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_on_whole_numbers(reduce, include_self):
    x, index, src = torch.tensor([10, 20, 30]), torch.tensor([0, 0, 2]), torch.tensor([3, 4, 5])
    groups = [[3, 4], [], [5]]
    combine = {"sum": sum, "prod": np.prod, "mean": lambda v: int(np.mean(v) // 1), "amax": max, "amin": min}[reduce]
    expected = [
        combine(([own] if include_self else []) + group) if group else own
        for own, group in zip(x.tolist(), groups, strict=True)
    ]
    assert x.scatter_reduce(0, index, src, reduce, include_self=include_self).tolist() == expected


def test_index_out_of_range_leaves_the_tensor_alone():
    x = torch.zeros(2)
    for call in (
        lambda: x.scatter_(0, torch.tensor([2]), 1.0),
        lambda: x.index_add_(0, torch.tensor([2]), torch.ones(1)),
        lambda: x.put_(torch.tensor([2]), torch.ones(1)),
        lambda: x.index_fill_(0, torch.tensor([2]), 1.0),
    ):
        with pytest.raises((RuntimeError, IndexError), match=r"out of (bounds|range)"):
            call()
    assert x.tolist() == [0, 0]


def test_take_along_dim_counts_from_the_end():
    x = torch.arange(6).reshape(2, 3)
    assert torch.take_along_dim(x, torch.tensor([[-1], [0]]), 1).tolist() == [[2], [3]]


def test_unravel_index():
    assert [p.tolist() for p in torch.unravel_index(torch.tensor([5, 1]), (2, 3))] == [[1, 0], [2, 1]]


def test_meshgrid():
    a, b = torch.tensor([1, 2]), torch.tensor([3, 4, 5])
    for indexing in ("ij", "xy"):
        ours = torch.meshgrid(a, b, indexing=indexing)
        theirs = np.meshgrid(a.numpy(), b.numpy(), indexing=indexing)
        assert all(np.array_equal(x.numpy(), y) for x, y in zip(ours, theirs, strict=True))
    with pytest.warns(UserWarning, match="it will be required to pass the indexing argument"):
        torch.meshgrid(a, b)


def test_second_derivatives_of_scattered_products_with_zeros():
    def products(x, y):
        return x.scatter_reduce(0, torch.tensor([0, 0, 1]), y, "prod")

    for x, y in (([0.0, 2.0], [3.0, 0.0, 0.0]), ([2.0, 0.0], [0.0, 3.0, 4.0])):
        x, y = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x, y))
        assert torch.autograd.gradcheck(products, (x, y))
        assert torch.autograd.gradgradcheck(products, (x, y))
    y = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(products(x, y).sum(), y, create_graph=True)
    with pytest.raises(RuntimeError, match="Double backward is unsupported for src when >1 zeros in src are scattered"):
        first.sum().backward()


def test_negative_bases_to_complex_powers():
    y = torch.tensor([0.5 + 0.2j, 2.0 - 1.0j], dtype=torch.complex128, requires_grad=True)
    base = torch.tensor([-1.0, -2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda y: torch.pow(base, y), (y,))
    assert torch.autograd.gradcheck(lambda y: torch.pow(-1, y), (y,))
