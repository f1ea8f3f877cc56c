"""What a tensor says of itself, its views and its layout, and what it becomes in Python and NumPy."""

import copy
import math
import pickle

import numpy as np
import pytest

import chainrule as torch


@pytest.fixture
def x():
    return torch.arange(24.0).reshape(2, 3, 4)


def test_views_share_memory_and_know_their_base(x):
    for view in (
        x.view(6, 4),
        x[0],
        x[:, 1:],
        x.t() if x.ndim == 2 else x.mT,
        x.unsqueeze(1),
        x.diagonal(),
        x.unfold(2, 2, 1),
    ):
        assert (view._is_view() and view._base is x) or x._base is not None
        assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    y = torch.zeros(4)
    y[1:3].add_(1)
    assert y.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("make", "strides", "offset"),
    [
        (lambda x: x.transpose(0, 2), (1, 4, 12), 0),
        (lambda x: x[1, :, 2:], (4, 1), 14),
        (lambda x: x[:, None], (12, 12, 4, 1), 0),
        (lambda x: x.mT[:, :, None], (12, 1, 12, 4), 0),
        (lambda x: x.expand(5, 2, 3, 4), (0, 12, 4, 1), 0),
        (lambda x: x.expand(1, 2, 3, 4), (24, 12, 4, 1), 0),
        (lambda x: x[::2], (24, 4, 1), 0),
        (lambda x: x.unfold(1, 2, 1), (12, 4, 1, 4), 0),
        (lambda x: x.as_strided((2, 2), (3, 5), 1), (3, 5), 1),
        (lambda x: x.permute(2, 0, 1).clone(), (1, 12, 4), 0),
        (lambda x: x[:, :, 0].contiguous(), (3, 1), 0),
    ],
)
def test_strides_and_offset(x, make, strides, offset):
    assert (make(x).stride(), make(x).storage_offset()) == (strides, offset)


def test_the_outputs_of_split_must_not_be_written(x):
    y = x.clone().requires_grad_() * 1
    for parts, name in (
        (y.unbind(), "Unbind"),
        (y.split(1), "Split"),
        (y.chunk(2), "Split"),
        (y.split([1, 1]), "SplitWithSizes"),
    ):
        with pytest.raises(RuntimeError, match=f"Output 0 of {name} is a view and is being modified inplace"):
            parts[0].add_(1)


def test_a_single_piece_has_its_gradient():
    x = torch.ones(3, requires_grad=True)
    (x.split(3)[0] * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [1, 2, 3]


def test_in_place_changes_of_shape():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = x * 1
    assert y.t_() is y and y.shape == (3, 2)
    assert type(y.grad_fn).__name__ == "TBackward1"
    y.unsqueeze_(0).squeeze_(0).transpose_(0, 1)
    (y * y).sum().backward()
    assert torch.equal(x.grad, 2 * x)


def test_reshape_of_what_has_no_view():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    y = x.t().reshape(6)
    assert type(y.grad_fn).__name__ == "UnsafeViewBackward0" and not y._is_view()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        x.t().view(6)


def test_view_as_another_dtype():
    x = torch.tensor([1.0, 2.0])
    assert x.view(torch.int32).tolist() == [1065353216, 1073741824]
    assert x.view(torch.uint8).shape == (8,)
    with pytest.raises(RuntimeError, match=r"self.size\(-1\) must be divisible by 2"):
        torch.ones(3).view(torch.float64)


def test_numbers():
    assert float(torch.tensor([[2.5]])) == 2.5 and int(torch.tensor([2.7])) == 2 and complex(torch.tensor(2.0)) == 2
    assert [1, 2, 3][torch.tensor(1)] == 2 and list(range(torch.tensor(2))) == [0, 1]
    assert torch.tensor(3).item() == 3 and isinstance(torch.tensor(True).item(), bool)
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value is ambiguous"):
        bool(torch.ones(2))
    with pytest.raises(ValueError, match="only one element tensors can be converted to Python scalars"):
        float(torch.ones(2))
    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        float(torch.ones(1, requires_grad=True))
    with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index"):
        [1][torch.tensor(0.0)]


def test_containers():
    x = torch.tensor([[1.0, 2.0]])
    assert 2 in x and 5 not in x and len(x) == 1
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        assert "a" in x
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1))
    assert type(next(iter(x.requires_grad_())).grad_fn).__name__ == "UnbindBackward0"
    assert reversed(torch.tensor([1, 2])).tolist() == [2, 1]


