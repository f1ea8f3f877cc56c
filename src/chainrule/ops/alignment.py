"""Connectionist temporal classification (Graves et al. 2006): the loss of all alignments of a sequence to a target.

A target's labels with blanks around each are its states. `alpha` holds, by time and state, the log probability of all
alignments that have got there, `beta` that of all ways to finish from there, both with the state's own probability.
"""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..op import general, must_be_tensor, op
from ..tensor import Tensor, wrap
from .conversion import cast
from .elementwise import where
from .publishing import no_derivative, no_kernel

__all__ = ["ctc_loss"]


def _log_sum(*terms):
    """log(sum(exp(term))), -inf where all terms are."""
    largest = np.maximum.reduce(terms)
    base = np.where(largest == -np.inf, 0, largest)
    return base + np.log(sum(np.exp(term - base) for term in terms))


def _states(targets, blank: int):
    """(the label of each state, whether it may follow the state two before it: one with another label)."""
    labels = np.full((len(targets), 2 * targets.shape[1] + 1), blank, np.int64)
    labels[:, 1::2] = targets
    skips = np.zeros(labels.shape, bool)
    skips[:, 2:] = labels[:, 2:] != labels[:, :-2]
    return labels, skips


def _shifted(x, by: int):
    """`x` moved to the right by so many states, -inf before."""
    out = np.full(x.shape, -np.inf, x.dtype)
    if x.shape[1] > by:
        out[:, by:] = x[:, : x.shape[1] - by]
    return out


def _alpha(x, targets, blank, times, lengths):
    """(the loss, alpha) of log probabilities `x` of (time, sample, label)."""
    labels, skips = _states(targets, blank)
    batch = np.arange(len(labels))
    state = np.arange(labels.shape[1])
    alpha = np.full((len(batch), len(x), len(state)), -np.inf, x.dtype)
    inside = state < 2 * lengths[:, None] + 1
    now = np.where((state == 0) & (lengths[:, None] >= 0), np.zeros((), x.dtype), -np.inf).astype(x.dtype)
    for t in range(len(x)):
        own = x[t][batch[:, None], labels]
        if t:
            now = _log_sum(now, _shifted(now, 1), np.where(skips, _shifted(now, 2), -np.inf))
        else:  # either the first blank or the first label
            now = np.where((state < 2) & inside, np.zeros((), x.dtype), -np.inf)
        now = np.where(inside, now + own, -np.inf).astype(x.dtype)
        alpha[:, t] = now
    last = alpha[batch, np.maximum(times - 1, 0)]
    end = _log_sum(
        last[batch, 2 * lengths], np.where(lengths > 0, last[batch, np.maximum(2 * lengths - 1, 0)], -np.inf)
    )
    loss = np.where(times > 0, -end, np.where(lengths > 0, np.inf, -0.0))
    return loss.astype(x.dtype), alpha


def _gradient(x, targets, loss, alpha, blank, times, lengths, zero_infinity):
    """The derivative of each sample's loss as PyTorch defines it: by what `log_softmax` turns into `x`, which is
    exp(x) minus the share of alignments that are in a state of this label at this time."""
    labels, skips = _states(targets, blank)
    batch = np.arange(len(labels))
    state = np.arange(labels.shape[1])
    ends = (state == 2 * lengths[:, None]) | (state == 2 * lengths[:, None] - 1)
    inside = state < 2 * lengths[:, None] + 1
    ahead = np.zeros(skips.shape, bool)  # whether the state two further may follow
    ahead[:, :-2] = skips[:, 2:]
    grad = np.exp(x)
    beta = np.full(labels.shape, -np.inf, x.dtype)
    for t in range(len(x) - 1, -1, -1):
        own = x[t][batch[:, None], labels]
        back = beta[:, ::-1]
        moved = _log_sum(beta, _shifted(back, 1)[:, ::-1], np.where(ahead, _shifted(back, 2)[:, ::-1], -np.inf))
        start = np.where(ends, np.zeros((), x.dtype), -np.inf)
        beta = np.where((t == times - 1)[:, None], start, np.where((t < times - 1)[:, None], moved, -np.inf))
        beta = np.where(inside, beta + own, -np.inf).astype(x.dtype)
        through = alpha[:, t] + beta
        share = np.where(through == -np.inf, 0, np.exp(through - own + loss[:, None]))
        np.subtract.at(grad[t], (batch[:, None], labels), share)
    grad[:, np.isinf(loss)] = 0 if zero_infinity else np.nan
    grad[np.arange(len(x))[:, None] >= times] = 0
    return grad


