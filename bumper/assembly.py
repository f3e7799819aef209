"""Opens the real systems that a command line names, and closes them again.

The only place where git, registry, cluster and terminal meet. Each is imported when it is opened: their libraries are slow to load.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bumper import report
from bumper.audience import Audience
from bumper.commands import Context
from bumper.errors import EXIT_INTERRUPTED, BumpError, TreeMissing, UsageError
from bumper.journal import Journal
from bumper.publishing import Several
from bumper.recording import Recorder
from bumper.report import Report
from bumper.systems import Clock
from bumper.terminal import Terminal, open_terminal

if TYPE_CHECKING:
    from bumper.git import Remote
    from bumper.kube import Cluster
    from bumper.registry import Registry


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Assembly:
    """A context manager around everything that a run opens."""

    arguments: argparse.Namespace
    context: Context

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._system_clock = SystemClock()
        self.clock: Clock = self._system_clock
        self._audience = self._open_audience()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if error:
            self._end_publishing(lambda audience: _told_of(audience, error))
        if isinstance(error, TreeMissing) and not self.arguments.repo:
            # Nobody named this repository: we only stand in it.
            raise UsageError(
                f"no platform repository: {self.context.cwd} is a checkout without a Flux tree",
                hint="name the platform repository with --repo URL",
            ) from error

    def terminal(self, *, name_sites: bool) -> Terminal:
        """Progress: on stdout for people, on stderr where stdout belongs to a program."""
        stream = self.context.stderr if self.arguments.output == "json" else self.context.stdout
        terminal = open_terminal(stream, self.context.environ, self.clock.now, name_sites=name_sites)
        self._stack.callback(terminal.close)
        return terminal

    def journal(self, terminal: Terminal) -> Journal:
        """Counts its seconds from now on."""
        return Journal(self.clock.now, Several(terminal, self._audience) if self._audience else terminal)

    def finish(self, outcome: Report, terminal: Terminal) -> int:
        """Prints the report as `--output` wants it; returns its exit code."""
        terminal.close()
        terminal.write(report.verdicts(outcome))
        if self.arguments.output == "json":
            self.context.stdout.write(json.dumps(report.as_data(outcome), indent=2) + "\n")
        self._end_publishing(lambda audience: audience.finish(outcome))
        return outcome.exit_code

    def interrupt(self, standing: Sequence[str], terminal: Terminal) -> int:
        """Says where things stand after Ctrl-C; returns the exit code for it."""
        terminal.close()
        terminal.write([(report.Span("Interrupted", "warn"), report.Span(f": {standing[0]}"))])
        terminal.write([(report.Span(f"  {line}"),) for line in standing[1:]])
        if self.arguments.output == "json":
            data = report.interrupted_as_data(standing)
            self.context.stdout.write(json.dumps(data, indent=2) + "\n")
        self._end_publishing(lambda audience: audience.interrupt(standing))
        return EXIT_INTERRUPTED

    def repository(self) -> "Remote":
        """The platform repository that `--repo` names, or the origin of the checkout we stand in."""
        from bumper.git import Remote

        token = self.context.environ.get("BUMP_TOKEN") or self.context.environ.get("GITHUB_TOKEN") or ""
        remote = Remote(self._location(), token=token, environ=self.context.environ)
        return self._stack.enter_context(remote)

    def registry(self) -> "Registry":
        """The registries, reached with the credentials of the environment."""
        from bumper.registry import Registry

        registry = Registry(environ=self.context.environ, clock=self.clock)
        self._stack.callback(registry.close)
        return registry

    def clusters(self) -> Sequence["Cluster"]:
        """One for each `--context`; the current context, or the cluster we run in, where none is named."""
        from bumper.kube import Cluster

        clusters = [
            Cluster(context=name, environ=self.context.environ, clock=self._system_clock)
            for name in self.arguments.context or [None]
        ]
        for cluster in clusters:
            self._stack.callback(cluster.close)
        return clusters

    def recorder(self) -> Recorder | None:
        """Writes what `--record` asks for, readable by its owner alone; from now on the run goes by its clock."""
        path = self.arguments.record
        if not path:
            return None
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            stream = self._stack.enter_context(Path(path).open("w", encoding="utf-8", buffering=1))  # noqa: SIM115 (closed with the run)
        except OSError as error:
            raise UsageError(f"--record {path}: {error.strerror}") from None
        recorder = Recorder(stream.write, self._system_clock)
        self.clock = recorder.clock
        return recorder

    def _open_audience(self) -> Audience | None:
        asked = getattr(self.arguments, "publish", None)
        if not asked:
            return None
        repository = str(self.arguments.repo or "")
        return Audience(asked, self.context.environ, self._system_clock.now, platform_url=repository)

    def _end_publishing(self, end: Callable[[Audience], list[str]]) -> None:
        """Once everything has been printed: a GitHub that does not answer must not hold back what we know."""
        audience, self._audience = self._audience, None
        if audience:
            self.context.afterwards.callback(
                lambda: self.context.stderr.writelines(f"  ! {line}\n" for line in end(audience))
            )

    def _location(self) -> str:
        """A URL, or a directory: that of a checkout stands for its origin, with the credentials that its own settings name."""
        from bumper.git import checkout_root

        asked = self.arguments.repo
        if asked:
            return str(asked)
        root = checkout_root(self.context.cwd, self.context.environ)
        if root is None:
            raise UsageError(
                "no platform repository: this is no git checkout", hint="name it with --repo URL"
            )
        return str(root)


def _told_of(audience: Audience, error: BaseException) -> list[str]:
    if isinstance(error, BumpError):
        return audience.fail(error)
    # Nobody shall read for ever that something is being deployed.
    return audience.interrupt(["bump ended before its time: see the log of the run"])
