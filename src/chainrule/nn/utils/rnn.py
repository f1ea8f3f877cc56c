"""torch.nn.utils.rnn: batches of sequences of different lengths, padded or packed.

Packed, the elements of all sequences at time 0 come first, then those at time 1, and so on, with the longest sequence first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import chainrule as torch
from chainrule import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence", "pad_sequence",
    "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Packed sequences: `data`, how many sequences there are at each time, and in which order they were before sorting."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with its data in another dtype."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else PackedSequence(data, *self[1:])

    def __repr__(self) -> str:
        return "PackedSequence(" + ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self)) + ")"

    @property
    def is_cuda(self) -> bool:
        """False."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data lies in memory of its own kind; never."""
        return False

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Itself."""
        return self.to("cpu", *args, **kwargs)


def _in_dtype(name: str):
    def convert(self: PackedSequence) -> PackedSequence:
        return self.to(getattr(torch, name))

    convert.__name__ = name
    convert.__doc__ = f"The same with data of dtype {name}."
    return convert


for _name in ("double", "float", "half", "long", "int", "short"):
    setattr(PackedSequence, _name, _in_dtype(_name))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another."""
    if permutation is None:
        return None
    inverse = torch.empty_like(permutation)
    inverse[permutation] = torch.arange(permutation.numel())
    return inverse


def _places(batch_sizes: Tensor) -> tuple[Tensor, Tensor]:
    """(times, sequences) of the elements of a packed sequence, in order."""
    sizes = batch_sizes.tolist()
    times = torch.repeat_interleave(torch.arange(len(sizes)), batch_sizes)
    return times, torch.cat([torch.arange(size) for size in sizes])


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs sequences (time × sequence × ..., or with `batch_first` sequence × time × ...) of these lengths.

    RuntimeError for lengths that are not positive, do not fit the batch, or are not in descending order, unless
    `enforce_sorted` is False, which sorts them.
    """
    lengths = torch.as_tensor(lengths, dtype=torch.int64)
    if not input.numel():
        raise RuntimeError("Cannot pack empty tensors.")
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    if len(lengths) != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={input.shape[1]})"
        )
    if not (lengths > 0).all():
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (lengths[1:] > lengths[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do not "
            "need ONNX exportability."
        )
    batch_sizes = (lengths.unsqueeze(0) > torch.arange(int(lengths[0])).unsqueeze(1)).sum(1)
    return PackedSequence(input[_places(batch_sizes)], batch_sizes, sorted_indices)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(padded sequences in their first order, their lengths), up to `total_length` or the longest."""
    data, batch_sizes, _, unsorted = sequence
    longest = len(batch_sizes)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {longest}"
            )
        steps = total_length
    else:
        steps = longest
    count = int(batch_sizes[0])
    empty = torch.full((steps, count, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded = empty.index_put(_places(batch_sizes), data)
    lengths = (batch_sizes.unsqueeze(1) > torch.arange(count).unsqueeze(0)).sum(0)
    if unsorted is not None:
        padded, lengths = padded.index_select(1, unsorted), lengths[unsorted]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences of different lengths as one tensor, time × sequence × ... or with `batch_first` sequence × time × ..."""
    given = list(sequences)
    if not given:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    longest = max(len(one) for one in given)
    rows = []
    for one in given:
        filler = one.new_full((longest - len(one), *one.shape[1:]), padding_value)
        rows.append(torch.cat([filler, one] if padding_side == "left" else [one, filler]))
    return torch.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(rows, lengths, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences of different lengths."""
    lengths = torch.tensor([len(one) for one in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences, in their first order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
