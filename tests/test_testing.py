"""torch.testing: what agrees, the words for what does not, and tensors to test with."""

import warnings

import numpy as np
import pytest

import chainrule as torch
from chainrule.testing import assert_allclose, assert_close, make_tensor

t = torch.tensor
NAN = float("nan")


@pytest.mark.parametrize(
    ("actual", "expected", "options"),
    [
        (t([0.0]), t([1e-6]), {}),
        (t([1.0]), t([1]), {"check_dtype": False}),
        (t([NAN]), t([NAN]), {"equal_nan": True}),
        (t([float("inf")]), t([float("inf")]), {}),
        (t([], dtype=torch.float32), t([], dtype=torch.float32), {}),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), {}),
        (np.float32(1.0), np.float32(1.0), {}),
        (torch.nn.Parameter(t([1.0])), t([1.0]), {}),
        ((1, 2.0), [1, 2.0], {}),
        ({"a": t(1.0), "b": [True, None]}, {"b": [True, None], "a": t(1.0)}, {}),
        (t([1.0, 2.0], dtype=torch.float16), t([1.0, 2.001], dtype=torch.float16), {}),
        (t([1.0, 2.0]), t([1.1, 2.1]), {"rtol": 0, "atol": 0.2}),
        (2, 3, {"rtol": 0.0, "atol": 1.0}),
        (torch.ones(2, 3).t(), torch.ones(3, 2), {}),
        (NAN, NAN, {"equal_nan": True}),
    ],
)  # fmt: skip
def test_what_agrees(actual, expected, options):
    assert assert_close(actual, expected, **options) is None


@pytest.mark.parametrize(
    ("actual", "expected", "options", "message"),
    [
        (
            t([1.0, 2.0, 3.0]), t([1.0, 2.5, 4.0]), {},
            "Tensor-likes are not close!\n\nMismatched elements: 2 / 3 (66.7%)\n"
            "Greatest absolute difference: 1.0 at index (2,) (up to 1e-05 allowed)\n"
            "Greatest relative difference: 0.25 at index (2,) (up to 1.3e-06 allowed)",
        ),
        (
            t(1.0), t(2.0), {},
            "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute difference: 1.0 (up to 1e-05 allowed)\n"
            "Relative difference: 0.5 (up to 1.3e-06 allowed)",
        ),
        (
            t([[1, 2], [3, 4]]), t([[1, 2], [3, 5]]), {},
            "Tensor-likes are not equal!\n\nMismatched elements: 1 / 4 (25.0%)\n"
            "Greatest absolute difference: 1 at index (1, 1)\n"
            "Greatest relative difference: 0.20000000298023224 at index (1, 1)",
        ),
        (
            {"a": [1, {"b": t([1.0, 2.0])}]}, {"a": [1, {"b": t([1.0, 3.0])}]}, {"rtol": 0.1, "atol": 0.1},
            "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\n"
            "Greatest absolute difference: 1.0 at index (1,) (up to 0.1 allowed)\n"
            "Greatest relative difference: 0.3333333432674408 at index (1,) (up to 0.1 allowed)\n\n"
            "The failure occurred for item ['a'][1]['b']",
        ),
        (1.0, 1.5, {"msg": "mine"}, "mine"),
        (1.0, 2, {}, "The (d)types do not match: <class 'float'> != <class 'int'>."),
        (True, False, {"msg": lambda text: text + "?"}, "Booleans mismatch: True is not False?"),
        (None, 1, {}, "None mismatch: None is not 1"),
        ([1.0], [1.0, 2.0], {}, "The length of the sequences mismatch: 1 != 2"),
        (
            {"a": 1}, {"b": 1}, {},
            "The keys of the mappings do not match:\nMissing keys in the actual mapping: ['b']\n"
            "Additional keys in the actual mapping: ['a']",
        ),
        (t([1.0]), t([1.0, 2.0]), {}, "The values for attribute 'shape' do not match: torch.Size([1]) != torch.Size([2])."),
        (t([1.0]), t([1]), {}, "The values for attribute 'dtype' do not match: torch.float32 != torch.int64."),
        (
            torch.ones(2, 3).t(), torch.ones(3, 2), {"check_stride": True},
            "The values for attribute 'stride()' do not match: (1, 3) != (2, 1).",
        ),
    ],
)  # fmt: skip
def test_what_does_not(actual, expected, options, message):
    with pytest.raises(AssertionError) as info:
        assert_close(actual, expected, **options)
    assert str(info.value) == message


