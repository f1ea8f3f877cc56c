"""What in-place writes, detach_ and leaves that get a history do to views, hooks, retained gradients and versions."""

import pytest

import chainrule as torch
from chainrule.autograd.graph import get_gradient_edge, register_multi_grad_hook


@pytest.fixture
def x():
    return torch.tensor([1.0, 2.0], requires_grad=True)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return 2 * g


class Nothing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return None


# ---- errors


def test_the_shape_is_checked_before_the_dtype():
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        torch.ones(3, dtype=torch.int64).mul_(torch.ones(2, 1))


def test_a_leaf_that_was_moved_into_the_graph(x):
    y = x * 3
    x.requires_grad_(False)
    x += torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf variable has been moved into the graph interior"):
        y.sum().backward()


@pytest.mark.parametrize("other", [None, "s", [1]])
def test_what_is_no_operand_is_left_to_python(x, other):
    for y in (x * 1, (x * 1)[:1]):
        with pytest.raises(TypeError, match="unsupported operand type"):
            y *= other
        with pytest.raises(TypeError, match="unsupported operand type"):
            y - other


def test_names_of_younger_dtypes():
    with pytest.raises(RuntimeError, match="CPUComplexDoubleType"):
        torch.ones(3, 1, dtype=torch.complex128).expand(3)
    with pytest.raises(RuntimeError, match="'long int' to a tensor with grad_dtype 'Float'"):
        torch.ones(2).grad = torch.ones(2, dtype=torch.int64)


def test_view_as_complex_needs_an_even_offset():
    with pytest.raises(RuntimeError, match="storage_offset divisible by 2"):
        torch.view_as_complex(torch.ones(5)[1:3])


def test_gradients_do_not_reach_expanded_memory_that_was_written(x):
    y = x * 1
    y.expand(2, -1).zero_()
    with pytest.raises(RuntimeError, match="refers to a single memory location"):
        y.sum().backward()


def test_a_gradient_that_was_reshaped(x):
    x.backward(torch.ones(2))
    x.grad.unsqueeze_(1)
    with pytest.raises(RuntimeError, match=r"output with shape \[2, 1\] doesn't match the broadcast shape \[2, 2\]"):
        x.backward(torch.ones(2))


# ---- views


