"""Custom Functions: the context, marks, checks of what backward returns, double backward, memory."""

import gc
import weakref

import pytest

import chainrule as torch
from chainrule.autograd import Function
from chainrule.autograd.function import once_differentiable


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def make(forward=lambda ctx, x, *rest: x * 1, backward=lambda ctx, g: g):
    """A Function of two plain functions, named Made."""
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Made", (Function,), members)


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x


def test_gradient_and_names():
    x = leaf(3.0)
    y = Square.apply(x)
    assert type(y.grad_fn).__name__ == y.grad_fn.name() == "SquareBackward"
    assert type(y.grad_fn) is Square._backward_cls
    assert repr(y.grad_fn).startswith("<torch.autograd.function.SquareBackward object at 0x")
    assert str(y) == "tensor([9.], grad_fn=<SquareBackward>)"
    y.backward()
    assert x.grad.tolist() == [6.0]


def test_double_backward_records_the_users_backward():
    x = leaf(3.0)
    (g,) = torch.autograd.grad(Square.apply(x), x, create_graph=True)
    (gg,) = torch.autograd.grad(g, x)
    assert (g.tolist(), gg.tolist()) == ([6.0], [2.0])


def test_setup_context_sees_inputs_and_output_without_recording():
    class Scale(Function):
        @staticmethod
        def forward(x, factor=2):
            assert not torch.is_grad_enabled()
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            _, ctx.factor = inputs
            assert ctx.needs_input_grad == (True, False)
            assert not output.requires_grad and not torch.is_grad_enabled()

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    x = leaf()
    Scale.apply(x).sum().backward()
    Scale.apply(x, factor=5).sum().backward()
    assert x.grad.tolist() == [7.0, 7.0]


def test_vjp_is_another_name_for_backward_and_both_are_refused():
    class OnlyVjp(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def vjp(ctx, g):
            return g * 4

    class Both(OnlyVjp):
        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf()
    OnlyVjp.apply(x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="Implementing both 'backward' and 'vjp'"):
        Both.apply(x).sum().backward()


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        (lambda g: 3, r"expected Variable or None \(got int\)"),
        (lambda g: (g, g), r"function MadeBackward returned an incorrect number of gradients \(expected 1, got 2\)"),
        (lambda g: (), r"incorrect number of gradients \(expected 1, got 0\)"),
        (
            lambda g: torch.ones(4),
            r"returned an invalid gradient at index 0 - got \[4\] but expected shape compatible with \[2\]",
        ),
        (lambda g: g.sum(), r"got \[\] but expected shape compatible with \[2\]"),
    ],
)
def test_what_backward_may_not_return(returned, text):
    x = leaf()
    y = make(backward=lambda ctx, g: returned(g)).apply(x)
    with pytest.raises(RuntimeError, match=text):
        y.sum().backward()
    assert x.grad is None


def test_gradients_for_what_is_no_tensor_must_be_none():
    x = leaf()
    with pytest.raises(
        RuntimeError, match="different than None at position 2, but the corresponding forward input was not a Variable"
    ):
        make(backward=lambda ctx, g: (g, g)).apply(x, 2).sum().backward()
    make(backward=lambda ctx, g: (g, None)).apply(x, 2).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert len(make().apply(x, 2).grad_fn.next_functions) == 1