@pytest.mark.parametrize(
    ("actual", "expected"),
    [("a", "a"), (t(1.5), 1.5), ({1}, {1}), (t([1.0]), np.array([1.0])), (torch.float32, torch.float32)],
)
def test_what_cannot_be_compared(actual, expected):
    with pytest.raises(TypeError, match="No comparison pair was able to handle inputs of type"):
        assert_close(actual, expected)


def test_tolerances_come_in_pairs():
    with pytest.raises(ValueError, match="Both 'rtol' and 'atol' must be either specified or omitted, but got no atol"):
        assert_close(1.0, 1.0, rtol=0.1)


def test_subclasses_can_be_refused():
    with pytest.raises(TypeError):
        assert_close(torch.nn.Parameter(t([1.0])), t([1.0]), allow_subclasses=False)


def test_assert_allclose_is_deprecated_and_wider():
    with pytest.warns(FutureWarning, match="deprecated since 1.12"):
        assert_allclose([1.0, NAN], t([1.00005, NAN], dtype=torch.float64))
    with warnings.catch_warnings(), pytest.raises(AssertionError, match=r"0.0001 allowed"):
        warnings.simplefilter("ignore")
        assert_allclose(t([1.0]), 1.1 * torch.ones(1))


# ---------------------------------------------------------------- make_tensor


def made(*shape, **options):
    torch.manual_seed(0)
    return make_tensor(*shape, device="cpu", **options)


def test_tensors_draw_the_stream():
    assert_close(made((2, 2), dtype=torch.float32), t([[-0.0674, 4.8280], [-7.4074, -6.6235]]), rtol=1e-4, atol=1e-4)
    assert made(3, dtype=torch.int64).tolist() == [6, -5, -9]
    assert made(3, dtype=torch.uint8).tolist() == [4, 9, 3]
    assert made(3, dtype=torch.bool).tolist() == [False, True, True]
    assert_close(made(1, dtype=torch.complex64), t([-0.0674 + 4.8280j]), rtol=1e-4, atol=1e-4)
    assert_close(
        made((2, 3), dtype=torch.float32, noncontiguous=True),
        t([[4.8280, -6.6235, 2.4134], [7.1360, 2.3815, -1.7691]]),
        rtol=1e-4,
        atol=1e-4,
    )


def test_bounds_and_flags():
    assert set(made(50, dtype=torch.int64, low=0, high=2, exclude_zero=True).tolist()) == {1}
    assert made(50, dtype=torch.int64, low=0.3, high=3.7).unique().tolist() == [1, 2, 3]
    assert made(4, dtype=torch.float32, low=1, high=1).tolist() == [1, 1, 1, 1]
    assert made(4, dtype=torch.float64, requires_grad=True).requires_grad
    assert not made(2, 3, dtype=torch.float32, noncontiguous=True).is_contiguous()
    assert made((), dtype=torch.float32, noncontiguous=True).shape == ()
    assert made(0, 3, dtype=torch.float32).shape == (0, 3)
    assert made(9, dtype=torch.uint8, low=-5, high=5).max() < 5


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": torch.int64, "low": 3, "high": 1}, {"dtype": torch.int64, "low": 3, "high": 3},
        {"dtype": torch.float32, "low": NAN}, {"dtype": torch.int64, "requires_grad": True},
        {"dtype": torch.float32, "noncontiguous": True, "memory_format": torch.contiguous_format},
    ],
)  # fmt: skip
def test_wrong_bounds_and_flags(options):
    with pytest.raises(ValueError):
        made(4, **options)
