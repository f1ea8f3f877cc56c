"""torch.save and torch.load."""

import io
import pickle
from collections import OrderedDict

import pytest

import chainrule as torch


def through_a_file(obj, **options):
    stream = io.BytesIO()
    torch.save(obj, stream)
    stream.seek(0)
    return torch.load(stream, **options)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3),
        torch.arange(6.0).reshape(2, 3).t(),
        torch.tensor(3),
        torch.zeros(0, 2),
        torch.tensor([True]),
        torch.tensor([1 + 2j]),
        torch.ones(2, dtype=torch.float16),
        torch.ones(2, dtype=torch.bfloat16),
        torch.arange(9)[2:7:2],
    ],
)
def test_tensors_come_back(tensor):
    found = through_a_file(tensor)
    assert found.dtype is tensor.dtype and found.shape == tensor.shape and found.stride() == tensor.stride()
    assert torch.equal(found, tensor)


def test_containers_and_flags():
    x = torch.ones(2, requires_grad=True)
    found = through_a_file(OrderedDict(a=x, b=[1, (2.5, None)], c={"d": torch.float64, "e": torch.Size([1])}))
    assert type(found) is OrderedDict and found["a"].requires_grad and found["b"] == [1, (2.5, None)]
    assert found["c"] == {"d": torch.float64, "e": (1,)}


def test_shared_memory_stays_shared():
    x = torch.zeros(3)
    whole, part = through_a_file([x, x[1:]])
    part[0] = 5
    assert whole.tolist() == [0, 5, 0]


def test_paths(tmp_path):
    torch.save({"x": torch.ones(1)}, tmp_path / "model.pt")
    assert torch.load(tmp_path / "model.pt")["x"].tolist() == [1]
    assert torch.load(str(tmp_path / "model.pt"), map_location="cpu", weights_only=True)["x"].tolist() == [1]
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "nowhere.pt")


class Harmless:
    pass


def test_weights_only_builds_nothing_else():
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        through_a_file(Harmless())
    assert isinstance(through_a_file(Harmless(), weights_only=False), Harmless)
    with torch.serialization.safe_globals([Harmless]):
        assert isinstance(through_a_file(Harmless()), Harmless)
    with pytest.raises(pickle.UnpicklingError):
        through_a_file(Harmless())


def test_a_file_that_lies_about_its_sizes(tmp_path):
    import zipfile

    torch.save(torch.ones(2), tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "bad.pt", "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            bad.writestr(name, content[:4] if "/data/" in name else content)
    with pytest.raises(pickle.UnpicklingError, match="reaches beyond its storage"):
        torch.load(tmp_path / "bad.pt")


def test_no_archive(tmp_path):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(pickle.UnpicklingError, match="no zip archive"):
        torch.load(tmp_path / "text")


def test_saving_into_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(RuntimeError, match=r"Parent directory .*nowhere does not exist"):
        torch.save(torch.ones(1), tmp_path / "nowhere" / "x.pt")
