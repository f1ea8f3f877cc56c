"""torch.utils.tensorboard: `SummaryWriter` writes the event files that TensorBoard reads.

The format is a sequence of records (length, its checksum, bytes, their checksum), each of which is an `Event` in the encoding
of protocol buffers; the few messages that are needed are put together here.
"""

from __future__ import annotations

import math
import os
import struct
import time
import zlib
from typing import Any

import numpy as np

from ..unavailable import unavailable

__all__ = ["SummaryWriter"]

# ---------------------------------------------------------------- records


def _crc_table() -> list[int]:
    """For each byte, the remainder of the Castagnoli polynomial (bits reversed)."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def masked_crc(data: bytes) -> int:
    """The checksum of the records: CRC-32C, rotated and shifted, so that checksums of checksums differ."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """A record of a file."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


# ---------------------------------------------------------------- messages


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _scalar(value: float) -> bytes:
    return _float(2, value)


def _text(text: str) -> bytes:
    """A tensor of one string, marked as text."""
    shape = _bytes(2, _whole(1, 1))
    metadata = _bytes(1, _bytes(1, "text"))
    return _bytes(8, _whole(1, 7) + _bytes(2, shape) + _bytes(8, text)) + _bytes(9, metadata)


def _bucket_limits() -> np.ndarray:
    """From -1e20 to 1e20, by factors of 1.1 from 1e-12 up, with 0 in the middle."""
    limits = []
    limit = 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    return np.array([-limit for limit in reversed(limits)] + [0.0] + limits)


def _histogram(values: np.ndarray, bins: Any) -> bytes:
    """The counts between limits, without the empty buckets at both ends but for one at the start."""
    values = values.reshape(-1)
    if not values.size:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(values, _bucket_limits() if bins == "tensorflow" else bins)
    used = np.flatnonzero(counts)
    if not used.size:
        raise ValueError("The histogram is empty, please file a bug report.")
    first, last = int(used[0]), int(used[-1])
    kept = np.concatenate([[0], counts[first : last + 1]])
    numbers = [
        values.min(),
        values.max(),
        len(values),
        values.sum(dtype=np.float64),
        values.astype(np.float64) @ values,
    ]
    data = b"".join(_double(i + 1, float(number)) for i, number in enumerate(numbers) if number)  # 0 is left out
    data += _bytes(6, struct.pack(f"<{len(kept)}d", *limits[first : last + 2]))
    return _bytes(5, data + _bytes(7, struct.pack(f"<{len(kept)}d", *kept)))


