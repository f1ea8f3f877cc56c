"""The command line, `chainrule COMMAND ...`: parses the arguments and hands over to the package that does the work.

A command is a function that takes argparse's subparsers, adds its own with `set_defaults(call=...)`, and is listed in
`COMMANDS`; `call` takes the parsed arguments and returns the exit status. What it needs is imported when it is called.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 2 for arguments or a file that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="chainrule",
        description="PyTorch's autograd in plain Python on NumPy.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_command in COMMANDS:
        add_command(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.call(arguments)
    except BrokenPipeError:
        # Whoever read the output has gone. What is still buffered for them must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def add_run(commands: argparse._SubParsersAction) -> None:
    run = commands.add_parser(
        "run",
        help="run a script or notebook written for PyTorch",
        description="Runs FILE, a Python script (.py) or a Jupyter notebook (.ipynb), with `import torch` and every "
        "`torch.…` module meaning chainrule. A script sees what `python FILE ARGS` would give it; a notebook's cells "
        "run in order, in the notebook's directory, and show what Jupyter would show, as text.",
        epilog="Exit status: the program's own; 1 after an uncaught exception, a difference (--check) or a missing "
        "name (--missing); 2 if FILE cannot be run.",
        allow_abbrev=False,
    )
    mode = run.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="also compare what FILE shows with what is recorded: the outputs kept in a notebook, or, for a script, "
        "the standard output kept beside it in FILE.out or FILE.expected (for prog.py: prog.py.out, prog.out, "
        "prog.py.expected or prog.expected); memory addresses, timings and the like may differ",
    )
    mode.add_argument(
        "--missing",
        action="store_true",
        help="do not run FILE; list each torch.… name that chainrule does not have and that FILE, or a module beside "
        "it that it imports, uses",
    )
    # One argument for both, since argparse would swallow a `--` that stands between two.
    run.add_argument("program", nargs=argparse.PARSER, metavar="FILE", help="the program, then its own arguments")
    run.set_defaults(call=call_run)


def call_run(arguments: argparse.Namespace) -> int:
    from chainrule.runner import BadFile, alias, load

    file, *rest = arguments.program[arguments.program[0] == "--" :]
    try:
        program = load(file)
        alias.install()
        if arguments.check:
            from chainrule.runner.check import check

            return check(program, rest)
        if arguments.missing:
            from chainrule.runner.missing import report

            return report(program)
        return program.run(rest)
    except BadFile as error:
        print(f"chainrule: {error}", file=sys.stderr)
        return 2


COMMANDS = (add_run,)
