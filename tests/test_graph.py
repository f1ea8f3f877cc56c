"""The graph as users see it: nodes, edges, saved values and hooks on them, backward's and grad's arguments."""

import gc
import warnings
import weakref

import pytest

import chainrule as torch
from chainrule.autograd import graph


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


# ---------------------------------------------------------------- nodes and edges


def test_nodes():
    x = leaf()
    y = x * x
    node = y.grad_fn
    assert isinstance(node, graph.Node) and node is y.grad_fn and node == y.grad_fn and hash(node)
    assert node.name() == type(node).__name__ == "MulBackward0"
    assert repr(node).startswith("<MulBackward0 object at 0x")
    (first, number), (second, _) = node.next_functions
    assert first is second and number == 0 and first.variable is x
    assert (first.name(), type(first).__name__) == ("torch::autograd::AccumulateGrad", "AccumulateGrad")
    assert isinstance(first, graph.Node) and first.next_functions == ()
    assert first._sequence_nr() == 2**64 - 1 > y.grad_fn._sequence_nr()
    assert (y + 1).grad_fn._sequence_nr() > node._sequence_nr()
    assert node.requires_grad
    node.metadata["note"] = 3
    assert y.grad_fn.metadata == {"note": 3}


def test_next_functions_name_the_output_they_lead_to():
    x = leaf(1.0, 2.0, 3.0)
    _, second = x.split([1, 2])
    out = second * torch.ones(2)
    assert out.grad_fn.next_functions == ((second.grad_fn, 1), (None, 0))
    assert second.output_nr == 1


def test_a_node_can_be_called():
    x = leaf(3.0, 4.0)
    y = x * x
    g = y.grad_fn(torch.ones(2))
    assert [v.tolist() for v in g] == [[3.0, 4.0], [3.0, 4.0]]
    assert (x.sin()).grad_fn(torch.zeros(2)).tolist() == [0.0, 0.0]
    with pytest.raises(TypeError, match="expected 1 arguments, got 2 instead"):
        y.grad_fn(x, x)


def test_saved_values_have_pytorchs_names():
    x, y = leaf(), leaf(3.0, 4.0)
    assert torch.equal((x * y).grad_fn._saved_other, y)
    assert (x * y.detach()).grad_fn._saved_self is None
    out = x.exp()
    assert torch.equal(out.grad_fn._saved_result, out) and out.grad_fn._saved_result.grad_fn is out.grad_fn
    assert (x**3).grad_fn._saved_exponent == 3
    assert {"_saved_self", "_raw_saved_self", "_saved_exponent"} <= set(dir((x**3).grad_fn))
    with pytest.raises(AttributeError, match="_saved_nothing"):
        out.grad_fn._saved_nothing
    out.sum().backward()
    with pytest.raises(RuntimeError, match="directly access saved tensors after they have already been freed"):
        out.grad_fn._saved_result


def test_saved_outputs_share_their_version():
    out = leaf().exp()
    saved = out.grad_fn._saved_result
    with torch.no_grad():
        out.add_(1)
    assert saved._version == out._version == 1


def test_gradient_edges_as_inputs_and_outputs():
    x = leaf(2.0)
    y = x * 3
    z = (y * y).sum()
    edge = graph.get_gradient_edge(y)
    assert edge == graph.GradientEdge(y.grad_fn, 0, None)
    assert [g.tolist() for g in torch.autograd.grad(z, (edge, graph.get_gradient_edge(x)), retain_graph=True)] == [
        [12.0],
        [36.0],
    ]
    torch.autograd.backward(graph.get_gradient_edge(z), inputs=graph.get_gradient_edge(x))
    assert x.grad.tolist() == [36.0]
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        torch.autograd.grad(graph.get_gradient_edge(leaf() * 1), x)
    with pytest.raises(RuntimeError, match="not possible to get the gradient edge for a Tensor that does not require"):
        graph.get_gradient_edge(torch.ones(1))


def test_sequence_numbers_can_be_set():
    x = leaf()
    a, b = x * 2, x * 3
    c = a + b
    order = []
    for name, tensor in {"a": a, "b": b, "c": c}.items():
        tensor.register_hook(lambda g, name=name: order.append(name))
    a.grad_fn._set_sequence_nr(b.grad_fn._sequence_nr() + 1)
    c.grad_fn._set_sequence_nr(0)
    c.sum().backward()
    assert order == ["c", "a", "b"] and x.grad.tolist() == [5.0, 5.0]


# ---------------------------------------------------------------- backward and grad


def raises(error, text):
    return pytest.raises(error, match=text)


