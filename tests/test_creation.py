"""Tensors from data and of given sizes."""

import numpy as np
import pytest

import chainrule as torch


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        ([1, 2], torch.int64),
        ([1, 2.5], torch.float32),
        ([True, 2], torch.int64),
        ([True], torch.bool),
        ([1, 2j], torch.complex64),
        ([], torch.float32),
        (np.float64(1), torch.float64),
        ([np.float64(1)], torch.float64),
        ([np.int32(1)], torch.int32),
        ([torch.tensor(1), 2.5], torch.float32),
        ([torch.tensor(1.0, dtype=torch.float64)], torch.float64),
        (np.arange(2, dtype=np.int16), torch.int16),
    ],
)
def test_inferred_dtypes(data, dtype):
    assert torch.tensor(data).dtype is dtype


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[1, 2], [1, 2, 3]], ValueError, "expected sequence of length 2 at dim 1 (got 3)"),
        ([[1, 2], 3], TypeError, "not a sequence"),
        (["a"], ValueError, "too many dimensions 'str'"),
        ("a", TypeError, "new(): invalid data type 'str'"),
        (None, RuntimeError, "Could not infer dtype of NoneType"),
        (2**70, ValueError, "Overflow when unpacking long long"),
        ([torch.ones(2)], ValueError, "only one element tensors can be converted to Python scalars"),
        (np.arange(3)[::-1], ValueError, "At least one stride in the given numpy array is negative"),
    ],
)
def test_bad_data(data, error, message):
    with pytest.raises(error) as caught:
        torch.tensor(data)
    assert message in str(caught.value)


def test_numbers_must_fit_the_dtype():
    assert torch.tensor([-1], dtype=torch.uint8).tolist() == [255]
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8 without overflow"):
        torch.tensor([300], dtype=torch.uint8)
    with pytest.raises(TypeError, match="must be real number, not complex"):
        torch.tensor(1j, dtype=torch.float32)
    assert torch.tensor(1e50).item() == float("inf")


def test_copying_a_tensor_warns():
    with pytest.warns(UserWarning, match="To copy construct from a tensor"):
        torch.tensor(torch.ones(1))


@pytest.mark.parametrize("make", [torch.zeros, torch.ones, torch.empty])
def test_forms_of_sizes(make):
    for shape in (
        make(2, 3).shape,
        make((2, 3)).shape,
        make([2, 3]).shape,
        make(torch.Size([2, 3])).shape,
        make(size=(2, 3)).shape,
    ):
        assert shape == (2, 3)
    assert make(()).shape == () and make(torch.tensor(2)).shape == (2,) and make(2, dtype=float).dtype is torch.float64
    with pytest.raises(TypeError, match="must be tuple of ints, not float"):
        make(1.5)
    with pytest.raises(RuntimeError, match=r"negative dimension|must be non-negative"):
        make(-1)
    with pytest.raises(RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"):
        make(2, dtype=torch.int, requires_grad=True)


def test_arange():
    assert torch.arange(5).dtype is torch.int64 and torch.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert torch.arange(5, 0, -2).tolist() == [5, 3, 1] and torch.arange(1, end=3).tolist() == [1, 2]
    assert torch.arange(torch.tensor(3.0)).dtype is torch.float32
    for arguments, message in (
        ((5, 0), "upper bound and lower bound inconsistent with step sign"),
        ((0, 5, 0), "step must be nonzero"),
        ((float("nan"),), "unsupported range: 0 -> nan"),
    ):
        with pytest.raises(RuntimeError, match=message):
            torch.arange(*arguments)
    with pytest.warns(UserWarning, match=r"torch.range is deprecated"):
        assert torch.range(0, 2).tolist() == [0, 1, 2]


def test_linspace_and_logspace_meet_both_ends():
    for n in (1, 2, 7, 40):
        x = torch.linspace(-3, 5, n)
        assert x[0] == -3 and (n == 1 or x[-1] == 5) and x.shape == (n,)
        assert np.allclose(x.numpy(), np.linspace(-3, 5, n), atol=1e-6)
    assert torch.linspace(-5, 5, 7, dtype=torch.int64).tolist() == [-5, -3, -1, 0, 1, 3, 5]
    assert torch.logspace(0, 2, 3).tolist() == [1, 10, 100]
    with pytest.raises(RuntimeError, match="number of steps must be non-negative"):
        torch.linspace(0, 1, -1)


def test_full():
    assert torch.full((2,), 1).dtype is torch.int64 and torch.full((2,), 1.0).dtype is torch.float32
    assert torch.full((2,), True).dtype is torch.bool and torch.full((), torch.tensor(3.0)).item() == 3
    with pytest.raises(TypeError, match="must be tuple of ints, not int"):
        torch.full(2, 1)
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8_t without overflow"):
        torch.full((2,), 300, dtype=torch.uint8)


def test_like_keeps_the_order_of_dimensions():
    x = torch.ones(2, 3).t()
    assert torch.zeros_like(x).stride() == (1, 3)
    assert torch.full_like(x, 2, memory_format=torch.contiguous_format).stride() == (2, 1)
    assert torch.ones_like(x, dtype=torch.int).dtype is torch.int32


def test_arrays_are_shared():
    array = np.arange(6.0).reshape(2, 3)
    for share in (torch.from_numpy, torch.as_tensor, torch.asarray):
        x = share(array[:, 1:])
        x[0, 0] = -1
        assert array[0, 1] == -1 and x.storage_offset() == 0 and x.stride() == (3, 1)
        array[0, 1] = 1
    assert torch.tensor(array).data_ptr() != array.ctypes.data
    frozen = np.ones(2)
    frozen.flags.writeable = False
    with pytest.warns(UserWarning, match="The given NumPy array is not writable"):
        torch.from_numpy(frozen)


def test_buffers():
    buffer = bytearray(8)
    x = torch.frombuffer(buffer, dtype=torch.int32)
    x[1] = 1
    assert list(buffer) == [0, 0, 0, 0, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="must be a multiple of element size"):
        torch.frombuffer(buffer, dtype=torch.int32, offset=3)


def test_matrices():
    assert torch.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert torch.tril_indices(2, 3).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert torch.triu_indices(2, 2, 1).tolist() == [[0], [1]]
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert torch.empty_permuted((2, 3), (1, 0)).stride() == (1, 2)
    assert torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride() == (60, 1, 15, 3)


def test_new_tensors_have_the_dtype_of_the_old():
    x = torch.ones(2, dtype=torch.int32)
    assert x.new_tensor([1.5]).tolist() == [1] and x.new_zeros(2, 3).dtype is torch.int32
    assert x.new_full((1,), 3.7).tolist() == [3] and x.new_ones(2, dtype=torch.float64).dtype is torch.float64