def test_views_of_another_dtype_replay_by_strides(x):
    y = x.clone()
    z = torch.view_as_complex(y)
    part = z.view(1)
    part.mul_(2j)
    assert part.grad_fn.name() == "AsStridedBackward0"
    assert part.grad_fn.next_functions[0][0].name() == "ViewAsComplexBackward0"
    y.backward(torch.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [20, -2]


def test_parts_of_complex_numbers_are_views_of_pairs():
    z = torch.tensor([1 + 2j], requires_grad=True)
    assert z.real.grad_fn.next_functions[0][0].name() == "ViewAsRealBackward0"
    assert z.imag.tolist() == [2]


def test_a_view_of_what_requires_grad_since():
    base = torch.ones(2)
    view = base[...]
    base.requires_grad_()
    assert (view + 1).requires_grad
    assert view.sum().requires_grad


def test_views_survive_that_the_data_is_replaced(x):
    y = x * 2
    view = y[1:]
    y.data = torch.tensor([5.0, 6.0])
    y.mul_(2)
    assert view.grad_fn.name() == "AsStridedBackward0"


def test_copyslices_shows_the_edges_of_the_write(x):
    y = x.clone()
    y.view(-1).masked_fill_(x > 0, 0.5)
    assert len(y.grad_fn.next_functions) == 1


def test_no_edge_leads_to_a_view_made_in_no_grad(x):
    with torch.no_grad():
        view = x[:1]
    with pytest.raises(AssertionError, match="Expected gradient function to be set"):
        get_gradient_edge(view)


# ---- what Functions write


def test_dirty_counts_twice(x):
    y = x * 1
    Doubled.apply(y)
    assert y._version == 2


def test_dirty_views(x):
    y = x * 1
    view = y[1:]
    Doubled.apply(view)
    y.sum().backward()
    assert x.grad.tolist() == [1, 2]
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        Doubled.apply(x[:1])
    with pytest.raises(RuntimeError, match="Output 0 of Unbind is a view and is being modified inplace"):
        Doubled.apply((x * 1).unbind()[0])


def test_nodes_without_a_gradient_free_what_they_saved(x):
    y = Nothing.apply(x.sin())
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_nodes_of_which_nothing_is_wanted_look_at_what_they_saved(x):
    y = x * x.relu()
    y.grad_fn._saved_other.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward(inputs=[y])


def test_what_saves_a_number_only_runs_again(x):
    y = torch.lerp(x, x * 2, 0.25)
    y.sum().backward()
    y.sum().backward()
    assert x.grad.tolist() == [2.5, 2.5]


# ---- hooks


def test_detach_in_place_keeps_the_retained_gradient(x):
    y = x * 2
    z = y + 1
    y.retain_grad()
    y.detach_()
    z.sum().backward()
    assert y.grad.tolist() == [1, 1]


def test_detach_in_place_keeps_the_hooks(x):
    calls = []
    y = x * 2
    y.register_hook(lambda g: calls.append("first"))
    y.detach_()
    y.requires_grad_()
    y.register_hook(lambda g: calls.append("second"))
    y.sum().backward()
    assert calls == ["first", "second"]


def test_a_write_through_a_view_keeps_a_leafs_hooks(x):
    calls = []
    x.register_hook(lambda g: calls.append(g.tolist()))
    y = x[1:] * 1
    x.requires_grad_(False)
    x[0] = y.sum()
    with pytest.raises(RuntimeError, match="moved into the graph interior"):
        y.sum().backward()
    assert calls == [[0, 1]]


@pytest.mark.parametrize("cut", [lambda x: x.detach_(), lambda x: x.requires_grad_(False)])
def test_hooks_after_accumulation_run_though_nothing_is_accumulated(x, cut):
    calls = []
    x.register_post_accumulate_grad_hook(lambda leaf: calls.append(leaf.grad))
    y = x * 2
    cut(x)
    y.sum().backward()
    assert calls == [None]


def test_hooks_on_several_tensors_do_not_count_the_root(x):
    calls = []
    y = x * 2
    register_multi_grad_hook([y], lambda gradients: calls.append(gradients))
    y.backward(torch.ones(2))
    assert calls == []
    with pytest.raises(RuntimeError, match="A leaf node was passed"):
        register_multi_grad_hook([x], calls.append)
        torch.autograd.grad(y.sum(), x)


def test_hooks_of_nodes_see_outputs_with_gradients(x):
    counts = []
    y = x.sort()[0]
    y.grad_fn.register_prehook(lambda gradients: counts.append(len(gradients)))
    y.grad_fn.register_hook(lambda inputs, outputs: counts.append(len(outputs)))
    y.sum().backward()
    assert counts == [1, 1]


# ---- copies


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: x.cummax(0)[0], lambda x: x.cummin(0)[0], lambda x: x.logcumsumexp(0), lambda x: x.kthvalue(1)[0],
        lambda x: x.median(0)[0], lambda x: x.nanmedian(0)[0], lambda x: x.mode()[0], lambda x: x.index_select(0, torch.tensor([0])),
        lambda x: x.index_add(0, torch.tensor([0]), torch.ones(())), lambda x: x.index_fill(0, torch.tensor([0]), 3.0),
        lambda x: x.roll(1),
    ],
)  # fmt: skip
def test_results_from_a_0d_tensor_are_copies(copy):
    x = torch.tensor(1.0)
    x.add_(0)
    x.view(1)
    made = copy(x)
    assert not made._is_view()
    made.fill_(7)
    assert x.item() == 1


def test_rot90_is_a_copy():
    x = torch.ones(2, 1)
    x.rot90().fill_(7)
    assert x.tolist() == [[1], [1]]


def test_roll_without_dims_is_one_operation(x):
    y = x.view(1, 2).roll(1)
    assert y.tolist() == [[2, 1]]
    assert y.grad_fn.name() == "RollBackward0"
    y.backward(torch.tensor([[1.0, 10.0]]))
    assert x.grad.tolist() == [10, 1]
