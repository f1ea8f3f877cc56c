"""The package as a whole: its names, what importing it costs, and what is in its wheel and its tree."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import chainrule

SUBMODULES = [module.name for module in pkgutil.walk_packages(chainrule.__path__, "chainrule.")]
MODULES = ["chainrule", *(name for name in SUBMODULES if not name.endswith("__main__"))]


def tracked_files(root: Path) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [root / name for name in listing.stdout.decode().split("\0") if name and (root / name).is_file()]


@pytest.mark.parametrize("name", [each for each in MODULES if hasattr(importlib.import_module(each), "__all__")])
def test_every_public_name_exists_once(name):
    module = importlib.import_module(name)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []
    assert len(module.__all__) == len(set(module.__all__))


def test_public_names_are_in_order():
    assert list(chainrule.__all__) == sorted(chainrule.__all__)


def test_names_of_modules_are_not_exported():
    modules = [each for each in chainrule.__all__ if f"chainrule.{each}" in MODULES]
    assert [each for each in modules if inspect.ismodule(getattr(chainrule, each))] == []


def test_the_package_says_what_it_offers():
    assert "Tensor" in chainrule.__all__
    assert "tensor" in chainrule.__all__


def test_star_import_gives_what_all_names():
    namespace: dict = {}
    exec("from chainrule import *", namespace)
    assert set(chainrule.__all__) == set(namespace) - {"__builtins__"}


def modules_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_loads_numpy_and_the_standard_library_only():
    loaded = modules_after("import chainrule") - modules_after("import numpy")
    foreign = {
        name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names | {"chainrule", "numpy"}
    }
    assert not foreign


def test_importing_loads_no_heavy_module_of_the_standard_library():
    loaded = modules_after("import chainrule") - modules_after("import numpy")
    heavy = {
        "ast",
        "asyncio",
        "concurrent.futures",
        "dataclasses",
        "doctest",
        "email",
        "http",
        "importlib.metadata",
    }
    heavy |= {
        "inspect",
        "json",
        "logging",
        "multiprocessing",
        "socket",
        "subprocess",
        "tokenize",
        "traceback",
        "unittest",
    }
    heavy |= {"urllib.request", "chainrule.cli"}
    assert not loaded & heavy


def test_importing_warns_of_nothing_and_prints_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import chainrule"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(root, tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, root]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("chainrule-*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        required = re.findall(r"^Requires-Dist: (.*)$", archive.read(metadata).decode(), re.MULTILINE)
    source = root / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "chainrule/py.typed" in expected
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert [line for line in required if "extra ==" not in line] == ["numpy>=2.1"]


def test_no_file_names_a_place_on_one_machine(root):
    places = [f"/{name}/" for name in ("root", "work", "home", "Users")] + ["file:" + "//"]
    found = []
    for path in tracked_files(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            found += [f"{path.relative_to(root)}:{number}: {line.strip()}" for place in places if place in line]
    assert not found, "\n".join(found)


def test_no_large_file_is_tracked(root):
    large = {str(path.relative_to(root)): path.stat().st_size for path in tracked_files(root)}
    assert not {name: size for name, size in large.items() if size > 400_000}
