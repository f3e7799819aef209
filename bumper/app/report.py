"""The platform as one page of HTML: `bump report`.

Law: what `bump status` and `bump history` show, found in the same way and with the same rights. A page is written whole or not at all.
"""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from io import TextIOWrapper
from pathlib import Path
from stat import S_IMODE
from typing import TextIO

from bumper.address import host_of, name_on, repository_name
from bumper.app.context import Context
from bumper.app.history import annotated_environments, history_of
from bumper.app.settings import ReportSettings
from bumper.app.status import look_at
from bumper.app.stream import is_lost
from bumper.app.wiring import Systems
from bumper.errors import UsageError
from bumper.history.metrics import measure, trend
from bumper.status.report.page import html, lines
from bumper.status.report.snapshot import Snapshot
from bumper.status.report.trends import bounds
from bumper.systems.file import writable

_STDOUT = "-"


def report(settings: ReportSettings, context: Context) -> int:
    """Writes the page, says where it is and what is in it, and returns 0. UsageError where its libraries or its folder are missing."""
    from bumper.systems.drawing import Library

    # Nothing is asked for a page that can't be drawn or written.
    drawing = Library()
    with _file(settings.html, context) as write:
        # Records live until the end: looking for garbage among them, again and again, takes a quarter of the time.
        gc.disable()
        snapshot = _snapshot(settings, context)
        page = html(snapshot, drawing)
        write(page)
        gc.freeze()
    context.stderr.writelines(f"{line}\n" for line in lines(snapshot, settings.html, len(page.encode())))
    return 0


@contextmanager
def _file(name: str, context: Context) -> Iterator[Callable[[str], object]]:
    """Opens the place of the page before anything is asked, and gives what writes all of it there; `-` is standard output.

    A file gets its new content at once, and keeps its rights and the links to it; a device is written to, and a pipe that is read.
    """
    if name == _STDOUT:
        yield lambda page: _print(page, context.stdout)
        return
    path = context.cwd / name
    with _told(name):
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "is a directory")
        beside = (
            path.resolve().with_name(f".{os.getpid()}.new") if path.is_file() or not path.exists() else None
        )
        stream = (
            beside.open("x", encoding="utf-8") if beside else os.fdopen(writable(path), "w", encoding="utf-8")
        )

    def write(page: str) -> None:
        with _told(name), stream:
            stream.write(page)
            stream.flush()
            if beside:
                if path.exists():
                    beside.chmod(S_IMODE(path.stat().st_mode))
                beside.replace(path.resolve())

    try:
        yield write
    finally:
        with suppress(OSError):
            stream.close()
        if beside:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"--html {name}: cannot be written: {error.strerror}, expected a file in a folder that can be written to"
        ) from None


def _print(page: str, stdout: TextIO) -> None:
    """As the page says that it is encoded, whatever the terminal takes; half a page is none."""
    if isinstance(stdout, TextIOWrapper):
        stdout.reconfigure(encoding="utf-8")
    stdout.write(page)
    stdout.flush()
    if is_lost(stdout):
        raise UsageError(f"--html {_STDOUT}: cannot be written: the disk is full, or the reader went away")


def _snapshot(settings: ReportSettings, context: Context) -> Snapshot:
    status = settings.status
    with Systems(context, status.repository, settings.permissions) as systems:
        seen = look_at(status, systems)
        history = history_of(systems, is_offline=settings.is_offline)
        deploys = tuple(history.all())
        notices = tuple(history.notices())
        branch, now = settings.repository.branch, context.clock.wall()
        annotated = annotated_environments(deploys, branch, systems)
        url = systems.platform_url()
    first = min((deploy.record.at for deploy in deploys), default=now)
    periods = bounds(first, now)
    server = context.surroundings.server_url
    name = name_on(server, url)
    return Snapshot(
        name=name or repository_name(url) or Path(url).name or host_of(url),
        web=f"{server}/{name}" if name else "",
        overview=seen.overview,
        entries=tuple(seen.entries),
        deploys=deploys,
        metrics=measure(deploys, branch, now, None, annotated),
        periods=tuple(trend(deploys, branch, periods, annotated)),
        notices=notices,
        why_not_looked=seen.why_not_looked,
    )