def _png(pixels: np.ndarray) -> bytes:
    """An image of bytes, height × width × channels (1, 3 or 4), in the PNG format."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _image(pixels: np.ndarray) -> bytes:
    height, width, channels = pixels.shape
    return _bytes(4, _whole(1, height) + _whole(2, width) + _whole(3, channels) + _bytes(4, _png(pixels)))


def _pixels(image: Any, formats: str) -> np.ndarray:
    """Height × width × 3 bytes of an image, or of several side by side: numbers from 0 to 1, or bytes."""
    array = np.asarray(_array(image))
    formats = formats.upper()
    if len(formats) != array.ndim:
        raise AssertionError(
            f"size of input tensor and input format are different.         tensor shape: {array.shape}, input_format: {formats}"
        )
    if "N" in formats:
        array = _grid(np.transpose(array, [formats.index(c) for c in "NHWC"]))
    elif "C" in formats:
        array = np.transpose(array, [formats.index(c) for c in "HWC"])
    else:
        array = array[..., None]
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    scale = 1 if array.dtype == np.uint8 else 255
    return np.ascontiguousarray((array.astype(np.float32) * scale).clip(0, 255).astype(np.uint8))


def _grid(images: np.ndarray) -> np.ndarray:
    """Images in rows of at most 8."""
    count, height, width, channels = images.shape
    columns = min(count, 8)
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * height, columns * width, channels), images.dtype)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        grid[row * height : (row + 1) * height, column * width : (column + 1) * width] = image
    return grid


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


# ---------------------------------------------------------------- the writer


class _EventFile:
    """An event file in a directory, which is made if it is not there."""

    made = 0

    def __init__(self, directory: str, suffix: str) -> None:
        import socket

        os.makedirs(directory, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{_EventFile.made}{suffix}"
        _EventFile.made += 1
        self._file = open(os.path.join(directory, name), "wb")  # noqa: SIM115 (it is open until it is closed)
        self.write(_bytes(3, "brain.Event:2"), None, None)

    def write(self, content: bytes, step: int | None, walltime: float | None) -> None:
        data = _double(1, time.time() if walltime is None else walltime)
        if step:  # 0 is left out
            data += _whole(2, int(step))
        self._file.write(record(data + content))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class SummaryWriter:
    """Writes numbers, texts, histograms and images of a run into a directory, for TensorBoard to show.

    `log_dir` is ``runs/<time>_<host><comment>`` unless given. Graphs, embeddings, curves, sounds, videos and meshes are
    not written: a graph warns, the others raise NotImplementedError.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            import socket

            log_dir = os.path.join("runs", time.strftime("%b%d_%H-%M-%S_") + socket.gethostname() + comment)
        self.log_dir = str(log_dir)
        self.filename_suffix = filename_suffix
        self._files: dict[str, _EventFile] = {}
        self._file(self.log_dir)

    def _file(self, directory: str) -> _EventFile:
        if directory not in self._files:
            self._files[directory] = _EventFile(directory, self.filename_suffix)
        return self._files[directory]

    def _write(self, tag: str, value: bytes, step: Any, walltime: float | None, directory: str | None = None) -> None:
        """One value of a summary."""
        content = _bytes(5, _bytes(1, _bytes(1, tag) + value))
        self._file(directory or self.log_dir).write(content, None if step is None else int(step), walltime)

    def get_logdir(self) -> str:
        """The directory."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number at a step. AssertionError for more than one."""
        array = _array(scalar_value)
        if array.size != 1:
            raise AssertionError(
                f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and {array.ndim} dimensions."
            )
        self._write(tag, _scalar(float(array.reshape(()))), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: dict[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Several numbers under one title: each in a run of its own, in a subdirectory."""
        for tag, value in tag_scalar_dict.items():
            directory = os.path.join(self.log_dir, f"{main_tag.replace('/', '_')}_{tag}")
            self._write(main_tag, _scalar(float(_array(value).reshape(()))), global_step, walltime, directory)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text, shown as Markdown."""
        self._write(f"{tag}/text_summary", _text(text_string), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How values are spread; `bins` as for `numpy.histogram`, or TensorFlow's limits."""
        self._write(tag, _histogram(_array(values), bins), global_step, walltime)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """An image: numbers from 0 to 1, or bytes, with the dimensions of `dataformats`."""
        self._write(tag, _image(_pixels(img_tensor, dataformats)), global_step, walltime)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Several images, in rows of 8."""
        self._write(tag, _image(_pixels(img_tensor, dataformats)), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: float | None = None
    ) -> None:
        """A figure of matplotlib, or several, as images."""
        figures = figure if isinstance(figure, (list, tuple)) else [figure]
        images = []
        for one in figures:
            one.canvas.draw()
            images.append(np.asarray(one.canvas.buffer_rgba())[..., :3])
            if close:
                from matplotlib.pyplot import close as close_figure

                close_figure(one)
        array = np.stack(images) if isinstance(figure, (list, tuple)) else images[0]
        self._write(tag, _image(_pixels(array, "NHWC" if array.ndim == 4 else "HWC")), global_step, walltime)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Warns: graphs of models are not written."""
        from ..warning import warn

        warn("chainrule does not write graphs of models: add_graph does nothing")

    add_hparams = unavailable("utils.tensorboard.SummaryWriter.add_hparams", "hyperparameters are not written")
    add_embedding = unavailable("utils.tensorboard.SummaryWriter.add_embedding", "embeddings are not written")
    add_pr_curve = unavailable("utils.tensorboard.SummaryWriter.add_pr_curve", "curves are not written")
    add_audio = unavailable("utils.tensorboard.SummaryWriter.add_audio", "sounds are not written")
    add_video = unavailable("utils.tensorboard.SummaryWriter.add_video", "videos are not written")
    add_mesh = unavailable("utils.tensorboard.SummaryWriter.add_mesh", "meshes are not written")

    def flush(self) -> None:
        """Everything so far is in the files."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Closes the files; writing more opens new ones."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
