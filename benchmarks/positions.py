"""What knowing the line of every operation costs: `python -m benchmarks.positions [--rows REGEX] [--rounds N]`.

Each row runs with chainrule as it is, and with one whose short calls do not look for the line; processes of the two kinds
take turns. A time is the least of the processor's seconds that any sample took, which other work on the machine can only
raise, and the share is what the line takes of the row's time.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
from time import thread_time

SHORT_CALLS = "chainrule.short_calls"
SAMPLE, SAMPLES = 0.001, 60  # seconds that a sample takes, samples a process
SMALL = r"^(?!.*(10\^|1000|1024|32x)).*(recorded|backward)"  # on large arrays there is nothing to see


class WithoutLines(ast.NodeTransformer):
    """Leaves out what `short_calls` does from `frame = _getframe(...)` to the end of the `if` that asks whose it is."""

    left_out = 0

    def generic_visit(self, node):
        super().generic_visit(node)
        for name in ("body", "orelse"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, self.kept(statements))
        return node

    def kept(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        kept, looking = [], False
        for statement in statements:
            if ast.unparse(statement).startswith("frame = _getframe("):
                looking = True
                self.left_out += 1
            elif not looking:
                kept.append(statement)
            elif isinstance(statement, ast.If):
                looking = False
        return kept


class Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        without = WithoutLines()
        tree = ast.fix_missing_locations(without.visit(ast.parse(self.get_data(self.path))))
        if not without.left_out:
            raise SystemExit(f"{SHORT_CALLS} does not look for the line as it did: nothing to leave out")
        return compile(tree, self.path, "exec")


class Finder:
    @staticmethod
    def find_spec(fullname, path, target=None):
        if fullname != SHORT_CALLS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        spec.loader = Loader(fullname, spec.origin)
        return spec


def measure(pattern: str) -> dict[str, float]:
    """Microseconds that one run of each row takes in this process."""
    import chainrule

    from .rows import ROWS

    gc.disable()
    found = {}
    for row in ROWS:
        if not re.search(pattern, row.name):
            continue
        work = row.prepare(chainrule)
        work()
        start = thread_time()
        work()
        work()
        repeats = range(max(1, round(SAMPLE * 2 / (thread_time() - start))))
        least = float("inf")
        for _ in range(SAMPLES):
            start = thread_time()
            for _ in repeats:
                work()
            least = min(least, thread_time() - start)
        found[row.name] = least / len(repeats) * 1e6
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.positions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default=SMALL, metavar="REGEX", help="only the rows whose name matches")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="processes of each kind")
    parser.add_argument("--measure", choices=["with", "without"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        if options.measure == "without":
            sys.meta_path.insert(0, Finder())
        print(json.dumps(measure(options.rows)))
        return
    least: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for kind in ("with", "without"):
            command = [sys.executable, "-m", "benchmarks.positions", "--measure", kind, "--rows", options.rows]
            for row, time in json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout).items():
                times = least.setdefault(row, {})
                times[kind] = min(time, times.get(kind, time))
    print(f"{'':54}{'with line':>12}{'without':>12}{'share':>9}")
    for row, times in least.items():
        share = 1 - times["without"] / times["with"]
        print(f"{row:54}{times['with']:>9.2f} µs{times['without']:>9.2f} µs{share:>9.1%}")


if __name__ == "__main__":
    main()
