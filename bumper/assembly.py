"""Opens the real systems that a command line names, and closes them again.

The only place where git, registry, cluster and terminal meet. Each is imported when it is opened: their libraries are slow to load.
"""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bumper import report
from bumper.commands import Context
from bumper.errors import EXIT_INTERRUPTED, TreeMissing, UsageError
from bumper.journal import Journal
from bumper.report import Report
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
        self.clock = SystemClock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
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
        return Journal(self.clock.now, terminal)

    def finish(self, outcome: Report, terminal: Terminal) -> int:
        """Prints the report as `--output` wants it; returns its exit code."""
        terminal.close()
        terminal.write(report.verdicts(outcome))
        if self.arguments.output == "json":
            self.context.stdout.write(json.dumps(report.as_data(outcome), indent=2) + "\n")
        return outcome.exit_code

    def interrupt(self, standing: Sequence[str], terminal: Terminal) -> int:
        """Says where things stand after Ctrl-C; returns the exit code for it."""
        terminal.close()
        terminal.write([(report.Span("Interrupted", "warn"), report.Span(f": {standing[0]}"))])
        terminal.write([(report.Span(f"  {line}"),) for line in standing[1:]])
        if self.arguments.output == "json":
            data = {
                "outcome": "interrupted",
                "exitCode": EXIT_INTERRUPTED,
                "standing": list(standing),
                "sites": [],
            }
            self.context.stdout.write(json.dumps(data, indent=2) + "\n")
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
            Cluster(context=name, environ=self.context.environ, clock=self.clock)
            for name in self.arguments.context or [None]
        ]
        for cluster in clusters:
            self._stack.callback(cluster.close)
        return clusters

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
