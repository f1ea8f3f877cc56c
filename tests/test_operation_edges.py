"""Operations where they meet other parts: batches of vmap, inference mode, warnings, NumPy's and foreign arrays, old forms."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: torch.bernoulli(x),
        lambda x: torch.poisson(x * 100),
        lambda x: torch.binomial(x * 100, x),
        lambda x: torch.rand_like(x),
        lambda x: x.clone().uniform_(),
        lambda x: torch.nn.functional.dropout(x),
        lambda x: torch.randperm(50) + x[:1],
    ],
)
def test_random_numbers_of_samples_differ(draw):
    torch.manual_seed(0)
    same = torch.full((2, 50), 0.5)
    drawn = torch.vmap(draw, randomness="different")(same)
    assert drawn.shape == (2, 50) and not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.item(),
        lambda x: x.sum().item(),
        lambda x: x.data_ptr(),
        lambda x: torch.equal(x, x),
        lambda x: torch.allclose(x, x),
        lambda x: torch.nonzero(x),
        lambda x: x[x > 0],
        lambda x: torch.masked_select(x, x > 0),
        lambda x: bool(x[0]),
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.clone(memory_format=torch.channels_last),
    ],
)
def test_batches_refuse_what_differs_by_sample(read):
    with pytest.raises(RuntimeError):
        torch.vmap(read)(torch.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("name", ["T", "mT", "H", "mH"])
def test_transposes_of_one_number_are_deprecated(name):
    with pytest.warns(UserWarning, match="deprecated on 0-D tensors"):
        assert getattr(torch.tensor(2.0), name).item() == 2.0
    with pytest.warns(UserWarning, match="deprecated on 0-D tensors"):
        assert torch.adjoint(torch.tensor(2.0)).item() == 2.0


def test_numbers_before_tensors_are_deprecated():
    x = torch.ones(2)
    for call, expected in (
        (lambda: torch.add(x, 2, x), 3.0),
        (lambda: torch.sub(x, 2, x), -1.0),
        (lambda: torch.addcmul(x, 3, x, x), 4.0),
        (lambda: torch.addcdiv(x, 3, x, x), 4.0),
    ):
        with pytest.warns(UserWarning, match="deprecated"):
            assert call().tolist() == [expected, expected]


def test_reflected_operators_want_a_tensor():
    with pytest.raises(
        TypeError, match=r"descriptor '__rand__' for 'torch\._C\.TensorBase' objects doesn't apply to a 'int'"
    ):
        torch.Tensor.__rand__(1, 1)


def test_inference_tensors_detach_in_place():
    with torch.inference_mode():
        x = torch.ones(2)
        assert x.detach_() is x and x.is_inference()
        assert torch.zeros(2).data.is_inference()


def test_numpy_arrays_of_odd_kinds():
    with pytest.raises(TypeError, match=r"can't convert np\.ndarray of type numpy\.str_"):
        torch.tensor(np.array(["a"]))
    with pytest.raises(ValueError, match="byte order different from the native"):
        torch.tensor(np.array([1, 2], dtype=">i4"))
    assert torch.tensor([np.float32(1.5), 2]).tolist() == [1.5, 2.0]
    assert torch.tensor([2**63, 1], dtype=torch.uint64).tolist() == [2**63, 1]
    mask = torch.tensor([True]).__array_wrap__(np.array([True]))
    assert mask.dtype is torch.uint8


def test_subclasses_and_parameters():
    x = torch.ones(2)
    with pytest.raises(TypeError):
        x.as_subclass(int)
    assert torch.Tensor._make_subclass(torch.nn.Parameter, x, True).requires_grad


def test_dlpack():
    x = torch.arange(3.0)
    assert x.__dlpack_device__()[1] == 0
    assert torch.asarray(x, copy=True).tolist() == torch.from_dlpack(x).tolist() == [0.0, 1.0, 2.0]


def test_einsum_and_products_of_odd_shapes():
    x = torch.arange(4.0)
    assert torch.linalg.vecdot(x, torch.ones(2, 4)).tolist() == [6.0, 6.0]
    assert torch.tensordot(x.reshape(4, 1), torch.ones(1, 2), ([1], [0])).shape == (4, 2)


LAYOUTS = {
    "transposed": lambda: torch.rand(4, 3).t(),
    "permuted": lambda: torch.rand(2, 3, 4).permute(2, 0, 1),
    "heads": lambda: torch.rand(2, 3, 4, 5).transpose(1, 2),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "function",
    [
        *(
            lambda x, n=n: getattr(x, n)(0)
            for n in ("sum", "mean", "prod", "amax", "amin", "softmax", "log_softmax", "cumsum", "cumprod")
        ),
        *(
            lambda x, n=n: getattr(x, n)(dim=-1, keepdim=True)
            for n in ("sum", "mean", "prod", "amax", "logsumexp", "var", "norm")
        ),
        lambda x: (x > 0.5).any(-1),
        lambda x: (x > 0.5).all(0),
        lambda x: x.half().sum(-1),
        lambda x: x.max(-1)[0],
        lambda x: x.masked_fill(x > 0.5, 0),
        lambda x: x.masked_fill(x > 0.5, torch.tensor(0.0)),
        lambda x: x.tril(),
        lambda x: torch.nn.functional.layer_norm(x, x.shape[-1:]),
        lambda x: torch.nn.functional.batch_norm(x, None, None, training=True),
    ],
)
def test_results_that_do_not_keep_the_order_of_their_input(layout, function):
    x = LAYOUTS[layout]()
    found = function(x)
    assert found.is_contiguous() and torch.allclose(found, function(x.contiguous()))
    found.view(-1)


def test_batch_norm_keeps_the_channels_last():
    x = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    found = torch.nn.functional.batch_norm(x, None, None, training=True)
    assert found.stride() == x.stride() and torch.allclose(
        found, torch.nn.functional.batch_norm(x.contiguous(), None, None, training=True), atol=1e-6
    )


def test_copies_of_expanded_tensors_are_in_rows():
    rows = torch.arange(4).expand(3, 4)
    for copy in (
        rows.float(),
        rows.bool(),
        rows.clone(),
        torch.zeros_like(rows),
        torch.rand_like(rows, dtype=torch.float32),
    ):
        assert copy.stride() == (4, 1)
    torch.manual_seed(0)
    drawn = torch.rand_like(torch.ones(4).expand(3, 4))
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3, 4))


def test_padding_of_a_number():
    x = torch.tensor(5.0, requires_grad=True)
    torch.nn.functional.pad(x, ()).backward()
    assert x.grad.item() == 1 and torch.nn.functional.pad(torch.tensor(2), []).item() == 2


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8, torch.complex64])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_nothing(name, dtype):
    softmax = getattr(torch, name)
    for shape in ((0,), (0, 3), (3, 0)):
        result = softmax(torch.empty(shape, dtype=dtype), 0)
        assert result.shape == shape and result.dtype is dtype
    with pytest.raises(NotImplementedError, match=f'"{name}_lastdim_kernel_impl" not implemented for'):
        softmax(torch.ones(2, dtype=dtype), 0)
    with pytest.raises(IndexError):
        softmax(torch.empty((2, 0), dtype=dtype), 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fmax", [5, 2, 5, 2, 5, 2]),
        ("fmin", [2, 5, 2, 2, 5, 2]),
        ("maximum", [3.5, 2, 5, 5, 5, 5]),
        ("minimum", [3.5, 5, 2, 5, 5, 5]),
    ],
)
def test_tangents_of_extremes_at_ties_and_nan(name, expected):
    nan = float("nan")
    x, y = torch.tensor([1.0, 2, 3, nan, nan, 1]), torch.tensor([1.0, 1, 4, nan, 1, nan])
    _, tangent = torch.func.jvp(getattr(torch, name), (x, y), (torch.full((6,), 2.0), torch.full((6,), 5.0)))
    assert tangent.tolist() == expected
    _, tangent = torch.func.jvp(lambda x: getattr(torch, name)(x, torch.ones(2, 1)), (torch.ones(3),), (torch.ones(3),))
    assert tangent.shape == (2, 3)


@pytest.mark.parametrize("kind", [torch.cuda.FloatTensor, "torch.cuda.FloatTensor"])
def test_types_of_tensors_on_a_device(kind):
    with pytest.raises(RuntimeError, match="Cannot initialize CUDA without ATen_cuda library"):
        torch.ones(2).type(kind)
    with (
        pytest.warns(UserWarning, match="deprecated"),
        pytest.raises(TypeError, match="FloatTensor not available"),
    ):
        torch.set_default_tensor_type(kind)
