"""PyTorch's answers to small questions: values, dtypes and shapes at the edges, gradients of both orders, errors.

A family of questions is a .txt file of lines:

    x = torch.tensor([2.0, -3.0])        a name for the expressions below, made anew for each of them
    x // 2                               an expression, and below it PyTorch's answer as JSON
        ["float32", [2], [1.0, -2.0]]

An answer is [dtype, shape, elements] of a tensor, {"tuple": [...]}, {"error": [type, message]}, or {"is": what repr shows}.
Beside `torch`, expressions know `F`, `nan`, `inf` and

    grad(f, *values, dtype=...)          f's values, their gradients by each input, and the gradients of those

tests/test_recorded.py asks chainrule, without PyTorch. ``python -m tests.recorded`` asks PyTorch again and writes the files;
tests/parity/test_recorded.py sees to it that they are what PyTorch answers.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from pathlib import Path

HERE = Path(__file__).parent
DIGITS = {"float16": 4, "bfloat16": 3, "float32": 7, "complex64": 7, "float64": 12, "complex128": 12}
RELATIVE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 3e-6, "complex64": 1e-5, "float64": 1e-9, "complex128": 1e-9}
REFUSED = re.compile(
    "invalid combination of arguments|but expected one of|required positional argument|unexpected keyword|positional arguments? "
    "but|must be (int|tuple of ints|Number|float|bool|str), |must be tuple of ints,"
)


class Case:
    """A question: its file and line, the names it needs, the expression and the answer."""

    def __init__(self, family: str, line: int, names: list[str], expression: str, answer=None) -> None:
        self.family, self.line, self.names, self.expression, self.answer = family, line, names, expression, answer

    def __repr__(self) -> str:
        return f"{self.family}:{self.line}"


def read(path: Path) -> list[Case]:
    """The questions of a file."""
    cases: list[Case] = []
    names: list[str] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("    "):
            cases[-1].answer = json.loads(line)
        elif re.match(r"\w+ = ", line):
            names.append(line)
        elif line and not line.startswith("#"):
            cases.append(Case(path.stem, number, list(names), line))
    return cases


def files() -> list[Path]:
    return sorted(HERE.glob("*.txt"))


# ---------------------------------------------------------------- asking


def ask(torch, case: Case):
    """The answer of a package that is used like PyTorch."""
    scope = {"torch": torch, "F": torch.nn.functional, "nan": math.nan, "inf": math.inf}
    scope["grad"] = lambda f, *values, dtype=None: gradients(torch, f, values, dtype or torch.float64)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for line in case.names:
                exec(line, scope)
            return described(torch, eval(case.expression, scope))
        except Exception as error:
            return {"error": [type(error).__name__, message(error)]}


def message(error: Exception) -> str | None:
    """The first line of what an error says; None for arguments that a signature refuses, of which Python has its own words."""
    text = str(error).strip()
    if isinstance(error, TypeError) and REFUSED.search(text):
        return None
    return text.split("\n")[0]


def gradients(torch, f, values, dtype):
    """(results, gradients of their weighted sum, gradients of the weighted sum of those)."""
    inputs = [torch.tensor(v, dtype=dtype, requires_grad=True) for v in values]
    results = f(*inputs)
    roots = [y for y in (results if isinstance(results, (tuple, list)) else [results]) if y.requires_grad]
    first = torch.autograd.grad(
        roots, inputs, [weights(torch, y, 0) for y in roots], create_graph=True, allow_unused=True
    )
    again = [g for g in first if g is not None and g.requires_grad]
    second = ()
    if again:
        second = torch.autograd.grad(again, inputs, [weights(torch, g, 1) for g in again], allow_unused=True)
    return results, first, second


def weights(torch, like, shift: float):
    count = math.prod(like.shape)
    return torch.tensor([math.cos(i + shift) for i in range(count)], dtype=like.dtype).reshape(tuple(like.shape))


# ---------------------------------------------------------------- answers


def described(torch, value):
    """A result as JSON can hold it."""
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        value = value.detach().resolve_conj()
        if value.is_complex():
            value = torch.view_as_real(value)
        elements = (value.double() if dtype in DIGITS else value).numpy(force=True).reshape(-1).tolist()
        elements = [rounded(v, DIGITS.get(dtype)) for v in elements]
        shape = list(value.shape[:-1] if dtype.startswith("complex") else value.shape)
        return [dtype, shape, elements]
    if isinstance(value, (tuple, list)) and type(value).__name__ != "Size":
        return {"tuple": [described(torch, v) for v in value]}
    return {"is": repr(value)}


def rounded(value, digits: int | None):
    return float(f"{value:.{digits}g}") if digits and math.isfinite(value) else value


def difference(found, expected) -> str | None:
    """What distinguishes an answer from the one expected; None if nothing does."""
    if isinstance(expected, dict):
        if isinstance(found, dict) and "tuple" in expected and "tuple" in found:
            pairs = list(zip(found["tuple"], expected["tuple"], strict=False))
            if len(found["tuple"]) != len(expected["tuple"]):
                return f"{len(found['tuple'])} results instead of {len(expected['tuple'])}"
            return next((f"[{i}]: {d}" for i, (a, b) in enumerate(pairs) if (d := difference(a, b))), None)
        if isinstance(found, dict) and "error" in found and expected.get("error", [0, 0])[1] is None:
            return None if found["error"][0] == expected["error"][0] else f"{found} instead of {expected}"
        return None if found == expected else f"{found} instead of {expected}"
    if not isinstance(found, list) or found[:2] != expected[:2]:
        return f"{found} instead of {expected}"
    tolerance = RELATIVE.get(expected[0], 0)
    finite = [abs(v) for v in expected[2] if isinstance(v, float) and math.isfinite(v)]
    least = tolerance * max([1e-3, *finite]) if tolerance else 0
    for i, (a, b) in enumerate(zip(found[2], expected[2], strict=True)):
        close = tolerance and math.isfinite(b) and abs(a - b) <= max(least, tolerance * abs(b))
        if not (a == b or (a != a and b != b) or close):
            return f"{a} instead of {b} at {i} of {found} and {expected}"
    return None
