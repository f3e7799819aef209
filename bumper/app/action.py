"""A command as a step of a workflow: outputs, annotations, and a log in which nothing foreign is a command. `bump action`."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from bumper.app.context import Context
from bumper.dataclasses import replace
from bumper.errors import BumpError
from bumper.publish import inputs, markdown, problem, step
from bumper.publish.comment import LIMIT as SUMMARY_LIMIT
from bumper.publish.comment import summary
from bumper.publish.story import Story
from bumper.safe_text import visible
from bumper.style import plain
from bumper.systems.file import append
from bumper.systems.folder import Folder
from bumper.systems.github import runner


def run_step(job: Callable[[Context], int], context: Context) -> int:
    """Runs the job, writes outputs and annotations, and returns the job's exit code. The job prints one JSON object on its stdout."""
    with kubeconfig(context) as environ, runner.stopped_commands(context.stdout) as commands:
        # The log of a step is one stream; what people read goes there, and the JSON comes back to us.
        answer = io.StringIO()
        # Where the workflow checked out, if it did: the process itself stands in an empty folder.
        cwd = Path(context.surroundings.workspace or context.cwd)
        inner = replace(
            context, environ=environ, cwd=cwd, stdout=answer, stderr=context.stdout, hide=commands.hide
        )
        code, result = _run(job, inner, answer)
        # GitHub is told within: what it could not take is foreign text too.
        context.tell_the_rest()
    if path := context.surroundings.outputs_path:
        with _said_of("GITHUB_OUTPUT", context):
            runner.append_outputs(Path(path), step.outputs_of(result))
    for level, title, text in step.annotations_of(result):
        context.stdout.write(runner.annotation(level, title, text))
    return code


def run_look(job: Callable[[Context], int], context: Context, *, in_summary: bool) -> int:
    """Runs a command that only shows something; what it prints is the log, and with `in_summary` the summary of the job, too."""
    shown = io.StringIO()
    failure: BumpError | None = None
    with kubeconfig(context) as environ, runner.stopped_commands(context.stdout) as commands:
        inner = replace(context, environ=environ, stdout=shown, stderr=context.stdout, hide=commands.hide)
        try:
            code = job(inner)
        except BumpError as error:
            failure, code = error, error.exit_code
            _say(error, inner, shown)
        context.stdout.write(shown.getvalue())
    if failure:
        for level, title, text in step.annotations_of(problem.as_data(failure)):
            context.stdout.write(runner.annotation(level, title, text))
    elif in_summary:
        _summarize(markdown.preformatted(shown.getvalue().splitlines(), SUMMARY_LIMIT) + "\n", context)
    return code


def _run(job: Callable[[Context], int], context: Context, answer: io.StringIO) -> tuple[int, dict[str, Any]]:
    try:
        code = job(context)
    except BumpError as error:
        _say(error, context, context.stderr)
        return error.exit_code, problem.as_data(error)
    return code, json.loads(answer.getvalue())


def _say(error: BumpError, context: Context, log: TextIO) -> None:
    """What ended the run, in the words of a workflow: in the log, and in the summary of the job, unless the run has written that."""
    error.reword(_in_inputs(context))
    log.writelines(plain(line) + "\n" for line in problem.lines(error))
    path = Path(context.surroundings.summary_path)
    # The file is each step's own.
    if not (path.is_file() and path.stat().st_size):
        _summarize(summary(Story(error=error)), context)


def _summarize(text: str, context: Context) -> None:
    wants = context.surroundings.inputs.get("summary", "").strip().lower() != "false"
    if wants and (path := context.surroundings.summary_path):
        with _said_of("GITHUB_STEP_SUMMARY", context):
            append(Path(path), text)


def _in_inputs(context: Context) -> Callable[[str], str]:
    """How a text is said to whoever wrote the workflow: the file that we made of an input is that input."""
    given = context.surroundings.inputs.get("kubeconfig", "").strip()
    path = context.environ.get("KUBECONFIG", "") if given else ""
    return lambda text: inputs.named(text.replace(path, "kubeconfig") if path else text)


@contextmanager
def _said_of(variable: str, context: Context) -> Iterator[None]:
    """A file of the runner that takes nothing is said, and changes nothing of how the step ends."""
    try:
        yield
    except OSError as error:
        why = (
            f"{variable}: {context.environ[variable]}: {error.strerror}, expected a file that can be added to"
        )
        context.stdout.write(runner.annotation("warning", variable, visible(why)))


@contextmanager
def kubeconfig(context: Context) -> Iterator[Mapping[str, str]]:
    """The environment with a kubeconfig file that holds the input, in a folder of ours alone, which is removed afterwards."""
    text = context.surroundings.inputs.get("kubeconfig", "")
    if not text.strip():
        yield context.environ
        return
    place = context.surroundings.temporary_folder
    with Folder.new(Path(place) if place else None) as folder:
        yield {**context.environ, "KUBECONFIG": str(folder.write("kubeconfig", text.encode()))}
