"""In-place writes and views: whose gradient they reach, what is forbidden, what is noticed."""

import gc
import weakref

import pytest

import chainrule as torch


def ones(*shape):
    return torch.ones(*shape, requires_grad=True)


def grid():
    """A 3x3 leaf and a non-leaf with its values."""
    x = torch.arange(9.0).reshape(3, 3).requires_grad_()
    return x, x.clone()


def test_a_write_through_a_view_reaches_the_base_and_the_other_views():
    x, base = grid()
    row, column = base[0], base[:, 1]
    row.mul_(10)
    assert base.grad_fn.name() == "torch::autograd::CopySlices" and "grad_fn=<CopySlices>" in repr(base)
    assert type(column.grad_fn).__name__ == "AsStridedBackward0"
    assert column.tolist() == [10.0, 4.0, 7.0]
    (base.sum() + column.sum()).backward()
    assert x.grad.tolist() == [[10.0, 20.0, 10.0], [1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]


def test_a_write_to_the_base_reaches_its_views():
    x, base = grid()
    row = base[1]
    base.mul_(3)
    row.sum().backward()
    assert x.grad.tolist() == [[0.0] * 3, [3.0] * 3, [0.0] * 3]


def test_views_of_views():
    x, base = grid()
    block = base[:2].t()[1:]
    block.mul_(block.detach() + 1)
    base.sum().backward()
    assert x.grad.tolist() == [[1.0, 2.0, 3.0], [1.0, 5.0, 6.0], [1.0, 1.0, 1.0]]


def test_writing_a_tensor_with_history_into_a_part():
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    base = torch.zeros(4)
    base[1:3] = w * 5
    assert base.requires_grad
    (base * torch.arange(4.0)).sum().backward()
    assert w.grad.tolist() == [5.0, 10.0]


def test_multiplying_a_part_of_a_tensor_without_history_by_one_with():
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    base = torch.arange(4.0)
    base[1:3].mul_(w)
    base.sum().backward()
    assert w.grad.tolist() == [1.0, 2.0]


def test_overwritten_parts_get_no_gradient():
    x, base = grid()
    base[0].zero_()
    base[1] = 7.0
    base.sum().backward()
    assert x.grad.tolist() == [[0.0] * 3, [0.0] * 3, [1.0] * 3]


def test_second_order_through_writes():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def function(x):
        y = x * x
        y[0].mul_(y[1].clone())
        y[1:].exp_()
        return (y * y).sum()

    (g,) = torch.autograd.grad(function(x), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)

    def without_writes(x):
        y = x * x
        z = torch.stack([y[0] * y[1], y[1].exp(), y[2].exp()])
        return (z * z).sum()

    (expected,) = torch.autograd.grad(without_writes(x), x, create_graph=True)
    (expected_second,) = torch.autograd.grad(expected.sum(), x)
    assert torch.allclose(g, expected) and torch.allclose(gg, expected_second)


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.mul_(2),
        lambda y: y[0].mul_(2),
        lambda y: y.view(-1).zero_(),
        lambda y: y.detach().add_(1),
        lambda y: torch.autograd.graph.increment_version(y),
    ],
)
def test_a_saved_input_that_was_overwritten_is_noticed(write):
    x = ones(2)
    y = x * 3
    out = y * y
    with torch.no_grad():
        write(y)
    text = (
        r"modified by an inplace operation: \[torch.FloatTensor \[2\]\], which is output 0 of Mul, is at version 1; "
        "expected version 0"
    )
    with pytest.raises(RuntimeError, match=text):
        out.sum().backward()


def test_a_saved_output_that_was_overwritten_is_noticed():
    y = (ones(2) * 2).exp()
    out = y.sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="which is output 0 of Exp, is at version 1; expected version 0"):
        out.backward()


def test_a_write_between_two_saves_is_noticed_by_the_first_only():
    x = ones(2)
    y = x.clone()
    first = y * y
    y.add_(1)
    second = y * y
    second.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="is at version 1; expected version 0"):
        first.sum().backward()


def test_overwriting_what_nobody_saved_is_fine():
    x = ones(2)
    y = x * 2
    out = y + 1
    y.mul_(100)
    out.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_operations_save_what_they_overwrite():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.clone()
    y.pow_(3)
    y.exp_()
    y.sum().backward()
    expected = torch.autograd.grad((x**3).exp().sum(), x)[0]
    assert torch.allclose(x.grad, expected)


