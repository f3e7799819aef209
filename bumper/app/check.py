"""What is wrong in the Flux tree of a checkout: `bump check`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

from bumper import check as rules
from bumper.app.context import Context
from bumper.app.settings import CheckSettings, FreezeQuestion
from bumper.check import ERROR, Finding, listing
from bumper.errors import EXIT_CODES, Outcome, TreeMissing, UsageError
from bumper.style import Line
from bumper.systems.git.worktree import WorkTree
from bumper.systems.terminal import open_terminal


def check(settings: CheckSettings, context: Context) -> int:
    """Prints the findings; returns 11 if one of them is an error. TreeMissing where there is no Flux tree."""
    for name in settings.ignored:
        if name not in rules.RULES:
            raise UsageError(f"--ignore: no rule is called {name!r}", hint="bump check --list")
    tree = WorkTree(context.cwd / settings.directory, context.environ)
    checked = rules.check(tree, frozenset(settings.ignored))
    if not checked.clusters:
        raise TreeMissing(
            f"{tree.root}: no Flux tree here, expected a gotk-sync.yaml or a Flux Kustomization",
            hint="name a directory of the platform repository: bump check DIR",
        )
    fails = any(finding.severity is ERROR or settings.is_strict for finding in checked.findings)
    code = EXIT_CODES[Outcome.FAILED if fails else Outcome.UNCHANGED]
    _print(settings.is_json, context, listing.as_data(checked, code), listing.lines(checked))
    if context.surroundings.is_workflow:
        _annotate(context, checked.findings, to_stderr=settings.is_json)
    return code


def say_when(question: FreezeQuestion, context: Context) -> int:
    """Prints of each site whether a freeze window keeps a deploy off it; returns 4 if one of them is frozen."""
    # What plans a deploy comes with it, and no other check needs that.
    from bumper.deploy.freeze import answer

    tree = WorkTree(context.cwd / question.directory, context.environ)
    lasts, by = timedelta(seconds=question.timeout_s), context.surroundings.requested_by
    answers = answer.answers(tree, question.at, lasts, by, question.sites)
    is_frozen = any(each.closure for each in answers)
    code = EXIT_CODES[Outcome.REFUSED if is_frozen else Outcome.UNCHANGED]
    _print(question.is_json, context, answer.as_data(answers, question.at, code), answer.lines(answers))
    return code


def print_rules(settings: CheckSettings, context: Context) -> int:
    """Prints all rules, and looks at nothing; returns 0."""
    _print(settings.is_json, context, listing.table_as_data(), listing.table())
    return EXIT_CODES[Outcome.UNCHANGED]


def _print(is_json: bool, context: Context, data: Mapping[str, object], lines: Sequence[Line]) -> None:
    if is_json:
        context.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    with _as_text(context):
        terminal = open_terminal(context.stdout, context.environ, context.clock.now, name_sites=False)
        terminal.write(lines)
        terminal.close()


def _as_text(context: Context) -> AbstractContextManager[object]:
    """In a workflow nothing that stands in a manifest becomes a command of the runner."""
    if not context.surroundings.is_workflow:
        return nullcontext()
    from bumper.systems.github.runner import stopped_commands

    return stopped_commands(context.stdout)


def _annotate(context: Context, findings: Iterable[Finding], *, to_stderr: bool) -> None:
    """What GitHub shows beside the lines of the pull request."""
    from bumper.systems.github.runner import annotation

    stream = context.stderr if to_stderr else context.stdout
    for finding in findings:
        text = f"{finding.message}\n{finding.why}\n{finding.fix}"
        level, name = finding.severity.value, finding.id
        stream.write(annotation(level, name, text, path=finding.path, line=finding.line))
