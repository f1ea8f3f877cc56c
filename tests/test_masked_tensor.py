"""MaskedTensor: its text, operations, reductions and gradients. Expected texts and numbers are PyTorch's."""

import pytest

import chainrule as torch
from chainrule.masked import MaskedTensor, as_masked_tensor, is_masked_tensor, masked_tensor

t = torch.tensor
MASK = t([[True, False, True], [False, True, True]])


@pytest.fixture
def x():
    return masked_tensor(torch.arange(6.0).reshape(2, 3), MASK)


def shown(value, expected):
    assert isinstance(value, MaskedTensor)
    assert " ".join(repr(value).split()) == " ".join(expected.split())


def test_text(x):
    assert repr(x) == (
        "MaskedTensor(\n  [\n    [  0.0000,       --,   2.0000],\n    [      --,   4.0000,   5.0000]\n  ]\n)"
    )
    assert repr(masked_tensor(t(1.5), t(True))) == "MaskedTensor(  1.5000, True)"
    assert repr(x[0, 1]) == "MaskedTensor(--, False)"
    assert str(masked_tensor(t([1, 2, 3]), t([True, False, True]))) == "MaskedTensor(\n  [1,       --, 3]\n)"
    assert repr(masked_tensor(t([True, False]), t([True, False]))) == "MaskedTensor(\n  [True,       --]\n)"
    assert repr(-(x.exp()))[-38:] == "[       --, -54.5981, -148.4132]\n  ]\n)"


def test_what_it_is_made_of(x):
    assert is_masked_tensor(x) and not is_masked_tensor(MASK)
    assert torch.equal(x.get_mask(), MASK)
    assert x.get_data().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x.to_tensor(9).tolist() == [[0, 9, 2], [9, 4, 5]]
    assert (x.shape, x.dtype, x.requires_grad) == ((2, 3), torch.float32, False)


@pytest.mark.parametrize(
    ("data", "mask", "error", "message"),
    [
        (1, MASK, TypeError, "data must be a Tensor"),
        (torch.ones(2, 3), [True], TypeError, "mask must be a Tensor"),
        (torch.ones(2, 3), torch.ones(2, 3), TypeError, "mask must have dtype bool."),
        (torch.ones(2, 3, dtype=torch.complex64), MASK, TypeError, "torch.complex64 is not supported in MaskedTensor."),
        (torch.ones(3), MASK, ValueError, "data.dim() must equal mask.dim()"),
        (torch.ones(3, 2), MASK, ValueError, "data.size() must equal mask.size()"),
    ],
)
def test_wrong_parts(data, mask, error, message):
    with pytest.raises(error) as info:
        masked_tensor(data, mask)
    assert str(info.value).replace("chainrule", "torch") == message


def test_elementwise_operations_keep_the_mask(x):
    shown(x.sqrt(), "MaskedTensor( [ [ 0.0000, --, 1.4142], [ --, 2.0000, 2.2361] ] )")
    shown(x * 2 + 1, "MaskedTensor( [ [ 1.0000, --, 5.0000], [ --, 9.0000, 11.0000] ] )")
    shown(x * torch.ones(2, 3), "MaskedTensor( [ [ 0.0000, --, 2.0000], [ --, 4.0000, 5.0000] ] )")
    shown(x < 3, "MaskedTensor( [ [True, --, True], [ --, False, False] ] )")
    shown(torch.maximum(x, x * 0.5 + 2), "MaskedTensor( [ [ 2.0000, --, 3.0000], [ --, 4.0000, 5.0000] ] )")
    shown(1 / (x + 1), "MaskedTensor( [ [ 1.0000, --, 0.3333], [ --, 0.2000, 0.1667] ] )")
    shown(x.add_(1), "MaskedTensor( [ [ 1.0000, --, 3.0000], [ --, 5.0000, 6.0000] ] )")
    shown(x, "MaskedTensor( [ [ 1.0000, --, 3.0000], [ --, 5.0000, 6.0000] ] )")


def test_masks_must_match(x):
    with pytest.raises(ValueError, match="Input masks must match"):
        x + masked_tensor(torch.ones(2, 3), ~MASK)


