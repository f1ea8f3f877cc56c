"""Short-time Fourier transforms: spectra of overlapping pieces of a signal, and the signal from the spectra."""

from __future__ import annotations

import importlib

import numpy as np

from .. import dtypes
from ..dtypes import scalar_name
from ..op import REGISTRY, method
from ..tensor import Tensor, wrap
from ..warning import warn_once
from .complexes import view_as_real
from .creation import ones
from .products import _array as _array_of

__all__ = ["istft", "stft"]


def _fft():
    return importlib.import_module("chainrule.fft")


def _extended(x: Tensor, count: int, mode: str) -> Tensor:
    """The signals in the last dimension with `count` more elements at both ends."""
    n = x._array.shape[-1]
    if mode == "constant":
        shape = (*x._array.shape[:-1], n + 2 * count)
        return REGISTRY["slice_backward"].apply(x, shape, x._array.ndim - 1, count, count + n, 1)
    if mode == "reflect" and count >= n:
        raise RuntimeError(
            "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({count}, {count}) at dimension 2 of input {[1, *x.shape]}"
        )
    places = np.arange(-count, n + count)
    if mode == "reflect":
        places = n - 1 - np.abs(n - 1 - np.abs(places))
    else:
        places = places % n if mode == "circular" else places.clip(0, n - 1)
    return x.index_select(-1, wrap(places))


def _padded_window(window, length: int, n_fft: int, dtype):
    """The window, ones without one, with zeros on both sides up to `n_fft`."""
    if window is None:
        window = ones(length, dtype=dtype)
    if length == n_fft:
        return window
    left = (n_fft - length) // 2
    return REGISTRY["slice_backward"].apply(window, (n_fft,), 0, left, left + length, 1)


def _shown(name: str, kind: str, x: Tensor, n_fft: int, hop: int, win: int, window, /, **settings) -> str:
    """The call, as error messages begin with."""
    shape = ", ".join(map(str, x.shape))
    seen = "None"
    if window is not None:
        seen = f"torch.{scalar_name(window.dtype)}Tensor{{[{', '.join(map(str, window.shape))}]}}"
    rest = "".join(f", {k}={int(v) if isinstance(v, bool) and k != 'onesided' else v}" for k, v in settings.items())
    return f"{name}({kind}[{shape}], n_fft={n_fft}, hop_length={hop}, win_length={win}, window={seen}{rest}) "