def test_arguments_of_grad():
    a, unused = leaf(), leaf()
    grad = torch.autograd.grad
    with raises(RuntimeError, "grad can be implicitly created only for scalar outputs"):
        grad(a * 2, a)
    with raises(RuntimeError, "grad can be implicitly created only for real scalar outputs but got torch.complex64"):
        grad((a * (2 + 1j)).sum(), a)
    with raises(RuntimeError, "One of the differentiated Tensors does not require grad"):
        grad(a.sum(), torch.ones(2))
    with raises(RuntimeError, "The differentiated Tensor at index 1 appears to not have been used in the graph"):
        grad((a * 2).sum(), [a, unused])
    assert grad((a * 2).sum(), [a, unused], allow_unused=True)[1] is None
    assert grad((a * 2).sum(), [a, unused], materialize_grads=True)[1].tolist() == [0.0, 0.0]
    with raises(ValueError, "Expected allow_unused to be True or not passed when materialize_grads=True"):
        grad(a.sum(), a, materialize_grads=True, allow_unused=False)
    with raises(RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn"):
        grad(torch.ones(1), a)
    with raises(
        RuntimeError,
        r"grad_output\[0\] has a shape of torch.Size\(\[3\]\) and output\[0\] has a shape of torch.Size\(\[2\]\)",
    ):
        grad(a * 2, a, torch.ones(3))
    with raises(RuntimeError, "For complex Tensors, both grad_output and output are required to have the same dtype"):
        grad(a * 2, a, torch.ones(2, dtype=torch.complex64))
    with raises(TypeError, "gradients can be either Tensors or None, but got int"):
        grad(a * 2, a, [3])
    with raises(RuntimeError, "all inputs have to be Tensors or GradientEdges, but got int"):
        grad(a.sum(), [3])
    with raises(RuntimeError, "`inputs` argument to `grad\\(\\)` cannot be empty"):
        grad(a.sum(), [])
    assert [g.tolist() for g in grad([a.sum(), (a * 2).sum()], [a, a])] == [[3.0, 3.0]] * 2
    (g,) = grad(a * 2, a, torch.ones(2, dtype=torch.float64))
    assert g.dtype is torch.float32
    assert a.grad is None


def test_arguments_of_backward():
    a = leaf()
    with raises(RuntimeError, "`inputs` argument to `backward\\(\\)` cannot be empty"):
        a.sum().backward(inputs=[])
    with raises(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False"):
        a.sum().backward(inputs=[torch.ones(2)])
    with raises(TypeError, "'int' object is not iterable"):
        torch.autograd.backward(3)
    torch.autograd.backward([a.sum(), a * 2], [None, torch.tensor([1.0, 10.0])])
    assert a.grad.tolist() == [3.0, 21.0]
    b = a * 2
    (b * 3).sum().backward(inputs=b)
    assert b.grad.tolist() == [3.0, 3.0] and a.grad.tolist() == [3.0, 21.0]


def test_the_callers_gradient_is_not_kept():
    a, weight = leaf(), torch.ones(2)
    a.backward(weight)
    a.backward(weight)
    (a + 0).backward(weight)
    assert (a.grad.tolist(), weight.tolist()) == ([3.0, 3.0], [1.0, 1.0])


def test_a_second_backward_needs_what_the_first_has_freed():
    a = leaf()
    out = (a * a).sum()
    out.backward(retain_graph=True)
    out.backward()
    with raises(RuntimeError, "Trying to backward through the graph a second time"):
        out.backward()
    assert a.grad.tolist() == [4.0, 8.0]
    out = (a + 2).sum()
    out.backward()
    out.backward()


def test_recorded_gradients_accumulate_out_of_place():
    x = leaf()
    y = (x**3).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y.backward(create_graph=True)
    first = x.grad
    assert "grad_fn=<CopyBackwards>" in repr(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y.backward(create_graph=True)
    assert first.tolist() == [3.0, 12.0] and x.grad.tolist() == [6.0, 24.0]
    x.grad = None


def test_a_gradient_of_another_dtype():
    x = leaf()
    assert x.grad_dtype is torch.float32
    x.grad_dtype = torch.float64
    (x * 2).sum().backward()
    assert x.grad.dtype is torch.float64
    with raises(
        RuntimeError, "Cannot set grad_dtype to 'Half' because there is already a gradient with dtype 'double'"
    ):
        x.grad_dtype = torch.float16
    with raises(RuntimeError, "grad_dtype can only be accessed on leaf tensors"):
        (x * 2).grad_dtype


# ---------------------------------------------------------------- hooks on saved tensors


def test_saved_tensors_hooks_see_what_is_saved():
    packed, unpacked = [], []

    def pack(t):
        packed.append((t.requires_grad, t.is_leaf))
        return t * 10

    def unpack(t):
        unpacked.append(t.tolist())
        return t / 10

    x = leaf()
    with graph.saved_tensors_hooks(pack, unpack):
        y = x * x
        z = y.exp()
        (x * 3).sum()
    w = x * x
    assert packed == [(True, True), (True, True), (True, False)]
    (z.sum() + w.sum()).backward()
    assert len(unpacked) == 3
    expected = torch.autograd.grad((x * x).exp().sum() + (x * x).sum(), x)[0]
    assert torch.allclose(x.grad, expected)


def test_unpacked_values_are_used_and_keep_their_place_in_the_graph():
    x = leaf(1.0, 2.0)
    with graph.saved_tensors_hooks(lambda t: t.detach() * 2, lambda t: t):
        y = x * x
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [4.0, 8.0]
    (gg,) = torch.autograd.grad(g.sum(), x)
    assert gg.tolist() == [2.0, 2.0]


def test_hooks_on_one_saved_value():
    x = leaf()
    y = x.exp()
    saved = y.grad_fn._raw_saved_result
    saved.register_hooks(lambda t: t.detach().clone(), lambda t: t * 0)
    with raises(RuntimeError, "Calling register_hooks on a saved tensor whose hooks have already been set"):
        saved.register_hooks(lambda t: t, lambda t: t)
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    with raises(RuntimeError, "Calling register_hooks on a saved tensor after it has been freed"):
        saved.register_hooks(lambda t: t, lambda t: t)


def test_faulty_hooks():
    x = leaf()

    def doubles(t):
        return t.mul_(2)

    with (
        graph.saved_tensors_hooks(doubles, lambda t: t),
        raises(RuntimeError, "A saved tensor pack hook is modifying its input in place"),
    ):
        x.exp()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 1):
        y = x.exp()
    with raises(TypeError, "Output of saved tensor unpack_hook expected to be a Tensor"):
        y.sum().backward()
    z = x * 1
    with (
        graph.saved_tensors_hooks(lambda t: (_ for _ in ()).throw(KeyError("mine")), lambda t: t),
        raises(KeyError, "mine"),
    ):
        z.exp()
    assert torch.equal(x.exp(), y)


def test_writes_with_hooks_save_the_values_before():
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x.clone()
        y.sin_()
        y.pow_(2)
    y.sum().backward()
    expected = torch.autograd.grad((x.sin() ** 2).sum(), x)[0]
    assert torch.allclose(x.grad, expected)


def test_disabled_hooks():
    hooks = graph.saved_tensors_hooks(lambda t: t, lambda t: t)
    with graph.disable_saved_tensors_hooks("not here"):
        with raises(RuntimeError, "not here"):
            hooks.__enter__()
        leaf().exp().sum().backward()
    with hooks, raises(RuntimeError, "not here"):
        graph.disable_saved_tensors_hooks("not here").__enter__()

    @graph.disable_saved_tensors_hooks("not here")
    def function():
        with hooks:
            pass

    with raises(RuntimeError, "not here"):
        function()
    with hooks:
        pass


def test_save_on_cpu():
    x = leaf()
    with graph.save_on_cpu():
        y = x * 2
        out = y * y
    out.sum().backward()
    assert x.grad.tolist() == [8.0, 16.0]


def test_allow_mutation_on_saved_tensors():
    x = leaf()
    with graph.allow_mutation_on_saved_tensors() as context:
        y = x.clone()
        part = y[:1]
        out = y**2 + part.sum() ** 2
        y.mul_(100)
        part.zero_()
        out.sum().backward()
        assert len(context.cloned) == 0
        with raises(RuntimeError, "contexts cannot be nested"):
            graph.allow_mutation_on_saved_tensors().__enter__()
        out = x.clone() ** 2
    assert x.grad.tolist() == [6.0, 4.0]
    with raises(AssertionError, "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"):
        out.sum().backward()


def test_a_pack_hook_that_keeps_the_output_makes_no_cycle():
    gc.disable()
    try:
        x = leaf()
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            y = x.exp()
        watched = weakref.ref(y)
        del y
        assert watched() is None
    finally:
        gc.enable()


def test_an_unpacked_leaf_looks_like_a_leaf():
    x = torch.ones(2, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x * x
    unpacked = y.grad_fn._saved_self
    assert unpacked is not x
    assert unpacked.is_leaf
    assert repr(unpacked) == "tensor([1., 1.], requires_grad=True)"
    product = unpacked * 3
    assert product.grad_fn.next_functions[0][0].variable is x
    product.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_increment_version_takes_tensors_only():
    for wrong in (3, None):
        with pytest.raises(RuntimeError, match=r"expect a Iterable\[Tensor\] as input"):
            torch.autograd.graph.increment_version(wrong)
    with pytest.raises(RuntimeError, match="expects each element of the iterable to be a tensor"):
        torch.autograd.graph.increment_version([3])


def test_backward_has_its_name():
    with pytest.raises(TypeError, match=r"^Tensor\.backward\(\) got an unexpected keyword argument 'foo'"):
        torch.ones(1, requires_grad=True).backward(foo=3)


def test_a_hook_on_any_of_several_tensors_leaves_out_what_needs_no_gradient():
    seen = []
    x = torch.ones(2, requires_grad=True)
    torch.autograd.graph.register_multi_grad_hook([torch.ones(2), x], seen.append, mode="any")
    (x * 2).sum().backward()
    assert [g.tolist() for g in seen] == [[2, 2]]
    with pytest.raises(AssertionError, match="Expected gradient function to be set"):
        torch.autograd.graph.register_multi_grad_hook([torch.ones(2), x], seen.append)
