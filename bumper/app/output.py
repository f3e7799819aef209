"""Where a run is told: the terminal, one JSON object, the channels of `--publish`, and the notes that `bump history` reads.

Law: an ending is told once, in this order: terminal, JSON, and once everything is printed channels and notes, which change no exit
code.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bumper.app.settings import OutputSettings
from bumper.app.wiring import Systems
from bumper.dataclasses import dataclass
from bumper.errors import EXIT_INTERRUPTED, BumpError
from bumper.ports.deadline import told_to
from bumper.ports.run import Display, Terminal
from bumper.progress import Journal
from bumper.publish import inputs, problem, remedy
from bumper.record import Ending
from bumper.safe_text import visible
from bumper.style import Line, Span
from bumper.systems.terminal import open_terminal

if TYPE_CHECKING:
    from bumper.app.channels import Channels
    from bumper.publish.report import Report
    from bumper.publish.story import Landing

# The workflow of a platform repository that does by hand what a terminal does.
BUMP_WORKFLOW = ".github/workflows/bump.yml"


@dataclass(frozen=True)
class Result:
    """How a run ended: for people, for programs, and as an exit code. Channels and notes are told the `report`, where there is one."""

    lines: Sequence[Line]
    data: Mapping[str, Any]
    exit_code: int
    report: "Report | None" = None

    @classmethod
    def of(cls, outcome: "Report") -> Self:
        """The result of a run that sites are reported of."""
        from bumper.publish import report

        return cls(report.verdicts(outcome), report.as_data(outcome), outcome.exit_code, outcome)


class Output:
    """Tells one run. A context manager, inside of that of the systems: an error that passes is told to the channels."""

    def __init__(self, systems: Systems, settings: OutputSettings) -> None:
        self._systems = systems
        self._context = systems.context
        self._settings = settings
        self._channels = self._open_channels()
        self._terminal: Terminal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error:
            if isinstance(error, BumpError):
                error.reword(self._word)
            self._end_publishing(lambda channels: _failed(channels, error))

    def _word(self, text: str) -> str:
        """The text for people: with commands that can be pasted anywhere, and in a workflow with inputs in place of options."""
        return self._name(remedy.pasted(text, self._settings.place))

    def _name(self, text: str) -> str:
        return inputs.named(text) if self._context.surroundings.is_action else text

    def reworded(self, outcome: "Report") -> "Report":
        """The report in those words."""
        from bumper.publish.report import reworded

        return reworded(outcome, self._word)

    def begin(self, *, name_sites: bool) -> Journal:
        """Opens the terminal, with the site's name in each line where there are several. The journal counts from now on."""
        self._terminal = self._open_terminal(name_sites=name_sites)
        journal = Journal(self._systems.clock.now, self._display())
        if directory := self._systems.directory:
            journal.notice(
                f"{directory}: its own branch {self._systems.settings.branch} is read, not that of its origin"
            )
        return journal

    def _display(self) -> Display:
        if not self._channels:
            return self.terminal
        from bumper.publish.publisher import Several

        return Several(self.terminal, self._channels)

    def new_journal(self) -> Journal:
        """One that counts from now on, and that only the terminal shows: the channels hear of the first job alone."""
        return Journal(self._systems.clock.now, self.terminal)

    @property
    def terminal(self) -> Terminal:
        """The one that `begin` has opened."""
        assert self._terminal, "begin opens it"
        return self._terminal

    def landed(self, landings: "Mapping[str, Landing]") -> None:
        """Tells the channels what is on the branch for each site, and is followed from now on."""
        if self._channels:
            self._channels.landed(landings)

    def finish(self, result: Result) -> int:
        """Tells the result; returns its exit code."""
        if result.report:
            from bumper.publish.report import as_data, reworded, verdicts

            shown = self.reworded(result.report)
            data = as_data(reworded(result.report, self._name))
            result = Result(verdicts(shown), data, result.exit_code, shown)
        self._print(result.lines, result.data)
        outcome = result.report
        if outcome:
            rollback = outcome.rollback.report if outcome.rollback else None
            self._note([outcome, rollback] if rollback else [outcome])
            page = self._actions_page(outcome) if self._channels else ""
            self._end_publishing(lambda channels: channels.finish(outcome, actions_page=page))
        return result.exit_code

    def _actions_page(self, outcome: "Report") -> str:
        """The page of the platform's own workflow that takes a failure back; empty where it has none, or nothing failed."""
        revision = next((site.revision for site in outcome.sites if site.revision), None)
        if revision is None or outcome.exit_code == 0:
            return ""
        from bumper.app.channels import platform_page

        folder, _, name = BUMP_WORKFLOW.rpartition("/")
        try:
            entries = self._systems.repository.tree(revision.sha).list(folder)
        except BumpError:  # the verdict is what counts
            return ""
        page = platform_page(self._systems.settings.repo)
        return (
            f"{page}/actions/workflows/{name}"
            if page and any(entry.name == name for entry in entries)
            else ""
        )

    def interrupt(self, standing: Sequence[str]) -> int:
        """Says where things stand after Ctrl-C, a line each; returns the exit code for it."""
        standing = self._systems.left_open() or standing
        head = (Span("Interrupted", "warn"), Span(f": {standing[0]}"))
        rest = [(Span(f"  {line}"),) for line in standing[1:]]
        self._print([head, *rest], problem.interruption_as_data(standing))
        self._end_publishing(lambda channels: channels.interrupt(standing))
        return EXIT_INTERRUPTED

    def _print(self, lines: Sequence[Line], data: Mapping[str, Any]) -> None:
        self.terminal.close()
        self.terminal.write(lines)
        if self._settings.is_json:
            self._context.stdout.write(json.dumps(data, indent=2) + "\n")

    def _open_terminal(self, *, name_sites: bool) -> Terminal:
        """Progress: on stdout for people, on stderr where stdout belongs to a program."""
        stream = self._context.stderr if self._settings.is_json else self._context.stdout
        terminal = open_terminal(
            stream, self._context.environ, self._systems.clock.now, name_sites=name_sites
        )
        self._systems.close_at_end(terminal.close)
        # From now on what is waited for is said where the steps are shown.
        self._systems.enter_until_end(told_to(terminal.notice))
        return terminal

    def _open_channels(self) -> "Channels | None":
        if not self._settings.publish.channels:
            return None
        from bumper.app.channels import Channels

        return Channels(
            self._settings.publish,
            self._context.surroundings,
            self._systems.context.clock.now,
            self._systems.identity,
            platform_url=self._systems.settings.repo,
        )

    def _note(self, reports: "Sequence[Report]") -> None:
        """Writes down how the sites ended that were followed, the deploy before its rollback; see `outcome_notes`."""
        if not self._settings.keeps_notes:
            return
        from bumper.app import outcome_notes

        endings: dict[str, list[Ending]] = {}
        for each in reports:
            now, run_url = self._context.clock.wall(), self._context.surroundings.run_url
            for commit, ended in outcome_notes.endings(each, now, run_url).items():
                endings.setdefault(commit, []).extend(ended)
        if endings:
            namesakes = {name for each in reports for name in outcome_notes.namesakes(each)}
            self._context.afterwards.callback(self._write_notes, endings, namesakes)

    def _write_notes(self, endings: Mapping[str, Sequence[Ending]], namesakes: Collection[str]) -> None:
        from bumper.app import outcome_notes

        try:
            with self._systems.new_repository(outcome_notes.TIMEOUT_S) as remote:
                outcome_notes.write(remote, endings, self._systems.context.clock, namesakes=namesakes)
        except BumpError as error:
            self._context.stderr.write(
                f"  ! the outcome was not noted for bump history: {visible(error.message)}\n"
            )

    def _end_publishing(self, end: "Callable[[Channels], list[str]]") -> None:
        """Once everything has been printed: a GitHub that does not answer must not hold back what we know."""
        channels, self._channels = self._channels, None
        if channels:
            self._context.afterwards.callback(
                lambda: self._context.stderr.writelines(f"  ! {visible(line)}\n" for line in end(channels))
            )


def _failed(channels: "Channels", error: BaseException) -> list[str]:
    if isinstance(error, BumpError):
        return channels.fail(error)
    # Nobody shall read for ever that something is being deployed.
    return channels.interrupt(["bump ended before its time: see the log of the run"])