def test_gradients_are_summed_and_cast_to_their_inputs():
    x = leaf()
    make(backward=lambda ctx, g: torch.ones(3, 2, dtype=torch.float64)).apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and x.grad.dtype is torch.float32
    make(backward=lambda ctx, g: (g, None, None)).apply(x).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_several_outputs_and_materialized_gradients():
    seen = []

    def backward(ctx, *gradients):
        seen.append([None if g is None else g.tolist() for g in gradients])
        return gradients[0]

    x = leaf()
    make(lambda ctx, x: (x * 2, x * 3, 7, x > 1), backward).apply(x)[0].sum().backward()

    def unmaterialized(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    make(unmaterialized, backward).apply(x)[0].sum().backward()
    assert seen == [[[1.0, 1.0], [0.0, 0.0], None, [False, False]], [[1.0, 1.0], None]]


def test_outputs_that_are_no_tensors_pass_through():
    x = leaf()
    y, number, nothing = make(lambda ctx, x: (x * 2, 3, None)).apply(x)
    assert (number, nothing) == (3, None) and y.requires_grad
    assert make(lambda ctx, x: None).apply(x) is None
    assert not make(lambda ctx, x: [x * 2]).apply(x)[0].requires_grad


def test_non_differentiable_outputs():
    def forward(ctx, x):
        out, index = x * 2, x * 3
        ctx.mark_non_differentiable(index)
        return out, index

    x = leaf()
    out, index = make(forward, lambda ctx, g, g_index: g).apply(x)
    assert out.requires_grad and not index.requires_grad and index.grad_fn is None


def test_an_input_returned_as_it_is_becomes_a_view_with_the_functions_node():
    x = leaf()
    y = make(lambda ctx, x: x, lambda ctx, g: g * 3).apply(x)
    assert y is not x and y._is_view() and y._base is x
    with pytest.raises(RuntimeError, match="This view was created inside a custom Function"):
        y.mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    with torch.no_grad():
        assert not make(lambda ctx, x: x).apply(x).requires_grad


def test_views_out_of_functions_cannot_be_written():
    x = leaf() * 1
    y = make(lambda ctx, x: x.view(-1)).apply(x)
    with pytest.raises(
        RuntimeError, match=r"Output 0 of Made is a view and is being modified inplace. This view was created inside"
    ):
        y.mul_(2)
    y, _ = make(lambda ctx, x: (x.view(-1), x.view(-1)), lambda ctx, g, h: g).apply(x)
    with pytest.raises(RuntimeError, match="This view is the output of a function that returns multiple views"):
        y.mul_(2)
    z = make(lambda ctx, x: x).apply(x)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        z.grad_fn


def test_dirty_inputs():
    def add_one(ctx, x):
        ctx.mark_dirty(x)
        return x.add_(1)

    x = leaf()
    y = x * 2
    out = make(add_one, lambda ctx, g: g * 5).apply(y)
    assert out is y and y.grad_fn.name() == "MadeBackward"
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad has been used in an in-place operation"):
        make(add_one).apply(leaf())


def test_dirty_view_rebases_the_base():
    def double(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    x = torch.ones(4, requires_grad=True)
    base = x.clone()
    part = base[:2]
    make(double, lambda ctx, g: g * 2).apply(part)
    base.sum().backward()
    assert base.tolist() == [2.0, 2.0, 1.0, 1.0]
    assert x.grad.tolist() == [2.0, 2.0, 1.0, 1.0]


def test_dirty_errors():
    def forgets(ctx, x):
        ctx.mark_dirty(x)
        x.add_(1)
        return x * 1

    with pytest.raises(RuntimeError, match="Some elements marked as dirty during the forward method were not returned"):
        make(forgets).apply(leaf() * 1)

    def two(ctx, x):
        ctx.mark_dirty(x)
        return x.add_(1), x * 1

    with pytest.raises(RuntimeError, match="your Function cannot return more than one Tensor"):
        make(two, lambda ctx, g, h: g).apply((leaf() * 1)[0:1])

    def stranger(ctx, x):
        out = x.clone()
        ctx.mark_dirty(out)
        return out

    with pytest.warns(UserWarning, match="received a tensor that was not an input"):
        make(stranger).apply(leaf() * 1)


def test_saved_tensors_are_guarded():
    x = leaf()
    y = x * 2
    out = Square.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*is at version 1; expected version 0"):
        out.sum().backward()
    out = Square.apply(x)
    out.sum().backward()
    for again in (lambda: out.sum().backward(), lambda: out.grad_fn.saved_tensors):
        with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
            again()
    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 1 is of type int"):
        make(lambda ctx, x: ctx.save_for_backward(x, 3)).apply(x)


def test_a_saved_output_comes_back_with_its_place_in_the_graph():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            out = x.exp()
            ctx.save_for_backward(out, None)
            return out

        @staticmethod
        def backward(ctx, g):
            out, nothing = ctx.saved_tensors
            assert nothing is None
            return g * out

    x = leaf(0.5)
    y = Exp.apply(x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (gg,) = torch.autograd.grad(g, x)
    assert gg.item() == pytest.approx(y.item())


def test_a_function_that_saved_nothing_runs_backward_again():
    x = leaf()
    y = make(backward=lambda ctx, g: g * 2).apply(x)
    y.backward(torch.ones(2))
    y.backward(torch.ones(2))
    assert x.grad.tolist() == [4.0, 4.0]


def test_saved_tensors_read_once():
    class Once(Square):
        clear_saved_tensors_on_access = True

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with pytest.raises(RuntimeError, match="can only be accessed once"):
                ctx.saved_tensors
            return g * 2 * x

    x = leaf()
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not torch.is_grad_enabled()
            return g * 2

    x, a = leaf(), torch.ones((), requires_grad=True)
    (g,) = torch.autograd.grad(Once.apply(x).sum() * a, x, create_graph=True)
    assert g.grad_fn.name() == "torch::autograd::Error"
    with pytest.raises(
        RuntimeError, match="trying to differentiate twice a function that was marked with @once_differentiable"
    ):
        g.sum().backward()


def test_context_attributes_do_not_disturb_the_node_and_are_seen_on_it():
    def forward(ctx, x):
        ctx.edges = ctx.saved = ctx.meta = ctx.code = "the user's"
        ctx.factor = 3
        return x * 3

    def backward(ctx, g):
        assert ctx.saved == "the user's"
        return g * ctx.factor

    x = leaf()
    y = make(forward, backward).apply(x)
    assert y.grad_fn.factor == 3
    with pytest.raises(AttributeError, match="'MadeBackward' object has no attribute 'missing'"):
        y.grad_fn.missing
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_without_backward_or_as_an_instance():
    class Bare(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="You must implement either the backward or vjp method"):
        Bare.apply(leaf()).sum().backward()
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = Bare()
    with pytest.raises(RuntimeError, match="Legacy autograd function with non-static forward method"):
        instance(leaf())
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Function.apply(leaf())


def test_an_exception_in_forward_or_backward_leaves_modes():
    def raising(ctx, *args):
        raise KeyError("mine")

    x = leaf()
    with pytest.raises(KeyError):
        make(raising).apply(x)
    assert torch.is_grad_enabled()
    with pytest.raises(KeyError):
        make(backward=raising).apply(x).sum().backward()
    assert torch.is_grad_enabled() and x.grad is None


def test_a_gradient_returned_by_backward_is_not_shared_with_what_the_user_keeps():
    kept = torch.ones(2)
    x = leaf()
    y = make(backward=lambda ctx, g: kept).apply(x)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert (x.grad.tolist(), kept.tolist()) == ([2.0, 2.0], [1.0, 1.0])


def test_graphs_of_functions_die_with_their_last_name():
    gc.disable()
    try:
        x = leaf()
        y = Square.apply(x)
        watched = [weakref.ref(y)]
        y.sum().backward()
        del y

        def keeps_output(ctx, x):
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        view = (x * 2).view(-1)
        out = make(keeps_output).apply(view)
        watched.append(weakref.ref(out))
        del out, view
        assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()


def test_resize_keeps_the_number_of_elements_and_gives_the_gradient_its_shape_back():
    from chainrule.autograd._functions import Resize

    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = Resize.apply(x.t(), (6,))
    assert y.tolist() == [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    (y * torch.arange(6.0)).sum().backward()
    assert x.grad.tolist() == [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]
    with pytest.raises(RuntimeError, match=r"requested resize to 2x2 .* but the given"):
        Resize.apply(x, (2, 2))


def test_forward_may_leave_switches_changed():
    class Leaves(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            torch.set_grad_enabled(True)
            torch.autograd.set_detect_anomaly(True)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    try:
        with torch.no_grad():
            assert not Leaves.apply(x).requires_grad
            assert not torch.is_grad_enabled()
            assert torch.is_anomaly_enabled()
            assert not (x * 2).requires_grad
        assert Leaves.apply(x).requires_grad
    finally:
        torch.autograd.set_detect_anomaly(False)


def test_a_nodes_apply_runs_the_functions_backward():
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * ctx.factor + 0 * x, None

    x = torch.ones(2, requires_grad=True)
    y = Scaled.apply(x, 3.0)
    gradient, nothing = y.grad_fn.apply(torch.ones(2))
    assert gradient.tolist() == [3, 3]
    assert nothing is None
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_attributes_of_the_node_are_those_of_the_context():
    seen = []

    def backward(ctx, gradient):
        seen.append(ctx.note)
        ctx.note = "from backward"
        return gradient

    y = make(backward=backward).apply(leaf())
    y.grad_fn.note = "from outside"
    assert y.grad_fn.note == "from outside"
    y.sum().backward()
    assert seen == ["from outside"]
    assert y.grad_fn.note == "from backward"


def test_what_a_function_saved_may_be_detached_in_place():
    seen = []

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    def backward(ctx, gradient):
        seen.extend(ctx.saved_tensors)
        return gradient

    x = leaf()
    for written in (False, True):
        y = x * 1
        if written:
            y.mul_(2)
        z = make(forward, backward).apply(y)
        y.detach_()
        z.sum().backward(retain_graph=True)
        assert seen.pop() is y
        y.add_(1)
        with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
            z.sum().backward()


def test_a_sparse_gradient():
    seen = []

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            seen.append(g.layout)
            return g * 2

    w = torch.ones(4, 2, requires_grad=True)
    x = w * 1
    x.register_hook(lambda g: seen.append(g.layout))
    torch.nn.functional.embedding(torch.tensor([1, 1, 2]), Doubled.apply(x), sparse=True).sum().backward()
    assert seen == [torch.sparse_coo] * 2 and w.grad.is_sparse
    assert w.grad.to_dense().tolist() == [[0, 0], [4, 4], [2, 2], [0, 0]]
