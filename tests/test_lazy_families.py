"""Families of operations that load on first use do so from whatever names them first."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "call", ["det(torch.eye(2)).item()", "fft.fft(torch.ones(2))[0].item()", "nn.functional.relu(torch.ones(1)).item()"]
)
def test_in_a_fresh_process(call):
    found = subprocess.run(
        [sys.executable, "-c", f"import chainrule as torch; print(torch.{call})"], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert complex(found.stdout.strip()).real in (1.0, 2.0)


def test_other_names_are_namespaces_of_operators():
    code = "import chainrule as torch; torch.ops.nothing.here"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "'_OpNamespace' 'nothing' object has no attribute 'here'" in found.stderr