def test_reductions_leave_out_what_is_masked(x):
    shown(x.sum(), "MaskedTensor( 11.0000, True)")
    shown(x.sum(1), "MaskedTensor( [ 2.0000, 9.0000] )")
    shown(x.mean(1, keepdim=True), "MaskedTensor( [ [ 1.0000], [ 4.5000] ] )")
    shown(torch.amax(x, 0), "MaskedTensor( [ 0.0000, 4.0000, 5.0000] )")
    shown(x.amin(), "MaskedTensor( 0.0000, True)")
    shown(x.prod(1), "MaskedTensor( [ 0.0000, 20.0000] )")
    shown(x.argmax(1), "MaskedTensor( [ 2.0000, 2.0000] )")
    shown(x.var(1), "MaskedTensor( [ 2.0000, 0.5000] )")
    shown(x.std(1), "MaskedTensor( [ 1.4142, 0.7071] )")
    shown((x > 1).all(1), "MaskedTensor( [False, True] )")
    shown((x > 4).any(1), "MaskedTensor( [False, True] )")
    shown(x.softmax(1), "MaskedTensor( [ [ 0.1192, --, 0.8808], [ --, 0.2689, 0.7311] ] )")
    shown(torch.logsumexp(x, 1), "MaskedTensor( [ 2.1269, 5.3133] )")
    shown(x.norm(), "MaskedTensor( 6.7082, True)")
    shown(x.cumsum(1), "MaskedTensor( [ [ 0.0000, --, 2.0000], [ --, 4.0000, 9.0000] ] )")


def test_where_nothing_is_left_the_result_is_masked_out():
    x = masked_tensor(torch.arange(6.0).reshape(2, 3), t([[False] * 3, [True] * 3]))
    shown(x.sum(1), "MaskedTensor( [ --, 12.0000] )")
    shown(x.mean(1), "MaskedTensor( [ --, 4.0000] )")
    shown(x.amax(1), "MaskedTensor( [ --, 5.0000] )")


def test_moving_elements_moves_the_mask(x):
    shown(x[0], "MaskedTensor( [ 0.0000, --, 2.0000] )")
    shown(x.t(), "MaskedTensor( [ [ 0.0000, --], [ --, 4.0000], [ 2.0000, 5.0000] ] )")
    shown(x.reshape(6), "MaskedTensor( [ 0.0000, --, 2.0000, --, 4.0000, 5.0000] )")
    shown(torch.cat([x, x])[:, 1], "MaskedTensor( [ --, 4.0000, --, 4.0000] )")
    shown(x[MASK], "MaskedTensor( [ 0.0000, 2.0000, 4.0000, 5.0000] )")
    shown(x.split(2, 1)[1], "MaskedTensor( [ [ 2.0000], [ 5.0000] ] )")
    shown(x.to(torch.int64), "MaskedTensor( [ [0, --, 2], [ --, 4, 5] ] )")
    other = masked_tensor(torch.ones(2, 3), ~MASK)
    shown(torch.where(MASK, x, other), "MaskedTensor( [ [ 0.0000, 1.0000, 2.0000], [ 1.0000, 4.0000, 5.0000] ] )")


def test_what_is_not_defined(x):
    with pytest.raises(TypeError, match="no implementation found"):
        x @ x.t()
    with pytest.raises(RuntimeError, match="not supported for tensor subclasses"):
        x.numpy()
    with pytest.raises(RuntimeError, match="not supported for tensor subclasses"):
        x.tolist()


def test_gradients():
    x = masked_tensor(torch.arange(1.0, 7.0).reshape(2, 3), MASK, requires_grad=True)
    x.sqrt().mean(1).sum().backward()
    shown(x.grad, "MaskedTensor( [ [ 0.2500, --, 0.1443], [ --, 0.1118, 0.1021] ] )")
    x.grad = None
    (x * x).sum().backward()
    shown(x.grad, "MaskedTensor( [ [ 2.0000, --, 6.0000], [ --, 10.0000, 12.0000] ] )")


def test_a_gradient_without_the_nan_of_what_is_masked_out():
    """where(x > 0, sqrt(x), 0) has the gradient nan at 0; masked out, the place does not count."""
    data = t([-1.0, 0.0, 4.0], requires_grad=True)
    as_masked_tensor(data, data.detach() > 0).sqrt().sum().backward()
    assert data.grad.tolist() == [0.0, 0.0, 0.25]
    loss = as_masked_tensor(data, data.detach() > 0)
    assert loss.to_tensor(0.0).tolist() == [0.0, 0.0, 4.0]