def test_numpy_shares_memory():
    x = torch.zeros(2)
    x.numpy()[0] = 5
    assert x.tolist() == [5, 0]
    with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
        torch.ones(1, requires_grad=True).numpy()
    assert np.asarray(x).dtype == np.float32 and np.from_dlpack(x)[0] == 5
    assert isinstance(np.sin(x), torch.Tensor)


def test_casts_wrap_and_truncate():
    x = torch.tensor([-1.0, 300.0, 2.7])
    assert x.to(torch.uint8).tolist() == [255, 44, 2]
    assert torch.tensor([2**40 + 5]).int().tolist() == [5]
    assert torch.tensor([math.nan, 0.0]).bool().tolist() == [True, False]
    with pytest.warns(UserWarning, match="Casting complex values to real discards the imaginary part"):
        assert torch.tensor([1 + 2j]).float().tolist() == [1]


def test_forms_of_to(x):
    assert x.to("cpu") is x and x.to(torch.float32) is x and x.to(x) is x
    assert x.to("cpu", torch.float64, False, True).dtype is torch.float64
    assert x.to(device="cpu", dtype=torch.int).dtype is torch.int32
    assert x.to(torch.float32, copy=True) is not x
    assert x.to(float).dtype is torch.float64
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        x.to("cuda")
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        x.cuda()


def test_legacy_types():
    x = torch.FloatTensor([[1, 2]])
    assert isinstance(x, torch.FloatTensor) and not isinstance(x, torch.LongTensor)
    assert x.type() == "torch.FloatTensor" and x.type(torch.DoubleTensor).dtype is torch.float64
    assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor([2, 3]).tolist() == [2, 3]
    assert torch.LongTensor([1.5]).tolist() == [1] and x.new(2).dtype is torch.float32
    with pytest.raises(TypeError, match=r"new\(\): data must be a sequence \(got float\)"):
        torch.Tensor(3.5)


def test_copies():
    x = torch.arange(4.0).requires_grad_()
    x.sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.grad.tolist() == [1] * 4 and y.data_ptr() != x.data_ptr()
    pair = copy.deepcopy([x.detach(), x.detach()[1:]])
    assert pair[0].data_ptr() + 4 == pair[1].data_ptr()
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(x * 2)
    z = pickle.loads(pickle.dumps(x))
    assert z.requires_grad and z.tolist() == x.tolist()


def test_resize_and_set():
    x = torch.arange(6)
    y = x[:4]
    y.resize_(2, 3)
    assert y.tolist() == [[0, 1, 2], [3, 4, 5]] and y.data_ptr() == x.data_ptr()
    assert x.clone().resize_(8).shape == (8,)
    z = torch.zeros(1, dtype=torch.int64).set_(x)
    assert z.data_ptr() == x.data_ptr()
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.ones(1, requires_grad=True).resize_(2)


def test_detach_in_place():
    y = torch.ones(2, requires_grad=True) * 2
    assert y.detach_() is y and y.grad_fn is None and not y.requires_grad
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        torch.ones(2)[0].detach_()


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.squeeze(), lambda x: x.squeeze(0), lambda x: x.unsqueeze(0), lambda x: x.view(1),
        lambda x: x.flatten(),
        lambda x: x.expand(3), lambda x: x.repeat(2), lambda x: x.clone(), lambda x: x[None], lambda x: x[...],
        lambda x: x.transpose(0, 0), lambda x: x.permute(()), lambda x: x.t(), lambda x: x.diag_embed(0, -1, -2)
        if x.ndim else x.clone(),
    ],
)  # fmt: skip
def test_zero_dimensional_tensors_have_gradients(call):
    x = torch.tensor(2.0, requires_grad=True)
    y = call(x)
    y.sum().backward()
    assert x.grad.shape == () and x.grad.item() == y.numel()


