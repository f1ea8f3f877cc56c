"""torch.autocast: which operations run in half precision, gradients, nesting, Functions and checkpoints in regions."""

import pytest

import chainrule as torch
from chainrule.utils.checkpoint import checkpoint


@pytest.fixture
def x():
    return torch.tensor([[1.0, 2.0], [3.0, 4.1]], requires_grad=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_run_in_half_precision_and_gradients_come_back_in_single(x, dtype):
    with torch.autocast("cpu", dtype=dtype):
        y = x @ x
        assert y.dtype is dtype
        assert (y @ x[0]).dtype is dtype  # of mixed dtypes
        assert torch.addmm(x, y, x).dtype is dtype
        assert (y + x).dtype is torch.float32
        assert y.exp().dtype is dtype
        assert y.prod().dtype is torch.float32
        assert (x.double() @ x.double()).dtype is torch.float64
    assert (x @ x).dtype is torch.float32
    y.sum().backward()
    low = x.detach().to(dtype).requires_grad_()
    (low @ low).sum().backward()
    assert x.grad.dtype is torch.float32
    assert x.grad.tolist() == low.grad.float().tolist()


def test_regions_nest_and_end_with_exceptions(x):
    region = torch.autocast("cpu")
    with region, region:
        assert torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu", enabled=False):
            assert (x @ x).dtype is torch.float32
        assert (x @ x).dtype is torch.bfloat16
    with pytest.raises(ZeroDivisionError), torch.autocast("cpu"):
        _ = 1 / 0
    assert not torch.is_autocast_enabled("cpu")
    assert torch.autocast("cpu")(lambda: (x @ x).dtype)() is torch.bfloat16


def test_what_autocast_refuses():
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        torch.autocast(3)
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.autocast("abc")
    with pytest.warns(UserWarning, match="Disabling autocast"):
        assert not torch.autocast("cpu", dtype=torch.float64)._enabled
    with pytest.warns(UserWarning, match="CUDA is not available"), torch.autocast("cuda"):
        assert not torch.is_autocast_enabled()


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_checkpoints_run_again_in_the_region_of_their_forward(x, use_reentrant, enabled):
    seen = []

    def product(x):
        seen.append((x @ x).dtype)
        return x @ x

    with torch.autocast("cpu", enabled=enabled):
        y = checkpoint(product, x, use_reentrant=use_reentrant)
    with torch.autocast("cpu", enabled=not enabled):
        y.float().sum().backward()
    assert seen == [torch.bfloat16 if enabled else torch.float32] * 2


@pytest.mark.parametrize("cast_inputs", [None, torch.float32])
def test_functions_with_custom_fwd_and_custom_bwd(x, cast_inputs):
    seen = []

    class Product(torch.autograd.Function):
        @staticmethod
        @torch.amp.custom_fwd(device_type="cpu", cast_inputs=cast_inputs)
        def forward(ctx, x):
            seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
            return x @ x

        @staticmethod
        @torch.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append(torch.is_autocast_enabled("cpu"))
            return g

    with torch.autocast("cpu"):
        y = Product.apply(x.bfloat16())
    y.sum().backward()
    inside = cast_inputs is None
    assert y.dtype is (torch.bfloat16 if inside else torch.float32)
    assert seen == [(torch.bfloat16 if inside else torch.float32, inside), inside]
