"""The whole Flux tree as it stands in the working tree, without a network."""

import argparse
import json
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from bumper import check
from bumper.app.context import Context
from bumper.check import ERROR, Finding, listing
from bumper.commands import options
from bumper.errors import EXIT_CODES, Outcome, TreeMissing, UsageError
from bumper.style import Line
from bumper.systems.git.worktree import WorkTree
from bumper.systems.terminal import open_terminal

SUMMARY = "Finds what is wrong in a Flux tree before it is pushed: no cluster, no network."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line of `bump check`."""
    parser.add_argument(
        "directory",
        nargs="?",
        metavar="DIR",
        default=".",
        help="a directory of the platform repository; all of its checkout is looked at (default: where we stand)",
    )
    parser.add_argument(
        "--ignore", metavar="ID", action="append", default=[], help="leave a rule out, repeatable"
    )
    parser.add_argument("--strict", action="store_true", help="exit 11 for warnings too")
    parser.add_argument("--list", action="store_true", help="print all rules, look at nothing")
    options.add_output(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the findings; returns 11 if one of them is an error."""
    if arguments.list:
        _print(arguments, context, listing.table_as_data(), listing.table())
        return EXIT_CODES[Outcome.UNCHANGED]
    for one in arguments.ignore:
        if one not in check.RULES:
            raise UsageError(f"--ignore: no rule is called {one!r}", hint="bump check --list")
    tree = WorkTree(context.cwd / arguments.directory, context.environ)
    checked = check.check(tree, frozenset(arguments.ignore))
    if not checked.clusters:
        raise TreeMissing(
            f"{tree.root}: no Flux tree here, expected a gotk-sync.yaml or a Flux Kustomization",
            hint="name a directory of the platform repository: bump check DIR",
        )
    fails = any(one.severity is ERROR or arguments.strict for one in checked.findings)
    code = EXIT_CODES[Outcome.FAILED if fails else Outcome.UNCHANGED]
    _print(arguments, context, listing.as_data(checked, code), listing.lines(checked))
    if context.environ.get("GITHUB_ACTIONS") == "true":
        _annotate(context, checked.findings, to_stderr=arguments.output == "json")
    return code


def _print(
    arguments: argparse.Namespace, context: Context, data: dict[str, object], lines: list[Line]
) -> None:
    if arguments.output == "json":
        context.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    with _as_text(context):
        terminal = open_terminal(context.stdout, context.environ, time.monotonic, name_sites=False)
        terminal.write(lines)
        terminal.close()


def _as_text(context: Context) -> AbstractContextManager[None]:
    """In a workflow nothing that stands in a manifest becomes a command of the runner."""
    if context.environ.get("GITHUB_ACTIONS") != "true":
        return nullcontext()
    from bumper.systems.github.runner import stopped_commands

    return stopped_commands(context.stdout)


def _annotate(context: Context, findings: Iterable[Finding], *, to_stderr: bool) -> None:
    """What GitHub shows beside the lines of the pull request."""
    from bumper.systems.github.runner import annotation

    stream = context.stderr if to_stderr else context.stdout
    for one in findings:
        text = f"{one.message}\n{one.why}\n{one.fix}"
        stream.write(annotation(one.severity.value, one.id, text, path=one.path, line=one.line))
