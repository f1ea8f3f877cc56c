"""torch.utils.tensorboard: the bytes of event files, which are those that PyTorch writes, and what is not written."""

import struct
import zlib

import numpy as np
import pytest

import chainrule as torch
from chainrule.utils.tensorboard import SummaryWriter, masked_crc

FACTS = {
    "scalar": (
        lambda w: w.add_scalar("a/b c", torch.tensor(1.5), 3, walltime=1.0),
        "1b000000000000001a0d9e1309000000000000f03f10032a0e0a0c0a05612f622063150000c03f9a7fca65",
    ),
    "scalar without a step": (
        lambda w: w.add_scalar("x", 2, walltime=1.0),
        "1500000000000000d6ab6b2b09000000000000f03f2a0a0a080a01781500000040b3494532",
    ),
    "text": (
        lambda w: w.add_text("n", "hi", 1, walltime=2.0),
        "3700000000000000e7e8ca5909000000000000004010012a2a0a280a0e6e2f746578745f73756d6d617279420c0807120412020801420268694a"
        "080a060a0474657874ee9a72e4",
    ),
    "histogram": (
        lambda w: w.add_histogram("h", torch.tensor([0.0, 0.0, 1.0]), -1, bins=[0.0, 0.5, 1.0, 2.0], walltime=3.0),
        "8500000000000000e98acc5909000000000000084010ffffffffffffffffff012a6f0a6d0a01682a6811000000000000f03f19000000000000"
        "084021000000000000f03f29000000000000f03f32200000000000000000000000000000e03f000000000000f03f0000000000000040"
        "3a20000000000000000000000000000000400000000000000000000000000000f03f8c21dc98",
    ),
}


def records(directory) -> list[bytes]:
    """The records of the only file of a directory, whose checksums are right."""
    (file,) = [path for path in directory.iterdir() if path.is_file()]
    data, found = file.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        content = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc(data[:8])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc(content)
        found.append(content)
        data = data[16 + length :]
    return found


def unmasked(crc: int) -> int:
    crc = (crc - 0xA282EAD8) & 0xFFFFFFFF
    return ((crc >> 17) | (crc << 15)) & 0xFFFFFFFF


def test_the_checksum():
    assert unmasked(masked_crc(b"123456789")) == 0xE3069283  # the check value of CRC-32C
    assert unmasked(masked_crc(b"")) == 0


@pytest.mark.parametrize("name", FACTS)
def test_bytes(name, tmp_path):
    write, expected = FACTS[name]
    with SummaryWriter(tmp_path) as writer:
        write(writer)
    first, second = records(tmp_path)
    assert first.endswith(b"brain.Event:2")
    (file,) = tmp_path.iterdir()
    assert file.read_bytes()[16 + len(first) :].hex() == expected
    assert second in bytes.fromhex(expected)


def pixels(data: bytes) -> np.ndarray:
    """The pixels of an image of three bytes each in an event."""
    png = data[data.index(b"\x89PNG") :]
    width, height = struct.unpack(">II", png[16:24])
    start = png.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", png[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


def test_images(tmp_path):
    gray = torch.tensor([[0.0, 0.5], [1.0, 2.0], [0.25, -1.0]])
    colors = (torch.arange(18) * 10).to(torch.uint8).reshape(3, 2, 3)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("a", gray, 0, dataformats="HW")
        writer.add_image("b", colors, 0, dataformats="HWC")
        writer.add_images("c", torch.ones(9, 1, 2, 2) * torch.arange(9.0).view(9, 1, 1, 1) / 255, 0)
        with pytest.raises(AssertionError, match="size of input tensor and input format are different"):
            writer.add_image("d", gray)
    _, a, b, c = records(tmp_path)
    assert pixels(a)[..., 0].tolist() == [[0, 127], [255, 255], [63, 0]]
    assert np.array_equal(pixels(b), colors.numpy())
    grid = pixels(c)[..., 0]
    assert grid.shape == (4, 16)
    assert grid[0, ::2].tolist() == list(range(8)) and grid[2, :4].tolist() == [8, 8, 0, 0]


def test_several_numbers_have_runs_of_their_own(tmp_path):
    writer = SummaryWriter(str(tmp_path))
    writer.add_scalars("loss/x", {"train": 1.0, "test": torch.tensor([2.0])}, 7)
    writer.flush()
    assert writer.get_logdir() == writer.log_dir == str(tmp_path)
    for run in ("loss_x_train", "loss_x_test"):
        assert b"loss/x" in records(tmp_path / run)[1]
    writer.close()
    writer.add_scalar("later", 1.0)
    writer.close()


def test_histograms_with_the_usual_limits(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", torch.tensor([-1.0, 0.0, 0.0, 2.0]), 0)
        with pytest.raises(ValueError, match="has no element"):
            writer.add_histogram("h", torch.ones(0), 0)
    data = records(tmp_path)[1]
    assert struct.pack("<d", 5.0) in data  # the sum of squares
    assert struct.pack("<d", 2.0) in data  # the two zeros


def test_where_runs_are_kept_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter(comment="_mine", filename_suffix=".s")
    writer.close()
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.endswith("_mine")
    (file,) = run.iterdir()
    assert file.name.startswith("events.out.tfevents.") and file.name.endswith(".s")


def test_what_is_not_written(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        with pytest.warns(UserWarning, match="does not write graphs"):
            writer.add_graph(torch.nn.Linear(1, 1), torch.ones(1))
        with pytest.raises(NotImplementedError, match="embeddings are not written"):
            writer.add_embedding(torch.ones(2, 2))
        with pytest.raises(AssertionError, match="Tensor should contain one element"):
            writer.add_scalar("a", torch.ones(2))


def test_figures(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = pyplot.figure(figsize=(1, 1), dpi=10)
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("f", figure)
    assert pixels(records(tmp_path)[1]).shape == (10, 10, 3)
