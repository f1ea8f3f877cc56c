"""Programs with sparse tensors, a line each, and what PyTorch makes of them.

programs.txt has headings (``# gradients``), programs (statements between semicolons, which know `torch`, `mk`, a sparse matrix
of three elements, its indices `i` and values `v`), and below each program its outcome as JSON: [what it prints, what
the last expression shows, whether that is a coalesced tensor], or [what it prints, an error's type, its words].

tests/test_sparse.py runs them with chainrule, without PyTorch; ``python -m tests.sparse_programs`` asks PyTorch again and
writes the file; tests/parity/test_sparse.py sees to it that these are its answers.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import pickle
import warnings
from pathlib import Path

FILE = Path(__file__).parent / "programs.txt"
INDICES = [[0, 1, 1], [2, 0, 2]]


def read() -> dict[str, dict[str, list]]:
    """{heading: {program: its outcome}}."""
    found: dict[str, dict[str, list]] = {}
    program = ""
    for line in FILE.read_text().splitlines():
        if line.startswith("# "):
            group = found.setdefault(line[2:], {})
        elif line.startswith("    "):
            group[program] = json.loads(line)
        elif line:
            program = line
            group[program] = []
    return found


def write(outcomes: dict[str, dict[str, list]]) -> None:
    """Writes the file anew."""
    lines = []
    for heading, group in outcomes.items():
        lines.append(f"# {heading}")
        for program, result in group.items():
            lines += [program, "    " + json.dumps(result)]
        lines.append("")
    FILE.write_text("\n".join(lines))


def outcome(torch, program: str) -> list:
    """What a program shows, run with a package that is used like PyTorch."""
    v = torch.tensor([3.0, 4, 5])

    def mk(rg=True, v=v, size=(2, 3)):
        return torch.sparse_coo_tensor(torch.tensor(INDICES), v.clone(), size, requires_grad=rg)

    names = {"torch": torch, "i": torch.tensor(INDICES), "v": v, "mk": mk, "pickle": pickle, "copy": copy}
    *statements, last = [part.strip() for part in program.split(";")]
    printed = io.StringIO()
    torch.manual_seed(0)
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for statement in statements:
                exec(statement, names)
            try:
                result = eval(last, names)
            except SyntaxError:
                exec(last, names)
                result = None
            is_sparse = isinstance(result, torch.Tensor) and result.layout is torch.sparse_coo
            return [printed.getvalue(), repr(result), result.is_coalesced() if is_sparse else None]
    except Exception as error:
        return [printed.getvalue(), type(error).__name__, words(str(error))]


def words(message: str) -> str:
    """An error's message, less the hints that PyTorch adds for its developers."""
    if "Could not run 'aten::" in message:
        return message.partition(" This could be")[0]
    return message.partition("\n")[0] if "invalid combination" in message else message