def test_data_shares_memory_without_being_noticed_and_detach_is():
    x = ones(2)
    y = x * 2
    out = y * y
    y.data.mul_(10)
    out.sum().backward()
    assert x.grad.tolist() == [80.0, 80.0]
    y = x * 2
    out = y * y
    part = y.detach()
    assert part._version == 0 and not part._is_view()
    part.add_(1)
    assert y._version == part._version == 1
    with pytest.raises(RuntimeError, match="is at version 1"):
        out.sum().backward()


def test_setting_data():
    x = ones(2)
    y = x * 2
    x.data = torch.full((2,), 5.0)
    assert x.tolist() == [5.0, 5.0] and x.is_leaf and x._version == 0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="must be floating point or complex"):
        x.data = torch.ones(2, dtype=torch.int64)
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got int"):
        x.data = 3


# ---------------------------------------------------------------- what is forbidden


def test_leaves_that_require_grad_and_their_views():
    x = ones(2)
    with pytest.raises(
        RuntimeError, match=r"^a leaf Variable that requires grad is being used in an in-place operation"
    ):
        x.add_(1)
    with pytest.raises(
        RuntimeError, match=r"^a view of a leaf Variable that requires grad is being used in an in-place"
    ):
        x[0:1].add_(1)
    with torch.no_grad():
        x.add_(1)
        x[0:1].add_(1)
    assert x.tolist() == [3.0, 2.0] and x._version == 2