@method()
def stft(
    input,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window=None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
):
    """The spectra of pieces of `n_fft` elements, `hop_length` apart, of signals in the last dimension: (...,
    frequency, piece).

    The pieces are multiplied with `window`. `center`: the signal is padded so that pieces are centred at multiples of
    `hop_length`. `onesided` (default for real signals): the first half of the frequencies. `return_complex` has to be
    given for real signals; False: real and imaginary parts in a last dimension of 2."""
    array = _array_of("stft", "input", 1, input)
    is_complex = array.dtype.kind == "c" or (window is not None and window.dtype.is_complex)
    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if window is None:
        warn_once(
            "A window was not provided. A rectangular window will be applied,which is known to cause spectral leakage. "
            "Other windows such as torch.hann_window or torch.hamming_window are recommended to reduce spectral "
            "leakage.To suppress this warning and use a rectangular window, explicitly set `window=torch.ones(n_fft, "
            "device=<device>)`."
        )
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if center:
        if align_to_window is not None:
            raise RuntimeError("stft align_to_window should only be set when center = false.")
        input = _extended(input, n_fft // 2, pad_mode)
    shown = _shown(
        "stft",
        f"torch.{scalar_name(input.dtype)}Tensor",
        input,
        n_fft,
        hop,
        length,
        window,
        normalized=normalized,
        onesided=onesided,
        return_complex=return_complex,
        align_to_window=align_to_window,
    )
    size = input._array.shape[-1]
    if array.dtype.kind in "iub":
        raise RuntimeError(f"{shown}: expected a tensor of floating point or complex values")
    if array.ndim not in (1, 2):
        raise RuntimeError(f"{shown}: expected a 1D or 2D tensor")
    if not 0 < n_fft <= size:
        raise RuntimeError(f"{shown}: expected 0 < n_fft < {size}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{shown}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < length <= n_fft:
        raise RuntimeError(f"{shown}: expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is not None and (window.ndim != 1 or len(window) != length):
        raise RuntimeError(
            f"{shown}: expected a 1D window tensor of size equal to win_length={length}, but got window with size "
            f"{list(window.shape)}"
        )
    x = input if array.ndim == 2 else input.unsqueeze(0)
    pieces = x.unfold(-1, n_fft, hop)
    if window is not None or length < n_fft:
        pieces = pieces * _padded_window(window, length, n_fft, input.dtype)
    if onesided is None:
        onesided = not is_complex
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    transform = _fft().rfft if onesided else _fft().fft
    spectra = transform(pieces, norm="ortho" if normalized else "backward").transpose(1, 2)
    if array.ndim == 1:
        spectra = spectra.squeeze(0)
    return spectra if return_complex else view_as_real(spectra)


@method()
def istft(
    input,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window=None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
):
    """The signals whose `stft` is nearest to the given spectra: pieces added where they overlap, divided by the
    windows' squares.

    `length`: of the result, cut or padded with zeros. RuntimeError where the windows leave a gap."""
    array = _array_of("istft", "input", 1, input)
    if array.dtype.kind != "c":
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    hop = n_fft // 4 if hop_length is None else hop_length
    window_length = n_fft if win_length is None else win_length
    shown = _shown(
        "istft",
        f"CPU{scalar_name(input.dtype)}Type",
        input,
        n_fft,
        hop,
        window_length,
        window,
        center=center,
        normalized=normalized,
        onesided=onesided,
        length=length,
        return_complex=return_complex,
    )
    if not array.size:
        raise RuntimeError(f"{shown}: input tensor cannot be empty.")
    if array.ndim not in (2, 3):
        raise RuntimeError(f"{shown}: expected a tensor with 2 or 3 dimensions, but got {array.ndim}")
    if onesided is None:
        onesided = array.shape[-2] != n_fft
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if array.shape[-2] != wanted:
        raise RuntimeError(
            f"{shown}: expected the frequency dimension (3rd to the last) of the input tensor to match "
            f"{'n_fft / 2 + 1' if onesided else 'n_fft'} when onesided={onesided}, but got {array.shape[-2]}"
        )
    if not 0 < hop <= window_length:
        raise RuntimeError(f"{shown}: expected 0 < hop_length <= win_length")
    if not 0 < window_length <= n_fft:
        raise RuntimeError(f"{shown}: expected 0 < win_length <= n_fft")
    if window is not None and (window.ndim != 1 or len(window) != window_length):
        raise RuntimeError(f"{shown}: Invalid window shape. window has to be 1D and length of `win_length`")
    x = (input if array.ndim == 3 else input.unsqueeze(0)).transpose(1, 2)
    norm = "ortho" if normalized else "backward"
    if return_complex:
        if onesided:
            raise RuntimeError("cannot have onesided output if window or input is complex")
        pieces = _fft().ifft(x, norm=norm)
    else:
        if window is not None and window.dtype.is_complex:
            raise RuntimeError("Complex windows are incompatible with return_complex=False")
        x = x if onesided else x.narrow(-1, 0, n_fft // 2 + 1)
        pieces = _fft().irfft(x, n_fft, norm=norm)
    real = dtypes.from_numpy_dtype(array.real.dtype)
    weights = _padded_window(window, window_length, n_fft, real)
    count = pieces._array.shape[1]
    size = n_fft + hop * (count - 1)
    add_up = REGISTRY["unfold_backward"].apply
    signal = add_up(pieces * weights, (pieces._array.shape[0], size), 1, n_fft, hop)
    envelope = add_up((weights * weights).expand(1, count, n_fft), (1, size), 1, n_fft, hop)
    start = n_fft // 2 if center else 0
    end = size - n_fft // 2 if center and length is None else size if length is None else min(size, start + length)
    signal, envelope = signal[:, start:end], envelope[:, start:end]
    least = float(envelope.abs().min()) if envelope._array.size else 1.0
    if least <= 1e-11:
        raise RuntimeError(f"{shown}window overlap add min: 1\n[ CPUBoolType{{}} ]")
    signal = signal / envelope
    if length is not None and length > end - start:
        warn_once(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in the tail. "
            "Please check your center and hop_length settings."
        )
        signal = REGISTRY["slice_backward"].apply(signal, (signal._array.shape[0], length), 1, 0, end - start, 1)
    return signal if array.ndim == 3 else signal.squeeze(0)
