"""Times chainrule and PyTorch in turn; a row's ratio is PyTorch/chainrule: above 1, chainrule is faster.

    python -m benchmarks                              every row, with one thread and with the default number
    python -m benchmarks --threads 1 --rows tanh      the rows whose name matches a regular expression
    python -m benchmarks --json new.json --compare old.json

It needs an environment that has both, such as the one `.ci/run` makes (.venv-parity).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

# Read when NumPy and PyTorch are loaded: each number of threads therefore has a process of its own.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Result = dict  # what benchmarks.measure reports of one row


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="", metavar="REGEX", help="only the rows whose name matches")
    parser.add_argument("--threads", choices=["1", "default", "both"], default="both")
    parser.add_argument("--json", metavar="FILE", help="write the results there, too")
    parser.add_argument("--compare", metavar="OLD.json", help="show how each ratio changed since that run")
    options = parser.parse_args()

    old = read_results(options.compare) if options.compare else {}
    settings = ["1", "default"] if options.threads == "both" else [options.threads]
    results = [result for threads in settings for result in run(threads, options.rows, old)]
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"results": results}, file, indent=1)
            file.write("\n")
    return 0


def read_results(path: str) -> dict[tuple[str, str], Result]:
    with open(path, encoding="utf-8") as file:
        return {(result["threads"], result["row"]): result for result in json.load(file)["results"]}


def run(threads: str, pattern: str, old: dict[tuple[str, str], Result]) -> list[Result]:
    """Measures in a new process with that number of threads, printing each row as it arrives."""
    environment = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    if threads == "1":
        environment |= dict.fromkeys(THREAD_VARIABLES, "1")
    print(
        columns(
            f"threads: {threads}",
            "chainrule",
            "PyTorch",
            "ratio",
            "quartiles",
            "wanted",
            "before" * bool(old),
        )
    )
    results = []
    command = [sys.executable, "-m", "benchmarks.measure", threads, pattern]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            result = json.loads(line)
            print(as_text(result, old.get((threads, result["row"]))), flush=True)
            results.append(result)
    print()
    if process.returncode:
        raise SystemExit(process.returncode)
    return results


def columns(name: str, ours="", reference="", ratio="", quartiles="", wanted="", before="") -> str:
    line = f"{name:54}{ours:>11}{reference:>11}{ratio:>9}  {quartiles:15}{wanted:>7}  {before}"
    return line.rstrip()


def as_text(result: Result, old: Result | None) -> str:
    if "skipped" in result:
        return columns(result["row"], "skipped") + f" ({result['skipped']})"
    wanted = result["at_least"]
    lines = columns(
        result["row"],
        duration(result["ours"]),
        duration(result["reference"]),
        f"{result['ratio']:.2f}",
        f"{result['ratio_low']:.2f} … {result['ratio_high']:.2f}",
        "" if wanted is None else f"{'< ' * (result['ratio'] < wanted)}{wanted:.1f}",
        change(result, old) if old and "ratio" in old else "",
    )
    if "above_numpy" in result:
        lines += "\n" + columns("  of which above `import numpy`", duration(result["above_numpy"]))
    return lines


def change(new: Result, old: Result) -> str:
    """The old ratio and how far the new one is from it; while their quartiles overlap, that is noise."""
    apart = new["ratio_high"] < old["ratio_low"] or old["ratio_high"] < new["ratio_low"]
    return f"{old['ratio']:.2f} ({new['ratio'] / old['ratio'] - 1:+.0%}{'' if apart else ', noise'})"


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds / 1e-6:.2f} µs"


if __name__ == "__main__":
    sys.exit(main())
