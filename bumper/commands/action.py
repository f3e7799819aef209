"""The main job as a step of a workflow: the inputs of action.yml in, its outputs and annotations out.

Inputs come by the environment only (`BUMP_INPUT_SITE`, …): no text of an event
ever reaches a shell. The job itself is `bump` with the same
same options, and its JSON is where outputs and annotations come from.
"""

import argparse
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bumper.app.context import Context
from bumper.commands import deploy
from bumper.errors import EXIT_CODES, BumpError, Outcome, UsageError
from bumper.publish import report
from bumper.style import plain

SUMMARY = "The main job as a step of a workflow. Inputs: BUMP_INPUT_SITE, BUMP_INPUT_SHA, … as action.yml sets them."
# Input → option. A list has one entry on each line.
_TEXTS = {
    "site": "--site",
    "sha": "--sha",
    "tag": "--tag",
    "branch": "--branch",
    "commit-via": "--commit-via",
    "merge-timeout": "--merge-timeout",
    "image": "--image",
    "follow": "--follow",
    "timeout": "--timeout",
    "reason": "--reason",
}
_FLAGS = {"dry-run": "--dry-run", "auto-rollback": "--auto-rollback", "force": "--force"}
_LISTS = {"set": "--set", "context": "--context"}
# Those that need no permission which the job has not had before are on.
_CHANNELS = {"comment": True, "summary": True, "deployment": False, "status": False}
_WARNS = {Outcome.TIMED_OUT, Outcome.SUPERSEDED}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No option: everything comes by the environment."""


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Runs the job, writes outputs and annotations, and returns the job's exit code."""
    from bumper.systems.github import runner

    with _kubeconfig(context) as environ, runner.stopped_commands(context.stdout):
        # The log of a step is one stream; what people read goes there, and the JSON comes back to us.
        answer = io.StringIO()
        inner = replace(
            context, environ=environ, cwd=_workspace(context), stdout=answer, stderr=context.stdout
        )
        code, result = _run(inner, answer)
        # GitHub is told within: what it could not take is foreign text too.
        context.stdout.flush()
        context.afterwards.close()
    outputs = context.environ.get("GITHUB_OUTPUT")
    if outputs:
        runner.append_outputs(Path(outputs), outputs_of(result))
    for level, title, text in annotations_of(result):
        context.stdout.write(runner.annotation(level, title, text))
    return code


def words(environ: Mapping[str, str]) -> list[str]:
    """The command line that the inputs stand for."""
    found = ["--output=json"]
    for name, option in _TEXTS.items():
        if text := _input(environ, name):
            found.append(f"{option}={text}")
    for name, option in _LISTS.items():
        found += [f"{option}={line.strip()}" for line in _input(environ, name).splitlines() if line.strip()]
    found.append(f"--repo={_repository(environ)}")
    found += [option for name, option in _FLAGS.items() if _is_true(environ, name, default=False)]
    found += [] if _is_true(environ, "wait", default=True) else ["--no-wait"]
    found += [
        f"--publish={name}" for name, is_on in _CHANNELS.items() if _is_true(environ, name, default=is_on)
    ]
    return found


def outputs_of(result: Mapping[str, Any]) -> dict[str, str]:
    """The outputs of action.yml. Of several sites those that speak of one are the worst one's; all are in `verdict`."""
    site = _worst(result)
    error = result.get("error") or {}
    return {
        "outcome": result["outcome"],
        "reason": site.get("reason") or error.get("reason") or "",
        "commit": site.get("commit") or "",
        "previous-tag": site.get("previousTag") or "",
        "tag": site.get("tag") or "",
        "digest": site.get("digest") or "",
        "durations": json.dumps(
            {
                one["site"]: {stage["stage"]: stage["seconds"] for stage in one["stages"]}
                for one in result["sites"]
            }
        ),
        "verdict": json.dumps(result),
    }


def annotations_of(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Level, title and text for each site that is not where it should be, or for the error that ended the run."""
    if error := result.get("error"):
        text = "\n".join(filter(None, (error["message"], error["hint"])))
        return [("error", f"bump: {result['outcome']}", text)]
    found = []
    for site in result["sites"]:
        outcome = Outcome(site["outcome"])
        if EXIT_CODES[outcome] or outcome in _WARNS:
            level = "warning" if outcome in _WARNS else "error"
            back = site.get("rolledBack") and f"rolled back: {site['rolledBack']}"
            serving = site["serving"] and f"serving now: {site['serving']}"
            lines = (site["message"], serving, back, site["hint"])
            found.append((level, f"{site['site']}: {outcome.value}", "\n".join(filter(None, lines))))
    return found


def _run(context: Context, answer: io.StringIO) -> tuple[int, dict[str, Any]]:
    from bumper.cli import MAIN_COMMAND, parser_of

    try:
        code = deploy.run(parser_of(MAIN_COMMAND).parse_args(words(context.environ)), context)
    except BumpError as error:
        context.stderr.writelines(plain(line) + "\n" for line in report.error(error))
        return error.exit_code, report.error_as_data(error)
    return code, json.loads(answer.getvalue())


def _worst(result: Mapping[str, Any]) -> Mapping[str, Any]:
    sites = [site for site in result["sites"] if site["outcome"] == result["outcome"]]
    return sites[0] if sites else {}


def _input(environ: Mapping[str, str], name: str) -> str:
    return environ.get(f"BUMP_INPUT_{name.upper().replace('-', '_')}", "").strip()


def _is_true(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = _input(environ, name).lower()
    if text not in ("true", "false", ""):
        raise UsageError(f"{name}: {text!r}, expected true or false")
    return text == "true" if text else default


def _workspace(context: Context) -> Path:
    """Where the workflow checked out, if it did: the process itself stands in an empty folder."""
    return Path(context.environ.get("GITHUB_WORKSPACE") or context.cwd)


def _repository(environ: Mapping[str, str]) -> str:
    """The URL of the platform repository: an input, `owner/name` on this GitHub, or where this action comes from."""
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    asked = _input(environ, "repo") or environ.get("BUMP_ACTION_REPOSITORY", "")
    if not asked:
        raise UsageError("repo: no platform repository", hint="name it with the input repo: OWNER/NAME")
    return asked if "://" in asked else f"{server}/{asked}"


@contextmanager
def _kubeconfig(context: Context) -> Iterator[Mapping[str, str]]:
    """The environment with a kubeconfig file that holds the input, readable by us alone and removed afterwards."""
    text = context.environ.get("BUMP_INPUT_KUBECONFIG", "")
    if not text.strip():
        yield context.environ
        return
    folder = context.environ.get("RUNNER_TEMP") or None
    descriptor, path = tempfile.mkstemp(prefix="bump-kubeconfig-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        yield {**context.environ, "KUBECONFIG": path}
    finally:
        Path(path).unlink(missing_ok=True)
