"""Deploys that play side by side: all that a run of pytest asks of a test's table begin before the first answer is waited for."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from .program import Ended


def asked_for(request: pytest.FixtureRequest, test: Callable[..., None]) -> list[dict[str, Any]]:
    """The parameters of this test, and of no other of its name, for each time that it is to run."""
    return [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test
    ]


@contextmanager
def side_by_side(
    names: Sequence[str], play: Callable[[str], list[Ended]], at_once: int
) -> Iterator[dict[str, Future[list[Ended]]]]:
    """Plays these, so many at once, while the block runs."""
    with ThreadPoolExecutor(at_once) as together:
        yield {name: together.submit(play, name) for name in names}


def check(ended: Sequence[Ended], verdicts: tuple[tuple[str, str, int], ...], quotes: Sequence[str]) -> None:
    """Outcome, reason and exit code of each run, and texts that the last answer holds."""
    assert tuple((*run.verdict, run.exit_code) for run in ended) == verdicts, "\n".join(map(str, ended))
    missing = [quote for quote in quotes if quote not in str(ended[-1])]
    assert not missing, str(ended[-1])
