"""Helps the tests of `chainrule run`: the command line in a process of its own, programs on disk, a small package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import chainrule as package

# Wherever a program runs, it finds the chainrule that is tested.
SEARCH_PATH = [str(Path(package.__file__).parents[1])]
ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "DISPLAY", "WAYLAND_DISPLAY")
}
ENVIRONMENT["PYTHONPATH"] = os.pathsep.join(SEARCH_PATH)


def python(*arguments: object, cwd: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with these arguments."""
    command = [sys.executable, *map(str, arguments)]
    env = ENVIRONMENT | environment
    return subprocess.run(
        command, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def chainrule(*arguments: object, cwd: Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line with these arguments."""
    return python("-m", "chainrule", *arguments, cwd=cwd, stdin=stdin, **environment)


def write_script(path: Path, text: str) -> Path:
    """Writes `text`, less the indentation that it has in a test."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).strip("\n") + "\n", encoding="utf-8")
    return path


def code(source: str, *outputs: dict[str, Any], count: int | None = 1, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """A code cell of a notebook."""
    return {
        "cell_type": "code",
        "execution_count": count,
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": list(outputs),
        "source": source,
    }


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}


def value(text: str, **mime: object) -> dict[str, Any]:
    data = {"text/plain": text.splitlines(keepends=True), **mime}
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}


def error(name: str, message: str) -> dict[str, Any]:
    return {
        "output_type": "error",
        "ename": name,
        "evalue": message,
        "traceback": [f"\x1b[31m{name}\x1b[39m: {message}"],
    }


def write_notebook(path: Path, *cells: dict[str, Any] | str, **metadata: object) -> Path:
    """Writes a notebook of format 4 with these cells; text stands for a code cell that shows nothing."""
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": metadata,
        "cells": [code(cell) if isinstance(cell, str) else cell for cell in cells],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
