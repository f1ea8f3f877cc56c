"""The command line, `chainrule COMMAND ...`: parses the arguments and hands over to the package that does the work.

A command is a function that takes argparse's subparsers, adds its own with `set_defaults(call=...)`, and is listed in
`COMMANDS`; `call` takes the parsed arguments and returns the exit status. What it needs is imported when it is called.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence


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


def add_draw(commands: argparse._SubParsersAction) -> None:
    draw = commands.add_parser(
        "draw",
        help="run a program, and draw the graph that backward was called on",
        description="Runs FILE as `chainrule run` does, its output on the standard error, and draws the graph behind the "
        "last scalar that backward was called on: with shapes, values, gradients and source lines, on one page that needs "
        "nothing else. Without --html, --svg, --latex or --json the page is written here under the name of FILE.",
        epilog="Exit status: 0; 1 if the program ends with an error (what it had recorded is drawn); 2 if FILE cannot be run "
        "or there is nothing to draw.",
        allow_abbrev=False,
    )
    draw.add_argument("--of", metavar="NAME", help="draw the graph of this variable")
    draw.add_argument("--wrt", metavar="NAME", help="only what lies between this variable and the result")
    add_formats(draw, "the page", "a picture", "a LaTeX document, with a TikZ picture", "what the page shows")
    add_program(draw)
    draw.set_defaults(call=insight_command("draw"))


def add_explain(commands: argparse._SubParsersAction) -> None:
    explain = commands.add_parser(
        "explain",
        help="run a program, and derive its gradient as one would on paper",
        description="Runs FILE as `chainrule run` does, its output on the standard error, and derives the gradient of the "
        "last scalar that backward was called on, with respect to each variable that it was computed from.",
        epilog="Exit status: 0; 1 if the program ends with an error (what it had recorded is explained); 2 if FILE cannot be "
        "run or there is nothing to explain.",
        allow_abbrev=False,
    )
    explain.add_argument("--of", metavar="NAME", help="derive the gradient of this variable")
    explain.add_argument("--wrt", metavar="NAME", help="with respect to this variable only")
    add_formats(explain, "also a page", "also a picture", "also a LaTeX document", "also the data")
    add_program(explain)
    explain.set_defaults(call=insight_command("explain"))


def add_why(commands: argparse._SubParsersAction) -> None:
    why = commands.add_parser(
        "why",
        help="run a program, and tell what is wrong with gradients in it",
        description="Runs FILE as `chainrule run` does, its output on the standard error, and explains what went wrong with "
        "gradients in it, each cause with its line: a backward that failed, and gradients that are None, zero, nan, "
        "stale or accumulated.",
        epilog="Exit status: 0 if nothing is wrong, 1 if something is, 2 if FILE cannot be run.",
        allow_abbrev=False,
    )
    why.add_argument("--of", metavar="NAME", help="the result whose gradient is meant")
    why.add_argument("--wrt", metavar="NAME", help="look at the gradient of this variable only")
    add_formats(
        why,
        "also a page with the findings, their lines and the graph there",
        "also the same as a picture",
        "also the same as a LaTeX document",
        "also the findings",
    )
    add_program(why)
    why.set_defaults(call=insight_command("why"))


def add_formats(parser: argparse.ArgumentParser, html: str, svg: str, latex: str, json: str) -> None:
    """The options that name a file to write; what is written is in the arguments."""
    group = parser.add_argument_group("formats", "A file called - is the standard output, which has nothing else then.")
    group.add_argument("--html", metavar="PAGE", help=f"write {html} to this file, as HTML")
    group.add_argument("--svg", metavar="PICTURE", help=f"write {svg} to this file, as SVG")
    group.add_argument("--latex", metavar="TEXT", help=f"write {latex}, to this file")
    group.add_argument("--json", metavar="DATA", help=f"write {json} to this file, as JSON")


def add_program(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "program", nargs="+", metavar="FILE", help="the program, then its own arguments; with dashes, after `-- FILE`"
    )


def insight_command(name: str) -> Callable[[argparse.Namespace], int]:
    def call(arguments: argparse.Namespace) -> int:
        from chainrule.insight import commands

        return getattr(commands, f"call_{name}")(arguments)

    return call


COMMANDS = (add_run, add_draw, add_explain, add_why)
