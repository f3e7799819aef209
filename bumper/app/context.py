"""The process that a run lives in: only `cli` reads the environment, prints or exits."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TextIO

from bumper.app.clock import SystemClock
from bumper.app.surroundings import Surroundings
from bumper.dataclasses import dataclass, field
from bumper.ports.run import WallClock
from bumper.safe_text import visible


@dataclass(frozen=True)
class Context:
    """What a command may know of the process it runs in. Texts for people and machines go to these two streams.

    `afterwards` is what may take some more time once everything has been printed; it cannot change the exit code.
    `stdin` is where an answer comes from, None where nobody can be asked. `hide` is told each secret that comes up in the run; where
    the log is our own it sees to it that the log does not show it. Elsewhere the line that says so might be what shows it, in a file.
    """

    environ: Mapping[str, str]
    cwd: Path
    stdout: TextIO
    stderr: TextIO
    afterwards: ExitStack = field(default_factory=ExitStack)
    stdin: TextIO | None = None
    clock: WallClock = field(default_factory=SystemClock)
    hide: Callable[[str], None] = lambda secret: None

    @cached_property
    def surroundings(self) -> Surroundings:
        """What the environment says of the workflow that runs us."""
        return Surroundings.of(self.environ)

    def tell_the_rest(self) -> None:
        """Does what is left for `afterwards`. How the run ended has been said by then: what the machine is short of is a line more."""
        try:
            self.stdout.flush()
            self.afterwards.close()
        except Exception as error:
            from bumper.app.shortage import shortage

            short = shortage(error)
            if not short:
                raise
            self.stderr.write(f"  ! not everything was told: {visible(short.message)}\n")
