"""torch.nn.utils.rnn: padding and packing sequences of different lengths."""

import pytest

import chainrule as torch
from chainrule.nn.utils.rnn import (
    PackedSequence,
    invert_permutation,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

SEQUENCES = [torch.arange(3.0), torch.arange(5.0) + 10, torch.arange(2.0) + 20]


def lists(tensors):
    return [tensor.tolist() for tensor in tensors]


def test_padding():
    assert pad_sequence(SEQUENCES).shape == (5, 3)
    assert pad_sequence(SEQUENCES, batch_first=True, padding_value=-1).tolist() == [
        [0, 1, 2, -1, -1], [10, 11, 12, 13, 14], [20, 21, -1, -1, -1],
    ]  # fmt: skip
    assert pad_sequence(SEQUENCES, True, padding_side="left")[0].tolist() == [0, 0, 0, 1, 2]
    assert pad_sequence([torch.ones(2, 3), torch.ones(1, 3)]).shape == (2, 2, 3)
    padded = pad_sequence(SEQUENCES)
    assert lists(unpad_sequence(padded, torch.tensor([3, 5, 2]))) == lists(SEQUENCES)
    assert padded.shape == (5, 3)
    for wrong in (lambda: pad_sequence([]), lambda: pad_sequence(SEQUENCES, padding_side="middle")):
        with pytest.raises(RuntimeError):
            wrong()


def test_packing():
    packed = pack_padded_sequence(pad_sequence(SEQUENCES), torch.tensor([3, 5, 2]), enforce_sorted=False)
    assert repr(packed) == (
        "PackedSequence(data=tensor([10.,  0., 20., 11.,  1., 21., 12.,  2., 13., 14.]), batch_sizes=tensor([3, 3, 2, 1, 1]), "
        "sorted_indices=tensor([1, 0, 2]), unsorted_indices=tensor([1, 0, 2]))"
    )
    padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-1.0, total_length=6)
    assert lengths.tolist() == [3, 5, 2]
    assert padded.tolist() == [[0, 1, 2, -1, -1, -1], [10, 11, 12, 13, 14, -1], [20, 21, -1, -1, -1, -1]]
    assert lists(unpack_sequence(pack_sequence(SEQUENCES, enforce_sorted=False))) == lists(SEQUENCES)
    in_order = pack_sequence([SEQUENCES[1], SEQUENCES[0], SEQUENCES[2]])
    assert torch.equal(in_order.data, packed.data) and in_order.sorted_indices is None
    assert isinstance(packed, tuple) and len(packed) == 4 and isinstance(packed.double(), PackedSequence)
    assert packed.double().data.dtype == torch.float64 and packed.cpu() is packed
    assert invert_permutation(torch.tensor([2, 0, 1])).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 5, 2], "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True"),
        ([5, 2], "Expected `len(lengths)` to be equal to batch_size, but got 2 (batch_size=3)"),
        ([5, 2, 0], "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"),
    ],
)
def test_wrong_lengths(lengths, message):
    with pytest.raises(RuntimeError) as info:
        pack_padded_sequence(pad_sequence(SEQUENCES), lengths)
    assert str(info.value).startswith(message)


def test_wrong_tensors():
    with pytest.raises(RuntimeError, match=r"Cannot pack empty tensors\."):
        pack_padded_sequence(torch.zeros(0, 2), [0, 0])
    with pytest.raises(ValueError, match="Expected total_length to be at least the length of the longest sequence"):
        pad_packed_sequence(pack_sequence(SEQUENCES, enforce_sorted=False), total_length=2)


def test_gradients_reach_what_was_packed():
    x = torch.ones(4, 3, 2, requires_grad=True)
    padded, _ = pad_packed_sequence(pack_padded_sequence(x, [4, 2, 1]))
    (padded * 3).sum().backward()
    assert x.grad[:, :, 0].tolist() == [[3, 3, 3], [3, 3, 0], [3, 0, 0], [3, 0, 0]]
