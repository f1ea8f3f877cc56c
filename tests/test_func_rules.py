"""What torch.func's transforms refuse, and what they leave alone: modes, hooks, custom Functions, captured tensors."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule import func

X = torch.tensor([1.0, 2.0, 3.0])


def square(x):
    return (x * x).sum()


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


TRANSFORMS = [func.grad, func.vmap, func.jacrev, func.jacfwd, func.hessian]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_function_whose_forward_takes_ctx_is_refused(transform):
    with pytest.raises(RuntimeError, match="it must override the setup_context staticmethod"):
        transform(lambda x: Doubled.apply(x).sum())(X)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_requires_grad_and_backward_are_refused(transform):
    with pytest.raises(RuntimeError, match=r"Tensor.requires_grad_\(\) \(or perhaps using torch.autograd.functional"):
        transform(lambda x: x.clone().requires_grad_().sum())(X)
    with pytest.raises(RuntimeError, match=r"Tensor.requires_grad_\(\)"):
        transform(lambda x: torch.autograd.functional.vjp(square, x)[1].sum())(X)
    if transform not in (func.vmap, func.jacfwd):
        with pytest.raises(RuntimeError, match=r"Tensor.retain_grad\(\) inside of a function"):
            transform(lambda x: ((x * 2).retain_grad(), x.sum())[1])(X)
        with pytest.raises(RuntimeError, match=r"backward\(\) called inside a functorch transform"):
            transform(lambda x: (square(x).backward(), x.sum())[1])(X)


def test_outside_everything_is_allowed_again():
    with pytest.raises(RuntimeError):
        func.grad(lambda x: x.clone().requires_grad_().sum())(X)
    x = X.clone().requires_grad_()
    Doubled.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_hooks_on_saved_tensors_are_refused():
    def hooked(x):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            return square(x)

    message = r"torch.func.\{grad, vjp, jacrev, hessian\} don't yet support saved tensor hooks"
    for transform in (func.grad, func.jacrev, func.hessian):
        with pytest.raises(RuntimeError, match=message):
            transform(hooked)(X)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t), pytest.raises(RuntimeError, match=message):
        func.grad(square)(X)
    assert func.jacfwd(hooked)(X).tolist() == [2, 4, 6]


def test_a_leaf_made_inside_stays_inside():
    def inner(x):
        y = torch.ones(3)
        y.requires_grad = True
        return (x * y).sum()

    found = func.grad(inner)(X)
    assert found.tolist() == [1, 1, 1] and not found.requires_grad


def test_in_inference_mode():
    inside = torch.tensor([3.0])
    with torch.inference_mode():
        made = torch.tensor([2.0])
        seen = []

        def f(x):
            y = x * x * made
            seen.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled(), y.requires_grad))
            return y.sum()

        for found in (func.grad(f)(inside), func.vjp(f, inside)[1](torch.tensor(1.0))[0], func.jacrev(f)(inside)):
            assert found.tolist() == [12.0] and not found.is_inference()
        assert func.grad(f)(made).tolist() == [8.0]
        assert func.grad(lambda x: func.grad(lambda y: (y**3).sum())(x).sum())(inside).tolist() == [18.0]
        assert func.hessian(f)(inside).tolist() == [[4.0]]
        assert set(seen) == {(False, True, True)}
        assert torch.is_inference_mode_enabled()
    assert func.grad(f)(made).tolist() == [8.0]  # an inference tensor is saved like any other


def test_a_complex_result_has_no_gradient():
    with pytest.raises(RuntimeError, match=r"only for real scalar outputs but got torch.complex64"):
        func.grad(lambda x: x.sum() + 0j)(X)


def test_integers_have_no_tangents():
    with pytest.raises(ValueError, match=r"Expected primal to be floating point or complex, but got: torch.int64"):
        func.jacfwd(lambda x: x)(torch.tensor(1))


def test_modes_are_restored_after_an_error():
    def broken(x):
        raise KeyError("inside")

    with torch.no_grad():
        for transform in TRANSFORMS:
            with pytest.raises(KeyError):
                transform(broken)(X)
        assert not torch.is_grad_enabled()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        pass  # not disabled any more


def test_jacrev_with_chunks_of_one_runs_without_vmap():
    class NeedsData(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            assert len(g.nonzero()) == 1
            return g * 2

    assert func.jacrev(NeedsData.apply, chunk_size=1)(X).tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    with pytest.raises(RuntimeError, match="Attempted to vmap over aten::nonzero"):
        func.jacrev(NeedsData.apply, chunk_size=2)(X)


# ---------------------------------------------------------------- forward mode: what is only repeated can be read


def branching(x):
    return torch.stack([v * v if v > 1.5 else v for v in x])


def test_control_flow_in_forward_mode():
    assert func.jacfwd(branching)(X).tolist() == [[1, 0, 0], [0, 4, 0], [0, 0, 6]]
    assert func.hessian(lambda x: branching(x).sum())(X).tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert func.jacfwd(func.jacfwd(lambda x: branching(x)[1]))(X)[1].tolist() == [0, 2, 0]
    assert func.jacfwd(lambda x: x * x.sum().item())(X).tolist() == [[6, 0, 0], [0, 6, 0], [0, 0, 6]]
    found = torch.autograd.functional.jacobian(branching, X, strategy="forward-mode", vectorize=True)
    assert found.tolist() == [[1, 0, 0], [0, 4, 0], [0, 0, 6]]
    with pytest.raises(RuntimeError, match="data-dependent control flow"):
        func.vmap(func.jacfwd(branching))(torch.ones(2, 3))


def test_control_flow_on_what_is_not_mapped_over():
    def f(w, x):
        return (w * x if w > 0 else x).sum()

    found = func.vmap(func.grad(f), in_dims=(None, 0))(torch.tensor(2.0), torch.ones(3, 2))
    assert found.tolist() == [2, 2, 2]


def filled(x):
    y = torch.zeros(4)
    y[0] = x[0] ** 2 * x[1]
    y[1:] = x**3
    return y


def test_writes_of_dual_numbers_into_fresh_tensors():
    assert func.jacfwd(filled)(X).tolist() == [[4, 1, 0], [3, 0, 0], [0, 12, 0], [0, 0, 27]]
    found = func.hessian(lambda x: (filled(x) ** 2).sum())(X)
    assert found.tolist() == [[78, 16, 0], [16, 482, 0], [0, 0, 2430]]

    def viewed(x):
        y = torch.zeros(3)
        before = y[0]
        y.copy_(x)
        return before * 2, y

    first, second = func.jacfwd(viewed)(X)
    assert first.tolist() == [2, 0, 0] and second.tolist() == torch.eye(3).tolist()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x * 1).mul_(x).sum(),
        lambda x: torch.zeros(3).add_(x).mul_(x).sum(),
        lambda x: x.clone().pow_(3).sum(),
        lambda x: x.clone().exp_().sum(),
        lambda x: (x * 1).mul_(x).mul_(x).mul_(x).sum(),
        lambda x: x.clone().sin_().mul_(x).cos_().mul_(x).sum(),
    ],
)
def test_in_place_forward_over_reverse(f):
    forward, reverse = func.jacfwd(func.grad(f))(X), func.jacrev(func.grad(f))(X)
    assert torch.allclose(forward, reverse)
    assert torch.allclose(func.jvp(func.grad(f), (X,), (torch.ones(3),))[1], reverse.sum(1))


def test_a_captured_tensor_is_itself_again_afterwards():
    captured = torch.zeros(3)
    func.jacfwd(lambda x: captured.copy_(x) * 2)(X)
    assert type(captured.sum().item()) is float and captured.shape == (3,)


# ---------------------------------------------------------------- what is printed


def test_printing_inside():
    seen = []

    def look(x):
        seen.append(repr(x))
        return x.sum()

    func.grad(look)(torch.tensor([1.0]))
    func.jvp(look, (torch.tensor([1.0]),), (torch.tensor([1.0]),))
    func.grad(look)(torch.ones(1, requires_grad=True))
    func.grad(look)(torch.ones(1, requires_grad=True) * 2)
    func.vmap(look, in_dims=1)(torch.tensor([[1.0, 2.0]]))
    func.vmap(func.grad(look))(torch.tensor([[1.0]]))
    func.hessian(look)(torch.tensor([1.0]))
    tracked = "GradTrackingTensor(lvl=1, value=\n    "
    assert seen == [
        f"{tracked}tensor([1.])\n)",
        f"{tracked}tensor([1.])\n)",
        f"{tracked}tensor([1.], requires_grad=True)\n)",
        f"{tracked}tensor([2.], grad_fn=<MulBackward0>)\n)",
        "BatchedTensor(lvl=1, bdim=1, value=\n    tensor([[1., 2.]])\n)",
        "GradTrackingTensor(lvl=2, value=\n    BatchedTensor(lvl=1, bdim=0, value=\n        tensor([[1.]])\n    )\n)",
        "GradTrackingTensor(lvl=3, value=\n    GradTrackingTensor(lvl=2, value=\n        tensor([1.])\n    )\n)",
    ]


def test_debug_unwrap():
    seen = []

    def look(x):
        seen.append((func.debug_unwrap(x), func.debug_unwrap(x, recurse=False)))
        return x.sum()

    x = torch.ones(2, 3)
    func.vmap(func.vmap(look))(x)
    assert seen[0][0] is x and seen[0][1].shape == (3,)
    func.grad(look)(x)
    assert not seen[1][0].requires_grad and seen[1][0].tolist() == x.tolist()
    assert func.debug_unwrap(x) is x


def test_functionalize():
    x = torch.ones(2)
    assert func.functionalize(lambda t: t.add_(1))(x) is x and x.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="received invalid argument for remove=foo"):
        func.functionalize(square, remove="foo")


def test_replace_all_batch_norms():
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    assert func.replace_all_batch_norm_modules_(module) is module
    assert module[0].running_mean is None and not module[0].track_running_stats
    assert func.vmap(module, randomness="same")(torch.ones(3, 4, 2)).shape == (3, 4, 2)