def test_nothing_changes_when_a_write_is_refused():
    x = ones(2)
    before = (x.tolist(), x._version, x.grad_fn)
    with pytest.raises(RuntimeError):
        x.mul_(5)
    y = torch.ones(3)
    with pytest.raises(RuntimeError, match=r"output with shape \[3\] doesn't match the broadcast shape \[2, 3\]"):
        y.add_(torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output type Long"):
        torch.ones(2, dtype=torch.int64).add_(1.5)
    assert (x.tolist(), x._version, x.grad_fn) == before
    assert (y.tolist(), y._version) == ([1.0, 1.0, 1.0], 0)


def test_views_made_in_no_grad():
    _, base = grid()
    with torch.no_grad():
        view = base.view(-1)
    assert view.requires_grad and view.grad_fn is None and view.is_leaf
    with pytest.raises(
        RuntimeError, match="A view was created in no_grad mode and is being modified inplace with grad mode enabled"
    ):
        view.mul_(2)
    further = view.view(3, 3)
    assert further.grad_fn.next_functions == ((None, 0),)
    with pytest.raises(RuntimeError, match="Output 0 of View is a view of a view which was created in no_grad mode"):
        further.mul_(2)
    with torch.no_grad():
        view.mul_(2)
    assert base[1, 1].item() == 8.0
    base.mul_(2)
    with pytest.raises(
        RuntimeError,
        match="A view was created in no_grad mode and its base or another view of its base has been modified",
    ):
        view.grad_fn
    with pytest.raises(RuntimeError, match="its base or another view"):
        view * 2
    assert "grad_fn=<Invalid>" in repr(view)
    with torch.no_grad():
        assert (view * 2)[0].item() == 0.0


def test_outputs_of_functions_that_return_several_views():
    _, base = grid()
    for first in (base.unbind(0)[0], base.split(1)[0], base.chunk(3)[0]):
        with pytest.raises(RuntimeError, match="This view is the output of a function that returns multiple views"):
            first.mul_(2)
    first, *_ = base.unbind(0)
    with torch.no_grad():
        first.mul_(2)
    with pytest.raises(
        RuntimeError, match="Output 0 of Unbind is a view and its base or another view of its base has been modified"
    ):
        first.grad_fn


def test_expanded_memory():
    for view in (torch.ones(1).expand(3), (ones(3) * 1).expand(2, 3)):
        with pytest.raises(
            RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"
        ):
            view.add_(1)
    torch.ones(1).expand(1).add_(1)


def test_detach_in_place():
    x = ones(2)
    with pytest.raises(RuntimeError, match=r"Can't detach views in-place. Use detach\(\) instead"):
        (x * 2).view(-1).detach_()
    y = x * 2
    out = y * y
    assert y.detach_() is y and y.is_leaf and not y.requires_grad and y._version == 0
    with pytest.raises(RuntimeError, match="Trying to use a saved tensor that has been detached in-place"):
        out.sum().backward()
    z = (x * 2).exp()
    out = z.sum()
    z.detach_()
    out.backward()
    assert x.grad is not None
    h = x * 2
    for _ in range(3):  # as truncated backpropagation through time does it
        h.detach_()
        h = h * x
        h.sum().backward()
        h = h * 1


def test_requires_grad_of_views():
    base = torch.zeros(3)
    view = base[0:1]
    base.requires_grad_()
    assert view.requires_grad and view.is_leaf
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        (ones(2) * 1).view(-1).requires_grad_(False)
    base = torch.zeros(3)
    view = base[0:1].requires_grad_()
    assert not base.requires_grad
    with pytest.raises(RuntimeError, match=r"a leaf Variable|a view of a leaf Variable"):
        view.mul_(2)


def test_a_write_on_the_base_without_history_leaves_views_consistent():
    base = torch.zeros(3)
    view = base[0:1]
    base.mul_(2)
    assert view.grad_fn is None and not view.requires_grad
    w = ones(3)
    base.add_(w)
    assert view.requires_grad and type(view.grad_fn).__name__ == "AsStridedBackward0"
    view.sum().backward()
    assert w.grad.tolist() == [1.0, 0.0, 0.0]


def test_a_view_whose_leaf_base_was_written_in_no_grad():
    x = ones(3)
    view = x.view(-1)
    with torch.no_grad():
        x.mul_(2)
    assert type(view.grad_fn).__name__ == "AsStridedBackward0"
    view.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_writes_between_recorded_uses():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x.clone()
    total = y.sum()
    for i in range(3):
        y[i] = y[i] * (i + 1)
        total = total + y.sum()
    total.backward()
    assert x.grad.tolist() == [4.0, 1 + 1 + 2 + 2, 1 + 1 + 1 + 3]


def test_half_of_a_complex_tensor_through_its_real_view():
    x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    y = x * 1
    torch.view_as_real(y)[:, 0].mul_(3)
    torch.view_as_real(y).sum().backward()
    assert x.grad.tolist() == [3 + 1j, 3 + 1j]


def test_written_graphs_die_with_their_last_name():
    gc.disable()
    try:
        _, base = grid()
        view = base[0]
        view.mul_(2)
        base.exp_()
        other = base[1]
        (base.sum() + view.sum() + other.sum()).backward()
        watched = [weakref.ref(t) for t in (base, view, other)]
        del base, view, other
        assert [w() for w in watched] == [None] * 3
    finally:
        gc.enable()


def test_batched_gradients_of_gradients_through_a_write_on_a_view():
    x, b, weight = torch.zeros(4).requires_grad_(), torch.zeros(2).requires_grad_(), ones(4)
    y = x.clone()
    y[1:3].mul_(b + 2)
    gx, gb = torch.autograd.grad(y, (x, b), weight, create_graph=True)
    rows = (torch.eye(4), torch.zeros(4, 2))
    (batched,) = torch.autograd.grad((gx, gb), weight, rows, retain_graph=True, is_grads_batched=True)
    single = [torch.autograd.grad((gx, gb), weight, (r, z), retain_graph=True)[0] for r, z in zip(*rows)]
    assert batched.tolist() == torch.stack(single).tolist() == [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]


def test_set_is_a_write_without_derivative():
    x = ones(3)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.set_(torch.ones(3))
    y = x * 2
    y.set_(torch.ones(2))
    assert y.tolist() == [1, 1]
    assert y.grad_fn.name() == "torch::autograd::NotImplemented"
    assert [node and node.name() for node, _ in y.grad_fn.next_functions] == ["MulBackward0", None]
    with pytest.raises(RuntimeError, match="derivative for set_ is not implemented"):
        y.sum().backward()
    z = torch.ones(2)
    z.set_(x)
    assert z.requires_grad
    with pytest.raises(RuntimeError, match="derivative for set_ is not implemented"):
        z.sum().backward()
    with torch.no_grad():
        x.set_(torch.zeros(2))
    assert x.tolist() == [0, 0]