def test_the_older_name_of_grad_fn():
    y = torch.ones(2, requires_grad=True) * 2
    assert y._grad_fn is y.grad_fn
    with pytest.raises(RuntimeError, match="_grad_fn can be only set to None"):
        y._grad_fn = 3
    with pytest.raises(RuntimeError, match=r"Deletion of _grad_fn not allowed\. Detach tensor instead!"):
        del y._grad_fn
    y._grad_fn = None
    assert y.grad_fn is None and not y.requires_grad


def test_views_as_another_dtype_of_empty_and_shifted_memory():
    assert torch.ones(0, 5, 4).view(torch.uint8).shape == (0, 5, 16)
    assert torch.ones(0, 5, 4).view(torch.float64).shape == (0, 5, 2)
    with pytest.raises(RuntimeError, match=r"self.storage_offset\(\) must be divisible by 2"):
        torch.ones(2, 3)[:, 1:].view(torch.float64)
    assert torch.randn(2, dtype=float).dtype is torch.float64
    assert torch.rand_like(torch.ones(2), dtype=float).dtype is torch.float64


def test_storages_of_one_memory_are_one():
    a = torch.arange(6.0)
    b = a.view(2, 3)
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        assert id(a.storage()) == id(b.storage()) == id(b[1].storage())
        assert id(a.storage()) != id(a.clone().storage())
        first = a.storage()
        a.data = torch.ones(3)
        assert len(first) == 6 and len(a.storage()) == 3


def test_tensors_made_of_storages_share_their_memory():
    a = torch.arange(6.0)
    b = a.view(2, 3)
    with pytest.warns(UserWarning, match="TypedStorage is deprecated"):
        c = torch.Tensor(a[1:].storage())
    c[0] = 6666
    assert b[0, 0] == 6666
    assert torch.DoubleTensor(torch.ones(2).untyped_storage()).shape == (1,)
    with (
        pytest.warns(UserWarning, match="TypedStorage is deprecated"),
        pytest.raises(RuntimeError, match="Expected a Storage of type Float or an UntypedStorage, but got type Double"),
    ):
        torch.Tensor(a.double().storage())


def test_public_classes_print_under_the_names_of_pytorchs():
    assert repr(torch.set_grad_enabled(True)) == "torch.autograd.grad_mode.set_grad_enabled(mode=True)"
    assert repr(torch.no_grad) == "<class 'torch.autograd.grad_mode.no_grad'>"
    assert repr(torch.autograd.Function) == "<class 'torch.autograd.function.Function'>"
    assert repr(torch.autograd.Variable) == "<class 'torch.autograd.variable.Variable'>"
    assert repr(torch.layout) == "<class 'torch.layout'>"
    assert repr(torch.finfo(torch.float32)) == (
        "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, "
        "tiny=1.17549e-38, dtype=float32)"
    )


def test_devices_that_are_not_there():
    x = torch.ones(2)
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        x.cuda()
    for call in (lambda: x.cuda(0), lambda: x.to(0), lambda: x.pin_memory()):
        with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available"):
            call()


def test_other_names_of_arguments():
    x = torch.ones(2, 1)
    assert x.squeeze(axis=1).shape == torch.squeeze(x, axis=1).shape == (2,)
    assert x.unsqueeze(axis=0).shape == torch.unsqueeze(x, axis=-1).squeeze(axis=2).unsqueeze(0).shape == (1, 2, 1)
    assert x.expand(size=(2, 3)).shape == (2, 3)
    assert torch.get_device(x) == -1
    with pytest.raises(TypeError, match="missing 1 required positional arguments"):
        x.unsqueeze()