_ctc_loss = op(
    "ctc_loss",
    forward=lambda xp, x, targets, /, blank, times, lengths, zero_infinity: _alpha(x, targets, blank, times, lengths),
    vjp=(
        lambda xp, g, x, targets, loss, alpha, blank, times, lengths, zero_infinity: (
            g[0][:, None] * xp.ctc_loss_gradient(x, targets, loss, alpha, blank, times, lengths, zero_infinity)
        ),
        None,
    ),
    outputs=("loss", "alpha"),
    refuses=no_kernel("ctc_loss_cpu", "biuc"),
    node="CtcLossBackward0",
)
_undefined = no_derivative("derivative for aten::_ctc_loss_backward is not implemented")
op(
    "ctc_loss_gradient",
    forward=lambda xp, x, targets, loss, alpha, /, blank, times, lengths, zero_infinity: _gradient(
        x, targets, loss, alpha, blank, times, lengths, zero_infinity
    ),
    vjp=(_undefined, None, None, None),
)


def _lengths(name: str, lengths, batch: int):
    """The lengths as an array."""
    if isinstance(lengths, Tensor):
        if lengths._array.dtype.kind not in "iu":
            raise RuntimeError(f"{name} must be integral")
        lengths = lengths._array.reshape(-1)
    elif any(not isinstance(n, int) for n in lengths):
        wrong = next(i for i, n in enumerate(lengths) if not isinstance(n, int))
        raise TypeError(
            f"ctc_loss(): argument '{name}' failed to unpack the object at pos {wrong + 1} with error \"type must be tuple "
            f'of ints,but got {type(lengths[wrong]).__name__}"'
        )
    if len(lengths) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    return np.asarray(lengths, np.int64)


def _padded(targets, lengths):
    """The targets as (sample, label), from that form or from all labels of all samples one after the other."""
    checking = "for argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
    values = targets._array
    longest = int(lengths.max(initial=0))
    if values.ndim == 1:
        if values.size != lengths.sum():
            raise RuntimeError(
                f"Expected tensor to have size {lengths.sum()} at dimension 0, but got size {values.size} {checking}"
            )
        out = np.zeros((len(lengths), longest), values.dtype)
        out[np.arange(longest) < lengths[:, None]] = values
        return wrap(out)
    if values.ndim != 2:
        raise RuntimeError(f"Expected 1 to 2 dimensions, but got {values.ndim}-dimensional tensor {checking}")
    for d, wanted, words in ((0, len(lengths), "size"), (1, longest, "size at least")):
        if values.shape[d] < wanted or (not d and values.shape[d] != wanted):
            raise RuntimeError(
                f"Expected tensor to have {words} {wanted} at dimension {d}, but got size {values.shape[d]} {checking}"
            )
    return wrap(np.where(np.arange(longest) < lengths[:, None], values[:, :longest], 0))


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
):
    """The negative log probability of each target, over all its alignments to `log_probs` (T, N, C) or (T, C).

    `targets`: (N, S), or the labels of all samples one after the other. "mean" divides by the targets' lengths before.
    `zero_infinity`: targets too long for their input cost nothing. As in PyTorch, the gradient is right for `log_probs`
    that come from `log_softmax`, and has no derivative."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    for position, (name, x) in enumerate((("log_probs", log_probs), ("targets", targets)), 1):
        if not isinstance(x, Tensor):
            raise must_be_tensor("ctc_loss", name, position, x)
    batched = log_probs.ndim == 3
    if not batched:
        log_probs, targets = log_probs.unsqueeze(1), targets if targets.ndim != 1 else targets.unsqueeze(0)
    if log_probs.ndim != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.ndim}-dimensional tensor for argument #1 'log_probs' (while "
            "checking arguments for ctc_loss_allocate_outputs)"
        )
    if not log_probs._array.size:
        raise RuntimeError("log_probs tensor must not be empty")
    if log_probs._array.dtype.itemsize < 4:
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{dtypes.scalar_name(log_probs.dtype)}'")
    if not 0 <= blank < log_probs.shape[2]:
        raise RuntimeError("blank must be in label range")
    times = _lengths("input_lengths", input_lengths, log_probs.shape[1])
    lengths = _lengths("target_lengths", target_lengths, log_probs.shape[1])
    if times.max() > log_probs.shape[0]:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {log_probs.shape[0]}, but got value {times.max()} (while checking "
            "arguments for ctc_loss_allocate_outputs)"
        )
    padded = cast(_padded(targets, lengths), dtypes.int64)
    loss, _ = general(_ctc_loss.record, (log_probs, padded), (blank, times, lengths, zero_infinity))
    if zero_infinity:
        loss = where(loss == float("inf"), 0.0, loss)
    if not batched:
        loss = loss.squeeze(0)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    divisors = wrap(np.maximum(lengths, 1).astype(log_probs._array.dtype))
    return (loss / (divisors if batched else divisors.squeeze(0))).mean()
